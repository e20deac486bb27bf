"""What the tests share: a small native experiment, run once by the real programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import plateau
from plateau._binaries import binaries

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("fetch-data", "train", "eigen", "montecarlo", "bound", "answer", "spectrum", "stream", "report")

EXPERIMENT = {
    "fetch-data": {"dataset": "digits"},
    "train": {"hidden": [24], "epochs": 20, "activation": "tanh"},
    "eigen": {"dim": 4, "random_dim": 0, "prefix_count": 0, "residual_tolerance": 1e-5, "precision": "f64"},
    "montecarlo": {
        "draws": 96,
        "sweep": None,
        "grids": [],
        "settings": [{"name": "hessian-d4", "basis": "hessian", "dim": 4, "sigma": 0.5}],
    },
    "bound": {"tolerances": [1e-3, 1e-6], "relative_tolerances": [1e-3]},
    "spectrum": {
        "probes": 0,
        "trace_sketch": 0,
        "trace_probes": 0,
        "largest": 0,
        "smallest": 0,
        "prefix_count": 0,
        "class_counts": [],
        "gradient_batches": 0,
    },
}


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> plateau.Experiment:
    """An MLP, 64-24-10 with tanh, on the embedded digits: all stages of the pipeline."""
    folder = tmp_path_factory.mktemp("native")
    pipeline = folder / "pipeline.yaml"
    pipeline.write_text(json.dumps({"defaults_from": str(ROOT / "pipeline.yaml"), "experiments": {"mlp": EXPERIMENT}}))
    for stage in STAGES:
        run_native(stage, pipeline, "mlp")
    return plateau.load(folder / "artifacts" / "mlp")


def run_native(stage: str, pipeline: Path, experiment: str) -> None:
    """One stage, without the package."""
    places = ["--pipeline", pipeline, "--artifacts", pipeline.parent / "artifacts", "--experiment", experiment]
    done = subprocess.run([binaries() / stage, *places], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def samples(native: plateau.Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Inputs as the network sees them (N, 64) in f64, and classes (N,)."""
    data = native["fetch-data"]
    normal = data.facts["normalisation"]
    x = (np.asarray(data["train_images"], np.float64) / normal["scale"] - normal["mean"]) / normal["std"]
    return x, np.array(data["train_labels"])


def assert_same_answer(found: plateau.Sufficient, native: plateau.Sufficient) -> None:
    """V, Δ_k and K agree within rounding of f32.

    Measured: 1.5e-8 of V and 3.4e-7 of Δ_k; the limits are some tens of that, for other orders of the sums in a product.
    """
    assert found.variance == pytest.approx(native.variance, rel=1e-6)
    assert found.interval == pytest.approx(native.interval, rel=1e-5)
    np.testing.assert_allclose(found.delta, native.delta, rtol=1e-5)
    np.testing.assert_allclose(found.order_average, native.order_average, rtol=1e-6)
    for own, other in zip(found.sizes, native.sizes, strict=True):
        assert own.status == other.status
        # K is about √(V s / tolerance), rounded up.
        assert own.k == pytest.approx(other.k, rel=1e-5, abs=1)
    for own, other in zip(found.measured, native.measured, strict=True):
        assert (own.status, own.k) == (other.status, other.k)


def python(script: Path, *arguments: str, folder: Path) -> str:
    """Runs a script with this Python and this package; what it printed."""
    done = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    """The package of this checkout and its programs, for a script in another folder."""
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT / "python" / "src"), "PLATEAU_BIN": str(binaries())}
