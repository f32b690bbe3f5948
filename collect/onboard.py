"""`python -m collect guard`: on the robot's own computer, for when the PC or the cable dies.

It listens to rt/lowcmd. Once it has heard a stiff command, silence means that nobody is in control any more.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import damping
from collect.joints import N_JOINTS
from collect.link import LOWCMD, LOWSTATE, OTHERS_COMMANDS_QOS, Inbox, Link
from collect.messages import LowCmd, LowState, crc32
from collect.realtime import GUARD, realtime

SILENCE = 0.05
"""Commands come every 2 ms; a PC that is only late is stopped by its own checks before this [s]."""


def run(interface: str, domain: int, silence: float = SILENCE) -> None:
    """Watch until SIGINT, SIGTERM or SIGHUP; damp when stiff commands stop coming.

    Having damped it is latched: it answers every further stiff command with damping until it is started anew.

    Args:
        interface: of the robot's computer that the commands come in by.
        domain: of DDS.
        silence: without a command for this long it damps [s].

    Raises:
        UserError: for an interface or domain that is none.
    """
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    with realtime(GUARD):
        link = Link(interface, domain)
        commands, states = Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS), Inbox(link, LOWSTATE, LowState)
        writer = link.writer(LOWCMD, LowCmd)
        message = damping.frame(np.zeros(N_JOINTS)).seal()
        _say(f"on-board guard ready on {interface}, domain {domain}: damps after {silence * 1e3:.0f} ms of silence")
        stiff, heard, latched = False, time.monotonic(), False
        while not stopping:
            received = commands.take(silence / 5)
            now = time.monotonic()
            for one in received:
                stiff, heard = is_stiff(one.record), now
            if not stiff or (now - heard <= silence and not latched):
                continue
            latched, stiff = True, False
            still = damping.stream(writer, message, states, hurried=lambda: bool(stopping))
            _say(f"GUARD: no command for {(now - heard) * 1e3:.0f} ms. Damping sent. " + words(still))


def is_stiff(command: NDArray[Any]) -> bool:
    """Whether a LowCmd record, valid by its CRC, holds any joint with a position gain or a torque."""
    motors = command["motor_cmd"][:N_JOINTS]
    return bool(motors["kp"].any() or motors["tau"].any()) and crc32(command) == int(command["crc"])


def words(still: bool) -> str:
    """What is known of the robot after damping."""
    return "The robot is still." if still else "Robot NOT confirmed still: cut power."


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
