"""The plan: what it holds, what it refuses, and a file that cannot be changed unnoticed."""

from dataclasses import replace

import numpy as np
import pytest

from collect import config
from collect.errors import UserError
from collect.joints import HANG, NAMES
from collect.plan import RATE, PlanConfig, check, load, save, tabulate
from collect.program import ARMED, RAMP_SPEED, compose, glide

YAML = """
name: test
rest: 0.2
segments:
  - {name: a, kind: chirp, duration: 2, amplitude: [0.1], f1: [5], kp: [25], kd: [0.5]}
  - {name: a_repeat, kind: chirp, duration: 2, amplitude: [0.1], f1: [5], kp: [25], kd: [0.5]}
  - {name: b, kind: hold, duration: 1, kp: [40, 40, 50], kd: [2]}
"""


@pytest.fixture
def plan():
    """Three segments, as if the robot followed its targets exactly."""
    made = tabulate(config.parse(YAML, PlanConfig, where="test"))
    dq = np.gradient(made.q_target, 1.0 / RATE, axis=0)
    return replace(made, q=made.q_target, dq=dq, tau=np.zeros_like(dq))


def test_the_table_is_the_config(plan):
    """Segments where they belong, rests between them, gains of each segment in its rows."""
    assert len(plan) == round((2 + 2 + 1 + 4 * 0.2) * RATE)
    assert [name.decode() for name in plan.segments["name"]] == ["a", "a_repeat", "b"]
    for number, row in enumerate(plan.segments):
        assert (plan.segment[row["start"] : row["stop"]] == number).all()
        assert (plan.segment[[row["start"] - 1, row["stop"]]] == -1).all()
        assert (plan.kp[row["start"] : row["stop"]] == row["kp"]).all()
    assert plan.segments["kp"][2].tolist() == [40, 40, 50] * 4
    first, again = (plan.q_target[row["start"] : row["stop"]] for row in plan.segments[:2])
    assert (first == again).all()


def test_nothing_jumps(plan):
    """Targets and gains change smoothly across the whole session."""
    assert np.abs(np.diff(plan.q_target, axis=0)).max() < 0.1 * 2 * np.pi * 5 / RATE * 1.2
    assert np.abs(np.diff(plan.kp, axis=0)).max() < 1.0


def test_a_plan_within_its_limits_passes(plan):
    """The refusals below refuse because of their change."""
    check(plan)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("q", -2.45, "position"),
        ("dq", 10.0, "speed"),
        ("tau", 31.0, "torque"),
        ("tau", float("nan"), "torque"),
    ],
)
def test_a_predicted_excess_is_refused_with_joint_time_and_value(plan, field, value, words):
    """A calf, 1.5 s into the session."""
    table = getattr(plan, field).copy()
    table[750, 2] = value
    with pytest.raises(UserError, match=rf"FR_calf at t = 1.50 s: predicted .*{words}"):
        check(replace(plan, **{field: table}))


def test_a_plan_file_comes_back_equal(plan, tmp_path):
    """With its hash."""
    digest = save(plan, tmp_path / "p.plan")
    again = load(tmp_path / "p.plan")
    assert again.sha256 == digest
    assert again.config == plan.config
    for name in ("q_target", "kp", "kd", "segment", "segments", "q", "dq", "tau"):
        np.testing.assert_array_equal(getattr(again, name), getattr(plan, name))


def test_one_changed_byte_anywhere_is_refused(plan, tmp_path):
    """In the header, the hash or the payload."""
    save(plan, tmp_path / "p.plan")
    raw = (tmp_path / "p.plan").read_bytes()
    for position in [0, 5, 20, 80, 200, len(raw) // 2, len(raw) - 1]:
        changed = bytearray(raw)
        changed[position] ^= 1
        (tmp_path / "p.plan").write_bytes(changed)
        with pytest.raises(UserError, match=r"not a plan file|was changed"):
            load(tmp_path / "p.plan")


def test_a_plan_file_is_never_overwritten(plan, tmp_path):
    """As everything else."""
    save(plan, tmp_path / "p.plan")
    with pytest.raises(UserError, match="never overwritten"):
        save(plan, tmp_path / "p.plan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("segments:", "segmnts:"), "did you mean segments"),
        (("kind: hold", "kind: hodl"), "did you mean hold"),
        (("kp: [25]", "kp: [250]"), "kp must be above 0 and at most 80"),
        (("kd: [0.5]", "kd: [0.0]"), "kd must be 0.3 to 8"),
        (("duration: 1,", "duration: 1e9,"), "the limit is 600 s"),
        (("a_repeat", "c_repeat"), "repeats no segment"),
        (("name: b", "name: a"), "must differ"),
        (("amplitude: [0.1]", "amplitude: [.nan]"), "finite"),
    ],
)
def test_a_config_with_a_mistake_is_refused(change, message):
    """By a sentence that names it."""
    with pytest.raises(UserError, match=message):
        config.parse(YAML.replace(*change), PlanConfig, where="test")


def test_an_empty_plan_is_refused():
    """A session without segments is a mistake."""
    with pytest.raises(UserError, match="segments is empty"):
        config.parse("name: x\nsegments: []\n", PlanConfig, where="test")


class TestProgram:
    """The motion around the plan."""

    def test_it_starts_with_damping_at_the_measured_posture_and_comes_back(self, plan):
        """No jump anywhere, gains only after the armed stage, a return to where it began."""
        q = HANG + 0.3 * np.cos(np.arange(12))
        program = compose(plan, q)
        armed = round(ARMED * RATE)
        assert not program.kp[:armed].any()
        assert (program.kd[:armed] == 5.0).all()
        assert (program.kp[armed:] > 0.0).all()
        np.testing.assert_allclose(program.q_target[0], q, atol=1e-6)
        np.testing.assert_allclose(program.q_target[-1], q, atol=1e-6)
        ramp = program.q_target[: program.plan_start]
        assert np.abs(np.diff(ramp, axis=0)).max() * RATE <= RAMP_SPEED * 1.01
        assert np.abs(np.diff(program.q_target, axis=0)).max() < 0.02

    def test_a_calf_at_rest_beyond_its_range_is_brought_in_and_not_back_out(self, plan):
        """It ends inside the range."""
        q = np.where([name.endswith("calf") for name in NAMES], -2.81, HANG)
        program = compose(plan, q)
        np.testing.assert_allclose(program.q_target[0], q, atol=1e-6)
        np.testing.assert_allclose(program.q_target[-1, 2], -2.6227, atol=1e-4)

    def test_a_glide_is_smooth(self):
        """Minimum jerk: at rest at both ends."""
        path = glide(np.zeros(1), np.ones(1), 1.0)
        assert np.abs(np.diff(path, axis=0))[[0, -1]].max() < 1e-5
        assert np.abs(np.diff(path, axis=0)).max() * RATE <= RAMP_SPEED * 1.01
