"""Logs of others become recordings: joints in SDK order, the command in force, nothing invented."""

from __future__ import annotations

import dataclasses
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from collect.channels import GAP, REPEATED
from collect.columns import Columns
from collect.config import load
from collect.convert import convert
from collect.errors import UserError
from collect.joints import MODEL_TO_SDK, NAMES
from collect.recording import Recording, read

torch = pytest.importorskip("torch")

ROWS = 50
RAMP = np.arange(ROWS)[:, None] + 0.01 * np.arange(12)
"""Row k of joint j is k + j / 100: every value says where it comes from."""


def katari_file(folder: Path, name: str = "chirp_9.0hz_p25d1.2_h0.30t0.35c0.60.pt", **changes: np.ndarray) -> Path:
    data = {
        "time": 0.1 + 0.002 * np.arange(ROWS),
        "dof_pos": RAMP,
        "des_dof_pos": RAMP + 100.0,
        "dof_vel": RAMP + 200.0,
        "tau_est": RAMP + 300.0,
    } | changes
    path = folder / name
    torch.save({key: torch.tensor(value, dtype=torch.float32) for key, value in data.items()}, path)
    return path


class TestKatari16:
    def test_the_command_in_force_is_the_one_written_after_the_row_before(self, tmp_path: Path) -> None:
        """q_target[k] = q_des[k − 1]; the first row, whose command nobody knows, is left out."""
        recording = read(convert(katari_file(tmp_path), "katari16", tmp_path / "out"))
        assert len(recording) == ROWS - 1
        np.testing.assert_allclose(recording.q, RAMP[1:], rtol=1e-6)
        np.testing.assert_allclose(recording.q_target, RAMP[:-1] + 100.0, rtol=1e-6)
        np.testing.assert_allclose(recording.dq, RAMP[1:] + 200.0, rtol=1e-6)
        np.testing.assert_allclose(recording.tau_est, RAMP[1:] + 300.0, rtol=1e-6)
        np.testing.assert_allclose(np.diff(recording.time), 0.002, rtol=1e-3)
        assert recording.time[0] == 0.0
        assert recording.rate == 500.0

    def test_the_name_says_gains_and_chirp(self, tmp_path: Path) -> None:
        """d1.2 is 1.25, as its author rounds; the recording keeps the name with its dots."""
        path = convert(katari_file(tmp_path), "katari16", tmp_path / "out")
        recording = read(path)
        assert path.name == "chirp_9.0hz_p25d1.2_h0.30t0.35c0.60.h5"
        assert recording.session == "chirp_9.0hz_p25d1.2_h0.30t0.35c0.60"
        assert set(recording.kp.ravel()) == {25.0}
        assert set(recording.kd.ravel()) == {1.25}
        (segment,) = recording.segments
        assert segment["kind"] == b"chirp"
        np.testing.assert_allclose(segment["amplitude"][:3], [0.30, 0.35, 0.60])
        assert (segment["f0"][0], segment["f1"][0]) == (np.float32(0.1), 9.0)
        assert (segment["start"], segment["stop"]) == (0, ROWS - 1)

    def test_given_gains_come_before_the_name(self, tmp_path: Path) -> None:
        """Three values are hip, thigh, calf."""
        recording = read(convert(katari_file(tmp_path), "katari16", tmp_path / "out", kp=(1.0, 2.0, 3.0), kd=(0.5,)))
        assert recording.kp[0].tolist() == [1.0, 2.0, 3.0] * 4
        assert recording.kd[7].tolist() == [0.5] * 12

    def test_what_the_log_lacks_is_listed_as_missing(self, tmp_path: Path) -> None:
        """A position-only log has no velocity and no torque, and none is made up."""
        path = tmp_path / "positions.pt"
        torch.save(
            {"time": torch.arange(9) * 0.002, "dof_pos": torch.rand(9, 12), "des_dof_pos": torch.rand(9, 12)}, path
        )
        recording = read(convert(path, "katari16", tmp_path / "out", kp=(25.0,), kd=(0.5,)))
        assert {"dq", "tau_est", "dq_target", "tau_ff", "tick"} <= set(recording.missing)

    def test_repeats_and_gaps_are_flagged(self, tmp_path: Path) -> None:
        """A state logged twice is marked, whatever its command; so is a row after a hole in time."""
        q, dq, tau, time = RAMP.copy(), RAMP + 200.0, RAMP + 300.0, 0.002 * np.arange(ROWS)
        for values in (q, dq, tau):
            values[20] = values[19]
        q[30] = q[29]  # position alone stood still: no repeat
        time[40:] += 0.010
        source = katari_file(tmp_path, time=time, dof_pos=q, dof_vel=dq, tau_est=tau)
        flags = read(convert(source, "katari16", tmp_path / "out")).flags
        assert np.flatnonzero(flags & REPEATED).tolist() == [19]
        assert np.flatnonzero(flags & GAP).tolist() == [39]

    def test_from_and_to_count_from_the_first_state(self, tmp_path: Path) -> None:
        """Rows from `start` on and before `stop`."""
        recording = read(convert(katari_file(tmp_path), "katari16", tmp_path / "out", start=0.0195, stop=0.0395))
        np.testing.assert_allclose(recording.q[:, 0], np.arange(10, 20), rtol=1e-6)


def orl_folder(folder: Path, *, packed: bool = False) -> Path:
    """States every 2 ms from 10 ms on; commands at 11, 31 and 51 ms, number n with target n."""
    source = folder / "walk.1"
    source.mkdir()
    t0 = 1_763_146_355_421_617_551
    states = [(t0 + 2_000_000 * k, *RAMP[k], *(RAMP[k] + 200), *(RAMP[k] + 300)) for k in range(ROWS)]
    commands = [(t0 + 1_000_000 + 20_000_000 * k, *(np.full(12, k) + 0.5), *np.zeros(24)) for k in range(3)]
    for name, rows in (("state_history.csv", states), ("command_history.csv", commands)):
        text = "\n".join(",".join(map(repr, (row[0], *map(float, row[1:])))) for row in rows).encode()
        if packed:
            (source / f"{name}.gz").write_bytes(gzip.compress(text))
        else:
            (source / name).write_bytes(text)
    return source


class TestOrl:
    @pytest.mark.parametrize("packed", [False, True])
    def test_the_command_in_force_is_the_last_one_before_the_state(self, tmp_path: Path, packed: bool) -> None:
        """Two clocks in ns; a state before the first command is left out; the age is kept."""
        source = orl_folder(tmp_path, packed=packed)
        recording = read(convert(source, "orl", tmp_path / "out", kp=(35.0,), kd=(0.5,)))
        assert len(recording) == ROWS - 1
        # States at 2, 4, … 98 ms; the target steps after 20 and after 40 ms, at 21 and 41.
        assert recording.q_target[:, 0].tolist() == [0.5] * 10 + [1.5] * 10 + [2.5] * 29
        np.testing.assert_allclose(recording.command_age[[0, 9, 10]], [0.001, 0.019, 0.001], atol=1e-7)
        np.testing.assert_allclose(recording.q, RAMP[1:], rtol=1e-6)
        np.testing.assert_allclose(recording.tau_est, RAMP[1:] + 300, rtol=1e-6)
        assert recording.session == "walk.1"
        assert set(recording.tau_ff.ravel()) == {0.0}
        assert "state_history" in recording.attributes["source_sha256"]

    def test_from_counts_from_the_first_state_even_if_it_was_left_out(self, tmp_path: Path) -> None:
        """--from 0.01 is the sixth state, though the first had no command."""
        recording = read(convert(orl_folder(tmp_path), "orl", tmp_path / "out", (35.0,), (0.5,), start=0.0099))
        assert recording.q[0, 0] == 5.0

    @pytest.mark.data
    def test_a_real_log_shows_a_staircase_of_20_ms(self, tmp_path: Path, logs: Path) -> None:
        """The policy of test_1 set its targets at 50 Hz."""
        recording = read(convert(logs / "orl/test_1", "orl", tmp_path, (35.0,), (0.5,), start=5.0, stop=9.55))
        steps = np.flatnonzero((np.diff(recording.q_target, axis=0) != 0.0).any(axis=1))
        assert np.median(np.diff(recording.time[steps])) == pytest.approx(0.020, abs=0.001)
        assert recording.rate == pytest.approx(500.0, abs=1.0)


class TestDls:
    @pytest.mark.data
    def test_a_real_log_comes_in_sdk_order(self, tmp_path: Path, logs: Path) -> None:
        """Its joints are FL FR RL RR; gains are in the April file; there is no torque."""
        source = logs / "dls/go2_traj_0_2026-04.pt"
        recording = read(convert(source, "dls", tmp_path))
        assert "tau_est" in recording.missing
        assert set(recording.kp.ravel()) == {20.0}
        assert set(recording.kd.ravel()) == {1.5}
        assert recording.rate == 200.0
        # The author's first joint, FL hip at −0.0716, is the SDK's fourth.
        np.testing.assert_allclose(recording.q[0, [3, 0]], [-0.07162923, 0.05755019], atol=1e-6)

    def test_joints_are_reordered(self, tmp_path: Path) -> None:
        """Plain arrays will do as well; every channel is moved alike."""
        path = tmp_path / "traj.pt"
        keys = ("dof_pos", "des_dof_pos", "dof_vel")
        torch.save({"time": np.arange(ROWS) * 0.005} | {key: RAMP + n for n, key in enumerate(keys)}, path)
        recording = read(convert(path, "dls", tmp_path / "out", (20.0,), (1.5,)))
        for n, values in enumerate((recording.q, recording.q_target, recording.dq)):
            np.testing.assert_allclose(values, RAMP[:, MODEL_TO_SDK] + n, rtol=1e-6)


def csv_file(folder: Path, names: tuple[str, ...] = ("q", "q_target"), rows: int = ROWS, extra: str = "") -> Path:
    path = folder / "table.v2.csv"
    header = ",".join(["time", *(f"{name}_{j}" for name in names for j in range(12))])
    lines = [",".join(map(str, [0.002 * k, *np.tile(RAMP[k], len(names))])) for k in range(rows)]
    path.write_text("\n".join([header, *lines]) + extra)
    return path


class TestCsv:
    def test_columns_are_found_by_name(self, tmp_path: Path) -> None:
        """Gains may be columns; what has none is missing."""
        source = csv_file(tmp_path, ("q_target", "kd", "q", "kp"))
        recording = read(convert(source, "csv", tmp_path / "out"))
        np.testing.assert_allclose(recording.kp, RAMP, rtol=1e-6)
        assert recording.session == "table.v2"
        assert recording.segments["kind"] == [b"log"]
        assert {"dq", "tau_est"} <= set(recording.missing)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "empty"),
            ("time,q_0\n0,1", "q has 1 columns"),
            ("time,speed\n0,1", "'speed' is unknown"),
            ("time,time\n0,1", "'time' is unknown or given twice"),
            ("time\n0\n", "no q, q_target"),
        ],
    )
    def test_a_wrong_header_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        """With the column's name."""
        path = tmp_path / "wrong.csv"
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            convert(path, "csv", tmp_path / "out", (1.0,), (1.0,))

    @pytest.mark.parametrize("extra", ["\n1,2,3\n", "\n" + ",".join(["x"] * 25)])
    def test_a_ragged_or_wordy_table_is_refused(self, tmp_path: Path, extra: str) -> None:
        """A row of another length, or words."""
        with pytest.raises(UserError, match="not a table of numbers"):
            convert(csv_file(tmp_path, extra=extra), "csv", tmp_path / "out", (1.0,), (1.0,))


class TestColumnMap:
    MAP = Columns("stamp", "pos_{joint}", "action_{index}", dq="vel_{joint}", joints=NAMES[::-1], second=1e9)

    def log(self, folder: Path, extra: str = "") -> Path:
        """Joints backwards, ns, and a column of words that nobody wants."""
        named = [f"pos_{name}" for name in NAMES] + [f"vel_{name}" for name in NAMES]
        header = ["mode", "stamp", *named, *(f"action_{k}" for k in range(12))]
        rows = [["walk", 2_000_000 * k, *RAMP[k], *(10.0 * RAMP[k]), *(100.0 * RAMP[k][::-1])] for k in range(ROWS)]
        path = folder / "theirs.csv"
        path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + extra)
        return path

    def test_their_names_order_and_units_become_ours(self, tmp_path: Path) -> None:
        """By name where the name tells the joint, by the file's order where it is a number."""
        recording = read(convert(self.log(tmp_path), "csv", tmp_path, (25.0,), (0.5,), columns=self.MAP))
        np.testing.assert_allclose(recording.q, RAMP, rtol=1e-6)
        np.testing.assert_allclose(recording.dq, 10.0 * RAMP, rtol=1e-6)
        np.testing.assert_allclose(recording.q_target, 100.0 * RAMP, rtol=1e-6)
        assert recording.rate == 500.0
        assert "tau_est" in recording.missing

    def test_degrees_become_radians(self, tmp_path: Path) -> None:
        """Angles and velocities."""
        columns = dataclasses.replace(self.MAP, degrees=True)
        recording = read(convert(self.log(tmp_path), "csv", tmp_path, (25.0,), (0.5,), columns=columns))
        np.testing.assert_allclose(recording.dq, np.deg2rad(10.0 * RAMP), rtol=1e-6)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"q": "pos_1"}, "put {joint} or {index} into it"),
            ({"q": ("a", "b")}, "q has 2 names"),
            ({"dq": "pos_{joint}"}, "'pos_.*' is given twice"),
            ({"joints": NAMES[:11]}, "the twelve names"),
            ({"second": 0.0}, "above 0"),
        ],
    )
    def test_a_wrong_map_is_a_mistake(self, change: dict, message: str) -> None:
        """Told before a log is opened."""
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(self.MAP, **change)

    def test_a_column_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        """With those that are."""
        columns = dataclasses.replace(self.MAP, tau_est="effort_{joint}")
        with pytest.raises(UserError, match=r"no column 'effort_RL_calf'|no column 'effort_RR_calf'") as refusal:
            convert(self.log(tmp_path), "csv", tmp_path, (25.0,), (0.5,), columns=columns)
        assert "action_11" in str(refusal.value)

    def test_the_other_layouts_have_columns_of_their_own(self, tmp_path: Path) -> None:
        """A map is for CSV."""
        with pytest.raises(UserError, match="columns of its own"):
            convert(self.log(tmp_path), "orl", tmp_path, columns=self.MAP)

    def test_the_shipped_map_is_one(self) -> None:
        """configs/collect/columns.yaml."""
        shipped = load(Path(__file__).parents[1] / "configs" / "collect" / "columns.yaml", Columns)
        assert dict(shipped.pairs())["action_0"] == f"q_target_{NAMES.index('FL_hip')}"


def with_nan(values: np.ndarray) -> np.ndarray:
    return np.where(np.arange(ROWS)[:, None] == 7, np.nan, values)


class TestRefusals:
    def test_a_recording_is_never_overwritten(self, tmp_path: Path) -> None:
        """The second time is refused and the first file stays."""
        source = katari_file(tmp_path)
        path = convert(source, "katari16", tmp_path / "out")
        before = path.read_bytes()
        with pytest.raises(UserError, match="never overwritten"):
            convert(source, "katari16", tmp_path / "out")
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dof_pos": with_nan(RAMP)}, "q of FR_hip is not finite in row 6"),
            ({"tau_est": np.full((ROWS, 12), np.inf)}, "tau_est of FR_hip is not finite"),
            ({"time": np.zeros(ROWS)}, "time does not increase"),
            ({"time": np.full(ROWS, np.nan)}, "time is not finite"),
            ({"dof_pos": RAMP[:, :11]}, r"dof_pos has shape \(50, 11\)"),
            ({"dof_vel": RAMP[:-5]}, "dq has 44 rows, time has 49"),
        ],
    )
    def test_bad_numbers_are_refused_and_leave_nothing(self, tmp_path: Path, changes: dict, message: str) -> None:
        """Where and what; no half-written recording stays."""
        source = katari_file(tmp_path, **changes)
        with pytest.raises(UserError, match=message):
            convert(source, "katari16", tmp_path / "out")
        assert not list(tmp_path.glob("out/*"))

    def test_unknown_gains_are_asked_for(self, tmp_path: Path) -> None:
        """A gain is never guessed."""
        source = katari_file(tmp_path, "nameless.pt")
        with pytest.raises(UserError, match="does not say its kp") as refusal:
            convert(source, "katari16", tmp_path / "out")
        assert "--kp" in refusal.value.fix

    @pytest.mark.parametrize(
        ("kp", "message"), [((1.0, 2.0), "1, 3"), ((-1.0,), "not negative"), ((np.nan,), "finite")]
    )
    def test_gains_that_cannot_be_are_refused(self, tmp_path: Path, kp: tuple[float, ...], message: str) -> None:
        """Two values, a negative one, NaN."""
        with pytest.raises(UserError, match=message):
            convert(katari_file(tmp_path), "katari16", tmp_path / "out", kp)

    def test_an_empty_interval_is_refused(self, tmp_path: Path) -> None:
        """--from behind the end."""
        with pytest.raises(UserError, match="no rows are left"):
            convert(katari_file(tmp_path), "katari16", tmp_path / "out", start=99.0)

    @pytest.mark.parametrize("layout", ["katari16", "dls", "orl", "csv"])
    def test_a_file_of_another_layout_is_refused(self, tmp_path: Path, layout: str) -> None:
        """Missing, garbage, or a folder where a file is expected and the other way round."""
        garbage = tmp_path / "garbage.pt"
        garbage.write_bytes(b"\x80\x02garbage\xff" * 9)
        empty = tmp_path / "folder"
        empty.mkdir()
        for source in (tmp_path / "missing.pt", garbage, empty):
            with pytest.raises(UserError):
                convert(source, layout, tmp_path / "out", (1.0,), (1.0,))

    def test_a_pickle_is_not_executed(self, tmp_path: Path) -> None:
        """A .pt file that would run code is refused and nothing runs."""
        import pickle

        class Evil:
            def __reduce__(self) -> tuple:
                return (os.mkdir, (str(tmp_path / "pwned"),))

        path = tmp_path / "evil.pt"
        torch.save({"time": Evil()}, path)
        for source in (path, tmp_path / "bare.pt"):
            (tmp_path / "bare.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
            for layout in ("katari16", "dls"):
                with pytest.raises(UserError, match=r"not a \.pt file"):
                    convert(source, layout, tmp_path / "out", (1.0,), (1.0,))
        assert not (tmp_path / "pwned").exists()


@pytest.mark.data
def test_a_real_chirp_follows_its_law(tmp_path: Path, logs: Path) -> None:
    """Delayed by 6 ms the motor's law explains tau_est; delayed by 0 or 12 it does so far less."""
    recording: Recording = read(
        convert(logs / "katari16/torque/chirp_9.0hz_p25d4.0_h0.30t0.35c0.60.pt", "katari16", tmp_path)
    )
    assert len(recording) == 9999

    def rms(rows: int) -> float:
        q_target = np.roll(recording.q_target, rows, axis=0)
        error = recording.kp * (q_target - recording.q) - recording.kd * recording.dq - recording.tau_est
        return float(np.sqrt(np.square(error[20:]).mean()))

    assert rms(3) < 0.5 * min(rms(0), rms(6))
