"""The page of memory through which control and guard know of each other."""

from __future__ import annotations

import mmap
import os
import time
from enum import IntEnum


class Phase(IntEnum):
    """How far the control process has come; it alone moves on, but for `IDLE` to `DONE`."""

    IDLE = 0
    """Nothing has been sent."""
    TEST = 1
    """Wants to see a damping frame of the guard's."""
    ARMED = 2
    """Commands the robot: if it dies or hangs, the guard damps."""
    DONE = 3
    """Has damped and will send nothing more."""


class Heartbeat:
    """Two clocks and a phase in shared memory, made before the fork; a store is one aligned 8-byte word."""

    def __init__(self) -> None:
        page = memoryview(mmap.mmap(-1, mmap.PAGESIZE))
        self._words, self._text = page[:64].cast("Q"), page[64:]
        self._parent = os.getpid()

    @property
    def phase(self) -> Phase:
        """Of the control process."""
        return Phase(self._words[0])

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._words[0] = phase

    @property
    def guard(self) -> str:
        """The guard's DDS participant, empty until it has one."""
        return self._text[: self._words[3]].tobytes().decode()

    @guard.setter
    def guard(self, guid: str) -> None:
        self._text[: len(guid)] = guid.encode()
        self._words[3] = len(guid)

    def beat(self) -> None:
        """Control: still here."""
        self._words[1] = time.monotonic_ns()

    def beat_guard(self) -> None:
        """Guard: still here."""
        self._words[2] = time.monotonic_ns()

    @property
    def age(self) -> float:
        """Since control's last beat [s]."""
        return (time.monotonic_ns() - self._words[1]) * 1e-9

    @property
    def guard_age(self) -> float:
        """Since the guard's last beat, infinite once it is dead [s]."""
        if os.getppid() != self._parent:
            return float("inf")
        return (time.monotonic_ns() - self._words[2]) * 1e-9
