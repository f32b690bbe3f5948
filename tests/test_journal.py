"""The journal and its salvage: rows come back as written, damage is seen, nothing is overwritten."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from collect import journal, salvage
from collect.channels import GAP
from collect.errors import UserError
from collect.journal import ROW, Journal

HEADER = {"session": "s", "rate": 500.0}


def write(path: Path, rows: int, capacity: int = 100, outcome: dict[str, object] | None = None) -> None:
    """A closed journal."""
    log = Journal(path, capacity, HEADER)
    for k in range(rows):
        log.row["tick"], log.row["q"] = 2 * k, 0.01 * k
        log.append()
    if outcome is not None:
        log.finish(outcome)
    log.close()


def first_row(path: Path) -> int:
    """Where rows begin [B]."""
    return journal.Layout(journal.BLOCK.unpack(path.read_bytes()[: journal.BLOCK.size])[1] + journal.BLOCK.size, 0).rows


@pytest.fixture
def path(tmp_path):
    """Of a journal."""
    return tmp_path / "s.journal"


def test_rows_come_back_as_written(path):
    """Header, count and values; what was not delivered is NaN; no outcome was noted."""
    write(path, 7)
    left = salvage.read(path)
    assert left.header == HEADER
    assert left.outcome is None
    assert left.rows["tick"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert left.rows["q"][3].tolist() == [np.float32(0.03)] * 12
    assert np.isnan(left.rows["gyro"]).all()
    assert not left.rows["flags"].any()
    assert (left.lost.tolist(), left.cut) == ([], False)


def test_the_outcome_is_kept(path):
    """A finished journal says how the session ended; texts without end are cut."""
    write(path, 0, outcome={"state": "complete", "stop_reason": "x" * 100_000})
    assert salvage.read(path).outcome == {"state": "complete", "stop_reason": "x" * 4000}


def test_rows_are_in_memory_at_once_and_on_the_disk_by_and_by(path):
    """Before the thread has carried anything they can be read; afterwards `safe` counts them."""
    log = Journal(path, 100, HEADER)
    log.append()
    assert (log.safe, len(salvage.read(path).rows)) == (0, 1)
    while log.safe == 0:
        time.sleep(0.05)
    assert log.behind < 2.0
    assert log.failure is None
    ring = salvage.read(path).ring
    assert ring.exists()
    log.close()
    assert len(salvage.read(path).rows) == 1
    assert not ring.exists()


def test_memory_is_a_ring(path, monkeypatch):
    """Once on the disk, the oldest rows make room for new ones; until then none is overwritten."""
    monkeypatch.setattr(journal, "RING", 8)
    monkeypatch.setattr(journal, "INTERVAL", 3600.0)  # the test carries, not the thread
    log = Journal(path, 100, HEADER)
    for count in (5, 3, 8, 1):
        for _ in range(count):
            log.row["tick"] = len(log)
            log.append()
        log._save()
    for _ in range(8):
        log.row["tick"] = len(log)
        log.append()
    with pytest.raises(IndexError, match="no room for row 26, 17 are on the disk"):
        log.append()
    assert salvage.read(path).rows["tick"].tolist() == list(range(25))
    log.close()
    assert salvage.read(path).rows["tick"].tolist() == list(range(25))


def test_a_full_journal_takes_no_more(path):
    """As many rows as were asked for."""
    log = Journal(path, 3, HEADER)
    for _ in range(3):
        log.append()
    with pytest.raises(IndexError, match="no room for row 4"):
        log.append()
    log.close()
    assert len(salvage.read(path).rows) == 3


def test_a_flipped_bit_drops_its_row_and_flags_the_next(path):
    """Damage costs one row and leaves a gap that can be seen."""
    write(path, 10)
    raw = bytearray(path.read_bytes())
    raw[first_row(path) + 4 * ROW.itemsize + 20] ^= 1
    path.write_bytes(raw)
    left = salvage.read(path)
    assert left.rows["tick"].tolist() == [0, 2, 4, 6, 10, 12, 14, 16, 18]
    assert ((left.rows["flags"] & GAP) > 0).tolist() == [False] * 4 + [True] + [False] * 4
    assert left.lost.tolist() == [5]


def test_rows_of_another_journal_are_not_believed(tmp_path):
    """The CRC of a row begins with its own header's: blocks that a disk mixes up do not pass."""
    path, other = tmp_path / "a.journal", tmp_path / "b.journal"
    write(path, 10)
    write(other, 10)
    raw, place = bytearray(path.read_bytes()), first_row(path) + 4 * ROW.itemsize
    raw[place : place + ROW.itemsize] = other.read_bytes()[place : place + ROW.itemsize]
    path.write_bytes(raw)
    assert salvage.read(path).lost.tolist() == [5]


def test_rows_in_each_others_place_are_not_believed(path):
    """A disk that writes a block where it does not belong is found out by the rows' numbers."""
    write(path, 10)
    raw, place = bytearray(path.read_bytes()), first_row(path) + 4 * ROW.itemsize
    fifth, sixth = (bytes(raw[at : at + ROW.itemsize]) for at in (place, place + ROW.itemsize))
    raw[place : place + 2 * ROW.itemsize] = sixth + fifth
    path.write_bytes(raw)
    left = salvage.read(path)
    assert (left.lost.tolist(), left.rows["number"].tolist()) == ([5, 6], [1, 2, 3, 4, 7, 8, 9, 10])


def test_an_existing_journal_is_never_overwritten(path):
    """The user is told to recover it; a link that leads nowhere is in the way as well."""
    write(path, 1)
    with pytest.raises(UserError, match="recover"):
        Journal(path, 10, {})
    assert len(salvage.read(path).rows) == 1
    path.with_name("link.journal").symlink_to(path.with_name("nowhere"))
    with pytest.raises(UserError, match="recover"):
        Journal(path.with_name("link.journal"), 10, {})
    assert not path.with_name("nowhere").exists()


def test_no_room_is_a_refusal_and_leaves_nothing(path):
    """Space is reserved before motion; a petabyte is not to be had."""
    with pytest.raises(UserError, match="cannot reserve"):
        Journal(path, 2_000_000_000_000, {})
    assert not list(path.parent.iterdir())


def test_no_memory_is_a_refusal_and_leaves_nothing(path, monkeypatch):
    """A computer without /dev/shm cannot keep rows safe from its disk."""
    monkeypatch.setattr(journal, "MEMORY", path.parent / "absent")
    with pytest.raises(UserError, match="cannot reserve 0 MB for the log: No such file"):
        Journal(path, 10, {})
    assert not list(path.parent.iterdir())


def test_closing_does_not_wait_for_ever(path, monkeypatch):
    """What a disk that does not answer has not taken stays in memory, and can be recovered."""
    answer, real = threading.Event(), os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (answer.wait(10.0), real(file)))
    monkeypatch.setattr(journal, "PATIENCE", 0.2)
    log = Journal(path, 10, HEADER)
    log.append()
    log.close()
    assert not answer.is_set()
    assert log.failure == "the disk has not answered for 0 s"
    assert len(salvage.read(path).rows) == 1
    answer.set()
    log.close()
    assert len(salvage.read(path).rows) == 1


def test_a_running_session_cannot_be_recovered(path):
    """Its journal is locked for as long as its process lives, and not listed as interrupted."""
    log = Journal(path, 10, HEADER)
    log.append()
    with pytest.raises(UserError, match="still running"), salvage.held(path):
        pass
    assert salvage.interrupted(path.parent) == []
    log.close()
    with salvage.held(path):
        pass


def test_interrupted_sessions_are_listed(path):
    """With the rows and seconds that are safe, on the disk or still in memory."""
    write(path, 50)
    path.with_name("broken.journal").write_bytes(b"GO2")
    (found,) = salvage.interrupted(path.parent)
    assert (found.session, found.rows, found.seconds) == ("s", 50, 0.1)
    assert str(found).startswith(
        "D1 session s was interrupted at t=0.10 s (50 rows safe). Run: python -m collect recover "
    )


def test_a_stranger_is_not_a_journal(path):
    """Other files, empty files and damaged headers are refused."""
    for content in (b"", b"hello", b"GO2JRNL2" + bytes(100), bytes(1 << 20)):
        path.write_bytes(content)
        with pytest.raises(salvage.NothingLeftError, match="no journal"):
            salvage.read(path)
    with pytest.raises(UserError, match="not a journal"), salvage.held(path.with_suffix(".h5")):
        pass
