"""Nets asked together are no worse than one, say how sure they are, and where they have never been."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from synthetic import recording, series

from collect.errors import UserError
from collect.joints import BY_KIND
from collect.recording import write
from identify.ensemble import Ensemble, gather
from identify.features import Features
from identify.predict import net
from identify.settings import MLPShape, Split, TrainConfig, Training
from identify.train import train

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    Features(0.002, (0.0, 0.002, 0.004)),
    mlp=MLPShape(hidden=8, layers=1),
    training=Training(learning_rate=5e-3, batch=512, epochs=4),
    split=Split(train=0.7, validation=0.3, cycle=2.0),
)
NOISE = 0.4


@pytest.fixture(scope="module")
def recordings() -> list:
    return [recording("a", kd=1.0, noise=NOISE, seconds=8.0), recording("bb", kd=3.0, noise=NOISE, seconds=8.0)]


@pytest.fixture(scope="module")
def known() -> list:
    return [series("a", kd=1.0, noise=NOISE, seconds=8.0), series("bb", kd=3.0, noise=NOISE, seconds=8.0)]


@pytest.fixture(scope="module")
def members(known: list, tmp_path_factory: pytest.TempPathFactory) -> list:
    folder = tmp_path_factory.mktemp("ensemble")
    return [train(CONFIG, known, folder / f"run{seed}", seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def together(members: list, known: list) -> Ensemble:
    return gather(members, known)


def test_the_mean_is_no_worse_than_the_members(together: Ensemble, members: list) -> None:
    """Its squared error is at most the mean of theirs: errors that differ cancel."""
    unseen = series("unseen", kd=2.0, noise=NOISE)
    rows = unseen.with_past(0.01)

    def mse(torque: np.ndarray) -> float:
        return float(np.square(torque - unseen.torque)[rows].mean())

    mean, _ = together.predict(unseen)
    assert mse(mean) < np.mean([mse(net(run, unseen)) for run in members])


def test_the_spread_holds_the_truth_as_often_as_it_says(together: Ensemble) -> None:
    """68 % within one, 95 % within 1.96, on gains that no member saw, for every kind of joint."""
    unseen = series("unseen", kd=2.0, noise=NOISE, seconds=8.0)
    rows = unseen.with_past(0.01)
    mean, spread = together.predict(unseen)
    share = np.abs(mean - unseen.torque) / spread
    for joints in BY_KIND.values():
        assert (share[rows][:, joints] < 1.0).mean() == pytest.approx(0.68, abs=0.06)
        assert (share[rows][:, joints] < 1.96).mean() == pytest.approx(0.95, abs=0.03)


def test_what_was_never_seen_is_flagged(together: Ensemble, known: list) -> None:
    """A thousandth of the training rows, few of gains between, most of a motion ten times as wide."""
    features = CONFIG.features
    assert together.hull.outside(features, known[0]).mean() < 0.01
    assert together.hull.outside(features, series("between", kd=2.0)).mean() < 0.05
    assert together.hull.outside(features, series("wild", kd=2.0, scale=2.0)).mean() > 0.8


def test_runs_that_are_no_ensemble_are_refused(members: list, known: list) -> None:
    """One alone, the same twice, other settings, other recordings."""
    other = dataclasses.replace(members[1], config=dataclasses.replace(CONFIG, training=Training(epochs=5)))
    for runs, data, message in (
        (members[:1], known, "two runs of different seeds"),
        ([members[0], members[0]], known, "two runs of different seeds"),
        ([members[0], other], known, "not of the configuration"),
        (members, known[:1], "not the recordings of the runs"),
    ):
        with pytest.raises(UserError, match=message):
            gather(runs, data)


def test_the_verb_prints_its_error_and_refuses_what_was_trained_on(
    members: list, recordings: list, tmp_path: Path
) -> None:
    """A row per kind of joint."""
    for one in recordings:
        write(one, tmp_path / "known" / f"{one.session}.h5")
    write(recording("unseen", kd=2.0), tmp_path / "unseen.h5")
    command = ("identify", "ensemble", *(run.path for run in members), "--trained-on", tmp_path / "known", "--data")
    done = verb(*command, tmp_path / "unseen.h5")
    assert done.returncode == 0, done.stderr
    assert "3 nets together" in done.stdout
    refused = verb(*command, tmp_path / "known")
    assert refused.returncode == 2
    assert "trained on this" in refused.stderr
