"""The live line of a session: never in the loop's way."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from collect.control import Progress
from collect.pace import PERIOD
from collect.program import Program


@contextmanager
def live_line(progress: Progress, program: Program, segments: list[str]) -> Iterator[None]:
    """Five times a second: time, segment, rate, worst lateness, hottest motor; into a file, every five seconds."""
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(progress, program, segments, done), name="live-line", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(1.0)


def say(text: str, stream: TextIO | None = None) -> None:
    """A line for the operator, at once; a terminal that is gone, as when ssh is cut, is no reason to fail."""
    _write((text + "\n"), stream or sys.stderr)


def _write(text: str, stream: TextIO) -> None:
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # what is left in its buffer goes there at the end


def _show(progress: Progress, program: Program, segments: list[str], done: threading.Event) -> None:
    total = len(program) * PERIOD
    tty = sys.stderr.isatty()
    rows, at = 0, time.monotonic()
    while not done.wait(0.2 if tty else 5.0):
        now = time.monotonic()
        rate, rows, at = (progress.rows - rows) / (now - at), progress.rows, now
        outside = "ramp" if progress.row < program.plan_start else "rest"
        name = segments[progress.segment] if progress.segment >= 0 else outside
        text = (
            f"{progress.row * PERIOD:6.1f} / {total:.1f} s  {name:<20} {rate:5.0f} Hz  "
            f"worst late {progress.worst_late * 1e3:4.1f} ms  hottest {progress.hottest} °C"
        )
        _write(f"\r{text}\x1b[K" if tty else f"{text}\n", sys.stderr)
    if tty:
        _write("\n", sys.stderr)
