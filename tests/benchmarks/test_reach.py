"""How near everything comes to what the virtual Go2 hides, from sessions over real DDS; `make reach` alone runs it.

Two sessions of a minute are learned from, a third with amplitudes and gains between theirs is judged. Every session has
a virtual Go2 of its own, whose truth is read only here. The figures are printed, and held to bounds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import JITTER, ROOT, verb
from held_up import was_held_up

from collect.joints import KINDS
from collect.link import free_domain
from collect.recording import Recording, read
from collect.virtual.motors import load
from identify import dataset, parameters, runs
from identify.dataset import stretches
from identify.drive import PHYSICS
from identify.evaluate import evaluate
from identify.parameters import Parameters
from identify.replay import Predictor, course, predictors, replayed

pytestmark = [
    pytest.mark.dds,
    pytest.mark.skipif(os.environ.get("REACH") != "full", reason="a quarter of an hour: make reach runs it"),
]

MOTORS = load(None)
TRIES = 8
"""Sessions are stopped by a computer that stands still for 20 ms, as they must be."""


@dataclass(frozen=True)
class Session:
    """One that went through, and what its robot hid."""

    file: Path
    reception: float
    """From sampling a state to receiving the command that answers it, mean over the segments [s]."""

    @property
    def recording(self) -> Recording:
        return read(self.file)


def recorded(name: str, out: Path) -> Session:
    """Run configs/collect/reach_NAME.yaml until it is not held up."""
    plan = out / f"{name}.plan"
    assert verb("collect", "plan", ROOT / "configs" / "collect" / f"reach_{name}.yaml", "--out", plan).returncode == 0
    for attempt in range(TRIES):
        truth, session = out / f"{name}-{attempt}.truth.h5", f"{name}-{attempt}"
        with free_domain() as domain:
            command = [sys.executable, "-m", "collect", "robot", "--domain", str(domain), "--truth", str(truth)]
            robot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            try:
                assert robot.stdout is not None
                assert "ready" in robot.stdout.readline()
                where = ("--interface", "lo", "--domain", domain, "--out", out / "sessions", "--session", session)
                done = verb("collect", "run", plan, *where, *JITTER)
            finally:
                robot.send_signal(signal.SIGTERM)
                robot.wait(20)
        if done.returncode == 0:
            file = out / "sessions" / f"{session}.h5"
            return Session(file, reception(read(file), truth))
        assert was_held_up(done.stderr + done.stdout), done.stderr
    pytest.fail(f"{name}: held up {TRIES} times")


def reception(recording: Recording, truth: Path) -> float:
    """See `Session.reception`; the robot's own time is that of its ticks."""
    with h5py.File(truth) as file:
        rows = file["rows"][()]
    assert recording.tick is not None
    known = np.concatenate([np.arange(rows_.start, rows_.stop) for rows_ in stretches(recording)])
    at = np.searchsorted(rows["tick"], recording.tick[known])
    return 1.0 / recording.rate - float(rows["command_age"][at].mean())


def hidden(late: float) -> Parameters:
    """The motors as `identify fit` would say it, of commands that are received `late` after a row [s]."""
    coulomb, gains = np.array(MOTORS.coulomb), tuple(MOTORS.torque_scale)
    return Parameters(
        armature=MOTORS.armature,
        viscous=MOTORS.viscous,
        dry=MOTORS.coulomb,
        breakaway=tuple(coulomb * (np.array(MOTORS.breakaway) - 1.0)),
        stribeck=MOTORS.stribeck_speed,
        load=MOTORS.load_friction,
        spring=gains,
        damper=gains,
        offset=(0.0,) * 12,
        delay=tuple(np.array(MOTORS.delay) + late),
        lag=tuple(0.5 / np.pi / np.array(MOTORS.bandwidth)),
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reach")


@pytest.fixture(scope="module")
def sessions(out: Path) -> Mapping[str, Session]:
    return {name: recorded(name, out) for name in ("soft", "stiff", "unseen")}


def shipped(name: str, out: Path, sessions: Mapping[str, Session]) -> runs.Run:
    """A net as shipped, of both sessions that are learned from."""
    data = ("--data", sessions["soft"].file, sessions["stiff"].file, "--out", out / name)
    done = verb("identify", "train", f"configs/identify/{name}.yaml", *data, timeout=3600.0)
    assert done.returncode == 0, done.stderr
    return runs.load(out / name)


@pytest.fixture(scope="module")
def trained(out: Path, sessions: Mapping[str, Session]) -> runs.Run:
    """The net of the lowest torque error."""
    return shipped("mlp_fast", out, sessions)


@pytest.fixture(scope="module")
def fitted(out: Path, sessions: Mapping[str, Session]) -> Parameters:
    files = (sessions["soft"].file, sessions["stiff"].file, "--out", out / "parameters.yaml")
    done = verb("identify", "fit", *files, timeout=1800.0)
    assert done.returncode == 0, done.stderr
    return parameters.load(out / "parameters.yaml").parameters


@pytest.fixture(scope="module")
def moving(out: Path, sessions: Mapping[str, Session]) -> runs.Run:
    """The net of the lowest motion error."""
    return shipped("mlp_motion", out, sessions)


def test_torque_comes_within_15_percent_of_the_floor(sessions: Mapping[str, Session], trained: runs.Run) -> None:
    """Of amplitudes and gains between the trained ones; the floor is what a repeat of them differs by, over √2."""
    (judged,) = evaluate(trained, dataset.load([sessions["unseen"].file]))
    assert judged.floor is not None
    floor = np.array([getattr(judged.floor, kind) for kind in KINDS])
    print("\ntorque of the unseen session, RMSE of hip / thigh / calf [Nm]; the floor is", floor.round(4))
    ratios = {}
    for score in judged.scores:
        rmse = np.array([score.errors.rmse_of(kind) for kind in KINDS])
        ratios[score.predictor] = rmse / floor
        print(f"  {score.predictor:12}", rmse.round(4), "times the floor:", ratios[score.predictor].round(2))
    assert (ratios["mlp"] < 1.15).all()


def test_parameters_come_back(sessions: Mapping[str, Session], fitted: Parameters) -> None:
    """Delay, counted from the command's reception by the robot, armature, dry and viscous friction of each motor."""
    late = float(np.mean([sessions[name].reception for name in ("soft", "stiff")]))
    true = hidden(late)
    off = {name: np.array(getattr(fitted, name)) / getattr(true, name) - 1.0 for name in ("armature", "dry", "viscous")}
    delay = np.array(fitted.delay) - true.delay
    print(f"\ncommands were received {1e3 * late:.2f} ms after the state that they answered was sampled")
    print("  delay off by [ms]:", (1e3 * delay).round(2))
    for name, values in off.items():
        print(f"  {name} off by [%]:", (100.0 * values).round(1))
    assert np.abs(delay).max() < 2e-4
    assert np.abs(off["armature"]).max() < 0.05
    assert max(np.abs(off["dry"]).max(), np.abs(off["viscous"]).max()) < 0.10


def test_motion_comes_within_half_more_than_the_truth_leaves(
    sessions: Mapping[str, Session], fitted: Parameters, moving: runs.Run
) -> None:
    """From the unseen commands alone, each segment from its start, beside replaying the motors' own parameters.

    What was fitted does; a net, which is not told the form of the law, within six times, and within half of
    friction_pd, which carries its friction as the net does.
    """
    recording, found = sessions["unseen"].recording, {}
    courses = [course(recording, list(stretches(recording)))]
    known = {"truth": hidden(sessions["unseen"].reception), "fit": fitted}
    moves = [Predictor(name, parameters.law(one), parameters.beside(one), PHYSICS) for name, one in known.items()]
    moves += [one for one in predictors([moving]) if one.name in ("friction_pd", "mlp")]
    print("\nmotion of the unseen session, RMSE of hip / thigh / calf [mrad]")
    for one in moves:
        (moved,) = replayed(one, courses)
        found[one.name] = np.array([moved.rmse_mrad(kind) for kind in KINDS])
        ratio = found[one.name] / found["truth"]
        print(f"  {one.name:11}", found[one.name].round(2), "times the truth's:", ratio.round(2))
    assert (found["fit"] < 1.5 * found["truth"]).all()
    assert (found["mlp"] < 6.0 * found["truth"]).all()
    assert (found["mlp"] < found["friction_pd"] / 2.0).all()
