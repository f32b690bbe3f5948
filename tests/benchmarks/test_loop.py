"""Our control loop against a bare one of the SDK, and its memory; run with -s to see the figures.

Both are judged alike and from outside. CPU time is the kernel's count of all processes of a
loop: ours has a guard. A third participant hears
states and commands: a state's answer is as late as its source timestamp lies behind the state's. The bare loop gets
the real-time priority that ours takes where the system allows it, so that the loops are compared and not the luck of
the scheduler; without it the bare one is later still.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import numpy as np
import pytest
from conftest import JITTER, ROOT, children, planned
from cyclonedds.qos import Policy, Qos

from collect import recording
from collect.channels import GAP
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import LowCmd, LowState
from collect.realtime import CONTROL, realtime

# A busy machine may spoil one measurement; it does not spoil three.
pytestmark = [pytest.mark.dds, pytest.mark.flaky(reruns=2, only_rerun=["(?i)assert"])]

CONFIG = """
name: short
rest: 0.2
segments:
  - {name: a, kind: chirp, duration: 6, amplitude: [0.1], f0: 0.5, f1: [3], kp: [25], kd: [0.5]}
"""
KP = 25.0
"""Of both loops' chirp; the sport mode's is another."""
SECONDS = 8
"""Watched of a loop; ramp, chirp and return take 11."""
WARM_UP = 1.0
LEAK = 1e6
"""From the end of the first quarter of `SECONDS` to the end of the last it is 3000 ticks: a loop that keeps 340 bytes
of each, less than a third of a state, is seen. One that keeps nothing grows by a few pages [B]."""
DEEP = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(2000))
"""So that the observer may be held up for seconds and still sees all."""

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(virtual_go2: Any) -> Iterator[Launch]:
    """Starts Python processes beside a virtual Go2; what still runs when the test is over is ended."""
    virtual_go2()
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, *(str(argument) for argument in arguments)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=DEVNULL, stderr=PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def session(launch: Launch, domain: int, tmp_path: Path) -> Callable[[], subprocess.Popen[str]]:
    """Starts `collect run` with a plan of eleven seconds; it records into s.h5."""
    plan = planned(tmp_path, CONFIG)
    where = ("--interface", "lo", "--domain", domain, "--out", tmp_path, "--session", "s", *JITTER)
    return lambda: launch("-m", "collect", "run", plan, *where)


@dataclass(frozen=True)
class Seen:
    """Of one loop."""

    cpu: float
    """CPU time of the process per tick of the robot [ms]."""
    typical: float
    """Median from a state to its answer [ms]."""
    late: float
    """p99 of the same [ms]."""


class Observer:
    """The third participant."""

    def __init__(self, domain: int) -> None:
        link = Link("lo", domain)
        self._states, self._commands = Inbox(link, LOWSTATE, LowState, DEEP), Inbox(link, LOWCMD, LowCmd, DEEP)

    def wait_for_motion(self) -> None:
        """Until the legs are driven with the chirp's gains; what was heard before is forgotten."""
        drain(self._commands)
        deadline = time.monotonic() + 20.0
        while not any((message.record["motor_cmd"]["kp"][:12] == KP).all() for message in self._commands.take(0.05)):
            assert time.monotonic() < deadline, "nothing moved"

    def watch(self, process: subprocess.Popen[str]) -> Seen:
        """A loop at work, for `SECONDS`."""
        self.wait_for_motion()
        drain(self._states)
        drain(self._commands)
        states: list[int] = []
        answers: list[int] = []
        pids = family(process.pid)
        cpu, end = sum(map(cpu_time, pids)), time.monotonic() + SECONDS
        while time.monotonic() < end:
            answers += stamps(self._commands.take(0.01))
            states += stamps(self._states.take())
        cpu = sum(map(cpu_time, pids)) - cpu
        late = lateness(np.array(states), np.array(answers)) * 1e-6
        return Seen(cpu / len(states) * 1e3, *np.percentile(late, [50, 99]))


@pytest.fixture
def observer(domain: int) -> Iterator[Observer]:
    """On the test's domain; the traceback of a failed test would keep that open."""
    third = Observer(domain)
    yield third
    vars(third).clear()


def drain(inbox: Inbox) -> None:
    """Forget what has come."""
    while inbox.take():
        pass


def stamps(messages: list[Any]) -> list[int]:
    """When they were written [ns]."""
    return [message.sample_info.source_timestamp for message in messages]


def family(pid: int) -> list[int]:
    """A process and its children: of a session, the guard and control."""
    return [pid, *children(pid)]


def cpu_time(pid: int) -> float:
    """Of all its threads so far [s]; the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime(~pid << 3 | 2)


def lateness(states: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """From each state to the first command after it; times as source timestamps [ns]."""
    states = states[states < answers[-1]]
    return answers[np.searchsorted(answers, states, side="right")] - states


def anonymous(pid: int) -> int:
    """Memory of a process that no file backs [B]; the log's pages are the kernel's to drop."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def test_checks_and_log_cost_less_than_the_sdks_way_of_packing(launch, session, observer, domain, tmp_path):
    """Less CPU time a tick and no later, with every check evaluated and every tick logged once."""
    run = session()
    ours = observer.watch(run)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    with realtime(CONTROL) as allowed:  # inherited
        alone = launch(ROOT / "tests" / "benchmarks" / "bare_loop.py", domain)
    bare = observer.watch(alone)
    print(
        f"\nloop, {'' if allowed else 'not '}real-time: "
        f"ours {ours.cpu:.2f} ms CPU per tick, bare {bare.cpu:.2f} ms, ratio {ours.cpu / bare.cpu:.2f}; "
        f"median lateness ours {ours.typical:.2f} ms, bare {bare.typical:.2f} ms, ratio "
        f"{ours.typical / bare.typical:.2f}; "
        f"p99 lateness ours {ours.late:.2f} ms, bare {bare.late:.2f} ms, ratio {ours.late / bare.late:.2f}"
    )
    recorded = recording.read(tmp_path / "s.h5")
    assert (np.diff(recorded.tick.astype(int)) == 2).all()
    assert not (recorded.flags & GAP).any()
    assert len(recorded) > 500 * (SECONDS + 2)
    assert ours.cpu < 0.8 * bare.cpu
    assert ours.typical < bare.typical
    luck = 1.0 if allowed else 3.0  # without priority p99 is, on a busy machine, how long the scheduler lets one wait
    assert ours.late < luck * bare.late


@pytest.mark.long
def test_memory_is_small_and_flat(session, observer):
    """While the robot moves the collector stays below 200 MB and keeps nothing of a tick but its row in the log."""
    run = session()
    observer.wait_for_motion()
    time.sleep(WARM_UP)
    held, pids = [], family(run.pid)
    while run.poll() is None and len(held) < SECONDS * 5:
        held.append(sum(map(anonymous, pids)))
        time.sleep(0.2)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    quarter = len(held) // 4
    growth = max(held[-quarter:]) - max(held[:quarter])
    print(f"\nmemory: {max(held) / 1e6:.1f} MB at most, {growth / 1e6:+.2f} MB from first to last quarter")
    assert max(held) < 200e6
    assert growth < LEAK
