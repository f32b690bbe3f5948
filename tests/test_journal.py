"""The journal: rows survive the death of their writer, and damage is seen, never believed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from collect import journal
from collect.channels import GAP
from collect.errors import UserError
from collect.journal import ROW, Journal

ROOT = Path(__file__).resolve().parent.parent


def write(path: Path, rows: int, capacity: int = 100) -> None:
    log = Journal(path, capacity, {"session": "s"})
    for k in range(rows):
        log.row["tick"], log.row["q"] = 2 * k, 0.01 * k
        log.append()
    log.close()


def test_rows_come_back_as_written(tmp_path):
    """Header, count and values; what was not delivered is NaN; no outcome was noted."""
    write(tmp_path / "a.journal", 7)
    header, outcome, rows = journal.read(tmp_path / "a.journal")
    assert header == {"session": "s"}
    assert outcome is None
    assert rows["tick"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert rows["q"][3].tolist() == [np.float32(0.03)] * 12
    assert np.isnan(rows["gyro"]).all()


def test_the_outcome_is_kept(tmp_path):
    """A finished journal says how the session ended."""
    log = Journal(tmp_path / "a.journal", 3, {"session": "s"})
    log.finish({"state": "complete"})
    log.close()
    assert journal.read(tmp_path / "a.journal")[1] == {"state": "complete"}


def test_rows_survive_sigkill(tmp_path):
    """Whatever the writer had logged when it was killed is there, none wrong."""
    script = (
        "import sys; from pathlib import Path; from collect.journal import Journal\n"
        "log = Journal(Path(sys.argv[1]), 200000, {})\n"
        "for k in range(200000):\n"
        "    log.row['tick'] = k; log.append()\n"
        "    if k % 100 == 99: print(k + 1, flush=True)\n"
    )
    path = tmp_path / "a.journal"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    logged = [int(process.stdout.readline()) for _ in range(5)][-1]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    _, _, rows = journal.read(path)
    assert len(rows) >= logged
    assert (rows["tick"] == np.arange(len(rows))).all()


def test_a_flipped_bit_drops_its_row_and_flags_the_next(tmp_path):
    """Damage costs one row and leaves a gap that can be seen."""
    path = tmp_path / "a.journal"
    write(path, 10)
    raw = bytearray(path.read_bytes())
    raw[len(raw) - 100 * ROW.itemsize + 4 * ROW.itemsize + 20] ^= 1
    path.write_bytes(raw)
    _, _, rows = journal.read(path)
    assert rows["tick"].tolist() == [0, 2, 4, 6, 10, 12, 14, 16, 18]
    assert ((rows["flags"] & GAP) > 0).tolist() == [False] * 4 + [True] + [False] * 4


def test_a_truncated_journal_gives_its_prefix(tmp_path):
    """Every length from the header on reads to a correct prefix."""
    path = tmp_path / "a.journal"
    write(path, 5, capacity=5)
    raw = path.read_bytes()
    start = len(raw) - 5 * ROW.itemsize
    for length in range(start, len(raw) + 1, 97):
        path.write_bytes(raw[:length])
        assert len(journal.read(path)[2]) == (length - start) // ROW.itemsize


def test_an_existing_journal_is_never_overwritten(tmp_path):
    """The user is told to recover it."""
    write(tmp_path / "a.journal", 1)
    with pytest.raises(UserError, match="recover"):
        Journal(tmp_path / "a.journal", 10, {})


def test_no_room_is_a_refusal_and_leaves_nothing(tmp_path):
    """Space is reserved before motion; a petabyte is not to be had."""
    with pytest.raises(UserError, match="cannot reserve"):
        Journal(tmp_path / "a.journal", 2_000_000_000_000, {})
    assert not list(tmp_path.iterdir())


def test_a_stranger_is_not_a_journal(tmp_path):
    """Other files, empty files and damaged headers are refused."""
    path = tmp_path / "a.journal"
    for content in (b"", b"hello", b"GO2JRNL1" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a journal"):
            journal.read(path)
