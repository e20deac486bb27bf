"""From directions and draws to a `Losses`: what the two frameworks share."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from . import _directions
from ._checks import array, finite, integer, number, sigma_of, warn
from ._directions import Directions
from ._losses import Losses
from ._progress import Progress
from ._result import Floats

_Matrix = TypeVar("_Matrix", bound=npt.NDArray[np.floating])

_NOT_SMOOTH = (
    "the loss has no second derivative there, such as that of sqrt or norm at 0, or of a where() whose other branch is not "
    'finite. Change the loss, or do without it: directions="random", derivatives=False'
)

_ROUNDED = 0.1
"""part of the mean square of the draws that the rounding of the weights may have without a warning; losses rise with squares"""

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
    rounding: float
    """how far rounding moves the weights at a draw, root mean square of the length, parameter units"""
    types: str
    """of the weights, such as bfloat16"""
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
            out=None if self.out is None else _place(self.out),
        )


def draw(model: Model, options: Options) -> Losses:
    """Losses of all samples at all draws."""
    basis, eigenvalues, residuals = _find(model, options)
    theta = _theta(options, basis.shape[1])
    _warn_of_rounding(model, theta, sigma_of(None, options.sigma))
    values = slopes = curvatures = None
    if options.derivatives:
        with Progress(model.n_batches, "derivatives: batches", options.progress) as progress:
            values, slopes, curvatures = model.derivatives(basis, progress)
        for name, part in (("slopes", slopes), ("curvatures", curvatures)):
            finite(name, part, _NOT_SMOOTH)
        _certify(model, basis, values, curvatures, options.seed)
    return Losses(
        losses=_losses(model, basis, theta, options),
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


def _warn_of_rounding(model: Model, theta: Floats, sigma: float) -> None:
    """Where weights of a short type do not follow the draws."""
    length = float(np.linalg.norm(theta)) / math.sqrt(max(len(theta), 1))
    if model.rounding**2 > _ROUNDED * length**2:
        warn(
            f"the weights are {model.types}: rounding moves them by {model.rounding:.2g} at each draw, and the draws by "
            f"{length:.2g} (σ = {sigma:.3g}), so the losses are in part those of the rounding. Compute in a longer type, f32 or "
            "f64 (in PyTorch model.float() or model.double(), and so the samples)"
        )


def _certify(model: Model, basis: Floats, values: Floats, curvatures: Floats, seed: int) -> None:
    """That curvatures and products are derivatives of one function: mean over samples of C_i c = PᵀHPc at a random unit c (d,).

    Raises:
        RuntimeError: they differ by more than rounding.
    """
    start = np.asarray(np.random.default_rng((seed, 3)).standard_normal(basis.shape[1]))
    c: Floats = start / np.linalg.norm(start)
    image = _product(model, basis @ c)
    measured = float(np.linalg.norm(3 * _product(model, basis @ (c / 3)) - image))
    size = float(np.abs(curvatures).mean(axis=0).max())
    allowed = _share_of_rounding(values, model.dtype) * size + 8 * measured
    off = float(np.abs(curvatures.mean(axis=0) @ c - basis.T @ image).max())
    if off > allowed:
        raise RuntimeError(
            f"the derivatives of the framework disagree for this model: mean curvatures (largest {size:.3g}) and a Hessian-vector "
            f"product differ by {off:.2g}, where rounding makes up to {allowed:.2g}. A layer, or the loss, has a wrong second "
            "derivative, such as nn.utils.weight_norm of PyTorch: write it in other operations, or leave out the theories, "
            "derivatives=False"
        )


def _share_of_rounding(values: Floats, dtype: np.dtype[Any]) -> float:
    """Of a mean curvature: √eps, far above the eps of each of many operations, and 8 eps / ℓ.

    A small loss ℓ = −log p is that of a probability p near 1, known to eps: 1 − p, and so the curvature, to eps / ℓ of itself.
    """
    eps = float(np.finfo(dtype).eps)
    return math.sqrt(eps) + 8 * eps / max(float(np.abs(values).mean()), float(np.finfo(np.float64).tiny))


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
    return _directions.top(lambda v: _product(model, v), len(model.weights), dim, tolerance=tolerance, seed=seed, shown=shown)


def _product(model: Model, v: Floats) -> Floats:
    """H v.

    Raises:
        ValueError: an entry is not finite.
    """
    image = model.product(v)
    if len(wrong := np.flatnonzero(~np.isfinite(image))):
        place = f"{model.place(int(wrong[0]))} of a Hessian-vector product"
        raise ValueError(f"{place} is {image[wrong[0]]}, though the losses at w* are finite: {_NOT_SMOOTH}")
    return image


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


def _losses(model: Model, basis: Floats, theta: Floats, options: Options) -> npt.NDArray[np.floating]:
    """(T, N), in memory or as a map of `out`, which a file beside replaces at the end: until then, and after an error, it stays."""
    shape = (len(theta), model.n_samples)
    if options.out is None:
        return _drawn(np.empty(shape, model.dtype), model, basis, theta, options.progress)
    path = Path(options.out)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        file = Path(folder) / path.name
        matrix = np.lib.format.open_memmap(file, mode="w+", dtype=model.dtype, shape=shape)
        _drawn(matrix, model, basis, theta, options.progress).flush()
        file.replace(path)
    return np.lib.format.open_memmap(path, mode="r+")


def _drawn(matrix: _Matrix, model: Model, basis: Floats, theta: Floats, shown: bool) -> _Matrix:
    """Fills a matrix (T, N) row by row."""
    at = model.at(basis)
    with Progress(len(theta), "losses: draws", shown) as progress:
        for row, point in zip(matrix, theta, strict=True):
            _fill(row, at(point))
            progress.step()
    return matrix


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


def _place(out: str | os.PathLike[str]) -> Path:
    """The file for the losses, before any work.

    Raises:
        ValueError: a folder, or in a folder that is not there or cannot be written.
    """
    path = Path(out).expanduser().resolve()
    if path.is_dir():
        raise ValueError(f"out={os.fspath(out)} is a folder; a file is needed, such as {Path(out) / 'losses.npy'}")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"out={os.fspath(out)}: the folder {path.parent} does not exist or cannot be written; make it first")
    return path


def rounding(parts: Iterable[tuple[npt.NDArray[Any], float]]) -> float:
    """Root mean square length of what rounding adds to weights, from the values and the eps of each parameter.

    A weight w moves by up to half a spacing, evenly: spacing² / 12 in the mean. The spacing is from eps |w| / 2 to eps |w|, and its
    square (eps w)² / 2 in the mean.
    """
    return math.sqrt(sum(float(np.square(eps * values).sum()) for values, eps in parts) / 24)


def types_of(names: Iterable[str]) -> str:
    """The types of the parameters, for a text."""
    return " and ".join(sorted(set(names)))


def loss_type(name: str) -> np.dtype[Any]:
    """f64 for losses in f64, f32 for f32 and shorter types."""
    return np.dtype(np.float64 if name.endswith("float64") else np.float32)
