"""Each baseline is what it says, and finds what is known to be there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from synthetic import DELAY, series

from identify import baselines
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


def test_delayed_pd_explains_a_delayed_motor_where_ideal_pd_does_not() -> None:
    """Down to what linear interpolation leaves."""
    data = series()
    fitted = baselines.fit(Features(0.005), [data], everywhere(data))
    kept = data.with_past(0.04)
    assert rms((baselines.delayed_pd(data, fitted.delay) - data.tau_est)[kept]) < 0.02
    assert rms((baselines.ideal_pd(data) - data.tau_est)[kept]) > 0.3


def test_linear_finds_known_weights_and_an_offset() -> None:
    """tau = 0.7·kp·e(now) − 1.1·kd·dq(10 ms ago) + 0.4 is in its reach, so it is found."""
    features, data = Features(0.005, (0.0, 0.005, 0.010)), series()
    x = baselines.inputs(features, data, data.with_past(0.0))
    made = dataclasses.replace(data, tau_est=(x @ [0.7, 0, 0, 0, 0, -1.1] + 0.4).astype(float))
    fitted = baselines.fit(features, [made], everywhere(made))
    np.testing.assert_allclose(fitted.weights, [0.7, 0, 0, 0, 0, -1.1], atol=2e-3)
    assert fitted.offset == pytest.approx(0.4, abs=1e-3)
    np.testing.assert_allclose(baselines.linear(features, fitted, made), made.tau_est, atol=1e-3)


def test_linear_gives_every_joint_its_own_offset_with_joint_identity() -> None:
    """The offset and twelve columns of ones and zeros overlap; the prediction is right all the same."""
    features, data = Features(0.005, joint_identity=True), series()
    made = dataclasses.replace(data, tau_est=baselines.ideal_pd(data) + np.arange(12))
    fitted = baselines.fit(features, [made], everywhere(made))
    np.testing.assert_allclose(baselines.linear(features, fitted, made), made.tau_est, atol=1e-2)


def test_only_the_rows_given_are_fitted() -> None:
    """Rows of another delay, left out, change nothing at all."""
    slow, fast = series("a", delay=0.002), series("b", delay=0.012)
    features, none = Features(0.005), np.zeros(len(fast.time), dtype=bool)
    alone = baselines.fit(features, [slow], everywhere(slow))
    assert baselines.fit(features, [slow, fast], [everywhere(slow)[0], none]) == alone
    assert baselines.fit(features, [slow, fast], everywhere(slow) + everywhere(fast)).delay > alone.delay + 0.002
