"""The largest eigenvalues of a symmetric matrix that is known by its products, every copy of a repeated one among them.

Thick-restart Lanczos with full reorthogonalisation finds one copy of each. It then runs again in the complement of the pairs
in hand, from a random start v. A Ritz value above the smallest one in hand is a pair that is missing. That none is missing is a
matter of probability: the next direction is q(A) v with |q| growing beyond all Ritz values, so an eigenvector that was missed
has at most the part 1/|q| in common with v (docs/method.md, 1.7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._result import Floats

Product = Callable[[Floats], Floats]

MISS_PROBABILITY = 1e-3
"""that a larger eigenvalue, or a copy, is missing at the end"""

_REFINEMENTS = 20
"""rounds of refinement after which residuals stay as they are: rounding of the products keeps them there"""

_INDEPENDENT = 1e-3
"""part of a residual outside a basis from which on it adds a direction"""


class NotConvergedError(RuntimeError):
    """The products that were allowed are spent."""


@dataclass(frozen=True)
class Pairs:
    """d Ritz pairs of A, largest first, from products with the vectors themselves."""

    values: Floats
    """u·Au, (d,)"""
    vectors: Floats
    """u, (d, p), orthonormal rows"""
    images: Floats
    """Au, (d, p)"""
    residuals: Floats
    """‖Au − μu‖, (d,)"""


def subspace(dim: int) -> int:
    """Directions of a Lanczos run before a restart."""
    return max(4 * dim, 20)


def top_pairs(product: Product, p: int, dim: int, *, tolerance: float, seed: int, max_products: int) -> Pairs:
    """The `dim` largest eigenpairs of a symmetric (p, p) matrix A, copies counted, to ‖Au − μu‖ ≤ tolerance |μ|.

    Rounding of the products is measured, by one product more, and bounds that limit from below.

    Raises:
        NotConvergedError: after `max_products` products.
    """
    taken = 0

    def counted(v: Floats) -> Floats:
        nonlocal taken
        taken += 1
        if taken > max_products:
            raise NotConvergedError
        return product(v)

    return _Solver(counted, p, dim, tolerance, np.random.default_rng((seed, 2))).solve()


class _Solver:
    """One solve: what the products are known to resolve, and the random state of the starts."""

    def __init__(self, product: Product, p: int, dim: int, tolerance: float, rng: np.random.Generator) -> None:
        self._product, self._p, self._dim, self._tolerance, self._rng = product, p, dim, tolerance, rng
        self._rounding: float | None = None

    def solve(self) -> Pairs:
        rows: Floats = np.empty((0, self._p))
        # A start in an invariant subspace gives fewer than are wanted.
        while len(rows) < self._dim:
            rows = np.vstack([rows, self._largest(rows)])
        pairs = self._refine(rows, self._images(rows))
        number = 1
        while len(missing := self._missing(pairs, MISS_PROBABILITY / (number * (number + 1)))):
            rows = np.vstack([pairs.vectors, missing])
            pairs = self._refine(rows, np.vstack([pairs.images, self._images(missing)]))
            number += 1
        return pairs

    def _largest(self, known: Floats) -> Floats:
        """Ritz vectors of the largest values in the complement of `known` until there are `dim` in all, (≤ dim − k, p)."""
        krylov = self._begin(known)
        while True:
            krylov.expand()
            values, y = krylov.ritz()
            count = min(self._dim - len(known), krylov.m)
            full = krylov.m == krylov.room
            enough = count == self._dim - len(known) and krylov.converged(values, y, self._limit(values[:count]))
            if self._rounding is None and (enough or full or krylov.is_closed(0.0)):
                self._rounding = self._measure(krylov, values, y)
            if enough or krylov.is_closed(self._rounding or 0.0):
                return krylov.combine(y[:, :count])
            if full:
                krylov.restart(values, y, count)

    def _missing(self, pairs: Pairs, allowed: float) -> Floats:
        """Ritz vectors in the complement with values above the smallest one in hand, (≤ dim, p); none but with a probability."""
        if self._dim == self._p:
            return np.empty((0, self._p))
        smallest = pairs.values[-1:]
        border = float(smallest[0] + np.maximum(self._limit(smallest)[0], pairs.residuals[-1]))
        krylov, q = self._begin(pairs.vectors), _Polynomial(border)
        while True:
            krylov.expand()
            values, y = krylov.ritz()
            count = int((values[: self._dim] > border).sum())
            closed = krylov.is_closed(self._rounding or 0.0)
            # Half, for what is not orthogonal to the residuals of the pairs in hand.
            if closed or (count and krylov.converged(values, y, self._limit(values[:count]) / 2)):
                return krylov.combine(y[:, :count])
            q.expand(krylov)
            if not count and q.miss_probability(self._p - self._dim) <= allowed:
                return np.empty((0, self._p))
            if krylov.m == krylov.room:
                q.restart(y, krylov.restart(values, y, max(count, 1)))

    def _refine(self, basis: Floats, images: Floats) -> Pairs:
        """Rayleigh-Ritz on the span of the rows; while a residual is above its limit, those residuals join the span."""
        for _ in range(_REFINEMENTS):
            pairs = self._rayleigh_ritz(basis, images)
            above = pairs.residuals > self._limit(pairs.values)
            if not above.any():
                break
            if len(basis) + above.sum() > subspace(self._dim):
                basis, images = pairs.vectors, pairs.images
            found = len(basis)
            for residual in pairs.images[above] - pairs.values[above, None] * pairs.vectors[above]:
                rest = _split(residual / np.linalg.norm(residual), basis)[1]
                if (size := np.linalg.norm(rest)) > _INDEPENDENT:
                    basis = np.vstack([basis, rest / size])
            if len(basis) == found:
                break
            images = np.vstack([images, self._images(basis[found:])])
        return pairs

    def _rayleigh_ritz(self, basis: Floats, images: Floats) -> Pairs:
        projected = basis @ images.T
        values, y = np.linalg.eigh((projected + projected.T) / 2)
        values, y = values[::-1][: self._dim], y[:, ::-1][:, : self._dim]
        vectors, images = y.T @ basis, y.T @ images
        residuals = np.linalg.norm(images - values[:, None] * vectors, axis=1)
        return Pairs(values, vectors, images, residuals)

    def _begin(self, known: Floats) -> _Krylov:
        room = min(subspace(self._dim), self._p - len(known))
        return _Krylov(self._product, known, room, self._rng)

    def _images(self, rows: Floats) -> Floats:
        return np.array([self._product(row) for row in rows])

    def _limit(self, values: Floats) -> Floats:
        return np.maximum(self._tolerance * np.abs(values), self._rounding or 0.0)

    def _measure(self, krylov: _Krylov, values: Floats, y: Floats) -> float:
        """Rounding of a product: A u of the first Ritz vector, less the same combination of the products that were taken."""
        u = krylov.combine(y[:, :1])[0]
        off = float(np.linalg.norm(self._product(u) - krylov.image(y[:, 0])))
        # One vector is a sample of the rounding, and dot products round as well.
        return 8 * off + 64 * float(np.finfo(np.float64).eps * np.abs(values).max())


class _Krylov:
    """A Vᵀ = Vᵀ T + β v_{m+1} e_mᵀ for rows V (m, p) in the complement of `known` (k, p)."""

    def __init__(self, product: Product, known: Floats, room: int, rng: np.random.Generator) -> None:
        self._product, self._known, self.room = product, known, room
        self._rows = np.empty((room + 1, known.shape[1]))
        _, start = _split(np.asarray(rng.standard_normal(known.shape[1])), known)
        self._rows[0] = start / np.linalg.norm(start)
        self.projected = np.zeros((room, room))
        self.m, self.beta = 0, 0.0
        self._apart = np.zeros((room, len(known)))

    def expand(self) -> None:
        """One product."""
        image = self._product(self._rows[self.m])
        m = self.m = self.m + 1
        (column, self._apart[m - 1]), rest = _split(image, self._rows[:m], self._known)
        self.projected[:m, m - 1] = self.projected[m - 1, :m] = column
        self.beta = float(np.linalg.norm(rest))
        self._rows[m] = rest / self.beta if self.beta > 0 else 0.0

    def ritz(self) -> tuple[Floats, Floats]:
        """Ritz values, largest first, and their vectors as columns in terms of V."""
        values, y = np.linalg.eigh(self.projected[: self.m, : self.m])
        return values[::-1], y[:, ::-1]

    def is_closed(self, rounding: float) -> bool:
        """Whether V spans an invariant subspace of the complement: its Ritz pairs are eigenpairs."""
        return self.beta <= rounding or self.m == self._rows.shape[1] - len(self._known)

    def converged(self, values: Floats, y: Floats, limits: Floats) -> bool:
        """Whether the residuals β |y_m| of the first pairs are within the limits."""
        return bool((self.beta * np.abs(y[-1, : len(limits)]) <= limits).all())

    def combine(self, y: Floats) -> Floats:
        """Rows of vectors that are columns in terms of V."""
        rows: Floats = y.T @ self._rows[: self.m]
        return rows

    def image(self, y: Floats) -> Floats:
        """A u for u = Vᵀ y, from the products that were taken."""
        m = self.m
        inside: Floats = (self.projected[:m, :m] @ y) @ self._rows[:m] + self.beta * y[-1] * self._rows[m]
        outside: Floats = (y @ self._apart[:m]) @ self._known
        return inside + outside

    def restart(self, values: Floats, y: Floats, wanted: int) -> int:
        """V becomes its first Ritz vectors, the wanted and half of the others; how many."""
        keep = wanted + (self.m - wanted) // 2
        self._rows[:keep] = self.combine(y[:, :keep])
        self._rows[keep] = self._rows[self.m]
        self._apart[:keep] = y[:, :keep].T @ self._apart[: self.m]
        self.projected[:] = 0
        np.fill_diagonal(self.projected[:keep, :keep], values[:keep])
        self.m = keep
        return keep


class _Polynomial:
    """Values at one point of the polynomials q_j with v_j = q_j(A) v, for the rows v_j of V and the next direction."""

    def __init__(self, point: float) -> None:
        self._point, self._values = point, np.ones(1)

    def expand(self, krylov: _Krylov) -> None:
        """A v_m = Σ T_im v_i + β v_{m+1}, read at the point."""
        m = krylov.m
        known = float(krylov.projected[:m, m - 1] @ self._values)
        self._values = np.append(self._values, (self._point * self._values[m - 1] - known) / krylov.beta)

    def restart(self, y: Floats, keep: int) -> None:
        """V becomes its first `keep` Ritz vectors; the next direction stays."""
        self._values = np.append(y[:, :keep].T @ self._values[:-1], self._values[-1])

    def miss_probability(self, n: int) -> float:
        """That an eigenvalue lies at the point or beyond, in n dimensions: √(2n/π) / |q|."""
        return float(np.sqrt(2 * n / np.pi) / max(abs(self._values[-1]), np.finfo(np.float64).tiny))


def _split(vector: Floats, *bases: Floats) -> tuple[list[Floats], Floats]:
    """Coefficients of a vector (p,) in orthonormal rows, and the rest, orthogonal to them to rounding."""
    coefficients, size = [np.zeros(len(basis)) for basis in bases], np.linalg.norm(vector)
    rest = vector
    for _ in range(4):
        for sum_, basis in zip(coefficients, bases, strict=True):
            part = basis @ rest
            rest = rest - part @ basis
            sum_ += part
        before, size = size, np.linalg.norm(rest)
        # What is left of a difference of close numbers is not orthogonal yet.
        if size > before / 2:
            break
    return coefficients, rest
