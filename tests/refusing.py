"""Parts of a session's beginning, each in a process of its own, forked from one that imported all but began no DDS."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from place import INTERFACE

from collect import computer, handshake, neighbours, preflight, sealing
from collect.acceptance import Acceptance, Identity
from collect.errors import exit_on_user_error
from collect.heartbeat import Heartbeat
from collect.journal import Journal
from collect.link import Link, Place
from collect.realtime import CONTROL, realtime

DAMPER = """
import sys, time
import numpy as np
from collect import damping
from collect.link import LOWCMD, Link
from collect.messages import LowCmd
writer, message = Link(sys.argv[1], int(sys.argv[2])).writer(LOWCMD, LowCmd), damping.frame(np.zeros(12)).seal()
while True:
    writer.write(message)
    time.sleep(0.01)
"""
JITTER = 0.015
"""What these sessions accept of the loop where its lateness is not what is judged [s]; a busy host needs it."""
SHORT = {"listen": 0.8, "damped": 0.8, "patience": 0.3}
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["collect.preflight"])


@dataclass
class Child:
    """A process that looks, and what became of it."""

    process: ForkServerProcess
    said: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            os.kill(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"hangs: {self.text}")
        return self.process.exitcode

    @property
    def text(self) -> str:
        """What it said."""
        return self.said.read_text()

    @property
    def found(self) -> Any:
        """What it found, told in its last line."""
        return json.loads(self.text.splitlines()[-1])


def start(folder: Path, task: Any, *arguments: Any, typed: str | None = "") -> Child:
    """Run a task of this file; `typed` is on its standard input, None stands for a closed one."""
    said = folder / f"said-{time.monotonic_ns()}"
    process = _CONTEXT.Process(target=_run, args=(task, arguments, said, typed))
    process.start()
    return Child(process, said)


def _run(task: Any, arguments: tuple[Any, ...], said: Path, typed: str | None) -> None:
    os.dup2(os.open(said, os.O_CREAT | os.O_WRONLY), 2)
    reading, writing = os.pipe()
    os.write(writing, (typed or "").encode())
    os.close(writing)
    sys.stdin = os.fdopen(reading) if typed is not None else None  # what Python makes of a closed file 0
    with exit_on_user_error():
        sys.stderr.write(f"{json.dumps(task(*arguments))}\n")


def robot(
    domain: int,
    simulator: bool = False,
    whole: bool = False,
    accepted: Acceptance | None = None,
    max_late: float = JITTER,
) -> Mapping[str, Any]:
    """The preflight, shortened if not `whole`, of a robot that was measured or need not be."""
    start = time.monotonic()
    with realtime(CONTROL):
        link = Link(INTERFACE, domain)
        times = {} if whole else SHORT
        where = str(Place(INTERFACE, domain))
        found = preflight.preflight(link, where, simulator=simulator, accepted=accepted, max_late=max_late, **times)
    return {
        "seconds": time.monotonic() - start,
        "q": found.q.tolist(),
        "rate": found.rate,
        "released": found.released,
        "missing": sorted(found.missing),
        "silent_writers": found.silent_writers,
        "late": found.late,
    }


def unguarded(domain: int, there: str) -> None:
    """Control's search for its guard: it has not started, or is `mute`, or mute while `somebody` else damps."""
    handshake.GUARD_ANSWERS = 0.5
    page, where = Heartbeat(), str(Place(INTERFACE, domain))
    link = Link(INTERFACE, domain)
    if there:
        page.guard = "a participant that sends nothing"
    others = handshake.hear_guard(link, page, where)
    if there != "somebody":
        return handshake.hear_guard_damp(link, others, page, where)
    with subprocess.Popen([sys.executable, "-c", DAMPER, INTERFACE, str(domain)]) as damper:
        try:
            assert others.take(10.0), "the damper is not heard"
            handshake.hear_guard_damp(link, others, page, where)
        finally:
            damper.kill()


def alone(domain: int, folder: Path) -> Mapping[str, Any]:
    """The preflight under the claim to be the only collector."""
    with preflight.claim(Place(INTERFACE, domain), folder):
        return robot(domain)


def claimed(place: Place, folder: Path, accepted: Acceptance | None = None) -> str:
    """Claim and do nothing."""
    with preflight.claim(place, folder, accepted):
        return "claimed"


def writing(path: Path, place: Place, identity: Identity) -> None:
    """A collector as another computer has it: it claims nothing here, and logs to a journal until it is killed."""
    about = {"robot": neighbours.described(place, identity)}
    journal = Journal(path, 30_000, {"session": path.stem, "rate": 500.0, "attributes": about})
    while True:
        journal.append()
        time.sleep(0.002)


def hold(domain: int, folder: Path, seconds: float) -> None:
    """Claim and do nothing; a child of it goes on holding for so long."""
    with preflight.claim(Place(INTERFACE, domain), folder):
        if os.fork() == 0:
            time.sleep(seconds)
            os._exit(0)
        os._exit(0)


def operator(place: Place) -> str:
    """The operator's confirmation."""
    preflight.confirm_hanging(place)
    return "confirmed"


def this_computer(
    interface: str,
    target: Path,
    rows: int = 1000,
    versions: Mapping[str, str] | None = None,
    synchronised: bool = True,
    sync_takes: float = 0.0,
) -> list[str]:
    """The look at the computer, with other versions, another clock, a slower disk."""
    fdatasync = os.fdatasync
    os.fdatasync = lambda file: (fdatasync(file), time.sleep(sync_takes))[0]  # type: ignore[method-assign]
    computer.clock_is_synchronised = lambda: synchronised
    if versions:
        known = sealing.versions()
        sealing.versions = lambda: known | versions
    return preflight.check_computer(interface, target, rows, simulator=False)
