"""`python -m collect guard`: on the robot's own computer, for when the PC or the cable dies.

It listens to rt/lowcmd. A commander that begins with damping, as a session does, and then commands anything stiff must
not fall silent before it damps again: if it does, nobody is in control any more. The motion program never damps so.
"""

from __future__ import annotations

import signal
import time

import numpy as np

from collect import damping
from collect.errors import UserError
from collect.joints import N_JOINTS
from collect.link import LOWCMD, LOWSTATE, OTHERS_COMMANDS_QOS, Inbox, Link, Place
from collect.live import say
from collect.messages import LowCmd, LowState
from collect.realtime import GUARD, realtime

SILENCE, SHORTEST, LONGEST = 0.05, 0.02, 0.1
"""Commands come every 2 ms; a PC that is only late is stopped by its own checks before this. What may be asked for:
no less than a session bears of the robot (`limits.STATE_AGE`), and no more than legs should go on unwatched [s]."""


def run(place: Place, silence: float = SILENCE) -> None:
    """Watch until SIGINT, SIGTERM or SIGHUP; damp when a session's stiff commands stop coming.

    Having damped it is latched: it answers every further one with damping until it is started anew.

    Args:
        place: the interface of the robot's computer that the commands come in by.
        silence: without a command for this long it damps [s].

    Raises:
        UserError: for an interface or domain that is none, and a silence out of bounds.
    """
    if not SHORTEST <= silence <= LONGEST:
        raise UserError(
            f"a silence of {silence:g} s cannot be borne",
            where=f"--silence {silence:g}",
            fix=f"choose {SHORTEST:g} to {LONGEST:g} s",
        )
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    with realtime(GUARD):
        link = Link(place.interface, place.domain)
        commands, states = Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS), Inbox(link, LOWSTATE, LowState)
        writer = link.writer(LOWCMD, LowCmd)
        message = damping.frame(np.zeros(N_JOINTS)).seal()
        say(f"on-board guard ready on {place}: damps after {silence * 1e3:.0f} ms of silence")
        stiff, heard, latched = False, time.monotonic(), False
        sessions: set[int] = set()  # writers that have damped
        while not stopping:
            received = commands.take(silence / 5)
            now = time.monotonic()
            for one in received:
                sender = one.sample_info.publication_handle
                if damping.is_damping(one.record):
                    sessions.add(sender)
                    stiff = False
                elif sender in sessions:
                    stiff, heard = True, now
            if not stiff or (now - heard <= silence and not latched):
                continue
            why = "stiff commands again" if latched else f"no command for {(now - heard) * 1e3:.0f} ms"
            latched, stiff = True, False
            still = damping.stream(writer, message, states, hurried=lambda: bool(stopping))
            say(f"GUARD: {why}. Damping sent. {damping.outcome(still)}")
