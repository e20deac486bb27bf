"""From directions and draws to a `Losses`: what the two frameworks share."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _directions
from ._checks import array, finite, integer, number, sigma_of
from ._directions import Directions
from ._losses import Losses
from ._progress import Progress
from ._result import Floats

_NOT_SMOOTH = (
    "the loss has no second derivative there, such as that of sqrt or norm at 0, or of a where() whose other branch is not "
    'finite. Change the loss, or do without it: directions="random", derivatives=False'
)

DirectionsOption = Literal["hessian", "random"] | Directions | npt.ArrayLike


@dataclass(frozen=True)
class Model:
    """What is asked of a model, in whatever framework: p parameters, N samples."""

    weights: Floats
    """w*, (p,)"""
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    """name and shape of each, in the order of `weights`"""
    n_samples: int
    """N"""
    dtype: np.dtype[Any]
    """of the losses, f32 or f64"""
    product: Callable[[Floats], Floats] = field(repr=False)
    """v (p,) ↦ H v (p,), H the Hessian of the mean loss over all samples at w*"""
    at: Callable[[Floats], Callable[[Floats], Iterator[npt.NDArray[np.floating]]]] = field(repr=False)
    """P (p, d) ↦ θ (d,) ↦ losses at w* + Pθ, batch by batch"""
    derivatives: Callable[[Floats, Progress], tuple[Floats, Floats, Floats]] = field(repr=False)
    """P (p, d) ↦ ℓ_i (N,), Pᵀ∇ℓ_i (N, d), Pᵀ∇²ℓ_i P (N, d, d)"""
    n_batches: int
    """of the samples"""

    def place(self, i: int) -> str:
        """Name and index of entry `i` of `weights`."""
        for name, shape in self.parameters:
            size = math.prod(shape)
            if i < size:
                return f"{name}[{', '.join(str(int(j)) for j in np.unravel_index(i, shape))}]" if shape else name
            i -= size
        raise IndexError(i)


@dataclass(frozen=True)
class Options:
    """How the losses are drawn; see `plateau.torch.losses`."""

    dim: int
    sigma: float | None
    draws: int
    seed: int
    directions: DirectionsOption
    theta: npt.ArrayLike | None
    derivatives: bool
    tolerance: float
    out: str | os.PathLike[str] | None
    progress: bool

    def checked(self) -> Options:
        """Refuses values that no run could use, before any work; numbers are those of Python, and θ is an array of its own."""
        draws = integer("draws", self.draws, 0)
        if draws < 2:
            raise ValueError(f"draws={draws}; at least two are needed, and some hundred for an interval")
        if isinstance(self.directions, str) and self.directions not in ("hessian", "random"):
            raise ValueError(f'directions={self.directions!r}; "hessian", "random" or an array (p, d) is needed')
        theta = None if self.theta is None else np.array(array("theta", self.theta), np.float64)  # a copy: the record keeps it
        dim = integer("dim", self.dim, 1)
        if theta is not None:
            finite("theta", theta, "a draw is d finite numbers")
            _check_theta(theta, dim if isinstance(self.directions, str) else None)
        return replace(
            self,
            dim=dim,
            draws=draws,
            seed=integer("seed", self.seed, 0),
            theta=theta,
            sigma=sigma_of(theta, self.sigma),
            tolerance=number("tolerance", self.tolerance),
        )


def draw(model: Model, options: Options) -> Losses:
    """Losses of all samples at all draws."""
    basis, eigenvalues, residuals = _find(model, options)
    theta = _theta(options, basis.shape[1])
    values = slopes = curvatures = None
    if options.derivatives:
        with Progress(model.n_batches, "derivatives: batches", options.progress) as progress:
            values, slopes, curvatures = model.derivatives(basis, progress)
        for name, part in (("slopes", slopes), ("curvatures", curvatures)):
            finite(name, part, _NOT_SMOOTH)
    with _room(options.out, (len(theta), model.n_samples), model.dtype) as matrix:
        at = model.at(basis)
        with Progress(len(theta), "losses: draws", options.progress) as progress:
            for row, point in zip(matrix, theta, strict=True):
                _fill(row, at(point))
                progress.step()
    return Losses(
        losses=matrix,
        theta=theta,
        directions=basis,
        sigma=sigma_of(None, options.sigma),
        weights=model.weights,
        parameters=model.parameters,
        eigenvalues=eigenvalues,
        residuals=residuals,
        values=values,
        slopes=slopes,
        curvatures=curvatures,
    )


def _find(model: Model, options: Options) -> tuple[Floats, Floats | None, Floats | None]:
    """P with eigenvalues and residuals, where these are known."""
    choice, p = options.directions, len(model.weights)
    if isinstance(choice, str) and choice == "hessian":
        choice = top(model, options.dim, tolerance=options.tolerance, seed=options.seed, shown=options.progress)
    if isinstance(choice, Directions):
        return _directions.given(choice.vectors, p), choice.eigenvalues, choice.residuals
    if isinstance(choice, str):
        return _directions.random(p, options.dim, options.seed), None, None
    return _directions.given(choice, p), None, None


def top(model: Model, dim: int, *, tolerance: float, seed: int, shown: bool) -> Directions:
    """The top `dim` eigenvectors of the Hessian of a model."""

    def product(v: Floats) -> Floats:
        image = model.product(v)
        if len(wrong := np.flatnonzero(~np.isfinite(image))):
            place = f"{model.place(int(wrong[0]))} of a Hessian-vector product"
            raise ValueError(f"{place} is {image[wrong[0]]}, though the losses at w* are finite: {_NOT_SMOOTH}")
        return image

    return _directions.top(product, len(model.weights), dim, tolerance=tolerance, seed=seed, shown=shown)


def _theta(options: Options, dim: int) -> Floats:
    if options.theta is None:
        return _directions.draws(options.draws, dim, sigma_of(None, options.sigma), options.seed)
    theta = np.asarray(options.theta)
    _check_theta(theta, dim)
    return theta


def _check_theta(theta: Floats, dim: int | None) -> None:
    """(T, d); None: d is not known yet."""
    if theta.ndim != 2 or (dim is not None and theta.shape[1] != dim):
        columns = "d" if dim is None else dim
        raise ValueError(
            f"theta has shape {theta.shape}; (T, {columns}) is needed: a row for each draw, a column for each direction"
        )


def _fill(row: npt.NDArray[np.floating], batches: Iterator[npt.NDArray[np.floating]]) -> None:
    """Writes the losses of one draw."""
    at = 0
    for batch in batches:
        if at + len(batch) > len(row):
            raise ValueError(f"the data have more than {len(row)} samples now; they had {len(row)} at the first pass")
        row[at : at + len(batch)] = batch
        at += len(batch)
    if at != len(row):
        raise ValueError(f"the data have {at} samples now, but had {len(row)} at the first pass")


@contextlib.contextmanager
def _room(out: str | os.PathLike[str] | None, shape: tuple[int, int], dtype: np.dtype[Any]) -> Iterator[npt.NDArray[np.floating]]:
    """An array (T, N) in memory, or in a file that is removed again after an error."""
    if out is None:
        yield np.empty(shape, dtype)
        return
    path = Path(out)
    matrix: np.memmap[Any, np.dtype[Any]] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    try:
        yield matrix
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    matrix.flush()


def loss_type(name: str) -> np.dtype[Any]:
    """f64 for losses in f64, f32 for f32 and shorter types."""
    return np.dtype(np.float64 if name.endswith("float64") else np.float32)
