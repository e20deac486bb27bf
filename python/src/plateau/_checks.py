"""What has to be true of a loss before Δ_k has a meaning: one number per sample, of that sample alone, the same each time."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

PROBED = 32
"""samples that are looked at"""


def check_shape(shape: tuple[int, ...], n: int) -> None:
    """One loss for each of the `n` samples of a batch.

    Raises:
        ValueError: another shape; the text says what to change.
    """
    if shape == (n,):
        return
    if shape in ((), (1,)):
        cure = (
            'the loss is averaged over the batch: ask for one per sample, such as reduction="none" in PyTorch, or leave out .mean()'
        )
    elif shape and shape[0] == n:
        cure = "average or sum over the other axes, such as loss.reshape(len(loss), -1).mean(1)"
    else:
        cure = "the first axis of the loss has to be that of the samples"
    raise ValueError(f"the loss of a batch of {n} samples has shape {shape}; ({n},) is needed, one per sample: {cure}")


def check_alone(evaluate: Callable[[Rows], npt.NDArray[np.floating]], n: int, advice: str) -> None:
    """Evaluates some samples twice, then the first half of them in reverse: nothing may change but rounding.

    `evaluate` gives the losses at w* of those rows of the first batch, which has `n` samples.

    Raises:
        ValueError: the losses are random, or depend on the other samples of the batch.
    """
    rows = np.arange(min(n, PROBED))
    whole, again = evaluate(rows), evaluate(rows)
    # A product of another shape rounds otherwise; f32: 3e-4 of the largest loss.
    rounding = float(np.sqrt(np.finfo(whole.dtype).eps) * max(1.0, float(np.abs(whole).max())))

    def differ(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> bool:
        return bool((np.abs(a - b) > rounding).any())

    if differ(whole, again):
        raise ValueError(f"the same samples have other losses the second time: the loss is random. {advice}")
    half = rows[: max(1, len(rows) // 2)][::-1]
    if differ(evaluate(half), whole[half]):
        raise ValueError(
            "the loss of a sample depends on its place in the batch or on the samples beside it, as with batch normalisation "
            f"over the batch or one dropout mask for all: ℓ_i is not defined, and so are neither Δ_k nor K. {advice}"
        )


def warn(text: str) -> None:
    """A warning at the line that called the package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("plateau."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=level)
