"""The code of docs/bring-your-own.md, run as it is printed; and the examples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import plateau
from conftest import ROOT, environment, python, run_native

EXAMPLES = ROOT / "examples"


def printed(first: str, folder: Path) -> Path:
    """A block of the page that begins with this line, as a file."""
    page = (ROOT / "docs" / "bring-your-own.md").read_text()
    begin = page.index(f"{first}\n")
    file = folder / first.removeprefix("# ")
    file.write_text(page[begin : page.index("```", begin)])
    return file


def test_the_answer_of_losses_in_memory(tmp_path: Path) -> None:
    said = python(printed("# answer.py", tmp_path), folder=tmp_path)
    assert "V = " in said
    assert "target²" in said
    assert (tmp_path / "my-report" / "index.html").is_file()


def test_the_results_of_the_pipeline(tmp_path: Path) -> None:
    sections = {
        "fetch-data": {"dataset": "digits"},
        "train": {"hidden": [32], "epochs": 5},
        "eigen": {"prefix_count": 0, "random_dim": 0, "residual_tolerance": 1e-3},
        "montecarlo": {"draws": 64, "sweep": None, "grids": []},
    }
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(json.dumps({"defaults_from": str(ROOT / "pipeline.yaml"), "experiments": {"digits": sections}}))
    for stage in ("fetch-data", "train", "eigen", "montecarlo", "bound"):
        run_native(stage, pipeline, "digits")
    said = python(printed("# results.py", tmp_path), folder=tmp_path)
    assert "loss^2 (1436,)" in said
    assert str(plateau.load(tmp_path / "artifacts" / "digits").sufficient()) in said


@pytest.mark.torch
def test_a_model_in_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert "K(1e-08) = " in python(printed("# with_torch.py", tmp_path), folder=tmp_path)


@pytest.mark.jax
def test_a_function_in_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    assert "K(1e-08) = " in python(printed("# with_jax.py", tmp_path), folder=tmp_path)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        pytest.param("resnet_images.py", ["--epochs", "1", "--draws", "8"], marks=pytest.mark.torch),
        pytest.param("vit_features.py", ["--epochs", "2", "--draws", "32"], marks=pytest.mark.torch),
        pytest.param("transformer_text.py", ["--steps", "5", "--draws", "8", "--text", "small.txt"], marks=pytest.mark.jax),
    ],
)
def test_an_example(script: str, arguments: list[str], tmp_path: Path) -> None:
    """From training to K, on less of everything."""
    pytest.importorskip("jax" if script.startswith("transformer") else "torch")
    (tmp_path / "small.txt").write_text((ROOT / "README.md").read_text()[:8000])
    said = python(EXAMPLES / script, *arguments, "--report", "page", folder=tmp_path)
    assert "K(1e-06) = " in said
    assert (tmp_path / "page" / "index.html").is_file()


def test_other_sources(tmp_path: Path) -> None:
    """From the digits to rank correlations, with one network that is hardly trained."""
    few = ["--seeds", "1", "--steps", "20", "--draws", "16", "--sigmas", "1"]
    said = python(EXAMPLES / "other_sources.py", *few, folder=tmp_path)
    assert said.count("\n| rotated by ") == 3
    assert "| classes left out | " in said
    assert "| V, σ = 1, less that of the mean loss | " in said


def test_the_package_is_found_by_its_environment() -> None:
    """Otherwise the scripts above would test an installed package."""
    code = "import plateau; print(plateau.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert Path(done.stdout.strip()) == ROOT / "python" / "src" / "plateau" / "__init__.py"
