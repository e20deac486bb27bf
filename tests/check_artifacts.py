"""Reads every artifact of an experiment with NumPy and recomputes its numbers in plain float64.

    python tests/check_artifacts.py artifacts/digits [largest number of draws to recompute]

An independent second opinion: forward passes, finite differences and sums written here share nothing with the program.
"""

import json
import sys
from pathlib import Path

import numpy as np

DTYPES = {"|u1": np.uint8, "<i8": np.int64, "<f4": np.float32, "<f8": np.float64}


def load_all(root):
    """Every array of every manifest, checked for type and shape; a dict by 'stage/file'."""
    arrays, manifests = {}, {}
    for stage in ["fetch-data", "train", "eigen", "montecarlo", "bound", "report"]:
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
        self.x = (raw / n["scale"] - n["mean"]) / n["std"]
        self.y = arrays["fetch-data/train_labels.npy"]
        self.w = arrays["train/w_star.npy"].astype(np.float64)
        self.layers, self.loss = facts["layers"], facts["loss"]
        self.phi = ACTIVATIONS[facts["activation"]]

    def losses(self, w):
        """Per-sample losses at the flat parameters w."""
        h, offset = self.x, 0
        for depth, (n_in, n_out) in enumerate(zip(self.layers, self.layers[1:])):
            weights = w[offset : offset + n_out * n_in].reshape(n_out, n_in)
            bias = w[offset + n_out * n_in : offset + n_out * (n_in + 1)]
            offset += n_out * (n_in + 1)
            h = h @ weights.T + bias
            if depth < len(self.layers) - 2:
                h = self.phi(h)
        assert offset == len(w)
        if self.loss == "softmax-cross-entropy":
            top = h.max(axis=1)
            return np.log(np.exp(h - top[:, None]).sum(axis=1)) + top - h[np.arange(len(h)), self.y]
        target = np.eye(self.layers[-1])[self.y] if self.y.dtype == np.int64 else self.y[:, None]
        return 0.5 * ((h - target) ** 2).sum(axis=1)


def increments(losses, step):
    """L_k and L_{k+s} - L_k for k = s, 2s, ..., along the last axis."""
    whole = losses.shape[-1] // step * step
    k = np.arange(step, whole + 1, step)
    mean = np.cumsum(losses, axis=-1)[..., step - 1 : whole : step] / k
    return k[:-1], mean[..., :-1], np.diff(mean, axis=-1)


def close(found, expected, relative, what):
    scale = np.abs(expected).max()
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
    assert abs(subject.losses(subject.w).mean() / facts["train_loss"] - 1) <= (1e-10 if precise else 1e-4)


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


def check_setting(arrays, subject, setting, step, largest, relative):
    folder = f"montecarlo/{setting['name']}"
    file = {"hessian": "basis", "random": "basis_random", "filter": "basis_filter"}[setting["basis"]]
    basis = arrays[f"eigen/{file}.npy"].astype(np.float64)[: setting["dim"]]
    theta = arrays[f"{folder}/theta.npy"]
    assert theta.shape == (setting["draws"], setting["dim"])
    # Mean 0 and deviation sigma within five standard errors.
    assert np.abs(theta.mean()) <= 5 * setting["sigma"] / np.sqrt(theta.size)
    assert np.abs(theta.std() / setting["sigma"] - 1) <= 5 / np.sqrt(2 * theta.size)
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
        error = squares.std(axis=0, ddof=1) / np.sqrt(len(theta))
        assert (np.abs(arrays[f"{folder}/standard_error.npy"] - error) <= 3e2 * relative * expected + lost).all(), folder
    check_order_average(losses, step, setting["name"])


def check_order_average(losses, step, name):
    """E over orders of (L_{k+s} - L_k)^2 is S^2 (1/k - 1/(k+s)): over many sampled orders, within its error."""
    rng, n = np.random.default_rng(0), losses.shape[1]
    orders = np.stack([rng.permutation(n) for _ in range(300)])
    k, _, change = increments(losses[0][orders], step)
    rows = np.unique(np.geomspace(1, len(k), 12).astype(int) - 1)
    expected = losses[0].var(ddof=1) * (1 / k[rows] - 1 / (k[rows] + step))
    mean, error = (change[:, rows] ** 2).mean(axis=0), (change[:, rows] ** 2).std(axis=0, ddof=1) / np.sqrt(len(orders))
    deviations = np.abs(mean - expected) / error
    print(f"{name}: order average over 300 sampled orders, at most {deviations.max():.1f} standard errors off")
    # Squares of few samples are heavy-tailed, so a sample of 300 misjudges its own error: five of them.
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
                close(arrays[f"{folder}/loss.npy"][m, a, b], losses[:k].mean(), relative, f"{folder} L_{k}")


def check_bound(arrays, manifests, root):
    step = manifests["montecarlo"]["facts"]["step"]
    k = arrays["montecarlo/prefix_sizes.npy"]
    c, g, h = (arrays[f"eigen/sample_{name}.npy"] for name in ["loss", "slope", "curvature"])
    dc = increments(c, step)[2]
    for setting in manifests["montecarlo"]["facts"]["settings"]:
        folder, sigma, d = f"bound/{setting['name']}", setting["sigma"], setting["dim"]
        v = arrays[f"montecarlo/{setting['name']}/loss_variance.npy"].mean()
        close(arrays[f"{folder}/order_average.npy"], v * (1 / k - 1 / (k + step)), 1e-10, f"{folder} order average")
        if setting["basis"] != "hessian":
            continue
        dg = increments(np.moveaxis(g[:, :d], 0, -1), step)[2]
        a = increments(np.moveaxis(h[:, :d, :d], 0, -1), step)[2]
        trace = np.einsum("iik->k", a)
        diagonal = sigma**4 / 4 * (2 * np.einsum("iik,iik->k", a, a) + trace**2)
        quadratic = sigma**4 / 4 * (2 * (a**2).sum(axis=(0, 1)) + trace**2)
        second = quadratic + sigma**2 * (dg**2).sum(axis=0) + dc**2 + sigma**2 * dc * trace
        for name, curve in [("diagonal", diagonal), ("quadratic", quadratic), ("second_order", second)]:
            close(arrays[f"{folder}/{name}.npy"], curve, 1e-9, f"{folder} {name}")
    check_sufficient(arrays, root)


def check_sufficient(arrays, root):
    document = json.loads((root / "bound/sufficient.json").read_text())
    k, step = arrays["montecarlo/prefix_sizes.npy"], document["step"]
    for row in document["rows"]:
        if row["method"] == "monte-carlo":
            exceeding = np.flatnonzero(~(arrays[f"montecarlo/{row['setting']}/delta.npy"] < row["tolerance"]))
            first = 0 if len(exceeding) == 0 else exceeding[-1] + 1
            assert row["k"] == (k[first] if first < len(k) else None), row
        if row["method"] == "order-average":
            v = arrays[f"montecarlo/{row['setting']}/loss_variance.npy"].mean()
            law = lambda k: v * (1 / k - 1 / (k + step))
            size = row["k"]
            assert size % step == 0 and law(size) < row["tolerance"] * (1 + 1e-9), row
            assert size == step or law(size - step) >= row["tolerance"] * (1 - 1e-9), row
            assert row["status"] == ("reached" if size <= k[-1] else "extrapolated") and row["low"] <= size <= row["high"], row


def main():
    root = Path(sys.argv[1])
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
        check_setting(arrays, subject, setting, step, largest, relative)
    check_grids(arrays, manifests, subject, step, relative)
    check_bound(arrays, manifests, root)
    print(f"all checks passed: {len(arrays)} arrays")


if __name__ == "__main__":
    main()
