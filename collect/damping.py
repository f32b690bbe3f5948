"""The stop: damping on the wire until the robot is seen still."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.joints import N_JOINTS
from collect.limits import DAMPING_KD, STATE_AGE, STILL_SPEED
from collect.link import Inbox
from collect.messages import CommandFrame, crc32
from collect.pace import PERIOD

LEAST, STILL, MOST = 1.0, 0.5, 10.0
"""Damping lasts at least this long, and until the robot has been still this long, at most this long: at kd 5 a thigh
that was held high sinks for some seconds [s]."""
BACK = 2.0
"""Damping after a robot that was silent is heard again. A cable that is put back in carries states at once and commands
only when the kernel has asked for the robot's address again, which it does once a second (arp(7)) [s]."""
LONGEST = 30.0
"""What a robot that comes and goes cannot draw out [s]."""
SHORTEST = 0.1
"""What no impatience can cut [s]."""


def frame(q: NDArray[Any]) -> CommandFrame:
    """A damping frame: kp 0, kd 5, no velocity target, no torque; q [rad], shape (12,), is only for the eye."""
    made = CommandFrame()
    made.kp[:], made.kd[:] = 0.0, DAMPING_KD
    made.q[:] = np.where(np.isfinite(q), q, 0.0)
    return made


def stream(
    writer: Any,
    message: Any,
    states: Inbox,
    beat: Callable[[], None] = lambda: None,
    hurried: Callable[[], bool] = lambda: False,
) -> bool:
    """Send a damping message every 2 ms until the robot is still; returns right after the last one.

    Nothing that DDS raises ends it: it is tried again. A robot that was not heard, whose states no longer change or to
    which nothing could be sent is not said to be still.

    Args:
        writer: of rt/lowcmd.
        message: sealed, sent as it is.
        states: of the robot.
        beat: called for every message that was sent: who watches must take over from one who cannot send.
        hurried: whether the operator no longer wants to wait for stillness.

    Returns:
        Whether every joint was seen slower than `STILL_SPEED` for `STILL`.
    """
    due = start = now = heard = time.monotonic()
    still_since: float | None = None
    seen, changed = b"", start
    enough, end = start + LEAST, start + MOST
    while now < end:
        sent = False
        with suppress(Exception):
            writer.write(message)
            sent = True
            beat()
        due += PERIOD
        received = []
        with suppress(Exception):
            received = states.take(max(due - time.monotonic(), 0.0))
        now = time.monotonic()
        if received:
            if now - heard > STATE_AGE:
                enough, end = now + BACK, min(now + MOST, start + LONGEST)
            heard, state = now, received[-1].record
            if (signs := _signs(state)) != seen:
                seen, changed = signs, now
            still_since = (still_since or now) if _still(state) and now - changed < STILL else None
        elif now - heard > STATE_AGE:
            still_since = None  # a silent robot is not known to be still
        if not sent:
            still_since = None
        if still_since and now - still_since >= STILL and now >= enough:
            return True
        if hurried() and now - start >= SHORTEST + PERIOD:  # the last message counts
            return False
        due = max(due, now - 5 * PERIOD)  # after a stand-still no burst
        time.sleep(max(due - now, 0.0))
    return False


def is_damping(command: NDArray[Any]) -> bool:
    """Whether a LowCmd record, valid by its CRC, damps all joints as a session does and holds none."""
    motors = command["motor_cmd"][:N_JOINTS]
    damps = (motors["kd"] == DAMPING_KD).all() and not (motors["kp"].any() or motors["tau"].any())
    return bool(damps) and crc32(command) == int(command["crc"])


def outcome(still: bool) -> str:
    """What is known of the robot after damping, in words."""
    return "The robot is still." if still else "Robot NOT confirmed still: cut power."


def _still(state: NDArray[Any]) -> bool:
    """Whether a state that arrived whole shows it; a peer without a CRC sends 0."""
    whole = int(state["crc"]) in (0, crc32(state))
    return whole and bool((np.abs(state["motor_state"]["dq"][:N_JOINTS]) < STILL_SPEED).all())


def _signs(state: NDArray[Any]) -> bytes:
    """What sensors say: their noise changes it even of a robot at rest."""
    return state["motor_state"].tobytes() + state["imu_state"].tobytes()
