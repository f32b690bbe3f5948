"""What a recording is worth: rate, gaps, motion, torque, fixture and noise floor, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.channels import GAP, LATE, REPEATED
from collect.joints import BY_KIND, SPEED, TORQUE, Kind
from collect.recording import Recording


@dataclass(frozen=True)
class Quality:
    """Figures of one recording."""

    rows: int
    duration: float
    """From first to last row [s]."""
    rate: float
    """Rows per second by the robot's clock where it is recorded, else by ours [Hz]."""
    missing_ticks: int
    """Robot ticks without a row; 0 where no clock is recorded."""
    repeated_ticks: int
    """Rows whose tick is not later than the one before; 0 where no clock is recorded."""
    gaps: int
    late: int
    repeated_states: int
    """Rows flagged so."""
    interval_p99: float
    """99th percentile of the time between rows [s]."""
    command_age: float
    """Median age of the command in force [s]; NaN when unknown."""
    hottest: int | None
    """Warmest motor [°C]."""
    body_rate: float
    """Root mean square of the body's angular velocity [rad/s]: does the fixture hold still?"""
    speed: dict[Kind, float]
    """Fastest joint of each kind, as a share of its limit."""
    torque: dict[Kind, float]
    """Largest reported torque of each kind, as a share of its limit; NaN where none is recorded."""
    noise_floor: dict[Kind, float] | None
    """Root mean square of tau_est's part that did not repeat [Nm]; None without a repeated segment."""


def assess(recording: Recording) -> Quality:
    """The figures of a recording."""
    time, tick = recording.time, recording.tick
    ticks = tick.astype(np.int64) if tick is not None else np.zeros(0, np.int64)
    steps = ticks[1:] - ticks[:-1]
    span = float(time[-1] - time[0])
    if tick is not None and tick[-1] > tick[0]:
        span = float(int(tick[-1]) - int(tick[0])) * 1e-3
    period_ms = 1e3 / recording.rate
    return Quality(
        rows=len(recording),
        duration=span,
        rate=(len(recording) - 1) / span if span > 0.0 else float("nan"),
        missing_ticks=int(np.maximum(np.round(steps / period_ms) - 1, 0).sum()),
        repeated_ticks=int((steps <= 0).sum()),
        gaps=_flagged(recording, GAP),
        late=_flagged(recording, LATE),
        repeated_states=_flagged(recording, REPEATED),
        interval_p99=float(np.percentile(np.diff(time), 99)) if len(time) > 1 else float("nan"),
        command_age=_median(recording.command_age),
        hottest=int(recording.temperature.max()) if recording.temperature is not None else None,
        body_rate=float(np.sqrt(np.mean(np.sum(recording.gyro.astype(float) ** 2, axis=1)))),
        speed=_peaks(recording.dq, SPEED),
        torque=_peaks(recording.tau_est, TORQUE),
        noise_floor=noise_floor(recording),
    )


def noise_floor(recording: Recording) -> dict[Kind, float] | None:
    """What no model can predict: the part of tau_est that differs when a segment is repeated [Nm].

    A segment called `X_repeat` repeats X row by row. Each of the two holds half of the difference's
    variance, so the floor is its root mean square over √2.
    """
    table = {
        name.decode(): (int(start), int(stop)) for name, start, stop in recording.segments[["name", "start", "stop"]]
    }
    differences: list[NDArray[np.float64]] = []
    for name, (start, stop) in table.items():
        first = table.get(name.removesuffix("_repeat"), (0, 0)) if name.endswith("_repeat") else (0, 0)
        rows = min(stop - start, first[1] - first[0])
        if rows > 0:
            again = recording.tau_est[start : start + rows].astype(float)
            differences.append(again - recording.tau_est[first[0] : first[0] + rows])
    if not differences:
        return None
    both = np.concatenate(differences) / np.sqrt(2.0)
    return {kind: float(np.sqrt(np.mean(both[:, joints] ** 2))) for kind, joints in BY_KIND.items()}


def _flagged(recording: Recording, bit: int) -> int:
    return int(np.count_nonzero(recording.flags & bit))


def _median(values: NDArray[np.float32]) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmedian(values))


def _peaks(values: NDArray[np.float32], limit: NDArray[np.float64]) -> dict[Kind, float]:
    share = np.abs(values) / limit
    return {kind: float(share[:, joints].max()) for kind, joints in BY_KIND.items()}
