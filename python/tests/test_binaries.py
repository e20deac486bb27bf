"""Where the programs are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

import plateau
from plateau import _binaries


def programs(folder: Path, names: tuple[str, ...] = _binaries.NEEDED) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\necho 'error: the shelf is empty\nhint: fill it' >&2\nexit 3\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable, no checkout, nothing in PATH."""
    monkeypatch.delenv("PLATEAU_BIN", raising=False)
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(_binaries, "__file__", str(tmp_path / "site-packages" / "plateau" / "_binaries.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_variable_the_checkout_and_path_in_turn(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = programs(alone / "path")
    monkeypatch.setenv("PATH", f"{programs(alone / 'other', ('report',))}:{on_path}")
    assert _binaries.binaries() == on_path
    (alone / "clone" / "crates" / "montecarlo").mkdir(parents=True)
    (alone / "clone" / "crates" / "montecarlo" / "Cargo.toml").touch()
    (alone / "clone" / "docs").mkdir()
    monkeypatch.chdir(alone / "clone" / "docs")
    assert _binaries.binaries() == on_path
    built = programs(alone / "clone" / "target" / "release")
    assert _binaries.binaries() == built
    given = programs(alone / "given")
    monkeypatch.setenv("PLATEAU_BIN", str(given))
    assert _binaries.binaries() == given


def test_the_error_says_how_to_build_them(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(plateau.BinariesNotFoundError) as caught:
        plateau.sufficient([[1.0, 2.0], [3.0, 4.0]])
    assert "cargo build --release -p montecarlo -p bound -p report" in str(caught.value)
    assert "PLATEAU_BIN" in str(caught.value)
    monkeypatch.setenv("PLATEAU_BIN", str(programs(alone / "half", ("montecarlo",))))
    with pytest.raises(plateau.BinariesNotFoundError, match="no bound, report in that folder"):
        _binaries.binaries()


def test_what_a_program_says_is_passed_on_as_it_is(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEAU_BIN", str(programs(alone / "broken")))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(plateau.PlateauError) as caught:
        plateau.sufficient([[1.0, 2.0], [3.0, 4.0]])
    assert str(caught.value) == "error: the shelf is empty\nhint: fill it"
    assert (caught.value.stage, caught.value.code) == ("montecarlo", 3)
