"""What comes out: V, Δ_k and K, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Status = Literal["reached", "extrapolated", "not reached"]


class Interval(NamedTuple):
    """Both ends of a confidence interval; `high` may be infinite."""

    low: float
    high: float


@dataclass(frozen=True)
class Size:
    """K at one tolerance, by one method."""

    tolerance: float
    """of Δ_k, loss²"""
    relative: float | None
    """the tolerance as it was given, √Δ_k over the mean loss over the draws; None: it was given in loss²"""
    method: str
    """`order-average`, `monte-carlo`, a theory, or a theory with `-average`"""
    status: Status
    """`reached`; `extrapolated`: K is beyond the samples at hand; `not reached`: K is None"""
    k: int | None
    """K, samples"""
    interval: Interval | None
    """of K, samples; None for methods without one"""

    def __str__(self) -> str:
        tolerance = f"{self.tolerance:.3g}" if self.relative is None else f"{self.relative:.3g} of the loss"
        if self.k is None:
            return f"K({tolerance}): not reached"
        interval = "" if self.interval is None else f" [{self.interval.low:,}, {self.interval.high:,}]"
        return f"K({tolerance}) = {self.k:,}{interval} ({self.status})"


class Exponent(NamedTuple):
    """Δ_k falls as k to the power `value`, a fit with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sufficient:
    """How many samples are enough: V, Δ_k and K of one setting.

    N samples, T draws, n prefix sizes; the step s is in samples. Losses are in `unit`.
    """

    sizes: tuple[Size, ...]
    """K at each tolerance, averaged over all orders of the samples: the answer. `tolerances` first, then `relative_tolerances`"""
    measured: tuple[Size, ...]
    """K at each tolerance of the one order in which the samples are given; without interval"""
    variance: float
    """V, loss²: variance of the losses over the samples (N − 1), averaged over the draws"""
    variance_standard_error: float
    """of V over samples and draws, loss²"""
    interval: Interval
    """of V, loss²"""
    mean_loss: float
    """mean loss over samples and draws"""
    exponent: Exponent | None
    """of the decay of Δ_k; None with too few prefix sizes"""
    confidence: float
    """coverage of every interval, such as 0.95"""
    n_samples: int
    """N"""
    n_draws: int
    """T"""
    step: int
    """s, samples"""
    prefix_sizes: npt.NDArray[np.int64] = field(repr=False)
    """k = s, 2s, …, (n,), samples"""
    delta: Floats = field(repr=False)
    """Δ_k = mean over the draws of (L_{k+s} − L_k)², (n,), loss²"""
    standard_error: Floats = field(repr=False)
    """of Δ_k over the draws, (n,), loss²"""
    order_average: Floats = field(repr=False)
    """V (1/k − 1/(k+s)), the mean of Δ_k over all orders, (n,), loss²"""
    loss_variance: Floats = field(repr=False)
    """S² of each draw: variance of the losses over the samples, (T,), loss²"""
    theories: dict[str, tuple[Size, ...]] = field(repr=False)
    """K at each tolerance by each theory; empty without derivatives"""
    curves: dict[str, Floats] = field(repr=False)
    """Δ_k of each theory, (n,), loss²; empty without derivatives"""
    unit: str = "nats"
    """unit of a loss; K does not depend on it"""
    report: Path | None = None
    """the page with figures and tables, if it was kept"""

    def at(self, tolerance: float) -> Size:
        """The answer at that tolerance, which may be absolute (loss²) or relative, to rounding of f32.

        Raises:
            KeyError: not one of the tolerances that were asked for.
        """
        asked = [size.tolerance if size.relative is None else size.relative for size in self.sizes]
        apart = [abs(known - tolerance) / known for known in asked]
        nearest = min(range(len(asked)), key=apart.__getitem__)
        if apart[nearest] <= float(np.finfo(np.float32).eps):
            return self.sizes[nearest]
        raise KeyError(f"tolerance {tolerance:.8g}; asked for were: {', '.join(f'{known:.8g}' for known in asked)}")

    def __str__(self) -> str:
        """The answer in a few lines."""
        low, high = self.interval
        head = f"V = {self.variance:.4g} [{low:.4g}, {high:.4g}] {self.unit}²"
        of = f"{self.n_samples:,} samples, {self.n_draws:,} draws, step {self.step}"
        lines = [f"{head}; {of}", *(str(size) for size in self.sizes)]
        if self.report is not None:
            lines.append(f"report: {self.report}")
        return "\n".join(lines)
