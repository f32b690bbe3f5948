"""How wrong a replayed motion is: by joint, over time, over frequency, and beside what the robot does not repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from collect.joints import BY_KIND, KINDS, NAMES, Kind
from collect.recording import Recording
from identify.features import Array, at
from identify.replay import Replay

WINDOW = 1.0
"""Over which an error is averaged as time goes on [s]."""
_SEGMENT = 2.0
"""Of which spectra are averaged [s]."""
_MOVED = 1e-3
"""Share of the largest power below which a frequency was not moved at."""


@dataclass(frozen=True, eq=False)
class Response:
    """A replayed motion over the measured one, by frequency."""

    frequency: Array
    """Shape (M,) [Hz]."""
    answer: Array
    """Of hip, thigh and calf, complex, shape (3, M): 1 is perfect; NaN where the robot did not move."""

    @property
    def gain(self) -> Array:
        """Amplitude beyond the robot's, shape (3, M) [1]."""
        return np.abs(self.answer) - 1.0

    @property
    def phase(self) -> Array:
        """By how much it is ahead of the robot, shape (3, M) [rad]."""
        return np.angle(self.answer)


def over_time(one: Replay) -> tuple[Array, dict[Kind, Array]]:
    """Middle of each window [s] since the start of its stretch's recording, and its rms by kind of joint [mrad]."""
    index = ((one.time - one.time[0]) / WINDOW).astype(int)
    used, place = np.unique(index, return_inverse=True)
    squares = np.square(one.q_replayed - one.q)
    rms = {
        kind: 1e3 * np.sqrt(np.bincount(place, squares[:, joints].mean(1)) / np.bincount(place))
        for kind, joints in BY_KIND.items()
    }
    return one.time[0] + (used + 0.5) * WINDOW, rms


def over_frequency(one: Replay) -> Response:
    """Cross spectrum of replayed and measured motion over the power of the measured, joints of a kind together.

    Rows count as evenly spaced: both motions are given at the same times, so that what they are off by cancels.
    """
    from scipy.signal import csd  # takes most of a second: not before it is needed

    edges = [*one.starts, len(one.time)]
    rate = 1.0 / float(np.median(np.diff(one.time)))
    size = min(int(_SEGMENT * rate), *np.diff(edges))
    cross, power = 0.0, 0.0
    for start, stop in pairwise(edges):
        q, moved = (values[start:stop] - values[start:stop].mean(0) for values in (one.q, one.q_replayed))
        options = {"fs": rate, "nperseg": size, "axis": 0, "detrend": "linear"}
        frequency, both = csd(q, moved, **options)
        cross, power = cross + both * (stop - start), power + csd(q, q, **options)[1].real * (stop - start)
    both, moved = (
        np.array([np.asarray(values)[:, joints].sum(1) for joints in BY_KIND.values()]) for values in (cross, power)
    )
    known = moved > _MOVED * moved.max(1, keepdims=True)
    return Response(frequency, np.where(known, both / np.maximum(moved, 1e-30), np.nan))


def repeatability_mrad(recording: Recording) -> Mapping[Kind, float] | None:
    """What the robot itself does not repeat: difference of q of repeated segments over √2, rms [mrad].

    A segment called `X_repeat` repeats X; each of the two holds half of the difference's variance. None without one.
    """
    table = {name.decode(): slice(int(a), int(b)) for name, a, b in recording.segments[["name", "start", "stop"]]}
    repeats = {name.removesuffix("_repeat"): rows for name, rows in table.items() if name.endswith("_repeat")}
    differences = [_difference(recording, table[name], again) for name, again in repeats.items() if name in table]
    if not differences:
        return None
    both = 1e3 * np.concatenate(differences) / np.sqrt(2.0)
    return {kind: float(np.sqrt(np.mean(np.square(both[:, BY_KIND[kind]])))) for kind in KINDS}


def _difference(recording: Recording, first: slice, again: slice) -> Array:
    """The repeat's q less the original's at the same time since its start, shape (rows, 12) [rad]."""
    since, later = (recording.clock[rows] - recording.clock[rows.start] for rows in (first, again))
    kept = since <= later[-1]
    return at(later, recording.q[again].astype(float), since[kept]) - recording.q[first][kept]


def table(replays: Iterable[Replay]) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE per kind of joint [mrad], by recording and predictor, for JSON."""
    return _nested(replays, lambda one: {kind: one.rmse_mrad(kind) for kind in KINDS})


def details(replays: Sequence[Replay]) -> dict[str, Any]:
    """The same by joint, over time, and over the frequencies at which the robot moved, for JSON."""

    def timed(one: Replay) -> dict[str, list[float]]:
        middle, rms = over_time(one)
        return {"time_s": middle.tolist(), **{kind: values.tolist() for kind, values in rms.items()}}

    def answered(one: Replay) -> dict[str, dict[str, list[float]]]:
        response = over_frequency(one)
        found: dict[str, dict[str, list[float]]] = {}
        for kind, gain, phase in zip(KINDS, response.gain, response.phase, strict=True):
            known = np.isfinite(gain)
            values = (response.frequency[known], gain[known], phase[known])
            found[kind] = dict(zip(("frequency_hz", "gain", "phase_rad"), map(np.ndarray.tolist, values), strict=True))
        return found

    return {
        "replay_rmse_mrad_by_joint": _nested(replays, lambda one: dict(zip(NAMES, one.rmse_by_joint, strict=True))),
        "replay_rmse_mrad_over_time": _nested(replays, timed),
        "replay_over_robot": _nested(replays, answered),
    }


def _nested(replays: Iterable[Replay], of: Callable[[Replay], Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in replays:
        found.setdefault(one.recording, {})[one.predictor] = of(one)
    return found
