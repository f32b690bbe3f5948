"""A trajectory as a plan: what was commanded once, or what a policy asks, is played tick by tick and checked."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import place
import pytest
from conftest import JITTER, verb
from synthetic import changed, recording

from collect import recording as recordings
from collect import trajectory
from collect.errors import UserError
from collect.joints import HANG
from collect.plan import RATE

PAUSE = round(trajectory.REST * RATE)


def table(path, seconds=2.0, rate=50.0, gains=(25.0, 0.5), spoil=lambda values: values):
    """A policy's targets, held for 20 ms each, in a CSV table."""
    time = np.arange(int(seconds * rate)) / rate
    target = HANG + 0.1 * np.sin(2 * np.pi * time)[:, None] * (np.arange(12) % 3 == 2)
    columns, names = [time[:, None], target], ["time", *(f"q_target_{j}" for j in range(12))]
    for name, gain in zip(("kp", "kd"), gains, strict=True):
        if gain is not None:
            columns.append(np.full_like(target, gain))
            names += [f"{name}_{j}" for j in range(12)]
    values = spoil(np.hstack(columns))
    path.write_text(",".join(names) + "\n" + "\n".join(",".join(map(str, row)) for row in values) + "\n")
    return time, target


def test_a_policys_targets_are_held_until_the_next_one(tmp_path):
    """50 Hz become 500: ten rows each, between a rest at the first and one at the last."""
    time, target = table(tmp_path / "Trot 2.csv")
    plan = trajectory.load(tmp_path / "Trot 2.csv")
    assert plan.name == "replay-trot-2"
    played = plan.q_target[PAUSE:-PAUSE]
    assert len(played) == (len(time) - 1) * 10 + 1
    assert np.array_equal(played[::10], target.astype(np.float32))
    assert np.array_equal(played[9::10], target[:-1].astype(np.float32))
    assert (plan.q_target[:PAUSE] == target[0].astype(np.float32)).all()
    assert (plan.kp == 25.0).all()
    assert (plan.kd == 0.5).all()
    assert plan.segment.tolist() == [-1] * PAUSE + [0] * len(played) + [-1] * PAUSE
    [segment] = plan.segments
    assert (segment["start"], segment["stop"]) == (PAUSE, PAUSE + len(played))
    assert segment["joints"].tolist() == [0, 0, 1] * 4


def test_a_recordings_commands_are_played_again(tmp_path):
    """With their gains and segments, row for row; the rate of the log does not matter."""
    made = recording("first", segments=("one", "two"), kp=30.0, kd=1.5)
    recordings.write(made, tmp_path / "first.h5")
    plan = trajectory.load(tmp_path / "first.h5")
    assert np.array_equal(plan.q_target[PAUSE:-PAUSE], made.q_target)
    assert (plan.kp == 30.0).all()
    assert [name.decode() for name in plan.segments["name"]] == ["one", "two"]
    assert plan.segments["start"].tolist() == [PAUSE, PAUSE + 1000]
    assert "first.h5" in plan.config
    softer = trajectory.load(tmp_path / "first.h5", kp=(20.0,), kd=(0.5, 1.0, 2.0))
    assert (softer.kp == 20.0).all()
    assert softer.kd[0, :3].tolist() == [0.5, 1.0, 2.0]
    assert (softer.segments["kp"] == 20.0).all()
    half = changed(
        made, **{f.name: getattr(made, f.name)[::2] for f in dataclasses.fields(made) if _rows(made, f.name)}
    )
    recordings.write(dataclasses.replace(half, rate=250.0, session="half"), tmp_path / "half.h5")
    slow = trajectory.load(tmp_path / "half.h5")
    assert np.array_equal(slow.q_target[PAUSE:-PAUSE:2], made.q_target[::2])


def _rows(made, name):
    values = getattr(made, name)
    return isinstance(values, np.ndarray) and len(values) == len(made)


def test_what_is_not_a_segment_at_the_ends_is_left_out(tmp_path):
    """A session's ramp and return are this session's own."""
    made = recording("ends", segments=("one", "two"))
    segment = made.segment.copy()
    segment[:300], segment[900:1100] = -1, -1
    recordings.write(changed(made, segment=segment), tmp_path / "ends.h5")
    plan = trajectory.load(tmp_path / "ends.h5")
    assert np.array_equal(plan.q_target[PAUSE:-PAUSE], made.q_target[300:])
    assert plan.segment[PAUSE:-PAUSE].tolist() == segment[300:].tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gains": (None, 0.5)}, "does not say its kp"),
        ({"gains": (25.0, 0.1)}, "kd of FR_hip is 0.1; a plan has"),
        ({"gains": (200.0, 0.5)}, "kp of FR_hip is 200; a plan has"),
        ({"spoil": lambda values: values[::-1]}, "time does not increase"),
        ({"spoil": lambda values: np.where(values == values[7, 3], np.nan, values)}, "not finite"),
        ({"seconds": 610.0, "rate": 1.0}, "lasts 609 s, the limit is 600 s"),
    ],
)
def test_a_table_that_cannot_be_played_is_refused(options, words, tmp_path):
    """Before anything is simulated."""
    table(tmp_path / "policy.csv", **options)
    with pytest.raises(UserError, match=words):
        trajectory.load(tmp_path / "policy.csv")


def test_torque_that_is_never_sent_is_refused(tmp_path):
    """A recording commanded with feed-forward torque would move otherwise."""
    made = recording("torque")
    recordings.write(changed(made, tau_ff=np.full_like(made.q, 0.5)), tmp_path / "torque.h5")
    with pytest.raises(UserError, match="feed-forward torque"):
        trajectory.load(tmp_path / "torque.h5")


def test_the_predicted_motion_is_checked_as_a_plans(tmp_path):
    """Targets beyond the range are refused with the moment, by exit code 2."""
    table(tmp_path / "far.csv", spoil=lambda values: np.where(np.arange(values.shape[1]) == 3, -0.3, values))
    done = verb("collect", "plan", "--replay", tmp_path / "far.csv", "--out", tmp_path / "far.plan")
    assert done.returncode == 2
    assert "FR_calf" in done.stderr
    both = verb("collect", "plan", "a.yaml", "--replay", tmp_path / "far.csv", "--out", tmp_path / "far.plan")
    assert both.returncode == 2
    assert "name either" in both.stderr


@pytest.mark.dds
def test_the_robot_is_played_a_policy_and_then_its_recording(domain, virtual_go2, tmp_path):
    """The second session commands what the first did."""
    virtual_go2()
    _, target = table(tmp_path / "policy.csv", gains=(None, None))
    where = (*place.reached(domain, tmp_path), "--out", tmp_path, *JITTER)

    def play(what: Path, session: str, *gains: object) -> subprocess.CompletedProcess[str]:
        options = ("--replay", what, *gains, *where, "--session", session)
        return verb("collect", "run", *options, typed=place.OPERATOR)

    done = play(tmp_path / "policy.csv", "first", "--kp", 25, "--kd", 0.5)
    assert done.returncode == 0, done.stderr
    first = recordings.read(tmp_path / "first.h5")
    moved = first.segment == 0
    assert set(map(tuple, first.q_target[moved])) == set(map(tuple, target.astype(np.float32)))
    done = play(tmp_path / "first.h5", "second")
    assert done.returncode == 0, done.stderr
    second = recordings.read(tmp_path / "second.h5")
    assert set(map(tuple, second.q_target[second.segment == 0])) == set(map(tuple, first.q_target[moved]))
    assert abs(int((second.segment == 0).sum()) - int(moved.sum())) <= 2
