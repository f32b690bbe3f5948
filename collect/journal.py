"""The log while the robot moves: fixed-size rows with a CRC, in memory first, half a second later on the disk.

`append` copies a row into shared memory, which outlives any process and waits for no disk; a thread carries what is new
to a file whose space was reserved before. Rows do not go through a memory map of that file: there a single row can wait
for the disk, and all threads of the interpreter with it (27 ms on an idle ext4, without end on a disk that stalls), and
an I/O error would kill the process. `collect.salvage` reads what is left of both.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import CHANNELS
from collect.durable import reserve, sync_folder, write_at
from collect.errors import UserError

SUFFIX = ".journal"
MEMORY = Path("/dev/shm")
"""Where rows are kept until they are on the disk: a file system in memory."""
RING = 16384
"""Rows that memory holds: a disk that stands still for half a minute costs none of them."""
INTERVAL = 0.5
"""Rows go to the disk this often; a power cut costs this and the time the disk takes [s]."""
PATIENCE = 5.0
"""How long `close` waits for the disk [s]."""
HEADER_MAGIC, OUTCOME_MAGIC, RING_MAGIC = b"GO2JRNL2", b"GO2JREND", b"GO2JRING"
BLOCK = struct.Struct("<8sII")
"""Magic, length and CRC-32 of the text that belongs to it."""
PAGE = 4096
OUTCOME = 7 * PAGE
"""Room for how the session ended [B]."""

ROW = np.dtype(
    [("number", "<u4")]
    + [(name, channel.dtype, (channel.columns,) if channel.columns else ()) for name, channel in CHANNELS.items()]
    + [("crc", "<u4")]
)
"""One tick: its number from 1, the channels of the recording, and the CRC-32 of all that, begun with the header's."""


@dataclass(frozen=True)
class Layout:
    """Where things stand in the file: header, outcome, rows, outcome again, header again.

    The second header ends the file, its text before its block, so that each is found without the other.
    The ring in memory: a page with the salt of its rows, outcome, rows.
    """

    header: int
    """Length of the header with its block [B]."""
    capacity: int
    """Rows."""

    @property
    def outcomes(self) -> tuple[int, int]:
        """Both places of the outcome."""
        return _pages(self.header), self.rows + _pages(self.capacity * ROW.itemsize)

    @property
    def rows(self) -> int:
        """Place of the first row."""
        return _pages(self.header) + OUTCOME

    @property
    def size(self) -> int:
        """Of the whole file."""
        return self.outcomes[1] + OUTCOME + _pages(self.header)


def _pages(length: int) -> int:
    return -(-length // PAGE) * PAGE


def block(magic: bytes, text: bytes) -> bytes:
    """A text with its magic, length and CRC-32 before it."""
    return BLOCK.pack(magic, len(text), zlib.crc32(text)) + text


def salt_of(header: bytes) -> int:
    """What the CRC of each row begins with, so that rows of one journal are not taken for another's."""
    return zlib.crc32(header)


def blank_row() -> NDArray[Any]:
    """One row to be refilled every tick; what is not delivered stays NaN."""
    row = np.zeros((), ROW)
    for name, channel in CHANNELS.items():
        if channel.dtype == "f4":
            row[name] = np.nan
    return row


class Journal:
    """An append-only log of at most `capacity` rows; `append`, `behind` and `failure` are for the control loop.

    It belongs to the process that makes it: its thread does not survive a fork.
    """

    def __init__(self, path: Path, capacity: int, header: dict[str, Any]) -> None:
        """Reserve the file and the memory, and have the disk keep the header.

        Raises:
            UserError: when the file exists, or there is no room for it or in memory.
        """
        ring = f"go2-{secrets.token_hex(8)}.ring"
        text = json.dumps({"header": header, "capacity": capacity, "ring": ring, "row": str(ROW.descr)}).encode()
        self.path, self._ring = path, MEMORY / ring
        self._layout, self._salt = Layout(BLOCK.size + len(text), capacity), salt_of(text)
        self._slots = min(capacity, RING)
        self._file, self._map = self._reserve(text)
        self._bytes = memoryview(self._map)[PAGE + OUTCOME :]
        self._rows = np.frombuffer(self._map, ROW, self._slots, PAGE + OUTCOME)
        self.row = blank_row()
        """The row to be refilled every tick, of dtype `ROW`."""
        self._checked = self.row.reshape(1).view(np.uint8)[:-4]
        self._count = 0
        self.safe = 0
        """Rows that the disk has confirmed."""
        self.failure: str | None = None
        """What the disk said when it refused, None as long as it did not; it is asked again all the same."""
        self._safe_since = time.monotonic()
        self._outcome, self._outcome_safe = b"", False
        self._closing = threading.Event()
        self._carrier = threading.Thread(target=self._carry, name="journal", daemon=True)
        self._carrier.start()

    def _reserve(self, header: bytes) -> tuple[int, mmap.mmap]:
        size, where = self._layout.size, self.path
        file: int | None = None
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            file = reserve(where, size)
            head = block(HEADER_MAGIC, header)
            write_at(file, head, 0)
            write_at(file, header + head[: BLOCK.size], size - len(head))
            os.fsync(file)
            sync_folder(where.parent)
            sync_folder(where.parent.parent)  # the folder may be new as well
            size, where = PAGE + OUTCOME + self._slots * ROW.itemsize, self._ring
            memory = reserve(where, size, 0o600)
        except FileExistsError:
            fix = f"python -m collect recover {where}, or choose another --session"
            raise UserError("an unfinished session of that name exists", where=str(where), fix=fix) from None
        except OSError as error:
            if file is not None:
                os.close(file)
                self.path.unlink()
            what = f"cannot reserve {size / 1e6:.0f} MB for the log: {error.strerror}"
            raise UserError(what, where=str(where), fix="free space there, or choose another --out") from error
        ring = mmap.mmap(memory, size)
        os.close(memory)
        ring[:] = block(RING_MAGIC, self._salt.to_bytes(4, "little")).ljust(size, b"\0")  # touches every page of it
        return file, ring

    def append(self) -> None:
        """Log `row` as it stands; its number and CRC are filled in. Never waits for the disk.

        Raises:
            IndexError: when the journal is full, or memory is full of rows that the disk has not taken.
        """
        count = self._count
        if count >= self._layout.capacity or count - self.safe >= self._slots:
            raise IndexError(f"no room for row {count + 1}, {self.safe} are on the disk: {self.failure or 'full'}")
        self.row["number"] = count + 1
        self.row["crc"] = zlib.crc32(self._checked, self._salt)
        self._rows[count % self._slots] = self.row
        self._count = count + 1

    @property
    def behind(self) -> float:
        """What a power cut would cost now: how long ago the newest row was logged that surely is on the disk [s]."""
        return time.monotonic() - self._safe_since

    def finish(self, outcome: dict[str, Any]) -> None:
        """Note how the session ended; a journal without this was interrupted. Texts over 4000 letters are cut."""
        short = {name: value[:4000] if isinstance(value, str) else value for name, value in outcome.items()}
        text = json.dumps({"rows": self._count, "outcome": short}, ensure_ascii=False)
        noted = block(OUTCOME_MAGIC, text.encode(errors="replace"))
        if len(noted) > OUTCOME:
            raise ValueError(f"the outcome takes {len(noted)} bytes, there are {OUTCOME}")
        self._map[PAGE : PAGE + len(noted)] = noted
        self._outcome = noted

    def __len__(self) -> int:
        return self._count

    @property
    def capacity(self) -> int:
        """Rows it can hold."""
        return self._layout.capacity

    def close(self) -> None:
        """Bring everything to the disk. What the disk does not take stays in memory, for `recover`."""
        self._closing.set()
        self._carrier.join(PATIENCE)
        if self._carrier.is_alive():  # it waits for the disk, and needs map and file until that answers
            self.failure = self.failure or f"the disk has not answered for {PATIENCE:.0f} s"
            return
        if self.safe == self._count and self._outcome_safe:
            self._ring.unlink(missing_ok=True)
        del self._rows
        self._bytes.release()
        self._map.close()
        os.close(self._file)

    def _carry(self) -> None:
        due = time.monotonic() + INTERVAL
        while not self._closing.wait(max(due - time.monotonic(), 0.0)):
            self._save()
            due = max(due + INTERVAL, time.monotonic())
        self._save()

    def _save(self) -> None:
        """Write what is new and have the disk confirm it; what it did not confirm is written again the next time."""
        begun, count, outcome = time.monotonic(), self._count, self._outcome
        try:
            self._write_rows(count)
            for place in self._layout.outcomes:
                write_at(self._file, outcome, place)
            os.fdatasync(self._file)
        except Exception as error:  # the loop is to hear of it, whatever it is
            self.failure = str(error)
            return
        self.safe, self._safe_since, self._outcome_safe = count, begun, outcome is self._outcome

    def _write_rows(self, count: int) -> None:
        start = self.safe
        while start < count:
            slot = start % self._slots
            stop = min(count, start + self._slots - slot)  # the ring's end
            part = self._bytes[slot * ROW.itemsize : (slot + stop - start) * ROW.itemsize]
            write_at(self._file, part, self._layout.rows + start * ROW.itemsize)
            start = stop
