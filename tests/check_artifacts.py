"""Reads every artifact of an experiment with NumPy and recomputes its numbers in plain float64.

    python tests/check_artifacts.py artifacts/digits [largest number of draws to recompute]
    python tests/check_artifacts.py artifacts/digits-ladder      a family: the join against its members

An independent second opinion: forward passes, finite differences, sums and quantiles written here share nothing with the
program.
"""

import itertools
import json
import math
import statistics
import sys
from pathlib import Path

import numpy as np

DTYPES = {"|u1": np.uint8, "<i8": np.int64, "<f4": np.float32, "<f8": np.float64}


def load_all(root, stages=None):
    """Every array of every manifest, or of those of `stages`, checked for type and shape; a dict by 'stage/file'."""
    arrays, manifests = {}, {}
    for stage in stages or [path.parent.name for path in root.glob("[!.]*/manifest.json")]:
        manifest = json.loads((root / stage / "manifest.json").read_text())
        manifests[stage] = manifest
        for name, output in manifest["outputs"].items():
            path = root / stage / name
            if name.endswith(".npy"):
                array = np.load(path, allow_pickle=False)
                assert array.dtype == DTYPES[output["dtype"]], (name, array.dtype, output["dtype"])
                assert list(array.shape) == output["shape"], (name, array.shape, output["shape"])
                assert array.flags.c_contiguous and output["unit"], name
                arrays[f"{stage}/{name}"] = array
            elif name.endswith(".npz"):
                with np.load(path, allow_pickle=False) as archive:
                    arrays[f"{stage}/{name}"] = {key: archive[key] for key in archive.files}
            else:
                assert path.stat().st_size > 0, name
    return arrays, manifests


ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "gelu": lambda z: 0.5 * z * (1 + np.vectorize(__import__("math").erf)(z / np.sqrt(2))),
    "softplus": lambda z: np.logaddexp(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


class Subject:
    """The network and its samples, from artifacts alone."""

    def __init__(self, arrays, manifests):
        facts, data = manifests["train"]["facts"], manifests["fetch-data"]["facts"]
        n = data["normalisation"]
        raw = arrays["fetch-data/train_images.npy"].astype(np.float64)
        # A number, or one for each channel.
        mean, std = (np.atleast_1d(n[key]) for key in ("mean", "std"))
        each = lambda numbers: np.repeat(numbers, raw.shape[1] // len(numbers))
        self.x = (raw / n["scale"] - each(mean)) / each(std)
        self.y = arrays["fetch-data/train_labels.npy"]
        self.w = arrays["train/w_star.npy"].astype(np.float64)
        self.image, self.layers, self.loss = facts["network"]["image"], facts["network"]["layers"], facts["loss"]
        # Fully connected with biases: what closed forms below need.
        self.is_perceptron = all(layer.get("linear") and layer["bias"] for layer in self.layers)

    def layer_weights(self, w):
        """(W, b) of each layer from the flat parameters w; W is (out, in), or (out, in, kh, kw), and b is 0 without a bias."""
        offset, pairs, image = 0, [], self.image
        for layer in self.layers:
            outputs = layer.get("linear") or layer.get("conv")
            shape = [outputs, math.prod(image)] if "linear" in layer else [outputs, image[0]] + 2 * [layer.get("kernel")]
            if outputs is None:
                pairs.append((None, 0.0))
            else:
                size, n_bias = math.prod(shape), outputs if layer["bias"] else 0
                bias = w[offset + size : offset + size + n_bias]
                pairs.append((w[offset : offset + size].reshape(shape), bias if n_bias else np.zeros(outputs)))
                offset += size + n_bias
            image = self.image_above(layer, image)
        assert offset == len(w)
        return pairs

    @staticmethod
    def image_above(layer, image):
        """[C, H, W] of what a layer makes of [C, H, W]."""
        if "linear" in layer:
            return [layer["linear"], 1, 1]
        if "conv" in layer:
            side = lambda n: (n + 2 * layer["padding"] - layer["kernel"]) // layer["stride"] + 1
            return [layer["conv"], side(image[1]), side(image[2])]
        size = layer["max_pool"] if "max_pool" in layer else layer["average_pool"]
        return [image[0], image[1] // size, image[2] // size]

    def forward(self, layer, weights, bias, h):
        """z of h, (N, C, H, W) or (N, D)."""
        if "linear" in layer:
            return h.reshape(len(h), -1) @ weights.T + bias
        if "conv" in layer:
            border = 2 * [[0, 0]] + 2 * [2 * [layer["padding"]]]
            squares = np.lib.stride_tricks.sliding_window_view(np.pad(h, border), weights.shape[2:], axis=(2, 3))
            squares = squares[:, :, :: layer["stride"], :: layer["stride"]]
            return np.einsum("ncyxab,ocab->noyx", squares, weights, optimize=True) + bias[:, None, None]
        size = layer["max_pool"] if "max_pool" in layer else layer["average_pool"]
        n, c, height, width = h.shape
        h = h[:, :, : height // size * size, : width // size * size]
        squares = h.reshape(n, c, height // size, size, width // size, size)
        return squares.max(axis=(3, 5)) if "max_pool" in layer else squares.mean(axis=(3, 5))

    def outputs(self, w):
        """(N, C) of the last layer at the flat parameters w."""
        h = self.x.reshape(len(self.x), *self.image)
        for layer, (weights, bias) in zip(self.layers, self.layer_weights(w)):
            h = ACTIVATIONS[layer["activation"]](self.forward(layer, weights, bias, h))
        return h

    def gauss_newton(self, basis):
        """u^T G u for each row u of basis: means over samples of z^T (second derivative of the loss) z, z by central differences."""
        step = 1e-5
        values = []
        for u in basis:
            z = (self.outputs(self.w + step * u) - self.outputs(self.w - step * u)) / (2 * step)
            if self.loss == "softmax-cross-entropy":
                f = self.outputs(self.w)
                p = np.exp(f - f.max(axis=1, keepdims=True))
                p = p / p.sum(axis=1, keepdims=True)
                values.append(((p * z**2).sum(axis=1) - (p * z).sum(axis=1) ** 2).mean())
            else:
                assert self.loss == "squared-error", f"{self.loss}: its formula is needed here"
                values.append((z**2).sum(axis=1).mean())
        return np.array(values)

    def losses(self, w):
        """Per-sample losses at the flat parameters w."""
        h = self.outputs(w)
        if self.loss == "softmax-cross-entropy":
            top = h.max(axis=1)
            return np.log(np.exp(h - top[:, None]).sum(axis=1)) + top - h[np.arange(len(h)), self.y]
        assert self.loss == "squared-error", f"{self.loss}: its formula is needed here"
        target = np.eye(self.layers[-1]["linear"])[self.y] if self.y.dtype == np.int64 else self.y.reshape(len(self.y), -1)
        return 0.5 * ((h - target) ** 2).sum(axis=1)


def increments(losses, step):
    """L_k and L_{k+s} - L_k for k = s, 2s, ..., along the last axis."""
    whole = losses.shape[-1] // step * step
    k = np.arange(step, whole + 1, step)
    mean = np.cumsum(losses, axis=-1)[..., step - 1 : whole : step] / k
    return k[:-1], mean[..., :-1], np.diff(mean, axis=-1)


def close(found, expected, relative, what, scale=None):
    scale = scale or np.abs(expected).max()
    worst = np.abs(np.asarray(found) - expected).max()
    assert worst <= relative * scale, f"{what}: off by {worst:.2e}, {relative:.0e} x {scale:.2e} allowed"
    print(f"{what}: within {worst / max(scale, 1e-300):.1e} of the largest")


def check_fetch_data(arrays, manifests):
    order = arrays["fetch-data/sample_order.npy"]
    assert len(np.unique(order)) == len(order) == manifests["fetch-data"]["facts"]["n_samples"]


def check_train(arrays, manifests, subject):
    facts = manifests["train"]["facts"]
    flat = np.concatenate([arrays["train/weights.npz"][p["name"]].ravel() for p in facts["layout"]])
    assert (flat == arrays["train/w_star.npy"]).all()
    precise = arrays["train/w_star.npy"].dtype == np.float64
    # 1e-12: residuals that are rounding, squared, where a network fits all.
    assert abs(subject.losses(subject.w).mean() - facts["train_loss"]) <= (1e-10 if precise else 1e-4) * facts["train_loss"] + 1e-12
    if "stop" in facts:
        check_stop(facts, manifests["train"]["params"], arrays["train/loss_history.npy"], len(subject.x))


def check_stop(facts, params, history, n_samples):
    """Which rule ended training, when, and whose weights w* has, from the history."""
    found, asked = facts["stop"], params["stop"]
    validation, norm = (history[:, facts["history_columns"].index(name)] for name in ["validation_loss", "gradient_norm"])
    n_held_out = 0 if asked["validation"] is None else min(max(round(asked["validation"] * n_samples), 1), n_samples - 1)
    assert (found["n_held_out"], found["n_trained"]) == (n_held_out, n_samples - n_held_out), found
    assert found["epochs"] == len(history) - 1 <= params["epochs"]
    is_small = asked["gradient_norm"] is not None and norm[-1] < asked["gradient_norm"]
    best = 0 if n_held_out == 0 else int(np.argmin(validation))
    has_waited = n_held_out > 0 and found["epochs"] - best >= asked["patience"]
    assert found["by"] == ("gradient-norm" if is_small else "validation" if has_waited else "limit"), found
    assert found["by"] != "limit" or found["epochs"] == params["epochs"]
    # No earlier epoch had met a rule.
    assert asked["gradient_norm"] is None or (norm[:-1] >= asked["gradient_norm"]).all()
    for epoch in range(found["epochs"] if n_held_out else 0):
        assert epoch - np.argmin(validation[: epoch + 1]) < asked["patience"], epoch
    assert found["best_epoch"] == (best if n_held_out and not is_small else found["epochs"])
    assert found["validation_loss"] == (validation[found["best_epoch"]] if n_held_out else None)
    assert found["gradient_norm"] == (norm[found["best_epoch"]] if asked["gradient_norm"] is not None else None)
    # Without held-out samples it is the gradient over all, which is known from elsewhere.
    if asked["gradient_norm"] is not None and n_held_out == 0:
        assert abs(found["gradient_norm"] / facts["gradient_norm"] - 1) <= 1e-6, found
    print(f"train: stop by {found['by']} after epoch {found['epochs']} recomputed")


def check_eigen(arrays, manifests, subject, relative):
    basis = arrays["eigen/basis.npy"].astype(np.float64)
    d = len(basis)
    # Rounding of the stored type, a few hundred times.
    assert np.abs(basis @ basis.T - np.eye(d)).max() <= 500 * np.finfo(arrays["eigen/basis.npy"].dtype).eps
    close(arrays["eigen/sample_loss.npy"], subject.losses(subject.w), relative, "sample_loss")
    slopes = arrays["eigen/sample_slope.npy"]
    step = 6e-6  # eps^(1/3): truncation and rounding near 4e-11, and kinks are rarely crossed
    for j in range(min(d, 3)):
        difference = (subject.losses(subject.w + step * basis[j]) - subject.losses(subject.w - step * basis[j])) / (2 * step)
        # A sample whose ReLU has a kink within the step is allowed to differ: at most one in a hundred.
        off = np.abs(difference - slopes[:, j]) > max(1e-6, relative) * np.abs(slopes).max()
        assert off.mean() <= 0.01, f"slope {j}: {off.mean():.3f} of the samples differ"
    curvature = arrays["eigen/sample_curvature.npy"].mean(axis=0)
    values, residuals = arrays["eigen/eigenvalues.npy"], arrays["eigen/residuals.npy"]
    assert np.abs(np.diag(curvature) - values).max() <= 10 * relative * np.abs(values).max()
    # The projected Hessian is diagonal up to the residuals of the Ritz pairs.
    off_diagonal = curvature - np.diag(np.diag(curvature))
    assert np.abs(off_diagonal).max() <= residuals.max() + 10 * relative * np.abs(values).max()


def check_setting(arrays, subject, setting, step, largest, relative, pilots, asked):
    folder = f"montecarlo/{setting['name']}"
    file = {"hessian": "basis", "random": "basis_random", "filter": "basis_filter"}[setting["basis"]]
    basis = arrays[f"eigen/{file}.npy"].astype(np.float64)[: setting["dim"]]
    theta = arrays[f"{folder}/theta.npy"]
    assert theta.shape == (setting["draws"], setting["dim"])
    # Mean 0 and deviation sigma, or that of each direction, within five standard errors.
    z = theta / spread(setting)
    assert np.abs(z.mean()) <= 5 / np.sqrt(z.size) and np.abs(z.std() - 1) <= 5 / np.sqrt(2 * z.size)
    if "deviations" in setting:
        sigma = next(s["sigma"] for s in asked if s["name"] == setting["name"])
        is_hessian = sigma == "posterior"
        values = arrays["eigen/eigenvalues.npy"][: setting["dim"]] if is_hessian else subject.gauss_newton(basis)
        expected = len(arrays["eigen/sample_loss.npy"]) * values
        close(np.array(setting["deviations"]) ** -2, expected, 1e-12 if is_hessian else max(relative, 1e-7), f"{folder} {sigma} widths")
    chosen = theta[:largest]
    losses = np.stack([subject.losses(subject.w + t @ basis) for t in chosen])
    close(arrays[f"{folder}/loss_variance.npy"][: len(chosen)], losses.var(axis=1, ddof=1), relative, f"{folder} S^2")
    if len(chosen) == len(theta):
        k, _, change = increments(losses, step)
        assert (k == arrays["montecarlo/prefix_sizes.npy"]).all()
        squares = change**2
        # Subtracted means lose log10(k) digits of the losses; the program telescopes.
        found, expected = arrays[f"{folder}/delta.npy"], squares.mean(axis=0)
        lost = (1e-15 * np.abs(losses).max()) * np.abs(change).max() + 1e-30
        assert (np.abs(found - expected) <= 3e2 * relative * expected + lost).all(), folder
        error = group_error(squares, setting["sampling"])
        assert (np.abs(arrays[f"{folder}/standard_error.npy"] - error) <= 3e2 * relative * expected + lost).all(), folder
        check_means(arrays, folder, losses, setting["sampling"], pilots, relative)
    if "control" in {name.split("/")[-1].removesuffix(".npy") for name in arrays if name.startswith(f"{folder}/")}:
        control = second_order_variance(arrays, chosen)
        close(arrays[f"{folder}/control.npy"][: len(chosen)], control, 1e-9, f"{folder} control")
        close(setting["control_mean"], theory_variances(arrays, setting["dim"], spread(setting))["second-order"], 1e-9, folder)
    check_order_average(losses, step, setting["name"])


def spread(setting):
    """Standard deviations of theta along each direction: a number, or (d,)."""
    return setting["sigma"] * np.array(setting.get("deviations", 1.0))


def groups(values, sampling):
    """Means over draws that depend on each other: single draws, pairs, or every sixteenth. The draws lie along axis 0."""
    count = {"plain": len(values), "antithetic": len(values) // 2, "sobol": 16}[sampling]
    place = np.arange(len(values)) // 2 if sampling == "antithetic" else np.arange(len(values)) % count
    return np.stack([values[place == group].mean(axis=0) for group in range(count)])


def group_error(values, sampling):
    """Standard error of the mean over draws, from the means of independent groups."""
    means = groups(values, sampling)
    return means.std(axis=0, ddof=1) / np.sqrt(len(means))


def check_means(arrays, folder, losses, sampling, pilots, relative):
    """What intervals and pilots are made of, from the losses (T, N)."""
    i = np.arange(2, losses.shape[1] + 1)
    before = np.cumsum(losses, axis=1)[:, :-1] / (i - 1)
    residual = (i - 1) / i * (losses[:, 1:] - before) ** 2
    stored = lambda name: arrays[f"{folder}/{name}.npy"]
    close(stored("mean_loss"), losses.mean(axis=1), relative, f"{folder} mean loss")
    close(stored("sample_loss"), losses.mean(axis=0), relative, f"{folder} loss of each sample")
    close(stored("sample_variance"), losses.var(axis=0, ddof=1), relative, f"{folder} variance of each sample", losses.var(axis=0).max())
    close(stored("deviation"), residual.mean(axis=0), relative, f"{folder} deviation")
    # Squares are summed before the mean's is taken off: a variance is known to rounding of those squares.
    found, expected = stored("deviation_error") ** 2, group_error(residual, sampling) ** 2
    lost = 1e-14 * residual.mean(axis=0).max() ** 2
    assert (np.abs(found - expected) <= 1e2 * relative * expected.max() + lost).all(), f"{folder} error of the deviation"
    for row, n in zip(stored("pilot_variance"), pilots, strict=True):
        close(row, losses[:, :n].var(axis=1, ddof=1), relative, f"{folder} S^2 of the first {n}")


def second_order_variance(arrays, theta, n=None):
    """S^2 of the second-order model of the first n samples at each row of theta, (T,)."""
    c, g, h = (arrays[f"eigen/sample_{name}.npy"][:n] for name in ["loss", "slope", "curvature"])
    d = theta.shape[1]
    quadratic = np.einsum("ta,iab,tb->ti", theta, h[:, :d, :d], theta, optimize=True)
    return (c + theta @ g[:, :d].T + 0.5 * quadratic).var(axis=1, ddof=1)


def theory_variances(arrays, d, sigma, n=None):
    """V of each theory that has one, from sample covariances over the first n samples."""
    c, g, h = (arrays[f"eigen/sample_{name}.npy"][:n] for name in ["loss", "slope", "curvature"])
    # In units of the deviations, theta is standard normal.
    s = np.ones(d) * sigma
    g, h, sigma = g[:, :d] * s, h[:, :d, :d] * np.outer(s, s), 1.0
    variance = lambda x: ((x - x.mean(axis=0)) ** 2).sum() / (len(x) - 1)
    trace = np.einsum("iaa->i", h[:, :d, :d])
    with_loss = ((c - c.mean()) * (trace - trace.mean())).sum() / (len(c) - 1)
    of = lambda squares: sigma**4 / 4 * (2 * squares + variance(trace))
    quadratic = of(variance(h[:, :d, :d]))
    return {
        "diagonal": of(variance(np.einsum("iaa->ia", h[:, :d, :d]))),
        "quadratic": quadratic,
        "second-order": quadratic + sigma**2 * variance(g[:, :d]) + variance(c) + sigma**2 * with_loss,
    }


def check_order_average(losses, step, name):
    """E over orders of (L_{k+s} - L_k)^2 is S^2 (1/k - 1/(k+s)): over many sampled orders, within its error."""
    rng, n = np.random.default_rng(0), losses.shape[1]
    orders = np.stack([rng.permutation(n) for _ in range(3000 if n <= 2000 else 300)])
    k, _, change = increments(losses[0][orders], step)
    rows = np.unique(np.geomspace(1, len(k), 12).astype(int) - 1)
    expected = losses[0].var(ddof=1) * (1 / k[rows] - 1 / (k[rows] + step))
    mean, error = (change[:, rows] ** 2).mean(axis=0), (change[:, rows] ** 2).std(axis=0, ddof=1) / np.sqrt(len(orders))
    deviations = np.abs(mean - expected) / error
    print(f"{name}: order average over {len(orders)} sampled orders, at most {deviations.max():.1f} standard errors off")
    # Squares of few samples are heavy-tailed, so a sample of some hundreds misjudges its own error: five of them.
    assert deviations.max() <= 5, (name, deviations)


def check_grids(arrays, manifests, subject, step, relative):
    for grid in manifests["montecarlo"]["facts"]["grids"]:
        folder = f"montecarlo/grid_{grid['name']}"
        file = {"hessian": "basis", "random": "basis_random", "filter": "basis_filter"}[grid["basis"]]
        basis = arrays[f"eigen/{file}.npy"].astype(np.float64)[:2]
        axis, sizes = arrays[f"{folder}/axis.npy"], arrays[f"{folder}/prefix_sizes.npy"]
        for a, b in [(0, len(axis) - 1), (len(axis) // 2, 1)]:
            losses = subject.losses(subject.w + axis[a] * basis[0] + axis[b] * basis[1])
            for m, k in enumerate(sizes):
                # A loss near 0 is the difference of logits and a logarithm: rounding is that of large losses.
                close(arrays[f"{folder}/loss.npy"][m, a, b], losses[:k].mean(), relative, f"{folder} L_{k}", losses.max())


def check_bound(arrays, manifests, root):
    step = manifests["montecarlo"]["facts"]["step"]
    k = arrays["montecarlo/prefix_sizes.npy"]
    c, g, h = (arrays[f"eigen/sample_{name}.npy"] for name in ["loss", "slope", "curvature"])
    dc = increments(c, step)[2]
    for setting in manifests["montecarlo"]["facts"]["settings"]:
        folder, sigma, d = f"bound/{setting['name']}", spread(setting), setting["dim"]
        v = estimates(arrays, setting)[0].value
        close(arrays[f"{folder}/order_average.npy"], v * (1 / k - 1 / (k + step)), 1e-10, f"{folder} order average")
        if setting["basis"] != "hessian":
            continue
        s, sigma = np.ones(d) * sigma, 1.0
        dg = increments(np.moveaxis(g[:, :d] * s, 0, -1), step)[2]
        a = increments(np.moveaxis(h[:, :d, :d] * np.outer(s, s), 0, -1), step)[2]
        trace = np.einsum("iik->k", a)
        diagonal = sigma**4 / 4 * (2 * np.einsum("iik,iik->k", a, a) + trace**2)
        quadratic = sigma**4 / 4 * (2 * (a**2).sum(axis=(0, 1)) + trace**2)
        second = quadratic + sigma**2 * (dg**2).sum(axis=0) + dc**2 + sigma**2 * dc * trace
        for name, curve in [("diagonal", diagonal), ("quadratic", quadratic), ("second_order", second)]:
            close(arrays[f"{folder}/{name}.npy"], curve, 1e-9, f"{folder} {name}")
    check_uncertainty(arrays, manifests, root)


class Estimate:
    """V with what draws and samples say of it: the two-way random-effects model of docs/method.md."""

    def __init__(self, value, draws, samples=(0.0, 0.0, 0.0)):
        (a, a_freedom, a_third), (b, b_freedom, b_third) = draws, samples
        total = a + b
        self.value, self.draws, self.samples, self.error = value, math.sqrt(a), math.sqrt(b), math.sqrt(total)
        parts = sum(x * x / max(f, 1.0) for x, f in [(a, a_freedom), (b, b_freedom)])
        self.freedom = total**2 / parts if total > 0 else 1.0
        self.skewness = (a_third + b_third) / total**1.5 if total > 0 else 0.0

    def interval(self, confidence):
        """Student's t with Hall's cubic correction for skewness."""
        g, ends = self.skewness, []
        t = student_quantile((1 + confidence) / 2, self.freedom)
        for q in [t, -t]:
            studentised = q if abs(g) < 1e-6 else 3 / g * (float(np.cbrt(1 + g * (q - g / 6))) - 1)
            ends.append(max(self.value - self.error * studentised, 0.0))
        return ends


def student_quantile(p, freedom):
    """Of Student's t above its median: the density integrated by Gauss-Legendre, and bisection."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    x, w = np.polynomial.legendre.leggauss(400)
    # t = tan(u) takes the half line to [0, π/2) and leaves a smooth integrand.
    density = lambda u: scale * np.exp(-(freedom + 1) / 2 * np.log1p(np.tan(u) ** 2 / freedom)) / np.cos(u) ** 2
    below = lambda u: 0.5 + u / 2 * (w * density(u / 2 * (x + 1))).sum()
    low, high = 0.0, math.pi / 2 - 1e-9
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < p else (low, middle)
    return math.tan(low)


def of_mean(values, spent=0):
    """Variance of a mean, its degrees of freedom and its third cumulant."""
    n = len(values)
    freedom, off = max(n - 1 - spent, 1), values - values.mean()
    return (off**2).sum() / freedom / n, freedom, (off**3).sum() / freedom / n**2


def variance_estimate(quiet, raw, deviation, deviation_error, spent=0):
    """V: `raw` and `quiet` are its group means without and with a control variate."""
    n, g = len(deviation), len(raw)
    interaction = max(g * (deviation_error**2).mean() - raw.var(ddof=1), 0) * n / (n - 1)
    of_samples, freedom, third = of_mean(deviation)
    # The interaction has no skewness; that of what is left is at most 1, as of any mean.
    left = max(of_samples - interaction / (n * g), 0)
    third = np.clip(third, -(left**1.5), left**1.5)
    return Estimate(quiet.mean(), of_mean(quiet, spent), (left, freedom, third))


def adjusted(raw, control, mean):
    """Group means less what the control variate explains, by least squares."""
    slope = ((raw - raw.mean()) * (control - control.mean())).sum() / ((control - control.mean()) ** 2).sum()
    return raw - slope * (control - mean)


def estimates(arrays, setting):
    """V, and V over the squared mean loss, of a setting."""
    stored = lambda name: arrays[f"montecarlo/{setting['name']}/{name}.npy"]
    raw = groups(stored("loss_variance"), setting["sampling"])
    quiet, spent = raw, 0
    if setting["control_mean"] is not None:
        quiet, spent = adjusted(raw, groups(stored("control"), setting["sampling"]), setting["control_mean"]), 1
    v = variance_estimate(quiet, raw, stored("deviation"), stored("deviation_error"), spent)
    loss = groups(stored("mean_loss"), setting["sampling"])
    value = raw.mean() / loss.mean() ** 2
    influence = lambda s, l: (s - 2 * raw.mean() * l / loss.mean()) / loss.mean() ** 2
    samples = influence(stored("deviation"), stored("sample_loss")[1:])
    return v, Estimate(value, of_mean(influence(raw, loss)), of_mean(samples))


def size_of(v, step, tolerance):
    """The first multiple of step where v (1/k - 1/(k + step)) is below the tolerance, in whole numbers."""
    below = lambda k: v * step < tolerance * k * (k + step)
    k = max(int(math.sqrt(v * step / tolerance)) // step, 1) * step
    while k > step and below(k - step):
        k -= step
    while not below(k):
        k += step
    return k


def same_size(found, v, step, tolerance, what):
    # V is summed in another order and quantiles are found another way: 1e-8 of K, and a step where that crosses one.
    expected = size_of(v, step, tolerance)
    assert abs(found - expected) <= step + 1e-8 * expected, (what, found, expected)


def check_uncertain(document, v, confidence, what):
    """A document's V, errors and interval against an estimate."""
    low, high = v.interval(confidence)
    for key, expected in [("variance", v.value), ("variance_standard_error", v.error), ("low", low), ("high", high)]:
        # The interaction is a difference, and quantiles are found by bisection.
        assert abs(document[key] - expected) <= 1e-8 * v.value, (what, key, document[key], expected)
    assert abs(document["draws_standard_error"] - v.draws) <= 1e-8 * v.value, what
    assert abs(document["samples_standard_error"] - v.samples) <= 1e-8 * v.value, what


def compare(theory, measured):
    """Theory beside Monte Carlo, where that is above 0."""
    known = measured > 0
    ratio = theory[known] / measured[known]
    return {
        "n_compared": int(known.sum()),
        "fraction_above": (ratio >= 1).mean(),
        "smallest_ratio": ratio.min(),
        "geometric_mean_ratio": math.exp(np.log(ratio).mean()),
    }


def eigenvalue_curve(arrays, d, sigma, step, largest):
    """The paper's criterion at every pair (k, k + s) with k + s <= largest."""
    sizes, values = arrays["eigen/prefix_sizes.npy"], arrays["eigen/prefix_eigenvalues.npy"]
    row = {k: i for i, k in enumerate(sizes)}
    pairs = [k for k in sizes if k + step in row and k + step <= largest]
    delta = np.array([values[row[k + step]] - values[row[k]] for k in pairs]).reshape(len(pairs), values.shape[1])[:, :d]
    delta = delta * sigma**2
    return np.array(pairs), (2 * (delta**2).sum(axis=1) + delta.sum(axis=1) ** 2) / 4


def check_gap(arrays, setting, found):
    """The gap between test and training loss by the functional variance and by Takeuchi's trace; without a posterior, none."""
    assert (found is None) == ("deviations" not in setting), setting["name"]
    if found is None:
        return
    name, d = setting["name"], setting["dim"]
    variances = arrays["eigen/sample_slope.npy"][:, :d].var(axis=0, ddof=1)
    close(found["by_trace"], (variances * np.array(setting["deviations"]) ** 2).sum(), 1e-10, f"{name} gap by trace")
    close(found["by_draws"], arrays[f"montecarlo/{name}/sample_variance.npy"].mean(), 1e-12, f"{name} gap by draws")
    print(f"{name}: gap by the posterior recomputed")


def check_uncertainty(arrays, manifests, root):
    """V, its error and interval, K by every method, pilots, and the theories beside Monte Carlo."""
    facts = manifests["montecarlo"]["facts"]
    step, k, n = facts["step"], arrays["montecarlo/prefix_sizes.npy"], facts["n_samples"]
    document = json.loads((root / "bound/theory.json").read_text())
    confidence = document["confidence"]
    pilots = json.loads((root / "bound/pilot.json").read_text())["pilots"]
    sufficient = json.loads((root / "bound/sufficient.json").read_text())["rows"]
    for setting, theory in zip(facts["settings"], document["settings"], strict=True):
        name = setting["name"]
        v, ratio = estimates(arrays, setting)
        check_uncertain(theory, v, confidence, name)
        delta = arrays[f"montecarlo/{name}/delta.npy"]
        laws = theory_variances(arrays, setting["dim"], spread(setting)) if theory["theories"] else {}
        check_gap(arrays, setting, theory.get("gap"))
        for found in theory["theories"]:
            curve, at = arrays[f"bound/{name}/{found['name'].replace('-', '_')}.npy"], k
            if found["name"] == "eigenvalue":
                at, expected = eigenvalue_curve(arrays, setting["dim"], spread(setting), step, n)
                assert (arrays[f"bound/{name}/eigenvalue_prefix_sizes.npy"] == at).all()
                close(curve, expected, 1e-10, f"{name} eigenvalue")
            else:
                close(found["order_average_variance"], laws[found["name"]], 1e-9, f"{name} V of {found['name']}")
            for key, expected in compare(curve, delta[np.searchsorted(k, at)]).items():
                assert abs(found[key] - expected) <= 1e-9 * abs(expected), (name, found["name"], key)
        for row in (row for row in sufficient if row["setting"] == name):
            check_row(row, arrays, k, step, (v, ratio, laws), confidence)
        stored = lambda file: arrays[f"montecarlo/{name}/{file}.npy"]
        for pilot in (p for p in pilots if p["setting"] == name and p["minimiser"] == "all-samples"):
            until = pilot["n_samples"] - 1
            raw = groups(stored("pilot_variance")[facts["pilot_sizes"].index(until + 1)], setting["sampling"])
            of_pilot = variance_estimate(raw, raw, stored("deviation")[:until], stored("deviation_error")[:until])
            check_uncertain(pilot, of_pilot, confidence, f"pilot {until + 1} of {name}")
            assert abs(pilot["full_variance"] - v.value) <= 1e-9 * v.value
            low, high = of_pilot.interval(confidence)
            assert pilot["holds"] == (low <= v.value <= high), pilot
            for size in pilot["sizes"]:
                ends = [("k", of_pilot.value), ("low", low), ("high", high), ("full_k", v.value)]
                for key, value in ends:
                    same_size(size[key], value, step, size["tolerance"], (name, pilot["n_samples"], key))
    print(f"V, its interval and K: {len(sufficient)} rows and {len(pilots)} pilots recomputed")


def check_row(row, arrays, k, step, known, confidence):
    """K of one method at one tolerance."""
    v, ratio, laws = known
    method, tolerance, name = row["method"], row["tolerance"], row["setting"]
    if row["relative"] is not None:
        loss = arrays[f"montecarlo/{name}/mean_loss.npy"].mean()
        assert abs(tolerance / (row["relative"] * loss) ** 2 - 1) <= 1e-12, row
    if method == "order-average":
        law, at = (v, tolerance) if row["relative"] is None else (ratio, row["relative"] ** 2)
        for key, value in zip(["k", "low", "high"], [law.value, *law.interval(confidence)]):
            same_size(row[key], value, step, at, row)
    elif method.endswith("-average"):
        same_size(row["k"], laws[method.removesuffix("-average")], step, tolerance, row)
        assert row["low"] <= row["k"] <= row["high"], row
    else:
        at = arrays[f"bound/{name}/eigenvalue_prefix_sizes.npy"] if method == "eigenvalue" else k
        file = f"montecarlo/{name}/delta" if method == "monte-carlo" else f"bound/{name}/{method.replace('-', '_')}"
        exceeding = np.flatnonzero(~(arrays[f"{file}.npy"] < tolerance))
        first = 0 if len(exceeding) == 0 else exceeding[-1] + 1
        assert row["k"] == (at[first] if first < len(at) else None), row
        assert row["status"] == ("reached" if first < len(at) else "not reached"), row
        return
    assert row["status"] == ("reached" if row["k"] <= k[-1] else "extrapolated"), row


def check_sweep(arrays, manifests, subject, root, largest, relative):
    """The arrays of the sweep at some sigmas from the draws of a setting, and its document from its arrays."""
    facts = manifests["montecarlo"]["facts"]
    sweep = facts.get("sweep")
    if sweep is None or not (root / "bound/sweep.json").exists():
        assert sweep is None or (arrays["montecarlo/sweep/plain/loss_variance.npy"] == 0).all()
        return
    n, step, draws, dim = sweep["n_samples"], facts["step"], sweep["draws"], sweep["dim"]
    document = json.loads((root / "bound/sweep.json").read_text())
    basis = arrays["eigen/basis.npy"].astype(np.float64)[:dim]
    own = {s["name"] for s in manifests["montecarlo"]["params"]["settings"] if s["theta"] is None}
    alike = [s for s in facts["settings"] if (s["basis"], s["dim"], s["sampling"]) == ("hessian", dim, "plain")]
    alike = [s for s in alike if s["draws"] >= draws and s["name"] in own]
    for row in [0, len(sweep["sigmas"]) // 2, len(sweep["sigmas"]) - 1] if alike and largest >= draws else []:
        sigma = sweep["sigmas"][row]
        # All settings and the sweep share their standard normal draws.
        z = arrays[f"montecarlo/{alike[0]['name']}/theta.npy"][:draws] / spread(alike[0])
        for method in set(sweep["methods"]) & {"plain", "antithetic"}:
            theta = sigma * (z if method == "plain" else np.repeat(z[: draws // 2], 2, axis=0) * np.tile([[1], [-1]], (draws // 2, 1)))
            losses = np.stack([subject.losses(subject.w + t @ basis)[:n] for t in theta])
            what = f"sweep {method} at sigma {sigma}"
            close(arrays[f"montecarlo/sweep/{method}/loss_variance.npy"][row], losses.var(axis=1, ddof=1), relative, what)
            close(arrays[f"montecarlo/sweep/{method}/control.npy"][row], second_order_variance(arrays, theta, n), 1e-9, what)
            if method == "plain":
                squares = increments(losses, step)[2] ** 2
                close(arrays["montecarlo/sweep/delta.npy"][row], squares.mean(axis=0), 3e2 * relative, what)
                close(arrays["montecarlo/sweep/standard_error.npy"][row], group_error(squares, method), 3e2 * relative, what)
    z = statistics.NormalDist().inv_cdf((1 + document["confidence"]) / 2)
    k = np.arange(step, n // step * step, step)
    for row, (sigma, at) in enumerate(zip(sweep["sigmas"], document["sigmas"], strict=True)):
        laws, found = theory_variances(arrays, dim, sigma, n), {}
        for method in sweep["methods"]:
            stored = lambda name: groups(arrays[f"montecarlo/sweep/{method}/{name}.npy"][row], method)
            raw = stored("loss_variance")
            found[method] = raw.mean(), math.sqrt(of_mean(raw)[0]) / raw.mean()
            quiet = adjusted(raw, stored("control"), laws["second-order"])
            found[f"{method}+control"] = quiet.mean(), math.sqrt(of_mean(quiet, 1)[0]) / quiet.mean()
        plain = found["plain"][0] * found["plain"][1]
        for m in at["methods"]:
            value, error = found[m["method"]]
            needed = draws * (z * error / 0.1) ** 2
            for key, expected in [("variance", value), ("relative_error", error), ("draws_for_k", needed), ("efficiency", (plain / (value * error)) ** 2)]:
                # What a control variate leaves at small sigma is a difference of nearly equal numbers, and of a quadratic loss
                # it leaves rounding alone.
                is_rounding = key != "variance" and max(error, m["relative_error"]) < 1e-13
                assert is_rounding or abs(m[key] / expected - 1) <= 1e-4, (sigma, m["method"], key, m[key], expected)
        best = min(found.values(), key=lambda f: f[1])[0]
        curves = {name: None for name in laws}
        sizes, curves["eigenvalue"] = eigenvalue_curve(arrays, dim, sigma, step, n)
        delta = arrays["montecarlo/sweep/delta.npy"][row]
        for theory in at["theories"]:
            if theory["name"] == "eigenvalue":
                expected = compare(curves["eigenvalue"], delta[np.searchsorted(k, sizes)])
                assert all(abs(theory[key] - value) <= 1e-9 * abs(value) for key, value in expected.items()), theory
                assert theory["ratio"] == theory["geometric_mean_ratio"]
            else:
                assert abs(theory["ratio"] * best / laws[theory["name"]] - 1) <= 1e-8, (sigma, theory)
        assert (len(sizes) > 0) == any(t["name"] == "eigenvalue" for t in at["theories"])
    log_sigma = np.log(sweep["sigmas"])
    for i, theory in enumerate(document["theories"]):
        ratio = np.log([at["theories"][i]["ratio"] for at in document["sigmas"]])
        for low, high in theory["within"]:
            for end in np.log([low, high]):
                level = np.interp(end, log_sigma, ratio)
                at_border = min(abs(end - log_sigma[0]), abs(end - log_sigma[-1])) < 1e-9
                assert at_border or min(abs(level - math.log(0.9)), abs(level - math.log(1.1))) < 1e-9, theory
        above = [at["sigma"] for at in document["sigmas"] if at["theories"][i]["fraction_above"] >= 1]
        assert theory["above_everywhere"] == above, theory
    print(f"sweep: {len(document['sigmas'])} sigmas recomputed")


def exact_trace(subject, n):
    """Trace of the Hessian over the first n samples for piecewise linear activations: there it is that of Gauss-Newton,
    as no weight acts on the outputs other than linearly."""
    h, inputs, slopes = subject.x[:n], [], []
    pairs = subject.layer_weights(subject.w)
    for depth, (weights, bias) in enumerate(pairs):
        inputs.append(h)
        z, activation = h @ weights.T + bias, subject.layers[depth]["activation"]
        slopes.append(np.ones_like(z) if activation == "identity" else (z > 0) * 1.0)
        h = ACTIVATIONS[activation](z)
    classes, total = h.shape[1], 0.0
    p = np.exp(h - h.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    jacobian = np.tile(np.eye(classes), (len(h), 1, 1))
    for depth in range(len(pairs) - 1, -1, -1):
        jacobian = jacobian * slopes[depth][:, None, :]
        if subject.loss == "softmax-cross-entropy":
            inner = np.einsum("ic,ica,ica->i", p, jacobian, jacobian) - (np.einsum("ic,ica->ia", p, jacobian) ** 2).sum(axis=1)
        else:
            assert subject.loss == "squared-error", f"{subject.loss}: its Hessian in f is needed here"
            inner = (jacobian**2).sum(axis=(1, 2))
        total += (((inputs[depth] ** 2).sum(axis=1) + 1) * inner).mean()
        jacobian = jacobian @ pairs[depth][0]
    return total


def check_answer(arrays, root):
    """V, the parts of its error and K, from what each draw and each sample of the last round said."""
    if not (root / "answer/answer.json").exists():
        return
    found, stored = json.loads((root / "answer/answer.json").read_text()), lambda name: arrays[f"answer/{name}.npy"]
    last = found["rounds"][-1]
    names = ["loss_variance", "deviation", "few_draws_deviation", "sample_loss", "few_draws_sample_loss"]
    by_draw, deviation, few, loss, few_loss = (stored(n) for n in names)
    sizes = (last["draws"], last["samples"] - 1, last["many_samples"] - 1)
    assert sizes == (len(by_draw), len(deviation), len(few)) and last["many_samples"] <= found["n_samples"]
    # S^2 of a draw is the mean of its squared recursive residuals, so both margins have one mean: rounding of f64 is left.
    close(deviation.mean(), by_draw.mean(), 1e-12, "V of the samples that have all draws")

    def in_two_phases(x, proxy):
        """Regression estimate of the mean, with the variance of its residuals and of what the proxy explains."""
        same = proxy[: len(x)]
        beta = np.cov(x, same, bias=True)[0, 1] / same.var()
        residual = ((x - x.mean() - beta * (same - same.mean())) ** 2).sum() / (len(x) - 2)
        return x.mean() + beta * (proxy.mean() - same.mean()), residual / len(x) + beta**2 * proxy.var(ddof=1) / len(proxy)

    v, of_samples = in_two_phases(deviation, few)
    close(np.array([found["variance"]]), np.array([v]), 1e-10, "V of the answer")
    close(np.array([found["mean_loss"]]), np.array([in_two_phases(loss, few_loss)[0]]), 1e-10, "mean loss of the answer")
    groups = {"plain": by_draw, "antithetic": by_draw.reshape(-1, 2).mean(axis=1), "sobol": by_draw.reshape(-1, 16).mean(axis=0)}
    groups = groups[found["sampling"]]
    close(np.array([found["draws_standard_error"] ** 2]), np.array([groups.var(ddof=1) / len(groups)]), 1e-9, "error of V from the draws")
    close(np.array([found["samples_standard_error"] ** 2]), np.array([of_samples]), 1e-9, "error of V from the samples")
    assert found["losses"] == sum(r["losses"] for r in found["rounds"])
    assert found["low"] < v < found["high"] and found["low"] > 0
    half_width = (found["high"] - found["low"]) / (2 * v)
    assert abs(found["half_width"] - half_width) <= 1e-12 and (found["end"] != "precise" or half_width <= found["asked"])
    for row in found["rows"]:
        at = lambda v, k: v * found["step"] / (k * (k + found["step"]))  # noqa: E731
        assert at(v, row["k"]) < row["tolerance"] and row["low"] <= row["k"] <= row["high"], row
        assert row["k"] == found["step"] or at(v, row["k"] - found["step"]) >= row["tolerance"] * (1 - 1e-12), row


def check_spectrum(arrays, manifests, subject, root):
    """Density, trace, ends, outliers and the gradient's share, from each other and from closed forms."""
    facts, stored = manifests["spectrum"]["facts"], lambda name: arrays[f"spectrum/{name}.npy"]
    n, p = facts["n_samples"], facts["n_params"]
    piecewise_linear = subject.is_perceptron and all(layer["activation"] in ("relu", "identity") for layer in subject.layers)
    trace = exact_trace(subject, n) if piecewise_linear else None
    if "trace" in facts:
        found = facts["trace"]
        print(f"trace {found['value']:.4f} +- {found['standard_error']:.1e}" + ("" if trace is None else f", exact {trace:.4f}"))
        # Student's t of 20 probes leaves one in 10,000 beyond five standard errors.
        # A sketch as wide as the parameters is exact: rounding is left.
        assert trace is None or abs(found["value"] - trace) <= 5 * found["standard_error"] + 1e-13 * abs(trace), (found, trace)
    if "density" in facts:
        nodes, weights, grid, density = (stored(name) for name in ["nodes", "weights", "grid", "density"])
        width = facts["density"]["kernel_deviation"]
        assert np.abs(weights.sum(axis=1) - 1).max() <= 1e-10
        kernel = np.exp(-0.5 * ((grid[:, None, None] - nodes) / width) ** 2) / (width * math.sqrt(2 * math.pi))
        close(density, (kernel * weights).sum(axis=(1, 2)) / len(nodes), 1e-12, "density")
        integral = (np.diff(grid) * (density[1:] + density[:-1]) / 2).sum()
        # The trapezium rule is near exact for Gaussians a few points wide; five deviations hold all but 6e-7.
        assert abs(integral - 1) <= 1e-5, integral
        mean, square = (weights * nodes).sum(axis=1).mean(), (weights * nodes**2).sum(axis=1).mean()
        assert abs(facts["density"]["mean"] - mean) <= 1e-12 * abs(square) ** 0.5
        # A random unit vector's quadratic form has variance 2 (tr H^2 / p - mean^2) / p.
        error = math.sqrt(2 * (square - mean**2) / p / len(nodes))
        assert trace is None or abs(mean - trace / p) <= 5 * error, (mean, trace / p, error)
        below = (weights * (nodes < -width)).sum(axis=1).mean()
        assert abs(facts["density"]["fraction_below_minus_kernel"] - below) <= 1e-12
    if "spectrum/largest.npy" in arrays:
        largest, residuals = stored("largest"), stored("largest_residuals")
        assert (np.diff(largest) <= 0).all()
        if n == len(subject.y):
            values, of_eigen = arrays["eigen/eigenvalues.npy"], arrays["eigen/residuals.npy"]
            d = min(len(values), len(largest))
            # For a symmetric matrix the residual bounds the distance to an eigenvalue.
            assert (np.abs(largest[:d] - values[:d]) <= residuals[:d] + of_eigen[:d] + 1e-6 * largest[0]).all()
        # A gap is what residuals and search leave of it: from the least that one value can be to the most that the next can.
        border = largest[-1] + manifests["spectrum"]["params"]["residual_tolerance"] * np.abs(largest).max()
        least, most = (largest - residuals)[:-1], np.maximum((largest + residuals)[1:], border if len(largest) < p else -np.inf)
        ratios = np.where((least > 0) & (largest[1:] > 0), least / most, 0)
        document = json.loads((root / "spectrum/outliers.json").read_text())
        whole = document["by_prefix"][-1]
        assert whole["n_samples"] == n and whole["outliers"] == int(ratios.argmax()) + 1, whole
        assert abs(whole["gap_ratio"] / ratios.max() - 1) <= 1e-12 and whole["largest"] == largest[0]
        for count in document["by_prefix"]:
            labels = subject.y[: count["n_samples"]]
            assert count["n_classes"] == (len(np.unique(labels)) if labels.dtype == np.int64 else 0), count
            assert 0 <= count["overlap"] <= 1 + 1e-9
        for count in document["by_class"]:
            assert count["n_samples"] == (subject.y[:n] < count["n_classes"]).sum(), count
        if "spectrum/nodes.npy" in arrays:
            # Ritz values lie within the spectrum.
            low = stored("smallest")[0] - stored("smallest_residuals")[0] if "spectrum/smallest.npy" in arrays else -np.inf
            real = stored("nodes")[stored("weights") > 0]
            assert low - 1e-6 * largest[0] <= real.min() and real.max() <= largest[0] + residuals[0] + 1e-6 * largest[0]
    mean_slope = arrays["eigen/sample_slope.npy"].mean(axis=0)
    share = np.cumsum(mean_slope**2) / manifests["train"]["facts"]["gradient_norm"] ** 2
    # f32 weights where training was f32: a few hundred roundings of the gradient.
    close(stored("gradient_share"), share, 1e-3, "share of the gradient")
    batches = stored("batch_gradient_share")
    assert ((np.diff(batches, axis=1) >= 0) & (batches[:, 1:] <= 1 + 1e-6) & (batches[:, :-1] >= 0)).all()


def check_stream(arrays, manifests, root):
    """What each rule saw, where it stopped every run, and what it did over all runs."""
    facts = manifests["stream"]["facts"]
    if facts["seeds"] == 0:
        return
    document = json.loads((root / "stream/stops.json").read_text())
    params = manifests["stream"]["params"]
    sizes, truths = arrays["stream/stop_sizes.npy"], arrays["stream/stop_truths.npy"]
    column = dict(zip(facts["trajectory_columns"], np.moveaxis(arrays["stream/trajectories.npy"], -1, 0), strict=True))
    k, step, tolerance = column["k"], document["batch"], document["tolerance"]
    assert (np.diff(k, axis=1) == step).all()
    factor = 1 / k - 1 / (k + step)
    close(column["delta_upper"], column["variance_upper"] * factor, 1e-12, "stream: upper limit of Delta")
    assert (column["variance_upper"] > column["variance"]).all()
    # The doubt shared among all looks is a fraction of that of one, so its limit lies above.
    assert (column["anytime_delta_upper"] > column["delta_upper"]).all()
    # Delta in units of the tolerance by the looks before; none at the first.
    expected = np.full(k.shape, np.nan)
    for look in range(1, k.shape[1]):
        before = slice(max(0, look - params["plausible"]["arrivals"]), look)
        expected[:, look] = (column["variance"] * factor)[:, before].mean(axis=1) / tolerance
    # Looks that a part of the doubt is spent on have a limit between that of one look and that of the same share of all looks.
    looked = np.isfinite(column["spending_delta_upper"])
    assert (looked == (expected < params["plausible"]["fraction"])).all()
    assert (column["spending_delta_upper"] > column["delta_upper"]).all()
    assert (column["spending_delta_upper"] <= column["anytime_delta_upper"])[looked].all()
    enough, agreement, gain = check_bets(column, expected, document), params["agreement"], params["gain"]
    over = agreement["arrivals"]
    kappa = np.full(k.shape, np.nan)
    if k.shape[1] > over:
        kappa[:, over:] = np.lib.stride_tricks.sliding_window_view(column["kappa"][:, 1:], over, axis=1).mean(axis=2)
    check_gains(column, gain)
    would = {
        "first-crossing": column["delta_once"] < tolerance,
        "limit": column["delta_upper"] < tolerance,
        "limit-anytime": column["anytime_delta_upper"] < tolerance,
        "limit-fresh": column["fresh_delta_upper"] < tolerance,
        "limit-spending": column["spending_delta_upper"] < tolerance,
        "betting": enough,
        "agreement": kappa >= agreement["kappa"],
        "predicted-gain": column["predicted_gain"] < gain["fraction"],
    }
    assert [rule["rule"] for rule in document["rules"]] == list(would)
    for i, rule in enumerate(document["rules"]):
        stops = would[rule["rule"]]
        stop = np.where(stops.any(axis=1), np.take_along_axis(k, stops.argmax(axis=1)[:, None], axis=1)[:, 0], np.nan)
        assert np.array_equal(sizes[:, i], stop, equal_nan=True), (rule["rule"], sizes[:, i], stop)
        stopped = ~np.isnan(sizes[:, i])
        n, wrong = int(stopped.sum()), int((truths[stopped, i] >= tolerance).sum())
        assert (rule["stopped"], rule["false_stops"]) == (n, wrong), rule
        if n == 0:
            assert rule["false_stop_rate"] is None and rule["low"] is None and rule["loss_lost"] is None, rule
            continue
        # Wilson's interval holds the rates r with |rate - r| <= z sqrt(r (1 - r) / n): the roots of that.
        z, rate = statistics.NormalDist().inv_cdf(0.975), wrong / n
        roots = np.sort(np.roots([1 + z**2 / n, -(2 * rate + z**2 / n), rate**2]).real)
        assert abs(rule["false_stop_rate"] - rate) <= 1e-12, rule
        assert abs(rule["low"] - roots[0]) <= 1e-6 and abs(rule["high"] - roots[1]) <= 1e-6, (rule, roots)
        lost = (column["test_loss"] - arrays["stream/end_losses.npy"][:, None])[stopped, stops.argmax(axis=1)[stopped]]
        if np.isnan(lost).all():
            assert rule["loss_lost"] is None, rule
            continue
        close(rule["loss_lost"]["mean"], lost.mean(), 1e-9, "stream: test loss lost")
        if n > 1:
            close(rule["loss_lost"]["standard_error"], lost.std(ddof=1) / n**0.5, 1e-9, "stream: its error")
    print(f"stream: {len(document['rules'])} rules over {len(sizes)} runs recomputed")


def check_bets(column, expected, document):
    """The bets and their product; whether it is enough, at each look."""
    stake, spread, tolerance = column["stake"], column["spread"], document["tolerance"]
    assert ((stake > 0) == (expected < 1)).all()
    stake, spread, expected = stake[:, 1:], spread[:, 1:], expected[:, 1:]
    value = column["fresh_delta"][:, 1:] / tolerance
    # Where E exp(-stake Y) is largest, Y is 0 or 1 + spread, with mean 1.
    largest = (spread + np.exp(-stake * (1 + spread))) / (1 + spread)
    log = np.where(stake > 0, -stake * value - np.log(largest), 0).cumsum(axis=1)
    assert np.abs(column["log_evidence"][:, 1:] - log).max(initial=0) <= 1e-9 * np.abs(log).max(initial=1)
    # The stake is the best one: the slope of -stake expected - log(largest) is 0.
    weight = np.exp(-stake * (1 + spread))
    slope = (1 + spread) * weight / (spread + weight) - expected
    assert np.abs(slope[stake > 0]).max(initial=0) <= 1e-9
    return np.hstack([np.zeros((len(log), 1), bool), log >= -np.log1p(-document["confidence"])])


def check_gains(column, gain):
    """The predicted gain of each look against a search of the same power law over a grid of exponents."""
    first = gain["arrivals"] - 1
    assert np.isnan(column["predicted_gain"][:, :first]).all()
    exponents = np.exp(np.linspace(np.log(0.02), np.log(3), 400))
    for run, look in itertools.product(range(min(3, len(column["k"]))), range(first, column["k"].shape[1], 5)):
        k, loss = column["k"][run, : look + 1], column["arrival_loss"][run, : look + 1]
        law = lambda c, a, b, n: a + b * (n / k[0]) ** -c  # noqa: E731
        fits = [(c, *nonnegative_line((k / k[0]) ** -c, loss)) for c in exponents]
        best = min(fits, key=lambda fit: np.square(loss - law(*fit, k)).sum())
        found = column["predicted_gain"][run, look]
        expected = 1 - law(*best, 2 * k[-1]) / law(*best, k[-1])
        # The exponents of the grid are 1.3 % apart.
        assert abs(found - expected) <= 0.02, (run, look, found, expected)


def nonnegative_line(x, y):
    """Least squares of y = a + b x with a, b >= 0."""
    b, a = np.polyfit(x, y, 1)
    if a < 0:
        a, b = 0.0, x @ y / (x @ x)
    return (y.mean(), 0.0) if b < 0 else (a, b)


def check_family(root):
    """The join of a family against the artifacts of its members."""
    manifest = json.loads((root / "family/manifest.json").read_text())
    members = json.loads((root / "family/members.json").read_text())["members"]
    curves = json.loads((root / "family/curves.json").read_text())["curves"]
    values, cosines = (np.load(root / f"family/{name}.npy") for name in ["eigenvalues", "cosines"])
    stages = ["fetch-data", "train", "eigen", "montecarlo", "bound"]
    own = [load_all(root / member["name"], stages) for member in members]
    for row, (member, (arrays, manifests)) in enumerate(zip(members, own, strict=True)):
        facts, what = manifests["train"]["facts"], member["name"]
        for key in ["train_loss", "test_loss", "test_accuracy", "gradient_norm"]:
            # Numbers of a JSON file are read to the last place but one.
            assert member[key] == facts[key] or abs(member[key] / facts[key] - 1) <= 1e-15, (what, key)
        k, step = manifests["fetch-data"]["facts"]["n_samples"], manifests["montecarlo"]["facts"]["step"]
        setting = manifests["montecarlo"]["facts"]["settings"][0]
        v = estimates(arrays, setting)[0]
        assert member["n_samples"] == k and abs(member["variance"] / v.value - 1) <= 1e-9, what
        assert abs(member["delta_seen"] / (v.value * (1 / k - 1 / (k + step))) - 1) <= 1e-9, what
        for size in member["sufficient"]:
            same_size(size["k"], v.value, step, size["tolerance"], what)
        d = len(arrays["eigen/eigenvalues.npy"])
        assert (values[row, :d] == arrays["eigen/eigenvalues.npy"]).all() and np.isnan(values[row, d:]).all(), what
        alike = [m for m in range(len(members)) if all(members[m][key] == member[key] for key in ["replica", "variant"])]
        largest = max(alike, key=lambda m: members[m]["n_samples"])
        if largest == row:
            assert np.isnan(cosines[row]).all() and member["overlap"] is None and member["delta_fresh"] is None, what
            continue
        check_fresh(member, manifest["params"]["draws"], (arrays, manifests), own[largest], k, step)
        if own[largest][1]["train"]["facts"]["network"] != facts["network"]:
            continue
        a, b = (x["eigen/basis.npy"].astype(np.float64) for x in [arrays, own[largest][0]])
        found = cosines[row][~np.isnan(cosines[row])]
        expected = np.linalg.svd(a @ b.T, compute_uv=False)
        # Cosines are roots of eigenvalues of squares in the precision of the basis.
        assert np.abs(found - np.minimum(expected, 1)).max() <= 2e-3, (what, found, expected)
        assert abs(member["overlap"] - (expected**2).mean()) <= 1e-5, what
    for curve in curves:
        of = lambda k: [m for m in members if m["variant"] == curve["variant"] and m["n_samples"] == k]
        for rung in curve["rungs"]:
            same = of(rung["k"])
            assert rung["replicas"] == len(same)
            for key in ["train_loss", "test_loss", "test_accuracy", "gradient_norm", "variance", "delta_seen", "delta_fresh", "overlap"]:
                over = np.array([m[key] for m in same if m[key] is not None])
                check_spread(rung[key], over, (rung["k"], key))
            rows = [members.index(m) for m in same]
            for rank, spread in enumerate(rung["eigenvalues"]):
                check_spread(spread, values[rows, rank], (rung["k"], "eigenvalue", rank))
        if curve["fit"] is not None:
            check_fit(curve)
    check_forecast(root, members, own)
    print(f"all checks passed: {len(members)} members, {len(curves)} curves")


def check_spread(found, values, what):
    """Mean and deviation (n - 1) over replicas."""
    if len(values) == 0:
        assert found is None, what
        return
    assert abs(found["mean"] - values.mean()) <= 1e-12 * abs(values).max(), what
    expected = values.std(ddof=1) if len(values) > 1 else None
    same = found["deviation"] is None if expected is None else abs(found["deviation"] - expected) <= 1e-9 * abs(values).max()
    assert same, (what, found, expected)


def check_fresh(member, draws, own, largest, k, step):
    """Delta over the samples that come next, by sums over the losses of the largest member's samples at this member's w*."""
    arrays, manifests = own
    setting = manifests["montecarlo"]["facts"]["settings"][0]
    theta = arrays[f"montecarlo/{setting['name']}/theta.npy"][:draws]
    if setting["sampling"] != "plain" or len(theta) < draws or setting["basis"] != "hessian":
        return
    basis = arrays["eigen/basis.npy"].astype(np.float64)[: setting["dim"]]
    subject = Subject({**largest[0], **{"train/w_star.npy": arrays["train/w_star.npy"]}}, manifests)
    losses = np.stack([subject.losses(subject.w + t @ basis) for t in theta])
    seen, fresh = losses[:, :k].mean(axis=1), losses[:, k:]
    m = fresh.shape[1]
    s = min(step, m)
    # The mean of s of m values without replacement: its variance is that of one over s, less what has been taken.
    spread = fresh.var(axis=1, ddof=1) * (1 / s - 1 / m) if m > 1 else 0.0
    expected = ((s / (k + s)) ** 2 * (spread + (fresh.mean(axis=1) - seen) ** 2)).mean()
    # The join works in f32: a hundred roundings.
    assert abs(member["delta_fresh"] / expected - 1) <= 1e-4, (member["name"], member["delta_fresh"], expected)
    print(f"{member['name']}: change by fresh samples recomputed")


def check_forecast(root, members, own):
    """What more data buy: what was measured, the fitted forms, their mean at N and 2N, the audit; bands by their own order."""
    document = json.loads((root / "family/forecast.json").read_text())
    losses, wrong = (np.load(root / f"family/test_{name}.npy") for name in ["loss", "wrong"])
    for row, (member, (arrays, manifests)) in enumerate(zip(members, own, strict=True)):
        if "fetch-data/test_images.npy" not in arrays or losses.shape[1] == 0:
            continue
        # Products in f32, and a mean that train found in its own precision.
        assert abs(np.nanmean(losses[row]) / member["test_loss"] - 1) <= 1e-3, member["name"]
        if wrong.shape[1] > 0 and member["test_accuracy"] is not None:
            assert abs(1 - np.nanmean(wrong[row]) - member["test_accuracy"]) <= 2 / losses.shape[1], member["name"]
    for forecast in document["forecasts"]:
        rows = [i for i, m in enumerate(members) if m["variant"] == forecast["variant"]]
        sizes = sorted({members[i]["n_samples"] for i in rows})
        by_size = [[i for i in rows if members[i]["n_samples"] == k] for k in sizes]
        check_beside(forecast, [members[i] for i in by_size[-1]])
        for key, each, of in [
            ("loss", losses, lambda m: m["test_loss"]),
            ("error", wrong, lambda m: 1 - m["test_accuracy"]),
        ]:
            if forecast[key] is not None:
                values = [np.array([of(members[i]) for i in same]) for same in by_size]
                tests = [[each[i][~np.isnan(each[i])] for i in same] for same in by_size]
                check_quantity(forecast[key], sizes, values, tests, forecast["same_test_samples"])
                print(f"forecast of the test {key}: forms, means, doubling and audit recomputed")


def check_beside(forecast, largest):
    """K of the largest size beside the learning curve, by searching for it, and the tolerance where twice the samples buy little."""
    step = largest[0]["step"]
    law = lambda v, k: v * step / (k * (k + step))
    for row, beside in enumerate(forecast["beside"]):
        ks = []
        for member in largest:
            tolerance, v = member["sufficient"][row]["tolerance"], member["variance"]
            assert tolerance == beside["tolerance"]
            steps = next(i for i in itertools.count(max(1, int(math.sqrt(v * step / tolerance) / step) - 2)) if law(v, i * step) < tolerance)
            ks.append(steps * step)
        assert abs(beside["k"]["mean"] / np.mean(ks) - 1) <= 1e-12, (beside, ks)
        for key in ["loss", "error"]:
            assert (beside[key] is None) == (forecast[key] is None), key
            if beside[key] is not None:
                assert beside[key] == forecast[key]["beside"][row] and abs(beside[key]["n"] - np.mean(ks)) <= 0.5, beside
    found = forecast["tolerance_of_gain"]
    assert (found is None) == (forecast["loss"] is None)
    if found is not None:
        v, gain = np.mean([m["variance"] for m in largest]), found["gain"]
        assert gain == forecast["loss"]["little_gain"]
        for key, n in [("tolerance", "n"), ("low", "high"), ("high", "low")]:
            expected = None if gain[n] is None else law(v, gain[n])
            assert expected == found[key] or abs(found[key] / expected - 1) <= 1e-12, (key, found)
        print("K beside the learning curve recomputed")


def log_law(form, n):
    """Logarithm of a fitted form."""
    power = form["scale"] * (n + (form["shift"] if form["name"] == "shifted-power" else 0)) ** -form["exponent"]
    exponential = form["scale"] * np.exp(-n / form["shift"]) if form["name"] == "exponential-with-floor" else None
    return np.log(form["floor"] + (power if exponential is None else exponential))


def relative_noise(values, tests, same, largest):
    """Spread over seeds, its freedom, and the covariances of the means: all of it, and that by the test samples."""
    means = np.array([v.mean() for v in values])
    m = len(tests[0][0])
    if same:
        covariance = np.cov(np.stack([np.mean(t, axis=0) for t in tests])) / m
    else:
        covariance = np.mean([np.cov(np.stack([t[r] for t in tests])) / m for r in range(len(tests[0]))], axis=0)
    covariance = covariance / np.outer(means, means)
    within, replicas = np.diag(covariance), len(tests[0])
    if not same:
        covariance = covariance * (1 + (replicas - 1) * m / (largest + m)) / replicas
    freedom = sum(len(v) - 1 for v in values)
    squares = sum(((v / v.mean() - 1) ** 2).sum() for v in values)
    explained = 0 if same else sum((len(v) - 1) * c for v, c in zip(values, within, strict=True))
    spread = math.sqrt(max(squares - explained, 0.1 * squares) / freedom)
    return spread, freedom, covariance + np.diag(spread**2 / np.array([len(v) for v in values])), covariance


def check_quantity(found, sizes, values, tests, same):
    """One quantity of a forecast."""
    n, means = np.array(sizes, dtype=float), np.array([v.mean() for v in values])
    assert np.abs(np.array([p["mean"] for p in found["points"]]) / means - 1).max() <= 1e-12
    assert [p["values"] for p in found["points"]] == [list(v) for v in values] or not found["replicated"]
    if found["replicated"]:
        spread, freedom, both, covariance = relative_noise(values, tests, same, sizes[-1])
        assert abs(found["spread"] / spread - 1) <= 1e-6 and found["freedom"] == freedom, (found["spread"], spread)
        errors = np.sqrt(np.diag(covariance))
        assert np.abs(np.array([p["test_error"] for p in found["points"]]) / errors - 1).max() <= 1e-6
        check_forms(found["forms"], n, np.log(means), both, found["misfit"])
    averaged = lambda k: sum(f["weight"] * np.exp(log_law(f, k)) for f in found["forms"])
    possible = lambda k: min(averaged(k), math.inf if found["ceiling"] is None or k < sizes[-1] else found["ceiling"])
    for row in found["rows"] + found["curve"]:
        assert row["mean"] == 1 or abs(row["mean"] / possible(row["n"]) - 1) <= 1e-9, row
        # The ends of the band of the mean are those of a sample of draws: about a twentieth of its width.
        slack = (row["mean_high"] / row["mean_low"]) ** 0.05
        assert row["run_low"] <= slack * row["mean_low"] and row["mean_low"] <= row["mean_high"] <= slack * row["run_high"], row
    assert [r["n"] for r in found["rows"]] == [m * sizes[-1] for m in [1, 2, 4, 10]]
    doubling, (now, then) = found["doubling"], (found["rows"][0]["mean"], found["rows"][1]["mean"])
    assert abs(doubling["change"] - (then - now)) <= 1e-12 and abs(doubling["relative"] - (then / now - 1)) <= 1e-12, doubling
    for beside in found["beside"]:
        within = sizes[0] <= beside["n"] and (beside["n"] <= sizes[-1] or 2 * beside["n"] <= 100 * sizes[-1])
        assert within == (beside["row"] is not None) == (beside["doubling"] is not None), beside
        if within:
            now, then = (possible(k) for k in [beside["n"], 2 * beside["n"]])
            # No error is above 1.
            assert now > 1 or abs(beside["row"]["mean"] / now - 1) <= 1e-9, beside
            assert now > 1 or abs(beside["doubling"]["relative"] - (then / now - 1)) <= 1e-9, beside
    if found["little_gain"] is not None:
        fraction, n = found["little_gain"]["fraction"], found["little_gain"]["n"]
        gain = lambda k: 1 - possible(2 * k) / possible(k)
        later = np.geomspace(n or sizes[0], 50 * sizes[-1], 60)
        falls = [gain(k) < fraction for k in later]
        status = found["little_gain"]["status"]
        assert all(falls) if status != "never" else not falls[-1], (status, n)
        assert status != "at" or gain(n - 1) >= fraction, n
    fits = [s for s in [[k for k in sizes if f * k <= sizes[-1]] for f in [2, 4, 8]] if len(s) >= 3]
    pairs = {(s[-1], k) for s in fits for k in sizes if k > s[-1]}
    assert {(a["fitted_to"], a["n"]) for a in found["audit"]} <= pairs
    for a in found["audit"]:
        at = means[sizes.index(a["n"])]
        assert abs(a["found"] / at - 1) <= 1e-12 and a["covered"] == (a["low"] <= at <= a["high"]), a
        assert abs(a["relative_error"] - (a["predicted"] / at - 1)) <= 1e-9, a
    z = statistics.NormalDist().inv_cdf(0.975)
    rises = any(f["name"] == "rises" for f in found["faults"])
    assert (found["ceiling"] is None) == rises, found["faults"]
    if not rises:
        assert found["ceiling"] > means[-1] and all(r["mean_high"] <= found["ceiling"] * (1 + 1e-9) for r in found["rows"])
        assert doubling["change_high"] <= 0 and doubling["relative_high"] <= 0, doubling
    if found["audit"]:
        side = lambda a: math.log(a["high"] / a["predicted"] if a["found"] > a["predicted"] else a["predicted"] / a["low"])
        residual = lambda a: z * math.log(a["found"] / a["predicted"]) / max(side(a), math.log(a["high"] / a["low"]) / 8)
        # As if four predictions had been as good as their bands before.
        expected = max(1, math.sqrt(np.mean([1] * 4 + [residual(a) ** 2 for a in found["audit"]])))
        assert abs(found["widening"] / expected - 1) <= 1e-6, (found["widening"], expected)
    for target in found["targets"]:
        assert (target["n"] is None) == target["status"].startswith("unreachable"), target
        assert target["n"] is None or target["n"] <= 100 * sizes[-1], target
        assert (target["n"] == sizes[0]) == (target["status"] == "reached-by-smallest"), target
    needed = [math.inf if t["n"] is None else t["n"] for t in found["targets"]]
    assert needed[1:] == sorted(needed[1:]), found["targets"]


def check_forms(forms, n, logs, covariance, misfit):
    """No numbers of a grid fit the logarithms better, and the weights are those of Akaike."""
    inverse = np.linalg.inv(covariance + misfit**2 * np.eye(len(n)))
    square = lambda rest: rest @ inverse @ rest
    chi = lambda log_shape: square(logs - log_shape - (inverse @ (logs - log_shape)).sum() / inverse.sum())
    x = n / n[-1]
    shapes = {
        "power": lambda c, r: -c * np.log(x),
        "power-with-floor": lambda c, r: np.log(r + x**-c),
        "shifted-power": lambda c, r: -c * np.log(x + r),
        "exponential-with-floor": lambda c, r: np.log(r + np.exp(-10 * c * x)),
    }
    for form in forms:
        own = square(logs - log_law(form, n))
        assert abs(own - form["chi_squared"]) <= 1e-6 * max(own, 1), (form, own)
        ratios = np.linspace(0, 0.75, 40) if form["name"] == "shifted-power" else np.linspace(0, 0.999, 40)
        best = min(chi(shapes[form["name"]](c, s / (1 - s))) for c in np.geomspace(0.02, 3, 80) for s in ratios)
        # The search starts from the best of 336 points and ends in the minimum there.
        assert own <= best * (1 + 1e-6) + 1e-9, (form, own, best)
    free = len(n) - 3
    if misfit > 0:
        # An error at each size that makes the smallest chi squared its degrees of freedom.
        assert abs(min(f["chi_squared"] for f in forms) / free - 1) <= 1e-4, (misfit, forms)
    else:
        assert free == 0 or min(f["chi_squared"] for f in forms) <= free, forms
    criterion = np.array([f["chi_squared"] + 2 * (2 if f["name"] == "power" else 3) for f in forms])
    likelihood = np.exp(-(criterion - criterion.min()) / 2)
    assert np.abs(np.array([f["weight"] for f in forms]) - likelihood / likelihood.sum()).max() <= 1e-9, forms


def check_fit(curve):
    """a + b k^-c with a, b >= 0: no other exponent of a fine grid fits the means better."""
    fit, rungs = curve["fit"], curve["rungs"]
    k, y = np.array([r["k"] for r in rungs], dtype=float), np.array([r["test_loss"]["mean"] for r in rungs])
    misfit = lambda a, b, c: math.sqrt((((a + b * k**-c) / y - 1) ** 2).mean())
    own = misfit(fit["floor"], fit["scale"], fit["exponent"])
    assert abs(fit["relative_residual"] - own) <= 1e-9, fit
    for c in np.geomspace(0.02, 3, 2000):
        design = np.stack([1 / y, k**-c / y], axis=1)
        free = np.linalg.lstsq(design, np.ones(len(k)), rcond=None)[0]
        candidates = [free] if (free >= 0).all() else [np.array([0, design[:, 1].sum() / (design[:, 1] ** 2).sum()]), np.array([design[:, 0].sum() / (design[:, 0] ** 2).sum(), 0])]
        for a, b in candidates:
            assert own <= misfit(a, b, c) + 1e-9, (c, own, misfit(a, b, c))
    law = lambda k: fit["floor"] + fit["scale"] * k ** -fit["exponent"]
    if fit["flat_k"] is not None:
        at = fit["flat_k"]
        assert abs(1 - law(2 * at) / law(at) - curve["flat_gain"]) <= 1e-6 * curve["flat_gain"], fit
        step, v = curve["step"], rungs[-1]["variance"]["mean"]
        at = max(round(at), 1)
        assert abs(fit["delta_at_flat"] / (v * (1 / at - 1 / (at + step))) - 1) <= 1e-9, fit


def main():
    root = Path(sys.argv[1])
    if (root / "family/manifest.json").exists():
        return check_family(root)
    largest = int(sys.argv[2]) if len(sys.argv) > 2 else 10**6
    arrays, manifests = load_all(root)
    subject = Subject(arrays, manifests)
    precise = manifests["eigen"]["params"]["precision"] == manifests["montecarlo"]["params"]["precision"] == "f64"
    # f64: sums in another order. f32: a hundred roundings of 6e-8.
    relative = 1e-10 if precise else 1e-4
    step = manifests["montecarlo"]["facts"]["step"]
    check_fetch_data(arrays, manifests)
    check_train(arrays, manifests, subject)
    check_eigen(arrays, manifests, subject, relative)
    for setting in manifests["montecarlo"]["facts"]["settings"]:
        pilots, asked = manifests["montecarlo"]["facts"]["pilot_sizes"], manifests["montecarlo"]["params"]["settings"]
        check_setting(arrays, subject, setting, step, largest, relative, pilots, asked)
    check_grids(arrays, manifests, subject, step, relative)
    check_bound(arrays, manifests, root)
    check_sweep(arrays, manifests, subject, root, largest, relative)
    check_spectrum(arrays, manifests, subject, root)
    check_answer(arrays, root)
    check_stream(arrays, manifests, root)
    print(f"all checks passed: {len(arrays)} arrays")


if __name__ == "__main__":
    main()
