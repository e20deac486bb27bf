"""`load`: the arrays and facts of a native experiment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import plateau
from conftest import STAGES
from plateau import _artifacts


def test_arrays_are_maps_and_facts_are_values(native: plateau.Experiment) -> None:
    assert native.name == "mlp"
    assert list(native) == sorted(STAGES)
    w = native["train"]["w_star"]
    assert isinstance(w, np.memmap)
    assert w.shape == (native["train"].facts["n_params"],) == (64 * 24 + 24 + 24 * 10 + 10,)
    assert native["eigen"].describe("eigenvalues")["unit"] == "loss / parameter unit^2"
    assert native["eigen"].describe("basis")["shape"] == [4, len(w)]
    assert "hessian-d4/delta" in native["montecarlo"]
    assert native["train"].parameters["activation"] == "tanh"
    assert native.facts["train"]["loss"] == "softmax-cross-entropy"
    assert native.settings == ("hessian-d4",)
    assert native.warnings == ()


def test_the_answer_is_that_of_the_report(native: plateau.Experiment) -> None:
    found, summary = native.sufficient(), native.summary
    assert found.variance == summary["settings"][0]["variance"]
    assert found.unit == "nats"
    rows = [row for row in summary["sufficient"] if row["method"] == "order-average"]
    assert [(s.relative, s.status, s.k, s.interval) for s in found.sizes] == [
        (row["relative"], row["status"], row["k"], (row["low"], row["high"])) for row in rows
    ]
    # The report reads and writes its numbers again, to the last digit.
    assert [s.tolerance for s in found.sizes] == [row["tolerance"] for row in rows]
    assert found.report == native.path / "report" / "index.html"
    k, s = found.prefix_sizes, found.step
    np.testing.assert_allclose(found.order_average, found.variance * (1 / k - 1 / (k + s)), rtol=1e-12)


def test_an_interval_without_an_end_is_infinite() -> None:
    row = {"tolerance": 1e-3, "relative": None, "method": "order-average", "status": "reached", "k": 7, "low": 1, "high": None}
    size = _artifacts._size(row)
    assert size.interval == (1, np.inf)
    assert str(size) == "K(0.001) = 7 [1, inf] (reached)"


def test_nothing_is_read_before_it_is_asked_for(native: plateau.Experiment, tmp_path: Path) -> None:
    copy = tmp_path / "mlp"
    shutil.copytree(native.path, copy)
    experiment = plateau.load(copy)
    (copy / "train" / "w_star.npy").unlink()
    assert experiment["train"].facts == native["train"].facts
    with pytest.raises(plateau.ArtifactError, match=r"w_star\.npy: .*run `make mlp/train` again"):
        experiment["train"]["w_star"]


def test_what_is_missing_or_another_version_is_named(native: plateau.Experiment, tmp_path: Path) -> None:
    with pytest.raises(plateau.ArtifactError, match="it does not exist; give the folder of one experiment"):
        plateau.load(tmp_path / "none")
    with pytest.raises(plateau.ArtifactError, match="no stage has finished there"):
        plateau.load(tmp_path)
    with pytest.raises(KeyError, match="has no array 'deltas'"):
        native["montecarlo"]["deltas"]
    with pytest.raises(KeyError, match=r"trian has not finished in .*; these have: answer, bound, eigen"):
        native["trian"]
    with pytest.raises(KeyError, match="it has: hessian-d4"):
        native.sufficient("random")
    copy = tmp_path / "mlp"
    shutil.copytree(native.path, copy)
    shutil.rmtree(copy / "bound")
    with pytest.raises(KeyError, match=r"bound has not finished in .*: run `make mlp/bound`"):
        plateau.load(copy).sufficient()
    manifest = json.loads((copy / "train" / "manifest.json").read_text())
    (copy / "train" / "manifest.json").write_text(json.dumps({**manifest, "format": 3}))
    with pytest.raises(plateau.ArtifactError, match="format 3, but this package reads 2"):
        plateau.load(copy)["train"]
    for damaged in ("{", "[]", "\xff"):
        (copy / "train" / "manifest.json").write_bytes(damaged.encode("latin-1"))
        with pytest.raises(plateau.ArtifactError, match=r"manifest\.json: "):
            plateau.load(copy)["train"]
    (copy / "train" / "manifest.json").write_text('{"format": 2')
    with pytest.raises(plateau.ArtifactError, match=r"manifest\.json: .*run `make mlp/train` again"):
        plateau.load(copy).facts  # noqa: B018
    (copy / "report" / "summary.json").write_text("")
    with pytest.raises(plateau.ArtifactError, match=r"summary\.json: .*run `make mlp/report` again"):
        plateau.load(copy).summary  # noqa: B018
    np.save(copy / "eigen" / "basis.npy", np.zeros((4, 7)))
    with pytest.raises(plateau.ArtifactError, match=r"float64 \[4, 7\], but its manifest says"):
        plateau.load(copy)["eigen"]["basis"]
