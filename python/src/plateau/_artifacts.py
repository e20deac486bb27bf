"""Reading the artifacts of an experiment: arrays and facts, when they are asked for."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._result import Exponent, Interval, Size, Sufficient

MANIFEST_FORMAT = 2
SUMMARY_FORMAT = 3
_LOSS_UNITS = {"softmax-cross-entropy": "nats", "squared-error": "target²"}


class ArtifactError(ValueError):
    """An artifact is missing, or of another version; the text says which and what to do."""


@dataclass(frozen=True)
class Stage(Mapping[str, npt.NDArray[Any]]):
    """A finished stage: a mapping from the name of an array to the array, read as a memory map when it is asked for.

    `experiment["montecarlo"]["hessian-d10-s1/delta"]` is `montecarlo/hessian-d10-s1/delta.npy`.
    """

    path: Path
    """its folder"""
    manifest: dict[str, Any] = field(repr=False)
    """all that the stage recorded, see docs/artifacts.md"""

    @property
    def facts(self) -> dict[str, Any]:
        """Single values that the stage recorded."""
        facts: dict[str, Any] = self.manifest["facts"]
        return facts

    @property
    def parameters(self) -> dict[str, Any]:
        """The section of the pipeline file that it ran with."""
        parameters: dict[str, Any] = self.manifest["params"]
        return parameters

    def describe(self, array: str) -> dict[str, Any]:
        """Shape, dtype, unit and meaning of an array, without reading it."""
        return dict(self._output(array))

    def document(self, name: str) -> Any:
        """A JSON document of the stage, such as `sufficient`."""
        path = self.path / f"{name.removesuffix('.json')}.json"
        if not path.is_file():
            raise ArtifactError(f"{path}: missing; the stage has: {', '.join(self.manifest['outputs'])}")
        return _read(path)

    def _output(self, array: str) -> dict[str, Any]:
        output: dict[str, Any] | None = self.manifest["outputs"].get(f"{array.removesuffix('.npy')}.npy")
        if output is None:
            raise KeyError(f"{self.path.name} has no array {array!r}; it has: {', '.join(self)}")
        return output

    def __getitem__(self, array: str) -> npt.NDArray[Any]:
        output, path = self._output(array), self.path / f"{array.removesuffix('.npy')}.npy"
        try:
            found: npt.NDArray[Any] = np.load(path, mmap_mode="r" if np.prod(output["shape"]) else None)
        except (OSError, ValueError) as error:
            raise _damaged(path, self.path, error) from error
        if list(found.shape) != output["shape"] or found.dtype != np.dtype(output["dtype"]):
            here = f"{found.dtype} {list(found.shape)}"
            raise ArtifactError(f"{path}: {here}, but its manifest says {output['dtype']} {output['shape']}")
        return found

    def __iter__(self) -> Iterator[str]:
        return (name.removesuffix(".npy") for name in self.manifest["outputs"] if name.endswith(".npy"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Experiment(Mapping[str, Stage]):
    """The artifacts of one experiment: a mapping from the name of each finished stage to its `Stage`.

    Nothing is read before it is asked for.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """`path`: the folder of the experiment, such as `artifacts/mnist`.

        Raises:
            ArtifactError: no stage has finished there.
        """
        self.path = Path(path)
        self._stages: dict[str, Stage] = {}
        if not any(self):
            here = "it does not exist" if not self.path.exists() else "no stage has finished there"
            raise ArtifactError(
                f"{self.path}: {here}; give the folder of one experiment, such as artifacts/mnist, after `make mnist`"
            )

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return str(next(iter(self.values())).manifest["experiment"])

    def __getitem__(self, stage: str) -> Stage:
        if stage not in self._stages:
            self._stages[stage] = self._read(stage)
        return self._stages[stage]

    def _read(self, stage: str) -> Stage:
        path = self.path / stage / "manifest.json"
        if not path.is_file():
            finished = ", ".join(self)
            raise KeyError(f"{stage} has not finished in {self.path}: run `make {self.path.name}/{stage}`; these have: {finished}")
        manifest = _read(path)
        _check_format(path, manifest, MANIFEST_FORMAT)
        return Stage(path.parent, manifest)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.parent.name for path in self.path.glob("[!.]*/manifest.json")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Experiment({str(self.path)!r}: {', '.join(self)})"

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Facts of every finished stage, by its name."""
        return {stage: self[stage].facts for stage in self}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may make the numbers wrong, a sentence each, from every finished stage."""
        return tuple(warning for stage in self for warning in self[stage].manifest.get("warnings", []))

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings of `montecarlo`."""
        return tuple(setting["name"] for setting in self["montecarlo"].facts["settings"])

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The numbers of the report, `report/summary.json`; docs/summary.schema.json describes each.

        Raises:
            ArtifactError: another version of that file.
        """
        summary: dict[str, Any] = self["report"].document("summary")
        _check_format(self.path / "report" / "summary.json", summary, SUMMARY_FORMAT)
        return summary

    def sufficient(self, setting: str | None = None) -> Sufficient:
        """V, Δ_k and K of a setting; None: the first. It needs the stages `montecarlo` and `bound`.

        Raises:
            KeyError: no such setting, or a stage has not finished.
        """
        names = self.settings
        setting = names[0] if setting is None else setting
        if setting not in names:
            raise KeyError(f"{self.path} has no setting {setting!r}; it has: {', '.join(names)}")
        montecarlo, bound = self["montecarlo"], self["bound"]
        theory = bound.document("theory")
        found = next(s for s in theory["settings"] if s["name"] == setting)
        document = bound.document("sufficient")
        rows = [_size(row) for row in document["rows"] if row["setting"] == setting]
        by = {method: tuple(s for s in rows if s.method == method) for method in dict.fromkeys(s.method for s in rows)}
        page = self.path / "report" / "index.html"
        read = {name: np.array(montecarlo[f"{setting}/{name}"]) for name in ("delta", "standard_error", "loss_variance")}
        exponent = found["exponent"]
        return Sufficient(
            sizes=by.pop("order-average"),
            measured=by.pop("monte-carlo"),
            variance=found["variance"],
            variance_standard_error=found["variance_standard_error"],
            interval=_interval(found),
            mean_loss=found["mean_loss"],
            exponent=exponent and Exponent(exponent["value"], exponent["low"], exponent["high"]),
            confidence=theory["confidence"],
            n_samples=document["n_samples"],
            n_draws=found["draws"],
            step=document["step"],
            prefix_sizes=np.array(montecarlo["prefix_sizes"]),
            order_average=np.array(bound[f"{setting}/order_average"]),
            theories=by,
            curves=self._curves(setting),
            unit=self._unit(),
            report=page if page.is_file() else None,
            **read,
        )

    def _curves(self, setting: str) -> dict[str, npt.NDArray[np.float64]]:
        names = {"diagonal": "diagonal", "quadratic": "quadratic", "second-order": "second_order", "eigenvalue": "eigenvalue"}
        bound = self["bound"]
        return {name: np.array(bound[f"{setting}/{file}"]) for name, file in names.items() if f"{setting}/{file}" in bound}

    def _unit(self) -> str:
        return _LOSS_UNITS.get(self["train"].parameters["loss"], "loss") if "train" in self else "loss"


def _size(row: dict[str, Any]) -> Size:
    interval = None if row["low"] is None else _interval(row)
    return Size(row["tolerance"], row["relative"], row["method"], row["status"], row["k"], interval)


def _interval(row: dict[str, Any]) -> Interval:
    """JSON has null for infinity."""
    return Interval(row["low"], math.inf if row["high"] is None else row["high"])


def _read(path: Path) -> Any:
    """A JSON file in the folder of its stage.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, path.parent, error) from error


def _damaged(path: Path, stage: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path}: {error}; run `make {stage.parent.name}/{stage.name}` again")


def _check_format(path: Path, document: Any, needed: int) -> None:
    found = document.get("format") if isinstance(document, dict) else None
    if found != needed:
        raise ArtifactError(f"{path}: format {found}, but this package reads {needed}; use the package of that checkout")


def load(path: str | os.PathLike[str]) -> Experiment:
    """The experiment whose artifacts are in the folder `path`, such as `artifacts/mnist`.

    Arrays are memory maps, opened when they are asked for; facts and documents are plain Python values.

    Raises:
        ArtifactError: no stage has finished there.
    """
    return Experiment(path)
