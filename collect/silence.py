"""What a motor did when the commands stopped: told from a joint that was moving just then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Effect = Literal["hold_target", "hold_torque", "damp", "off"]

BETTER = 0.5
"""Another law must leave less than this share of the squares that the last command leaves [1]."""
SETTLED = 0.012
"""A command is in force this long after it was sent: 4 to 8 ms on real Go2s, and the current loop's lag [s]."""
NOTHING = 0.1
"""A smaller constant torque is none: sensors have steps of .05 [Nm]."""
OFF_KD = 0.3
"""A motor that brakes with less than this does not brake [Nm·s/rad]."""
AT_REST = 0.05
"""A joint slower than this shows no brake [rad/s]."""
LAG = 2
"""Rows that a motor's current takes to change its law; they say nothing [1]."""


@dataclass(frozen=True)
class Reaction:
    """How the motor's law changed."""

    effect: Effect
    """hold_target: it follows the last command on; hold_torque: its torque stands still; damp: it brakes; off."""
    after: float | None
    """Time from the last command to that, to some ms, of a torque that holds to some 10 ms; None where nothing
    changed [s]."""
    kd: float | None
    """With what it brakes, roughly: the current loop lags behind a joint that is stopped within 20 ms [Nm·s/rad]."""


def reaction(
    time: NDArray[np.float64],
    q: NDArray[np.float64],
    dq: NDArray[np.float64],
    tau: NDArray[np.float64],
    q_target: NDArray[np.float64],
    kp: float,
    kd: float,
) -> Reaction:
    """Find the law, and when it began, that explains the torque with the least squares.

    Until a moment T the motor follows its last command, tau = kp·(q_target − q) − kd·dq; from then on its torque is
    constant, −K·dq, or nothing. All T and all laws are tried.

    Args:
        time: of each row from the last command on, negative before it; shape (N,) [s].
        q: position of the joint, shape (N,) [rad].
        dq: its speed, shape (N,) [rad/s].
        tau: its reported torque, shape (N,) [Nm].
        q_target: the last one sent, shape (N,) [rad].
        kp: in force throughout [Nm/rad].
        kd: likewise [Nm·s/rad].
    """
    left = tau - (kp * (q_target - q) - kd * dq)
    left = left - np.median(left[time < -SETTLED])  # encoder and current sensor have offsets
    rows = time > SETTLED
    time, dq, tau = time[rows], dq[rows], tau[rows]
    followed = np.concatenate([[0.0], np.cumsum(np.square(left[rows]))])
    total = float(followed[-1])
    best, found = BETTER * total, Reaction("hold_target", None, None)
    for row in range(len(time) - 10 - LAG):
        later, speed = tau[row + LAG :], dq[row + LAG :]
        moving = np.abs(speed).max() > AT_REST
        brake = max(-float(later @ speed) / float(speed @ speed), 0.0) if moving else 0.0
        constant = followed[row] + np.square(later - later.mean()).sum()
        braked = followed[row] + np.square(later + brake * speed).sum()
        if min(constant, braked) < best:
            best, after = float(min(constant, braked)), float(time[row])
            if constant < braked and abs(later.mean()) > NOTHING:
                found = Reaction("hold_torque", after, None)
            else:
                found = Reaction("damp" if brake > OFF_KD else "off", after, brake)
    return found
