"""Stability beyond what was recorded: a push is forgotten there too, and nets that were asked for it do not sing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from moved import KD, delayed, moved
from synthetic import changed
from test_unrolled import CONFIG, pd_net

from collect.recording import Recording
from identify import contraction
from identify.dataset import series
from identify.features import Features
from identify.replay import replay
from identify.settings import Through, Training
from identify.train import train
from identify.unrolled import Surrogate, pieces, tracks

pytestmark = pytest.mark.slow

FEATURES = Features(0.005, (0.0, 0.005, 0.010), position_rate=True, velocity=True, joint_identity=True)
FIVE = dataclasses.replace(
    CONFIG,
    features=FEATURES,
    training=Training(epochs=30, learning_rate=3e-3, batch=512),
    through=Through(epochs=40, learning_rate=2e-3, piece=0.8, window=0.2),
)


def made(kd: float, name: str, seconds: float) -> Recording:
    """What a motor with a delay of 6 ms does at a kd."""
    seen = moved(lambda t, q, dq: delayed(0.006)(t, q, dq) + (KD - kd) * dq, name, seconds)
    return changed(seen, kd=np.full_like(seen.kd, kd))


@pytest.fixture(scope="module")
def motion() -> Recording:
    """At kd 2."""
    return made(KD, "known", 4.0)


class TestLeft:
    """Of kp·e − kd·dq, held for 5 ms: a joint of .018 kg·m², the lightest here, is stable below kd 7."""

    @staticmethod
    def of(motion: Recording, stable_to: float) -> float:
        """Mean of ten draws."""
        features = dataclasses.replace(FEATURES, position_rate=False, velocity=False)
        surrogate = Surrogate(features, pd_net(1.0, dataclasses.replace(CONFIG, features=features)))
        found = tracks(features, series(motion, where="here", label="tau_joint"), np.ones(len(motion), bool))
        one = pieces(found, surrogate.past, 60, 0)
        assert one is not None
        with torch.no_grad():
            draws = map(np.random.default_rng, range(10))
            return float(np.mean([float(contraction.left(surrogate, one, stable_to, draw)) for draw in draws]))

    def test_a_push_is_forgotten_where_the_law_is_stable(self, motion):
        """Up to kd 4: a tenth of its speed is left."""
        assert 0.0 < self.of(motion, 4.0) < 0.1**2

    def test_it_grows_where_the_law_is_not(self, motion):
        """Tenfold and more within .2 s, and stays a number: a motor has a largest torque."""
        assert 10.0**2 < self.of(motion, 40.0) < np.inf

    def test_nothing_is_asked_for_where_recordings_say_it(self, motion):
        """Up to the highest recorded kd."""
        assert self.of(motion, 0.0) == self.of(motion, KD) == 0.0

    def test_joints_that_were_not_damped_are_damped_here(self, motion):
        """A recording with kd 0 at the hips is asked for the same."""
        kd = motion.kd.copy()
        kd[:, ::3] = 0.0
        assert self.of(changed(motion, kd=kd), 4.0) == pytest.approx(self.of(motion, 4.0), rel=0.5)


def test_a_net_that_was_asked_to_does_not_sing(motion, tmp_path):
    """Trained at kd 1 and 2, called every 5 ms at 5: nearly as near to the motor as at 2; without, far off."""
    data = [series(one, where="here", label="tau_joint") for one in (made(1.0, "soft", 4.0), motion)]
    unseen = [made(2.0, "shown", 3.0), made(5.0, "beyond", 3.0)]
    asked = dataclasses.replace(FIVE, through=dataclasses.replace(FIVE.through, stable_to=6.0))
    error = {}
    for name, config in (("without", FIVE), ("with", asked)):
        run = train(config, data, tmp_path / name)
        for one in replay([run], unseen):
            if one.predictor == "mlp":
                error[name, one.recording] = float(np.sqrt(np.square(one.q_replayed - one.q).mean()))
    assert error["with", "beyond"] < 2.0 * error["with", "shown"] < 4.0 * error["without", "shown"]
    assert error["without", "beyond"] > 5.0 * error["with", "beyond"]
