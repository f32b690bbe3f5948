"""The plan: what it holds, what it refuses, and a file that cannot be changed unnoticed."""

import io
from contextlib import nullcontext
from dataclasses import fields, replace

import numpy as np
import pytest
from rich.console import Console

from collect import config
from collect.errors import UserError
from collect.excitation import Segment
from collect.forecast import forecast
from collect.joints import HANG, LOWER, NAMES, UPPER
from collect.limits import REST_TOLERANCE
from collect.plan import RATE, PlanConfig, check, load, save, tabulate
from collect.program import ARMED, RAMP_SPEED, compose, glide, homeward
from collect.tables import plan_table

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
def test_a_predicted_excess_is_refused_with_joint_time_and_value(plan, field, value, words, record_property):
    """A calf, 1.5 s into the session."""
    table = getattr(plan, field).copy()
    table[750, 2] = value
    with pytest.raises(UserError, match=rf"FR_calf at t = 1.50 s: predicted .*{words}") as refusal:
        check(replace(plan, **{field: table}))
    for name, said in (
        ("promise", "P11"),
        ("what", "plan"),
        ("bound", "leaves a limit"),
        ("measured", refusal.value.what),
    ):
        record_property(name, said.splitlines()[0])


def test_a_target_that_the_loop_would_not_send_is_refused(plan):
    """Where no leg may rest (L14): a soft gain may ask for it and move nowhere near."""
    targets, joint = plan.q_target.copy(), NAMES.index("RR_thigh")
    targets[750, joint] = LOWER[joint] - REST_TOLERANCE + 1e-3
    check(replace(plan, q_target=targets))
    targets[750, joint] = LOWER[joint] - REST_TOLERANCE - 1e-3
    with pytest.raises(UserError, match=r"RR_thigh at t = 1.50 s: target -0.67 rad, allowed -0.67 to 4.69"):
        check(replace(plan, q_target=targets))


@pytest.mark.parametrize(
    ("joint", "q", "dq", "words"),
    [
        ("FR_thigh", -0.3, 0.0, None),  # a front thigh may go there
        ("RR_thigh", -0.3, 0.0, r"predicted position -0.30 rad, allowed 0.12 to"),  # a rear one may not
        ("FR_thigh", 1.2, 11.9, None),
        ("FR_thigh", 1.2, 12.1, r"predicted speed 12.10 rad/s, allowed -12.00 to 12.00"),
        ("FR_calf", -1.78, 9.4, r"predicted speed 9.40 rad/s, allowed -9.33 to 9.33"),
        (
            "FR_calf",
            -1.75,
            9.0,
            r"^segment a, FR_calf .* predicted stopping position -0.89 rad, allowed -2.64 to -0.92",
        ),
    ],
)
def test_the_limits_are_those_of_each_joint(plan, joint, q, dq, words):
    """Front and rear thighs differ, calves turn slower; what check L6 would stop is not planned."""
    row, column = 750, NAMES.index(joint)
    moved = {"q": plan.q.copy(), "dq": plan.dq.copy()}
    moved["q"][row, column], moved["dq"][row, column] = q, dq
    if words is None:
        check(replace(plan, **moved))
        return
    if "stopping" in words:  # a calf planned about -1.1 rad
        moved["q"] = moved["q"] + np.float32(0.68) * (np.arange(12) == column)
    with pytest.raises(UserError, match=words):
        check(replace(plan, **moved))


def test_each_segment_and_quantity_tells_its_worst_moment(plan):
    """All of them at once, so that the config is corrected once."""
    q, tau = plan.q.copy(), plan.tau.copy()
    q[300, 0], q[301, 3], tau[2300, 5] = 0.7, -1.0, 31.0
    with pytest.raises(UserError) as refusal:
        check(replace(plan, q=q, tau=tau))
    lines = refusal.value.what.splitlines()
    assert "segment a, FL_hip at t = 0.60 s: predicted position -1.00 rad" in lines[0]
    assert "segment b, FL_calf at t = 4.60 s: predicted torque 31.00 Nm, allowed -30.29 to 30.29" in lines[1]
    assert "stopping position" in lines[2]


def test_how_fast_targets_move_is_not_judged(plan):
    """Above resonance a chirp asks for far more than a joint does: 34 rad/s of one that moves at 13."""
    check(replace(plan, q_target=plan.q_target[0] + 3.0 * (plan.q_target - plan.q_target[0])))


class TestForecast:
    """What `collect plan` shows before anything moves."""

    def test_it_is_the_worst_joint_of_each_kind(self, plan):
        """Travel from the posture, its share of the room to that side, peaks, root mean square of one joint."""
        q, dq, tau = (np.tile(table[:1], (len(plan), 1)) for table in (plan.q, plan.dq, plan.tau))
        q[400, 1], q[500, 2], dq[600, 4], tau[:, 2] = 1.7, -2.06, -3.0, 2.0
        thigh, calf = [f for f in forecast(replace(plan, q=q, dq=dq, tau=tau)) if f.segment == "a"][1:]
        assert (thigh.kind, thigh.duration) == ("thigh", 2.0)
        assert thigh.travel == pytest.approx(0.5)
        assert thigh.room == pytest.approx(0.5 * 1.5 / (3.4907 - 0.1 - 1.2), rel=1e-3)
        assert thigh.speed == pytest.approx(3.0)
        assert calf.room == pytest.approx(0.28 * 1.5 / (2.7227 - 0.1 - 1.78), rel=1e-3)
        assert calf.rms == pytest.approx(2.0)
        assert thigh.rms == 0.0

    def test_full_room_is_where_the_check_refuses(self, plan):
        """Table and refusal say the same."""
        for share, refused in ((0.99, False), (1.01, True)):
            q = np.tile(plan.q[:1], (len(plan), 1))
            q[400, 0] = share * (1.0472 - 0.1) / 1.5
            made = replace(plan, q=q, dq=np.zeros_like(q))
            assert forecast(made)[0].room == pytest.approx(share, rel=1e-5)
            with pytest.raises(UserError) if refused else nullcontext():
                check(made)

    def test_the_table_marks_what_is_too_much(self, plan):
        """In red, beside the limits."""
        dq = plan.dq.copy()
        dq[400, 2] = 10.0
        console = Console(width=100, record=True, file=io.StringIO())
        console.print(plan_table(replace(plan, dq=dq)))
        text = console.export_text(styles=True)
        assert "\x1b[1;31m10.0\x1b[0m" in text
        assert "allowed" in text
        assert "9.3" in text


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
        (("duration: 1,", "duration: 1e9,"), r"line 7: segments\[2\]: duration must be 1 to 600 s, got 1e\+09"),
        (("duration: 1,", "duration: 599,"), "the session lasts 603.8 s, the limit is 600 s"),
        (("a_repeat", "c_repeat"), "repeats no segment"),
        (
            ("f1: [5], kp: [25], kd: [0.5]}\n  - {name: b", "f1: [5], kp: [26], kd: [0.5]}\n  - {name: b"),
            "differs from a",
        ),
        (("name: b", f"name: {65 * 'b'}"), "name has 65 bytes"),
        (("name: test", "name: ../test"), "name must be 1 to 48 of"),
        (("name: test", "name: Test"), "name must be 1 to 48 of"),
        (("amplitude: [0.1]", "amplitude: [-0.1]"), "amplitude must not be negative, got -0.1"),
        (("f1: [5]", "f1: [60]"), "f1 must be at most 50 Hz, got 60"),
        (("f1: [5]", "f1: [5], f0: 4"), "0 < f0 < f1 / 2"),
        (("kp: [25]", "kp: []"), "kp takes 1, 3 or 12 values, got 0"),
        (("kp: [25]", "kp: [0]"), "kp must be above 0"),
        (("kd: [0.5]", "kd: [9]"), "kd must be 0.3 to 8"),
        (("rest: 0.2", "rest: 0"), "rest must be 0.1 to 10 s, got 0"),
        (("rest: 0.2", "kd_stop: 0"), "unknown key kd_stop"),
        (("name: b", "name: a"), "must differ"),
        (("amplitude: [0.1]", "amplitude: [.nan]"), "finite"),
    ],
)
def test_a_config_with_a_mistake_is_refused(change, message):
    """By a sentence that names it."""
    with pytest.raises(UserError, match=message):
        config.parse(YAML.replace(*change), PlanConfig, where="test")


def test_every_misspelt_key_is_met_with_the_right_one():
    """Of the session and of a segment."""
    for cls, text in ((PlanConfig, "{}: 1"), (Segment, "segments: [{{{}: 1}}]")):
        for field in fields(cls):
            typo = field.name[:-1] + "x" + field.name[-1]
            with pytest.raises(UserError, match=rf"unknown key \S*{typo} \(did you mean {field.name}\?\)"):
                config.parse(text.format(typo), PlanConfig, where="test")


def test_limits_that_are_too_loose_are_told_at_once():
    """Across segments, beside a typo."""
    text = YAML.replace("kd: [0.5]", "kd: [0.1]").replace("kp: [40, 40, 50]", "kp: [40, 40, 90]").replace("rest", "rst")
    with pytest.raises(UserError) as refusal:
        config.parse(text, PlanConfig, where="test")
    for part in ("rst (did you mean rest?)", "segments[0]: kd", "segments[1]: kd", "segments[2]: kp must"):
        assert part in refusal.value.what


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

    def test_a_robot_that_is_too_warm_is_home_within_three_seconds(self):
        """L9, from one end of every joint's range to the other."""
        gains = np.full(12, 25.0), np.full(12, 0.5)
        assert len(homeward(LOWER, *gains, UPPER)) <= 3.0 * RATE
        assert len(homeward(HANG, *gains, HANG + 0.1)) == 2.0 * RATE

    def test_a_target_that_is_held_for_20_ms_is_no_target_that_stands(self):
        """Between the steps of a staircase as in the middle of a chirp: what must move is known (L3)."""
        text = YAML.replace("kind: chirp, duration: 2", "kind: staircase, duration: 2")
        made = tabulate(config.parse(text, PlanConfig, where="test"))
        program = compose(replace(made, q=made.q_target), HANG)
        moving = program.plan_start + np.arange(round(0.9 * RATE), round(1.4 * RATE))
        assert (program.speed[moving] > 0.2).mean() > 0.95
        assert not program.speed[program.plan_start + np.arange(10, 90)].any()

    def test_a_glide_is_smooth(self):
        """Minimum jerk: at rest at both ends."""
        path = glide(np.zeros(1), np.ones(1), 1.0)
        assert np.abs(np.diff(path, axis=0))[[0, -1]].max() < 1e-5
        assert np.abs(np.diff(path, axis=0)).max() * RATE <= RAMP_SPEED * 1.01
