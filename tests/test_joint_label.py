"""A net can learn the torque that moved the joint instead of what the motor reports: no sensor, friction inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from moved import moved, run, target
from synthetic import changed

from collect.body import ARMATURE, DRY, VISCOUS
from collect.config import dump
from collect.errors import UserError
from collect.joints import HANG, KINDS
from collect.recording import Recording, blank, write
from deploy import export
from identify import replay
from identify.baselines import NAMES as BASELINES
from identify.dataset import ROTOR, series
from identify.features import Features
from identify.joint_torque import motion
from identify.replay_table import beside
from identify.runs import load
from identify.settings import MLPShape, Split, TrainConfig, Training
from identify.train import train

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    Features(0.002, (0.0, 0.002, 0.004, 0.006), position_rate=True, joint_identity=True),
    mlp=MLPShape(hidden=32, layers=2, residual=True),
    label="tau_joint",
    training=Training(learning_rate=5e-3, final_rate=0.05, batch=512, epochs=12, patience=12),
    split=Split(train=0.85, validation=0.15, cycle=2.0),
)


def robot(name: str, seconds: float, width: float) -> Recording:
    """Motors of kp 50 and kd 1.5 without delay, whose gears' friction tau_est does not show."""

    def motor(t: float, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
        return 50.0 * (HANG + width * (target(np.array([t]))[0] - HANG) - q) - 1.5 * dq

    one = moved(motor, name, seconds)
    wanted = HANG + width * (one.q_target - HANG)
    return changed(one, q_target=wanted.astype("f4"), kp=np.full_like(one.kp, 50.0), kd=np.full_like(one.kd, 1.5))


@pytest.fixture(scope="module")
def known() -> Recording:
    return robot("known", 6.0, 3.0)


@pytest.fixture(scope="module")
def trained(known: Recording, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("label")
    blind = changed(known, tau_est=blank(len(known), 12))
    return train(CONFIG, [series(blind, where="x", label="tau_joint")], folder / "run")


def test_the_label_is_link_and_rotor_and_no_friction(known: Recording) -> None:
    """What the motor gave less what its gear ate and what its own rotor has more than ours."""
    data = series(known, where="x", label="tau_joint")
    ddq, dq = motion(known).ddq, known.dq.astype(float)
    expected = known.tau_est - (ARMATURE - ROTOR) * ddq - VISCOUS * dq - DRY * np.tanh(dq / 0.02)
    rows = data.with_past(0.01)
    error = np.sqrt(np.square(data.torque - expected)[rows].mean(0))
    assert (error < 0.1 * expected[rows].std(0) + 0.1).all()


def test_rows_at_the_ends_of_a_stretch_are_left_out(known: Recording) -> None:
    """A parabola with neighbours on one side only is no label."""
    data = series(known, where="x", label="tau_joint")
    assert [(rows.start, rows.stop) for rows in data.stretches] == [(22, len(known) - 22)]
    assert np.isfinite(data.torque[22:-22]).all()


def test_a_log_without_torque_and_velocity_can_be_learned_from(known: Recording) -> None:
    """The velocity of the smoothed motion stands in."""
    blind = changed(known, tau_est=blank(len(known), 12), dq=blank(len(known), 12))
    data = series(blind, where="x", label="tau_joint")
    rows = data.with_past(0.01)
    np.testing.assert_allclose(data.dq[rows], known.dq[rows], atol=0.05 * known.dq.std() + 0.05)
    with pytest.raises(UserError, match="holds no dq"):
        series(blind, where="x")


def test_a_net_of_it_moves_a_bare_body_as_the_robot_moved(trained, known: Recording) -> None:
    """Better than any PD law beside others' friction, on a motion it has not seen; its error is against tau_joint."""
    unseen = robot("unseen", 4.0, 2.0)
    errors = {one.predictor: sum(one.rmse_mrad(kind) for kind in KINDS) for one in replay.replay([trained], [unseen])}
    assert list(errors) == [*BASELINES, "mlp"]
    bare = replay.beside(trained, "mlp")
    assert (bare["armature"] == ROTOR).all()
    assert not bare["dry"].any()
    assert (replay.beside(trained, "delayed_pd")["dry"] == DRY).all()
    assert errors["mlp"] < 30.0
    judgement = replay.torque(trained, unseen)
    assert judgement is not None
    scores = {score.predictor: score.errors.mse.mean() for score in judgement.scores}
    assert scores["mlp"] < 0.2 * scores["delayed_pd"]  # friction is in the label and not in the law
    assert "rotor" in beside("tau_joint")
    assert "rotor" not in beside("tau_est")


def test_the_run_says_what_it_learned_and_the_bundle_sets_no_friction(trained, tmp_path: Path) -> None:
    """Manifest and snippet: label, the rotor's armature, friction nil."""
    assert load(trained.path).facts.label == "tau_joint"
    plain = dataclasses.replace(CONFIG, features=Features(0.005, (0.0, 0.005)))
    loaded = run(tmp_path / "run", plain)
    loaded = dataclasses.replace(loaded, facts=dataclasses.replace(loaded.facts, label="tau_joint"))
    manifest = export.export(loaded, (25.0,), (2.0,), tmp_path / "bundle")
    assert manifest.label == "tau_joint"
    assert {value for group in manifest.groups for value in (*group.dry_friction, *group.viscous_friction)} == {0.0}
    assert {value for group in manifest.groups for value in group.armature} == {0.0045, 0.0165}
    assert "friction included" in (tmp_path / "bundle" / "actuators.py").read_text()


def test_the_verbs_train_and_judge_without_a_torque_sensor(known: Recording, tmp_path: Path) -> None:
    """train and evaluate, on a recording that holds no tau_est."""
    quick = dataclasses.replace(CONFIG, training=Training(epochs=1))
    (tmp_path / "joint.yaml").write_text(dump(quick))
    write(changed(known, tau_est=blank(len(known), 12)), tmp_path / "data" / "known.h5")
    data = ("--data", tmp_path / "data")
    done = verb("identify", "train", tmp_path / "joint.yaml", *data, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["label"] == "tau_joint"
    assert "tau_joint" in (tmp_path / "run" / "report.html").read_text()
    other = changed(known, tau_est=blank(len(known), 12), voltage=np.ones(len(known), np.float32))  # another session
    write(other, tmp_path / "other.h5")
    judged = verb("identify", "evaluate", tmp_path / "run", "--data", tmp_path / "other.h5", "--json", tmp_path / "j")
    assert judged.returncode == 0, judged.stderr
    assert json.loads((tmp_path / "j").read_text())["torque_rmse"]["other"]["mlp"]["hip"] > 0.0
