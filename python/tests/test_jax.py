"""`plateau.jax` against dense derivatives, the native path, and on networks that the pipeline does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import plateau
from conftest import assert_same_answer, samples

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import plateau.jax  # noqa: E402

pytestmark = pytest.mark.jax


@pytest.fixture(autouse=True)
def double() -> None:
    jax.config.update("jax_enable_x64", True)


def entropy(f: jax.Array, y: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(f, axis=-1) - jnp.take_along_axis(f, y[..., None], -1)[..., 0]


def mlp(params: dict[str, jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    return entropy(jnp.tanh(x @ params["W1"].T + params["b1"]) @ params["W2"].T + params["b2"], y)


@pytest.fixture
def params() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"W1": (5, 6), "b1": (5,), "W2": (3, 5), "b2": (3,)}
    return {name: jnp.asarray(0.4 * rng.normal(size=shape)) for name, shape in shapes.items()}


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(150, 6)), rng.integers(0, 3, 150)


def test_everything_is_what_dense_derivatives_give(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = map(jnp.asarray, data)
    w, unravel = ravel_pytree(params)

    def at(w: jax.Array) -> jax.Array:
        return mlp(unravel(w), x, y)

    found = plateau.jax.losses(
        mlp, params, data, dim=4, sigma=0.3, draws=12, derivatives=True, batch_size=64, tolerance=1e-10, progress=False
    )
    # Sample by sample, reverse mode under forward mode; the package goes forward twice.
    one = jax.jit(jax.vmap(jax.hessian(lambda w, x, y: mlp(unravel(w), x[None], y[None])[0]), (None, 0, 0)))
    hessians = np.asarray(one(w, x, y))
    values, vectors = np.linalg.eigh(hessians.mean(0))
    np.testing.assert_allclose(found.eigenvalues, values[::-1][:4], rtol=1e-9)
    np.testing.assert_allclose(np.linalg.svd(found.directions.T @ vectors[:, ::-1][:, :4], compute_uv=False), 1, atol=1e-9)
    np.testing.assert_array_equal(found.weights, w)
    assert found.parameters[0] == ("['W1']", (5, 6))
    points = found.weights + found.theta @ found.directions.T
    np.testing.assert_allclose(found.losses, [at(p) for p in points], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.values, at(w), rtol=1e-12)
    np.testing.assert_allclose(found.slopes, jax.jit(jax.jacrev(at))(w) @ found.directions, atol=1e-12)
    own = np.einsum("pa,npq,qb->nab", found.directions, hessians, found.directions)
    np.testing.assert_allclose(found.curvatures, own, atol=1e-12)


def test_the_native_network_gives_the_same(native: plateau.Experiment) -> None:
    x, y = samples(native)
    weights = np.load(native.path / "train" / "weights.npz")
    # The flat order of the pipeline: a list of pairs, not a dict, which would be sorted.
    params = [tuple(jnp.asarray(weights[f"{kind}{layer}"], jnp.float32) for kind in "Wb") for layer in (1, 2)]

    def loss(params: list, x: jax.Array, y: jax.Array) -> jax.Array:
        (w1, b1), (w2, b2) = params
        return entropy(jnp.tanh(x @ w1.T + b1) @ w2.T + b2, y)

    basis, theta = native["eigen"]["basis"].astype(float).T, native["montecarlo"]["hessian-d4/theta"]
    data = (x.astype(np.float32), y)
    found = plateau.jax.losses(loss, params, data, sigma=0.5, directions=basis, theta=theta, derivatives=True, progress=False)
    assert found.losses.dtype == np.float32
    np.testing.assert_array_equal(found.weights, native["train"]["w_star"])
    answer = plateau.sufficient(found, tolerances=[1e-3, 1e-6], relative_tolerances=[1e-3])
    assert_same_answer(answer, native.sufficient())
    for name, file in (("values", "sample_loss"), ("slopes", "sample_slope"), ("curvatures", "sample_curvature")):
        own = native["eigen"][file]
        np.testing.assert_allclose(getattr(found, name), own, atol=2e-5 * np.abs(own).max())
    for name, curve in native.sufficient().curves.items():
        np.testing.assert_allclose(answer.curves[name], curve, rtol=1e-3)
    top = plateau.jax.directions(loss, params, data, dim=4, progress=False)
    np.testing.assert_allclose(top.eigenvalues, native["eigen"]["eigenvalues"], rtol=1e-4)
    np.testing.assert_allclose(np.linalg.svd(top.vectors.T @ basis, compute_uv=False), 1, atol=1e-4)


def layer_norm(h: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    mean, variance = h.mean(axes, keepdims=True), h.var(axes, keepdims=True)
    return (h - mean) / jnp.sqrt(variance + 1e-5)


def convnet(params: dict, x: jax.Array, y: jax.Array) -> jax.Array:
    """Two convolutions with layer norm and a skip connection, over images (B, 8, 8)."""
    convolve = lambda h, k: jax.lax.conv_general_dilated(h, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))  # noqa: E731
    h = jax.nn.gelu(layer_norm(convolve(x[..., None], params["first"]), (1, 2, 3)))
    h = jax.nn.gelu(h + layer_norm(convolve(h, params["second"]), (1, 2, 3)))
    return entropy(h.mean((1, 2)) @ params["head"], y)


def transformer(params: dict, x: jax.Array, y: jax.Array) -> jax.Array:
    """One block, causal, over tokens (B, length): the mean cross-entropy of the next token of each sample."""
    h = params["embed"][x] + params["place"]
    q, k, v = jnp.split(layer_norm(h, (-1,)) @ params["qkv"], 3, axis=-1)
    scores = q @ jnp.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1])
    scores = jnp.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -jnp.inf)
    h = h + jax.nn.softmax(scores) @ v @ params["out"]
    h = h + jax.nn.gelu(layer_norm(h, (-1,)) @ params["up"]) @ params["down"]
    return entropy(layer_norm(h, (-1,)) @ params["embed"].T, y).mean(axis=1)


def initial(shapes: dict[str, tuple[int, ...]]) -> dict[str, jax.Array]:
    rng = np.random.default_rng(3)
    return {name: jnp.asarray(rng.normal(size=shape) / np.sqrt(max(np.prod(shape[:-1]), 1))) for name, shape in shapes.items()}


def trained(loss: Callable, params: dict, data: tuple, rate: float, steps: int) -> dict:
    step = jax.jit(lambda p: jax.tree_util.tree_map(lambda w, g: w - rate * g, p, jax.grad(lambda p: loss(p, *data).mean())(p)))
    for _ in range(steps):
        params = step(params)
    return params


def digits(native: plateau.Experiment) -> tuple[np.ndarray, np.ndarray]:
    x, y = samples(native)
    return x[:600].reshape(-1, 8, 8), y[:600]


def words() -> tuple[np.ndarray, np.ndarray]:
    """Letters of a text with rules: each word is a syllable two or three times."""
    rng = np.random.default_rng(4)
    text = [c for _ in range(3000) for c in [*rng.permutation(7)[:2]] * rng.integers(2, 4) + [7]]
    rows = np.array(text[: len(text) // 13 * 13]).reshape(-1, 13)[:600]
    return rows[:, :-1], rows[:, 1:]


@pytest.mark.parametrize("kind", ["convolutional network with layer norm", "transformer block"])
def test_a_network_the_pipeline_does_not_know(kind: str, native: plateau.Experiment, tmp_path: Path) -> None:
    if kind == "transformer block":
        loss, data = transformer, words()
        shapes = {"embed": (8, 12), "place": (12, 12), "qkv": (12, 36), "out": (12, 12), "up": (12, 24), "down": (24, 12)}
    else:
        loss, data = convnet, digits(native)
        shapes = {"first": (3, 3, 1, 6), "second": (3, 3, 6, 6), "head": (6, 10)}
    params = trained(loss, initial(shapes), tuple(map(jnp.asarray, data)), 0.3, 150)
    found = plateau.jax.losses(loss, params, data, dim=5, sigma=0.05, draws=64, derivatives=True, progress=False)
    start, w = ravel_pytree(initial(shapes))[0], found.weights
    assert np.linalg.norm(w - start) > 0.1
    # Eigenpairs by finite differences of gradients, which know no second derivative.
    _, unravel = ravel_pytree(params)
    gradient = jax.jit(jax.grad(lambda w: loss(unravel(w), *map(jnp.asarray, data)).mean()))
    for j in range(5):
        u = found.directions[:, j]
        image = (gradient(w + 1e-5 * u) - gradient(w - 1e-5 * u)) / 2e-5
        np.testing.assert_allclose(image, found.eigenvalues[j] * u, atol=2e-3 * found.eigenvalues[0])
    answer = plateau.sufficient(found, tolerances=[1e-6], report=tmp_path / "report", title=kind)
    assert answer.variance == pytest.approx(np.var(found.losses, axis=1, ddof=1).mean(), rel=1e-9)
    assert set(answer.curves) == {"diagonal", "quadratic", "second-order"}
    assert kind in (tmp_path / "report" / "index.html").read_text()
    assert json.loads((tmp_path / "report" / "summary.json").read_text())["settings"][0]["variance"] == answer.variance


def test_what_couples_or_blurs_samples_is_refused(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    def said(loss: Callable, given: object = data) -> str:
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            plateau.jax.losses(loss, params, given, dim=2, draws=4, progress=False)
        return str(caught.value)

    def batch_norm(p: dict, x: jax.Array, y: jax.Array) -> jax.Array:
        return mlp(p, (x - x.mean(0)) / x.std(0), y)

    def dropout(p: dict, x: jax.Array, y: jax.Array) -> jax.Array:
        return mlp(p, x * jax.random.bernoulli(jax.random.key(0), 0.5, x.shape), y)

    def noise(p: dict, x: jax.Array, y: jax.Array) -> jax.Array:
        return mlp(p, x + 0.1 * np.random.default_rng().normal(size=x.shape), y)

    for loss in (batch_norm, dropout):
        text = said(loss)
        assert "depends on its place in the batch or on the samples beside it" in text
        assert "batch normalisation with its running averages" in text
    assert "the loss is random" in said(noise)
    assert "leave out .mean()" in said(lambda p, x, y: mlp(p, x, y).mean())
    assert "not a generator" in said(mlp, iter([data])) or "used up after one" in said(mlp, iter([data]))

    class Shuffled:
        def __iter__(self) -> object:
            rows = np.random.default_rng().permutation(150)
            return iter([(data[0][rows], data[1][rows])])

    assert "shuffled or augmented at random" in said(mlp, Shuffled())
    with pytest.raises(ValueError, match=r"params\['steps'\] is int64; floating-point arrays are needed"):
        plateau.jax.losses(mlp, {**params, "steps": jnp.arange(3)}, data, progress=False)


def test_wrong_samples_and_weights_are_named(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = data

    def said(given: object = data, loss: Callable = mlp, weights: dict = params, **options: object) -> str:
        with pytest.raises((ValueError, TypeError)) as caught:
            plateau.jax.losses(loss, weights, given, dim=2, draws=4, progress=False, **options)
        return str(caught.value)

    broken = x.copy()
    broken[[7, 149], 3] = np.nan
    assert said((broken, y)).startswith("the loss of sample 7 at w* is nan (2 of 150 losses are not finite): look at x and y")
    bad = {**params, "b1": params["b1"].at[2].set(np.inf)}
    assert said(weights=bad).startswith("params['b1'][2] is inf (1 of 5 entries are not finite)")
    assert said(batch_size=-3) == "batch_size=-3; at least 1 is needed"
    assert said(batch_size=0) == "batch_size=0; at least 1 is needed"
    assert said((x.tolist(), y.tolist())).endswith("All samples at once are a tuple of two arrays: (np.asarray(x), np.asarray(y))")
    assert said([x, y]).startswith("a batch is ndarray; a pair (x, y) is needed. All samples at once are a tuple")
    assert said((x[:0], y[:0])) == "x and y have no samples"
    assert said((np.ma.masked_greater(x, 1), y)).startswith("x: ")

    def squared(p: dict, x: jax.Array, y: jax.Array) -> jax.Array:
        return (x @ p["W1"][0] - y) ** 2

    assert "y has shape (150, 1)" in said((x, y[:, None]), squared)
    # The norm has no second derivative at 0.
    flat = {**params, "W2": jnp.zeros((3, 5))}
    text = said(loss=lambda p, x, y: mlp(p, x, y) + jnp.linalg.norm(p["W2"]), weights=flat)
    assert text.startswith("['W2'][0, 0] of a Hessian-vector product is nan, though the losses at w* are finite")
    plateau.jax.losses(
        mlp, params, data, dim=np.int64(2), draws=np.int64(4), batch_size=np.int64(64), seed=np.int64(1), progress=False
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_every_copy_of_a_repeated_eigenvalue_is_a_direction(dtype: type) -> None:
    """Least squares with ten outputs: the Hessian is (XᵀX / N) ⊗ I, and losses have a closed form."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(800, 30)) * np.linspace(3, 1, 30), rng.normal(size=(800, 10))
    w = np.linalg.lstsq(x, y, rcond=None)[0]

    def loss(p: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return 0.5 * ((x @ p - y) ** 2).sum(1)

    data = (x.astype(dtype), y.astype(dtype))
    found = plateau.jax.losses(loss, jnp.asarray(w, dtype), data, dim=10, sigma=0.1, draws=64, tolerance=1e-5, progress=False)
    values, vectors = np.linalg.eigh(x.T @ x / 800)
    np.testing.assert_allclose(found.eigenvalues, values[-1], rtol=1e-5)
    # Each direction is u ⊗ a unit vector, with u the top eigenvector of XᵀX / N.
    along = np.einsum("j,jkd->kd", vectors[:, -1], found.directions.reshape(30, 10, 10))
    np.testing.assert_allclose(np.linalg.svd(along, compute_uv=False), 1, atol=1e-5)
    moved = (x @ vectors[:, -1])[:, None] * (found.theta @ along.T)[:, None, :]
    # A residual of 1e-5 over a gap of 0.1 of the eigenvalue: directions to 1e-4.
    np.testing.assert_allclose(found.losses, 0.5 * ((x @ w - y + moved) ** 2).sum(2), rtol=1e-3)


def test_all_ways_to_give_samples_agree(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    def of(given: object) -> np.ndarray:
        return plateau.jax.losses(mlp, params, given, dim=2, draws=6, directions="random", progress=False).losses

    x, y = data
    np.testing.assert_allclose(of([(x[:90], y[:90]), (x[90:], y[90:])]), of(data), rtol=1e-12)
    with pytest.raises(ValueError, match="x and y have 100 and 150 samples"):
        of((x[:100], y))


def test_arrays_of_any_order_in_memory_are_samples(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    def of(given: object) -> np.ndarray:
        return plateau.jax.losses(mlp, params, given, dim=2, draws=6, directions="random", progress=False).losses

    x, y = data
    other = (np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1].astype(">f8"), y.astype(">i8"))
    np.testing.assert_allclose(of(other), of(data), rtol=1e-12)
    np.testing.assert_allclose(of([other]), of(data), rtol=1e-12)


def test_short_floats_come_out_as_f32(params: dict, data: tuple[np.ndarray, np.ndarray]) -> None:
    short = jax.tree_util.tree_map(lambda w: w.astype(jnp.bfloat16), params)
    x, y = data
    given = (jnp.asarray(x, jnp.bfloat16), y)
    found = plateau.jax.losses(mlp, short, given, dim=2, draws=6, directions="random", progress=False)
    assert found.losses.dtype == np.float32
    assert plateau.sufficient(found).n_samples == 150
    with pytest.warns(UserWarning, match=r"the weights are bfloat16: rounding moves them"):
        plateau.jax.losses(mlp, short, given, dim=2, draws=6, sigma=0.002, directions="random", progress=False)
    # Products and curvatures in bf16 agree within their rounding.
    plateau.jax.losses(mlp, short, given, dim=2, draws=6, derivatives=True, directions="random", progress=False)
    with pytest.raises(TypeError, match="bfloat16 cannot be read by plateau; convert it"):
        plateau.sufficient(jnp.ones((2, 50), jnp.bfloat16))
