"""Recordings by themselves: damage, names, files of others, provenance (promises D5, D7, D9, D10)."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from left import left, refusing
from promises import record, times
from sessions import ROOT, header, log

from collect import durable, recording, sealing
from collect.channels import BAD_CRC, DROPPED, GAP, LATE
from collect.errors import UserError
from collect.journal import Journal

pytestmark = pytest.mark.slow


def test_a_flipped_bit_in_a_recording_is_found(left, record_property):
    """With its SHA-256 beside it every one; without, none that changes a number."""
    measured = record(record_property, "D5", "all found")
    sealed = sealing.seal(left.path)
    raw, right = sealed.path.read_bytes(), recording.read(sealed.path).content_sha256()
    rng, found, harmless = np.random.default_rng(14), 0, 0
    bits = rng.integers(0, 8 * len(raw), times(30, 300))
    sidecar = durable.sidecar_of(sealed.path).read_bytes()
    for bit in bits.tolist():
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        sealed.path.write_bytes(damaged)
        durable.sidecar_of(sealed.path).write_bytes(sidecar)
        with pytest.raises(UserError, match="SHA-256"):
            recording.read(sealed.path)
        durable.sidecar_of(sealed.path).unlink()
        try:
            assert recording.read(sealed.path).content_sha256() == right
            harmless += 1
        except UserError:
            found += 1
    sealed.path.write_bytes(raw)
    with h5py.File(sealed.path, "r+") as file:  # as damage that HDF5's own checksums do not see
        file["q"][3, 4] += 0.5
    with pytest.raises(UserError, match="does not match its own SHA-256"):
        recording.read(sealed.path)
    measured(f"{len(bits)} of {len(bits)} found, {found} without the hash file")


@pytest.mark.parametrize("kind", ["file", "link", "link to nowhere", "folder"])
@pytest.mark.parametrize("links", [True, False], ids=["", "no hard links"])
def test_nothing_is_overwritten(kind, links, left, record_property, monkeypatch):
    """Whatever has the name already stays, on any file system, also when it appears at the last moment."""
    measured = record(record_property, "D9", "nothing overwritten")
    target, elsewhere = left.folder / "s.h5", left.folder / "elsewhere"

    def in_the_way(*_):
        if kind == "file":
            target.write_bytes(b"mine")
        elif kind == "folder":
            target.mkdir()
        else:
            target.symlink_to(elsewhere)
            if kind == "link":
                elsewhere.write_bytes(b"mine")

    if not links:
        refusing("link", errno.EPERM, monkeypatch, 0)
    with monkeypatch.context() as late:
        late.setattr(recording, "read", lambda *a, real=recording.read, **k: (real(*a, **k), in_the_way())[0])
        with pytest.raises(UserError, match="never overwritten"):
            sealing.seal(left.path)
    with pytest.raises(UserError):
        sealing.seal(left.path)
    with pytest.raises(UserError, match="never overwritten"):
        recording.session_path(left.folder, "s")
    assert left.is_whole()
    assert elsewhere.exists() == (kind == "link")
    assert kind not in ("file", "link") or target.read_bytes() == b"mine"
    target.rmdir() if kind == "folder" else target.unlink()
    elsewhere.unlink(missing_ok=True)
    assert sealing.seal(left.path).complete
    measured("nothing")


BAD_NAMES = ["../x", "/abs", "a/b", "a\0b", "x" * 65, "", ".", "..", "CON", "dot.", "a b", "-x", "ä", "a\n", "Upper"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_stay_in_their_folder(name, tmp_path, record_property):
    """Those we are given, and those in a journal somebody made: nothing is written for them, anywhere."""
    measured = record(record_property, "D9", "refused")
    with pytest.raises(UserError, match=r"D9 .* is not a session name"):
        recording.session_path(tmp_path, name)
    made = Journal(tmp_path / "in" / "s.journal", 1, header(name))
    log(made, 1)
    made.close()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"D9 .* is not a session name"):
        sealing.seal(tmp_path / "in" / "s.journal")
    assert sorted(tmp_path.rglob("*")) == before
    measured("refused")


WRITERS = {"default": (None, ""), "latest": ("latest", ""), "swmr": ("latest", "file.swmr_mode = True")}


@pytest.mark.parametrize("living", [True, False], ids=["still written", "killed"])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_was_not_closed_is_refused_and_left_alone(kind, living, tmp_path, record_property):
    """Logs of others that a process writes, or wrote when it was killed: h5clear, which destroys them, is warned of."""
    measured = record(record_property, "D7", "refused, untouched")
    path = tmp_path / "log.h5"
    version, mode = WRITERS[kind]
    script = (
        f"import h5py, sys, time\nfile = h5py.File(sys.argv[1], 'w', libver={version!r})\n"
        f"rows = file.create_dataset('q', (0, 12), 'f4', maxshape=(None, 12), chunks=(100, 12))\n{mode}\n"
        "for k in range(5):\n    rows.resize(100 * (k + 1), 0)\n    rows[-100:] = k\n    file.flush()\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        if not living:
            writer.kill()
            writer.wait()
        before = path.read_bytes()
        with pytest.raises(UserError) as refused:
            recording.read(path)
        writer.kill()
    told = str(refused.value)
    assert path.read_bytes() == before
    assert "h5clear" not in told.replace("do not run h5clear", "")
    if living or kind != "default":  # the one that opens is refused because it is no recording
        assert "D7" in told
    if kind == "swmr" or (kind == "latest" and not living):
        assert f"python -m collect recover {path}" in told
    measured("refused, untouched")


def test_nothing_here_calls_h5clear():
    """It is named only where people are warned of it."""
    lines = [line for path in (ROOT / "collect").rglob("*.py") for line in path.read_text().splitlines()]
    assert all("do not run" in line or "can destroy" in line for line in lines if "h5clear" in line)


PROVENANCE = {"robot", "created", "mount", "posture", "plan_sha256", "config", "versions"}
"""What a session writes down before it moves."""


def test_a_recording_says_where_it_comes_from(tmp_path, record_property):
    """Robot, plan, config, versions; how the session ended and how well the loop kept time; every flag of every row."""
    measured = record(record_property, "D10", "all of it")
    made = Journal(tmp_path / "s.journal", 20, header())
    flags = [0, GAP, LATE, DROPPED, BAD_CRC, GAP | LATE | DROPPED | BAD_CRC]
    for flag in flags:
        log(made, 1, flags=flag)
    made.finish({"state": "stopped", "stop_code": "L6", "stop_reason": "L6 too close", "statistics": '{"rows": 6}'})
    made.close()
    found = recording.read(sealing.seal(tmp_path / "s.journal").path)
    known = found.attributes
    assert {name: known[name] for name in PROVENANCE} == header()["attributes"]
    assert (known["state"], known["stop_code"], known["stop_reason"]) == ("stopped", "L6", "L6 too close")
    assert json.loads(known["statistics"]) == {"rows": 6}
    assert (known["rows_lost"], known["journal_cut"]) == ("[]", False)
    assert found.flags.tolist() == flags
    measured(f"all {len(PROVENANCE) + 4} attributes")
