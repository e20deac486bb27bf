"""Losses at random points around the trained weights, with where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ._result import Floats


@dataclass(frozen=True)
class Losses:
    """ℓ_i(w* + Pθ_t) of N samples at T draws, in d directions of p parameters.

    `plateau.sufficient` takes it as it is. Losses are in the unit of the loss function.
    """

    losses: npt.NDArray[np.floating] = field(repr=False)
    """(T, N), f32 or f64 as the model computes; a memory map if `out` was given"""
    theta: Floats = field(repr=False)
    """θ_t ~ N(0, σ² I_d), (T, d), parameter units"""
    directions: Floats = field(repr=False)
    """P, (p, d), orthonormal columns"""
    sigma: float
    """σ of the draws, parameter units"""
    weights: Floats = field(repr=False)
    """w*, (p,)"""
    parameters: tuple[tuple[str, tuple[int, ...]], ...] = field(repr=False)
    """name and shape of each parameter, in the order of `weights`; each is flat row by row"""
    eigenvalues: Floats | None = None
    """of the Hessian in these directions, (d,), loss per squared parameter unit; None if they are no eigenvectors of ours"""
    residuals: Floats | None = field(default=None, repr=False)
    """‖Hu − μu‖ of each pair, (d,); it bounds the error of the eigenvalue"""
    values: Floats | None = field(default=None, repr=False)
    """ℓ_i(w*), (N,); with `derivatives=True`"""
    slopes: Floats | None = field(default=None, repr=False)
    """Pᵀ∇ℓ_i(w*), (N, d); with `derivatives=True`"""
    curvatures: Floats | None = field(default=None, repr=False)
    """Pᵀ∇²ℓ_i(w*)P, (N, d, d); with `derivatives=True`"""

    @property
    def dim(self) -> int:
        """d, the number of directions."""
        return int(self.theta.shape[1])
