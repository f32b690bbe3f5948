"""Targets as a policy hands them over: a new one at each of its instants, held until the next.

What a motor was told is in the log; what a net is told is a matter of who calls it. A simulator whose policy runs at
50 Hz calls it at 200 Hz with targets that stand still for four calls. `features.target_hold` shows a log so, too:

    logged as steps, held at least so long     the instants are the rows at which they stepped, whatever their
                                               jitter; a step is a step and no longer the ramp of a row
    logged otherwise                           the instants are a grid from the start of the stretch

The second tells the net another command than the motor was given: torque and motion followed what was logged, a hold of
20 ms is 10 ms late on the mean, and `falsified` says by how many Nm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from identify.features import Array, at

_STILL = 1e-6
"""A target that changes by no more from row to row stands still [rad]: the rounding of a prepared file's float32."""
_SPARE = 1.25
"""Targets are held for `hold` where they step at most so many times as often: a policy's clock is not the log's."""
_NOTHING = 0.001
"""Of which nothing is said [Nm]."""


def targets(time: Array, q_target: Array, hold: float, when: Array) -> Array:
    """The targets that a net sees in one stretch of a log.

    Args:
        time: of the rows, shape (N,) [s].
        q_target: in force at them, shape (N, 12) [rad].
        hold: the time for which a policy's target stands, `Features.target_hold` [s]; 0 for targets as logged.
        when: times of the calls, shape (M,), or (M, 12) where every joint is called at its own [s].

    Returns:
        Shape (M, 12) [rad]: that of the last instant, or as logged, interpolated between rows.
    """
    if not hold:
        return at(time, q_target, when)
    spoken = instants(time, q_target, hold)
    # A nanosecond of slack: times are sums of periods, and 0.3 − 0.1 is not 0.2.
    last = np.maximum(np.searchsorted(spoken, when + 1e-9, side="right") - 1, 0)
    values = at(time, q_target, spoken)
    return np.asarray(np.take_along_axis(values, last, axis=0) if when.ndim == 2 else values[last])


def instants(time: Array, q_target: Array, hold: float) -> Array:
    """When the targets (N, 12) [rad] of a stretch, its rows at `time` (N,) [s], are taken to be new: shape (K,) [s]."""
    stepped = time[1:][(np.abs(np.diff(q_target, axis=0)) > _STILL).any(1)]
    length = float(time[-1] - time[0])
    if len(stepped) <= _SPARE * length / hold + 1.0:
        return np.concatenate([time[:1], stepped])
    return np.arange(time[0], time[-1] + 1e-9, hold)


def warning(time: Array, q_target: Array, kp: Array, stretches: Sequence[slice], hold: float) -> str:
    """What is to be said of a log whose targets are held; empty where they were. Arguments as of `falsified`."""
    wrong = falsified(time, q_target, kp, stretches, hold)
    if wrong < _NOTHING:
        return ""
    what = (
        f"its targets are no steps of {1e3 * hold:g} ms: held so, kp·e is {wrong:.2g} Nm rms off what its motors obeyed"
    )
    return f"{what}; leave out target_hold, or record a staircase"


def falsified(time: Array, q_target: Array, kp: Array, stretches: Sequence[slice], hold: float) -> float:
    """By how much kp·e changes where targets are held that were not: rms over rows and joints [Nm], 0 for steps.

    Args:
        time: of the rows, shape (N,) [s].
        q_target: shape (N, 12) [rad].
        kp: shape (N, 12) [Nm/rad].
        stretches: rows without a gap.
        hold: `Features.target_hold` [s].
    """
    square, count = 0.0, 0
    for rows in stretches:
        moved = targets(time[rows], q_target[rows], hold, time[rows]) - q_target[rows]
        square += float(np.square(kp[rows] * moved).sum())
        count += moved.size
    return float(np.sqrt(square / max(1, count)))
