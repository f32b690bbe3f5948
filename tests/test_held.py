"""Targets as a policy hands them over: steps stay where they were logged, and a net sees the same ones everywhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import RATE, changed, recording, series

from collect.convert import convert
from collect.errors import UserError
from collect.excitation import STAIR, Segment
from collect.recording import read
from identify import prepared
from identify.batches import pieces
from identify.dataset import Series, inputs
from identify.dataset import series as prepare
from identify.features import Features
from identify.held import falsified, instants, targets, warning
from identify.laws import Commands, lagged
from identify.settings import LSTMShape, MLPShape, TrainConfig
from identify.unrolled import tracks

HOLD = 0.02
FEATURES = Features(0.005, (0.0, 0.005), target_hold=HOLD)


def wide(values: np.ndarray) -> np.ndarray:
    """The same of all joints."""
    return np.repeat(np.asarray(values, float)[:, None], 12, axis=1)


def stepped(name: str = "stairs", seconds: float = 4.0) -> Series:
    """The synthetic motor's log with targets that were new every ten rows, the first after four."""
    one = recording(name, seconds=seconds)
    rows = np.maximum((np.arange(len(one)) - 4) // 10 * 10 + 4, 0)
    return prepare(changed(one, q_target=one.q_target[rows]), where=name)


class TestSmoothTargets:
    def test_the_grid_begins_with_the_stretch(self) -> None:
        """A ramp of 1 rad/s from 0.3 s: at 0.3, 0.319, 0.32 and 0.355 s a policy has said 0, 0, 0.02 and 0.04 rad."""
        time = 0.3 + np.arange(100) / RATE
        seen = targets(time, wide(time - 0.3), HOLD, np.array([0.1, 0.3, 0.319, 0.32, 0.355]))
        np.testing.assert_allclose(seen, wide([0.0, 0.0, 0.0, 0.02, 0.04]), atol=1e-9)

    def test_every_joint_at_its_own_time(self) -> None:
        """As states of a real robot are sampled."""
        time = np.arange(100) / RATE
        seen = targets(time, wide(time), HOLD, np.array([[0.039] * 6 + [0.041] * 6]))
        np.testing.assert_allclose(seen, [[0.02] * 6 + [0.04] * 6], atol=1e-9)

    def test_without_a_hold_they_are_as_logged(self) -> None:
        """Interpolated between rows."""
        time = np.arange(100) / RATE
        np.testing.assert_allclose(targets(time, wide(time), 0.0, np.array([0.0333])), wide([0.0333]))

    def test_what_the_motors_obeyed_is_another_target(self) -> None:
        """Under a ramp of 1 rad/s rows are 0 to 18 ms behind: at kp 25 that is .27 Nm rms; and it is said."""
        time = np.arange(100) / RATE
        kp, every = np.full((100, 12), 25.0), (slice(0, 100),)
        expected = 25.0 * np.sqrt(np.mean(np.square(0.002 * np.arange(10))))
        assert falsified(time, wide(time), kp, every, HOLD) == pytest.approx(expected)
        assert "its targets are no steps of 20 ms: held so, kp·e is 0.27 Nm" in warning(
            time, wide(time), kp, every, HOLD
        )


class TestStepsThatWereLogged:
    def test_a_staircase_is_found_where_it_steps(self) -> None:
        """The grid has the phase of the steps, not of the stretch; nothing is told otherwise than the motors were."""
        data = stepped()
        (rows,) = data.stretches
        found = instants(data.time, data.q_target, HOLD)
        np.testing.assert_allclose(found, [0.0, *np.arange(0.008, 4.0, HOLD)], atol=1e-9)
        np.testing.assert_array_equal(targets(data.time, data.q_target, HOLD, data.time), data.q_target)
        assert falsified(data.time, data.q_target, data.kp, (rows,), HOLD) == 0.0
        assert warning(data.time, data.q_target, data.kp, (rows,), HOLD) == ""

    def test_a_step_is_no_ramp(self) -> None:
        """Between the rows before and after it the old target holds."""
        data = stepped()
        (seen,) = targets(data.time, data.q_target, HOLD, np.array([0.0279]))
        np.testing.assert_array_equal(seen, data.q_target[13])
        assert (data.q_target[13] != data.q_target[14]).all()

    def test_the_collectors_staircase_is_one(self) -> None:
        """Its steps are a 50 Hz policy's."""
        stairs = Segment(name="s", kind="staircase", duration=5.0, kp=(25.0,), kd=(1.0,), amplitude=(0.2,), f1=(5.0,))
        time, q_target = np.arange(2500) / RATE, stairs.targets(RATE)
        found = instants(time, q_target, STAIR)
        assert not np.setdiff1d(np.rint(found / STAIR * 1e3), 1e3 * np.arange(250)).size
        np.testing.assert_array_equal(targets(time, q_target, STAIR, time), q_target)

    @pytest.mark.data
    def test_a_walking_robots_policy_is_found_whatever_its_jitter(self, tmp_path: Path, logs: Path) -> None:
        """ORL's targets step every 18 to 22 ms of the log."""
        log = read(convert(logs / "orl/test_1", "orl", tmp_path, (35.0,), (0.5,), start=5.0, stop=9.55))
        data = prepare(log, where="orl")
        between = np.concatenate([np.diff(instants(data.time[r], data.q_target[r], HOLD)) for r in data.stretches])
        assert np.median(between) == pytest.approx(HOLD, abs=2e-4)
        assert falsified(data.time, data.q_target, data.kp, data.stretches, HOLD) < 1e-3


class TestTheSameEverywhere:
    """A joint that rests at 0.1 rad under a ramp: kp·e says which target was seen."""

    @pytest.fixture
    def resting(self) -> Series:
        one = recording(seconds=2.0)
        still = {"q": np.full_like(one.q, 0.1), "dq": np.zeros_like(one.q)}
        return prepare(changed(one, **still, q_target=wide(0.5 * one.time).astype("f4")), where="ramp")

    @staticmethod
    def wanted(when: np.ndarray) -> np.ndarray:
        """kp·e under the ramp as a 50 Hz policy hands it over."""
        return 25.0 * (0.5 * np.floor(np.maximum(when, 0.0) / HOLD + 1e-6) * HOLD - 0.1)

    def test_in_training(self, resting: Series) -> None:
        """Rows of a net that sees its past, pieces of one with a state."""
        rows = resting.with_past(FEATURES.look_back)
        assert resting.time[rows][0] == pytest.approx(0.026)
        x = inputs(FEATURES, resting, rows)
        for lag in (0, 1):
            np.testing.assert_allclose(x[:, 5, lag], self.wanted(resting.time[rows] - 0.005 * lag), atol=1e-4)
        alone, shape = Features(0.005, target_hold=HOLD), LSTMShape(span=1.0, warm_up=0.0)
        served = pieces(alone, shape, [resting], [resting.with_past(0.0)], 8, torch.device("cpu"))
        np.testing.assert_allclose(served.x[0, 5, :, 0], self.wanted(0.005 * np.arange(200)), atol=1e-4)

    def test_in_the_simulation_and_in_training_through_it(self, resting: Series) -> None:
        """The columns that a net is called with there; the targets of its pieces."""
        seen: list[np.ndarray] = []
        gains = resting.kp, resting.kd
        one = Commands(resting.time, resting.q_target, *gains, np.arange(0.0, 1.0, 0.001))
        law = lagged([one], FEATURES, lambda x: seen.append(x.copy()) or np.zeros(12))
        state = np.full((5, 1, 12), 0.1), np.zeros((5, 1, 12))
        for m in range(0, 1000, 5):
            law.torque(m, *(values[-1 if m == 0 else 0 :] for values in state))
        calls = 0.005 * np.arange(200)
        for lag in (0, 1):
            np.testing.assert_allclose([x[7, lag] for x in seen], self.wanted(calls - 0.005 * lag), atol=1e-4)
        (track,) = tracks(FEATURES, resting, np.ones(1000, bool))
        found = track.kp[:, 3] * (track.q_target[:, 3] - track.q[:, 3])
        np.testing.assert_allclose(found, self.wanted(0.005 * np.arange(len(found))), atol=1e-4)

    def test_in_prepared_data_there_and_back(self, resting: Series, tmp_path: Path) -> None:
        """The file holds the targets so; read again they are steps, whatever its rounding."""
        prepared.write([resting], 0.005, "tau_est", tmp_path / "a.npz", hold=HOLD)
        with np.load(tmp_path / "a.npz") as content:
            assert content["target_hold"] == HOLD
            for k, name in enumerate(prepared.ERROR):
                expected = self.wanted(content["time"] - 0.005 * k)
                np.testing.assert_allclose(25.0 * content[name][:, 4], expected, atol=1e-4)
        back = prepared.read(tmp_path / "a.npz", "tau_est")
        assert warning(back.time, back.q_target, back.kp, back.stretches, HOLD) == ""

    def test_errors_alone_cannot_be_held(self) -> None:
        """A prepared file without q: the motion would be held with its targets."""
        one = dataclasses.replace(series(), q=np.zeros((2000, 12)))
        with pytest.raises(UserError, match="errors alone"):
            inputs(FEATURES, one, one.with_past(0.1))

    def test_a_net_with_a_state_may_have_it(self) -> None:
        """It is no lag."""
        assert TrainConfig(Features(0.005, target_hold=HOLD), lstm=LSTMShape()).features.look_back == HOLD
        assert TrainConfig(FEATURES, mlp=MLPShape()).features.look_back == pytest.approx(0.025)

    @pytest.mark.parametrize("wrong", [-0.02, 0.012, 0.5])
    def test_a_hold_is_whole_steps(self, wrong: float) -> None:
        """A simulator's policy speaks every so many physics steps."""
        with pytest.raises(ValueError, match="target_hold must be 0 to"):
            Features(0.005, target_hold=wrong)
