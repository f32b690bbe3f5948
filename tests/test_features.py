"""What a net sees: order, sign, lags and interpolation, pinned by hand-computed numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from identify.features import Features, at, columns, matrix, terms


def rows(time: np.ndarray, blocks: Sequence[np.ndarray]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """What is seen of blocks known at these times."""
    return lambda when: [at(time, block, when) for block in blocks]


def test_error_is_target_minus_position_and_both_terms_are_torques() -> None:
    """kp·(q_target − q) and +kd·dq, as in tau = kp·e − kd·dq."""
    numbers = [np.array([x]) for x in (1.0, 0.75, -2.0, 20.0, 1.5)]
    error, speed = terms(Features(0.005), *numbers)
    assert (error[0], speed[0]) == (5.0, -3.0)
    assert terms(Features(0.005, position_rate=True), *numbers)[2:] == ([-40.0],)
    assert terms(Features(0.005, velocity=True), *numbers)[2:] == ([-2.0],)
    assert terms(Features(0.005, position_rate=True, velocity=True), *numbers)[2:] == ([-40.0], [-2.0])


def test_errors_come_first_then_velocities_each_newest_first_then_the_joint() -> None:
    """One sample, every column computed by hand."""
    features = Features(0.005, (0.0, 0.005, 0.010), joint_identity=True)
    row = columns(features, [np.array([[1.0], [2.0], [3.0]]), np.array([[-4.0], [-5.0], [-6.0]])], np.array([4]))
    assert row.tolist() == [[1, 2, 3, -4, -5, -6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]
    assert features.names[1] == "kp·e at 5 ms"
    assert features.names[5] == "kd·dq at 10 ms"
    assert features.names[6 + 4] == "FL_thigh"
    assert features.width == row.shape[1] == len(features.names)


def test_a_joint_can_be_told_by_its_kind() -> None:
    """RR_calf, joint 8, is the third kind; both identities at once are refused."""
    features = Features(0.005, kind_identity=True)
    row = columns(features, [np.array([[1.0]]), np.array([[2.0]])], np.array([8]))
    assert row.tolist() == [[1, 2, 0, 0, 1]]
    assert features.names == ("kp·e at 0 ms", "kd·dq at 0 ms", "hip", "thigh", "calf")
    with pytest.raises(ValueError, match="joint_identity or kind_identity"):
        Features(0.005, kind_identity=True, joint_identity=True)


def test_with_the_position_rate_a_late_target_meets_the_present_position_at_any_gains() -> None:
    """kp·(q_target(t − d) − q(t)) is kp·e(t − d) less the trapezoid over kp·dq: a sum of columns."""
    features = Features(0.002, (0.0, 0.002, 0.004), position_rate=True)
    time = np.arange(0.0, 0.1, 0.002)
    q, target = np.sin(20.0 * time), np.cos(30.0 * time)
    dq = 20.0 * np.cos(20.0 * time)
    wide = [np.repeat(x[:, None], 12, axis=1) for x in (target, q, dq)]
    for kp, kd in ((25.0, 0.5), (60.0, 4.0)):
        gains = [np.full_like(wide[0], gain) for gain in (kp, kd)]
        x = matrix(features, rows(time, terms(features, *wide, *gains)), time[10:])[:, 0]
        moved = 0.002 * (0.5 * x[:, 6] + x[:, 7] + 0.5 * x[:, 8])
        np.testing.assert_allclose(x[:, 2] - moved, kp * (target[8:-2] - q[10:]), atol=0.01)
    assert features.names[6:] == ("kp·dq at 0 ms", "kp·dq at 2 ms", "kp·dq at 4 ms")


def test_with_the_velocity_a_joint_s_friction_is_the_same_column_at_any_gains() -> None:
    """kp·e − kd·dq − v·dq, over three pairs of gains: a straight line with dq among the columns, and none without."""
    random, left = np.random.default_rng(0), {}
    kp, kd = (np.repeat(gain, 100) for gain in ((15.0, 25.0, 60.0), (0.5, 2.0, 4.0)))
    error, dq = random.normal(size=(2, 300))
    torque = kp * error - kd * dq - 0.3 * dq
    for velocity in (False, True):
        features = Features(0.002, position_rate=True, velocity=velocity)
        x = columns(features, [block[None] for block in terms(features, error, 0.0 * error, dq, kp, kd)])
        left[velocity] = torque - x @ np.linalg.lstsq(x, torque, rcond=None)[0]
    assert np.abs(left[True]).max() < 1e-4
    assert np.sqrt(np.mean(left[False] ** 2)) > 0.05
    assert features.names == ("kp·e at 0 ms", "kd·dq at 0 ms", "kp·dq at 0 ms", "dq at 0 ms")


def test_lags_are_times_interpolated_between_rows() -> None:
    """With rows at 0, 2, 4, 8 ms and a ramp of 1 Nm/ms, a lag of 5 ms at 8 ms sees 3 Nm."""
    time = np.array([0.0, 0.002, 0.004, 0.008])
    ramp = np.repeat(1e3 * time[:, None], 12, axis=1) + np.arange(12)
    seen = matrix(Features(0.005, (0.0, 0.005)), rows(time, [ramp, -2.0 * ramp]), np.array([0.008, 0.006]))
    assert seen.shape == (2, 12, 4)
    np.testing.assert_allclose(seen[0, 0], [8, 3, -16, -6], rtol=1e-6)
    np.testing.assert_allclose(seen[1, 11], [6 + 11, 1 + 11, -34, -24], rtol=1e-6)


def test_the_past_before_the_first_row_is_the_first_row() -> None:
    """A motor at rest has a constant past; nothing is invented by extrapolating."""
    values = np.array([[3.0], [5.0]])
    assert at(np.array([1.0, 2.0]), values, np.array([-9.0, 1.5, 7.0])).ravel().tolist() == [3.0, 4.0, 5.0]
    assert at(np.array([1.0]), values[:1], np.array([0.0, 9.0])).ravel().tolist() == [3.0, 3.0]


def test_without_joint_identity_all_joints_share_their_columns() -> None:
    """A stock consumer's input has 2·lags columns, no more."""
    assert Features(0.005, (0.0, 0.005, 0.010)).width == 6


@pytest.mark.parametrize(
    "wrong", [{"step": 0.0}, {"step": 1.0}, {"lags": ()}, {"lags": (0.0, 0.0)}, {"lags": (0.002,)}]
)
def test_features_that_cannot_be_are_refused(wrong: dict) -> None:
    """Lags start at 0 and grow; a step is above zero."""
    with pytest.raises(ValueError, match=r"must be|start at 0"):
        Features(**({"step": 0.005, "lags": (0.0, 0.005)} | wrong))
