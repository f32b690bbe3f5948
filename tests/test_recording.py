"""The recording: sealed once, read with suspicion, never overwritten."""

import h5py
import numpy as np
import pytest

from collect import recording
from collect.channels import CHANNELS, empty_segments
from collect.errors import UserError
from collect.recording import Recording, blank


def sample(rows: int = 50, **changes) -> Recording:
    """A small recording of noise."""
    rng = np.random.default_rng(7)
    table = {name: rng.normal(size=(rows, 12)).astype("f4") for name in ("q", "dq", "tau_est", "q_target")}
    table |= {name: np.ones((rows, 12), "f4") for name in ("kp", "kd")}
    table |= {name: np.zeros((rows, 12), "f4") for name in ("dq_target", "tau_ff")}
    table |= {name: np.zeros((rows, 3), "f4") for name in ("gyro", "accel", "rpy")}
    table |= {name: np.ones(rows, "f4") for name in ("command_age", "voltage", "soc")}
    table |= {
        "time": np.arange(rows) / 500.0,
        "tick": np.arange(rows, dtype="u4") * 2,
        "current": blank(rows),
        "flags": np.zeros(rows, "u2"),
        "segment": np.full(rows, -1, "i2"),
        "segments": empty_segments(1),
    }
    return Recording(session="s", rate=500.0, attributes={"robot": "test", "posture": [0.0] * 12}, **(table | changes))


def test_what_was_written_is_read(tmp_path):
    """Every channel, attribute and the list of what was missing."""
    original = sample()
    recording.write(original, tmp_path / "s.h5")
    again = recording.read(tmp_path / "s.h5")
    for name in CHANNELS:
        before, after = getattr(original, name), getattr(again, name)
        assert (before is None) == (after is None), name
        if before is not None:
            np.testing.assert_array_equal(before, after)
    assert again.session == "s"
    assert again.attributes["robot"] == "test"
    assert again.attributes["posture"] == [0.0] * 12
    assert set(again.missing) == {"current", "temperature", "lost", "mode"}


def test_the_file_describes_itself(tmp_path):
    """Every dataset has unit, description and a checksum; the file's hash stands beside it."""
    digest = recording.write(sample(), tmp_path / "s.h5")
    assert (tmp_path / "s.sha256").read_text().split() == [digest, "s.h5"]
    with h5py.File(tmp_path / "s.h5") as file:
        assert {file[name].attrs["unit"] for name in ("q", "dq", "tau_est")} == {"rad", "rad/s", "Nm"}
        assert all(file[name].fletcher32 and file[name].attrs["description"] for name in file)


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path):
    """A second recording of that name is refused; no partial file remains."""
    recording.write(sample(), tmp_path / "s.h5")
    before = (tmp_path / "s.h5").read_bytes()
    with pytest.raises(UserError, match="never overwritten"):
        recording.write(sample(rows=10), tmp_path / "s.h5")
    assert (tmp_path / "s.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.h5", "s.sha256"]


def test_damage_is_found(tmp_path):
    """A flipped bit, a truncation, and damage behind a removed hash file."""
    recording.write(sample(rows=500), tmp_path / "s.h5")
    raw = bytearray((tmp_path / "s.h5").read_bytes())
    raw[len(raw) // 2] ^= 4
    (tmp_path / "s.h5").write_bytes(raw)
    with pytest.raises(UserError, match="SHA-256"):
        recording.read(tmp_path / "s.h5")
    (tmp_path / "s.sha256").unlink()
    with pytest.raises(UserError, match="not a readable recording"):
        recording.read(tmp_path / "s.h5")
    (tmp_path / "s.h5").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(UserError, match="not a readable recording"):
        recording.read(tmp_path / "s.h5")
    (tmp_path / "s.h5").write_bytes(b"not HDF5 at all")
    with pytest.raises(UserError, match="not a readable recording"):
        recording.read(tmp_path / "s.h5")


def test_nan_in_data_is_named(tmp_path):
    """Channel, joint, row and time of the first value that is not finite."""
    q = sample().q.copy()
    q[20, 5] = np.nan
    with pytest.raises(UserError, match=r"q of FL_calf is not finite at row 20 \(t = 0.040 s\)"):
        recording.write(sample(q=q), tmp_path / "s.h5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": np.zeros(50)}, "time does not increase at row 1"),
        ({"dq": blank(50, 12), "q": np.full((50, 12), np.inf, "f4")}, "q of FR_hip is not finite"),
    ],
)
def test_content_that_cannot_be_is_refused(tmp_path, changes, message):
    """Before anything learns from it."""
    with pytest.raises(UserError, match=message):
        recording.write(sample(**changes), tmp_path / "s.h5")


EVIL = (
    "external storage",
    "external link",
    "soft link",
    "huge",
    "wrong type",
    "wrong shape",
    "scalar",
    "no space",
    "stranger",
)


def evil(path, kind):
    """A recording whose q is a trap."""
    recording.write(sample(), path)
    path.with_suffix(".sha256").unlink()
    secret = path.with_name("secret.bin")
    secret.write_bytes(b"secret" * 1000)
    with h5py.File(path, "a") as file:
        del file["q"]
        if kind == "external storage":
            file.create_dataset("q", (50, 12), "f4", external=[(str(secret), 0, 2400)])
        elif kind == "external link":
            file["q"] = h5py.ExternalLink("other.h5", "/q")
        elif kind == "soft link":
            file["q"] = h5py.SoftLink("/dq")
        elif kind == "huge":
            file.create_dataset("q", (10**10, 12), "f4", chunks=(1000, 12))
        elif kind == "wrong type":
            file.create_dataset("q", data=np.zeros((50, 12), "f8"))
        elif kind == "scalar":
            del file["accel"]  # the first that is looked at
            file["q"], file["accel"] = np.zeros((50, 12), "f4"), np.float32(0)
        elif kind == "no space":
            file["q"] = h5py.Empty("f4")
        elif kind == "wrong shape":
            file.create_dataset("q", data=np.zeros((49, 12), "f4"))
        elif kind == "stranger":
            file["payload"] = 1
            file.create_dataset("q", data=np.zeros((50, 12), "f4"))


@pytest.mark.parametrize("kind", EVIL)
def test_hostile_files_are_refused_before_their_data_is_read(tmp_path, kind):
    """Nothing of another file is ever read through a recording."""
    evil(tmp_path / "s.h5", kind)
    with pytest.raises(UserError, match="not a readable recording"):
        recording.read(tmp_path / "s.h5")


@pytest.mark.parametrize("name", ["../x", "/abs", "a/b", "x" * 100, "", "Upper", "dot.ted"])
def test_names_are_plain(tmp_path, name):
    """Sessions of ours are lower case without dots, and stay in their folder."""
    with pytest.raises(UserError, match="not a session name"):
        recording.session_path(tmp_path, name)


def test_find_takes_files_and_folders(tmp_path):
    """In the order given; an empty folder or a missing path is refused."""
    recording.write(sample(), tmp_path / "a" / "2.h5")
    recording.write(sample(), tmp_path / "a" / "1.h5")
    assert recording.find([tmp_path / "a"]) == [tmp_path / "a" / "1.h5", tmp_path / "a" / "2.h5"]
    with pytest.raises(UserError, match="no recording"):
        recording.find([tmp_path])
    with pytest.raises(UserError, match="no such file"):
        recording.find([tmp_path / "b"])


def test_a_shells_star_names_checksums_too(tmp_path):
    """They are passed over; one whose recording is gone is not."""
    recording.write(sample(), tmp_path / "1.h5")
    for name in ("1.sha256", "2.sha256"):
        (tmp_path / name).write_text("")
    assert recording.find(sorted(tmp_path.iterdir())) == [tmp_path / "1.h5", tmp_path / "2.sha256"]
