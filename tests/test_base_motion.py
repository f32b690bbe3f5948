"""A hung robot swings: where its IMU has logged how, torque and replay are those of a fixed one again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from moved import delayed, moved, run
from synthetic import changed

from collect.body import ARMATURE, DRY, VISCOUS
from collect.joints import BY_KIND, KINDS
from collect.recording import Recording, blank
from identify import base_motion, prepared, shooting
from identify.dataset import sampling, series
from identify.features import Features
from identify.joint_torque import motion
from identify.replay import Replay, chosen, replay
from identify.settings import MLPShape, TrainConfig
from identify.unrolled import tracks

pytestmark = pytest.mark.slow

DELAY = 0.0073
PLAIN = TrainConfig(features=Features(0.002), mlp=MLPShape(hidden=8, layers=1))


@pytest.fixture(scope="module")
def slung() -> Recording:
    """A robot on two ropes that swings with its legs."""
    return moved(delayed(DELAY), "slung", mount="sling")


@pytest.fixture(scope="module")
def fixed() -> Recording:
    """The same motors on a stand."""
    return moved(delayed(DELAY), "fixed", mount="fixed")


def blind(recording: Recording) -> Recording:
    """Without what the IMU said."""
    return changed(recording, session=f"{recording.session} blind", gyro=blank(len(recording), 3))


def noisy(recording: Recording) -> Recording:
    """With noise of .01 rad/s and .1 m/s² on every sample of the IMU."""
    random, shape = np.random.default_rng(1), recording.gyro.shape
    gyro, accel = (
        (values + size * random.normal(size=shape)).astype("f4")
        for values, size in ((recording.gyro, 0.01), (recording.accel, 0.1))
    )
    return changed(recording, session=f"{recording.session} noisy", gyro=gyro, accel=accel)


def torque_error(recording: Recording) -> np.ndarray:
    """Of tau_joint against what the motor gave less rotor and friction: hips, thighs, calves [Nm]."""
    found = motion(recording)
    friction = VISCOUS * found.dq + DRY * np.tanh(found.dq / 0.02)
    error = (found.torque - (recording.tau_est - ARMATURE * found.ddq - friction))[100:-100]
    return np.array([np.sqrt(np.square(error[:, joints]).mean()) for joints in BY_KIND.values()])


def motion_error(one: Replay) -> np.ndarray:
    """Hips, thighs, calves [mrad]."""
    return np.array([one.rmse_mrad(kind) for kind in KINDS])


def test_the_joint_torque_is_that_of_a_fixed_base_again(slung: Recording, fixed: Recording) -> None:
    """Without the IMU hips, which roll the trunk, are off by nearly three times as much, thighs by half more."""
    without, known, still, rough = (torque_error(one) for one in (blind(slung), slung, fixed, noisy(slung)))
    print(f"\ntau_joint [Nm]: fixed {still}, slung {without}, with IMU {known}, a noisy one {rough}")
    assert (without[:2] > np.array([2.5, 1.4]) * still[:2]).all()
    assert known == pytest.approx(still, rel=0.1)
    assert rough == pytest.approx(still, rel=0.2)


def test_the_replay_is_that_of_a_fixed_base_again(slung: Recording, fixed: Recording, tmp_path: Path) -> None:
    """The true motor moves the legs as they moved, beside a trajectory of which no more is known than its commands."""
    loaded = run(tmp_path / "run", PLAIN, delay=DELAY)
    together = replay([loaded], [blind(slung), slung, noisy(slung), fixed, blind(fixed), noisy(fixed)])
    found = {one.recording: motion_error(one) for one in together if one.predictor == "delayed_pd"}
    print("\nreplay [mrad]:", found)
    assert (found["slung blind"] > (1.0, 0.5, 0.2)).all()
    assert (found["slung"] < 0.3 * found["slung blind"] + 0.1).all()
    assert (found["slung noisy"] < 0.3 * found["slung blind"] + 0.1).all()
    assert found["fixed"] == pytest.approx(found["fixed blind"], abs=1e-3)
    assert found["fixed noisy"] == pytest.approx(found["fixed blind"], abs=0.1)
    assert "moves as the IMU says" in chosen([loaded], slung)[1]
    assert "IMU" not in chosen([loaded], blind(slung))[1]


def test_a_fixed_base_asks_nothing(fixed: Recording) -> None:
    """Of a still IMU nothing at all, of its noise some millinewtons."""
    sampled = sampling(fixed)
    still, rough = base_motion.torque(fixed, sampled), base_motion.torque(noisy(fixed), sampled)
    assert still is not None
    assert rough is not None
    assert np.abs(still).max() < 1e-3
    assert np.sqrt(np.square(rough).mean(0)).max() < 0.02


def test_fit_and_training_by_motion_feel_it_too(slung: Recording, tmp_path: Path) -> None:
    """In the load of the one's joints and the bias of the other's, also by way of prepared data."""
    asked = base_motion.torque(slung, sampling(slung))
    assert asked is not None
    (known,), (without,) = shooting.prepare(slung), shooting.prepare(blind(slung))
    rows = np.searchsorted(slung.clock, known.time)
    np.testing.assert_allclose(known.rest - without.rest, asked[rows], atol=1e-9)
    data = series(slung, where="here", label="tau_joint")
    prepared.write([data], 0.002, "tau_joint", tmp_path / "slung.npz")
    for one in (data, prepared.read(tmp_path / "slung.npz", "tau_joint")):
        assert one.base is not None
        features, all_rows = Features(0.002), np.ones(len(one.time), dtype=bool)
        (track,) = tracks(features, one, all_rows)
        (plain,) = tracks(features, dataclasses.replace(one, base=None), all_rows)
        np.testing.assert_allclose(track.bias - plain.bias, one.base[one.stretches[0]][: len(track.bias)], atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"accel": np.zeros((1500, 3), "f4")},
        {"accel": np.tile(np.float32([0.0, 0.0, 1.0]), (1500, 1))},  # in g
        {"gyro": np.where(np.arange(1500)[:, None] == 700, np.nan, np.zeros((1500, 3))).astype("f4")},
        {"dq": blank(1500, 12)},
    ],
    ids=["it says nothing", "its unit is g", "a row is missing", "no velocities"],
)
def test_an_imu_that_cannot_be_believed_is_left_alone(slung: Recording, wrong: dict[str, np.ndarray]) -> None:
    """The base is taken for fixed."""
    assert base_motion.known(slung)
    assert not base_motion.known(changed(slung, **wrong))
    assert base_motion.torque(changed(slung, **wrong), sampling(slung)) is None
