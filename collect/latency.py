"""The delay from a command to the torque it makes, per joint, from a recording alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collect.channels import REPEATED
from collect.joints import N_JOINTS
from collect.recording import Recording

LONGEST = 0.040
"""Longest delay looked for; real Go2s show 4 to 8 ms [s]."""
SURE = 0.001
"""An estimate with a larger standard error is none [s]."""
_PRIOR = 0.05
"""How far the gains that a motor keeps may lie from those it was told: the tolerance that keeps delay and gains
apart where a recording excites too little to tell them apart [1]."""
_CORRELATION = 0.1
"""What the model misses stays alike for so long: ten independent samples a second [s]."""
_MOST = 30_000
"""Rows used, evenly chosen; more change nothing but the waiting."""


def delays(recording: Recording) -> NDArray[np.float64]:
    """Delay of each motor, shape (12,) [s]; NaN where the recording does not tell.

    The law of the motor is tau = g₁·kp·(q_target(t − d) − q) − g₂·kd·dq + c. For every d of a grid the gains g near 1
    and the offset c follow by regularised least squares; a parabola through the best d and its neighbours gives
    the fraction of a row. Targets are joined by straight lines between the moments at which they were sent (or, where
    that is unknown, logged), so d is the effective delay: transport, half a period of hold, current loop.
    """
    rows = _rows(recording)
    if len(rows) < 100 or np.isnan(recording.tau_est).all() or np.isnan(recording.dq).all():
        return np.full(N_JOINTS, np.nan)
    return np.array([_Joint(recording, rows, joint).delay() for joint in range(N_JOINTS)])


def _rows(recording: Recording) -> NDArray[np.intp]:
    """Stiff rows with a past, whose state is not the one before."""
    time = recording.clock
    kept = (time > time[0] + LONGEST) & (recording.kp > 0.0).all(axis=1) & ((recording.flags & REPEATED) == 0)
    rows = np.flatnonzero(kept)
    return rows[:: max(1, -(-len(rows) // _MOST))]


class _Joint:
    """What the least squares of one joint need."""

    def __init__(self, recording: Recording, rows: NDArray[np.intp], joint: int) -> None:
        age = np.nan_to_num(recording.command_age).astype(float)
        self._sent, self._target = recording.clock - np.median(age), recording.q_target[:, joint].astype(float)
        self._time = recording.clock[rows]
        self._q, dq, self._kp, kd, self._tau = (
            table[rows, joint].astype(float)
            for table in (recording.q, recording.dq, recording.kp, recording.kd, recording.tau_est)
        )
        self._damping = -kd * dq
        self._independent = max(len(rows) / (_CORRELATION * recording.rate), 1.0)

    def delay(self) -> float:
        """The best delay, NaN when its standard error is above `SURE`."""
        grid = np.arange(0.0, LONGEST + 1e-9, 1e-3)
        noise = min(self._loss(d, np.inf) for d in grid)
        if not 0.0 < noise < self._tau.var():
            return float("nan")
        weight = noise / self._independent / _PRIOR**2
        losses = np.array([self._loss(d, weight) for d in grid])
        best = int(np.argmin(losses))
        if best in (0, len(grid) - 1):
            return float("nan")
        before, least, after = losses[best - 1 : best + 2]
        bend = before - 2.0 * least + after
        step = grid[1] - grid[0]
        error = np.sqrt(2.0 * least / bend / self._independent) * step
        return float(grid[best] + 0.5 * step * (before - after) / bend) if error < SURE else float("nan")

    def _loss(self, delay: float, weight: float) -> float:
        """Mean square of what is left at this delay, plus the weighted distance of the gains from 1 [Nm²]."""
        late = np.interp(self._time - delay, self._sent, self._target)
        spring = self._kp * (late - self._q)
        left = self._tau - spring - self._damping
        left = left - left.mean()
        if np.isinf(weight):
            return float(np.mean(left**2))
        inputs = np.stack([spring - spring.mean(), self._damping - self._damping.mean()], axis=1)
        gram = inputs.T @ inputs / len(left) + weight * np.eye(2)
        change = np.linalg.solve(gram, inputs.T @ left / len(left))
        return float(np.mean((left - inputs @ change) ** 2) + weight * change @ change)
