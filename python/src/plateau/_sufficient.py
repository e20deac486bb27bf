"""`sufficient`: from losses to K, by the programs of the pipeline."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._artifacts import load
from ._binaries import binaries, run
from ._checks import array, finite, integer, number, numbers, sigma_of
from ._losses import Losses
from ._result import Floats, Sufficient

Source = npt.ArrayLike | Losses | str | os.PathLike[str]

_EXPERIMENT, _SETTING = "losses", "given"

_MOST_SURE = 1 - 1e-15
"""of a confidence: f64 does not tell what is nearer to 1 from it"""

_BLOCK = 1 << 24
"""bytes that are compared at once"""


def sufficient(
    losses: Source,
    *,
    tolerances: float | Iterable[float] = (1e-4, 1e-7, 1e-10),
    relative_tolerances: float | Iterable[float] = (),
    step: int = 1,
    confidence: float = 0.95,
    sigma: float | None = None,
    theta: npt.ArrayLike | None = None,
    values: npt.ArrayLike | None = None,
    slopes: npt.ArrayLike | None = None,
    curvatures: npt.ArrayLike | None = None,
    eigenvalues: npt.ArrayLike | None = None,
    unit: str = "nats",
    report: str | os.PathLike[str] | None = None,
    title: str = "How many samples are enough?",
    scratch: str | os.PathLike[str] | None = None,
) -> Sufficient:
    """K per tolerance: from how many samples on the loss surface changes by less, with V and Δ_k.

    The programs `montecarlo` and `bound`, and `report` if it is kept, run in a temporary folder. The numbers are those that they
    give for the same losses in a file: sums are in f64, whatever the type of the losses.

    Args:
        losses: ℓ_i(w* + Pθ_t), (T, N), f32 or f64: a row for each draw, a column for each sample, in the order in which samples
            arrive. An array; a `Losses` of `plateau.torch` or `plateau.jax`, which brings `sigma`, `theta` and derivatives; or
            the path of a `.npy`, or of an array in an archive, `data.npz[name]`. A path, and a memory map of a whole `.npy`, is
            read where it is, row by row; any other array is written to the temporary folder. Only losses may be a path.
        tolerances: of Δ_k, one or several, each above 0, in the squared unit of the loss.
        relative_tolerances: of √Δ_k as a fraction of the mean loss over the draws.
        step: s, samples: Δ_k compares L_k with L_{k+s}.
        confidence: coverage of every interval, as a fraction, above 0 and at most 1 − 1e-15.
        sigma: σ of the draws, parameter units; None: the root mean square of `theta`. A σ of another width is a warning.
        theta: the draws (T, d), parameter units. The theories need them, and the report shows them.
        values: ℓ_i(w*), (N,), for the theories, with `slopes`, `curvatures` and `theta`.
        slopes: Pᵀ∇ℓ_i(w*), (N, d).
        curvatures: Pᵀ∇²ℓ_i(w*)P, (N, d, d).
        eigenvalues: of the Hessian in these directions, (d,), for the report, with `theta`.
        unit: of a loss, for `print`; it changes no number.
        report: a folder for the page with figures and tables (`index.html`); None: no report. What is there is replaced.
        title: of that page.
        scratch: where the temporary folder is made; None: the system's place. It needs the room of the losses.

    Raises:
        PlateauError: a program refused the input; the text is its own.
        BinariesNotFoundError: the programs are not found; the text says how to build them.
        TypeError: an argument that is no array or no number.
        ValueError: what a report or the theories need is missing; an array has masked entries; a confidence outside its range.
    """
    taken = losses if isinstance(losses, Losses) else None
    if taken is not None:
        sigma = taken.sigma if sigma is None else sigma
        theta = taken.theta if theta is None else theta
        if values is None and slopes is None and curvatures is None:
            values, slopes, curvatures = taken.values, taken.slopes, taken.curvatures
        eigenvalues = taken.eigenvalues if eigenvalues is None else eigenvalues
        losses = taken.losses
    derivatives = {"values": values, "slopes": slopes, "curvatures": curvatures}
    given = {name: part for name, part in derivatives.items() if part is not None}
    _check_needs(theta, bool(given), eigenvalues, report)
    sigma = sigma_of(_draws(theta), sigma)
    covered = _confidence(confidence)
    absolute, relative = numbers("tolerances", tolerances), numbers("relative_tolerances", relative_tolerances)
    page = None if report is None else _place_of_report(report)
    binaries()  # before the losses are written
    with tempfile.TemporaryDirectory(prefix="plateau-", dir=scratch) as name:
        folder = Path(name)
        setting: dict[str, Any] = {"name": _SETTING, "losses": _put(folder, "losses", losses)}
        beside = {"theta": theta, "eigenvalues": eigenvalues}
        arrays = {**given, **{key: part for key, part in beside.items() if part is not None}}
        setting |= {key: _put(folder, key, part) for key, part in arrays.items()}
        setting |= {"dim": _dim(theta), "sigma": sigma}
        sections = {
            "montecarlo": {**_MONTECARLO, **_count(theta), "step": integer("step", step, 1), "settings": [setting]},
            "bound": {
                "tolerances": absolute,
                "relative_tolerances": relative,
                "confidence": covered,
                "pilots": [],
            },
            "report": {"title": title, "alone": True, "compare_with_paper": False, "png_scale": 2.0},
        }
        pipeline = folder / "pipeline.yaml"
        pipeline.write_text(json.dumps({"experiments": {_EXPERIMENT: sections}}, indent=1), encoding="utf-8")
        for stage in ("montecarlo", "bound") if page is None else ("montecarlo", "bound", "report"):
            run(stage, pipeline, folder / "artifacts", _EXPERIMENT)
        done = load(folder / "artifacts" / _EXPERIMENT)
        result = replace(done.sufficient(_SETTING), unit=unit, report=None)
        if page is not None:
            _keep(done.path / "report", page)
            result = replace(result, report=page / "index.html")
        return result


# Keys that the section must have and that given losses do not use, with the pilots of pipeline.yaml.
_MONTECARLO: dict[str, Any] = {
    "draws": 1024,
    "sampling": "plain",
    "control_variate": False,
    "relative_error": None,
    "pilot_sizes": [500, 1000, 2000, 4000, 8000],
    "seed": 0,
    "precision": "f64",
    "weights_mib": 1,
    "grids": [],
    "sweep": None,
}


def _confidence(value: float) -> float:
    found = number("confidence", value)
    if not 0 < found <= _MOST_SURE:
        raise ValueError(f"confidence={found}; a number above 0 and at most 1 - 1e-15 is needed, such as 0.95")
    return found


def _check_needs(theta: object, derivatives: bool, eigenvalues: object, report: object) -> None:
    if report is not None and theta is None:
        raise ValueError("a report shows the draws: give theta (T, d) too, in parameter units, or leave out report")
    if derivatives and theta is None:
        raise ValueError("the theories are computed for draws: give theta (T, d) too, in parameter units")
    if eigenvalues is not None and theta is None:
        raise ValueError("eigenvalues are those of the directions of draws: give theta (T, d) too, in parameter units")


def _draws(theta: npt.ArrayLike | None) -> Floats | None:
    if theta is None:
        return None
    draws = np.asarray(array("theta", theta), np.float64)
    finite("theta", draws, "a draw is d finite numbers")
    return draws


def _count(theta: npt.ArrayLike | None) -> dict[str, int]:
    """T for the captions of the report, at least what the section allows; `montecarlo` counts the rows of the losses itself."""
    return {} if theta is None else {"draws": max(4, len(np.atleast_1d(np.asarray(theta))))}


def _dim(theta: npt.ArrayLike | None) -> int:
    shape = (1, 1) if theta is None else np.shape(theta)
    # Another rank is refused by `montecarlo`, which names the shape.
    return int(shape[1]) if len(shape) == 2 and shape[1] > 0 else 1


def _put(folder: Path, name: str, source: Any) -> str:
    """The name in `folder` of an array: a link to the file that has it, or a file that is written."""
    if name == "losses" and isinstance(source, (str, os.PathLike)):
        return _link(folder, name, os.fspath(source))
    if isinstance(source, np.memmap) and (file := _whole_file(source)) is not None:
        return _link(folder, name, str(file))
    np.save(folder / f"{name}.npy", _writable(name, source), allow_pickle=False)
    return f"{name}.npy"


def _link(folder: Path, name: str, path: str) -> str:
    """Links to a file, so that messages and report call it by its name, not by the way to it."""
    file, bracket, member = path, "", ""
    if path.endswith("]") and "[" in path:
        file, _, member = path[:-1].rpartition("[")
        bracket = f"[{member}]"
    target = Path(file).expanduser().resolve()
    link = folder / name / target.name
    link.parent.mkdir(exist_ok=True)
    if not target.exists():
        raise FileNotFoundError(f"{name}: {file} does not exist")
    link.symlink_to(target)
    return f"{name}/{target.name}{bracket}"


def _whole_file(part: np.memmap[Any, Any]) -> Path | None:
    """The `.npy` that this memory map is all of; None: a part of a file, a raw file, changed in memory alone, or replaced since."""
    if part.filename is None or part.mode == "c":
        return None
    path = Path(part.filename)
    try:
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    # Within a map of exactly these bytes, an array of the same shape and strides can begin only where the file's does.
    same = (part.shape, part.strides, part.dtype) == (whole.shape, whole.strides, whole.dtype)
    if not same or not part.flags.c_contiguous:
        return None
    part.flush()
    return path if _same_bytes(part, whole) else None


def _same_bytes(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two arrays in C order, of one shape and type, have the same bytes."""
    a, b = (np.asarray(part).reshape(-1).view(np.uint8) for part in (a, b))
    return all(np.array_equal(a[at : at + _BLOCK], b[at : at + _BLOCK]) for at in range(0, len(a), _BLOCK))


def _writable(name: str, source: Any) -> npt.NDArray[Any]:
    """An array that `.npy` can have, in C order; f32 and f64 stay what they are."""
    found = array(name, source)
    if name != "losses":
        return np.ascontiguousarray(found, dtype=np.float64)
    little = found.dtype.newbyteorder("<") if found.dtype.kind == "f" else found.dtype
    return np.ascontiguousarray(found, dtype=little)


def _place_of_report(report: str | os.PathLike[str]) -> Path:
    """Checks before any work that the folder is free, or has a report."""
    page = Path(report).expanduser()
    if page.exists() and not _is_free(page):
        raise ValueError(f"report={page}: something else is there; give a new folder, or that of an earlier report")
    return page


def _is_free(page: Path) -> bool:
    """Whether the folder is empty, or that of an earlier report."""
    if not page.is_dir():
        return False
    manifest = page / "manifest.json"
    if not manifest.is_file():
        return not any(page.iterdir())
    with contextlib.suppress(ValueError, AttributeError):
        return bool(json.loads(manifest.read_text(encoding="utf-8")).get("stage") == "report")
    return False


def _keep(made: Path, page: Path) -> None:
    if page.exists():
        shutil.rmtree(page)
    page.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, page)
