"""The guard: the process that damps the robot when the control process dies or hangs.

It is the parent, does nothing that could block it while the robot moves, and has a writer of rt/lowcmd of its own.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from collect import damping
from collect.console import Console
from collect.heartbeat import Heartbeat, Phase
from collect.interrupts import IMPATIENT, answered
from collect.joints import N_JOINTS
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import LowCmd, LowState

HUNG = 0.020
"""Control has not beaten for this long: it hangs. The robot may be silent for as long before control stops [s]."""
ASLEEP = 0.005
"""A guard that was itself held up by this much gives control as much time again to show that it was not [s]."""


@dataclass(frozen=True)
class Ending:
    """How the control process ended."""

    status: int
    """Its exit code, or the negative number of the signal that killed it."""
    fired: str | None = None
    """Why the guard damped, None when it did not have to."""
    still: bool = False
    """After the guard damped: whether the robot was seen still."""


class Guard:
    """Stands by with a damping frame."""

    def __init__(self, link: Link, page: Heartbeat, control: int, console: Console | None = None) -> None:
        """Get everything ready that damping needs.

        Args:
            link: a participant of the guard's own.
            page: shared with the control process.
            control: its process id; a child of this process.
            console: where Enter stops control; None where the terminal is used for other answers.
        """
        self._page, self._control, self._console = page, control, console
        self._writer = link.writer(LOWCMD, LowCmd)
        self._states = Inbox(link, LOWSTATE, LowState)
        self._message = damping.frame(np.zeros(N_JOINTS)).seal()
        self._pidfd = os.pidfd_open(control)
        self._signals = 0

    def watch(self) -> Ending:
        """Wait for the end of the control process; damp if it comes too early. Signals and Enter are passed on."""
        page = self._page
        with answered(self._pass_on):
            due = time.monotonic()
            while True:
                now = time.monotonic()
                page.beat_guard()
                if page.phase is Phase.TEST:
                    self._writer.write(self._message)
                left = HUNG - page.age if page.phase is Phase.ARMED else HUNG / 4
                if left <= 0.0 and now - due > ASLEEP:
                    left = ASLEEP
                if left <= 0.0:
                    return self._hung(page.age)
                due = now + left
                files = self._console.files if self._console else []
                ready = select.select([self._pidfd, *files], [], [], left)[0]
                if self._pidfd in ready:
                    return self._ended()
                if ready and self._console and self._console.entered():
                    self._pass_on(signal.SIGINT, None)

    def _pass_on(self, number: int, _frame: Any) -> None:
        """Control answers a signal with damping; once it has gone the guard's own damping takes its time."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)
        self._signals += 1

    def _ended(self) -> Ending:
        armed = self._page.phase is Phase.ARMED
        if armed:
            with suppress(Exception):  # `damping.stream` tries again, every 2 ms
                self._writer.write(self._message)
        status = self._reap()
        if not armed:
            return Ending(status)
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with code {status}"
        return self._damp(status, f"control process {how}")

    def _hung(self, age: float) -> Ending:
        os.kill(self._control, signal.SIGKILL)  # it must not wake up and send a stiff frame
        return self._damp(None, f"control process did not beat for {age * 1e3:.0f} ms")

    def _damp(self, status: int | None, why: str) -> Ending:
        before = self._signals
        still = damping.stream(
            self._writer, self._message, self._states, hurried=lambda: self._signals - before >= IMPATIENT
        )
        return Ending(self._reap() if status is None else status, why, still)

    def _reap(self) -> int:
        _, status = os.waitpid(self._control, 0)
        return os.waitstatus_to_exitcode(status)
