"""Sessions whose rows are known from their number: logged here, or by a process that can be killed.

Run as a script it logs to argv[1], argv[2] rows a second (0 for as fast as it goes), until it is killed, and writes
the number of each row that is logged, and how long that took, to standard output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from collect import sealing
from collect.channels import CHANNELS, GAP, empty_segments
from collect.journal import ROW, Journal

ROOT = Path(__file__).resolve().parent.parent.parent

RATE = 500.0
CAPACITY = 50_000
_SAID = np.dtype([("number", "i8"), ("took", "f8")])


def header(name: str = "s") -> dict[str, Any]:
    """What a session writes before its rows."""
    segments = empty_segments(1)
    segments[0]["name"], segments[0]["kind"] = b"a", b"chirp"
    known = {"robot": "test", "created": "2026-01-01", "mount": "hung", "posture": [0.0] * 12}
    known |= {"config": "name: s", "plan_sha256": "0" * 64, "versions": "{}"}
    return {"session": name, "rate": RATE, "missing": [], "segments": sealing.describe(segments), "attributes": known}


def rows(first: int, count: int) -> Any:
    """The content of the rows from number `first` on, of dtype `ROW`; only their CRC is left out."""
    table = np.zeros(count, ROW)
    numbers = np.arange(first, first + count)
    for k, (name, channel) in enumerate(CHANNELS.items()):
        if channel.dtype.startswith("f"):
            columns = np.arange(channel.columns) * 0.5 if channel.columns else 0.0
            table[name] = np.add.outer(numbers * 0.25 + k, columns)
    table["number"], table["time"], table["tick"] = numbers, numbers * 0.002, numbers * 2
    return table


def log(journal: Journal, count: int, flags: int = 0) -> None:
    """That many further rows."""
    for row in rows(len(journal) + 1, count):
        journal.row[...] = row
        journal.row["flags"] = flags
        journal.append()


def wrong(found: Any) -> int:
    """How many rows of a journal or a recording are not what was logged under their number."""
    recorded = not isinstance(found, np.ndarray)
    ticks = (found.tick if recorded else found["tick"]).astype(np.int64)
    if len(ticks) == 0:
        return 0
    if ticks.min() < 2 or ticks.max() > 2 * CAPACITY:
        return len(ticks)
    right = rows(1, int(ticks.max()) // 2)[ticks // 2 - 1]
    bad = np.zeros(len(ticks), dtype=bool)
    for name in CHANNELS:
        values = getattr(found, name) if recorded else found[name]
        expected = right[name] - right["time"][0] if recorded and name == "time" else right[name]
        same = values & ~np.uint16(GAP) == expected if name == "flags" else values == expected
        bad |= ~same.reshape(len(ticks), -1).all(axis=1)
    return int(bad.sum())


class Writer:
    """A process that logs until it is killed."""

    def __init__(self, path: Path, rate: float = RATE) -> None:
        """Start it and wait for its first row."""
        command = [sys.executable, str(Path(__file__)), str(path), str(rate)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        self._said = os.read(self._pipe, _SAID.itemsize)
        assert self._said, "the writer died"
        os.set_blocking(self._pipe, False)

    def said(self) -> Any:
        """Number of every row it has logged, and how long that took [s]."""
        try:
            while more := os.read(self._pipe, 1 << 16):
                self._said += more
        except BlockingIOError:
            pass
        return np.frombuffer(self._said, _SAID, len(self._said) // _SAID.itemsize)

    def kill(self) -> Any:
        """End it by SIGKILL; what it had said."""
        self.process.kill()
        self.process.wait()
        said = self.said()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return said

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _write(path: Path, rate: float) -> None:
    journal = Journal(path, CAPACITY, header(path.stem))
    table = rows(1, CAPACITY)
    start = time.monotonic()
    for number in range(1, CAPACITY + 1):
        if rate:
            time.sleep(max(start + number / rate - time.monotonic(), 0.0))
        journal.row[...] = table[number - 1]
        begun = time.monotonic()
        journal.append()
        os.write(1, np.array((number, time.monotonic() - begun), _SAID).tobytes())
    time.sleep(60.0)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), float(sys.argv[2]))
