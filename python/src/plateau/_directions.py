"""Directions P: the top eigenvectors of a Hessian that is known by its products, random ones, or given ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from . import _eigen
from ._checks import array, finite, warn
from ._progress import Progress
from ._result import Floats

_ORTHONORMAL = 1e-3
"""how far PᵀP may be from the identity: rounding of f32, many times"""

_CLEARLY = 10.0
"""times the tolerance, from which on a residual is a warning"""

_RESTARTS = 100
"""Lanczos runs in products, after which a solve has failed"""


@dataclass(frozen=True)
class Directions:
    """Top eigenpairs of the Hessian of the mean loss at w*: H u = μ u, largest μ first (largest algebraic, not in size).

    Of u and −u, the one whose entry of largest magnitude is positive.
    """

    vectors: Floats = field(repr=False)
    """P, (p, d), orthonormal columns u"""
    eigenvalues: Floats
    """μ, (d,), loss per squared parameter unit"""
    residuals: Floats
    """‖Hu − μu‖, (d,), from a product with each u; it bounds the error of μ"""
    n_products: int
    """Hessian-vector products that were taken"""


def top(product: Callable[[Floats], Floats], p: int, dim: int, *, tolerance: float, seed: int, shown: bool) -> Directions:
    """The `dim` largest eigenpairs of a symmetric (p, p) matrix that `product` applies to vectors (p,), copies counted.

    Lanczos with restarts and a search for missing copies (docs/method.md, 1.7). Up to max(4 dim, 20) rows the matrix is formed,
    which takes no more products. Residuals end below tolerance |μ|, or where rounding of the products keeps them.

    Raises:
        ValueError: `dim` is not from 1 to p.
        RuntimeError: not converged to `tolerance`.

    Warns:
        UserWarning: a residual is not below |μ|, so that the sign of μ is not known; or it is far above tolerance |μ|.
    """
    if not 1 <= dim <= p:
        raise ValueError(f"dim={dim}, but the model has {p} parameters that require a gradient; 1 to {p} directions are possible")
    taken = 0
    with Progress(None, "directions: Hessian-vector products", shown) as progress:

        def counted(v: Floats) -> Floats:
            nonlocal taken
            taken += 1
            found = product(np.ascontiguousarray(v, np.float64).reshape(p))
            progress.step()
            return found

        small = p <= _eigen.subspace(dim)
        pairs = _dense(counted, p, dim) if small else _lanczos(counted, p, dim, tolerance, seed)
    _warn_of_zeros(pairs, dim)
    _warn_of_residuals(pairs, tolerance)
    return Directions(np.ascontiguousarray(_signed(pairs.vectors).T), pairs.values, pairs.residuals, taken)


def _dense(product: Callable[[Floats], Floats], p: int, dim: int) -> _eigen.Pairs:
    matrix = np.stack([product(e) for e in np.eye(p)], axis=1)
    vectors = np.linalg.eigh((matrix + matrix.T) / 2)[1][:, ::-1][:, :dim].T
    images = np.stack([product(u) for u in vectors])
    # Rayleigh quotients: their error is of second order in that of the vectors.
    values = np.einsum("dp,dp->d", vectors, images)
    order = np.argsort(-values)
    residuals = np.linalg.norm(images - values[:, None] * vectors, axis=1)
    return _eigen.Pairs(values[order], vectors[order], images[order], residuals[order])


def _lanczos(product: Callable[[Floats], Floats], p: int, dim: int, tolerance: float, seed: int) -> _eigen.Pairs:
    allowed = _RESTARTS * _eigen.subspace(dim)
    try:
        return _eigen.top_pairs(product, p, dim, tolerance=tolerance, seed=seed, max_products=allowed)
    except _eigen.NotConvergedError as error:
        raise RuntimeError(
            f"the top {dim} eigenpairs did not converge to tolerance={tolerance:g} in {allowed} Hessian-vector products; "
            "raise it, ask for a smaller dim, or compute in f64"
        ) from error


def _warn_of_zeros(pairs: _eigen.Pairs, dim: int) -> None:
    """Eigenvalues that are 0 as far as the products say."""
    unknown = np.flatnonzero(_is_unknown(pairs))
    if not len(unknown):
        return
    i = int(unknown[0])
    cure = f"; dim={i} leaves them out" if i and len(unknown) == dim - i else ""
    warn(
        f"{len(unknown)} of {dim} eigenvalues are not above their residuals, such as number {i + 1}: {pairs.values[i]:.3g} "
        f"with residual {pairs.residuals[i]:.3g}. The loss is flat along these directions, or rounding hides its curvature{cure}"
    )


def _warn_of_residuals(pairs: _eigen.Pairs, tolerance: float) -> None:
    """Eigenpairs that rounding, or products of no symmetric matrix, keep far from the tolerance."""
    over = pairs.residuals / np.maximum(np.abs(pairs.values), np.finfo(np.float64).tiny)
    wide = (over > _CLEARLY * tolerance) & ~_is_unknown(pairs)
    if not wide.any():
        return
    i = int(np.argmax(np.where(wide, over, 0)))
    warn(
        f"{wide.sum()} of {len(over)} eigenpairs are far from tolerance={tolerance:g}, such as number {i + 1}: "
        f"{pairs.values[i]:.3g} with residual {pairs.residuals[i]:.3g}, {over[i]:.2g} of it. The products are in single precision, "
        "or a second derivative of the framework is not symmetric, such as nn.utils.weight_norm of PyTorch. Compute in f64, or in "
        "other operations where that does not help, or raise tolerance"
    )


def _is_unknown(pairs: _eigen.Pairs) -> npt.NDArray[np.bool_]:
    return np.asarray(pairs.residuals >= np.abs(pairs.values))


def _signed(vectors: Floats) -> Floats:
    """Rows with a positive entry of largest magnitude: rounding, which depends on the batches, chooses no sign."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return np.copysign(1, largest) * vectors


def random(p: int, dim: int, seed: int) -> Floats:
    """`dim` orthonormal directions of p parameters, uniformly random, (p, dim)."""
    if not 1 <= dim <= p:
        raise ValueError(f"dim={dim}, but the model has {p} parameters; 1 to {p} directions are possible")
    vectors: Floats = np.linalg.qr(np.random.default_rng((seed, 1)).standard_normal((p, dim)))[0]
    return vectors


def given(directions: npt.ArrayLike, p: int) -> Floats:
    """Checks directions of another program, (p, d).

    Raises:
        ValueError: another shape, or columns that are not orthonormal.
    """
    vectors = np.asarray(array("directions", directions), np.float64)
    if vectors.ndim != 2 or vectors.shape[0] != p:
        hint = "; transpose them" if vectors.ndim == 2 and vectors.shape[1] == p else ""
        raise ValueError(f"directions have shape {vectors.shape}; ({p}, d) is needed, a column for each{hint}")
    finite("directions", vectors, "directions of length 1 are needed")
    off = float(np.abs(vectors.T @ vectors - np.eye(vectors.shape[1])).max())
    if not off <= _ORTHONORMAL:
        raise ValueError(f"directions are not orthonormal: PᵀP is off by {off:.2g}; np.linalg.qr(directions)[0] makes them so")
    return vectors


def draws(count: int, dim: int, sigma: float, seed: int) -> Floats:
    """θ ~ N(0, σ² I), (count, dim), parameter units."""
    return sigma * np.random.default_rng(seed).standard_normal((count, dim))
