"""Losses of a JAX function around trained parameters: directions, draws and the matrix that `plateau.sufficient` takes.

The function `loss(params, x, y)` is yours, with any pytree as `params`: Flax, Equinox, Haiku or plain arrays. It has to be pure, so
nothing of the model changes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree
except ImportError as error:  # pragma: no cover
    raise ImportError(f"plateau.jax needs JAX, which cannot be imported ({error}): pip install jax") from error

from ._checks import check_alone, check_pair, check_shape, finite, finite_losses, integer, native, refuse_masked
from ._directions import Directions
from ._draw import DirectionsOption, Model, Options, draw, loss_type, rounding, top, types_of
from ._losses import Losses
from ._progress import Progress
from ._result import Floats

__all__ = ["directions", "losses"]

LossFunction = Callable[[Any, Any, Any], jax.Array]

_ADVICE = (
    "Evaluate the model as after training: dropout off, batch normalisation with its running averages, "
    "and no random key in the loss."
)


def losses(
    loss: LossFunction,
    params: Any,
    data: Any,
    *,
    dim: int = 10,
    sigma: float | None = None,
    draws: int = 1024,
    seed: int = 0,
    directions: DirectionsOption = "hessian",
    theta: npt.ArrayLike | None = None,
    derivatives: bool = False,
    batch_size: int = 1024,
    tolerance: float = 1e-3,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Losses:
    """ℓ_i(w* + Pθ_t) of all samples at all draws, (T, N).

    w* is `params` as `jax.flatten_util.ravel_pytree` flattens it. Close over what is not to move, such as frozen layers and running
    averages. Each draw takes one forward pass over the samples.

    Args:
        loss: `loss(params, x, y)` has one loss per sample, shape (B,); it is compiled.
        params: a pytree of floating-point arrays, as trained.
        data: a pair (x, y) of all samples, pytrees of arrays with the samples along the first axis, in the order in which they
            arrive; or batches (x, y) that come again in the same order, such as a list.
        dim: d, the number of directions.
        sigma: σ, standard deviation of each coordinate of θ, parameter units. None: 1, or that of `theta`.
        draws: T.
        seed: of draws and directions.
        directions: "hessian": the top eigenvectors at w*; "random": orthonormal; or P (p, d) with orthonormal columns, or
            `Directions`, of `plateau.jax.directions` or another library.
        theta: draws of your own, (T, d), parameter units, with σ in them. `sigma` is then their root mean square, unless you give
            it; a `sigma` of another width is a warning, as the theories are computed for it.
        derivatives: also value, slope and curvature of each sample at w*, which the theories need.
        batch_size: samples at a time, where `data` is a pair.
        tolerance: of the eigenvectors, ‖Hu − μu‖ / |μ| of each; it bounds the relative error of μ.
        out: a `.npy` file for the losses, which are then a memory map; for more than fits in memory. It is written beside, and
            replaces a file of that name at the end.
        progress: whether a bar is shown on stderr.

    Raises:
        ValueError: a weight, or a loss or derivative at w*, is not finite;
            the loss is not one number per sample, or depends on the batch or on chance; data that change from pass to pass.
        RuntimeError: the eigenvectors did not converge, or derivatives of JAX disagree with each other.
    """
    options = Options(dim, sigma, draws, seed, directions, theta, derivatives, tolerance, out, progress).checked()
    return draw(_Function(loss, params, _batches(data, batch_size)).model(), options)


def directions(
    loss: LossFunction,
    params: Any,
    data: Any,
    *,
    dim: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
    tolerance: float = 1e-3,
    progress: bool = True,
) -> Directions:
    """The top `dim` eigenvectors of the Hessian of the mean loss at w*, for `losses(directions=…)`.

    Every copy of a repeated eigenvalue counts. Hessian-vector products are forward over reverse. The arguments are those of
    `losses`. Give the first samples alone where all would take too long.

    Raises:
        ValueError: as in `losses`.
        RuntimeError: the eigenvectors did not converge.
    """
    found = _Function(loss, params, _batches(data, batch_size)).model()
    return top(found, integer("dim", dim, 1), tolerance=tolerance, seed=integer("seed", seed, 0), shown=progress)


class _Function:
    """A loss of flat parameters, compiled once for each shape of batch."""

    def __init__(self, loss: LossFunction, params: Any, batches: Iterable[tuple[Any, Any]]) -> None:
        self._batches = batches
        self._parameters = _names(params)
        self._leaves = [jnp.asarray(leaf) for leaf in jax.tree_util.tree_leaves(params)]
        self._start, unravel = ravel_pytree(params)

        def at(w: jax.Array, x: Any, y: Any) -> jax.Array:
            return loss(unravel(w), x, y)

        def along(theta: jax.Array, basis: jax.Array, x: Any, y: Any) -> jax.Array:
            return at(self._start + basis @ theta, x, y)

        def product(v: jax.Array, x: Any, y: Any) -> jax.Array:
            slope = jax.grad(lambda w: at(w, x, y).sum())
            image: jax.Array = jax.jvp(slope, (self._start,), (v,))[1]
            return image

        self._at_weights = at
        self._losses, self._hessian = jax.jit(along), jax.jit(product)
        self._slopes = jax.jit(jax.jacfwd(along))
        self._curvatures = jax.jit(jax.jacfwd(jax.jacfwd(along)))

    def model(self) -> Model:
        """Checks the loss on the first batch, counts the samples, and describes the rest."""
        sizes, dtype = self._look()
        return Model(
            weights=np.asarray(self._start, np.float64),
            parameters=self._parameters,
            n_samples=sum(sizes),
            dtype=dtype,
            rounding=rounding((np.asarray(leaf, np.float64), _eps(leaf)) for leaf in self._leaves),
            types=types_of(str(leaf.dtype) for leaf in self._leaves),
            product=lambda v: self._product(v, sum(sizes)),
            at=self._at,
            derivatives=self._derivatives,
            n_batches=len(sizes),
        )

    def _look(self) -> tuple[list[int], np.dtype[Any]]:
        nowhere, origin = jnp.zeros((len(self._start), 1), self._start.dtype), jnp.zeros(1, self._start.dtype)
        passes: list[list[npt.NDArray[np.floating]]] = []
        dtype = np.dtype(np.float32)
        for number in range(2):
            passes.append([])
            for x, y in self._pass():
                n = _length(x)
                found = jax.eval_shape(self._at_weights, self._start, x, y)
                if not hasattr(found, "shape"):
                    raise ValueError(f"the loss is {type(found).__name__}; an array (B,) is needed, one loss per sample")
                check_shape(tuple(found.shape), n, getattr(y, "shape", None))
                if number == 0 and not passes[0]:
                    dtype = loss_type(str(found.dtype))
                    self._check(x, y, dtype)
                passes[-1].append(np.asarray(self._losses(origin, nowhere, x, y), dtype))
            if not passes[-1]:
                raise ValueError(
                    f"the data have no batch at pass {number + 1}; a generator is used up after one: give a list or a pair"
                )
        first, second = (np.concatenate(batches) for batches in passes)
        finite_losses(first)
        rounding = float(np.sqrt(np.finfo(dtype).eps))
        if first.shape != second.shape or not np.allclose(first, second, rtol=rounding, atol=rounding, equal_nan=True):
            raise ValueError(
                "the losses at w* differ between two passes over the data: samples are shuffled or augmented at random. "
                "Give them in one fixed order, without augmentation"
            )
        return [len(batch) for batch in passes[0]], dtype

    def _check(self, x: Any, y: Any, dtype: np.dtype[Any]) -> None:
        def evaluate(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
            # Not compiled: what is random in NumPy would be drawn once.
            return np.asarray(self._at_weights(self._start, _take(x, rows), _take(y, rows)), dtype)

        check_alone(evaluate, _length(x), _ADVICE)

    def _pass(self) -> Iterator[tuple[Any, Any]]:
        for batch in self._batches:
            yield jax.tree_util.tree_map(native, check_pair(batch))

    def _product(self, v: Floats, n: int) -> Floats:
        """H v, summed over samples and divided by their number: batches of any size count as they should."""
        vector = jnp.asarray(v, self._start.dtype)
        total = np.zeros(len(v))
        for x, y in self._pass():
            total += np.asarray(self._hessian(vector, x, y), np.float64)
        return total / n

    def _at(self, basis: Floats) -> Callable[[Floats], Iterator[npt.NDArray[np.floating]]]:
        columns = jnp.asarray(basis, self._start.dtype)

        def losses_at(theta: Floats) -> Iterator[npt.NDArray[np.floating]]:
            point = jnp.asarray(theta, self._start.dtype)
            for x, y in self._pass():
                found = self._losses(point, columns, x, y)
                yield np.asarray(found, loss_type(str(found.dtype)))

        return losses_at

    def _derivatives(self, basis: Floats, progress: Progress) -> tuple[Floats, Floats, Floats]:
        """As functions of θ, at 0, by forward mode."""
        columns, origin = jnp.asarray(basis, self._start.dtype), jnp.zeros(basis.shape[1], self._start.dtype)
        parts: tuple[list[Floats], list[Floats], list[Floats]] = ([], [], [])
        for x, y in self._pass():
            for part, function in zip(parts, (self._losses, self._slopes, self._curvatures), strict=True):
                part.append(np.asarray(function(origin, columns, x, y), np.float64))
            progress.step()
        values, slopes, curvatures = (np.concatenate(part) for part in parts)
        return values, slopes, curvatures


def _names(params: Any) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Name and shape of each array of the pytree.

    Raises:
        ValueError: no array, or one that is not floating-point, or not finite.
    """
    found = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = jax.tree_util.keystr(path)
        dtype = getattr(leaf, "dtype", np.asarray(leaf).dtype)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"params{name} is {dtype}; floating-point arrays are needed: close over what is not trained")
        finite(f"params{name}", np.asarray(leaf, np.float64), "training has failed, or the weights are not those that were trained")
        found.append((name, tuple(np.shape(leaf))))
    if not found:
        raise ValueError("params has no array: there are no directions to look along")
    return tuple(found)


def _eps(leaf: jax.Array) -> float:
    return float(jnp.finfo(leaf.dtype).eps)  # type: ignore[no-untyped-call]


def _batches(data: Any, batch_size: int) -> Iterable[tuple[Any, Any]]:
    batch_size = integer("batch_size", batch_size, 1)
    if isinstance(data, tuple) and len(data) == 2 and all(_is_whole(part) for part in data):
        return _pair(*data, batch_size)
    if not isinstance(data, Iterable):
        raise ValueError(f"data is {type(data).__name__}; a pair (x, y) of arrays or batches (x, y) are needed")
    return data


def _pair(x: Any, y: Any, batch_size: int) -> list[tuple[Any, Any]]:
    """All samples in memory, as batches."""
    for name, part in (("x", x), ("y", y)):
        for leaf in jax.tree_util.tree_leaves(part):
            refuse_masked(name, leaf)
    x, y = jax.tree_util.tree_map(lambda leaf: jnp.asarray(native(leaf)), (x, y))
    lengths = {len(leaf) for leaf in jax.tree_util.tree_leaves((x, y))}
    if len(lengths) != 1:
        raise ValueError(f"x and y have {' and '.join(map(str, sorted(lengths)))} samples along their first axes")
    if not (n := lengths.pop()):
        raise ValueError("x and y have no samples")
    parts = [slice(at, at + batch_size) for at in range(0, n, batch_size)]
    return [(_take(x, rows), _take(y, rows)) for rows in parts]


def _is_whole(part: Any) -> bool:
    leaves = jax.tree_util.tree_leaves(part)
    return bool(leaves) and all(isinstance(leaf, (jax.Array, np.ndarray)) and leaf.ndim > 0 for leaf in leaves)


def _take(tree: Any, rows: Any) -> Any:
    return jax.tree_util.tree_map(lambda leaf: leaf[rows] if getattr(leaf, "ndim", 0) else leaf, tree)


def _length(x: Any) -> int:
    for leaf in jax.tree_util.tree_leaves(x):
        if getattr(leaf, "ndim", 0):
            return len(leaf)
    raise ValueError("a batch has no array as x; a pair (x, y) of arrays is needed")
