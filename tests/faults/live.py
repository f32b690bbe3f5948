"""Somebody's program that writes our format live with h5py; its rows are those of `sessions`.

Run as a script it writes to argv[1] in the mode argv[2], flushes after argv[3] rows (0 for never), until it is killed,
and writes the number of rows that are flushed to standard output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
from sessions import RATE, ROOT, header, rows

from collect.channels import CHANNELS, FORMAT, FORMAT_VERSION, empty_segments
from collect.joints import NAMES

MODES = {"default": None, "latest": "latest", "swmr": "latest"}
"""Of h5py, and the version of the library that each needs."""
CHUNK = 100
BLOCK = 10
"""Rows that are appended at a time."""
MOST = 20_000


def begin(file: h5py.File) -> None:
    """What stands in a recording before its rows."""
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, "rate": RATE, "joint_names": list(NAMES)}
    for name, value in (header()["attributes"] | known).items():
        file.attrs[name] = value
    for name, channel in CHANNELS.items():
        wide = (channel.columns,) if channel.columns else ()
        file.create_dataset(name, (0, *wide), channel.dtype, maxshape=(None, *wide), chunks=(CHUNK, *wide))
    file["segments"] = empty_segments(1)


def append(file: h5py.File, count: int) -> None:
    """That many further rows; the file is not flushed."""
    there = len(file["time"])
    table = rows(there + 1, count)
    for name in CHANNELS:
        file[name].resize(there + count, 0)
        file[name][there:] = table[name]


class Writer:
    """A process that writes until it is killed."""

    def __init__(self, path: Path, mode: str, flush: int = 30) -> None:
        """Start it, and wait until it has flushed, or 300 rows are written that will not be."""
        command = [sys.executable, str(Path(__file__)), str(path), mode, str(flush)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.flushed = int(self.process.stdout.readline())

    def kill(self) -> int:
        """End it by SIGKILL; the rows that it had flushed."""
        self.process.kill()
        said, _ = self.process.communicate()
        self.flushed = int((said.split("\n")[-2:-1] or [self.flushed])[0])
        return self.flushed

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _write(path: str, mode: str, flush: int) -> None:
    file = h5py.File(path, "w", libver=MODES[mode])
    begin(file)
    if mode == "swmr":
        file.swmr_mode = True
    for count in range(BLOCK, MOST, BLOCK):
        append(file, BLOCK)
        if flush and count % flush == 0:
            file.flush()
            print(count, flush=True)
        if not flush and count == 300:
            print(0, flush=True)
    time.sleep(60.0)


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
