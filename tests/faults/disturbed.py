"""A session that is disturbed: a virtual Go2 with faults on demand, the collector, the robot's view of both."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import place
import pytest
from conftest import JITTER, children, planned
from go2 import Go2
from held_up import was_held_up
from oracle import Oracle
from promises import FULL, record, times
from standstill import Standstill

from collect import recording, salvage
from collect.computer import alone
from collect.errors import UserError
from collect.journal import MEMORY
from collect.link import free_domain
from collect.pace import PERIOD
from collect.virtual import wire

SLACK = 0.0 if FULL else 0.03
"""What a busy machine is granted beyond a bound, and beyond its standstills [s]."""
KILLS = times(3, 30)
SHORTENED = """
import functools, collect.preflight
collect.preflight.preflight = functools.partial(collect.preflight.preflight, listen=0.4, damped=0.7)
"""
"""What is judged here comes after preflight; its own tests have all of it."""
TRIES = 10
"""A session that is refused because the machine does not keep time is begun anew; before motion nothing is judged."""
MAIN = "import runpy, sys\nsys.argv[0] = 'collect'\nrunpy.run_module('collect', run_name='__main__')"
HIPS = 0.45
"""Where gravity leaves the hips, so that a robot that is damped is soon still [rad]."""
PLAN = f"""
name: disturbed
posture: [{", ".join(f"{hip}, 1.4, -1.8" for hip in (HIPS, -HIPS, HIPS, -HIPS))}]
rest: 0.1
segments:
  - {{name: a, kind: chirp, duration: 6, amplitude: [0.1, 0.1, 0.15], f0: 0.5, f1: [4], kp: [25], kd: [0.5]}}
"""
LARGEST_STEP = 2.0 * 2.0 * np.pi * 4.0 * 0.15 * PERIOD
"""Of a target within 2 ms, twice that of the plan: two may be heard in one tick and none in the next [rad]."""


@dataclass
class Disturbed:
    """One session and its robot."""

    robot: Go2
    session: subprocess.Popen[str]
    oracle: Oracle
    folder: Path
    domain: int
    errors: str = ""
    _processes: tuple[int, ...] = field(default=(), repr=False)
    _ended: bool = field(default=False, repr=False)

    @property
    def control(self) -> int:
        """Process id of the control process, the session's only child; a session that has ended fails the test."""
        if not self._processes:
            found = children(self.session.pid)
            if not found:
                self.wait()
            assert found, self.errors
            self._processes = (self.session.pid, *found)
        return self._processes[1]

    def fault(self, *lines: str) -> float:
        """Begin faults of the robot; when the last began, by the machine's monotonic clock [s]."""
        return self.robot.fault(*lines)

    def wait(self, timeout: float = 40.0) -> int:
        """The session's exit code; what it said is in `errors`, and no process of it is left (S10)."""
        if not self._ended:
            _, self.errors = self.session.communicate(timeout=timeout)
            self._ended = True
            assert not left_running(*self._processes), self.errors
        return self.session.returncode

    def taken_over(self, noted: Path, why: str) -> tuple[float, float]:
        """What holds once the guard has damped; from an event that the session noted to damping, and the event [s]."""
        assert self.wait() == 6, self.errors
        assert why in self.errors
        event = float(noted.read_text())
        assert self.oracle.stiff_after_damping(event) == 0
        assert self.oracle.ends_in_damping()
        return self.oracle.damping_delay(event), event

    @property
    def recording(self) -> Path:
        return self.folder / "s.h5"

    @property
    def journal(self) -> Path:
        return self.folder / "s.journal"


def left_running(*pids: int) -> list[int]:
    """Which of these processes still exist after three seconds, zombies aside."""
    deadline = time.monotonic() + 3.0
    while (left := [pid for pid in pids if _state(pid) not in ("gone", "Z")]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "gone"


@pytest.fixture(scope="session")
def plan(tmp_path_factory) -> Path:
    """Eleven seconds: armed, a ramp of three, a chirp of six, the way back."""
    return planned(tmp_path_factory.mktemp("plan"), PLAN)


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    """A DDS domain that nobody else on this machine uses, for a file of tests."""
    with free_domain() as found:
        yield found


@pytest.fixture(scope="module")
def go2(domain, tmp_path_factory) -> Iterator[Callable[..., Go2]]:
    """The virtual Go2 of a file of tests: well, and as the last of them left its legs; another for another set-up."""
    there: list[Go2] = []

    def ready(*arguments: str) -> Go2:
        if there and not (there[0].lives and there[0].arguments == arguments and _has_room(there[0])):
            there.pop().end()
        if not there:
            there.append(Go2(tmp_path_factory.mktemp("go2"), domain, *arguments))
        there[0].fault("well")
        return there[0]

    yield ready
    for one in there:
        one.end()


def _has_room(go2: Go2) -> bool:
    """Whether its log of commands takes another session."""
    return len(wire.read(go2.wire)) < wire.CAPACITY // 2


@pytest.fixture
def disturbed(plan, domain, go2, tmp_path) -> Iterator[Callable[..., Disturbed]]:
    """Starts a session; returns once the first stiff command was received, `after` seconds later.

    At the end of the test nothing of it is left: no process, no claim, no memory of what was sealed (S10).

    Code given as `patch` runs in the session's process before anything else: faults inside of it.
    """
    running: list[Disturbed] = []

    def start(
        *robot: str, after: float = 0.3, patch: str = "", moving: bool = True, before=(), options=JITTER
    ) -> Disturbed:
        one = go2(*robot)
        words = [*place.session(plan, domain, tmp_path), *options]
        code = f"{'' if FULL else SHORTENED}{patch}\n{MAIN}"
        command = [sys.executable, "-c", code]
        made = Disturbed(one, None, Oracle(one.wire), tmp_path, domain)
        if before:
            made.fault(*before)
        for _ in range(TRIES):
            session = place.begun([*command, *words])
            made = Disturbed(one, session, made.oracle, tmp_path, domain)
            running.append(made)
            if not moving or made.oracle.until_stiff(session):
                break
            made.wait()
            if not was_held_up(made.errors):
                break
            made.recording.unlink(missing_ok=True)  # of one that was stopped before anybody saw it move
        assert not moving or made.errors == "", f"never moved: {made.errors}"
        if moving:
            assert made.control  # known before it ends, so that its end can be told
        time.sleep(after if moving else 0.0)
        return made

    yield start
    for one in running:
        for pid in (one.session.pid, *children(one.session.pid)):
            if one.session.poll() is None or pid != one.session.pid:
                _end(pid)
        one.wait()
    for left in tmp_path.glob("*.journal"):  # what it has in memory would stay there
        with contextlib.suppress(UserError):
            salvage.read(left).ring.unlink(missing_ok=True)
    for sealed in {one.recording for one in running if one.recording.exists()}:
        journal = recording.read(sealed).attributes["journal"]
        assert not list(MEMORY.glob(f"{journal}*")), "what was sealed is still in memory"
    with alone(place.INTERFACE, domain) as rival:
        assert rival is None, "a session that has ended still claims the robot"


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.fixture(scope="session")
def standstill(tmp_path_factory) -> Iterator[Standstill]:
    """Watches the machine."""
    watching = Standstill(tmp_path_factory.mktemp("standstill"))
    yield watching
    watching.close()


@pytest.fixture
def promise(record_property, standstill) -> Callable[[str, str, float], Callable[[float, float], None]]:
    """Notes a promise and its bound [s]; what it returns takes what was measured and holds one against the other.

    What the machine stood still meanwhile is noted, and nobody's fault.
    """

    def promised(code: str, what: str, bound: float) -> Callable[[float, float], None]:
        note = record(record_property, code, f"{bound * 1e3:.0f} ms", what)

        def kept(measured: float, event: float) -> None:
            still = standstill.between(event, event + measured)
            note(f"{measured * 1e3:.1f} ms", still * 1e3)
            words = f"{measured * 1e3:.1f} ms, {bound * 1e3:.0f} ms promised, standstill {still * 1e3:.1f} ms"
            assert measured <= bound + still + SLACK, f"{code} {what}: {words}"

        return kept

    return promised
