"""What is known of one tick while the robot moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.joints import LOWER, N_JOINTS, TORQUE, UPPER
from collect.limits import MAX_LATE, REST_TOLERANCE, STUCK_ERROR, STUCK_TORQUE
from collect.messages import SERVO


@dataclass
class Watch:
    """Filled in by the loop. Arrays are of shape (12,) in SDK order, reused from tick to tick."""

    period: float = 0.002
    """Time between ticks [s]."""
    age: float = 0.0
    """Since the newest state was received [s]."""
    late: float = 0.0
    """How much longer than a period the loop slept [s]."""
    max_late: float = MAX_LATE
    """How much it may; more only where the operator accepts it [s]."""
    late_rows: int = 0
    """Of the last second: before which the loop came round more than 1 ms late."""
    tick_step: int = 2
    """The robot's clock against the row before [ms]."""
    gaps: int = 0
    """Of the robot's clock, within the last second."""
    frozen: float = 0.0
    """For how long moving motors have reported the same [s]."""
    bad_crcs: int = 0
    """Corrupt states within the last second."""
    bad_states: int = 0
    """States with absurd numbers within the last ten."""
    q: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    dq: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    low: NDArray[np.float64] = field(default_factory=lambda: LOWER - REST_TOLERANCE)
    """Where the joint's range ends: the URDF's with a tolerance, or measured mechanical stops [rad]."""
    high: NDArray[np.float64] = field(default_factory=lambda: UPPER + REST_TOLERANCE)
    """Likewise at the other end [rad]."""
    dq_before: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    """Of the state before [rad/s]."""
    tau_est: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    tracking: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    """|q_target − q| [rad]."""
    predicted: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    """The same in the plan's prediction [rad]."""
    stuck: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    """For how long tracking has been out of bounds [s]."""
    pressed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    """For how long torque has been near its limit [s]."""
    temperature: NDArray[np.uint8] = field(default_factory=lambda: np.full(N_JOINTS, 40, np.uint8))
    warming: NDArray[np.int16] = field(default_factory=lambda: np.zeros(N_JOINTS, np.int16))
    """Rise of the temperature within the last second [°C]."""
    mode: NDArray[np.uint8] = field(default_factory=lambda: np.full(N_JOINTS, SERVO, np.uint8))
    lost: int = 0
    """Packets the motor bus lost within the last second."""
    tilt: float = 0.0
    """Largest change of roll or pitch against the start [rad]."""
    accel: float = 9.81
    """Magnitude of what the accelerometer feels [m/s²]."""
    others: int = 0
    """New writers of rt/lowcmd."""
    foreign: int = 0
    """Commands that somebody else sent."""
    remote: bool = False
    """L2 and B are pressed on the robot's remote control."""
    journal: str = ""
    """What is wrong with the journal, empty when nothing is."""
    behind: float = 0.0
    """Since the journal was last brought to the disk [s]."""
    overrun: float = 0.0
    """By how much the session has outlasted its program [s]."""
    guard_age: float = 0.0
    """Since the guard's last beat, infinite when it is dead [s]."""

    def observe(self, q: Any, dq: Any, tau_est: Any, q_target: Any, predicted: Any) -> None:
        """Take over one state and the command it was answered with; advances the timers."""
        self.dq_before[:] = self.dq
        self.q[:], self.dq[:], self.tau_est[:], self.predicted[:] = q, dq, tau_est, predicted
        np.abs(q_target - self.q, out=self.tracking)
        bound = np.maximum(STUCK_ERROR, 3.0 * self.predicted)
        self.stuck[:] = np.where(self.tracking <= bound, 0.0, self.stuck + self.period)
        near = np.abs(self.tau_est) <= STUCK_TORQUE * TORQUE
        self.pressed[:] = np.where(near, 0.0, self.pressed + self.period)


def usable(q: Any, dq: Any, tau_est: Any) -> bool:
    """Whether a state's numbers can be meant: |q| ≤ 7 rad, |dq| ≤ 60 rad/s, |tau_est| ≤ 100 Nm, none NaN."""
    return bool((np.abs(q) <= 7.0).all() and (np.abs(dq) <= 60.0).all() and (np.abs(tau_est) <= 100.0).all())
