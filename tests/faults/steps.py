"""Work on recordings that is killed at any of the lines it runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from sessions import ROOT

SEALERS = {str(ROOT / "collect" / f"{name}.py") for name in ("sealing", "salvage", "recording", "durable", "unclosed")}


def tracer(at_line):
    """A trace function that calls `at_line` with file and line of each line of our code that is run."""

    def trace(frame, event, _):
        if frame.f_code.co_filename not in SEALERS:
            return None
        if event == "line":
            at_line((frame.f_code.co_filename, frame.f_lineno))
        return trace

    return trace


def steps_of(work: Callable[[], object]) -> list[int]:
    """Which of the lines it runs are the first or the last time that this line is run."""
    lines = []
    before = sys.gettrace()
    sys.settrace(tracer(lines.append))
    try:
        work()
    finally:
        sys.settrace(before)
    last = {line: step for step, line in enumerate(lines, 1)}
    first = {line: step for step, line in reversed([*enumerate(lines, 1)])}
    return sorted({*first.values(), *last.values()})


def kill_at(step: int, work: Callable[[], object]) -> None:
    """Have a process do it, and be killed at that line of those it runs."""
    process = os.fork()
    if process == 0:
        count = iter(range(1, step))
        sys.settrace(tracer(lambda _: next(count, None) or os.kill(os.getpid(), signal.SIGKILL)))
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
