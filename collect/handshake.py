"""Before motion, control makes sure of its guard: it is there, and its damping reaches the wire (P14)."""

from __future__ import annotations

import time

from collect.heartbeat import Heartbeat, Phase
from collect.link import LOWCMD, OTHERS_COMMANDS_QOS, Inbox, Link
from collect.messages import LowCmd
from collect.safety import refuse
from collect.survey import Survey

GUARD_ANSWERS = 3.0
"""How long the guard may take to be heard [s]."""


def hear_guard(link: Link, page: Heartbeat, where: str) -> Inbox:
    """Get to know the guard, so that it is not taken for a second commander.

    Returns:
        The commands of everybody but this process.

    Raises:
        UserError: when it does not start.
    """
    deadline = time.monotonic() + GUARD_ANSWERS
    while not page.guard and time.monotonic() < deadline:
        time.sleep(0.01)
    refuse(Survey(guard="" if page.guard else "the guard did not start"), where, "guard")
    link.friends.add(page.guard)
    return Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS)


def hear_guard_damp(others: Inbox, page: Heartbeat, where: str) -> None:
    """See a damping frame of the guard's on the wire.

    Raises:
        UserError: when none comes.
    """
    others.take()
    page.phase = Phase.TEST
    heard = others.take(GUARD_ANSWERS)
    page.phase = Phase.IDLE
    silent = f"the guard's damping was not seen on rt/lowcmd within {GUARD_ANSWERS:.0f} s"
    refuse(Survey(guard="" if heard else silent), where, "guard")
    time.sleep(0.05)
    others.take()
