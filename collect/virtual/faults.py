"""Faults on demand: what makes a healthy virtual Go2 a sick one, one line of standard input each.

    silent S               no state is sent for S seconds; the motors go on
    deaf S                 no command is heard for S seconds
    freeze S               every state repeats the motors of the first one; the clock goes on
    tick MS                the robot's clock jumps by that many milliseconds, back if negative
    tick_freeze S          the clock stands still
    tick_is MS             the clock is set
    corrupt SHARE S        that share of the states fails its CRC, evenly spread
    thin N S               only every N-th state is sent
    twice S                every state is sent twice
    burst S                states are held back and sent all at once at the end
    set WHAT VALUE S       a field of the state has this value: FL_thigh.dq, imu_state.rpy.0, power_v, wireless_remote.2
    ramp WHAT RATE S       a field grows by RATE per second
    stick JOINT S          something holds a joint fast
    refuse N               the motion service fails the next N releases
    select NAME            a motion program starts
    mute S                 the motion service does not answer
    mumble DATA S          its answers hold this and nothing else
    well                   all that goes on ends

Each is answered with a line `fault TIME LINE`, TIME by the monotonic clock of the machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import N_JOINTS, NAMES

STUCK = 60.0
"""Dry friction of a joint that is held: above every motor's peak torque [Nm]."""
_TIMED = {"silent", "deaf", "freeze", "tick_freeze", "corrupt", "thin", "twice", "burst", "mute"}


@dataclass
class Override:
    """A field of the state that is not what the sensors say."""

    where: NDArray[Any]
    """A view of one element, shape ()."""
    before: float
    value: float
    rate: float
    start: float
    end: float


@dataclass
class Faults:
    """What is wrong now. `now` is the machine's monotonic clock throughout [s]."""

    state: NDArray[Any]
    """The LowState that is sent; overrides write into it."""
    select: Callable[[str], None]
    """Starts a motion program."""
    refusals: int = 0
    mumbled: str = ""
    clock: int = 0
    """What the robot's clock is ahead [ms]."""
    _until: dict[str, float] = field(default_factory=dict)
    _parameter: dict[str, float] = field(default_factory=dict)
    _overrides: list[Override] = field(default_factory=list)
    _stuck: NDArray[np.float64] = field(default_factory=lambda: np.zeros(N_JOINTS))
    _frozen: NDArray[Any] | None = None
    _count: int = 0
    _rest: str = ""

    def listen(self) -> None:
        """Take lines from standard input from now on, without waiting for them."""
        os.set_blocking(sys.stdin.fileno(), False)

    def hear(self, now: float) -> None:
        """Begin the faults whose lines have come.

        Raises:
            UserError: for a line that is none.
        """
        self._restore(now)
        try:
            self._rest += os.read(sys.stdin.fileno(), 4096).decode()
        except BlockingIOError:
            return
        *lines, self._rest = self._rest.split("\n")
        for line in lines:
            try:
                self._begin(line.split(), now)
            except (ValueError, IndexError, KeyError, TypeError) as error:
                raise UserError(
                    f"no such fault: {line!r} ({error})", where="standard input", fix="see collect/virtual/faults.py"
                ) from error
            sys.stdout.write(f"fault {time.monotonic():.6f} {line}\n")
            sys.stdout.flush()

    def _begin(self, words: list[str], now: float) -> None:
        verb, *rest = words
        if verb in _TIMED:
            self._until[verb] = now + float(rest[-1])
            self._parameter[verb] = float(rest[0])
            self._frozen = None
        elif verb in ("set", "ramp"):
            where, start = self._field(rest[0]), now
            before = float(where)
            value, rate = (float(rest[1]), 0.0) if verb == "set" else (before, float(rest[1]))
            self._overrides.append(Override(where, before, value, rate, start, now + float(rest[2])))
        elif verb == "stick":
            self._stuck[NAMES.index(rest[0])] = now + float(rest[1])
        elif verb == "tick":
            self.clock += int(rest[0])
        elif verb == "tick_is":
            self.clock += int(rest[0]) - int(self.state["tick"])
        elif verb == "refuse":
            self.refusals = int(rest[0])
        elif verb == "select":
            self.select(rest[0])
        elif verb == "mumble":
            self.mumbled, self._until[verb] = rest[0], now + float(rest[1])
        elif verb == "well":
            self._until.clear()
            self._restore(np.inf)
            self._stuck[:], self.refusals = 0.0, 0
        else:
            raise ValueError("unknown verb")

    def _restore(self, now: float) -> None:
        """Give fields back what they held before; the newest override first, should two be of one field."""
        for one in reversed(self._overrides):
            if now >= one.end:
                one.where[...] = one.before
        self._overrides = [one for one in self._overrides if now < one.end]

    def _field(self, path: str) -> NDArray[Any]:
        first, *rest = path.split(".")
        found: Any = self.state
        if first in NAMES:
            found = found["motor_state"][NAMES.index(first) : NAMES.index(first) + 1][rest.pop(0)]
            return found.reshape(1)[0:1].reshape(())
        for name in (first, *rest):
            found = found[int(name) : int(name) + 1] if name.isdigit() else found[name]
        return np.asarray(found).reshape(())

    def on(self, verb: str, now: float) -> bool:
        """Whether a fault of this kind is going on."""
        return now < self._until.get(verb, 0.0)

    def alter(self, now: float) -> None:
        """Write what is wrong into the state, before its CRC is made."""
        self._count += 1
        motors = self.state["motor_state"]
        if self.on("freeze", now):
            if self._frozen is None:
                self._frozen = motors.copy()
            motors[:] = self._frozen
        for one in self._overrides:
            with np.errstate(all="ignore"):
                one.where[...] = one.value + one.rate * (now - one.start)

    def step_clock(self, period: int, now: float) -> None:
        """A clock that stands still loses a period [ms]."""
        if self.on("tick_freeze", now):
            self.clock -= period

    def corrupted(self, now: float) -> bool:
        """Whether this state's CRC is wrong."""
        share = self._parameter.get("corrupt", 0.0)
        return self.on("corrupt", now) and int(self._count * share) > int((self._count - 1) * share)

    def copies(self, now: float) -> int:
        """How often this state is sent: 0, 1 or 2 times."""
        thin = self._parameter.get("thin", 1.0)
        if self.on("silent", now) or (self.on("thin", now) and self._count % int(thin)):
            return 0
        return 2 if self.on("twice", now) else 1

    def hold(self, dry: NDArray[np.float64], now: float) -> None:
        """Put the hand that holds a joint into the dry friction, shape (12,) [Nm]."""
        dry[now < self._stuck] = STUCK
