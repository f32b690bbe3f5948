"""What a net has to beat: the motor's law as it stands, the law with a delay, and a straight line.

    ideal_pd      tau = kp·(q_target − q) − kd·dq
    delayed_pd    tau = kp·(q_target(t − d) − q) − kd·dq      the motor gets its target late, its sensors not
    linear        tau = w·x + b                               x: the net's own input

The delay, the weights and the offset are fitted by least squares on the rows the net is trained on, and on no others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from identify.dataset import Series, inputs
from identify.features import Array, Features, at
from identify.runs import Baselines

Rows = NDArray[np.bool_]

_LONGEST = 0.040
"""Longest delay looked for [s]; real Go2 logs show 6 to 8 ms, the 50 Hz of a policy is 20."""
_GOLDEN = (5.0**0.5 - 1.0) / 2.0


def ideal_pd(data: Series) -> Array:
    """The law without a delay: torque at every row, shape (N, 12) [Nm]."""
    return data.kp * (data.q_target - data.q) - data.kd * data.dq


def delayed_pd(data: Series, delay: float) -> Array:
    """The law on a target `delay` seconds old, interpolated between rows; NaN outside of stretches."""
    out = np.full_like(data.q, np.nan)
    for rows in data.stretches:
        old = at(data.time[rows], data.q_target[rows], data.time[rows] - delay)
        out[rows] = data.kp[rows] * (old - data.q[rows]) - data.kd[rows] * data.dq[rows]
    return out


def linear(features: Features, baselines: Baselines, data: Series) -> Array:
    """A straight line through the net's own inputs; NaN outside of stretches."""
    out, rows = np.full_like(data.q, np.nan), data.with_past(0.0)
    out[rows] = inputs(features, data, rows) @ np.array(baselines.weights) + baselines.offset
    return out


def fit(features: Features, data: Sequence[Series], rows: Sequence[Rows]) -> Baselines:
    """Fit what has to be fitted.

    Args:
        features: the net's inputs.
        data: the recordings.
        rows: of each, the training rows, shape (N,).
    """
    weights = _least_squares(features, data, rows)
    return Baselines(_delay(data, rows), tuple(float(w) for w in weights[:-1]), float(weights[-1]))


def _delay(data: Sequence[Series], rows: Sequence[Rows]) -> float:
    """Least squares over a grid of 1 ms, then golden section between the neighbours of the best."""

    def loss(delay: float) -> float:
        errors = (delayed_pd(one, delay)[kept] - one.tau_est[kept] for one, kept in zip(data, rows, strict=True))
        return float(sum(np.square(error).sum() for error in errors))

    grid = np.arange(0.0, _LONGEST + 1e-9, 1e-3)
    best = int(np.argmin([loss(delay) for delay in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    while high - low > 1e-5:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return (low + high) / 2.0


def _least_squares(features: Features, data: Sequence[Series], rows: Sequence[Rows]) -> Array:
    """Weights and offset, from normal equations summed over recordings: memory for one at a time."""
    size = features.width + 1
    gram, moment = np.zeros((size, size)), np.zeros(size)
    for one, kept in zip(data, rows, strict=True):
        x = inputs(features, one, kept).reshape(-1, features.width).astype(np.float64)
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        gram += x.T @ x
        moment += x.T @ one.tau_est[kept].ravel()
    # The least-norm solution: an offset and a full joint identity say the same thing twice.
    return np.asarray(np.linalg.lstsq(gram, moment, rcond=1e-12)[0])
