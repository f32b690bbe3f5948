"""Each baseline is what it says, and finds what is known to be there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from synthetic import DELAY, series

from identify import baselines
from identify.delay import delayed_pd, find_delay
from identify.features import Features


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def everywhere(data: object) -> list[np.ndarray]:
    return [np.ones(len(data.time), dtype=bool)]


def test_ideal_pd_is_the_law_without_delay() -> None:
    """kp·(q_target − q) − kd·dq, nothing fitted."""
    data = series(kp=30.0, kd=1.5)
    np.testing.assert_allclose(baselines.ideal_pd(data), 30.0 * (data.q_target - data.q) - 1.5 * data.dq, rtol=1e-6)


def test_delayed_pd_delays_the_target_and_nothing_else() -> None:
    """Position and velocity are those of now."""
    data = series()
    torque = baselines.delayed_pd(data, 0.004)
    expected = data.kp[2:] * (data.q_target[:-2] - data.q[2:]) - data.kd[2:] * data.dq[2:]
    np.testing.assert_allclose(torque[2:], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("delay", [0.0, 0.0031, DELAY, 0.0156])
def test_the_delay_is_found_between_rows(delay: float) -> None:
    """Within 50 µs of the truth, from rows 2 ms apart and noise of 0.2 Nm."""
    data = series(delay=delay, noise=0.2)
    fitted = baselines.fit(Features(0.005), [data], [data.with_past(0.04)])
    assert fitted.delay == pytest.approx(delay, abs=5e-5)


@pytest.mark.slow
def test_the_interval_of_the_delay_holds_the_truth_as_often_as_it_says() -> None:
    """95 % of 100 draws of noise that lasts 20 ms, so that neighbouring rows say the same; two in 100 more or less."""
    data = series(seconds=8.0)
    rows, rng = [data.with_past(0.04)], np.random.default_rng(3)
    smooth = np.ones(10) / np.sqrt(10)
    held, widths = 0, []
    for _ in range(100):
        noise = rng.standard_normal((len(data.time) + 9, 12))
        lasting = np.stack([np.convolve(column, smooth, "valid") for column in noise.T], axis=1)
        low, high = find_delay([dataclasses.replace(data, torque=data.torque + lasting)], rows)[1]
        held += low <= DELAY <= high
        widths.append(high - low)
    assert 90 <= held <= 99
    assert 1e-4 < np.mean(widths) < 1e-3  # of rows 2 ms apart


def test_friction_pd_finds_each_joints_own_gains_friction_and_offset() -> None:
    """Twelve motors that differ, at two pairs of gains: a, b, v, c and o come back."""
    joints = np.arange(12)
    a, b, v, c, o = 1.0 - 0.01 * joints, 0.8 + 0.01 * joints, 0.01 * joints, 0.1 + 0.01 * joints, 0.05 * (joints - 6)
    data = [series("soft", kd=1.0), series("stiff", kp=40.0, kd=3.0)]
    made = []
    for one in data:
        spring = delayed_pd(one, 0.006) + one.kd * one.dq
        tau = a * spring - b * one.kd * one.dq - v * one.dq - c * np.tanh(one.dq / baselines.SOFT) + o
        made.append(dataclasses.replace(one, torque=tau))
    fitted = baselines.fit(Features(0.005), made, [one.with_past(0.04) for one in made])
    assert fitted.friction.delay == pytest.approx(0.006, abs=2e-4)
    found = fitted.friction
    for name, true in (("spring", a), ("damper", b), ("viscous", v), ("dry", c), ("offset", o)):
        np.testing.assert_allclose(getattr(found, name), true, atol=0.02, err_msg=name)
    kept = made[0].with_past(0.04)
    error = (baselines.friction_pd(made[0], fitted.friction) - made[0].torque)[kept]
    assert rms(error) < 0.1 * rms((baselines.delayed_pd(made[0], fitted.delay) - made[0].torque)[kept])


@pytest.mark.parametrize(
    ("speed", "asked", "hip", "calf"),
    [
        (0.0, 60.0, 23.4, 23.4 * 1.917),  # at rest nothing is driven
        (1.0, 60.0, 20.2, 20.2 * 1.917),  # along the motion
        (-1.0, 60.0, 23.4, 23.4 * 1.917),  # against it
        (12.0, 60.0, 20.2, 20.2 * 1.917 * (30.0 - 12.0 * 1.917) / 16.5),  # beyond a calf's knee, not a hip's
        (21.75, 60.0, 10.1, 0.0),
        (31.0, 60.0, 0.0, 0.0),
        (31.0, -60.0, -23.4, -23.4 * 1.917),
        (2.0, 5.0, 5.0, 5.0),  # far from every limit
    ],
)
def test_a_motor_gives_less_the_faster_it_turns(speed: float, asked: float, hip: float, calf: float) -> None:
    """By hand from the four numbers of the envelope; a calf has its linkage."""
    cut = baselines.envelope(np.full(12, asked), np.full(12, speed))
    assert cut[0] == pytest.approx(hip, rel=1e-3)
    assert cut[2] == pytest.approx(calf, rel=1e-3)


def test_limited_pd_is_delayed_pd_within_the_envelope() -> None:
    """Where the law asks for 200 Nm it gives what a motor has."""
    data = series(kp=400.0, scale=0.4)
    torque = baselines.limited_pd(data, 0.004)
    asked = delayed_pd(data, 0.004)
    np.testing.assert_array_equal(torque, baselines.envelope(asked, data.dq))
    assert np.abs(asked).max() > 60.0 > np.abs(torque).max()


def test_delayed_pd_explains_a_delayed_motor_where_ideal_pd_does_not() -> None:
    """Down to what linear interpolation leaves."""
    data = series()
    fitted = baselines.fit(Features(0.005), [data], everywhere(data))
    kept = data.with_past(0.04)
    assert rms((baselines.delayed_pd(data, fitted.delay) - data.torque)[kept]) < 0.02
    assert rms((baselines.ideal_pd(data) - data.torque)[kept]) > 0.3


def test_linear_finds_known_weights_and_an_offset() -> None:
    """tau = 0.7·kp·e(now) − 1.1·kd·dq(10 ms ago) + 0.4 is in its reach, so it is found."""
    features, data = Features(0.005, (0.0, 0.005, 0.010)), series()
    x = baselines.inputs(features, data, data.with_past(0.0))
    made = dataclasses.replace(data, torque=(x @ [0.7, 0, 0, 0, 0, -1.1] + 0.4).astype(float))
    fitted = baselines.fit(features, [made], everywhere(made))
    np.testing.assert_allclose(fitted.weights, [0.7, 0, 0, 0, 0, -1.1], atol=2e-3)
    assert fitted.offset == pytest.approx(0.4, abs=1e-3)
    np.testing.assert_allclose(baselines.linear(features, fitted, made), made.torque, atol=1e-3)


def test_linear_gives_every_joint_its_own_offset_with_joint_identity() -> None:
    """The offset and twelve columns of ones and zeros overlap; the prediction is right all the same."""
    features, data = Features(0.005, joint_identity=True), series()
    made = dataclasses.replace(data, torque=baselines.ideal_pd(data) + np.arange(12))
    fitted = baselines.fit(features, [made], everywhere(made))
    np.testing.assert_allclose(baselines.linear(features, fitted, made), made.torque, atol=1e-2)


def test_only_the_rows_given_are_fitted() -> None:
    """Rows of another delay, left out, change nothing at all."""
    slow, fast = series("a", delay=0.002), series("b", delay=0.012)
    features, none = Features(0.005), np.zeros(len(fast.time), dtype=bool)
    alone = baselines.fit(features, [slow], everywhere(slow))
    assert baselines.fit(features, [slow, fast], [everywhere(slow)[0], none]) == alone
    assert baselines.fit(features, [slow, fast], everywhere(slow) + everywhere(fast)).delay > alone.delay + 0.002
