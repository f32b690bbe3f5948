"""The robot's clock: which row of the program a state belongs to, and how late it reached us."""

from __future__ import annotations

import numpy as np

TICK = 2
"""The robot's clock between two states [ms]."""
PERIOD = 0.002
"""Time between two states [s]."""
GRID_ROWS = 125
"""The tick grid is the quickest delivery of the last one to two times this many rows: soon enough right again after the
robot's clock was set or, in a simulator, held up."""


class Pace:
    """Follows the ticks of one peer; nothing is allocated after its making."""

    def __init__(self, rate: float, *, clock: bool) -> None:
        """Begin before the first state.

        Args:
            rate: of states [Hz]; a robot's is 500.
            clock: whether the peer sends ticks. A simulator without them is paced by our clock.
        """
        self._step = max(round(1e3 / rate), 1)
        self.period = self._step * 1e-3
        """Between two states [s]."""
        self._clock = clock
        self._last: int | None = None
        self._elapsed = 0
        self._rows = 0
        self._grid = self._grid_before = float("inf")  # of these rows, of those before [s]
        self.row = 0
        """Periods since the first state."""
        self.missing = 0
        """Ticks that never came."""
        self.repeated = 0
        """Ticks that came twice."""
        self.step = self._step
        """From the tick before to this one [ms]."""

    def advance(self, tick: int, now: float) -> bool:
        """Take over a state's tick [ms], received at `now` [s]; False when that tick was there already."""
        if not self._clock:
            tick = round(now * 1e3)
        first = self._last is None
        self.step = self._step if self._last is None else (tick - self._last + 2**31) % 2**32 - 2**31
        if self.step == 0:
            self.repeated += 1
            return False
        self._last = tick
        self.missing += max(self.step // self._step - 1, 0) if self._clock else 0
        self._elapsed += 0 if first else self.step
        self.row = max(self._elapsed, 0) // TICK
        return True

    @property
    def gap(self) -> bool:
        """Whether the last step was not the regular one."""
        return self._clock and self.step != self._step

    def lateness(self, now: float) -> float:
        """Of the last state, against the grid that the robot's clock and the quickest delivery define [s]."""
        ahead = now - self.row * PERIOD
        if self._rows % GRID_ROWS == 0:
            self._grid_before, self._grid = self._grid, ahead
        self._rows += 1
        self._grid = min(self._grid, ahead)
        return ahead - min(self._grid, self._grid_before)


class Recent:
    """The sum of the last `length` numbers."""

    def __init__(self, length: int) -> None:
        self._ring = np.zeros(length, np.int64)
        self._at = 0
        self.sum = 0

    def add(self, value: int) -> None:
        """Append one, forget the oldest."""
        at = self._at
        self.sum += value - int(self._ring[at])
        self._ring[at] = value
        self._at = (at + 1) % len(self._ring)
