"""Which rows train, which stop the training, which only judge: by recording and segment, never by sample.

- At least seven recordings: whole recordings.
- Fewer, but at least seven segments: whole segments; a repeat goes with what it repeats.
- Fewer: each segment is cut into cycles, each cycle into contiguous blocks train | validation | test, and after
  every border as many seconds are left out as a net looks back, so that no window holds rows of two parts:

      |··train···················|··validation··|··test··|··train···· …     ·· = left out
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from identify.dataset import Series
from identify.runs import Assignment, Part
from identify.settings import Split, TrainConfig

OUT, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
"""Parts of a row; rows that are out belong to none."""

PARTS: tuple[Part, ...] = ("train", "validation", "test")

_ENOUGH = 7
"""With fewer, 15 % of them is less than one."""


def gap(config: TrainConfig) -> float:
    """Seconds left out after every border: what the net looks back over, or how long its state forgets."""
    return max(config.features.look_back, config.recurrent.warm_up if config.recurrent else 0.0)


def assign(data: Sequence[Series], split: Split) -> tuple[Assignment, ...]:
    """The part of every segment of every recording.

    Raises:
        UserError: when `hold_out` names no segment, or leaves none to train on.
    """
    every = [(one.name, name) for one in data for name in _unbroken(one)]
    held = [unit for unit in every if any(fnmatchcase(unit[1], pattern) for pattern in split.hold_out)]
    for pattern in split.hold_out:
        if not any(fnmatchcase(name, pattern) for _, name in every):
            known = ", ".join(dict.fromkeys(name for _, name in every))
            raise UserError(f"no segment is called {pattern!r}", where="split.hold_out", fix=f"there are: {known}")
    rest = [unit for unit in every if unit not in held]
    if not rest:
        raise UserError("nothing is left to train on", where="split.hold_out", fix="hold out fewer segments")
    parts: dict[tuple[str, str], Part] = dict.fromkeys(held, "test")
    parts |= _share_out(rest, split)
    return tuple(Assignment(*unit, parts[unit]) for unit in every)


def _unbroken(data: Series) -> tuple[str, ...]:
    """The segments that hold a stretch, in order."""
    return tuple(dict.fromkeys(data.segments[data.segment[rows.start]] for rows in data.stretches))


def _share_out(units: list[tuple[str, str]], split: Split) -> dict[tuple[str, str], Part]:
    recordings = list(dict.fromkeys(recording for recording, _ in units))
    groups = list(dict.fromkeys((recording, _original(name)) for recording, name in units))
    if len(recordings) >= _ENOUGH:
        parts = dict(zip(recordings, _spread(len(recordings), split), strict=True))
        return {unit: parts[unit[0]] for unit in units}
    if len(groups) >= _ENOUGH:
        grouped = dict(zip(groups, _spread(len(groups), split), strict=True))
        return {unit: grouped[unit[0], _original(unit[1])] for unit in units}
    return dict.fromkeys(units, "blocks")


def _original(name: str) -> str:
    return name.removesuffix("_repeat")


def _shares(split: Split) -> tuple[float, float]:
    """Shares of validation and test; held-out segments are the test already."""
    if split.hold_out:
        return split.validation / (split.train + split.validation), 0.0
    return split.validation, max(0.0, 1.0 - split.train - split.validation)


def _spread(count: int, split: Split) -> list[Part]:
    """Parts of `count` units, validation and test spread evenly over them."""
    validation, test = _shares(split)
    parts: list[Part] = ["train"] * count
    n_validation = max(1, round(validation * count))
    n_test = max(1, round(test * count)) if test > 1e-9 else 0
    chosen = ((np.arange(n_validation + n_test) + 0.5) * count / (n_validation + n_test)).astype(int)
    for k, index in enumerate(chosen):
        # Every other of the chosen is test, for as long as there are tests to give.
        parts[index] = "test" if k % 2 == 1 and k // 2 < n_test else "validation"
    return parts


def rows(data: Series, assignments: Sequence[Assignment], split: Split, left_out: float) -> NDArray[np.int8]:
    """The part of every row of one recording, shape (N,): TRAIN, VALIDATION, TEST or OUT.

    Args:
        data: the recording.
        assignments: of all recordings.
        split: shares and length of the cycles.
        left_out: seconds left out after every border and at the start of every stretch, see `gap`.
    """
    left_out += data.oldest  # lags count from the samples
    parts = {one.segment: one.part for one in assignments if one.recording == data.name}
    out = np.full(len(data.time), OUT, dtype=np.int8)
    for stretch in data.stretches:
        part = parts[data.segments[data.segment[stretch.start]]]
        since = data.time[stretch] - data.time[stretch.start]
        out[stretch] = _blocks(since, split, left_out) if part == "blocks" else PARTS.index(part)
    out[~data.with_past(left_out)] = OUT
    return out


def _blocks(since: NDArray[np.float64], split: Split, left_out: float) -> NDArray[np.int8]:
    """Part of each row from the seconds since its stretch began."""
    validation, test = _shares(split)
    train = 1.0 - validation - test
    borders = np.array([0.0, train, train + validation]) * split.cycle
    phase = since % split.cycle
    part = np.searchsorted(borders, phase, side="right") - 1
    fresh = (phase - borders[part] < left_out) & (since >= left_out)
    return np.where(fresh, OUT, part).astype(np.int8)
