"""Sealing and recovery: whatever kills or refuses them, a recording is whole or absent (promises D5, D6, D8)."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from left import ROWS, Left, left, refusing
from mounts import mounted
from promises import FULL, record, times
from sessions import ROOT, header, log, wrong
from steps import kill_at, steps_of

from collect import durable, recording, sealing
from collect.errors import UserError
from collect.journal import Journal

pytestmark = pytest.mark.slow


def test_a_seal_killed_anywhere_leaves_all_or_nothing(left, record_property):
    """The name holds nothing or the whole recording, the journal stays until then, and the next seal completes it."""
    measured = record(record_property, "D5", "nothing or all")
    steps = steps_of(lambda: sealing.seal(left.path))
    steps = steps if FULL else [*steps[:-60:10], *steps[-60::2]]
    target = left.folder / "s.h5"
    whole = 0
    for step in steps:
        left.put_back()
        kill_at(step, lambda: sealing.seal(left.path))
        if target.exists():
            whole += 1
            assert (len(recording.read(target)), wrong(recording.read(target))) == (ROWS, 0)
        else:
            assert left.is_whole()
        if left.path.exists():
            sealed = sealing.seal(left.path)
            assert sealed.complete
        assert wrong(recording.read(target)) == 0
        assert sorted(path.name for path in left.folder.iterdir()) == ["s.h5", "s.sha256"]
        assert (left.folder / "s.sha256").read_text().split() == [durable.sha256_of(target), "s.h5"]
        assert not left.ring.exists()
    assert 0 < whole < len(steps)
    measured(f"nothing or all at {len(steps)} lines, and the next seal completes")


def test_what_gets_a_name_is_on_the_disk_before(left, record_property, monkeypatch):
    """Content, then name, then the folder's entry; only then the session's rows and journal are removed."""
    measured = record(record_property, "D5", "content before name before removal")
    done = []

    def note(call):
        real = getattr(os, call)

        def noted(first, *rest, **more):
            path = Path(f"/proc/self/fd/{first}").readlink() if call == "fsync" else Path([first, *rest][-1])
            done.append(f"{call} {path.name}".replace(f".{os.getpid()}.", "."))
            return real(first, *rest, **more)

        monkeypatch.setattr(os, call, noted)

    for call in ("fsync", "link", "replace", "unlink"):
        note(call)
    sealing.seal(left.path)
    folder, ring = left.folder.name, left.ring.name
    for order in (
        ("fsync .s.h5.part", "link s.h5", f"fsync {folder}", f"unlink {ring}", "unlink s.journal"),
        ("fsync .s.sha256.part", "replace s.sha256", f"unlink {ring}"),
    ):
        places = [done.index(step) for step in order]
        assert places == sorted(places), done
    measured("in this order")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("call", ["open", "pwrite", "fsync", "replace"])
def test_a_disk_that_refuses_the_recording_costs_nothing(call, error, left, record_property, monkeypatch):
    """Whichever use of it fails: nothing partial has the name, the journal stays, and sealing later works."""
    measured = record(record_property, "D8", "0 rows")
    refused = 0
    for after in range(3):
        left.put_back()
        with monkeypatch.context() as bad:
            refusing(call, error, bad, after)
            try:
                sealing.seal(left.path)
            except UserError:
                refused += 1
                assert left.is_whole()
                assert not list(left.folder.glob(".*"))
        if left.path.exists():
            assert sealing.seal(left.path).complete
        assert wrong(recording.read(left.folder / "s.h5")) == 0
    assert refused > 0
    measured(f"0 of {ROWS} rows lost in {refused} refusals")


def test_a_disk_that_keeps_something_else_is_found_out(left, record_property, monkeypatch):
    """One bit, anywhere in the file: it is read back before it gets its name."""
    measured = record(record_property, "D5", "refused")
    rng, real, flips = np.random.default_rng(16), os.pwrite, times(5, 30)
    for _ in range(flips):

        def flipped(file, data, place):
            wrong_data = bytearray(data)
            wrong_data[int(rng.integers(len(data)))] ^= 1
            return real(file, wrong_data, place)

        with monkeypatch.context() as bad:
            bad.setattr(os, "pwrite", flipped)
            with pytest.raises(UserError, match="D5 seal failed"):
                sealing.seal(left.path)
        assert left.is_whole()
        assert [path.name for path in left.folder.iterdir()] == ["s.journal"]
    measured(f"{flips} of {flips} refused")


def test_what_is_read_back_must_be_what_was_recorded(left, record_property, monkeypatch):
    """A file that is sound but holds other numbers is refused as well."""
    measured = record(record_property, "D5", "refused")
    image = recording._image

    def other(made):
        return image(dataclasses.replace(made, q=made.q + np.float32(0.5)))

    with monkeypatch.context() as bad:
        bad.setattr(recording, "_image", other)
        with pytest.raises(UserError, match="read back differs"):
            sealing.seal(left.path)
    assert left.is_whole()
    measured("refused")


def test_a_recording_of_another_session_is_not_taken_for_ours(left, record_property):
    """It has the name and is sound: the journal stays all the same."""
    measured = record(record_property, "D5", "refused, nothing lost")
    sealing.seal(left.path)
    other = (left.folder / "s.h5").read_bytes()
    made = Journal(left.path, ROWS, header())
    log(made, ROWS)
    made.close()
    with pytest.raises(UserError, match="another session"):
        sealing.seal(left.path)
    assert left.path.exists()
    assert (left.folder / "s.h5").read_bytes() == other
    assert sealing.seal(left.path, left.folder / "elsewhere").complete
    measured("refused, nothing lost")


def test_a_full_disk_at_sealing_is_told_and_recovered_elsewhere(tmp_path, record_property):
    """On a real one of 2 MB, in a process of its own, which HDF5 must not take down with it."""
    measured = record(record_property, "D8", "0 rows, no crash")
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=2m", "none") as disk:
        made = Journal(disk / "s.journal", 3000, header())
        log(made, 3000)
        made.close()
        before = (disk / "s.journal").read_bytes()
        done = verb("collect", "recover", disk / "s.journal")
        assert done.returncode == 2
        assert done.stderr.startswith("error: D5 seal failed (cannot write the recording: No space left on device)")
        assert [path.name for path in disk.iterdir()] == ["s.journal"]
        assert (disk / "s.journal").read_bytes() == before
        done = verb("collect", "recover", disk, "--out", tmp_path / "other")
        assert done.returncode == 0, done.stderr
        assert not list(disk.iterdir())
    assert wrong(recording.read(tmp_path / "other" / "s.h5")) == 0
    measured("0 of 3000 rows, exit code 2")


def test_recover_says_what_it_recovered(left, tmp_path, record_property):
    """Exit code 0 with everything, 3 with losses (and the journal kept), 1 with nothing, 2 for what is no journal."""
    measured = record(record_property, "D6", "exit 0, 3, 1; the original untouched")
    whole = left.path.read_bytes()
    done = verb("collect", "recover", left.folder)
    assert done.returncode == 0
    assert f"recovered {left.folder}/s.h5: {ROWS} rows, 0 gaps, sha256 " in done.stdout
    assert not left.path.exists()

    lossy, nothing = tmp_path / "lossy" / "s.journal", tmp_path / "nothing" / "s.journal"
    damaged = bytearray(whole)
    place = damaged.rindex((7).to_bytes(4, "little"), 0, len(whole) // 2)
    damaged[place + 40] ^= 1
    empty = Journal(tmp_path / "empty.journal", 10, header())
    memory = empty._ring.read_bytes()
    empty.close()
    empty._ring.write_bytes(memory)  # as after a kill before the first row
    assert verb("collect", "recover", tmp_path / "empty.journal").returncode == 1
    assert not empty._ring.exists()
    for path, content in ((lossy, damaged), (nothing, whole[:100])):
        path.parent.mkdir()
        path.write_bytes(content)
    for _ in range(2):  # a second time it says the same
        done = verb("collect", "recover", lossy)
        assert done.returncode == 3
        assert "14 rows, 1 gaps" in done.stdout
        assert f"1 rows damaged and dropped: 7; {lossy} is kept" in done.stdout
        assert lossy.read_bytes() == damaged
    done = verb("collect", "recover", nothing, lossy.parent)
    assert done.returncode == 1
    assert "neither of its two headers is whole" in done.stderr
    assert "is kept" in done.stdout
    assert nothing.read_bytes() == whole[:100]
    assert verb("collect", "recover", left.folder / "s.h5").returncode == 2
    measured("as promised")
