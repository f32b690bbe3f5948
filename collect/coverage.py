"""What a recording has visited: errors, speeds and torques, and frequencies and amplitudes of the motion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from collect.joints import BY_KIND, Kind
from collect.recording import Recording

SMALLEST = 0.004
"""Motion below this, peak to peak, is rest: five times what a sensor's steps and noise make [rad]."""
CELLS = 12
"""Cells of the error-speed box, along each axis."""
_ROWS_A_CELL = 5
BANDS = 2.0 ** (np.arange(-12, 16) / 3.0)
"""Edges of bands of a third of an octave, 1/16 to 32 Hz: narrow, for about a resonance amplitude changes fast."""


@dataclass(frozen=True)
class Coverage:
    """What the four joints of a kind have visited; None where a channel is missing."""

    error: float
    """99 % of the time |q_target − q| was below this [rad]."""
    speed: float | None
    """|dq| likewise [rad/s]."""
    torque: float | None
    """|tau_est| likewise [Nm]."""
    filled: float | None
    """Share of the cells of the box |error| × |speed| (the two figures above, both signs) that were visited [1]."""
    lowest: float | None
    """Frequency below which a twentieth of the moving time was spent [Hz]; None without motion."""
    highest: float | None
    """Frequency above which a twentieth of it was spent [Hz]."""
    amplitudes: float | None
    """Large to small amplitudes at the same frequency: ratio of their 90th to their 10th percentile, median over
    `BANDS` [1]."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """Half cycles of motion: between one turning point of a joint and the next. Arrays of shape (H,)."""

    frequency: NDArray[np.float64]
    """[Hz]"""
    amplitude: NDArray[np.float64]
    """[rad]"""

    @property
    def seconds(self) -> NDArray[np.float64]:
        """How long each lasted [s]."""
        return 0.5 / self.frequency


def coverage(recording: Recording) -> dict[Kind, Coverage]:
    """The figures of a recording, by kind of joint; only rows within segments count."""
    rows = recording.segment >= 0
    moved = {kind: cycles(recording, kind) for kind in BY_KIND}
    return {kind: _coverage(recording, rows, joints, moved[kind]) for kind, joints in BY_KIND.items()}


def _coverage(recording: Recording, rows: NDArray[np.bool_], joints: list[int], moved: Cycles) -> Coverage:
    error = (recording.q_target - recording.q)[rows][:, joints]
    dq, tau = recording.dq[rows][:, joints], recording.tau_est[rows][:, joints]
    speed, torque = _extent(dq), _extent(tau)
    return Coverage(
        error=_extent(error) or 0.0,
        speed=speed,
        torque=torque,
        filled=_filled(error, dq) if speed else None,
        lowest=_quantile(moved, 0.05),
        highest=_quantile(moved, 0.95),
        amplitudes=_amplitudes(moved),
    )


def cycles(recording: Recording, kind: Kind) -> Cycles:
    """All half cycles of the four joints of a kind, within segments and above `SMALLEST`."""
    time = recording.clock
    found: list[NDArray[np.float64]] = [np.zeros((0, 2))]
    for row in recording.segments:
        rows = slice(int(row["start"]), int(row["stop"]))
        for joint in BY_KIND[kind]:
            q = recording.q[rows, joint].astype(float)
            turns = turning_points(q, SMALLEST)
            span, travel = np.diff(time[rows][turns]), np.abs(np.diff(q[turns]))
            found.append(np.stack([0.5 / span, 0.5 * travel], axis=1))
    frequency, amplitude = np.concatenate(found).T
    return Cycles(frequency, amplitude)


def turning_points(q: NDArray[np.float64], threshold: float) -> NDArray[np.intp]:
    """Rows at which a motion turns, having moved by more than `threshold` since it turned before.

    Args:
        q: shape (N,).
        threshold: in the unit of q; what is smaller is noise.
    """
    extremes = np.flatnonzero(np.diff(np.sign(np.diff(q))) != 0) + 1
    turns: list[int] = []
    up = 0  # the direction of travel: unknown until the motion has left its beginning
    low = high = 0
    for row in (*extremes.tolist(), *range(max(len(q) - 1, 0), len(q))):
        value = q[row]
        low = row if value < q[low] else low
        high = row if value > q[high] else high
        if up >= 0 and q[high] - value > threshold:
            turns.append(high)
            up, low = -1, row
        elif up <= 0 and value - q[low] > threshold:
            turns.append(low)
            up, high = 1, row
    return np.array(turns if turns and turns[0] else turns[1:], dtype=np.intp)  # the first row is no turn


def _extent(values: NDArray[np.float32]) -> float | None:
    known = np.abs(values[np.isfinite(values)])
    return float(np.percentile(known, 99)) if len(known) else None


def _filled(error: NDArray[np.float32], dq: NDArray[np.float32]) -> float:
    edges = [np.linspace(-limit, limit, CELLS + 1) for limit in (_extent(error) or 1.0, _extent(dq) or 1.0)]
    counts = np.histogram2d(error.ravel(), dq.ravel(), bins=edges)[0]
    return float((counts >= _ROWS_A_CELL).mean())


def _quantile(moved: Cycles, share: float) -> float | None:
    """Frequency below which this share of the moving time was spent."""
    if not len(moved.frequency):
        return None
    order = np.argsort(moved.frequency)
    passed = np.cumsum(moved.seconds[order])
    return float(moved.frequency[order][np.searchsorted(passed, share * passed[-1])])


def _amplitudes(moved: Cycles) -> float | None:
    ratios = []
    for low, high in pairwise(BANDS.tolist()):
        here = (moved.frequency >= low) & (moved.frequency < high)
        if here.sum() >= 4 * 2:  # every joint once there and back
            small, large = np.percentile(moved.amplitude[here], (10, 90))
            ratios.append(large / small)
    return float(np.median(ratios)) if ratios else None
