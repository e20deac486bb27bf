"""A progress bar on stderr: tqdm's if it is installed, else a plain line."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

_SECONDS_BETWEEN_LINES = 0.2


class Progress:
    """Counts steps. Where stderr is no terminal, the plain line is written once, at the end."""

    def __init__(self, total: int | None, label: str, shown: bool) -> None:
        """`total`: steps in all; None: not known."""
        self._total, self._label, self._shown = total, label, shown
        self._done, self._said_at, self._begun = 0, 0.0, time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self._shown:
            try:
                from tqdm import tqdm
            except ImportError:
                return self
            self._bar = tqdm(total=self._total, desc=self._label, file=sys.stderr)
        return self

    def step(self) -> None:
        """One more step is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(1)
        elif self._shown and sys.stderr.isatty() and time.monotonic() - self._said_at > _SECONDS_BETWEEN_LINES:
            self._said_at = time.monotonic()
            sys.stderr.write(f"\r{self._line()}")
            sys.stderr.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._shown:
            start = "\r" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{start}{self._line()}, {time.monotonic() - self._begun:.1f} s\n")

    def _line(self) -> str:
        of = "" if self._total is None else f"/{self._total}"
        return f"{self._label}: {self._done}{of}"
