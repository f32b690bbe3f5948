"""The log while the robot moves: fixed-size rows with a CRC in a preallocated, memory-mapped file.

Every row is in the page cache the moment it is written, so it survives the death of any process; a
thread asks the disk to keep it. The file cannot meet a full disk because its space is reserved first.
"""

from __future__ import annotations

import json
import mmap
import os
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import CHANNELS, GAP
from collect.errors import UserError

SUFFIX = ".journal"
_MAGIC, _END = b"GO2JRNL1", b"GO2JREND"
_PAGE = 4096
_SYNC = 0.5
"""A power cut may cost this much [s]."""

ROW = np.dtype(
    [("number", "<u4")]
    + [(name, channel.dtype, (channel.columns,) if channel.columns else ()) for name, channel in CHANNELS.items()]
    + [("crc", "<u4")]
)
"""One tick: its number from 1, the channels of the recording, and the CRC-32 of all that."""


def blank_row() -> NDArray[Any]:
    """One row to be refilled every tick; what is not delivered stays NaN."""
    row = np.zeros((), ROW)
    for name, channel in CHANNELS.items():
        if channel.dtype == "f4":
            row[name] = np.nan
    return row


class Journal:
    """An append-only log of at most `capacity` rows; `append` is the only call in the control loop."""

    def __init__(self, path: Path, capacity: int, header: dict[str, Any]) -> None:
        """Reserve the file.

        Raises:
            UserError: when it exists or there is no room for it.
        """
        text = json.dumps(header).encode()
        start = _first_row(len(text))
        size = start + capacity * ROW.itemsize
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            os.posix_fallocate(self._file, 0, size)
        except FileExistsError:
            raise UserError(
                "an unfinished session of that name exists", where=str(path), fix=f"python -m collect recover {path}"
            ) from None
        except OSError as error:
            path.unlink(missing_ok=True)
            raise UserError(
                f"cannot reserve {size / 1e6:.0f} MB for the log: {error}",
                where=str(path),
                fix="free space or choose --out",
            ) from error
        self._map = mmap.mmap(self._file, size)
        self._outcome = start - _PAGE
        self._put(0, _MAGIC, text)
        self._rows = np.frombuffer(self._map, ROW, capacity, start)
        self.row = blank_row()
        """The row to be refilled every tick, of dtype `ROW`."""
        self._checked = self.row.reshape(1).view(np.uint8)[:-4]
        self._count = 0
        self._stopped = threading.Event()
        self.failure: str | None = None
        """Why the disk no longer keeps it, None while it does."""
        self._synced = time.monotonic()
        self._syncer = threading.Thread(target=self._sync, name="journal-sync", daemon=True)
        self._syncer.start()

    def append(self) -> None:
        """Log `row` as it stands; its number and CRC are filled in.

        Raises:
            IndexError: when the journal is full.
        """
        self.row["number"] = self._count + 1
        self.row["crc"] = zlib.crc32(self._checked)
        self._rows[self._count] = self.row
        self._count += 1

    def finish(self, outcome: dict[str, Any]) -> None:
        """Note how the session ended; a journal without this was interrupted."""
        self._put(self._outcome, _END, json.dumps(outcome).encode())

    def _put(self, at: int, magic: bytes, text: bytes) -> None:
        block = magic + len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text
        self._map[at : at + len(block)] = block

    def __len__(self) -> int:
        return self._count

    @property
    def capacity(self) -> int:
        """Rows it can hold."""
        return len(self._rows)

    def close(self) -> None:
        """Bring everything to the disk."""
        self._stopped.set()
        self._syncer.join()
        del self._rows
        self._map.close()
        os.close(self._file)

    @property
    def behind(self) -> float:
        """Since everything was last brought to the disk [s]."""
        return time.monotonic() - self._synced

    def _sync(self) -> None:
        try:
            while not self._stopped.wait(_SYNC):
                begun = time.monotonic()
                os.fdatasync(self._file)
                self._synced = begun
            os.fdatasync(self._file)
        except OSError as error:
            self.failure = f"the disk does not keep the journal: {error.strerror}"


def _first_row(length: int) -> int:
    """Where rows begin: after the header's pages and one page for the outcome [B]."""
    return (-(-(16 + length) // _PAGE) + 1) * _PAGE


def _get(raw: bytes, at: int, magic: bytes) -> dict[str, Any] | None:
    length = int.from_bytes(raw[at + 8 : at + 12], "little")
    text = raw[at + 16 : at + 16 + length]
    checksum = int.from_bytes(raw[at + 12 : at + 16], "little")
    if raw[at : at + 8] != magic or not 0 < length == len(text) or zlib.crc32(text) != checksum:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None, NDArray[Any]]:
    """What a journal holds: its header, how the session ended, and every undamaged row, in order.

    The outcome is None when the session was interrupted. A row after a damaged one is flagged with a gap.

    Raises:
        UserError: when the file is not a journal or its header is damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the journal: {error.strerror}", where=str(path), fix="check the path") from error
    header = _get(raw, 0, _MAGIC)
    if header is None:
        raise UserError("not a journal, or its header is damaged", where=str(path), fix="name a *.journal file")
    start = _first_row(int.from_bytes(raw[8:12], "little"))
    capacity = max(len(raw) - start, 0) // ROW.itemsize
    rows = np.frombuffer(raw, ROW, capacity, start) if capacity else np.zeros(0, ROW)
    good = np.array([_intact(rows[k : k + 1], k) for k in range(capacity)], dtype=bool)
    kept = rows[good].copy()
    after_hole = np.diff(kept["number"].astype(np.int64), prepend=0) > 1
    kept["flags"][after_hole] |= GAP
    return header, _get(raw, start - _PAGE, _END), kept


def _intact(row: NDArray[Any], index: int) -> bool:
    stored = int(row["crc"][0])
    return int(row["number"][0]) == index + 1 and zlib.crc32(row.tobytes()[:-4]) == stored
