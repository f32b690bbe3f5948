"""What the robot received, frame by frame, in a file that others read while it grows."""

from __future__ import annotations

import mmap
import os
from bisect import bisect
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import N_JOINTS

CAPACITY = 400_000
"""Frames: thirteen minutes of one commander; the file takes only the room of those that came."""
FRAME = np.dtype(
    [
        ("heard", "f8"),
        ("sent", "f8"),
        ("writer", "u8"),
        ("valid", "u1"),
        ("mode", "u1", (N_JOINTS,)),
        *((name, "f4", (N_JOINTS,)) for name in ("q", "dq", "tau", "kp", "kd")),
    ]
)
"""One LowCmd: when the robot took it by the machine's monotonic clock [s], when its writer sent it by the wall clock
[s], which writer, whether its CRC was right, and what the motors were told."""


class Wire:
    """A memory-mapped log of frames; rows that were not reached have `heard` 0."""

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise UserError("the folder does not exist", where=f"--wire {path}", fix="make it, or name another")
        with path.open("wb+") as file:
            os.ftruncate(file.fileno(), CAPACITY * FRAME.itemsize)
            self._rows = np.frombuffer(mmap.mmap(file.fileno(), CAPACITY * FRAME.itemsize), FRAME)
        self._count = 0

    def note(self, message: Any, valid: bool, now: float) -> None:
        """Write down one message."""
        if self._count == CAPACITY:
            return
        row, motors = self._rows[self._count], message.record["motor_cmd"]
        for name in ("mode", "q", "dq", "tau", "kp", "kd"):
            row[name] = motors[name][:N_JOINTS]
        row["sent"] = message.sample_info.source_timestamp * 1e-9
        row["writer"], row["valid"] = message.sample_info.publication_handle, valid
        row["heard"] = now  # last: a reader takes the row for written
        self._count += 1


def read(path: Path, first: int = 0) -> NDArray[Any]:
    """The frames that have come so far, from number `first` on, of dtype `FRAME`."""
    rows = np.memmap(path, FRAME, "r")
    # Halving touches a few pages of the file, counting would touch all of them.
    return np.array(rows[first : bisect(rows["heard"], False, key=lambda heard: heard == 0.0)])
