"""One leg's joint moved gently while all others are damped, for measurements on the robot: a small loop of its own.

Paced by the robot's states and stopped by the same checks as a session; every way out is damping.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import damping
from collect.control import LATE_ROW, LISTEN, StopError
from collect.errors import UserError
from collect.heartbeat import Heartbeat, Phase
from collect.interrupts import IMPATIENT, SIGNALS
from collect.joints import N_JOINTS
from collect.limits import DAMPING_KD
from collect.link import LOWCMD, LOWSTATE, OTHERS_COMMANDS_QOS, Inbox, Link
from collect.lookout import Lookout
from collect.messages import CommandFrame, LowCmd, LowState
from collect.observer import Observer
from collect.pace import PERIOD, Pace
from collect.permitted import permitted
from collect.plan import RATE
from collect.program import RAMP_SPEED, glide
from collect.safety import IN_MOTION, tripped

KP, KD = 10.0, 0.5
"""Gains of the joint that is moved; acceptance never asks for more [Nm/rad], [Nm·s/rad]."""
LEASH = 0.75
"""Farther from where a measurement wants it to be no joint may go: far more than kp 10 moves it [rad]."""
_NEAR = np.full(N_JOINTS, LEASH)
ROW = np.dtype(
    [
        ("time", "f8"),
        ("tick", "u4"),
        ("q", "f4", (N_JOINTS,)),
        ("dq", "f4", (N_JOINTS,)),
        ("tau", "f4", (N_JOINTS,)),
        ("mode", "u1", (N_JOINTS,)),
        ("target", "f4", (N_JOINTS,)),
        ("sent", "f8"),
    ]
)
"""One state: received [s], the robot's clock [ms], what it says [rad], [rad/s], [Nm], and the newest command sent
before it: its target [rad] and when it went out [s]."""


class Stand:
    """Commands the robot between `armed` and its end."""

    def __init__(self, link: Link, page: Heartbeat, others: Inbox | None = None) -> None:
        """Make reader and writer.

        Args:
            link: the participant.
            page: shared with the guard.
            others: of rt/lowcmd, without what this process and the guard's test sent.
        """
        self._page = page
        self._states = Inbox(link, LOWSTATE, LowState)
        others = others or Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS)
        self._lookout = Lookout(link, page, others, self._states)
        self._writer = link.writer(LOWCMD, LowCmd)
        self.frame = CommandFrame()
        """What is sent: measurements write into it."""
        self.still = True
        """Whether the robot was seen still at the end."""
        self._stop: str | None = None
        self._signals = 0
        self._sent = self._received = self._woke = 0.0

    @property
    def motors(self) -> NDArray[Any]:
        """The twelve motor slots of the frame."""
        slots: NDArray[Any] = self.frame.message.record["motor_cmd"][:N_JOINTS]
        return slots

    @contextmanager
    def armed(self, without: tuple[str, ...] = ()) -> Iterator[None]:
        """While this lasts the robot is commanded; then, whatever happened, it is damped until it is still.

        Args:
            without: codes of checks that the measurement itself would trip.

        Raises:
            StopError: when a check trips, the operator interrupts or anything else fails; the robot has been damped.
        """
        self._checks = tuple(c for c in IN_MOTION if c.code not in without and c.reaction == "damp")
        self._observer = Observer(frozenset())
        self._pace = Pace(RATE, clock=True)
        self._stop, self._signals = None, 0
        self._states.take()
        self._lookout.forget()
        gc.collect()
        gc.disable()  # a collection may take longer than a tick
        with self._caught():
            self._page.beat()
            self._page.phase = Phase.ARMED
            try:
                self._received = self._woke = time.monotonic()
                state = self._next_state()
                self.damp_all(state["motor_state"]["q"][:N_JOINTS])
                yield
            except (StopError, UserError):
                raise
            except Exception as error:  # whatever it is, it is told as a stop
                raise StopError(f"L13 {type(error).__name__}: {error}") from error
            finally:
                self.still = damping.stream(
                    self._writer,
                    damping.frame(self._observer.watch.q).seal(),
                    self._states,
                    beat=self._page.beat,
                    hurried=lambda: self._signals >= IMPATIENT,
                )
                self._page.phase = Phase.IDLE
                gc.enable()

    def damp_all(self, q: NDArray[Any]) -> None:
        """Make the frame one of damping."""
        self.motors["mode"] = 1
        self.frame.q[:], self.frame.kp[:], self.frame.kd[:] = q, 0.0, DAMPING_KD

    def bring(self, joint: int, position: float) -> None:
        """Move a joint to a position [rad] and hold it there, never faster than a session's ramp."""
        start = np.array([float(self._observer.watch.q[joint])])
        shortest = max(0.3, float(abs(position - start[0])) / RAMP_SPEED)
        path = glide(start, np.array([position]), shortest)[:, 0]
        self.frame.kp[joint], self.frame.kd[joint] = KP, KD
        self.run(len(path), lambda row: self.frame.q.__setitem__(joint, path[row]))

    def run(
        self,
        rows: int,
        command: Callable[[int], Any] = lambda row: None,
        *,
        send: bool = True,
        until: Callable[[NDArray[Any]], bool] = lambda row: False,
        altered: Callable[[int, Any], Any] = lambda row, message: message,
    ) -> NDArray[Any]:
        """Answer so many states, or fewer.

        Args:
            rows: how many at most.
            command: writes row k's command into the frame.
            send: whether anything is sent at all.
            until: ends it after a row.
            altered: what is sent in place of row k's sealed message.

        Returns:
            What was seen, of dtype `ROW`.

        Raises:
            StopError: as `armed`.
        """
        seen = np.zeros(rows, ROW)
        for k in range(rows):
            state = self._next_state()
            row, motors = seen[k], state["motor_state"][:N_JOINTS]
            row["time"], row["tick"], row["sent"] = self._received, state["tick"], self._sent
            row["q"], row["dq"], row["tau"] = motors["q"], motors["dq"], motors["tau_est"]
            row["mode"], row["target"] = motors["mode"], self.frame.q
            if until(row):
                return seen[: k + 1]
            if send:
                command(k)
                if not permitted(self.frame, self._observer.watch.q, _NEAR):
                    raise StopError("L14 refused own command")
                self._send(altered(k, self.frame.seal()))
        return seen

    def _send(self, message: Any) -> None:
        try:
            self._writer.write(message)
        except Exception as error:
            raise StopError(f"L15 DDS write failed: {error}") from error
        self._sent = time.monotonic()

    def _next_state(self) -> NDArray[Any]:
        """The next good state, checked."""
        watch = self._observer.watch
        while True:
            self._page.beat()
            states = self._states.take(LISTEN)
            now = time.monotonic()
            if self._stop is not None:
                raise StopError(self._stop)
            watch.late = now - self._woke - PERIOD if now - self._woke > LISTEN + PERIOD else 0.0
            slow = now - self._woke > PERIOD + LATE_ROW
            self._woke = now
            watch.age = now - self._received
            self._lookout.look(watch)
            good = [one.record for one in states if self._observer.accepts(one.record) is None]
            for state in good:
                if self._pace.advance(int(state["tick"]), now):
                    self._observer.timing(self._pace.step, self._pace.gap, slow)
                    slow = False
            if good:
                self._received, watch.age = now, 0.0
                self._observe(good[-1])
            if (stop := tripped(watch, self._checks)) is not None:
                raise StopError(stop[1])
            if good:
                return good[-1]

    def _observe(self, state: NDArray[Any]) -> None:
        q = state["motor_state"]["q"][:N_JOINTS]
        target = np.where(self.frame.kp > 0.0, self.frame.q, q)  # a damped joint tracks nothing
        self._observer.observe(state, target, np.zeros(N_JOINTS), 0.0)
        far = np.abs(target - q)
        if not far.max() <= LEASH:
            raise StopError(f"L8 a joint is {far.max():.2f} rad from where it should be")

    @contextmanager
    def _caught(self) -> Iterator[None]:
        """A signal stops the measurement within a tick; none skips the damping."""

        def request(number: int, _frame: Any) -> None:
            code = "S2 operator" if number == signal.SIGINT else "S4"
            self._stop = self._stop or f"{code} ({signal.Signals(number).name})"
            self._signals += 1

        before = {number: signal.signal(number, request) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
