"""The control process: look, move along the program, damp; what it saw is in the journal."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collect import damping, recording, sealing
from collect.acceptance import Acceptance
from collect.control import Control
from collect.errors import UserError
from collect.handshake import hear_guard, hear_guard_damp
from collect.heartbeat import Heartbeat
from collect.interrupts import answered, heed
from collect.journal import SUFFIX, Journal
from collect.limits import MAX_LATE, OVERRUN
from collect.link import Link, Place
from collect.live import live_line, say
from collect.neighbours import described
from collect.pace import PERIOD
from collect.plan import Plan
from collect.preflight import Robot, preflight
from collect.program import Program, compose
from collect.realtime import CONTROL, realtime
from collect.safety import IN_MOTION, advice

SPARE = round((OVERRUN + 1.0) / PERIOD)
"""Rows of the journal beyond the program: more than L20 lets a session have."""
MOST_JITTER = 0.015
"""What the operator may accept of a computer that is held up now and then; the guard fires at 20 ms [s]."""
STOPPED, OPERATOR, NOT_STILL = 3, 4, 6
"""Exit codes: stopped by a check, by the operator, robot not seen still or damped by the guard."""
SIMULATOR = "simulator"
PR_SET_DUMPABLE = 4
"""Of linux/prctl.h."""
_CHANNELS = {name: (name,) for name in ("tick", "temperature", "mode")} | {"battery": ("voltage", "current", "soc")}
"""Of the recording, by what a simulator does not deliver."""


@dataclass(frozen=True)
class Options:
    """Where the robot is and where its recording goes."""

    place: Place
    out: Path
    peer: str = "robot"
    session: str | None = None
    acceptance: Path = Path("robot.yaml")
    accept_jitter: float = MAX_LATE
    """How late the loop may be before the session stops, up to `MOST_JITTER` [s]."""

    def __post_init__(self) -> None:
        if not MAX_LATE <= self.accept_jitter <= MOST_JITTER:
            raise UserError(
                f"a lateness of {self.accept_jitter * 1e3:g} ms cannot be accepted",
                where=f"--accept-jitter {self.accept_jitter:g}",
                fix=f"choose {MAX_LATE:g} to {MOST_JITTER:g} seconds, or a quieter computer",
            )


def move(plan: Plan, options: Options, target: Path, page: Heartbeat, *, accepted: Acceptance | None) -> int:
    """Look, move and damp; the journal beside `target` is closed when this returns.

    Args:
        plan: to follow.
        options: where.
        target: the recording-to-be.
        page: shared with the guard.
        accepted: what was measured on the robot that is expected; None for a virtual one.

    Returns:
        0 complete, 3 stopped by a check, 4 by the operator, 6 robot not confirmed still.

    Raises:
        UserError: before anything moves, when there is a reason not to.
    """
    with realtime(CONTROL) as first:  # from here on, so that the threads of DDS are as fast as the loop
        link = Link(options.place.interface, options.place.domain)
        others = hear_guard(link, page, str(options.place))
        simulator = options.peer == SIMULATOR
        stops = accepted.range() if accepted is not None else None
        late = options.accept_jitter
        robot = preflight(link, str(options.place), simulator=simulator, accepted=accepted, max_late=late)
        _introduce(robot)
        hear_guard_damp(link, others, page, str(options.place))
        program = compose(plan, robot.q)
        header = _header(plan, options, robot, target.stem, first)
        segments = [segment.decode() for segment in plan.segments["name"]]
        journal = Journal(target.with_suffix(SUFFIX), len(program) + SPARE, header)
        control = Control(link, journal, program, page, others, rate=robot.rate, missing=robot.missing)
        control.watch.max_late = late
        if stops is not None:
            control.watch.low[:], control.watch.high[:] = stops
        return _follow(control, journal, program, segments)


def _follow(control: Control, journal: Journal, program: Program, segments: list[str]) -> int:
    reason: str | None = "S4 interrupted before the loop began"
    cpu, start, wall = time.thread_time(), time.monotonic(), time.time() - time.monotonic()
    with answered(control.interrupt):
        with live_line(control.progress, program, segments):
            try:
                reason = control.follow()
            finally:
                still = control.damp()
        statistics = _statistics(control, time.monotonic() - start, time.thread_time() - cpu)
        statistics["clock_step"] = time.time() - time.monotonic() - wall  # of the wall clock, which nothing here uses
        try:
            journal.finish(
                {
                    "state": "complete" if reason is None else "stopped",
                    "stop_code": _code(reason),
                    "stop_reason": reason or "",
                    "statistics": json.dumps(statistics),
                }
            )
            journal.close()
        finally:  # whatever became of the log, the operator is to know of the robot
            _tell(control, reason, still=still)
    if not still:
        return NOT_STILL
    return 0 if reason is None else OPERATOR if _code(reason) in ("S2", "S4") else STOPPED


def _code(reason: str | None) -> str:
    return (reason or "").split(" ")[0]


def _tell(control: Control, reason: str | None, *, still: bool) -> None:
    """Why it stopped, what is known of the robot, and what can be done."""
    seen, rows = damping.outcome(still), control.progress.rows
    if reason is not None:
        say(
            f"STOP {reason}. Damping sent {control.damped_after * 1e3:.1f} ms after that was seen. {seen} "
            f"Data: {rows} rows, complete to t = {rows * PERIOD:.1f} s."
        )
        if what := advice(_code(reason)):
            say(f"What to do: {what}.")
    elif not still:
        say(seen)


def _introduce(robot: Robot) -> None:
    released = f", motion service {robot.released!r} released" if robot.released else ""
    say(f"robot found at {robot.rate:.0f} Hz{released}")
    if robot.missing:
        say(f"this simulator does not deliver: {', '.join(sorted(robot.missing))}")
    if robot.silent_writers:
        say(f"note: {robot.silent_writers} silent writer(s) of rt/lowcmd besides us; one more would stop the session")


def _header(plan: Plan, options: Options, robot: Robot, name: str, first: bool) -> dict[str, Any]:
    return {
        "session": name,
        "rate": robot.rate,
        "missing": sorted(channel for what in robot.missing for channel in _CHANNELS.get(what, ())),
        "segments": sealing.describe(plan.segments),
        "attributes": {
            "robot": described(options.place, robot.identity),
            "created": recording.now(),
            "mount": "hung",
            "posture": robot.q.tolist(),
            "plan_sha256": plan.sha256,
            "config": plan.config,
            "versions": json.dumps(sealing.versions()),
            "released": robot.released,
            "realtime": first,
            "self_test_late_ms": robot.late * 1e3,
            "accepted_late_ms": options.accept_jitter * 1e3,
            "checks": json.dumps([f"{check.code}: {check.trigger}" for check in IN_MOTION]),
        },
    }


def _statistics(control: Control, elapsed: float, cpu: float) -> dict[str, float]:
    """Deadline statistics of the loop; times in ms."""
    progress, pace = control.progress, control.pace
    late = control.lateness[: progress.rows] * 1e3
    received = control.received[: progress.rows]
    intervals = np.diff(received) * 1e3 if len(received) > 1 else np.zeros(1)
    quantiles = np.percentile(late, [50, 99, 100]) if len(late) else np.zeros(3)
    return {
        "rows": progress.rows,
        "missing": pace.missing,
        "repeated": pace.repeated,
        "corrupt": progress.corrupt,
        "stale": progress.stale,
        "interval_mean_ms": float(np.mean(intervals)),
        "interval_std_ms": float(np.std(intervals)),
        "interval_max_ms": float(np.max(intervals)),
        "late_p50_ms": float(quantiles[0]),
        "late_p99_ms": float(quantiles[1]),
        "late_max_ms": float(quantiles[2]),
        "cpu_share": cpu / elapsed if elapsed > 0 else 0.0,
    }


def run(work: Callable[[], int]) -> None:
    """Be the control process that does this work, which gives the exit code; does not return."""
    os.setsid()  # a signal of the terminal's goes to the guard, which passes it on
    # No core dump: the guard learns of a crash only after it, and one into a pipe heeds no RLIMIT_CORE (core(5)).
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    code = 1
    try:
        heed()
        code = work()
    except UserError as error:
        say(f"error: {error}")
        code = 2
    except KeyboardInterrupt:  # once the robot moves, signals are caught
        say("interrupted before anything moved")
        code = OPERATOR
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
