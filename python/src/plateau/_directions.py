"""Directions P: the top eigenvectors of a Hessian that is known by its products, random ones, or given ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ._progress import Progress
from ._result import Floats

_ORTHONORMAL = 1e-3
"""how far PᵀP may be from the identity: rounding of f32, many times"""


@dataclass(frozen=True)
class Directions:
    """Top eigenpairs of the Hessian of the mean loss at w*: H u = μ u, largest μ first (largest algebraic, not in size)."""

    vectors: Floats = field(repr=False)
    """P, (p, d), orthonormal columns u"""
    eigenvalues: Floats
    """μ, (d,), loss per squared parameter unit"""
    residuals: Floats
    """‖Hu − μu‖, (d,), computed with one more product each; it bounds the error of μ"""
    n_products: int
    """Hessian-vector products that were taken"""


def top(product: Callable[[Floats], Floats], p: int, dim: int, *, tolerance: float, seed: int, shown: bool) -> Directions:
    """The `dim` largest eigenpairs of a symmetric (p, p) matrix that `product` applies to vectors (p,).

    Lanczos with implicit restarts (ARPACK, by SciPy's `eigsh`). Up to max(4 dim, 20) rows the matrix is formed, which takes no
    more products.

    Raises:
        ValueError: `dim` is not from 1 to p.
        RuntimeError: not converged to `tolerance`.
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

        subspace = max(4 * dim, 20)
        vectors = _dense(counted, p, dim) if p <= subspace else _lanczos(counted, p, dim, subspace, tolerance, seed)
        images = np.stack([counted(u) for u in vectors.T], axis=1)
        # Rayleigh quotients: their error is of second order in that of the vectors.
        eigenvalues = np.einsum("pd,pd->d", vectors, images)
        order = np.argsort(-eigenvalues)
        residuals = np.linalg.norm(images - eigenvalues * vectors, axis=0)
        return Directions(np.ascontiguousarray(vectors[:, order]), eigenvalues[order], residuals[order], taken)


def _dense(product: Callable[[Floats], Floats], p: int, dim: int) -> Floats:
    matrix = np.stack([product(e) for e in np.eye(p)], axis=1)
    vectors: Floats = np.linalg.eigh((matrix + matrix.T) / 2)[1][:, ::-1][:, :dim]
    return vectors


def _lanczos(product: Callable[[Floats], Floats], p: int, dim: int, subspace: int, tolerance: float, seed: int) -> Floats:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((p, p), matvec=product, dtype=np.float64)
    first = np.random.default_rng(seed).standard_normal(p)
    try:
        vectors: Floats = eigsh(operator, dim, which="LA", v0=first, ncv=min(subspace, p), tol=tolerance)[1]
    except ArpackNoConvergence as error:
        found = len(error.eigenvalues)
        raise RuntimeError(
            f"{found} of {dim} eigenpairs converged to tolerance={tolerance:g}; "
            "raise it, ask for a smaller dim, or compute in f64 (products in f32 reach about 1e-4)"
        ) from error
    return vectors


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
    vectors = np.asarray(directions, np.float64)
    if vectors.ndim != 2 or vectors.shape[0] != p:
        hint = "; transpose them" if vectors.ndim == 2 and vectors.shape[1] == p else ""
        raise ValueError(f"directions have shape {vectors.shape}; ({p}, d) is needed, a column for each{hint}")
    off = float(np.abs(vectors.T @ vectors - np.eye(vectors.shape[1])).max())
    if not off <= _ORTHONORMAL:
        raise ValueError(f"directions are not orthonormal: PᵀP is off by {off:.2g}; np.linalg.qr(directions)[0] makes them so")
    return vectors


def draws(count: int, dim: int, sigma: float, seed: int) -> Floats:
    """θ ~ N(0, σ² I), (count, dim), parameter units."""
    return sigma * np.random.default_rng(seed).standard_normal((count, dim))
