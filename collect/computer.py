"""The computer that will command the robot: its interfaces, its disk, its clock, and no other collector on it."""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collect.journal import ROW, SUFFIX

SIOCGIFCONF, SIOCGIFFLAGS = 0x8912, 0x8913
IFF_UP, IFF_RUNNING = 0x1, 0x40
"""netdevice(7)."""
_IFREQ = 40 if sys.maxsize > 2**32 else 32
"""Size of a struct ifreq [B]."""
PROBES = 20
"""Blocks of half a second of rows, which is what the journal's thread syncs at a time."""
_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""


@dataclass(frozen=True)
class Interface:
    """A network interface of this computer."""

    name: str
    up: bool
    """Switched on, and its cable plugged in."""
    addresses: tuple[str, ...]
    """IPv4."""

    def __str__(self) -> str:
        return " ".join([self.name, *self.addresses] if self.up else [self.name, "(down)"])


@dataclass(frozen=True, eq=False)
class Disk:
    """Where a recording is to go."""

    path: str
    obstacle: str
    """Why it cannot be written there, empty when it can."""
    free: float
    """Room [B]."""
    needed: float
    """Room that the session may need [B]."""
    sync: NDArray[np.float64]
    """What bringing half a second of rows to the disk took, time after time, shape (`PROBES`,) [s]."""


def interfaces() -> tuple[Interface, ...]:
    """All interfaces of this process's network namespace, with all their IPv4 addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        addresses = _addresses(asking)
        found = []
        for _, name in socket.if_nameindex():
            answer = fcntl.ioctl(asking, SIOCGIFFLAGS, name.encode().ljust(_IFREQ, b"\0"))
            (flags,) = struct.unpack_from("=H", answer, 16)
            up = flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING
            found.append(Interface(name, up, addresses.get(name, ())))
    return tuple(found)


def _addresses(asking: socket.socket) -> dict[str, tuple[str, ...]]:
    """IPv4 addresses by interface; one with a label (`eth0:1`) belongs to the interface before the colon."""
    room = array.array("B", bytes(256 * _IFREQ))
    answer = fcntl.ioctl(asking, SIOCGIFCONF, struct.pack("iP", len(room), room.buffer_info()[0]))
    (length,) = struct.unpack_from("i", answer)
    found: dict[str, tuple[str, ...]] = {}
    for at in range(0, length, _IFREQ):
        entry = room[at : at + _IFREQ].tobytes()
        name = entry[:16].partition(b"\0")[0].decode().partition(":")[0]
        found[name] = (*found.get(name, ()), socket.inet_ntoa(entry[20:24]))
    return found


def disk(target: Path, rows: int) -> Disk:
    """Whether a session of `rows` rows can be recorded at `target`; leaves no file and makes no folder.

    Room for three times the session and 200 MB: journal, recording, and the recording's copy under another name.
    """
    needed = 3.0 * rows * ROW.itemsize + 200e6
    try:
        folder = next(parent for parent in target.absolute().parents if parent.exists())
        room = os.statvfs(folder)
        free = float(room.f_bavail * room.f_frsize)
        taken = [path for path in (target, target.with_suffix(SUFFIX)) if path.exists()]
        obstacle = f"{taken[0].name} exists and is never overwritten" if taken else ""
        sync = _sync_times(folder)
    except OSError as error:
        free, obstacle, sync = np.nan, error.strerror or str(error), np.full(PROBES, np.nan)
    return Disk(str(target), obstacle, free, needed, sync)


def _sync_times(folder: Path) -> NDArray[np.float64]:
    block = os.urandom(250 * ROW.itemsize)
    times = np.zeros(PROBES)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for probe in range(PROBES):
            os.pwrite(file.fileno(), block, 0)  # over and over, as into a journal whose room is reserved
            start = time.monotonic()
            os.fdatasync(file.fileno())
            times[probe] = time.monotonic() - start
    return times


def clock_is_synchronised() -> bool:
    """Whether something (NTP) keeps this computer's clock right, as far as the kernel knows."""
    nothing_to_change = ctypes.create_string_buffer(512)  # more than a struct timex
    return bool(ctypes.CDLL(None).adjtimex(nothing_to_change) != _UNSYNCHRONISED)


@contextmanager
def alone(interface: str, domain: int) -> Iterator[str | None]:
    """Be the only collector of this computer for the robot behind an interface and a domain.

    Two robots on two interfaces, or virtual ones in their own domains, may be moved at once. The claim is a name that
    the kernel keeps per network namespace, whoever the user, and drops when the last process that holds it ends
    (unix(7), abstract); a lock file would need a folder that root and users, inside and outside of containers, share.
    A process forked meanwhile holds it too.

    Yields:
        None, or in words the process that is there already.
    """
    name = f"\0go2-collector-{interface}-{domain}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
        try:
            claim.bind(name)
            claim.listen()
        except OSError:
            rival: str | None = _holder(name)
        else:
            rival = None
        yield rival


def _holder(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(0.5)
        try:
            asking.connect(name)
            pid, _, _ = struct.unpack("iII", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return "pid unknown"
    return f"pid {pid}"
