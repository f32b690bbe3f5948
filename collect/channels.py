"""The datasets of a recording, format 1: one table that writes, checks, documents and labels them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FORMAT = "go2-recording"
FORMAT_VERSION = 1
MAX_BYTES = 4 << 30
"""A recording that declares more than this is refused before anything is allocated [B]."""

GAP, LATE, DROPPED, BAD_CRC, REPEATED = 1, 2, 4, 8, 16
"""Bits of `flags`: gap before this row, row handled late, state dropped before it, state with a
bad CRC dropped before it, state identical to the row before (converted logs only)."""


class Channel(NamedTuple):
    """One dataset of the format: its type, columns (0 means a vector), unit and meaning."""

    dtype: str
    columns: int
    unit: str
    description: str


CHANNELS: dict[str, Channel] = {
    "time": Channel("f8", 0, "s", "monotonic receive time of the state, from the first row"),
    "tick": Channel("u4", 0, "ms", "the robot's own clock"),
    "q": Channel("f4", 12, "rad", "measured joint position"),
    "dq": Channel("f4", 12, "rad/s", "measured joint velocity"),
    "tau_est": Channel("f4", 12, "Nm", "joint torque the motor driver reports, motor side, from current"),
    "q_target": Channel("f4", 12, "rad", "position target in force when the state was sampled"),
    "dq_target": Channel("f4", 12, "rad/s", "velocity target in force"),
    "tau_ff": Channel("f4", 12, "Nm", "feed-forward torque in force"),
    "kp": Channel("f4", 12, "Nm/rad", "position gain in force"),
    "kd": Channel("f4", 12, "Nm·s/rad", "velocity gain in force"),
    "command_age": Channel("f4", 0, "s", "from sending the command in force to receiving this state"),
    "temperature": Channel("u1", 12, "°C", "motor temperature"),
    "lost": Channel("u4", 12, "1", "packets the motor bus lost, counted by the robot"),
    "mode": Channel("u1", 12, "1", "motor mode, 1 = servo"),
    "gyro": Channel("f4", 3, "rad/s", "body angular velocity"),
    "accel": Channel("f4", 3, "m/s²", "body acceleration with gravity"),
    "rpy": Channel("f4", 3, "rad", "body roll, pitch, yaw"),
    "voltage": Channel("f4", 0, "V", "bus voltage"),
    "current": Channel("f4", 0, "A", "bus current"),
    "soc": Channel("f4", 0, "%", "battery state of charge"),
    "flags": Channel("u2", 0, "1", "bits: 1 gap before, 2 late, 4 state dropped, 8 bad CRC, 16 repeated state"),
    "segment": Channel("i2", 0, "1", "row of `segments`, -1 between segments"),
}
"""The format's table: it writes, checks, documents and labels."""

SEGMENT = np.dtype(
    [
        ("name", "S64"),
        ("kind", "S16"),
        ("joints", "u1", (12,)),
        ("amplitude", "f4", (12,)),
        ("f0", "f4", (12,)),
        ("f1", "f4", (12,)),
        ("centre", "f4", (12,)),
        ("kp", "f4", (12,)),
        ("kd", "f4", (12,)),
        ("start", "i8"),
        ("stop", "i8"),
    ]
)
"""One segment: kind is chirp, staircase, hold, … ; joints is 1 where a joint moves; amplitude [rad]
of the target, f0 and f1 [Hz], centre [rad], gains; its rows are start … stop − 1."""


def empty_segments(count: int = 0) -> NDArray[Any]:
    """A zeroed segment table of dtype `SEGMENT`."""
    return np.zeros(count, dtype=SEGMENT)
