"""What comes in: arrays, numbers and draws; and that the advice of an error is one that works."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import plateau
from plateau import _checks, _directions
from plateau._draw import Model, Options, draw, rounding

RNG = np.random.default_rng(0)
LOSSES = RNG.exponential(size=(64, 300))
THETA = 0.1 * RNG.normal(size=(64, 3))
X = RNG.normal(size=(300, 3))
DERIVATIVES = {
    "values": np.zeros(300),
    "slopes": np.zeros((300, 3)),
    "curvatures": X[:, :, None] * X[:, None, :],
}


def said(call: Callable[[], object], kind: type[Exception] = ValueError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_masked_entries_are_refused_with_advice_that_works() -> None:
    masked = np.ma.array(LOSSES, mask=False)
    masked[3, 5] = masked[9, 7] = np.ma.masked
    text = said(lambda: plateau.sufficient(masked))
    assert "losses: 2 of 19,200 entries are masked" in text
    assert "np.ma.compress_cols(losses) leaves 298 samples" in text
    assert "np.ma.compress_rows(losses) leaves 62 draws" in text
    exact = np.delete(LOSSES, [5, 7], axis=1).var(axis=1, ddof=1).mean()
    assert plateau.sufficient(np.ma.compress_cols(masked)).variance == pytest.approx(exact, rel=1e-12)
    exact = np.delete(LOSSES, [3, 9], axis=0).var(axis=1, ddof=1).mean()
    assert plateau.sufficient(np.ma.compress_rows(masked)).variance == pytest.approx(exact, rel=1e-12)
    assert plateau.sufficient(masked.filled(0.5)).n_samples == 300
    # As rows of a list, too; and where no entry is masked there is nothing to lose.
    assert "np.ma.compress_cols(np.ma.array(losses)) leaves 298" in said(lambda: plateau.sufficient(list(masked)))
    whole = plateau.sufficient(np.ma.array(LOSSES, mask=False))
    assert whole.variance == plateau.sufficient(LOSSES).variance


@pytest.mark.parametrize("name", ["theta", "eigenvalues", *DERIVATIVES])
def test_no_argument_loses_its_mask(name: str) -> None:
    given = {"theta": THETA, "eigenvalues": np.ones(3), **DERIVATIVES}
    given[name] = np.ma.array(given[name], mask=np.arange(given[name].size).reshape(given[name].shape) == 2)
    text = said(lambda: plateau.sufficient(LOSSES, sigma=0.1, **given))
    assert text.startswith(f"{name}: 1 of ")
    assert f"{name}.filled(value)" in text


def test_directions_do_not_lose_their_mask_either() -> None:
    eye = np.eye(5)[:, :2]
    assert "directions: 1 of 10 entries are masked" in said(lambda: _directions.given(np.ma.array(eye, mask=eye[::-1] * [1, 0]), 5))
    eye[1, 1] = np.nan
    assert said(lambda: _directions.given(eye, 5)) == (
        "directions[1, 1] is nan (1 of 10 entries are not finite): directions of length 1 are needed"
    )


def test_what_is_no_array_of_numbers_gets_advice_that_works() -> None:
    rows = (row for row in LOSSES)
    assert "give an array: np.array(list(losses))" in said(lambda: plateau.sufficient(rows), TypeError)
    found = plateau.sufficient(np.array(list(rows)))
    assert found.variance == plateau.sufficient(LOSSES).variance
    objects = LOSSES.astype(object)
    assert said(lambda: plateau.sufficient(objects), TypeError).endswith("convert it: np.asarray(losses, np.float64)")
    assert plateau.sufficient(np.asarray(objects, np.float64)).variance == found.variance
    objects[2, 3] = "high"
    assert said(lambda: plateau.sufficient(objects), TypeError).endswith("entry (2, 3) is 'high', which is no number")
    assert said(lambda: plateau.sufficient([[1.0, 2.0], [3.0]]), TypeError).startswith("losses: list is no array")


def test_only_losses_may_be_a_path(tmp_path: Path) -> None:
    file = tmp_path / "theta.npy"
    np.save(file, THETA)
    for name in ("theta", "eigenvalues", *DERIVATIVES):
        for path in (str(file), file):
            given = {"theta": THETA, **DERIVATIVES, name: path}
            assert said(lambda given=given: plateau.sufficient(LOSSES, sigma=0.1, **given), TypeError) == (
                f"{name}={path!r} is a path; give the array, such as np.load of it"
            )
    assert said(lambda: plateau.sufficient(LOSSES, eigenvalues=[1.0, 2.0])) == (
        "eigenvalues are those of the directions of draws: give theta (T, d) too, in parameter units"
    )


def test_a_confidence_is_one_that_f64_tells_from_1() -> None:
    for wrong in (0, 1, -0.5, 2, 1 - 1e-16):
        assert said(lambda wrong=wrong: plateau.sufficient(LOSSES, confidence=wrong)).startswith(
            f"confidence={float(wrong)}; a number above 0 and at most 1 - 1e-15 is needed"
        )
    found = plateau.sufficient(LOSSES, confidence=1 - 1e-15)
    assert found.interval.high < np.inf
    assert "V = " in str(found)


def test_numbers_of_numpy_are_numbers() -> None:
    plain = plateau.sufficient(LOSSES, tolerances=[1e-4], relative_tolerances=[1e-2], step=2, confidence=0.75, sigma=0.5)
    for kind in (np.int64, np.int8, np.uint16):
        own = plateau.sufficient(
            LOSSES,
            tolerances=1e-4,
            relative_tolerances=np.float64(1e-2),
            step=kind(2),
            confidence=np.float32(0.75),
            sigma=np.float16(0.5),
        )
        assert own.sizes == plain.sizes
        assert own.step == 2
    for kind in (np.array, tuple, iter):
        assert (
            plateau.sufficient(LOSSES, tolerances=kind([1e-4, 1e-6])).sizes[0].k
            == plateau.sufficient(LOSSES, tolerances=np.array(1e-4)).sizes[0].k
        )
    assert said(lambda: plateau.sufficient(LOSSES, step=2.0), TypeError) == "step=2.0 is float; an integer is needed"
    assert said(lambda: plateau.sufficient(LOSSES, step=0)) == "step=0; at least 1 is needed"
    assert said(lambda: plateau.sufficient(LOSSES, tolerances=[1e-4, np.nan])) == "tolerances[1]=nan; a finite number is needed"
    assert said(lambda: plateau.sufficient(LOSSES, confidence="high"), TypeError) == "confidence='high' is str; a number is needed"


def test_a_tolerance_of_f32_is_found_again() -> None:
    found = plateau.sufficient(LOSSES, tolerances=np.array([1e-4, 1e-6], np.float32), relative_tolerances=[np.float32(0.3)])
    assert found.at(1e-4) is found.sizes[0]
    assert found.at(np.float32(1e-6)) is found.sizes[1]
    assert found.at(0.3) is found.sizes[2]
    assert said(lambda: found.at(1.000001e-4), KeyError).strip("'") == (
        "tolerance 0.0001000001; asked for were: 9.9999997e-05, 1e-06, 0.30000001"
    )
    close = plateau.sufficient(LOSSES, tolerances=[1e-4, 1e-4 * (1 + 1e-8)])
    assert [close.at(size.tolerance) for size in close.sizes] == list(close.sizes)


def test_sigma_is_that_of_the_draws() -> None:
    """Per sample x: curvature xxᵀ, no slope. The theories are computed at σ, which is 0.1; they took 1."""
    losses = 0.5 * (THETA @ X.T) ** 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = plateau.sufficient(losses, theta=THETA, sigma=0.1, **DERIVATIVES)
        own = plateau.sufficient(losses, theta=THETA, **DERIVATIVES)
        width = np.sqrt((THETA**2).mean())
        same = plateau.sufficient(losses, theta=THETA, sigma=width, **DERIVATIVES)
    with pytest.warns(UserWarning, match=r"theta has a standard deviation of 0\.09\d+, but sigma is 1,.*Leave out sigma") as caught:
        wrong = plateau.sufficient(losses, theta=THETA, sigma=1.0, **DERIVATIVES)
    assert caught[0].filename == __file__
    assert all(np.array_equal(curve, same.curves[name]) for name, curve in own.curves.items())
    # Theorem 1 for A = Λ_{k+1} − Λ_k: σ⁴/4 (2 Tr A² + (Tr A)²).
    means = np.cumsum(DERIVATIVES["curvatures"], axis=0) / np.arange(1, 301)[:, None, None]
    a = np.diff(means, axis=0)
    shape = (2 * (a**2).sum((1, 2)) + np.trace(a, axis1=1, axis2=2) ** 2) / 4
    for found, sigma in ((right, 0.1), (own, width), (wrong, 1.0)):
        np.testing.assert_allclose(found.curves["quadratic"], sigma**4 * shape, rtol=1e-8)


def test_only_widths_that_chance_does_not_make_are_warnings() -> None:
    def warns(theta: np.ndarray, sigma: float) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert _checks.sigma_of(theta, sigma) == sigma
        return bool(caught)

    draws = RNG.normal(size=(400, 100, 2))
    assert not any(warns(theta, 1.0) for theta in draws)
    assert all(warns(theta, 1.6) and warns(theta, 0.6) for theta in draws)
    # 80,000 numbers say 1.1 of σ for sure, which changes little; four numbers say nothing of a factor of two.
    assert not warns(draws.reshape(-1, 2), 1.1)
    assert not warns(np.ones((2, 2)), 2.0)
    assert _checks.sigma_of(None, None) == 1.0
    assert "0 in every entry" in said(lambda: _checks.sigma_of(np.zeros((4, 2)), None))
    assert said(lambda: _checks.sigma_of(None, -1)).startswith("sigma=-1.0; a standard deviation above 0")
    assert said(lambda: _checks.sigma_of(None, np.inf)) == "sigma=inf; a finite number is needed"


def test_the_shape_of_y_explains_a_loss_for_each_pair() -> None:
    x, y = RNG.normal(size=(7, 2)), RNG.normal(size=7)
    w = np.ones(2)

    def text(loss: np.ndarray, y: np.ndarray) -> str:
        return said(lambda: _checks.check_shape(loss.shape, 7, y.shape))

    column = y[:, None]
    assert "y has shape (7, 1)" in text((x @ w - column) ** 2, column)
    assert text((x @ w - column) ** 2, column).endswith("flatten it, y.reshape(-1)")
    _checks.check_shape(((x @ w - column.reshape(-1)) ** 2).shape, 7, column.shape)
    outputs = x @ w[:, None]
    assert "flatten them, outputs.reshape(-1)" in text((outputs - y) ** 2, y)
    _checks.check_shape(((outputs.reshape(-1) - y) ** 2).shape, 7, y.shape)
    # One loss for each of several outputs is no pair.
    targets = RNG.normal(size=(7, 7))
    assert "loss.reshape(len(loss), -1).mean(1)" in text((x @ np.ones((2, 7)) - targets) ** 2, targets)


def quadratic(hessian: np.ndarray) -> Model:
    """L(w) = wᵀHw/2 for each of four samples, of parameters a (2, 2) and b."""
    return Model(
        weights=np.zeros(5),
        parameters=(("a", (2, 2)), ("b", ())),
        n_samples=4,
        dtype=np.dtype(np.float64),
        rounding=0.0,
        types="float64",
        product=lambda v: hessian @ v,
        at=lambda basis: lambda theta: iter([np.full(4, 0.5 * theta @ basis.T @ hessian @ basis @ theta)]),
        derivatives=lambda basis, progress: (
            np.zeros(4),
            np.zeros((4, basis.shape[1])),
            np.tile(basis.T @ hessian @ basis, (4, 1, 1)),
        ),
        n_batches=1,
    )


def test_derivatives_that_disagree_are_refused() -> None:
    right = quadratic(np.diag([5.0, 4, 3, 2, 1]))

    def moved(size: float, value: float = 1.0) -> Callable[..., tuple[np.ndarray, ...]]:
        return lambda basis, progress: (np.full(4, value), np.zeros((4, 2)), right.derivatives(basis, progress)[2] * (1 + size))

    wrong = replace(right, derivatives=moved(1e-5))
    text = said(lambda: draw(wrong, options()), RuntimeError)
    assert text.startswith("the derivatives of the framework disagree for this model: mean curvatures (largest 5) and a Hessian")
    assert text.endswith("leave out the theories, derivatives=False")
    draw(wrong, options(derivatives=False))
    # What rounding makes is none: of the type of the losses, of products in a shorter one, or where losses are about 0.
    draw(replace(wrong, dtype=np.dtype(np.float32)), options())
    short = replace(right, product=lambda v: right.product(v.astype(np.float16).astype(float)), derivatives=moved(5e-4))
    draw(short, options(directions="random"))
    draw(replace(right, derivatives=moved(1e-3, value=1e-13)), options())


def test_rounding_of_the_weights_is_a_warning_where_draws_are_as_short() -> None:
    model = replace(quadratic(np.eye(5)), rounding=0.05, types="bfloat16 and float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(model, options(sigma=0.2))
    with pytest.warns(UserWarning, match=r"the weights are bfloat16 and float32: rounding moves them by 0\.05 .*σ = 0\.05"):
        draw(model, options(sigma=0.05))
    assert rounding([(np.full((2, 3), 2.0), 0.5), (np.zeros(4), 1.0)]) == pytest.approx(0.5)


def options(**other: object) -> Options:
    given = {"dim": 2, "sigma": None, "draws": 8, "seed": 0, "directions": "hessian", "theta": None, "derivatives": True}
    return Options(**{**given, "tolerance": 1e-3, "out": None, "progress": False, **other}).checked()


def test_options_are_numbers_of_python_and_are_looked_at_before_any_work() -> None:
    found = draw(
        quadratic(np.diag([5.0, 4, 3, 2, 1])), options(dim=np.int64(2), draws=np.int32(8), seed=np.uint8(3), sigma=np.float32(0.5))
    )
    assert found.losses.shape == (8, 4)
    np.testing.assert_allclose(found.losses[:, 0], found.theta**2 @ [2.5, 2], rtol=1e-12)
    assert type(found.sigma) is float
    assert draw(quadratic(np.eye(5)), options()).sigma == 1.0
    theta = 0.1 * RNG.normal(size=(50, 2))
    assert draw(quadratic(np.eye(5)), options(theta=theta)).sigma == np.sqrt((theta**2).mean())
    assert said(lambda: options(dim=2.5), TypeError) == "dim=2.5 is float; an integer is needed"
    assert said(lambda: options(theta=np.ones((9, 3)))).startswith("theta has shape (9, 3); (T, 2) is needed")
    assert said(lambda: options(theta=np.full((9, 2), np.nan))).startswith("theta[0, 0] is nan (18 of 18")
    assert "entries are masked" in said(lambda: options(theta=np.ma.masked_greater(theta, 0)))


def test_products_and_derivatives_that_are_not_finite_are_named() -> None:
    hessian = np.eye(5)
    hessian[2, 2] = np.nan
    text = said(lambda: draw(quadratic(hessian), options()))
    assert text.startswith("a[1, 0] of a Hessian-vector product is nan, though the losses at w* are finite: ")
    assert 'directions="random"' in text
    text = said(lambda: draw(quadratic(hessian), options(directions="random")))
    assert text.startswith("curvatures[0, 0, 0] is nan (16 of 16 entries are not finite)")
