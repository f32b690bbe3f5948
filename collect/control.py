"""The control loop: paced by the robot's states, one row per robot tick, none twice, none missing.

In a tick: take what has come, log it beside the command that was in force, check, answer. Everything is
allocated before; the only way out is through damping.
"""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import BAD_CRC, DROPPED, GAP, LATE
from collect.joints import N_JOINTS
from collect.journal import Journal
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import CommandFrame, LowCmd, LowState, crc32
from collect.program import Program
from collect.safety import CHECKS, DAMPING_KD, STATE_AGE, STILL_SPEED, Watch, tripped, usable

TICK = 2
"""The robot's clock between two states [ms]."""
PERIOD = 0.002
"""Time between two states [s]."""
LATE_ROW = 0.001
"""A row handled later than this after its place on the tick grid is flagged [s]."""
TRANSIT = 0.0003
"""A command sent this shortly before a state was sampled was still on its way (loopback: some 0.1 ms each way, and
the robot samples a little before it sends) [s]."""
DAMP_LEAST, DAMP_STILL, DAMP_MOST = 1.0, 0.5, 5.0
"""Damping lasts at least this long, and until the robot has been still this long, at most this long [s]."""
SIMULATOR = "simulator"
GRID_ROWS = 125
"""The tick grid is the quickest delivery of the last one to two times this many rows: soon enough right again after the
robot's clock was set or, in a simulator, held up."""


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
    missing: int = 0
    """Robot ticks that never came."""
    repeated: int = 0
    """Ticks that came twice; the second is not logged."""
    corrupt: int = 0
    """States dropped for their CRC or absurd numbers."""


class Control:
    """One session's loop. `follow` moves, `damp` stops; after `damp` nothing else is ever sent."""

    def __init__(
        self,
        link: Link,
        journal: Journal,
        program: Program,
        *,
        rate: float = 500.0,
        missing: frozenset[str] = frozenset(),
    ) -> None:
        """Allocate all that the loop needs.

        Args:
            link: the participant.
            journal: where rows go; must have room for the program.
            program: what to command, by tick.
            rate: of the peer's states [Hz]; a robot's is 500.
            missing: what this peer does not deliver (tick, crc, temperature, mode): checks that need it are left
                out. Empty for a real robot.
        """
        self._link, self._journal, self._program = link, journal, program
        self._missing = missing
        self._checks = tuple(check for check in CHECKS if check.needs not in missing)
        self._states = Inbox(link, LOWSTATE, LowState)
        self._writer = link.writer(LOWCMD, LowCmd)
        self._frame = CommandFrame()
        self._watch = Watch()
        self.progress = Progress()
        self.stop_requested: str | None = None
        """Set by a signal handler; the loop looks once a tick."""
        self.lateness = np.zeros(journal.capacity, np.float32)
        """Of each row from the tick grid [s]."""
        self._known_writers = link.other_writers(LOWCMD)
        self._second = np.zeros(500, np.uint32)  # lost counters of the last second
        self._bad_states = np.zeros(10, bool)
        self._bad_crcs = 0.0
        self._sent = self._sent_before = self._received = 0.0
        self._before = np.zeros((3, N_JOINTS), np.float32)  # q_target, kp, kd of the command before the last
        self._last_tick: int | None = None
        self._elapsed = 0  # the robot's clock since the first row [ms]
        self._tick_step = max(round(1e3 / rate), 1)
        self._grid = self._grid_before = np.inf  # of these rows, of those before [s]
        self._start_rpy: NDArray[np.float32] | None = None
        self._flags = 0
        self._latched = False

    def follow(self) -> str | None:
        """Command the whole program.

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
        except Exception as error:  # whatever it is, the legs must be damped
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
            return f"L13 {type(error).__name__}: {error} ({where})"
        finally:
            gc.enable()
            gc.unfreeze()

    def _loop(self) -> str | None:
        self._states.take()  # what came while nobody listened
        self._command(0)  # damping, twice: from here on a command and one before it are in force
        self._command(0)
        self._received = time.monotonic()
        while self.progress.row < len(self._program):
            states = self._states.take(STATE_AGE)
            now = time.monotonic()
            if self.stop_requested is not None:
                return self.stop_requested
            newest = None
            for state in states:
                newest = state.record if self._log(state.record, time.monotonic()) else newest
            self._watch.age = now - self._received
            self._watch.late = (len(states) - 1) * PERIOD
            if newest is not None:
                self._received, self._watch.age = now, 0.0
                self._observe(newest)
            if (reason := tripped(self._watch, self._checks)) is not None:
                return reason
            if newest is not None:
                self._command(self.progress.row)
        return None

    def _log(self, state: NDArray[Any], now: float) -> bool:
        """Write one row; False when the state cannot be used or has been seen."""
        motors = state["motor_state"][:N_JOINTS]
        if "crc" not in self._missing and crc32(state) != int(state["crc"]):
            self._bad_crcs += 1.0
            self._flags |= BAD_CRC | DROPPED
            self.progress.corrupt += 1
            return False
        good = usable(motors["q"], motors["dq"], motors["tau_est"])
        self._bad_states[self.progress.rows % 10] = not good
        self._watch.bad_states = int(self._bad_states.sum())
        if not good:
            self._flags |= DROPPED
            self.progress.corrupt += 1
            return False
        if not self._advance(int(state["tick"]), now):
            return False
        self._fill(state, motors, now)
        self._journal.append()
        self.progress.rows += 1
        return True

    def _advance(self, tick: int, now: float) -> bool:
        """Follow the robot's clock; False for a tick that was seen already."""
        first = self._last_tick is None
        if "tick" in self._missing:
            tick = round(now * 1e3)  # a simulator without a clock is paced by ours
        step = self._tick_step if self._last_tick is None else (tick - self._last_tick + 2**31) % 2**32 - 2**31
        if step == 0:
            self.progress.repeated += 1
            return False
        self._last_tick = tick
        self._watch.tick_step = step
        if "tick" not in self._missing and step != self._tick_step:
            self._flags |= GAP
            self.progress.missing += max(step // self._tick_step - 1, 0)
        self._elapsed += 0 if first else step
        self.progress.row = self._elapsed // TICK
        return True

    def _fill(self, state: NDArray[Any], motors: NDArray[Any], now: float) -> None:
        row, frame, imu = self._journal.row, self._frame, state["imu_state"]
        row["time"], row["tick"] = now, state["tick"]
        row["q"], row["dq"], row["tau_est"] = motors["q"], motors["dq"], motors["tau_est"]
        late = self._lateness(now)
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
        index = min(self.progress.row, len(self._program) - 1)
        row["segment"] = self._program.segment[index]
        row["flags"] = self._flags | (LATE if late > LATE_ROW else 0)
        self._flags = 0

    def _lateness(self, now: float) -> float:
        """Distance of this row from the grid that the robot's clock and the quickest delivery define [s]."""
        ahead = now - self.progress.row * PERIOD
        if self.progress.rows % GRID_ROWS == 0:
            self._grid_before, self._grid = self._grid, ahead
        self._grid = min(self._grid, ahead)
        late = ahead - min(self._grid, self._grid_before)
        self.lateness[self.progress.rows] = late
        self.progress.worst_late = max(self.progress.worst_late, late)
        return late

    def _observe(self, state: NDArray[Any]) -> None:
        watch, motors, index = (
            self._watch,
            state["motor_state"][:N_JOINTS],
            min(self.progress.row, len(self._program) - 1),
        )
        stiff = self._frame.kp[0] > 0.0
        target = self._frame.q if stiff else motors["q"]  # a damped joint tracks nothing
        watch.observe(motors["q"], motors["dq"], motors["tau_est"], target, self._program.expected_error[index])
        watch.temperature[:] = motors["temperature"]
        settled = self.progress.rows * PERIOD > 0.25  # servo mode is reported a little after the first command
        watch.mode[:] = motors["mode"] if settled else 1
        lost, slot = motors["lost"].sum(), self.progress.rows % 500
        watch.lost = int(lost) - int(self._second[slot]) if self.progress.rows > 500 else 0
        self._second[slot] = lost
        self._bad_crcs = max(self._bad_crcs - PERIOD * 5.0, 0.0)
        watch.bad_crcs = int(np.ceil(self._bad_crcs))
        rpy = state["imu_state"]["rpy"]
        if self._start_rpy is None:
            self._start_rpy = rpy.copy()
        watch.tilt = float(np.abs(rpy - self._start_rpy)[:2].max())
        self.progress.segment = int(self._program.segment[index])
        self.progress.hottest = int(motors["temperature"].max())
        if self._link.writers_changed():
            watch.others = len(self._link.other_writers(LOWCMD) - self._known_writers)

    def _command(self, row: int) -> None:
        """Send row `row` of the program. A frame out of bounds raises before it is sent."""
        if row >= len(self._program) or self._latched:
            return
        program, frame = self._program, self._frame
        self._before[0], self._before[1], self._before[2] = frame.q, frame.kp, frame.kd
        self._sent_before = self._sent
        frame.q[:], frame.kp[:], frame.kd[:] = program.q_target[row], program.kp[row], program.kd[row]
        if not (np.abs(frame.q).max() < 7.0 and (frame.kd > 0.0).all() and (frame.kp >= 0.0).all()):
            raise ValueError(f"L14 refused own command at row {row}")
        self._writer.write(frame.seal())
        self._sent = time.monotonic()

    def damp(self) -> bool:
        """Stream damping until the robot is seen still; latched: nothing stiff can follow.

        Returns:
            Whether every joint was seen slower than `STILL_SPEED` for `DAMP_STILL`.
        """
        self._latched = True
        frame = self._frame
        frame.kp[:], frame.kd[:] = 0.0, DAMPING_KD
        if np.isfinite(self._watch.q).all():
            frame.q[:] = self._watch.q
        message = frame.seal()
        due = start = now = heard = time.monotonic()
        still_since: float | None = None
        while now - start < DAMP_MOST:
            self._writer.write(message)
            due += PERIOD
            states = self._states.take(max(due - time.monotonic(), 0.0))
            now = time.monotonic()
            if states:
                heard = now
                still_since = (still_since or now) if _still(states[-1].record) else None
            elif now - heard > STATE_AGE:
                still_since = None  # a silent robot is not known to be still
            if still_since and now - still_since >= DAMP_STILL and now - start >= DAMP_LEAST:
                return True
            time.sleep(max(due - now, 0.0))
        return False


def _still(state: NDArray[Any]) -> bool:
    return bool((np.abs(state["motor_state"]["dq"][:N_JOINTS]) < STILL_SPEED).all())
