"""What whoever moves the robot watches beside its states: the guard, and other commanders."""

from __future__ import annotations

import os
import select
import threading

from collect.heartbeat import Heartbeat
from collect.link import LOWCMD, Inbox, Link
from collect.watch import Watch


class Lookout:
    """Looks round once a tick; nothing is allocated while nobody else commands."""

    def __init__(self, link: Link, page: Heartbeat, others: Inbox, states: Inbox) -> None:
        """Know the writers of rt/lowcmd that are there now.

        Args:
            link: the participant.
            page: shared with the guard.
            others: of rt/lowcmd, without what this process sends.
            states: what the loop waits on; the guard's death ends that wait.
        """
        self._link, self._page, self._others = link, page, others
        self._known = link.other_writers(LOWCMD)
        threading.Thread(target=_mourn, args=(os.getppid(), states), daemon=True).start()

    def forget(self) -> None:
        """Of the commands so far."""
        self._others.take()

    def look(self, watch: Watch) -> None:
        """Tell the checks of the guard's age and of the commands and new writers of others."""
        watch.guard_age = self._page.guard_age
        watch.foreign = len(self._others.take())
        if self._link.writers_changed():
            watch.others += len(self._link.new_writers(LOWCMD) - self._known)


def _mourn(guard: int, states: Inbox) -> None:
    """Wait for the guard's death, then end the loop's wait: it sees by itself why."""
    try:
        ended = os.pidfd_open(guard)
    except OSError:  # it has gone already, which the loop sees the next time it comes round
        return
    select.select([ended], [], [])
    states.ring()
