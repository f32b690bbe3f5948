"""Rows that were logged: what kills, damage and bad disks cost them (promises D1, D3, D6, D8)."""

from __future__ import annotations

import errno
import os
import time

import numpy as np
import pytest
from mounts import ext4, mounted, stalled
from powercut import Disk
from promises import FULL, record, times
from sessions import RATE, Writer, header, log, rows, wrong

from collect import journal, recording, salvage, sealing
from collect.channels import GAP
from collect.errors import UserError
from collect.journal import BLOCK, ROW, Journal, Layout

pytestmark = pytest.mark.timed

ROWS = 20


def small(path, *, ended: bool, count: int = ROWS) -> Layout:
    """A journal of few rows, brought to the disk; where things stand in it."""
    made = Journal(path, count, header())
    log(made, count)
    if ended:
        made.finish({"state": "complete", "stop_code": "", "statistics": "{}"})
    made.close()
    return Layout(BLOCK.size + BLOCK.unpack(path.read_bytes()[: BLOCK.size])[1], count)


@pytest.mark.parametrize("rate", [RATE, 0.0], ids=["paced", "flat-out"])
def test_rows_survive_sigkill(rate, tmp_path, record_property):
    """At random moments: at most 10 rows (20 ms) are missing, none is wrong, and the recording says it is complete."""
    measured = record(record_property, "D1", "10 rows, 0 wrong")
    rng, missing = np.random.default_rng(11), []
    for k in range(times(3, 30)):
        with Writer(tmp_path / f"s{k}.journal", rate) as writer:
            time.sleep(rng.uniform(0.0, 1.2))
            logged = len(writer.kill())
        ring = salvage.read(tmp_path / f"s{k}.journal").ring
        sealed = sealing.seal(tmp_path / f"s{k}.journal")
        made = recording.read(sealed.path)
        assert sealed.complete
        assert wrong(made) == 0
        assert not ring.exists()
        missing.append(max(logged - len(made), 0))
    measured(f"{max(missing)} rows, 0 wrong in {len(missing)} kills")
    assert max(missing) <= 10


@pytest.mark.parametrize("ended", [False, True], ids=["interrupted", "ended"])
def test_a_journal_cut_short_gives_its_prefix(ended, tmp_path, record_property):
    """At every byte: all rows before it, none wrong, and a loss is known as one."""
    measured = record(record_property, "D6", "the rows before the cut")
    path, count = tmp_path / "s.journal", times(3, ROWS)
    layout = small(path, ended=ended, count=count)
    stop = layout.rows + count * ROW.itemsize
    few = {*range(layout.header + 2), *range(layout.rows - 2, stop + 2), *range(0, layout.size + 1, 997)}
    lengths = range(layout.size + 1) if FULL else sorted(few)
    for length in reversed(lengths):
        os.truncate(path, length)
        try:
            left = salvage.read(path)
        except salvage.NothingLeftError:
            assert length < layout.header
            continue
        whole = min(max(length - layout.rows, 0) // ROW.itemsize, count)
        assert left.rows["number"].tolist() == [*range(1, whole + 1)]
        assert wrong(left.rows) == 0
        assert whole == count or left.cut or len(left.lost) == count - whole
    measured(f"all of them at {len(lengths)} lengths")


@pytest.mark.parametrize("ended", [False, True], ids=["interrupted", "ended"])
def test_no_flipped_bit_passes(ended, tmp_path, record_property):
    """Anywhere in the file: it costs the row that it hit, which is named, and never header, outcome or another row."""
    measured = record(record_property, "D6", "0 wrong, the row hit")
    path, rng = tmp_path / "s.journal", np.random.default_rng(13)
    layout = small(path, ended=ended)
    raw, ending = path.read_bytes(), salvage.read(path).outcome
    stop = layout.rows + ROWS * ROW.itemsize
    anywhere = rng.integers(0, 8 * len(raw), times(30, 300)).tolist()
    in_rows = rng.integers(8 * layout.rows, 8 * stop, times(30, 300)).tolist()
    in_texts = [8 * place + int(rng.integers(8)) for place in range(0, layout.header, times(7, 1))]
    in_texts += [8 * (len(raw) - 1) - bit for bit in in_texts]
    in_texts += [8 * layout.outcomes[0] + bit for bit in range(0, 8 * 64, times(7, 1))]
    lost = 0
    for bit in anywhere + in_rows + in_texts:
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        left = salvage.read(path)
        hit = [(bit // 8 - layout.rows) // ROW.itemsize + 1] if layout.rows <= bit // 8 < stop else []
        assert left.lost.tolist() == hit
        assert (wrong(left.rows), len(left.rows), left.outcome) == (0, ROWS - len(hit), ending)
        assert ((left.rows["flags"] & GAP) > 0).sum() == len([row for row in hit if row < ROWS])
        lost += len(hit)
    flips = len(anywhere + in_rows + in_texts)
    measured(f"0 wrong, {lost} rows for {flips} flipped bits")


def test_no_row_is_invented(tmp_path, record_property):
    """Where rows are damaged the recording has a flagged gap, the others' ticks stay, and it says what is lost."""
    measured = record(record_property, "D3", "0 rows invented")
    path = tmp_path / "s.journal"
    layout = small(path, ended=True)
    raw = bytearray(path.read_bytes())
    for number in (1, 7, 8, 9, 20):
        raw[layout.rows + (number - 1) * ROW.itemsize + 50] ^= 1
    path.write_bytes(raw)
    sealed = sealing.seal(path)
    made = recording.read(sealed.path)
    assert (made.tick // 2).tolist() == [2, 3, 4, 5, 6, *range(10, 20)]
    assert np.flatnonzero(made.flags & GAP).tolist() == [0, 5]
    assert wrong(made) == 0
    assert sealed.lost == ((1, 1), (7, 9), (20, 20))
    assert made.attributes["rows_lost"] == "[[1, 1], [7, 9], [20, 20]]"
    assert "5 rows damaged and dropped: 1, 7…9, 20" in str(sealed)
    assert path.exists()
    measured(f"0 of {len(made)}, 5 named as lost")


def test_a_number_that_is_not_finite_costs_its_row(tmp_path, record_property):
    """A NaN that a sensor let slip does not make a session unrecoverable."""
    measured = record(record_property, "D3", "the row")
    made = Journal(tmp_path / "s.journal", ROWS, header())
    log(made, 5)
    made.row["gyro"][1] = np.nan
    made.row["tick"] += 2
    made.row["time"] += 0.002
    made.append()
    log(made, 5)
    made.close()
    sealed = sealing.seal(tmp_path / "s.journal")
    assert (len(recording.read(sealed.path)), sealed.lost, sealed.gaps) == (10, ((6, 6),), 1)
    measured("1 of 11 rows")


def test_a_full_disk_is_a_refusal_before_motion(tmp_path, record_property):
    """On 2 MB there is no room for 5 MB: nothing is left behind, and what fits is not refused."""
    measured = record(record_property, "D8", "refused before motion, 0 rows lost")
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=2m", "none") as disk:
        with pytest.raises(UserError, match="cannot reserve 5 MB for the log: No space left"):
            Journal(disk / "s.journal", 10_000, header())
        assert not list(disk.iterdir())
        made = Journal(disk / "s.journal", 1000, header())
        (disk / "rest").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))
        log(made, 1000)  # a disk that is full by now does not matter any more
        made.close()
        assert (made.failure, len(salvage.read(disk / "s.journal").rows)) == (None, 1000)
    measured("refused, 0 of 1000 rows lost")


def test_motion_does_not_wait_for_a_disk_that_stands_still(tmp_path, record_property):
    """A real ext4 that is frozen for a second: rows are logged all the while, and all are there after a kill."""
    measured = record(record_property, "D8", "20 ms in append")
    with mounted(tmp_path / "disk", "-o", "loop", ext4(tmp_path / "image")) as disk:
        with Writer(disk / "s.journal") as writer:
            time.sleep(0.7)
            before = len(writer.said())
            stalled(disk, 1.0)
            during = len(writer.said()) - before
            said = writer.kill()
        found = salvage.read(disk / "s.journal")
        found.ring.unlink()
        assert len(found.rows) >= len(said)
        assert wrong(found.rows) == 0
    worst = said["took"].max()
    measured(f"{worst * 1e3:.1f} ms while the disk stood still for 1 s")
    assert worst < 0.02
    assert during > 300


def test_a_slow_disk_is_seen_and_not_felt(tmp_path, record_property, monkeypatch):
    """It takes 1.2 s to confirm: appending does not wait for it, and `behind` tells the loop."""
    measured = record(record_property, "D8", "20 ms in append")
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (time.sleep(1.2), real(file)))
    made, worst, behind = Journal(tmp_path / "s.journal", 2000, header()), 0.0, 0.0
    end = time.monotonic() + 2.0
    for row in rows(1, 2000):
        made.row[...] = row
        begun = time.monotonic()
        if begun > end:
            break
        made.append()
        worst = max(worst, time.monotonic() - begun)
        behind = max(behind, made.behind)
        time.sleep(0.002)
    made.close()
    assert behind > 1.2
    assert made.failure is None
    assert worst < 0.02
    assert wrong(salvage.read(tmp_path / "s.journal").rows) == 0
    measured(f"{worst * 1e3:.1f} ms while the disk took 1.2 s")


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_refuses_costs_no_row(call, tmp_path, record_property, monkeypatch):
    """I/O errors reach the loop as `failure`; what was not confirmed is written again, and otherwise kept in memory."""
    measured = record(record_property, "D8", "0 rows")
    monkeypatch.setattr(journal, "INTERVAL", 3600.0)  # the test has it saved, not the thread
    disk = Disk(tmp_path / "s.journal", monkeypatch)
    made = Journal(tmp_path / "s.journal", 100, header())
    log(made, 30)
    made._save()
    log(made, 30)
    with monkeypatch.context() as bad:
        bad.setattr(os, call, lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, os.strerror(errno.EIO))))
        made._save()
        assert (made.safe, made.failure) == (30, "[Errno 5] Input/output error")
        log(made, 10)
    del disk.writes[disk.confirmed[-1][1] :]  # the kernel drops pages that it could not write, and says so once
    made._save()
    assert made.safe == 70
    (tmp_path / "cut.journal").write_bytes(disk.cut(time.monotonic(), None))
    with monkeypatch.context() as off:
        off.setattr(salvage, "MEMORY", tmp_path)
        assert salvage.read(tmp_path / "cut.journal").rows["number"].tolist() == [*range(1, 71)]
    log(made, 5)
    made.finish({"state": "stopped", "stop_code": "L18"})
    with monkeypatch.context() as bad:
        bad.setattr(os, call, lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, os.strerror(errno.EIO))))
        made.close()
    sealed = sealing.seal(tmp_path / "s.journal")
    found = recording.read(sealed.path)
    assert (len(found), wrong(found), found.attributes["stop_code"]) == (75, 0, "L18")
    measured("0 of 75 rows lost")
