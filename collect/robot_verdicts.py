"""Verdicts on the robot: a survey in, what is wrong in words or None out.

Comparisons are written so that NaN trips: `not (x <= limit)`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from collect.acceptance import objection
from collect.joints import N_JOINTS, NAMES, first_wrong
from collect.limits import HOT_START, REST_TOLERANCE, late_share
from collect.messages import SERVO
from collect.pace import PERIOD
from collect.survey import Survey
from collect.watch import usable

FIRST_STATE = 3.0
"""How long the robot may take to be heard [s]."""
RATE_RANGE = (450.0, 550.0)
"""Of rt/lowstate [Hz]."""
MAX_GAP = 0.010
"""Between two states: five of them, half of what stops a session [s]."""
MAX_CORRUPT = 0.01
"""Share of states whose CRC may be wrong [1]."""
MAX_TICK_JUMP = 10
"""Of the robot's clock from state to state beyond the time that passed [ms]."""
CLOCK_RANGE = (0.95, 1.05)
"""What the robot's clock must count in a millisecond of ours: it paces the loop, so its unit must be known [1]."""
FREEZE = 0.5
"""The last digits of a living sensor change sooner than this [s]."""
MAX_START_SPEED = 0.5
"""A leg faster than this is not hanging still [rad/s]."""
MAX_START_TILT = 0.4
"""Roll or pitch beyond this is not hanging level [rad]."""
MIN_CHARGE, MIN_VOLTAGE = 30, 27.0
"""Below this the battery will not last a session [%], [V]."""
MAX_LOST = 5.0
"""Packets that the motor bus may lose in a second; what stops a session [1/s]."""
SETTLED = 0.5
"""Motors are in servo mode after this much damping [s]."""
MAX_FOOT_FORCE = 60
"""A Go2's foot sensor shows less than 40 in the air and more than 60 on the ground (Leg-KILO's thresholds for the DiTer
recordings, its issue 14); without unit, for its zero differs from foot to foot."""
LATE = 0.001
"""A state taken this long after its time is late [s]."""


def _of_states(verdict: Callable[[Survey], str | None]) -> Callable[[Survey], str | None]:
    """A verdict on the robot's states: where there is none, it trips."""

    @wraps(verdict)
    def careful(s: Survey) -> str | None:
        return verdict(s) if s.intact.any() else "no intact state to judge"

    return careful


def first_state(s: Survey) -> str | None:
    """The robot is heard at all."""
    return None if s.first_state <= FIRST_STATE else f"no rt/lowstate within {FIRST_STATE:.0f} s"


def acceptance(s: Survey) -> str | None:
    """All that a session must know was measured on this robot with this firmware, and does not speak against one."""
    if s.accepted is None:
        return "this robot has no acceptance measurements"
    return objection(s.accepted, s.identity) if s.identity else "the robot does not say who it is: no intact state"


def service(s: Survey) -> str | None:
    """The motion service answered, and its program has ended."""
    if s.trouble or s.release is None:
        return s.trouble or "nobody asked the motion service"
    if not s.release.active:
        return None
    code = f"last code {s.release.code}"
    return f"motion service {s.release.active!r} still active after {s.release.tries} releases ({code})"


def impostor(s: Survey) -> str | None:
    """What is said to be a simulator has no motion service, as a robot has."""
    return s.impostor or None


def rate(s: Survey) -> str | None:
    """States come at 500 Hz without gaps."""
    low, high = RATE_RANGE
    longest = max(MAX_GAP, s.max_late + PERIOD)
    if low <= s.rate <= high and s.gap <= longest:
        return None
    return f"state rate {s.rate:.0f} Hz ({low:.0f} to {high:.0f}), worst gap {s.gap * 1e3:.0f} ms ({longest * 1e3:.0f})"


def corrupt(s: Survey) -> str | None:
    """Their CRCs are right."""
    wrong = np.count_nonzero(~s.intact)
    if len(s.intact) and wrong <= MAX_CORRUPT * len(s.intact):
        return None
    return f"{wrong} of {len(s.intact)} states fail their CRC ({MAX_CORRUPT:.0%})"


def clock(s: Survey) -> str | None:
    """The robot's clock runs forward, evenly, in milliseconds."""
    steps, (low, high) = s.tick_steps, CLOCK_RANGE
    if not (len(steps) and steps.min() > 0):
        return f"the robot's clock steps by {steps.min(initial=0)} ms"
    jump = float((steps - 1e3 * np.diff(s.times[s.intact])).max())
    if not jump <= MAX_TICK_JUMP:
        return f"the robot's clock jumps by {jump:.0f} ms ({MAX_TICK_JUMP})"
    if not low <= s.clock_rate <= high:
        return f"the robot's clock counts {s.clock_rate:.2f} in a millisecond ({low} to {high})"
    return None


def commands(s: Survey) -> str | None:
    """Nobody else commands the robot."""
    if s.commands == 0.0:
        return None
    return f"another commander on rt/lowcmd, {s.commands:.0f} messages/s: {s.commander or 'unknown'}"


@_of_states
def numbers(s: Survey) -> str | None:
    """All joint states and the orientation are numbers that a Go2 can have."""
    for field, unit in (("q", "rad"), ("dq", "rad/s"), ("tau_est", "Nm")):
        finite = np.isfinite(s.motors[field]).all(axis=0)
        if not finite.all():
            return f"{NAMES[int(np.argmin(finite))]} {field} is not a number"
        worst = s.motors[field][np.abs(s.motors[field]).argmax(axis=0), np.arange(N_JOINTS)]
        ok = np.array(
            [usable(*(value if field == name else 0.0 for name in ("q", "dq", "tau_est"))) for value in worst]
        )
        if not ok.all():
            return first_wrong(worst, ok, f"{field} of {{:.3g}} {unit} cannot be")
    quaternions = s.states["imu_state"]["quaternion"][s.intact]
    return None if np.isfinite(quaternions).all() else "the quaternion is not a number"


@_of_states
def zero(s: Survey) -> str | None:
    """The joints are not at the zeros of a default message."""
    return None if s.newest["motor_state"]["q"][:N_JOINTS].any() else "all twelve joints are at exactly 0 rad"


@_of_states
def frozen(s: Survey) -> str | None:
    """The sensors live: their last digits change."""
    values = np.stack([s.motors[field] for field in ("q", "dq", "tau_est")]).view(np.uint32)
    changes = np.flatnonzero((values[:, 1:] != values[:, :-1]).any(axis=(0, 2))) + 1
    times = s.times[s.intact]
    longest = float((times[np.r_[changes - 1, -1]] - times[np.r_[0, changes]]).max())
    return None if longest < FREEZE else f"joint states are frozen for {longest:.2f} s ({FREEZE})"


@_of_states
def joints(s: Survey) -> str | None:
    """There are twelve joints; a Go2-W, for one, has sixteen."""
    extra = np.flatnonzero(s.newest["motor_state"]["q"][N_JOINTS:])
    return None if not len(extra) else f"{N_JOINTS + len(extra)} joints answer, a Go2 has {N_JOINTS}"


@_of_states
def posture(s: Survey) -> str | None:
    """Every joint is in its range; real calves rest at −2.81 rad, beyond the URDF's −2.72."""
    q = s.newest["motor_state"]["q"][:N_JOINTS]
    low, high = s.low - REST_TOLERANCE, s.high + REST_TOLERANCE
    ok = (q >= low) & (q <= high)
    joint = int(np.argmin(ok))
    return first_wrong(q, ok, f"at {{:.2f}} rad ({low[joint]:.2f} to {high[joint]:.2f})")


@_of_states
def speed(s: Survey) -> str | None:
    """The legs hang still."""
    dq = s.newest["motor_state"]["dq"][:N_JOINTS]
    return first_wrong(dq, np.abs(dq) <= MAX_START_SPEED, f"moves at {{:.2f}} rad/s ({MAX_START_SPEED})")


@_of_states
def temperature(s: Survey) -> str | None:
    """The motors are cool, and their sensors show anything at all (0 and 255 are faults)."""
    temperature = s.newest["motor_state"]["temperature"][:N_JOINTS]
    return first_wrong(temperature, (temperature > 0) & (temperature <= HOT_START), f"at {{}} °C (1 to {HOT_START})")


@_of_states
def battery(s: Survey) -> str | None:
    """The battery lasts."""
    charge, voltage = int(s.newest["bms_state"]["soc"]), float(s.newest["power_v"])
    if charge >= MIN_CHARGE and voltage >= MIN_VOLTAGE:
        return None
    return f"battery at {charge} % and {voltage:.1f} V ({MIN_CHARGE} %, {MIN_VOLTAGE} V)"


@_of_states
def lost(s: Survey) -> str | None:
    """The motor bus loses no packets, or hardly any."""
    lost = s.motors["lost"].astype(np.int64)
    rate = (lost[-1] - lost[0]) / (s.listened[1] - s.listened[0])
    return first_wrong(rate, rate < MAX_LOST, f"loses {{:.0f}} packets/s on the motor bus ({MAX_LOST:.0f})")


@_of_states
def mode(s: Survey) -> str | None:
    """The motors are in servo mode once they have been damped for a while."""
    late = s.motors["mode"][s.times[s.intact] - s.listened[0] >= SETTLED]
    if not len(late):
        return f"no state after {SETTLED} s of damping"
    return first_wrong(
        late[-1], (late == SERVO).all(axis=0), f"is in motor mode {{}} after {SETTLED} s of damping ({SERVO})"
    )


@_of_states
def tilt(s: Survey) -> str | None:
    """The body hangs level."""
    tilt = float(np.abs(s.newest["imu_state"]["rpy"][:2]).max())
    return None if tilt <= MAX_START_TILT else f"body tilted by {tilt:.2f} rad ({MAX_START_TILT})"


@_of_states
def feet(s: Survey) -> str | None:
    """The feet are in the air."""
    force = int(s.newest["foot_force"].max())
    return None if force <= MAX_FOOT_FORCE else f"a foot carries load: sensor at {force} ({MAX_FOOT_FORCE})"


@_of_states
def late(s: Survey) -> str | None:
    """The loop keeps time; judged by states that were answered with damping, on the grid of `Survey.lateness`."""
    late_ones = s.lateness
    worst, share = float(late_ones.max()), float(np.mean(~(late_ones <= LATE)))
    allowed = late_share(s.max_late)
    if worst <= s.max_late and share <= allowed:
        return None
    return (
        f"loop self-test: worst {worst * 1e3:.1f} ms late ({s.max_late * 1e3:.0f}), "
        f"{share:.1%} of ticks over {LATE * 1e3:.0f} ms ({allowed:.0%})"
    )
