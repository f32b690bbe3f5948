"""Verdicts on this computer and its operator: a survey in, what is wrong in words or None out.

Comparisons are written so that NaN trips: `not (x <= limit)`.
"""

from __future__ import annotations

import re

import numpy as np

from collect.link import LOOPBACK
from collect.neighbours import Log
from collect.survey import Survey

NETWORK = "192.168.123."
"""The Go2's wired network; the robot is .161, a PC for example .99 (unitree_ros2's README)."""
BEING_WRITTEN = 5.0
"""A journal that was written less than this ago has a collector that writes it: every half a second [s]."""
HANGING = "HANGING"
"""What the operator types."""
MAX_SYNC = 0.050
"""Half a second of rows must be on the disk after this, the second slowest of 20 times: once a busy computer holds up
the probe itself, and motion never waits for the disk [s]."""
TESTED = {
    "python": ("3.11",),
    "cyclonedds": ("11.0.1", "0.10.5"),
    "unitree-sdk2py-dimos": ("1.0.3",),
    "numpy": ("2.4.6",),
    "h5py": ("3.16.0",),
}
"""Versions that were tested together, by how they begin."""
ABORTING = ({"cyclonedds": "0.10.2", "python": "3.12"}, {"cyclonedds": "0.10.2", "python": "3.13"})
"""Combinations that end in an abort: a buffer overflow found by Python's build (unitree_sdk2_python issue 90)."""


def interface(s: Survey) -> str | None:
    """The one named exists, is up and is in the robot's network; loopback is where virtual robots live."""
    present = ", ".join(map(str, s.interfaces)) or "none"
    found = next((one for one in s.interfaces if one.name == s.interface), None)
    if found is None or not re.fullmatch(r"[A-Za-z0-9._-]{1,15}", s.interface):
        return f"interface {s.interface!r} does not exist; present: {present}"
    if not found.up:
        return f"interface {s.interface!r} is down; present: {present}"
    if found.name == LOOPBACK or s.simulator or any(one.startswith(NETWORK) for one in found.addresses):
        return None
    return f"interface {s.interface!r} has no address in {NETWORK}0/24; present: {present}"


def rival(s: Survey) -> str | None:
    """No other collector of this computer moves this robot."""
    return None if s.rival is None else f"another collector is running ({s.rival})"


def journal(s: Survey) -> str | None:
    """No collector that this computer cannot see records this robot to the same folder."""
    if s.logs is None:
        return "nobody looked whether another collector writes to the folder"
    for log in s.logs:
        if not (abs(log.age) >= BEING_WRITTEN) and _may_be_ours(s, log):
            whose = f"of {log.place}" if log.place else "which does not say of which robot"
            return f"another collector wrote {log.path} {log.age:.1f} s ago, {whose}"
    return None


def _may_be_ours(s: Survey, log: Log) -> bool:
    """By the serial numbers where both robots tell theirs, else by the place; a log that says neither may be."""
    expected = s.accepted.robot.serial if s.accepted and s.accepted.robot.told else ""
    if expected and log.serial:
        return log.serial == expected
    return log.place in ("", s.place)


def disk(s: Survey) -> str | None:
    """The recording's name is free and its folder can be written."""
    if s.disk is None:
        return "nobody looked whether the recording can be written"
    return f"cannot record to {s.disk.path}: {s.disk.obstacle}" if s.disk.obstacle else None


def room(s: Survey) -> str | None:
    """There is room for it."""
    free, needed = (s.disk.free, s.disk.needed) if s.disk else (np.nan, np.nan)
    return None if free >= needed else f"{free / 1e9:.2f} GB free, {needed / 1e9:.2f} GB needed"


def sync(s: Survey) -> str | None:
    """The disk keeps up."""
    slow = float(np.sort(s.disk.sync)[-2]) if s.disk else np.nan
    return None if slow <= MAX_SYNC else f"the disk takes {slow * 1e3:.0f} ms to sync ({MAX_SYNC * 1e3:.0f})"


def aborting(s: Survey) -> str | None:
    """The versions are none that are known to abort together."""
    if not s.versions:
        return "versions unknown"
    for pair in ABORTING:
        if all(s.versions.get(name, "").startswith(version) for name, version in pair.items()):
            return " with ".join(f"{name} {s.versions[name]}" for name in pair) + " is known to abort"
    return None


def untested(s: Survey) -> str | None:
    """The packages' versions are those that were tested."""
    odd = [words for name in TESTED if name != "python" and (words := _odd(s, name))]
    return f"not the versions that were tested: {', '.join(odd)}" if odd else None


def python(s: Survey) -> str | None:
    """Python is the one that was tested; 3.12 and 3.13 are offered, for all packages are there for them."""
    return _odd(s, "python")


def _odd(s: Survey, name: str) -> str | None:
    tested, found = TESTED[name], s.versions.get(name, "unknown")
    if any(f"{found}.".startswith(f"{version}.") for version in tested):
        return None
    return f"{name} {found} (tested: {' or '.join(tested)})"


def clock_of_ours(s: Survey) -> str | None:
    """The date in the recording will be right."""
    return None if s.synchronised else "this computer's clock is not synchronised"


def guard(s: Survey) -> str | None:
    """The guard was heard damping."""
    return s.guard or None


def hanging(s: Survey) -> str | None:
    """The operator says that the robot hangs; where no real one can be, nobody need say so."""
    if s.virtual or s.answer == HANGING:
        return None
    return "nobody confirmed that the robot hangs"
