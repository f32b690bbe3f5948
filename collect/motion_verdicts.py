"""Verdicts on a tick while the robot moves: a watch in, what is wrong in words or None out.

Comparisons are written so that NaN trips: `not (x <= limit)`.
"""

from __future__ import annotations

import numpy as np

from collect import limits as at
from collect.joints import first_wrong
from collect.messages import SERVO
from collect.watch import Watch

MAX_BAD_STATES, MAX_BAD_CRCS, MAX_LOST = 3, 5, 5
"""States with absurd numbers of the last ten; corrupt states, and packets lost by the motor bus, within a second."""


def guard(watch: Watch) -> str | None:
    """The guard lives and beats."""
    if watch.guard_age <= at.GUARD_AGE:
        return None
    return "guard died" if watch.guard_age == np.inf else "guard hangs"


def silence(watch: Watch) -> str | None:
    """The robot is heard."""
    return None if watch.age <= at.STATE_AGE else f"no robot state for {watch.age * 1e3:.1f} ms"


def clock(watch: Watch) -> str | None:
    """The robot's clock runs forward without jumps, and with few gaps."""
    if not 0 < watch.tick_step <= at.MAX_TICK_JUMP:
        return f"robot clock stepped by {watch.tick_step} ms"
    return None if watch.gaps <= at.MAX_GAPS else f"{watch.gaps} gaps in 1 s"


def frozen(watch: Watch) -> str | None:
    """The sensors live."""
    return None if watch.frozen < at.FROZEN else f"states frozen for {watch.frozen * 1e3:.0f} ms"


def numbers(watch: Watch) -> str | None:
    """States hold numbers that can be meant."""
    return None if watch.bad_states < MAX_BAD_STATES else f"{watch.bad_states} of 10 states unusable"


def corrupt(watch: Watch) -> str | None:
    """Their CRCs are right."""
    return None if watch.bad_crcs <= MAX_BAD_CRCS else f"{watch.bad_crcs} corrupt states in 1 s"


def stops_in_range(watch: Watch) -> str | None:
    """Where each joint would come to rest; only outward motion counts, for a leg may rest beyond the range."""
    rest = watch.q + at.STOP_TIME * watch.dq
    ok = (rest - watch.low >= at.STOP_MARGIN) & (watch.high - rest >= at.STOP_MARGIN)
    if ok.all():
        return None
    low, high = watch.low + at.STOP_MARGIN, watch.high - at.STOP_MARGIN
    inward = ((watch.q < low) & (watch.dq > -at.STILL_SPEED)) | ((watch.q > high) & (watch.dq < at.STILL_SPEED))
    return first_wrong(watch.q, ok | inward, "{:.3g} rad and moving outward, cannot stop in range")


def overspeed(watch: Watch) -> str | None:
    """No joint turns too fast, two states in a row."""
    return first_wrong(
        watch.dq, (np.abs(watch.dq) <= at.MAX_SPEED) | (np.abs(watch.dq_before) <= at.MAX_SPEED), "{:.3g} rad/s"
    )


def blocked(watch: Watch) -> str | None:
    """Every joint follows, and none presses."""
    return first_wrong(
        watch.tracking, watch.stuck < at.STUCK_TIME, "{:.3g} rad off its target: blocked, or wrong joint?"
    ) or (first_wrong(watch.tau_est, watch.pressed < at.STUCK_TORQUE_TIME, "{:.3g} Nm for too long"))


def overheated(watch: Watch) -> str | None:
    """No motor is hot or warms too fast, and its sensor shows anything at all (0 and 255 are faults)."""
    temperature = watch.temperature
    return first_wrong(temperature, (temperature > 0) & (temperature < at.HOT), "{:.3g} °C") or first_wrong(
        watch.warming, watch.warming <= at.MAX_WARMING, "{:.3g} °C warmer than a second ago"
    )


def motors(watch: Watch) -> str | None:
    """All are in servo mode and their bus works."""
    return first_wrong(watch.mode, watch.mode == SERVO, "{:.3g} is its motor mode") or (
        None if watch.lost < MAX_LOST else f"{watch.lost} packets lost"
    )


def intruder(watch: Watch) -> str | None:
    """Nobody else commands, or is about to."""
    if watch.foreign:
        return f"{watch.foreign} command(s) of somebody else on rt/lowcmd: damping may be overridden, press power"
    return f"{watch.others} new writer(s) of rt/lowcmd: press power" if watch.others else None


def late(watch: Watch) -> str | None:
    """The loop keeps time."""
    if not watch.late <= watch.max_late:
        return f"control loop slept {watch.late * 1e3:.0f} ms ({watch.max_late * 1e3:.0f} allowed)"
    allowed = int(at.late_share(watch.max_late) * at.SECOND)
    return None if watch.late_rows <= allowed else f"{watch.late_rows} of {at.SECOND} rows late ({allowed} allowed)"


def remote(watch: Watch) -> str | None:
    """Nobody asks for the stop on the robot's remote control."""
    return "remote control: L2 + B" if watch.remote else None


def unseated(watch: Watch) -> str | None:
    """The body hangs as it hung at the start."""
    if not watch.tilt <= at.MAX_TILT:
        return f"body tilted by {watch.tilt:.2f} rad"
    return None if watch.accel <= at.MAX_ACCEL else f"body accelerated at {watch.accel:.1f} m/s²"


def overrun(watch: Watch) -> str | None:
    """The session ends when its program does."""
    return None if watch.overrun <= at.OVERRUN else f"{watch.overrun:.1f} s over time"


def warm(watch: Watch) -> str | None:
    """No motor is warm."""
    return first_wrong(watch.temperature, watch.temperature < at.WARM, "{:.3g} °C")


def journal(watch: Watch) -> str | None:
    """The journal is brought to the disk."""
    return watch.journal or (None if watch.behind <= at.BEHIND else f"disk behind by {watch.behind:.1f} s")
