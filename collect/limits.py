"""Limits that the loop keeps, each with its reason; what must hold before motion is beside its verdicts."""

from __future__ import annotations

import numpy as np

from collect.joints import SPEED

DAMPING_KD = 5.0
"""Velocity gain of the stop. Damping at 5 stops a chirping hung leg within 0.24 rad in simulation, where
zero torque lets it hit its end stop; also what the stop holds against gravity [Nm·s/rad]."""
STILL_SPEED = 0.1
"""A joint slower than this is still [rad/s]."""
STATE_AGE = 0.020
"""Watchdog on silence: Inria's Go2 stack (2 × 10 ms), ODRI firmware (20 ms), Franka (20 packets at 1 kHz) [s]."""
MAX_LATE = 0.008
"""A loop that slept longer than this is not in control [s]."""
REST_TOLERANCE = 0.15
"""Real calves rest at −2.81 rad, beyond the URDF's −2.72: range without measured stops is URDF ± this [rad]."""
STOP_TIME, STOP_MARGIN = 0.02, 0.08
"""Predicted stopping travel at kd 5: 0.02 s · |dq|, kept this far from the end of the range [s], [rad]."""
MAX_SPEED = np.where(SPEED > 20.0, 22.0, 14.0)
"""Overspeed trip of two states in a row, shape (12,): hip and thigh 22, calf 14, below the URDF's 30.1 and 15.7
[rad/s]."""
STUCK_ERROR, STUCK_TIME = 0.35, 0.1
"""Tracking error beyond three times the prediction and this, for this long: blocked or wrong joint [rad], [s]."""
STUCK_TORQUE, STUCK_TORQUE_TIME = 0.9, 0.2
"""Share of the effort limit that may not be exceeded for this long [1], [s]."""
HOT_START, WARM, HOT = 60, 75, 85
"""Motor temperatures for refusing to start, for going home and for stopping; a real Go2 idles at 30 to 49 [°C]."""
MAX_WARMING = 3
"""Faster than 2 °C/s means a broken sensor or winding; the sensor's step of 1 °C is allowed for [°C within 1 s]."""
MAX_TILT, MAX_ACCEL = 0.35, 25.0
"""Body tilt against the start, and acceleration with gravity: the rope slipped or somebody pushes [rad], [m/s²]."""
MAX_TICK_JUMP = 20
"""The robot's clock may skip less than this [ms]."""
SECOND = 500
"""Rows of a second."""
MAX_GAPS = 5
"""Rows of a second that may follow a gap: 1 % [1]."""
LATE_SHARE = 0.02
"""Share of a second's rows before which the loop may come round more than 1 ms late. Two cores that four test suites
keep busy reach .015 with real-time scheduling, and .022 to .42 without [1]."""


def late_share(max_late: float) -> float:
    """`LATE_SHARE`, in proportion more where a loop later than `MAX_LATE` is accepted: longer sleeps, later rows."""
    return LATE_SHARE * max_late / MAX_LATE


FROZEN = 0.05
"""Positions, velocities and torques that are the same to the last bit for this long while the targets move [s]."""
BEHIND = 2.0
"""The journal may be kept from the disk for this long; it is in memory, but not yet safe from a power cut [s]."""
OVERRUN = 5.0
"""A session may take this much longer than its program [s]."""
GUARD_AGE = 0.1
"""The guard beats every 20 ms [s]."""
