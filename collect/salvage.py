"""What a session left: the rows of its journal, on the disk and in memory, none believed without its CRC."""

from __future__ import annotations

import fcntl
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import GAP, MAX_BYTES
from collect.errors import UserError
from collect.journal import (
    BLOCK,
    HEADER_MAGIC,
    MEMORY,
    OUTCOME,
    OUTCOME_MAGIC,
    PAGE,
    RING_MAGIC,
    ROW,
    SUFFIX,
    Layout,
    salt_of,
)

_LONGEST = 16 << 20
"""No text is longer [B]."""


class NothingLeftError(UserError):
    """A journal from which nothing can be recovered."""


@dataclass(frozen=True, eq=False)
class Salvage:
    """What a journal holds."""

    header: dict[str, Any]
    outcome: dict[str, Any] | None
    """How the session ended; None when it was interrupted."""
    rows: NDArray[Any]
    """Every undamaged row in order, of dtype `ROW`; one after a hole is flagged with a gap."""
    lost: NDArray[np.int64]
    """Numbers of the rows that were logged and are damaged or absent."""
    cut: bool
    """The file is shorter than it was made: rows may be gone from its end."""
    ring: Path
    """The session's rows in memory; the name is the session's own, also when nothing is there any more."""


@dataclass(frozen=True)
class Interrupted:
    """A session that left a journal and no recording."""

    path: Path
    session: str
    rows: int
    seconds: float
    """That the rows last [s]."""

    def __str__(self) -> str:
        return (
            f"D1 session {self.session} was interrupted at t={self.seconds:.2f} s ({self.rows} rows safe). "
            f"Run: python -m collect recover {self.path}"
        )


def find(paths: list[Path]) -> list[Path]:
    """The journals among files and folders, in the order given, folders sorted by name.

    Raises:
        UserError: when there is none.
    """
    found = [inside for path in paths for inside in (sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path])]
    if not found:
        where = ", ".join(map(str, paths)) or "python -m collect recover"
        raise UserError("no journal here", where=where, fix=f"name *{SUFFIX} files, or folders that hold some")
    return list(dict.fromkeys(found))


@contextmanager
def held(path: Path) -> Iterator[None]:
    """While this lasts nobody else writes or recovers the journal.

    Raises:
        UserError: when it is not a journal, cannot be opened, or its session has not ended.
    """
    if path.suffix != SUFFIX:
        fix = f"name a *{SUFFIX} file, the folder that holds it, or a recording (*.h5) that was not closed"
        raise UserError("not a journal", where=str(path), fix=fix)
    file = _open(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "the session is still running, or another process is recovering it"
            raise UserError(what, where=str(path), fix="wait until that has ended") from error
        except OSError:  # some file systems have no locks
            pass
        yield
    finally:
        os.close(file)


def read(path: Path) -> Salvage:
    """What a journal and the memory that belongs to it hold.

    Raises:
        NothingLeftError: when neither of its two headers is whole.
        UserError: when it cannot be read or was written by another version.
    """
    with opened(path) as left:
        table = _on_disk(left)
        intact = whole(table, np.arange(1, len(table) + 1), left.salt)
        fresh, noted = _in_memory(left)
        at = fresh["number"].astype(np.int64) - 1
        table[at], intact[at] = fresh, True
        texts = [_text(left.file, OUTCOME_MAGIC, place) for place in left.layout.outcomes]
    ended = next((json.loads(text) for text in (*texts, noted) if text), None)
    newest = int(np.flatnonzero(intact)[-1]) + 1 if intact.any() else 0
    logged = (np.arange(len(table)) < (ended["rows"] if ended else newest)) | (table["number"] != 0)
    return Salvage(
        header=left.header,
        outcome=ended["outcome"] if ended else None,
        rows=flag_gaps(table[intact]),
        lost=np.flatnonzero(logged & ~intact) + 1,
        cut=ended is None and left.size < left.layout.size,
        ring=left.ring,
    )


def interrupted(folder: Path) -> list[Interrupted]:
    """The sessions in a folder that ended without a recording, by name; of each only a few rows are read."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with held(path), opened(path) as left:
                session, rate = str(left.header["session"]), float(left.header["rate"])
                if os.path.lexists(folder / f"{session}.h5"):
                    continue  # sealed; what it lost has been told
                rows = max([_count_on_disk(left), *_in_memory(left)[0]["number"].tolist()])
                found.append(Interrupted(path, session, rows, rows / rate))
        except (UserError, KeyError, TypeError, ValueError):  # still running, or beyond recovery
            continue
    return found


def flag_gaps(rows: NDArray[Any]) -> NDArray[Any]:
    """The same rows, with `GAP` set in the flags of each that comes after a hole in their numbers."""
    rows["flags"][np.diff(rows["number"].astype(np.int64), prepend=0) > 1] |= GAP
    return rows


@dataclass(frozen=True)
class Opened:
    """A journal's file and what its header says."""

    file: int
    """Its descriptor."""
    size: int
    """Of the file [B]."""
    header: dict[str, Any]
    """Of the session."""
    layout: Layout
    salt: int
    """Begins the CRC of every row."""
    ring: Path
    """Its rows in memory."""


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", where=str(path), fix="check path and rights") from None


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """A journal's file, its header read and checked.

    Raises:
        NothingLeftError: when neither of its two headers is whole.
        UserError: when it cannot be read or was written by another version.
    """
    file = _open(path)
    try:
        size = os.fstat(file).st_size
        text = _text(file, HEADER_MAGIC, 0) or _text(file, HEADER_MAGIC, size - BLOCK.size, before=True)
        if text is None:
            what = "no journal, or damaged beyond recovery: neither of its two headers is whole"
            raise NothingLeftError(what, where=str(path), fix="keep it if the disk can be repaired, else delete it")
        meta = json.loads(text)
        layout = Layout(BLOCK.size + len(text), meta["capacity"])
        if meta["row"] != str(ROW.descr) or layout.size > MAX_BYTES or not re.fullmatch(r"go2-\w+\.ring", meta["ring"]):
            what = "the journal was written by another version of this program"
            raise UserError(what, where=str(path), fix="recover it with the version that wrote it")
        yield Opened(file, size, meta["header"], layout, salt_of(text), MEMORY / meta["ring"])
    except OSError as error:
        raise UserError(f"cannot read: {error}", where=str(path), fix="check the disk and your rights") from error
    finally:
        os.close(file)


def _text(file: int, magic: bytes, place: int, *, before: bool = False) -> bytes | None:
    """The text of a block, which stands after or before it; None unless both are whole."""
    head = os.pread(file, BLOCK.size, place) if place >= 0 else b""
    if len(head) < BLOCK.size:
        return None
    found, length, checksum = BLOCK.unpack(head)
    start = place - length if before else place + BLOCK.size
    if found != magic or not 0 < length <= _LONGEST or start < 0:
        return None
    text = os.pread(file, length, start)
    return text if len(text) == length and zlib.crc32(text) == checksum else None


def _on_disk(left: Opened) -> NDArray[Any]:
    """Every row there is room for, as the file has it; zeros where it has none."""
    table = np.zeros(left.layout.capacity, ROW)
    raw, done = memoryview(table.view(np.uint8)), 0
    while count := os.preadv(left.file, [raw[done:]], left.layout.rows + done) if done < len(raw) else 0:
        done += count
    return table


def _count_on_disk(left: Opened) -> int:
    """The number of the last whole row, by bisection: rows are written in their order."""
    low, high = 0, left.layout.capacity
    while low < high:
        middle = (low + high) // 2
        raw = os.pread(left.file, ROW.itemsize, left.layout.rows + middle * ROW.itemsize)
        row = np.frombuffer(raw.ljust(ROW.itemsize, b"\0"), ROW)
        low, high = (middle + 1, high) if whole(row, np.array([middle + 1]), left.salt)[0] else (low, middle)
    return low


def _in_memory(left: Opened) -> tuple[NDArray[Any], bytes | None]:
    """The whole rows that are in memory, in no order, and the text of the outcome if one was noted."""
    try:
        file = os.open(left.ring, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:  # all was brought to the disk, or the computer has been off
        return np.zeros(0, ROW), None
    try:
        if _text(file, RING_MAGIC, 0) != left.salt.to_bytes(4, "little"):
            return np.zeros(0, ROW), None
        raw = os.pread(file, os.fstat(file).st_size, PAGE + OUTCOME)
        rows = np.frombuffer(raw, ROW, len(raw) // ROW.itemsize)
        good = whole(rows, rows["number"], left.salt) & (rows["number"] - 1 < left.layout.capacity)
        return rows[good], _text(file, OUTCOME_MAGIC, PAGE)
    finally:
        os.close(file)


def whole(rows: NDArray[Any], numbers: NDArray[Any], salt: int) -> NDArray[np.bool_]:
    """Which rows have these numbers, from 1, and the CRC that belongs to their content."""
    good = (rows["number"] == numbers) & (rows["number"] > 0)
    for k in np.flatnonzero(good):
        good[k] = zlib.crc32(rows[k].tobytes()[:-4], salt) == rows["crc"][k]
    return good
