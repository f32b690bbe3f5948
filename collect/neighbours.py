"""Collectors that this computer cannot see, on another one or in a container: known by the journals they write."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from collect import salvage
from collect.errors import UserError
from collect.journal import SUFFIX

if TYPE_CHECKING:
    from collect.acceptance import Identity
    from collect.link import Place

_DESCRIBED = re.compile(r"Go2 on (interface \S+, domain \d+), serial number ([0-9a-f]{8}-[0-9a-f]{8}), ")


def described(place: Place, identity: Identity) -> str:
    """Which robot a session moves, as its journal and its recording say it."""
    return f"Go2 on {place}, {identity}"


@dataclass(frozen=True)
class Log:
    """A journal in the folder of the recording-to-be."""

    path: str
    age: float
    """Since it was last written, by the folder's own clock [s]."""
    place: str = ""
    """Where its robot is, empty where its header does not say it."""
    serial: str = ""
    """Serial number of its robot, empty also where the robot does not tell it."""


def logs(folder: Path) -> tuple[Log, ...]:
    """Every journal in a folder, by name; a folder that is none yet holds none."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                continue
            place, serial = _robot(path)
            found.append((path, path.lstat().st_mtime, place, serial))  # a network's disk is asked anew after opening
        except FileNotFoundError:  # sealed meanwhile
            continue
    now = _clock(folder) if found else np.nan
    return tuple(Log(str(path), now - written, place, serial) for path, written, place, serial in found)


def _robot(path: Path) -> tuple[str, str]:
    """Place and serial number of a journal's robot, both empty where it does not say them."""
    try:
        with salvage.opened(path) as left:
            said = _DESCRIBED.match(str(left.header["attributes"]["robot"]))
    except (UserError, KeyError, TypeError, ValueError):  # just being made, another version's, damaged
        said = None
    return (said[1], said[2] if said[2].strip("0-") else "") if said else ("", "")


def _clock(folder: Path) -> float:
    """The time by which files in a folder are dated, which on a network's disk is not this computer's [s]."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(b"\0")
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return np.nan
