"""Before motion, control makes sure of its guard: it is there, and its damping reaches the wire (P14)."""

from __future__ import annotations

import time

from collect.damping import is_damping
from collect.heartbeat import Heartbeat, Phase
from collect.link import LOWCMD, OTHERS_COMMANDS_QOS, Inbox, Link
from collect.messages import LowCmd
from collect.safety import refuse
from collect.survey import Survey

GUARD_ANSWERS = 1.0
"""How long the guard may take to start, and its damping to be seen [s]."""


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


def hear_guard_damp(link: Link, others: Inbox, page: Heartbeat, where: str) -> None:
    """See a damping frame on the wire that is the guard's and nobody else's.

    Raises:
        UserError: when none comes.
    """
    others.take()
    page.phase = Phase.TEST
    deadline, heard = time.monotonic() + GUARD_ANSWERS, False
    while not heard and time.monotonic() < deadline:
        heard = any(
            is_damping(one.record) and link.sender(one.sample_info.publication_handle) == page.guard
            for one in others.take(0.1)
        )
    page.phase = Phase.IDLE
    silent = f"the guard's damping was not seen on rt/lowcmd within {GUARD_ANSWERS:.0f} s"
    refuse(Survey(guard="" if heard else silent), where, "guard")
    time.sleep(0.05)
    others.take()
