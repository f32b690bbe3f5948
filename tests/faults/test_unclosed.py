"""Recordings that their writer never closed: every flushed row is recovered, none is wrong (promise D7)."""

from __future__ import annotations

import io
import json
import os
import random
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import verb
from left import refusing
from live import BLOCK, Writer, append, begin
from promises import FULL, record, times
from sessions import rows, wrong
from steps import kill_at, steps_of
from test_recording import EVIL, evil

from collect import recording, unclosed
from collect.channels import CHANNELS
from collect.errors import UserError
from collect.salvage import NothingLeftError

pytestmark = pytest.mark.slow


def made(path: Path, count: int = 250, change=lambda file: None, **how) -> bytes:
    """A file as a writer leaves it that never sealed it, changed; its bytes."""
    with h5py.File(path, "w", **how) as file:
        begin(file)
        append(file, count)
        change(file)
    return path.read_bytes()


def alone_in(folder: Path) -> list[str]:
    """What is in a folder, by name."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mode", ["default", "swmr"])
def test_flushed_rows_of_a_killed_writer_are_recovered(mode, tmp_path, record_property):
    """All of them, whenever it was killed, none wrong; its file stays as it was, and a second time says the same."""
    measured = record(record_property, "D7", "every flushed row, 0 wrong", f"{mode}: SIGKILL of the writer, recovered")
    rng, few, kills = random.Random(11), 10**9, times(4, 30)
    for kill in range(kills):
        path = tmp_path / f"{kill}" / "log.h5"
        path.parent.mkdir()
        with Writer(path, mode) as writer:
            time.sleep(rng.uniform(0.0, 0.4))
            flushed = writer.kill()
        left = path.read_bytes()
        with pytest.raises(UserError, match=r"D7 .*\n.*\n.*python -m collect recover .*log\.h5"):
            recording.read(path)
        sealed = unclosed.recover(path)
        again = recording.read(sealed.path)
        assert len(again) >= flushed
        assert wrong(again) == 0
        assert sealed.gaps == 0
        assert again.attributes["state"] == "recovered"
        assert again.attributes["source"] == "log.h5"
        assert alone_in(path.parent) == ["log-recovered.h5", "log-recovered.sha256", "log.h5"]
        with h5py.File(sealed.path) as file:
            assert all(file[name].fletcher32 for name in file)
        assert unclosed.recover(path) == sealed
        assert path.read_bytes() == left
        few = min(few, len(again) - flushed)
    measured(f"{few} rows more than flushed at least, 0 wrong in {kills} kills")


class Crashes(io.BytesIO):
    """A disk that keeps every write, so that the file can be had as a kill between any two leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[bytes] = []

    def write(self, data) -> int:
        done = super().write(data)
        self.states.append(self.getvalue())
        return done


def test_no_row_is_wrong_between_any_two_writes(tmp_path, record_property):
    """In default mode a file may declare rows that are not in it yet; HDF5 makes up zeros for them."""
    measured = record(record_property, "D7", "flushed rows, 0 wrong", "default: the file after each write")
    disk, path = Crashes(), tmp_path / "log.h5"
    with h5py.File(disk, "w") as file:
        begin(file)
        append(file, 90)
        file.flush()
        flushed = len(disk.states)
        append(file, 30)  # into a second chunk
        file.flush()
        states = disk.states[flushed - 1 :: times(6, 1)]
    for state in states:
        path.write_bytes(state)
        sealed = unclosed.recover(path)
        assert sealed.rows >= 90
        assert wrong(recording.read(sealed.path)) == 0
        sealed.path.unlink()
    measured(f"0 wrong in {len(states)} states")


def test_what_cannot_be_opened_is_said_plainly(tmp_path, record_property):
    """Written for the latest library without SWMR, or never flushed: exit code 1, and nothing is made of it."""
    measured = record(record_property, "D7", "exit 1, untouched", "latest, or never flushed")
    for mode, flush, words in (
        ("latest", 30, "libver='latest' but not in SWMR mode"),
        ("swmr", 0, "holds no whole row"),
        ("default", 0, "HDF5 cannot open it"),
    ):
        path = tmp_path / mode / "log.h5"
        path.parent.mkdir()
        with Writer(path, mode, flush) as writer:
            writer.kill()
        left = path.read_bytes()
        done = verb("collect", "recover", path)
        assert done.returncode == 1, done.stderr
        assert words in done.stderr
        assert "h5clear" not in done.stderr
        assert "Traceback" not in done.stderr
        assert path.read_bytes() == left
        assert alone_in(path.parent) == ["log.h5"]
    measured("as promised")


def test_the_verb_says_what_it_recovered(tmp_path, record_property):
    """Exit code 0 with all that is declared, 3 without some of it, 2 for what is no such file; also into a folder."""
    measured = record(record_property, "D7", "exit 0, 3, 2", "recover of an unclosed file")
    whole = made(tmp_path / "log.h5")
    done = verb("collect", "recover", tmp_path / "log.h5", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert f"recovered {tmp_path}/new/log-recovered.h5: 250 rows, 0 gaps, sha256 " in done.stdout
    assert f"{tmp_path}/log.h5 is kept" in done.stdout
    assert verb("collect", "check", tmp_path / "new").returncode == 0
    made(tmp_path / "ragged.h5", change=lambda file: file["tau_est"].resize(240, 0))
    done = verb("collect", "recover", tmp_path / "ragged.h5")
    assert done.returncode == 3, done.stderr
    assert "240 rows, 0 gaps" in done.stdout
    assert "10 rows damaged and dropped: 241…250" in done.stdout
    for path, words in (
        (tmp_path / "new" / "log-recovered.h5", "nothing to recover: its writer closed it"),
        (tmp_path / "none.h5", "no such file"),
    ):
        done = verb("collect", "recover", path)
        assert done.returncode == 2
        assert f"error: {words}" in done.stderr
    assert (tmp_path / "log.h5").read_bytes() == whole
    measured("as promised")


@pytest.mark.parametrize("mode", ["default", "latest", "swmr"])
def test_a_writer_that_lives_is_left_in_peace(mode, tmp_path):
    """Its file is refused, or, in SWMR mode, right as far as it was when it was copied; it goes on writing."""
    path = tmp_path / "log.h5"
    with Writer(path, mode) as writer:
        flushed = writer.flushed
        try:
            sealed = unclosed.recover(path)
        except UserError as refused:
            assert "another process is writing this file" in str(refused)  # noqa: PT017
        else:
            assert mode == "swmr"
            assert sealed.rows >= flushed
            assert wrong(recording.read(sealed.path)) == 0
        time.sleep(0.3)
        assert writer.process.poll() is None
        assert writer.kill() > flushed


def test_a_file_that_changes_while_it_is_copied_is_refused(tmp_path, monkeypatch):
    """In SWMR mode nothing else tells that a process writes it."""
    made(tmp_path / "log.h5")

    def copied(source, target) -> None:
        target.write(source.read())
        with (tmp_path / "log.h5").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\1")

    monkeypatch.setattr(unclosed.shutil, "copyfileobj", copied)
    with pytest.raises(UserError, match="another process is writing this file"):
        unclosed.recover(tmp_path / "log.h5")
    assert alone_in(tmp_path) == ["log.h5"]


@pytest.mark.parametrize("reserved", [True, False], ids=["written in part", "reserved only"])
def test_room_that_was_not_filled_is_no_rows(reserved, tmp_path):
    """A writer that makes datasets of their final size leaves zeros after its last row."""

    def make(file: h5py.File) -> None:
        for name in CHANNELS:
            values = file[name][()]
            del file[name]
            file.create_dataset(name, (1000, *values.shape[1:]), values.dtype)
            if reserved or name != "q":
                file[name][:250] = values

    made(tmp_path / "log.h5", change=make)
    if not reserved:
        with pytest.raises(NothingLeftError, match="no whole row"):
            unclosed.recover(tmp_path / "log.h5")
        return
    sealed = unclosed.recover(tmp_path / "log.h5")
    assert (sealed.rows, sealed.lost) == (250, ((251, 1000),))
    assert wrong(recording.read(sealed.path)) == 0


def test_rows_that_are_not_finite_are_dropped_and_the_gap_is_flagged(tmp_path):
    """As of a journal; a channel that the file lists as missing may be without numbers."""

    def spoil(file: h5py.File) -> None:
        file["q"][20, 3], file["current"][5] = np.nan, np.nan
        file.attrs["missing"] = json.dumps(["current"])

    made(tmp_path / "log.h5", change=spoil)
    sealed = unclosed.recover(tmp_path / "log.h5")
    again = recording.read(sealed.path)
    assert (sealed.rows, sealed.lost, sealed.gaps) == (249, ((21, 21),), 1)
    assert again.missing == ("current",)
    assert again.flags[20] & 1


def test_a_chunk_with_a_wrong_checksum_ends_the_rows(tmp_path):
    """Where the writer used checksums at all."""

    def summed(file: h5py.File) -> None:
        values = file["q"][()]
        del file["q"]
        file.create_dataset("q", data=values, maxshape=(None, 12), chunks=(100, 12), fletcher32=True)

    raw = bytearray(made(tmp_path / "log.h5", change=summed))
    at = raw.index(rows(101, 1)["q"].tobytes())
    raw[at] ^= 1
    (tmp_path / "log.h5").write_bytes(raw)
    sealed = unclosed.recover(tmp_path / "log.h5")
    assert (sealed.rows, sealed.lost) == (100, ((101, 250),))


HOSTILE = (*EVIL, "other joints", "no rate", "another format")


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_strangers_file_is_refused_before_its_data_is_read(kind, tmp_path):
    """The same as of a sealed one, and nothing is made of it."""
    path = tmp_path / "s.h5"
    evil(path, kind)
    with h5py.File(path, "a") as file:
        del file.attrs["content_sha256"]
        if "q" not in file:
            file["q"] = np.zeros((50, 12), "f4")
        if kind == "wrong shape":
            del file["q"]
            file["q"] = np.zeros((50, 11), "f4")
        if kind == "other joints":
            file.attrs["joint_names"] = [*file.attrs["joint_names"]][::-1]
        if kind == "no rate":
            del file.attrs["rate"]
        if kind == "another format":
            file.attrs["format"] = "another"
    left, there = path.read_bytes(), alone_in(tmp_path)
    with pytest.raises(UserError) as refused:
        unclosed.recover(path)
    assert not isinstance(refused.value, NothingLeftError)
    assert "not a readable recording" in str(refused.value)
    assert path.read_bytes() == left
    assert alone_in(tmp_path) == there


def test_a_file_that_is_torn_anywhere_harms_nobody(tmp_path, record_property):
    """Bits flipped in what HDF5 finds its way by: a recording, or a refusal; no crash, no traceback."""
    measured = record(record_property, "D7", "no crash", "bits flipped in an unclosed file's metadata")
    whole, path, rng = made(tmp_path / "log.h5"), tmp_path / "log.h5", random.Random(12)
    flips = times(15, 300)
    for _ in range(flips):
        raw = bytearray(whole)
        for _ in range(8):
            raw[rng.randrange(8192)] ^= 1 << rng.randrange(8)
        path.write_bytes(raw)
        try:
            unclosed.recover(path).path.unlink()
        except UserError as refused:
            assert "h5clear" not in str(refused)  # noqa: PT017
        assert "log.h5" in alone_in(tmp_path)
    measured(f"none in {flips} files")


def test_a_recovery_killed_anywhere_leaves_all_or_nothing(tmp_path, record_property, monkeypatch):
    """Here in one process, so that it can be killed at any line; the next one ends what it began."""
    measured = record(record_property, "D7", "absent or whole", "SIGKILL of the recovery")
    whole, path, target = made(tmp_path / "log.h5"), tmp_path / "log.h5", tmp_path / "log-recovered.h5"
    monkeypatch.setattr(unclosed, "apart", lambda work, *_: work())
    steps = steps_of(lambda: unclosed.recover(path))
    steps = steps if FULL else steps[::8]
    there = 0
    for step in steps:
        target.unlink()
        target.with_suffix(".sha256").unlink()
        kill_at(step, lambda: unclosed.recover(path))
        there += target.exists()
        assert not target.exists() or wrong(recording.read(target)) == 0
        assert unclosed.recover(path).rows == 250
        assert alone_in(tmp_path) == ["log-recovered.h5", "log-recovered.sha256", "log.h5"]
        assert path.read_bytes() == whole
    assert 0 < there < len(steps)
    measured(f"at {len(steps)} lines")


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_disk_that_refuses_leaves_nothing_behind(call, tmp_path, monkeypatch):
    """What is said names the file and how to go on."""
    made(tmp_path / "log.h5")
    with monkeypatch.context() as bad:
        refusing(call, 28 if call == "fsync" else 5, bad)
        if call == "link":
            bad.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(UserError, match=r"D5 seal failed .*; nothing is lost, log\.h5 holds the session"):
            unclosed.recover(tmp_path / "log.h5")
    assert alone_in(tmp_path) == ["log.h5"]
    assert unclosed.recover(tmp_path / "log.h5").rows == 250


def test_nothing_is_overwritten(tmp_path):
    """Neither a recording of that name nor a link; what a killed recovery left is swept away."""
    made(tmp_path / "log.h5")
    (tmp_path / ".log-recovered.h5.copy.4194999.part").write_bytes(b"of a process that is no more")
    (tmp_path / "log-recovered.h5").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError):
        unclosed.recover(tmp_path / "log.h5")
    assert alone_in(tmp_path) == ["log-recovered.h5", "log.h5"]
    (tmp_path / "log-recovered.h5").unlink()
    sealed = unclosed.recover(tmp_path / "log.h5")
    made(tmp_path / "log.h5", count=90)
    with pytest.raises(UserError, match="never overwritten"):
        unclosed.recover(tmp_path / "log.h5")
    assert len(recording.read(sealed.path)) == 250
