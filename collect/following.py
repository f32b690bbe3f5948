"""A running session seen from another process: its rows as they are logged, which costs the session nothing."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.journal import OUTCOME, PAGE, ROW
from collect.salvage import opened, whole

MOST = 4096
"""Rows that one `take` gives: eight seconds."""


class Follower:
    """Reads the memory into which a session logs, from the oldest row there; a row counts once its CRC is right."""

    def __init__(self, journal: Path) -> None:
        """Find a session's rows.

        Raises:
            UserError: when it is no journal, or its session has ended.
        """
        with opened(journal) as left:
            self.header, self._salt, self._ring = left.header, left.salt, left.ring
        try:
            file = os.open(self._ring, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            fix = "follow a session that runs; what it left is read by python -m collect recover"
            raise UserError("this session has ended", where=str(journal), fix=fix) from None
        self._map = mmap.mmap(file, 0, prot=mmap.PROT_READ)
        os.close(file)
        slots = (len(self._map) - PAGE - OUTCOME) // ROW.itemsize
        self._rows = np.frombuffer(self._map, ROW, slots, PAGE + OUTCOME)
        self._next = max(1, int(self._rows["number"].max()) - slots + 2)

    @property
    def ended(self) -> bool:
        """The session has closed its log; what it logged before can still be taken."""
        return not self._ring.exists()

    def take(self) -> NDArray[Any]:
        """The rows that are new, in order and without a hole, shape (N,) of dtype `journal.ROW`."""
        numbers = np.arange(self._next, self._next + MOST)
        rows = self._rows[(numbers - 1) % len(self._rows)]  # a copy: the session goes on writing
        count = int(np.argmin(np.r_[whole(rows, numbers, self._salt), False]))
        if count == 0 and rows["number"][0] > self._next:  # a reader that slept for half a minute was overtaken
            self._next = int(self._rows["number"].max()) - MOST
        self._next += count
        return rows[:count]
