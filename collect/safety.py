"""What stops a session: one table of checks, evaluated every tick, printed by `collect check`, walked by the tests.

Comparisons are written so that NaN trips: `not (x <= limit)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

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
LATE_SHARE = 0.05
"""Share of a second's rows before which the loop may come round more than 1 ms late. Two cores that four test suites
keep busy reach .015 with real-time scheduling [1]."""
FROZEN = 0.05
"""Positions, velocities and torques that are the same to the last bit for this long while the targets move [s]."""
BEHIND = 2.0
"""The journal may be kept from the disk for this long; it is in memory, but not yet safe from a power cut [s]."""
OVERRUN = 5.0
"""A session may take this much longer than its program [s]."""
GUARD_AGE = 0.1
"""The guard beats every 20 ms [s]."""


@dataclass
class Watch:
    """What the checks see of one tick. Arrays are of shape (12,) in SDK order, reused from tick to tick."""

    period: float = 0.002
    """Time between ticks [s]."""
    age: float = 0.0
    """Since the newest state was received [s]."""
    late: float = 0.0
    """How much longer than a period the loop slept [s]."""
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


Verdict = Callable[[Watch], "str | None"]


@dataclass(frozen=True)
class Check:
    """One reason to stop."""

    code: str
    trigger: str
    """In words, with the limit."""
    needs: str
    """What the peer must deliver for it; a simulator without it is run without the check."""
    verdict: Verdict | None
    """The measured value in words when it trips, else None; absent where the event itself stops the session."""
    reaction: Literal["damp", "return"] = "damp"
    """Damping at once, or home along a ramp and then damping."""


def _worst(values: NDArray[Any], ok: NDArray[np.bool_], unit: str) -> str | None:
    """The first joint that is not ok, with its value."""
    if ok.all():
        return None
    joint = int(np.argmin(ok))
    return f"{NAMES[joint]} {values[joint]:.3g} {unit}"


def _stops_in_range(watch: Watch) -> str | None:
    """Where each joint would come to rest; only outward motion counts, for a leg may rest beyond the range."""
    rest = watch.q + STOP_TIME * watch.dq
    ok = (rest - watch.low >= STOP_MARGIN) & (watch.high - rest >= STOP_MARGIN)
    if ok.all():
        return None
    low, high = watch.low + STOP_MARGIN, watch.high - STOP_MARGIN
    inward = ((watch.q < low) & (watch.dq > -STILL_SPEED)) | ((watch.q > high) & (watch.dq < STILL_SPEED))
    return _worst(watch.q, ok | inward, "rad and moving outward, cannot stop in range")


def _overspeed(watch: Watch) -> str | None:
    return _worst(watch.dq, (np.abs(watch.dq) <= MAX_SPEED) | (np.abs(watch.dq_before) <= MAX_SPEED), "rad/s")


def _overheated(watch: Watch) -> str | None:
    temperature = watch.temperature
    return _worst(temperature, (temperature > 0) & (temperature < HOT), "°C") or _worst(
        watch.warming, watch.warming <= MAX_WARMING, "°C warmer than a second ago"
    )


def _unseated(watch: Watch) -> str | None:
    if not watch.tilt <= MAX_TILT:
        return f"body tilted by {watch.tilt:.2f} rad"
    return None if watch.accel <= MAX_ACCEL else f"body accelerated at {watch.accel:.1f} m/s²"


def _late(watch: Watch) -> str | None:
    if not watch.late <= MAX_LATE:
        return f"control loop slept {watch.late * 1e3:.0f} ms"
    return None if watch.late_rows <= LATE_SHARE * SECOND else f"{watch.late_rows} of {SECOND} rows late"


def _clock(watch: Watch) -> str | None:
    if not 0 < watch.tick_step <= MAX_TICK_JUMP:
        return f"robot clock stepped by {watch.tick_step} ms"
    return None if watch.gaps <= MAX_GAPS else f"{watch.gaps} gaps in 1 s"


def _intruder(watch: Watch) -> str | None:
    if watch.foreign:
        return f"{watch.foreign} command(s) of somebody else on rt/lowcmd: damping may be overridden, press power"
    return f"{watch.others} new writer(s) of rt/lowcmd: press power" if watch.others else None


CHECKS: tuple[Check, ...] = (
    Check("S2", "the operator presses Ctrl-C", "", None),
    Check("S4", "SIGTERM, SIGHUP (the terminal was closed) or SIGQUIT", "", None),
    Check("S5", "the control process dies: the guard damps", "", None),
    Check("S6", "the control process hangs for 20 ms: the guard damps and kills it", "", None),
    Check("S7", f"the guard is dead or has not beaten for {GUARD_AGE * 1e3:.0f} ms", "", lambda w: (
        None if w.guard_age <= GUARD_AGE else "guard died" if w.guard_age == np.inf else "guard hangs")),
    Check("L1", f"newest robot state older than {STATE_AGE * 1e3:.0f} ms", "", lambda w: (
        None if w.age <= STATE_AGE else f"no robot state for {w.age * 1e3:.1f} ms")),
    Check("L2", f"robot clock goes back, jumps by more than {MAX_TICK_JUMP} ms, or has more than {MAX_GAPS} gaps "
          "in a second", "tick", _clock),
    Check("L3", f"all motors report the same to the last bit for {FROZEN} s while their targets move", "", lambda w: (
        None if w.frozen < FROZEN else f"states frozen for {w.frozen * 1e3:.0f} ms")),
    Check("L4", "3 of the last 10 states hold numbers that are not finite or absurd", "", lambda w: (
        None if w.bad_states < 3 else f"{w.bad_states} of 10 states unusable")),
    Check("L5", "more than 5 states in a second fail their CRC", "crc", lambda w: (
        None if w.bad_crcs <= 5 else f"{w.bad_crcs} corrupt states in 1 s")),
    Check("L6", f"a joint cannot stop within its range (measured stops, or URDF ± {REST_TOLERANCE} rad)", "",
          _stops_in_range),
    Check("L7", "a joint turns faster than 22 rad/s (calf 14), two states in a row", "", _overspeed),
    Check("L8", f"tracking error above {STUCK_ERROR} rad and thrice the prediction for {STUCK_TIME} s, or torque above "
          f"{STUCK_TORQUE:.0%} of the limit for {STUCK_TORQUE_TIME} s", "", lambda w: (
        _worst(w.tracking, w.stuck < STUCK_TIME, "rad off its target: blocked, or wrong joint?")
        or _worst(w.tau_est, w.pressed < STUCK_TORQUE_TIME, "Nm for too long"))),
    Check("L9", f"a motor at {HOT} °C or more, its sensor at 0 or 255, or warmer by more than {MAX_WARMING} °C within "
          "a second", "temperature", _overheated),
    Check("L10", "a motor leaves servo mode, or the motor bus loses 5 packets in a second", "mode", lambda w: (
        _worst(w.mode, w.mode == SERVO, "is its motor mode") or (None if w.lost < 5 else f"{w.lost} packets lost"))),
    Check("L11", "another commander appears on rt/lowcmd", "", _intruder),
    Check("L12", f"the control loop sleeps {MAX_LATE * 1e3:.0f} ms too long, or comes round 1 ms late "
          f"before {LATE_SHARE:.0%} of a second's rows", "", _late),
    Check("L13", "any exception in the loop", "", None),
    Check("L14", "a command of ours is not finite, out of range, or without damping: it is not sent", "", None),
    Check("L15", "DDS cannot send", "", None),
    Check("L16", "L2 + B are pressed on the robot's remote control", "", lambda w: (
        "remote control: L2 + B" if w.remote else None)),
    Check("L17", f"the body tilts by more than {MAX_TILT} rad or is accelerated by more than {MAX_ACCEL} m/s²", "",
          _unseated),
    Check("L20", f"the session lasts {OVERRUN:.0f} s longer than its program", "", lambda w: (
        None if w.overrun <= OVERRUN else f"{w.overrun:.1f} s over time")),
    Check("L9", f"a motor at {WARM} °C", "temperature", lambda w: (
        _worst(w.temperature, w.temperature < WARM, "°C")), "return"),
    Check("L18", f"the journal cannot be brought to the disk, or not for {BEHIND:.0f} s", "", lambda w: (
        w.journal or (None if w.behind <= BEHIND else f"disk behind by {w.behind:.1f} s")), "return"),
)  # fmt: skip
"""Evaluated every tick, in this order; the first that trips ends the session: damping, latched."""


def tripped(watch: Watch, checks: tuple[Check, ...] = CHECKS) -> tuple[Check, str] | None:
    """The first check that trips, with `CODE what was measured (limit)`; None while all is well."""
    for check in checks:
        if check.verdict is not None and (measured := check.verdict(watch)) is not None:
            return check, f"{check.code} {measured} (limit: {check.trigger})"
    return None


def usable(q: Any, dq: Any, tau_est: Any) -> bool:
    """Whether a state's numbers can be meant: |q| ≤ 7 rad, |dq| ≤ 60 rad/s, |tau_est| ≤ 100 Nm, none NaN."""
    return bool((np.abs(q) <= 7.0).all() and (np.abs(dq) <= 60.0).all() and (np.abs(tau_est) <= 100.0).all())
