"""The hidden motors of the virtual Go2, one behaviour at a time."""

import dataclasses

import numpy as np
import pytest

from collect.errors import UserError
from collect.virtual.motors import DAMPING, DQ_STEP, Q_STEP, SHIPPED, TAU_STEP, Motors, Sensors, envelope, load

STEP = 0.0005
ZERO, SERVO = np.zeros(12), np.ones(12, bool)


def commanded(q_target=0.0, kp=0.0, kd=0.0):
    """Arguments of one command for all joints."""
    return *(np.full(12, value, np.float32) for value in (q_target, kp, kd)), SERVO


def test_each_motor_obeys_after_its_own_delay():
    """A step of the target shows in the torque between the joint's delay and one motor step later."""
    config = load(None)
    motors = Motors(config, STEP, "hold_target")
    motors.receive(0.0, *commanded(0.4, 25.0, 0.5))
    first = np.full(12, np.nan)
    for step in range(40):
        torque = motors.step(step * STEP, ZERO, ZERO)
        first = np.where(np.isnan(first) & (torque > 0.01), step * STEP, first)
    late = first - config.delay
    assert ((late >= -1e-9) & (late < STEP)).all()
    assert not np.isclose(np.array(config.delay) % 0.002, 0.0, atol=1e-5).any()


def test_the_current_loop_is_a_first_order_lag():
    """63 % after 1 / (2π·bandwidth), to a motor step."""
    config = dataclasses.replace(load(None), delay=(1e-6,) * 12)
    motors = Motors(config, STEP / 50, "hold_target")
    motors.receive(0.0, *commanded(0.2, 25.0, 0.5))
    reached = np.full(12, np.nan)
    for step in range(1, 600):
        share = motors.step(step * STEP / 50, ZERO, ZERO) / (5.0 * np.array(config.torque_scale))
        reached = np.where(np.isnan(reached) & (share >= 1.0 - np.exp(-1.0)), step * STEP / 50, reached)
    expected = 1.0 / (2.0 * np.pi * np.array(config.bandwidth))
    # The encoder's offset of some mrad is part of the target.
    np.testing.assert_allclose(reached, expected, rtol=0.08)


def test_torque_falls_with_speed_when_driving_and_not_when_braking():
    """Full to the corner, half half-way to no load, none beyond; full against the motion."""
    one = np.ones(1)
    at = [float(envelope(20 * one, 10 * one, 30 * one, one, dq * one)[0]) for dq in (0, 10, 20, 30, 99, -99)]
    assert at == pytest.approx([20, 20, 10, 0, 0, 20])


def test_friction_is_stribecks_with_a_share_of_the_load():
    """Breakaway at rest, coulomb when turning, and a little more for every Nm of the motor's."""
    config = load(None)
    motors = Motors(config, STEP, "hold_target")
    coulomb, breakaway = np.array(config.coulomb), np.array(config.breakaway)
    np.testing.assert_allclose(motors.friction(ZERO), coulomb * breakaway)
    np.testing.assert_allclose(motors.friction(np.full(12, 9.0)), coulomb)
    motors.torque[:] = 10.0
    np.testing.assert_allclose(motors.friction(np.full(12, 9.0)) - coulomb, 10.0 * np.array(config.load_friction))


@pytest.mark.parametrize(
    ("silence", "expected"), [("hold_target", -25.0 * 0.1), ("hold_torque", 5.0), ("damp", -DAMPING)]
)
def test_what_happens_when_commands_stop(silence, expected):
    """The joint has gone on to 0.3 rad and 1 rad/s since the last command, which pulled to 0.2 rad with 5 Nm."""
    config = dataclasses.replace(load(None), torque_scale=(1.0,) * 12, encoder_offset=(1e-9,) * 12)
    motors = Motors(config, STEP, silence)
    motors.receive(0.0, *commanded(0.2, 25.0, 1e-6))
    for step in range(36):
        motors.step(step * STEP, ZERO, ZERO)
    for step in range(36, 300):
        torque = motors.step(step * STEP, np.full(12, 0.3), np.ones(12))
    np.testing.assert_allclose(torque, expected, atol=0.05 if silence != "hold_torque" else 8.0)
    if silence == "hold_torque":
        assert np.ptp(torque) < 8.0
        np.testing.assert_array_equal(motors.step(1.0, np.full(12, 9.9), ZERO), torque)


def test_sensors_report_in_a_real_robots_steps():
    """Steps of a real LowState (three Go2s), ratio of calf to hip 1.917 as the knee's reduction."""
    q, dq, tau = Sensors(load(None), seed=0).read(np.full(12, 0.1234), np.full(12, 1.234), np.full(12, 5.432))
    for value, step in ((q, Q_STEP), (dq, DQ_STEP), (tau, TAU_STEP)):
        np.testing.assert_allclose(value / step, np.round(value / step), atol=1e-6)
    assert TAU_STEP[2] / TAU_STEP[0] == pytest.approx(1.917, abs=0.001)
    assert len(set(load(None).encoder_offset)) == 12


def test_no_two_joints_are_alike():
    """In the parameters that matter most."""
    config = load(None)
    assert len(set(zip(config.delay, config.armature, config.coulomb, strict=True))) == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("delay:", "delai:", "unknown key delai"), ("0.00496", "0.1", "delay must be"), ("13.25,", "", "12 values")],
)
def test_a_bad_motor_file_is_refused(old, new, message, tmp_path):
    """With the key that is wrong."""
    (tmp_path / "motors.yaml").write_text(SHIPPED.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        load(tmp_path / "motors.yaml")
