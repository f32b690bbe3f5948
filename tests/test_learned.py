"""What a net learned is read back where it is known: nets that are the motor's law, late, biased or one-sided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from moved import KD, KP, run, straight
from synthetic import series

from identify import runs
from identify.delay import delayed_pd
from identify.features import Features
from identify.learned import learned, small_signal, transfer
from identify.models import LSTM
from identify.settings import LSTMShape, MLPShape, TrainConfig

LATE = Features(0.002, (0.0, 0.002, 0.004, 0.006), position_rate=True)
# kp·e of 6 ms ago, less the trapezoid over kp·dq since: the target late, the position not; −kd·dq of now.
LAW = (0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -0.001, -0.002, -0.002, -0.001)


def known(folder: Path, weights: tuple[float, ...], features: Features = LATE, **more: object) -> runs.Run:
    """A net that is this straight line."""
    return run(folder, TrainConfig(features, mlp=MLPShape(hidden=8, layers=1)), change=straight(weights), **more)


def test_the_gains_of_every_lag_are_read_back(tmp_path: Path) -> None:
    """Springs, dampers and rates in their places, for all joints."""
    found = small_signal(known(tmp_path / "run", LAW))
    np.testing.assert_allclose(found.lags, LATE.lags)
    for name, part in (("spring", slice(0, 4)), ("damper", slice(4, 8)), ("rate", slice(8, 12))):
        np.testing.assert_allclose(getattr(found, name), np.tile(LAW[part], (12, 1)), atol=1e-5)


def test_a_late_law_is_late_damps_with_kd_and_is_passive_everywhere(tmp_path: Path) -> None:
    """6 ms at every frequency, gain 1, damping kd, for its target alone is late."""
    for one in learned(known(tmp_path / "run", LAW), series()):
        assert one.spring == pytest.approx(1.0, abs=1e-3)
        assert one.gain == pytest.approx(1.0, abs=1e-3)
        assert one.delay == pytest.approx(0.006, abs=1e-5)
        assert one.damping == pytest.approx((KD, KD), rel=0.02)
        assert min(one.passive) > 50.0
        assert one.odd == pytest.approx(0.0, abs=1e-3)
        assert one.mirrored == pytest.approx(0.0, abs=1e-3)


def test_friction_adds_to_the_damping_whatever_the_gains_are(tmp_path: Path) -> None:
    """kp·e − kd·dq − 0.3·dq."""
    seen = Features(0.002, velocity=True)
    net = known(tmp_path / "run", (1.0, -1.0, -0.3), seen)
    np.testing.assert_allclose(small_signal(net).velocity, -0.3, atol=1e-5)
    for one in learned(net, series()):
        assert one.damping == pytest.approx((KD + 0.3, KD + 0.3), rel=0.02)


def test_a_law_that_feels_its_position_late_feeds_energy_in(tmp_path: Path) -> None:
    """kp·e of 6 ms ago as a whole: Re Z = kd − kp·sin(ωd)/ω, which a small kd does not make up for."""
    whole = (0.0, 0.0, 0.0, 1.0, -1.0) + (0.0,) * 7
    for one in learned(known(tmp_path / "run", whole), series()):
        swing = 2.0 * np.pi * 5.0
        assert one.damping[0] == pytest.approx(KD - KP * np.sin(swing * 0.006) / swing, rel=0.01)
        assert min(one.passive) > 50.0  # 2 Nm·s/rad is more than kp·d
    weak = (0.0, 0.0, 0.0, 1.0, -0.02) + (0.0,) * 7
    for one in learned(known(tmp_path / "weak", weak), series()):
        assert one.passive == (1.0, 1.0)


def test_bias_and_one_sidedness_show(tmp_path: Path) -> None:
    """A constant of 1 Nm is no odd function; a left hip that gives twice as much is no mirror of the right one."""

    def biased(model: torch.nn.Module) -> None:
        straight((1.0,))(model)
        model.net[-1].bias.fill_(1.0 / float(model.output_scale))

    plain = TrainConfig(Features(0.002), mlp=MLPShape(hidden=8, layers=1))
    data = series()
    one = learned(run(tmp_path / "bias", plain, change=biased), data)[0]
    torque = 1.0 + (data.kp * (data.q_target - data.q))[:, 0::3]
    assert one.odd == pytest.approx(float((1.0 / np.sqrt(np.square(torque).mean(0))).mean()), rel=0.02)
    told = Features(0.002, joint_identity=True)
    unequal = learned(known(tmp_path / "sides", (1.0, 0.0, *(0.0,) * 3, 2.0), told), data)
    assert unequal[0].mirrored > 0.1
    assert unequal[1].mirrored == pytest.approx(0.0, abs=1e-3)


def test_an_lstm_is_asked_along_its_past(tmp_path: Path) -> None:
    """Its gradient at each lag is that of a nudge there."""

    def livelier(model: torch.nn.Module) -> None:
        model.input_scale.fill_(1.0)

    config = TrainConfig(Features(0.005), lstm=LSTMShape(hidden=8, layers=1))
    loaded = run(tmp_path / "run", config, change=livelier)
    assert isinstance(loaded.model, LSTM)
    found, x = small_signal(loaded), torch.zeros(2, 60, 2)
    x[1, -4, 0] = 1e-2
    with torch.no_grad():
        still, nudged = loaded.model(x, loaded.model.rest(2))[0][:, -1, 0].tolist()
    assert found.lags[3] == pytest.approx(0.015)
    assert found.spring[5, 3] == pytest.approx((nudged - still) / 1e-2, rel=0.05)


def test_the_response_over_frequency_is_that_of_a_known_filter() -> None:
    """A torque that is the law's of two rows ago, by .8: gain .8, 4 ms late, wherever there is motion."""
    still = series(seconds=16.0)
    noise = np.random.default_rng(2).standard_normal((len(still.time) + 9, 12))
    wild = np.stack([np.convolve(column, np.ones(10) / 10, "valid") for column in noise.T], axis=1)
    data = dataclasses.replace(still, q_target=wild, q=np.zeros_like(wild), dq=np.zeros_like(wild))
    law = delayed_pd(data, 0.0)
    later = 0.8 * np.concatenate([law[:1], law[:1], law[:-2]])
    frequency, answer = transfer(data, later, data.with_past(0.01))
    heard = np.isfinite(answer) & (frequency > 1.5) & (frequency < 20.0)
    assert heard.sum() > 10
    np.testing.assert_allclose(np.abs(answer[heard]), 0.8, atol=0.03)
    late = (-np.angle(answer) / (2.0 * np.pi * np.maximum(frequency, 0.1)))[heard]
    np.testing.assert_allclose(late, 0.004, atol=5e-4)


def test_rows_that_do_not_count_are_not_heard() -> None:
    """Poisoned rows change nothing; less than an unbroken second says nothing."""
    data = series(seconds=8.0)
    rows = data.time < 5.0
    torque = delayed_pd(data, 0.004)
    poison: Callable[[np.ndarray], np.ndarray] = lambda values: np.where(rows[:, None], values, 1e6)  # noqa: E731
    other = dataclasses.replace(data, q=poison(data.q))
    clean, dirty = transfer(data, torque, rows)[1], transfer(other, poison(torque), rows)[1]
    np.testing.assert_array_equal(clean, dirty)
    assert len(transfer(data, torque, data.time < 0.9)[0]) == 0
