"""How long this machine's cores stood still: while a hypervisor runs somebody else, no loop of ours can be in time.

A process a core, above everything else where that is allowed, sleeps for a millisecond at a time and notes when it woke
much later.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

NAP, NOTICED = 0.001, 0.003
"""A nap, and how long one has to take to be noted; sleeping itself costs a tenth of that [s]."""


class Standstill:
    """Watches until it is closed."""

    def __init__(self, folder: Path) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._files = [folder / f"core{core}" for core in cores]
        self._watchers = [
            subprocess.Popen([sys.executable, __file__, str(core), str(file)])
            for core, file in zip(cores, self._files, strict=True)
        ]

    def between(self, start: float, stop: float) -> float:
        """For how much of this time, by the machine's monotonic clock, any core stood still [s]."""
        time.sleep(2 * NAP)
        lines = [line.split() for file in self._files if file.exists() for line in file.read_text().splitlines()]
        pauses = sorted((max(float(a), start), min(float(b), stop)) for a, b in lines)
        total, reached = 0.0, start
        for begin, end in pauses:
            total += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return total

    def close(self) -> None:
        """End the watchers."""
        for watcher in self._watchers:
            watcher.kill()
            watcher.wait()


def main() -> None:
    """Watch one core and append every pause, its beginning and end, to a file."""
    core, path = int(sys.argv[1]), sys.argv[2]
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(49))
    with open(path, "a", buffering=1) as file:
        last = time.monotonic()
        while True:
            time.sleep(NAP)
            now = time.monotonic()
            if now - last > NOTICED:
                file.write(f"{last + NAP} {now}\n")
            last = now


if __name__ == "__main__":
    main()
