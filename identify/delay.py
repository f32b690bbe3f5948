"""How late a motor obeys: the age of the target that explains its torque best, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from identify.dataset import Series
from identify.features import Array, at

Rows = NDArray[np.bool_]

LONGEST = 0.040
"""Longest delay looked for [s]; real Go2 logs show 6 to 8 ms, the 50 Hz of a policy is 20."""
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_BLOCK = 0.5
"""Errors further apart than this are taken to be independent [s]."""
_SLOPE = 2.5e-4
"""Half the step over which the slope of torque over delay is taken [s]."""


def delayed_pd(data: Series, delay: float) -> Array:
    """The motor's law on a target `delay` seconds old, interpolated between rows; NaN outside of stretches."""
    out = np.full_like(data.q, np.nan)
    for rows in data.stretches:
        old = at(data.sent[rows], data.q_target[rows], data.sampled[rows] - delay)
        out[rows] = data.kp[rows] * (old - data.q[rows]) - data.kd[rows] * data.dq[rows]
    return out


def find_delay(data: Sequence[Series], rows: Sequence[Rows]) -> tuple[float, tuple[float, float]]:
    """The delay of the least squared error on the chosen rows, and its 95 % confidence interval [s]."""

    def loss(delay: float) -> float:
        pairs = zip(data, rows, strict=True)
        errors = ((delayed_pd(one, delay)[kept] - one.torque[kept])[:, one.learned] for one, kept in pairs)
        return float(sum(np.square(error).sum() for error in errors))

    delay = least(loss, 0.0, LONGEST)
    half = 1.96 * _standard_error(data, rows, delay)
    return delay, (max(0.0, delay - half), delay + half)


def least(loss: Callable[[float], float], low: float, high: float) -> float:
    """The delay of the least loss between two [s]: a grid of 1 ms, then golden section beside the best of it."""
    grid = np.arange(low, high + 1e-9, 1e-3)
    best = int(np.argmin([loss(delay) for delay in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    while high - low > 1e-5:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return (low + high) / 2.0


def _standard_error(data: Sequence[Series], rows: Sequence[Rows], delay: float) -> float:
    """Of the delay [s]: blocks of rows are drawn, not rows, for errors of neighbours resemble each other.

    With g the slope of the torque over the delay and e the error it is √Σ(Σ g·e)² / Σ g², the inner sums over a
    block of all joints (Liang and Zeger, Biometrika 73, 1986: the sandwich for clustered errors).
    """
    scores: list[Array] = []
    curvature = 0.0
    for one, kept in zip(data, rows, strict=True):
        later, sooner = delayed_pd(one, delay + _SLOPE), delayed_pd(one, max(0.0, delay - _SLOPE))
        slope = (later - sooner)[kept][:, one.learned]
        slope /= _SLOPE + min(delay, _SLOPE)
        error = (delayed_pd(one, delay) - one.torque)[kept][:, one.learned]
        _, block = np.unique((one.time[kept] // _BLOCK).astype(int), return_inverse=True)
        scores.append(np.asarray(np.bincount(block, (slope * error).sum(1)), float))
        curvature += float(np.square(slope).sum())
    return float(np.sqrt(np.square(np.concatenate(scores)).sum()) / curvature) if curvature > 0.0 else float("inf")
