"""The programs of the pipeline: where they are, and how one is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

VARIABLE = "PLATEAU_BIN"
"""Environment variable: the folder with the programs."""

NEEDED = ("montecarlo", "bound", "report")
"""Programs that this package runs. They are looked for together: `report` alone is too common a name."""


class PlateauError(RuntimeError):
    """A program of plateau ended with an error; the text is the program's own, with its hint.

    Attributes:
        stage: the program, such as `montecarlo`.
        code: its exit code: 2 configuration, 3 bad or missing input, 4 not converged, 1 anything else.
    """

    def __init__(self, message: str, stage: str, code: int) -> None:
        super().__init__(message)
        self.stage = stage
        self.code = code


class BinariesNotFoundError(FileNotFoundError):
    """The programs of plateau are neither in the variable `PLATEAU_BIN`, nor in a checkout, nor in `PATH`."""


def _has_all(folder: Path) -> bool:
    return all(shutil.which(name, path=str(folder)) for name in NEEDED)


def _checkouts() -> list[Path]:
    """Checkouts of plateau: around this file (an editable install), and around the current folder."""
    starts = [Path(__file__).resolve(), Path.cwd() / "_"]
    folders = [folder for start in starts for folder in start.parents]
    return [folder for folder in folders if (folder / "crates" / "montecarlo" / "Cargo.toml").is_file()]


def binaries() -> Path:
    """The folder of the programs: `PLATEAU_BIN`, else a checkout (`target/release`), else a folder of `PATH`.

    Raises:
        BinariesNotFoundError: nothing there; the text says how to build them.
    """
    given = os.environ.get(VARIABLE)
    if given:
        folder = Path(given).expanduser()
        if _has_all(folder):
            return folder
        raise BinariesNotFoundError(f"{VARIABLE}={given}: {_missing(folder)}. {_cure()}")
    checkouts = _checkouts()
    built = [Path(os.environ.get("CARGO_TARGET_DIR", folder / "target")) / "release" for folder in checkouts]
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for folder in built + on_path:
        if _has_all(folder):
            return folder
    where = "not built yet in the checkout, and not in PATH" if checkouts else "in no checkout around here and not in PATH"
    raise BinariesNotFoundError(f"the programs of plateau ({', '.join(NEEDED)}) are {where}. {_cure()}")


def _missing(folder: Path) -> str:
    absent = [name for name in NEEDED if not shutil.which(name, path=str(folder))]
    return f"no {', '.join(absent)} in that folder"


def _cure() -> str:
    crates = " ".join(f"-p {name}" for name in NEEDED)
    return (
        f"Build them in a checkout of plateau (Rust and OpenBLAS are needed): `make setup && cargo build --release {crates}`. "
        f"Then set {VARIABLE} to the folder target/release of that checkout, or add that folder to PATH."
    )


def run(stage: str, pipeline: Path, artifacts: Path, experiment: str) -> None:
    """Runs one stage of an experiment to its end.

    Raises:
        PlateauError: the stage failed, with its own words.
        BinariesNotFoundError: see `binaries`.
    """
    places = ["--pipeline", pipeline.name, "--artifacts", str(artifacts), "--experiment", experiment]
    # In the folder of the pipeline file, messages name files without the way to the temporary folder.
    program = str((binaries() / stage).resolve())
    done = subprocess.run([program, *places, "--quiet"], cwd=pipeline.parent, capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip() or f"{stage} ended with exit code {done.returncode} and said nothing"
        raise PlateauError(said, stage, done.returncode)
