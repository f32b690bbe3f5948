"""One session at the robot: look, move along the plan, come back, damp, seal."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from collect import recording, sealing
from collect.control import PERIOD, SIMULATOR, Control, Progress
from collect.errors import UserError
from collect.journal import SUFFIX, Journal
from collect.link import Link, default_domain
from collect.plan import Plan, check
from collect.preflight import Robot, confirm_hanging, preflight
from collect.program import Program, compose
from collect.realtime import realtime

SPARE = 1000
"""Rows of the journal beyond the program: two seconds."""
EXIT_STOPPED, EXIT_OPERATOR, EXIT_NOT_STILL = 3, 4, 6
"""Exit codes: stopped by a check, by the operator, robot not seen still."""


@dataclass(frozen=True)
class Options:
    """Where the robot is and where its recording goes."""

    interface: str
    out: Path
    domain: int | None = None
    peer: str = "robot"
    session: str | None = None

    @property
    def where(self) -> str:
        """For messages."""
        return f"interface {self.interface}, domain {self.number}"

    @property
    def number(self) -> int:
        """The DDS domain: 0 on a network, 1 on loopback, unless told otherwise."""
        return default_domain(self.interface) if self.domain is None else self.domain


@dataclass(frozen=True)
class Result:
    """How a session ended."""

    path: Path
    reason: str | None
    """None when complete, else the stop's code and words."""
    still: bool
    rows: int

    @property
    def exit_code(self) -> int:
        """0 complete, 3 stopped by a check, 4 by the operator, 6 robot not confirmed still."""
        if not self.still:
            return EXIT_NOT_STILL
        if self.reason is None:
            return 0
        return EXIT_OPERATOR if self.reason.startswith("S") else EXIT_STOPPED


def run(plan: Plan, options: Options) -> Result:
    """Move a hung robot along a plan and seal what it did.

    Raises:
        UserError: before anything moves, when there is a reason not to.
    """
    check(plan)
    name = options.session or f"{plan.name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    target = recording.session_path(options.out, name)
    with realtime() as allowed:  # from here on, so that the threads of DDS are as fast as the loop
        journal, result = _record(plan, options, target, first=allowed)
    return replace(result, path=_seal(journal))


def _record(plan: Plan, options: Options, target: Path, *, first: bool) -> tuple[Journal, Result]:
    """Look, move and damp; the journal is closed, the result still without its recording.

    `first` says whether the loop goes before ordinary processes; it is only noted.
    """
    link = Link(options.interface, options.number)
    simulator = options.peer == SIMULATOR
    confirm_hanging(options.interface, simulator=simulator)
    robot = preflight(link, options.where, simulator=simulator)
    _say(
        f"robot found at {robot.rate:.0f} Hz"
        + (f", motion service {robot.released!r} released" if robot.released else "")
    )
    if robot.missing:
        _say(f"this simulator does not deliver: {', '.join(sorted(robot.missing))}")
    if robot.silent_writers:
        _say(f"note: {robot.silent_writers} silent writer(s) of rt/lowcmd besides us; one more would stop the session")
    program = compose(plan, robot.q)
    header = _header(plan, options, robot, target.stem, first)
    journal = Journal(target.with_suffix(SUFFIX), len(program) + SPARE, header)
    reason, still, progress = _move(link, journal, program, plan, robot)
    return journal, Result(journal.path, reason, still, progress.rows)


def _move(
    link: Link, journal: Journal, program: Program, plan: Plan, robot: Robot
) -> tuple[str | None, bool, Progress]:
    control = Control(link, journal, program, rate=robot.rate, missing=robot.missing)
    reason: str | None = "S4 interrupted before the loop began"
    still = False
    cpu, start = time.thread_time(), time.monotonic()
    with _signals(control):
        with _live_line(control.progress, program, plan):
            try:
                reason = control.follow()
            finally:
                still = control.damp()
        elapsed = time.monotonic() - start
        statistics = _statistics(control, elapsed, time.thread_time() - cpu)
        journal.finish(
            {
                "state": "complete" if reason is None else "stopped",
                "stop_code": (reason or "").split(" ")[0],
                "stop_reason": reason or "",
                "statistics": json.dumps(statistics),
            }
        )
        journal.close()
    return reason, still, control.progress


def _seal(journal: Journal) -> Path:
    try:
        return sealing.seal(journal.path)
    except UserError as error:
        raise UserError(
            f"{error.what}; nothing is lost, the journal holds the session",
            where=str(journal.path),
            fix=f"{error.fix}, then python -m collect recover {journal.path}",
        ) from error


def _header(plan: Plan, options: Options, robot: Robot, name: str, first: bool) -> dict[str, Any]:
    return {
        "session": name,
        "rate": robot.rate,
        "missing": sorted(robot.missing & {"tick", "temperature", "mode"}),
        "segments": sealing.describe(plan.segments),
        "attributes": {
            "robot": f"Go2 on {options.where}",
            "created": recording.now(),
            "mount": "hung",
            "posture": robot.q.tolist(),
            "plan_sha256": plan.sha256,
            "config": plan.config,
            "versions": json.dumps(sealing.versions()),
            "released": robot.released,
            "realtime": first,
        },
    }


def _statistics(control: Control, elapsed: float, cpu: float) -> dict[str, float]:
    """Deadline statistics of the loop; times in ms."""
    progress = control.progress
    late = control.lateness[: progress.rows] * 1e3
    counts = {
        name: value for name, value in asdict(progress).items() if name in ("rows", "missing", "repeated", "corrupt")
    }
    quantiles = np.percentile(late, [50, 99, 100]) if len(late) else np.zeros(3)
    return counts | {
        "late_p50_ms": float(quantiles[0]),
        "late_p99_ms": float(quantiles[1]),
        "late_max_ms": float(quantiles[2]),
        "cpu_share": cpu / elapsed if elapsed > 0 else 0.0,
    }


@contextmanager
def _signals(control: Control) -> Iterator[None]:
    """A signal sets a flag that the loop sees within a tick; none can skip the damping."""

    def request(number: int, _frame: Any) -> None:
        control.stop_requested = control.stop_requested or f"S2 operator ({signal.Signals(number).name})"

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = {number: signal.signal(number, request) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _live_line(progress: Progress, program: Program, plan: Plan) -> Iterator[None]:
    """Five times a second: time, segment, rate, worst lateness, hottest motor. Never in the loop's way."""
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(progress, program, plan, done), name="live-line", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(1.0)


def _show(progress: Progress, program: Program, plan: Plan, done: threading.Event) -> None:
    names = [segment.decode() for segment in plan.segments["name"]]
    total = len(program) * PERIOD
    tty = sys.stderr.isatty()
    rows, at = 0, time.monotonic()
    while not done.wait(0.2 if tty else 5.0):
        now = time.monotonic()
        rate, rows, at = (progress.rows - rows) / (now - at), progress.rows, now
        outside = "ramp" if progress.row < program.plan_start else "rest"
        name = names[progress.segment] if progress.segment >= 0 else outside
        text = (
            f"{progress.row * PERIOD:6.1f} / {total:.1f} s  {name:<20} {rate:5.0f} Hz  "
            f"worst late {progress.worst_late * 1e3:4.1f} ms  hottest {progress.hottest} °C"
        )
        sys.stderr.write(f"\r{text}\x1b[K" if tty else f"{text}\n")
        sys.stderr.flush()
    if tty:
        sys.stderr.write("\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
