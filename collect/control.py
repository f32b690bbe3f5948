"""The control loop: paced by the robot's states, one row per robot tick, none twice, none missing.

In a tick: take what has come, log it beside the command that was in force, check, answer. Nothing is kept that was
not allocated before; the only way out is through damping.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import damping
from collect.channels import BAD_CRC, DROPPED, GAP, LATE
from collect.heartbeat import Heartbeat, Phase
from collect.interrupts import IMPATIENT
from collect.joints import N_JOINTS
from collect.journal import Journal
from collect.limits import STATE_AGE
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.lookout import Lookout
from collect.messages import CommandFrame, LowCmd, LowState
from collect.observer import Observer
from collect.pace import PERIOD, Pace
from collect.permitted import permitted
from collect.program import Program, homeward
from collect.safety import IN_MOTION, tripped

LATE_ROW = 0.001
"""A row handled later than this after its place on the tick grid is flagged [s]."""
TRANSIT = 0.0003
"""A command sent this shortly before a state was sampled was still on its way (loopback: some 0.1 ms each way, and
the robot samples a little before it sends) [s]."""
LISTEN = 0.005
"""The loop comes round at least this often, so that the guard sees it alive while the robot is silent [s]."""
STALE = 0.006
"""A state that came later than this after the one before is counted [s]."""


class StopError(Exception):
    """Raised where the event itself ends the session; the text begins with its code."""


@dataclass
class Progress:
    """What the live line shows; written by the loop, read by whoever prints."""

    row: int = 0
    rows: int = 0
    """Logged."""
    segment: int = -1
    worst_late: float = 0.0
    """Largest distance of a row from the tick grid [s]."""
    hottest: int = 0
    """Warmest motor [°C]."""
    corrupt: int = 0
    """States dropped for their CRC or absurd numbers."""
    stale: int = 0
    """States that were waited for longer than `STALE`."""


class Control:
    """One session's loop. `follow` moves, `damp` stops; after `damp` nothing else is ever sent."""

    def __init__(
        self,
        link: Link,
        journal: Journal,
        program: Program,
        page: Heartbeat,
        others: Inbox,
        *,
        rate: float = 500.0,
        missing: frozenset[str] = frozenset(),
    ) -> None:
        """Allocate all that the loop needs.

        Args:
            link: the participant.
            journal: where rows go; must have room for the program.
            program: what to command, by tick.
            page: shared with the guard.
            others: of rt/lowcmd, without what this process sends.
            rate: of the peer's states [Hz]; a robot's is 500.
            missing: what this peer does not deliver (tick, crc, temperature, mode): checks that need it are left
                out. Empty for a real robot.
        """
        self._journal, self._program, self._page = journal, program, page
        checks = tuple(check for check in IN_MOTION if check.needs not in missing)
        self._stops = tuple(check for check in checks if check.reaction == "damp")
        self._returns = tuple(check for check in checks if check.reaction == "return")
        self._states = Inbox(link, LOWSTATE, LowState)
        self._writer = link.writer(LOWCMD, LowCmd)
        self._frame = CommandFrame()
        self._observer = Observer(missing)
        self.watch = self._observer.watch
        """What the checks see; before `follow` its range may be narrowed to measured stops, and lateness accepted."""
        self.pace = Pace(rate, clock="tick" not in missing)
        self.watch.period = self.pace.period
        self.progress = Progress()
        self._stop: str | None = None
        self._signals = 0
        # `full` touches every page now, which `zeros` would leave to the loop.
        self.lateness = np.full(journal.capacity, 0.0, np.float32)
        """Of each row from the tick grid [s]."""
        self.received = np.full(journal.capacity, 0.0)
        """When each row came, by the monotonic clock [s]."""
        self.damped_after = self._seen = np.nan
        """From seeing the reason to the first damping frame [s]."""
        self._lookout = Lookout(link, page, others, self._states)
        self._sent = self._sent_before = self._received = self._woke = self._began = 0.0
        self._before = np.zeros((3, N_JOINTS), np.float32)  # q_target, kp, kd of the command before the last
        self._base = 0  # row of the session at which the program begins
        self._commanded = 0  # row of the program
        self._returning: str | None = None
        self._flags = 0
        self._slow = False
        self._latched = False

    def follow(self) -> str | None:
        """Command the whole program. From here to the end of `damp` no garbage is collected.

        Returns:
            None when it is complete, else the reason for stopping (`CODE what (limit)`). Either way the caller
            must call `damp` next.
        """
        sys.setswitchinterval(0.0005)  # the live line's thread may not hold the interpreter for 5 ms
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            return self._loop()
        except StopError as stop:
            return str(stop)
        except Exception as error:  # whatever it is, the legs must be damped
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
            return f"L13 {type(error).__name__}: {error} ({where})"
        finally:
            self._seen = time.monotonic()

    def interrupt(self, number: int, _frame: Any) -> None:
        """Signal handler: the loop sees it the next time it comes round; none can skip the damping."""
        code = "S2 operator" if number == signal.SIGINT else "S4"
        self._stop = self._stop or f"{code} ({signal.Signals(number).name})"
        self._signals += 1

    def _loop(self) -> str | None:
        self._states.take()  # what came while nobody listened
        self._lookout.forget()
        self._page.beat()
        self._page.phase = Phase.ARMED
        self._command(0)  # damping, twice: from here on a command and one before it are in force
        self._command(0)
        self._began = self._received = self._woke = time.monotonic()
        while self.progress.row - self._base < len(self._program):
            self._page.beat()
            states = self._states.take(min(LISTEN, max(self._received + STATE_AGE - self._woke, PERIOD / 4)))
            now = time.monotonic()
            if self._stop is not None:
                return self._stop
            newest = None
            self._slow = now - self._woke > self.pace.period + LATE_ROW
            for state in states:
                if self._accept(state.record, time.monotonic()):
                    newest = state.record
            self._look_around(now)
            if newest is not None:
                self.progress.stale += now - self._received > STALE
                self._received, self.watch.age = now, 0.0
                self._observe(newest)
            if (stop := tripped(self.watch, self._stops)) is not None:
                return stop[1]
            if self._returning is None and (why := tripped(self.watch, self._returns)) is not None:
                self._go_home(why[1])
            if newest is not None:
                self._command(self.progress.row - self._base)
        return self._returning

    def _look_around(self, now: float) -> None:
        """What the checks need to know beside the states."""
        watch = self.watch
        watch.age = now - self._received
        watch.late = now - self._woke - self.pace.period if now - self._woke > LISTEN + PERIOD / 2 else 0.0
        self._woke = now
        watch.overrun = now - self._began - (self._base + len(self._program)) * PERIOD
        watch.journal, watch.behind = self._journal.failure or "", self._journal.behind
        self._lookout.look(watch)

    def _accept(self, state: NDArray[Any], now: float) -> bool:
        """Log one state; False when it cannot be used or has been seen."""
        if (why := self._observer.accepts(state)) is not None:
            self._flags |= DROPPED | (BAD_CRC if why == "crc" else 0)
            self.progress.corrupt += 1
            return False
        pace = self.pace
        if not pace.advance(int(state["tick"]), now):
            return False
        self.progress.row = pace.row
        self._flags |= GAP if pace.gap else 0
        late = pace.lateness(now)
        self._observer.timing(pace.step, pace.gap, self._slow)
        self._slow = False
        self._log(state, now, late)
        return True

    def _log(self, state: NDArray[Any], now: float, late: float) -> None:
        row, frame, imu, motors = self._journal.row, self._frame, state["imu_state"], state["motor_state"][:N_JOINTS]
        row["time"], row["tick"] = now, state["tick"]
        row["q"], row["dq"], row["tau_est"] = motors["q"], motors["dq"], motors["tau_est"]
        if self._sent <= now - late - TRANSIT:
            row["q_target"], row["kp"], row["kd"] = frame.q, frame.kp, frame.kd
            row["command_age"] = now - self._sent
        else:  # it was sent after this state had been sampled
            row["q_target"], row["kp"], row["kd"] = self._before
            row["command_age"] = now - self._sent_before
        row["dq_target"] = row["tau_ff"] = 0.0
        row["temperature"], row["lost"], row["mode"] = motors["temperature"], motors["lost"], motors["mode"]
        row["gyro"], row["accel"], row["rpy"] = imu["gyroscope"], imu["accelerometer"], imu["rpy"]
        row["voltage"], row["current"], row["soc"] = state["power_v"], state["power_a"], state["bms_state"]["soc"]
        row["segment"] = self._program.segment[self._row]
        row["flags"] = self._flags | (LATE if late > LATE_ROW else 0)
        self._flags = 0
        self._journal.append()
        self.lateness[self.progress.rows], self.received[self.progress.rows] = late, now
        self.progress.worst_late = max(self.progress.worst_late, late)
        self.progress.rows += 1

    @property
    def _row(self) -> int:
        """Of the program, the last one at its end."""
        return min(self.progress.row - self._base, len(self._program) - 1)

    def _observe(self, state: NDArray[Any]) -> None:
        row, program = self._row, self._program
        stiff = self._frame.kp[0] > 0.0
        target = self._frame.q if stiff else state["motor_state"]["q"][:N_JOINTS]  # a damped joint tracks nothing
        self._observer.observe(state, target, program.expected_error[row], float(program.speed[row]))
        self.progress.segment = int(program.segment[row])
        self.progress.hottest = int(self.watch.temperature.max())

    def _go_home(self, why: str) -> None:
        """Leave the program for the way home; where nothing stiff is commanded there is none."""
        frame = self._frame
        if not frame.kp.any():
            raise StopError(why)
        self._returning = f"{why}; went home"
        self._program = homeward(frame.q, frame.kp, frame.kd, self._program.home)
        self._base, self._commanded = self.progress.row, 0

    def _command(self, row: int) -> None:
        """Send row `row` of the program. A frame out of bounds raises before it is sent."""
        if row >= len(self._program) or self._latched:
            return
        program, frame = self._program, self._frame
        self._before[0], self._before[1], self._before[2] = frame.q, frame.kp, frame.kd
        self._sent_before = self._sent
        frame.q[:], frame.kp[:], frame.kd[:] = program.q_target[row], program.kp[row], program.kd[row]
        passed, self._commanded = max(row - self._commanded, 1), row
        if not permitted(frame, self._before[0], program.step * passed):
            raise StopError(f"L14 refused own command at row {row}")
        try:
            self._writer.write(frame.seal())
        except Exception as error:
            raise StopError(f"L15 DDS write failed: {error}") from error
        self._sent = time.monotonic()

    def damp(self) -> bool:
        """Stream damping until the robot is seen still; latched: nothing stiff can follow.

        Returns:
            Whether the robot was seen still.
        """
        self._latched = True
        message = damping.frame(self.watch.q).seal()
        with suppress(Exception):  # the stream tries again, every 2 ms
            self._writer.write(message)
        self.damped_after = time.monotonic() - self._seen
        still = damping.stream(
            self._writer, message, self._states, beat=self._page.beat, hurried=lambda: self._signals >= IMPATIENT
        )
        self._page.phase = Phase.DONE
        gc.enable()  # not before: a collection can take longer than the guard waits for a beat
        gc.unfreeze()
        return still
