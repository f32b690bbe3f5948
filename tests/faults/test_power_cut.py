"""The power goes while the robot moves: what a disk has confirmed is there (promise D2)."""

from __future__ import annotations

import os
import shutil
import signal
import time

import numpy as np
import pytest
from mounts import ext4, mounted
from powercut import Disk
from promises import record, times
from sessions import RATE, Writer, header, log, wrong

from collect import salvage
from collect.journal import Journal

pytestmark = pytest.mark.slow


def test_a_power_cut_costs_a_second_at_most(tmp_path, record_property, monkeypatch):
    """Pages that the disk has not confirmed survive with p = 0.6: no row is wrong, none that it confirmed is lost."""
    measured = record(record_property, "D2", "1.0 s, 0 wrong")
    path, rng, appended, safe = tmp_path / "s.journal", np.random.default_rng(12), [], []
    disk = Disk(path, monkeypatch)
    made = Journal(path, 2000, header())
    start = time.monotonic()
    while (now := time.monotonic()) < start + 3.0:
        log(made, 1)
        appended.append(now)
        safe.append(made.safe)
        time.sleep(max(start + len(appended) / RATE - time.monotonic(), 0.0))
    count = times(30, 300)
    written = rng.choice([at for at, _, _ in disk.writes if at > start], count // 2)  # half of them just then
    moments = [*written, *rng.uniform(start, time.monotonic(), count - len(written))]
    cut = tmp_path / "cut.journal"
    missing = []
    for moment in moments:
        cut.write_bytes(disk.cut(moment, rng))
        with monkeypatch.context() as off:
            off.setattr(salvage, "MEMORY", tmp_path)  # memory is gone
            found = salvage.read(cut).rows
        count = int(np.searchsorted(appended, moment))
        assert wrong(found) == 0
        assert set(range(1, safe[count - 1] + 1 if count else 1)) <= set(found["number"].tolist())
        missing.append((count - len(found)) / RATE)
    made.close()
    measured(f"{max(missing):.2f} s, 0 wrong in {len(missing)} cuts")
    assert max(missing) <= 1.0


def test_a_journal_is_durable_before_its_first_row(tmp_path, record_property, monkeypatch):
    """Its header, its space and its name are on the disk when the robot begins to move."""
    measured = record(record_property, "D2", "header and name")
    path = tmp_path / "new" / "s.journal"
    disk = Disk(path, monkeypatch)
    made = Journal(path, 20, header())
    left = disk.cut(time.monotonic(), None)
    assert {path.parent, path.parent.parent} <= disk.folders
    made.close()
    path.write_bytes(left)
    assert salvage.read(path).header == header()
    measured("confirmed before the first row")


def test_a_power_cut_on_a_real_file_system(tmp_path, record_property):
    """An ext4 as it stands on the disk at some moment is mounted anew: its journal is replayed, ours is read."""
    measured = record(record_property, "D2", "1.0 s, 0 wrong")
    image, rng, missing = tmp_path / "image", np.random.default_rng(15), []
    cuts = [tmp_path / f"cut{k}" for k in range(times(3, 30))]
    with mounted(tmp_path / "disk", "-o", "loop,commit=60", ext4(image)) as disk, Writer(disk / "s.journal") as writer:
        for cut in cuts:
            time.sleep(rng.uniform(0.1, 0.7))
            os.kill(writer.process.pid, signal.SIGSTOP)
            shutil.copyfile(image, cut)
            missing.append(len(writer.said()))
            os.kill(writer.process.pid, signal.SIGCONT)
        writer.kill()
        salvage.read(disk / "s.journal").ring.unlink()
    for k, cut in enumerate(cuts):
        with mounted(tmp_path / f"after{k}", "-o", "loop", cut) as disk:
            found = salvage.read(disk / "s.journal").rows
            assert wrong(found) == 0
            missing[k] -= len(found)
    seconds = max(missing) / RATE
    measured(f"{seconds:.2f} s, 0 wrong in {len(cuts)} cuts of an ext4")
    assert seconds <= 1.0
