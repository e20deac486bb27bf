"""What comes in: arrays and numbers, and a loss that is one number per sample, of that sample alone, the same each time."""

from __future__ import annotations

import math
import operator
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from ._result import Floats

Rows = npt.NDArray[np.int64]

PROBED = 32
"""samples that are looked at"""

_WIDTHS = (0.8, 1.25)
"""ratios of the width of draws to σ that are no warning"""

_STANDARD_ERRORS = 5.0
"""of that ratio, which are none either"""


def integer(name: str, value: Any, least: int) -> int:
    """An integer of whatever type, such as `np.int64`.

    Raises:
        TypeError: no integer.
        ValueError: below `least`.
    """
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is {type(value).__name__}; an integer is needed") from None
    if found < least:
        raise ValueError(f"{name}={found}; at least {least} is needed")
    return found


def number(name: str, value: Any) -> float:
    """A finite number of whatever type, such as `np.float32`.

    Raises:
        TypeError: no number.
        ValueError: not finite.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r} is {type(value).__name__}; a number is needed") from None
    if not math.isfinite(found):
        raise ValueError(f"{name}={found}; a finite number is needed")
    return found


def numbers(name: str, values: Any) -> list[float]:
    """Numbers, or one alone."""
    is_one = isinstance(values, str) or (not isinstance(values, Iterator) and np.ndim(values) == 0)
    if is_one:
        return [number(name, values)]
    return [number(f"{name}[{i}]", value) for i, value in enumerate(values)]


def array(name: str, source: Any) -> npt.NDArray[Any]:
    """An array of numbers, of the type in which it comes.

    Raises:
        TypeError: no array, or not of numbers; the text says what makes it one.
        ValueError: entries are masked.
    """
    if isinstance(source, (str, os.PathLike)):
        raise TypeError(f"{name}={source!r} is a path; give the array, such as np.load of it")
    refuse_masked(name, source)
    if isinstance(source, Iterator):
        raise TypeError(f"{name}: {type(source).__name__} is used up after one pass; give an array: np.array(list({name}))")
    try:
        found = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: {type(source).__name__} is no array of NumPy: {error}") from error
    # bfloat16 and its kin are "void" for NumPy: a file would keep their bytes and lose their meaning.
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name}: {found.dtype} cannot be read by plateau; {_conversion(name, found)}")
    return found


def _conversion(name: str, found: npt.NDArray[Any]) -> str:
    """What makes numbers of these entries, or the first that is none."""
    if found.dtype.kind == "c":
        return f"convert it: np.asarray({name}).real is its real part"
    try:
        found.astype(np.float64)
    except (TypeError, ValueError):
        for place, entry in np.ndenumerate(found):
            try:
                float(entry)
            except (TypeError, ValueError):
                return f"entry {place} is {entry!r}, which is no number"
    return f"convert it: np.asarray({name}, np.float64)"


def native(leaf: Any) -> Any:
    """An array of NumPy in the byte order and with the strides that frameworks take; anything else as it is."""
    return np.require(leaf, leaf.dtype.newbyteorder("="), "C") if isinstance(leaf, np.ndarray) else leaf


def refuse_masked(name: str, source: Any) -> None:
    """NumPy drops the mask where an array of numbers is made: masked entries would count.

    Raises:
        ValueError: an entry is masked; the text says how to leave it out.
    """
    if not _is_masked(source):
        return
    whole, text = np.ma.array(source), name if isinstance(source, np.ma.MaskedArray) else f"np.ma.array({name})"
    mask = np.ma.getmaskarray(whole)
    cures = [f"{text}.filled(value) gives them a value, {text}.data those under the mask"]
    if mask.ndim == 2 and name == "losses":
        rows, columns = (int((~mask.any(axis=axis)).sum()) for axis in (1, 0))
        if columns >= 2:
            cures.append(f"np.ma.compress_cols({text}) leaves {columns:,} samples without one")
        if rows >= 2:
            cures.append(f"np.ma.compress_rows({text}) leaves {rows:,} draws, and theta has to lose the same rows")
    raise ValueError(f"{name}: {mask.sum():,} of {mask.size:,} entries are masked, and each is needed: {'; '.join(cures)}")


def _is_masked(source: Any) -> bool:
    if isinstance(source, (list, tuple)):
        return any(_is_masked(part) for part in source if isinstance(part, (Sized, np.ma.MaskedArray)))
    return isinstance(source, np.ma.MaskedArray) and bool(np.ma.is_masked(source))


def finite(name: str, found: npt.NDArray[Any], cure: str) -> None:
    """Refuses NaN and infinity, by their place.

    Raises:
        ValueError: with the first such entry, how many there are, and what to do.
    """
    wrong = ~np.isfinite(found)
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f"[{', '.join(map(str, place))}]" if place else ""
    raise ValueError(f"{name}{at} is {found[place]} ({wrong.sum():,} of {wrong.size:,} entries are not finite): {cure}")


def finite_losses(losses: npt.NDArray[np.floating]) -> None:
    """Refuses losses at w* that are not finite, by their samples.

    Raises:
        ValueError: one is NaN or infinite.
    """
    if len(wrong := np.flatnonzero(~np.isfinite(losses))):
        i = int(wrong[0])
        raise ValueError(
            f"the loss of sample {i} at w* is {losses[i]} ({len(wrong):,} of {len(losses):,} losses are not finite): look at x and "
            "y of that sample (NaN, or a target outside the range of the loss), and correct it or leave it out"
        )


def sigma_of(theta: Floats | None, sigma: Any) -> float:
    """σ: as given, else the root mean square of the draws, else 1.

    Raises:
        TypeError: no number.
        ValueError: not above 0, or all draws are 0.

    Warns:
        UserWarning: the draws are of another width than the σ that is given.
    """
    if sigma is not None and not (sigma := number("sigma", sigma)) > 0:
        raise ValueError(f"sigma={sigma}; a standard deviation above 0 is needed, in parameter units")
    if theta is None or theta.size == 0:
        return 1.0 if sigma is None else float(sigma)
    width = float(np.sqrt(np.mean(np.square(theta, dtype=np.float64))))
    if sigma is None:
        if width == 0:
            raise ValueError("theta is 0 in every entry, and so is σ; draws around w* are needed, as N(0, σ² I)")
        return width
    ratio = width / sigma
    if not _WIDTHS[0] <= ratio <= _WIDTHS[1] and abs(ratio - 1) > _STANDARD_ERRORS / math.sqrt(2 * theta.size):
        warn(
            f"theta has a standard deviation of {width:.4g}, but sigma is {sigma:.4g}, and the theories are computed for that. "
            "Leave out sigma: it is then taken from theta; or give the draws with their σ in them"
        )
    return float(sigma)


def check_pair(batch: Any) -> tuple[Any, Any]:
    """x and y of a batch.

    Raises:
        ValueError: no pair.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(
            f"a batch is {type(batch).__name__}; a pair (x, y) is needed. All samples at once are a tuple of two arrays: "
            "(np.asarray(x), np.asarray(y))"
        )
    return batch[0], batch[1]


def check_shape(shape: tuple[int, ...], n: int, y: tuple[int, ...] | None) -> None:
    """One loss for each of the `n` samples of a batch, whose y has that shape (None: y is no array).

    Raises:
        ValueError: another shape; the text says what to change.
    """
    if shape == (n,):
        return
    if shape in ((), (1,)):
        cure = (
            'the loss is averaged over the batch: ask for one per sample, such as reduction="none" in PyTorch, or leave out .mean()'
        )
    elif shape == (n, n) and y == (n, 1):
        cure = f"y has shape {y} and meets outputs of shape ({n},), which gives all pairs of samples: flatten it, y.reshape(-1)"
    elif shape == (n, n) and y == (n,):
        cure = (
            f"y has shape {y}, and outputs of shape ({n}, 1) would meet it in all pairs of samples: flatten them, "
            f"outputs.reshape(-1). If the second axis is that of {n} outputs, average over it, loss.mean(1)"
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
