"""What stops a session: one table of checks, evaluated every tick, printed by `collect check`, walked by the tests.

Comparisons are written so that NaN trips: `not (x <= limit)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.joints import LOWER, N_JOINTS, NAMES, SPEED, TORQUE, UPPER
from collect.messages import SERVO

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
"""Overspeed trip, shape (12,): hip and thigh 22, calf 14, below the URDF's 30.1 and 15.7 [rad/s]."""
STUCK_ERROR, STUCK_TIME = 0.35, 0.1
"""Tracking error beyond three times the prediction and this, for this long: blocked or wrong joint [rad], [s]."""
STUCK_TORQUE, STUCK_TORQUE_TIME = 0.9, 0.2
"""Share of the effort limit that may not be exceeded for this long [1], [s]."""
HOT_START, HOT = 60, 85
"""Motor temperatures for refusing to start and for stopping; a real Go2 idles at 30 to 49 [°C]."""
MAX_TILT = 0.35
"""Body tilt against the start: the rope slipped or somebody pushes [rad]."""
MAX_TICK_JUMP = 20
"""The robot's clock may skip less than this [ms]."""


@dataclass
class Watch:
    """What the checks see of one tick. Arrays are of shape (12,) in SDK order, reused from tick to tick."""

    period: float = 0.002
    """Time between ticks [s]."""
    age: float = 0.0
    """Since the newest state was received [s]."""
    late: float = 0.0
    """How long the loop left the oldest waiting state [s]."""
    tick_step: int = 2
    """The robot's clock against the row before [ms]."""
    bad_crcs: int = 0
    """Corrupt states within the last second."""
    bad_states: int = 0
    """States with absurd numbers within the last ten."""
    q: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    dq: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
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
    mode: NDArray[np.uint8] = field(default_factory=lambda: np.full(N_JOINTS, SERVO, np.uint8))
    lost: int = 0
    """Packets the motor bus lost within the last second."""
    tilt: float = 0.0
    """Largest change of roll or pitch against the start [rad]."""
    others: int = 0
    """Foreign writers of rt/lowcmd."""

    def observe(self, q: Any, dq: Any, tau_est: Any, q_target: Any, predicted: Any) -> None:
        """Take over one state and the command it was answered with; advances the timers."""
        self.q[:], self.dq[:], self.tau_est[:], self.predicted[:] = q, dq, tau_est, predicted
        np.abs(q_target - self.q, out=self.tracking)
        bound = np.maximum(STUCK_ERROR, 3.0 * self.predicted)
        self.stuck[:] = np.where(self.tracking <= bound, 0.0, self.stuck + self.period)
        near = np.abs(self.tau_est) <= STUCK_TORQUE * TORQUE
        self.pressed[:] = np.where(near, 0.0, self.pressed + self.period)


Verdict = Callable[[Watch], "str | None"]


@dataclass(frozen=True)
class Check:
    """One reason to stop."""

    code: str
    trigger: str
    """In words, with the limit."""
    needs: str
    """What the peer must deliver for it; a simulator without it is run without the check."""
    verdict: Verdict
    """The measured value in words when it trips, else None."""


def _worst(values: NDArray[Any], ok: NDArray[np.bool_], unit: str) -> str | None:
    """The first joint that is not ok, with its value."""
    if ok.all():
        return None
    joint = int(np.argmin(ok))
    return f"{NAMES[joint]} {values[joint]:.3g} {unit}"


def _stops_in_range(watch: Watch) -> str | None:
    """Where each joint would come to rest; only outward motion counts, for a leg may rest beyond the range."""
    travel = STOP_TIME * watch.dq
    low, high = LOWER - REST_TOLERANCE + STOP_MARGIN, UPPER + REST_TOLERANCE - STOP_MARGIN
    inward = ((watch.q < low) & (watch.dq > -STILL_SPEED)) | ((watch.q > high) & (watch.dq < STILL_SPEED))
    ok = ((watch.q + travel >= low) & (watch.q + travel <= high)) | inward
    return _worst(watch.q, ok, "rad and moving outward, cannot stop in range")


CHECKS: tuple[Check, ...] = (
    Check("L1", f"newest robot state older than {STATE_AGE * 1e3:.0f} ms", "", lambda w: (
        None if w.age <= STATE_AGE else f"no robot state for {w.age * 1e3:.1f} ms")),
    Check("L2", f"robot clock goes back or jumps by more than {MAX_TICK_JUMP} ms", "tick", lambda w: (
        None if 0 < w.tick_step <= MAX_TICK_JUMP else f"robot clock stepped by {w.tick_step} ms")),
    Check("L4", "3 of the last 10 states hold numbers that are not finite or absurd", "", lambda w: (
        None if w.bad_states < 3 else f"{w.bad_states} of 10 states unusable")),
    Check("L5", "more than 5 states in a second fail their CRC", "crc", lambda w: (
        None if w.bad_crcs <= 5 else f"{w.bad_crcs} corrupt states in 1 s")),
    Check("L6", f"a joint cannot stop within its range (URDF ± {REST_TOLERANCE} rad)", "", _stops_in_range),
    Check("L7", "a joint turns faster than 22 rad/s (calf 14)", "", lambda w: (
        _worst(w.dq, np.abs(w.dq) <= MAX_SPEED, "rad/s"))),
    Check("L8", f"tracking error above {STUCK_ERROR} rad and thrice the prediction for {STUCK_TIME} s, or torque above "
          f"{STUCK_TORQUE:.0%} of the limit for {STUCK_TORQUE_TIME} s", "", lambda w: (
        _worst(w.tracking, w.stuck < STUCK_TIME, "rad off its target: blocked, or wrong joint?")
        or _worst(w.tau_est, w.pressed < STUCK_TORQUE_TIME, "Nm for too long"))),
    Check("L9", f"a motor at {HOT} °C or more, or its sensor at 0 or 255", "temperature", lambda w: (
        _worst(w.temperature, (w.temperature > 0) & (w.temperature < HOT), "°C"))),
    Check("L10", "a motor leaves servo mode, or the motor bus loses 5 packets in a second", "mode", lambda w: (
        _worst(w.mode, w.mode == SERVO, "is its motor mode") or (None if w.lost < 5 else f"{w.lost} packets lost"))),
    Check("L11", "another commander appears on rt/lowcmd", "", lambda w: (
        None if w.others == 0 else f"{w.others} other writer(s) of rt/lowcmd: press the power switch")),
    Check("L12", f"the control loop sleeps longer than {MAX_LATE * 1e3:.0f} ms", "", lambda w: (
        None if w.late <= MAX_LATE else f"control loop slept {w.late * 1e3:.0f} ms")),
    Check("L17", f"the body tilts by more than {MAX_TILT} rad", "", lambda w: (
        None if w.tilt <= MAX_TILT else f"body tilted by {w.tilt:.2f} rad")),
)  # fmt: skip
"""Evaluated every tick, in this order; the first that trips stops the session: damping, latched."""


def tripped(watch: Watch, checks: tuple[Check, ...] = CHECKS) -> str | None:
    """The first check that trips, as `CODE what was measured (limit)`; None while all is well."""
    for check in checks:
        if (measured := check.verdict(watch)) is not None:
            return f"{check.code} {measured} (limit: {check.trigger})"
    return None


def usable(q: Any, dq: Any, tau_est: Any) -> bool:
    """Whether a state's numbers can be meant: |q| ≤ 7 rad, |dq| ≤ 60 rad/s, |tau_est| ≤ 100 Nm, none NaN."""
    return bool((np.abs(q) <= 7.0).all() and (np.abs(dq) <= 60.0).all() and (np.abs(tau_est) <= 100.0).all())
