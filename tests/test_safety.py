"""The table of checks: quiet on a healthy robot, and each one trips on its own fault with its own code."""

import inspect

import numpy as np
import pytest

from collect.excitation import MAX_KD, MAX_KP, MIN_KD
from collect.joints import HANG, LOWER, UPPER
from collect.limits import FROZEN, MAX_LATE, MAX_SPEED, REST_TOLERANCE
from collect.messages import CommandFrame, LowState
from collect.observer import Observer
from collect.permitted import permitted
from collect.safety import IN_MOTION, tripped
from collect.verbs import moving
from collect.watch import Watch, usable


def healthy() -> Watch:
    watch = Watch()
    watch.q[:] = HANG
    return watch


def fault(name: str, **changes):
    def inject(watch: Watch) -> None:
        for key, value in changes.items():
            if isinstance(value, tuple):
                getattr(watch, key)[value[0]] = value[1]
            else:
                setattr(watch, key, value)

    return pytest.param(name.split(" ")[0], inject, id=name)


FAULTS = [
    fault("L1 silence", age=0.021),
    fault("L1 age unknown", age=float("nan")),
    fault("L2 clock back", tick_step=-2),
    fault("L2 clock jumps", tick_step=340),
    fault("L2 ticks missing", gaps=6),
    fault("L3 frozen", frozen=0.051),
    fault("L4 unusable states", bad_states=3),
    fault("L5 corrupt states", bad_crcs=6),
    fault("L6 too fast towards the stop", q=(8, -2.55), dq=(8, -13.0)),
    fault("L6 beyond the range, moving out", q=(2, LOWER[2] - 0.2), dq=(2, -0.5)),
    fault("L6 position unknown", q=(0, np.nan)),
    fault("L7 overspeed", dq=(1, 22.5), dq_before=(1, -23.0)),
    fault("L6 speed unknown", dq=(1, np.nan), dq_before=(1, np.nan)),
    fault("L8 blocked", stuck=(4, 0.11)),
    fault("L8 pressing", pressed=(4, 0.21)),
    fault("L9 hot", temperature=(3, 86)),
    fault("L9 sensor gone", temperature=(3, 0)),
    fault("L9 warms too fast", warming=(3, 4)),
    fault("L9 warm", temperature=(3, 75)),
    fault("L10 motor off", mode=(7, 0)),
    fault("L10 bus", lost=5),
    fault("L11 second commander", others=1),
    fault("L11 a command of somebody else", foreign=1),
    fault("L12 slept", late=0.010),
    fault("L12 often late", late_rows=11),
    fault("L16 remote control", remote=True),
    fault("L17 tilted", tilt=0.4),
    fault("L17 falls", accel=26.0),
    fault("L18 disk fails", journal="the disk does not keep the journal"),
    fault("L18 disk behind", behind=2.1),
    fault("L20 overrun", overrun=5.1),
    fault("S7 guard dead", guard_age=float("inf")),
    fault("S7 guard hangs", guard_age=0.11),
]


def test_a_healthy_robot_trips_nothing():
    """At the hang posture, at rest."""
    assert tripped(healthy()) is None


def test_a_resting_leg_beyond_its_range_may_come_back():
    """Real calves rest at −2.81 rad; moving inward from there is fine."""
    watch = healthy()
    watch.q[[2, 5, 8, 11]], watch.dq[[2, 5, 8, 11]] = -2.81, 0.4
    assert tripped(watch) is None


@pytest.mark.parametrize(("code", "inject"), FAULTS)
def test_each_fault_trips_its_check(code, inject):
    """With its code first; without that check nothing else stands in for it."""
    watch = healthy()
    inject(watch)
    reason = tripped(watch)
    assert reason is not None
    check, words = reason
    assert check.code == words.split(" ")[0] == code
    if not np.isnan(watch.dq).any():  # an unknown speed rightly trips two
        assert tripped(watch, tuple(check for check in IN_MOTION if check.code != code)) is None


def test_every_check_has_a_fault():
    """A check without an injected fault would be a claim; those without a verdict are events of their own."""
    assert {check.code for check in IN_MOTION if check.verdict} == {param.values[0] for param in FAULTS}
    assert {check.code for check in IN_MOTION if not check.verdict} == {"S2", "S4", "S5", "S6", "L13", "L14", "L15"}


def test_what_only_goes_home_never_hides_what_damps():
    """Checks that stop at once come first in the table."""
    reactions = [check.reaction for check in IN_MOTION]
    assert reactions == sorted(reactions)
    assert {check.code for check in IN_MOTION if check.reaction == "return"} == {"L9", "L18"}


def test_one_fast_sample_is_no_overspeed():
    """A glitch of the velocity estimate; two in a row are none."""
    watch = healthy()
    for speed, stops in ((23.0, False), (23.0, True)):
        dq = np.zeros(12)
        dq[0] = speed
        watch.observe(HANG, dq, np.zeros(12), HANG, np.zeros(12))
        found = tripped(watch)
        assert (found is not None and found[0].code == "L7") == stops


def test_tracking_and_torque_are_timed():
    """Out of bounds counts up, back in bounds starts again; a large error that was predicted is fine."""
    watch = healthy()
    off = HANG + 0.4
    for _ in range(60):
        watch.observe(HANG, np.zeros(12), np.zeros(12), off, np.zeros(12))
    assert watch.stuck[0] == pytest.approx(0.12)
    assert tripped(watch)[0].code == "L8"
    watch.observe(HANG, np.zeros(12), np.zeros(12), off, np.full(12, 0.2))
    assert watch.stuck[0] == 0.0
    for _ in range(110):
        watch.observe(HANG, np.zeros(12), np.full(12, 22.0), HANG, np.zeros(12))
    assert watch.pressed[0] == pytest.approx(0.22)
    assert watch.pressed[2] == 0.0  # a calf has 45 Nm


def test_a_later_loop_is_accepted_only_when_asked():
    """Without --accept-jitter a session's loop may be 8 ms late, as the table of checks says."""
    assert inspect.signature(moving.run).parameters["accept_jitter"].default == MAX_LATE == Watch().max_late == 0.008


def test_limits_stay_below_the_hardware():
    """The overspeed trip is under the URDF's speed for every joint."""
    assert MAX_SPEED.tolist() == [22.0, 22.0, 14.0] * 4


def test_a_jump_of_the_clock_is_seen_among_states_that_come_together():
    """A hiccup delivers several at once, and they are judged once; so is one that goes back."""
    for jump in (340, -200):
        observer = Observer(frozenset())
        for step in (2, jump, 2):
            observer.timing(step, False, False)
        assert tripped(observer.watch)[0].code == "L2"


def test_states_that_freeze_are_seen_within_25_of_them_whatever_the_target_does_meanwhile():
    """It moved when they began to be the same; that it then turns round or is held explains nothing."""
    observer, state = Observer(frozenset()), np.zeros((), LowState.LAYOUT)
    for row, speed in enumerate([0.0] * 40 + [1.0] + [0.0] * 25):
        observer.observe(state, HANG, np.zeros(12), speed)
        assert (observer.watch.frozen > FROZEN) == (row >= 40 + 24)
    state["motor_state"]["q"][3] = 0.1
    observer.observe(state, HANG, np.zeros(12), 1.0)
    assert observer.watch.frozen == 0.0


def test_no_command_leaves_the_ceilings_of_a_plan():
    """Right before it is sent (L14): of random ones those alone that a plan may hold, or damping."""
    random, frame, anywhere = np.random.default_rng(0), CommandFrame(), np.full(12, 9.0, np.float32)
    passed = 0
    for values in random.uniform([-4.0, -5.0, -0.5], [5.0, 90.0, 9.0], (20_000, 3)).astype(np.float32):
        frame.q[:], frame.kp[:], frame.kd[:] = HANG, 25.0, 0.5
        joint = int(random.integers(12))
        frame.q[joint], frame.kp[joint], frame.kd[joint] = values
        q, kp, kd = values
        inside = LOWER[joint] - REST_TOLERANCE <= q <= UPPER[joint] + REST_TOLERANCE
        assert permitted(frame, frame.q, anywhere) == bool(inside and 0.0 <= kp <= MAX_KP and MIN_KD <= kd <= MAX_KD)
        passed += permitted(frame, frame.q, anywhere)
    assert passed > 1000
    frame.q[joint], frame.kp[joint], frame.kd[joint] = 3e9, 0.0, 5.0
    assert permitted(frame, frame.q, anywhere)
    for value in (np.nan, np.inf):
        frame.q[joint] = value
        assert not permitted(frame, HANG, anywhere)
    with pytest.raises(AttributeError):
        frame.qd = 3.0


def test_no_target_is_further_from_the_one_before_than_its_program_steps():
    """Right before it is sent (L14), joint by joint; damping follows the leg wherever it is."""
    frame, step = CommandFrame(), np.full(12, 0.01, np.float32)
    frame.q[:], frame.kp[:], frame.kd[:] = HANG, 25.0, 0.5
    for joint in range(12):
        for moved, allowed in ((0.0099, True), (0.0102, False), (-0.0102, False), (np.nan, False)):
            before = frame.q.copy()
            before[joint] += moved
            assert permitted(frame, before, step) == allowed
    frame.kp[:] = 0.0
    assert permitted(frame, frame.q + 1.0, step)


def test_the_operator_may_accept_a_late_loop():
    """Up to what was accepted, and not a little more."""
    watch = healthy()
    watch.max_late, watch.late = 0.015, 0.0149
    assert tripped(watch) is None
    watch.late = 0.0151
    assert tripped(watch)[1].startswith("L12 control loop slept 15 ms (15 allowed)")
    watch.late, watch.late_rows = 0.0, 18
    assert tripped(watch) is None
    watch.late_rows = 19
    assert tripped(watch)[1].startswith("L12 19 of 500 rows late (18 allowed)")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9, -1e9])
def test_absurd_states_are_not_usable(value):
    """In any field."""
    for field in range(3):
        state = [np.zeros(12), np.zeros(12), np.zeros(12)]
        assert usable(*state)
        state[field][5] = value
        assert not usable(*state)
