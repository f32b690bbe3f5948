"""What no model can predict: the part of a segment that differs when it is done again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.joints import BY_KIND, Kind
from collect.recording import Recording


@dataclass(frozen=True)
class Repeatability:
    """Root mean square of what did not repeat, of the four joints of a kind."""

    torque: float | None
    """Of tau_est [Nm]; None where none is recorded."""
    position: float
    """Of q [rad]."""
    share: float | None
    """The torque's, as a share of the root mean square of tau_est [1]."""


def repeatability(recording: Recording) -> dict[Kind, Repeatability] | None:
    """The noise floor of a recording, by kind of joint; None without a segment that was repeated.

    A segment called `X_repeat` repeats X row by row. Each of the two holds half of the difference's variance,
    so the floor is its root mean square over √2.
    """
    table = {
        name.decode(): slice(int(start), int(stop))
        for name, start, stop in recording.segments[["name", "start", "stop"]]
    }
    pairs = [
        (table[name.removesuffix("_repeat")], again)
        for name, again in table.items()
        if name.endswith("_repeat") and name.removesuffix("_repeat") in table
    ]
    pairs = [pair for pair in pairs if min(rows.stop - rows.start for rows in pair) > 0]
    if not pairs:
        return None
    torque, position = _difference(recording.tau_est, pairs), _difference(recording.q, pairs)
    used = np.concatenate([recording.tau_est[first] for first, _ in pairs]).astype(float)
    known = bool(np.isfinite(torque).all())
    return {
        kind: Repeatability(
            torque=_rms(torque[:, joints]) if known else None,
            position=_rms(position[:, joints]),
            share=_rms(torque[:, joints]) / max(_rms(used[:, joints]), 1e-9) if known else None,
        )
        for kind, joints in BY_KIND.items()
    }


def _difference(table: NDArray[np.float32], pairs: list[tuple[slice, slice]]) -> NDArray[np.float64]:
    parts = []
    for first, again in pairs:
        rows = min(first.stop - first.start, again.stop - again.start)
        one, two = (table[part.start : part.start + rows].astype(float) for part in (first, again))
        parts.append((two - one) / np.sqrt(2.0))
    return np.concatenate(parts)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
