"""`sufficient`: the numbers of the programs, whatever way the losses come in, and their errors."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import plateau
from conftest import assert_same_answer, run_native, samples

TOLERANCES = (1e-3, 1e-7)


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    """60 draws of 900 samples, of a scale of its own for each draw."""
    rng = np.random.default_rng(5)
    return rng.exponential(size=(60, 900)) * rng.uniform(1, 3, size=(60, 1))


def same(a: plateau.Sufficient, b: plateau.Sufficient) -> bool:
    """To the last bit."""
    arrays = ("prefix_sizes", "delta", "standard_error", "order_average", "loss_variance")
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
        and (a.variance, a.interval, a.mean_loss, a.exponent) == (b.variance, b.interval, b.mean_loss, b.exponent)
        and (a.sizes, a.measured) == (b.sizes, b.measured)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_numbers_are_those_of_the_programs_to_the_last_bit(losses: np.ndarray, dtype: type, tmp_path: Path) -> None:
    losses = losses.astype(dtype)
    np.save(tmp_path / "losses.npy", losses)
    root = Path(__file__).resolve().parents[2] / "pipeline.yaml"
    sections = {
        "montecarlo": {"step": 3, "settings": [{"name": "own", "losses": "losses.npy", "dim": 2, "sigma": 0.1}]},
        "bound": {"tolerances": TOLERANCES, "relative_tolerances": [1e-3]},
    }
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(json.dumps({"defaults_from": str(root), "experiments": {"direct": sections}}))
    for stage in ("montecarlo", "bound"):
        run_native(stage, pipeline, "direct")
    direct = plateau.load(tmp_path / "artifacts" / "direct").sufficient()
    own = plateau.sufficient(losses, tolerances=TOLERANCES, relative_tolerances=[1e-3], step=3)
    assert same(own, direct)


def test_v_and_delta_are_their_definitions(losses: np.ndarray) -> None:
    found = plateau.sufficient(losses, tolerances=TOLERANCES, step=2)
    assert found.variance == pytest.approx(losses.var(axis=1, ddof=1).mean(), rel=1e-13)
    means = np.cumsum(losses, axis=1) / np.arange(1, 901)
    k = np.arange(2, 899, 2)
    assert np.array_equal(found.prefix_sizes, k)
    delta = ((means[:, k + 1] - means[:, k - 1]) ** 2).mean(axis=0)
    np.testing.assert_allclose(found.delta, delta, rtol=1e-9)
    # K: the smallest k with V (1/k − 1/(k+s)) below the tolerance; beyond the samples too.
    for size in found.sizes:
        assert size.k is not None
        assert size.interval is not None

        def average(k: int) -> float:
            return found.variance * (1 / k - 1 / (k + 2))

        assert average(size.k) < size.tolerance * (1 + 1e-9)
        assert average(size.k - 2) >= size.tolerance * (1 - 1e-9)
        assert size.interval.low <= size.k <= size.interval.high
    assert [size.status for size in found.sizes] == ["reached", "extrapolated"]
    assert found.at(1e-3) is found.sizes[0]
    with pytest.raises(KeyError, match=r"asked for were: 0\.001, 1e-07"):
        found.at(1e-5)
    assert "K(1e-07)" in str(found)


def test_paths_maps_and_archives_are_read_where_they_are(
    losses: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "all.npy"
    np.save(file, losses)
    np.savez(tmp_path / "all.npz", at_draws=losses)
    memory = plateau.sufficient(losses, tolerances=TOLERANCES)
    from_map = np.load(file, mmap_mode="r")
    # Only arrays that are not a whole file are written.
    written: list[str] = []
    save = np.save
    monkeypatch.setattr(np, "save", lambda path, *rest, **named: (written.append(str(path)), save(path, *rest, **named)))
    assert same(plateau.sufficient(file, tolerances=TOLERANCES), memory)
    assert same(plateau.sufficient(from_map, tolerances=TOLERANCES), memory)
    assert same(plateau.sufficient(f"{tmp_path}/all.npz[at_draws]", tolerances=TOLERANCES), memory)
    assert written == []
    part = plateau.sufficient(from_map[:, :400], tolerances=TOLERANCES)
    assert same(part, plateau.sufficient(losses[:, :400], tolerances=TOLERANCES))
    changed = np.load(file, mmap_mode="c")
    changed[0, 0] += 1
    assert not same(plateau.sufficient(changed, tolerances=TOLERANCES), memory)
    # Of a file that was replaced since, the map has what it had.
    os.replace(shutil.copy(file, tmp_path / "copy.npy"), file)
    assert same(plateau.sufficient(from_map, tolerances=TOLERANCES), memory)
    np.save(tmp_path / "other.npy", 2 * losses)
    os.replace(tmp_path / "other.npy", file)
    assert same(plateau.sufficient(from_map, tolerances=TOLERANCES), memory)
    # In another order in memory, and of the other byte order, an array is the same array.
    assert same(plateau.sufficient(np.asfortranarray(losses), tolerances=TOLERANCES), memory)
    assert same(plateau.sufficient(losses.astype(">f8"), tolerances=TOLERANCES), memory)


def test_the_errors_are_the_words_of_the_programs(losses: np.ndarray, tmp_path: Path) -> None:
    broken = losses.copy()
    broken[4, 17] = np.nan
    with pytest.raises(plateau.PlateauError) as caught:
        plateau.sufficient(broken)
    assert "losses.npy: row 4, column 17 is NaN" in str(caught.value)
    assert "hint:" in str(caught.value)
    assert (caught.value.stage, caught.value.code) == ("montecarlo", 3)
    for wrong, words in (
        (losses[0], "shape [900]; (T, N) is needed"),
        (losses[:1], "1 draws"),
        (losses.astype(int), "<i8; f32 or f64 is needed"),
    ):
        with pytest.raises(plateau.PlateauError, match=r"error: montecarlo: ") as caught:
            plateau.sufficient(wrong)
        assert words in str(caught.value)
        assert str(tmp_path.parent) not in str(caught.value)
    with pytest.raises(plateau.PlateauError, match="tolerances"):
        plateau.sufficient(losses, tolerances=[0.0])
    with pytest.raises(plateau.PlateauError, match="step"):
        plateau.sufficient(losses, step=600)


def test_what_cannot_be_written_is_refused(losses: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"complex128 cannot be read by plateau; convert it: np\.asarray"):
        plateau.sufficient(losses + 0j)
    with pytest.raises(TypeError, match="object"):
        plateau.sufficient([["a", None], [1, 2]])
    with pytest.raises(FileNotFoundError, match=r"none\.npy does not exist"):
        plateau.sufficient(tmp_path / "none.npy")


def test_a_report_can_be_kept(losses: np.ndarray, tmp_path: Path) -> None:
    theta = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(ValueError, match="give theta"):
        plateau.sufficient(losses, report=tmp_path / "page")
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="something else is there"):
        plateau.sufficient(losses, sigma=1.0, theta=theta, report=own)
    assert (own / "thesis.txt").read_text() == "mine"
    (own / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="something else is there"):
        plateau.sufficient(losses, sigma=1.0, theta=theta, report=own)
    for title in ("First", "Second"):
        found = plateau.sufficient(
            losses, tolerances=TOLERANCES, sigma=1.0, theta=theta, eigenvalues=[4.0, -0.5], report=tmp_path / "page", title=title
        )
        assert found.report == tmp_path / "page" / "index.html"
        assert title in found.report.read_text()
    # No link leads to pages that are not kept.
    assert 'href="../' not in (tmp_path / "page" / "index.html").read_text()
    summary = json.loads((tmp_path / "page" / "summary.json").read_text())
    assert summary["settings"][0]["variance"] == found.variance
    assert "draws 60" in found.report.read_text()
    assert json.loads((tmp_path / "page" / "summary.json").read_text())["eigenvalues"] == [4.0, -0.5]
    assert str(tmp_path) not in found.report.read_text()


def test_nothing_is_left_behind(losses: np.ndarray, tmp_path: Path) -> None:
    plateau.sufficient(losses, scratch=tmp_path)
    with pytest.raises(plateau.PlateauError):
        plateau.sufficient(losses[0], scratch=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_network_of_the_pipeline_gives_the_same_by_its_losses(native: plateau.Experiment) -> None:
    """The MLP again in NumPy, f64, from exported weights, directions and draws."""
    x, y = samples(native)
    weights = native["train"]["w_star"].astype(float)
    basis, theta = native["eigen"]["basis"].astype(float), native["montecarlo"]["hessian-d4/theta"]

    def losses_at(w: np.ndarray) -> np.ndarray:
        first, b1, second, b2 = np.split(w, np.cumsum([24 * 64, 24, 10 * 24]))
        h = np.tanh(x @ first.reshape(24, 64).T + b1)
        f = h @ second.reshape(10, 24).T + b2
        return np.logaddexp.reduce(f, axis=1) - f[np.arange(len(y)), y]

    losses = np.array([losses_at(weights + t @ basis) for t in theta])
    found = plateau.sufficient(losses, tolerances=[1e-3, 1e-6], relative_tolerances=[1e-3])
    assert_same_answer(found, native.sufficient())


def test_derivatives_give_the_theories(native: plateau.Experiment, tmp_path: Path) -> None:
    eigen, theta = native["eigen"], native["montecarlo"]["hessian-d4/theta"]
    rng = np.random.default_rng(1)
    losses = rng.exponential(size=(len(theta), len(eigen["sample_loss"])))
    found = plateau.sufficient(
        losses,
        tolerances=[1e-3, 1e-6],
        relative_tolerances=[1e-3],
        sigma=0.5,
        theta=theta,
        values=eigen["sample_loss"],
        slopes=eigen["sample_slope"],
        curvatures=eigen["sample_curvature"],
    )
    own = native.sufficient()
    assert set(found.curves) == {"diagonal", "quadratic", "second-order"}
    for name in found.curves:
        np.testing.assert_allclose(found.curves[name], own.curves[name], rtol=1e-12)
    pairs = zip(found.theories["second-order-average"][:2], own.theories["second-order-average"][:2], strict=True)
    assert all(a == b for a, b in pairs)
    with pytest.raises(plateau.PlateauError, match="go together"):
        plateau.sufficient(losses, sigma=0.5, theta=theta, values=eigen["sample_loss"])
