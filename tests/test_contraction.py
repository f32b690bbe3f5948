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
from identify.unrolled import Pieces, Surrogate, pieces, tracks

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


def served(motion: Recording, surrogate: Surrogate) -> Pieces:
    """All of it in pieces."""
    found = tracks(surrogate.features, series(motion, where="here", label="tau_joint"), np.ones(len(motion), bool))
    made = pieces(found, surrogate.past, 100, 0)
    assert made is not None
    return made


class TestLoss:
    """Of kp·e − kd·dq, held for 5 ms: a joint of .02 kg·m² is stable below kd 8."""

    @staticmethod
    def of(motion: Recording, stable_to: float) -> float:
        features = dataclasses.replace(FEATURES, position_rate=False, velocity=False)
        net = pd_net(1.0, dataclasses.replace(CONFIG, features=features))
        surrogate = Surrogate(features, net)
        draw = np.random.default_rng(0)
        calls = range(surrogate.past, surrogate.past + 40)
        with torch.no_grad():
            return float(contraction.loss(surrogate, served(motion, surrogate), calls, stable_to, draw))

    def test_a_push_is_forgotten_where_the_law_is_stable(self, motion):
        """At the recorded kd; one that is asked for below it changes nothing."""
        assert self.of(motion, KD) < 0.01
        assert self.of(motion, 0.5 * KD) == self.of(motion, KD)

    def test_it_grows_where_the_law_is_not(self, motion):
        """By orders of magnitude within .2 s."""
        assert self.of(motion, 40.0) > 5.0


def test_a_net_that_was_asked_to_does_not_sing(motion, tmp_path):
    """Trained at kd 1 and 2, called every 5 ms at 5: as near to the motor as at 2, where without it it diverges."""
    data = [series(one, where="here", label="tau_joint") for one in (made(1.0, "soft", 4.0), motion)]
    unseen = [made(2.0, "as-known", 3.0), made(5.0, "beyond", 3.0)]
    asked = dataclasses.replace(FIVE, through=dataclasses.replace(FIVE.through, stable_to=6.0))
    errors = {}
    for name, config in (("fit", FIVE), ("stable", asked)):
        run = train(config, data, tmp_path / name)
        for one in replay([run], unseen):
            errors[name, one.recording, one.predictor] = 1e3 * float(np.sqrt(np.square(one.q_replayed - one.q).mean()))
    assert errors["fit", "as-known", "mlp"] < 5.0
    assert errors["fit", "beyond", "mlp"] > 50.0
    assert errors["stable", "as-known", "mlp"] < 5.0
    assert errors["stable", "beyond", "mlp"] < 7.0
