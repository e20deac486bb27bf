"""Eigenpairs against the dense solver: every copy of a repeated eigenvalue, with residuals that are true."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from plateau import _directions
from plateau._directions import Directions


def matrix(values: np.ndarray, seed: int) -> np.ndarray:
    """Symmetric, with these eigenvalues in a random basis."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))[0]
    product = (basis * values) @ basis.T
    return (product + product.T) / 2


def top(a: np.ndarray, dim: int, dtype: type = np.float64, *, seed: int = 0, tolerance: float = 1e-3) -> Directions:
    """With products in that type."""
    short = a.astype(dtype)
    return _directions.top(
        lambda v: (short @ v.astype(dtype)).astype(float), len(a), dim, tolerance=tolerance, seed=seed, shown=False
    )


def assert_is_the_top(found: Directions, a: np.ndarray, dtype: type, tolerance: float = 1e-3) -> None:
    exact = np.linalg.eigvalsh(a)[::-1][: len(found.eigenvalues)]
    # Residuals bound the error of a pair, the search finds what is above the smallest by more: one tolerance each.
    rounding = 100 * float(np.finfo(dtype).eps) * np.abs(np.linalg.eigvalsh(a)).max()
    limit = tolerance * np.abs(exact) + rounding
    assert (np.abs(found.eigenvalues - exact) <= 2 * limit).all(), (found.eigenvalues, exact)
    assert (found.residuals <= limit).all(), found.residuals
    images = a @ found.vectors
    own = np.linalg.norm(images - found.eigenvalues * found.vectors, axis=0)
    np.testing.assert_allclose(found.residuals, own, atol=rounding)
    # Rounding of as many dot products.
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(len(exact)), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("copies", range(1, 13))
def test_every_copy_is_found(copies: int, dtype: type) -> None:
    # Also with dim close to p, where the matrix is formed.
    for p, dim in ((300, copies + 2), (150, 12), (90, 1), (53, 10), (21, 5), (13, 12), (12, 12), (2, 1), (1, 1)):
        values = np.repeat(10 * 0.7 ** np.arange(p) - 2, copies)[:p]
        a = matrix(values, seed=copies)
        assert_is_the_top(top(a, dim, dtype, seed=p), a, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_hessian_of_least_squares_with_ten_outputs(dtype: type) -> None:
    """(XᵀX / N) ⊗ I: each eigenvalue ten times. It was found six times in f32 and three times in f64."""
    x = np.random.default_rng(0).normal(size=(800, 30)) * np.linspace(3, 1, 30)
    a = np.kron(x.T @ x / 800, np.eye(10))
    largest = np.linalg.eigvalsh(x.T @ x / 800)[-1]
    for seed in range(3):
        found = top(a, 10, dtype, seed=seed)
        np.testing.assert_allclose(found.eigenvalues, largest, rtol=1e-5)
        assert_is_the_top(found, a, dtype)


def test_wide_negative_and_clustered_spectra() -> None:
    rng = np.random.default_rng(2)
    bulk = rng.normal(size=150)
    for name, values in {
        "six decades": np.append(10.0 ** -np.arange(7), np.zeros(150)),
        "negative": -np.repeat(np.arange(1.0, 21.0), 6),
        "most are negative": np.append([5.0, 4, 3, 3, 3], -np.linspace(0.1, 50, 150)),
        "clusters": np.repeat(10 * rng.normal(size=25) ** 3, 6) + 1e-3 * bulk,
        "bulk": bulk,
    }.items():
        a = matrix(values, seed=3)
        for dim in (1, 5, 7):
            found = top(a, dim, seed=4, tolerance=1e-6)
            try:
                assert_is_the_top(found, a, np.float64, 1e-6)
            except AssertionError as error:
                raise AssertionError(f"{name}, dim={dim}") from error


def test_without_copies_the_search_costs_a_few_products() -> None:
    """ARPACK, without any search, took 26, 51 and 61 products here."""
    bulk = 0.05 * np.abs(np.random.default_rng(1).normal(size=588))
    a = matrix(np.append(10 * 0.7 ** np.arange(12), bulk), seed=5)
    for dim, products in ((5, 30), (10, 50), (12, 65)):
        found = top(a, dim)
        assert_is_the_top(found, a, np.float64)
        assert found.n_products <= products


def test_flat_directions_are_a_warning() -> None:
    values = np.append([3.0, 2.0, 1.0], np.zeros(97))
    a = matrix(values, seed=6)
    with pytest.warns(UserWarning, match=r"5 of 8 eigenvalues are not above .*flat.*; dim=3 leaves them out") as said:
        found = top(a, 8, np.float32)
    assert said[0].filename == _caller()
    assert_is_the_top(found, a, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        top(a, 3, np.float32)
    with pytest.warns(UserWarning, match="4 of 4 eigenvalues are not above their residuals, such as number 1: 0 with residual 0"):
        zero = top(np.zeros((90, 90)), 4)
    np.testing.assert_array_equal(zero.eigenvalues, 0)
    np.testing.assert_allclose(top(np.eye(90), 4).eigenvalues, 1, rtol=1e-14)


@pytest.mark.parametrize("p", [12, 90])
def test_residuals_far_from_the_tolerance_are_one_warning(p: int) -> None:
    values = np.append([3.0, 2.0, 1.0], np.zeros(p - 3))
    a = matrix(values, seed=8)
    skew = np.triu(np.full((p, p), 1e-3), 1)
    with pytest.warns(UserWarning, match=r"[123] of 3 eigenpairs are far from tolerance=1e-06, .*not symmetric.*raise tol") as said:
        top(a + skew - skew.T, 3, tolerance=1e-6)
    assert len(said) == 1
    with pytest.warns(UserWarning, match=r"far from tolerance=1e-10, .*single precision.*Compute in f64") as said:
        top(a, 3, np.float32, tolerance=1e-10)
    assert len(said) == 1


def test_the_largest_entry_of_a_vector_is_positive() -> None:
    a = matrix(np.append([5.0, 4.0, 3.0, 2.0], np.linspace(0, 1, 86)), seed=9)
    for seed in range(4):
        u = top(a, 4, seed=seed, tolerance=1e-8).vectors
        largest = u[np.abs(u).argmax(axis=0), range(4)]
        np.testing.assert_array_equal(largest, np.abs(u).max(axis=0))


def _caller() -> str:
    """The file of `top` above, which calls the package."""
    return top.__code__.co_filename


def test_a_solve_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_directions, "_RESTARTS", 3)
    values = np.linspace(0, 1, 3000)
    with pytest.raises(RuntimeError, match=r"top 2 eigenpairs did not converge to tolerance=1e-09 in 60 Hessian-vector products"):
        _directions.top(lambda v: values * v, len(values), 2, tolerance=1e-9, seed=0, shown=False)
