"""Training through the replay: its surrogate goes where MuJoCo goes, and nets that were trained on it drive better."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from moved import KD, KP, delayed, moved, target
from synthetic import changed

from collect.errors import UserError
from collect.recording import Recording
from identify import runs, through
from identify.dataset import ROTOR, Series, series
from identify.drive import PHYSICS, Start, drive
from identify.endurance import endure, forth_and_back
from identify.features import Features
from identify.laws import Commands, forward, lagged
from identify.models import MLP, build
from identify.replay import Predictor, replay
from identify.runs import Run
from identify.settings import LSTMShape, MLPShape, Split, Through, TrainConfig, Training
from identify.train import train
from identify.unrolled import Surrogate, pieces, tracks

pytestmark = pytest.mark.slow

FEATURES = Features(0.002, (0.0, 0.002, 0.004, 0.006, 0.008), position_rate=True, joint_identity=True)
CONFIG = TrainConfig(
    FEATURES,
    mlp=MLPShape(hidden=16, layers=2, residual=True),
    label="tau_joint",
    training=Training(epochs=3, learning_rate=3e-3, batch=512),
    split=Split(train=0.85, validation=0.15),
    through=Through(epochs=8, learning_rate=2e-3, piece=0.8, window=0.1, stable_to=3.0),
)
BARE = {"armature": ROTOR, "viscous": np.zeros(12), "dry": np.zeros(12)}


def pd_net(share: float, config: TrainConfig = CONFIG) -> MLP:
    """A net that is kp·(q_target − q) − kd·dq, times `share`, and no more."""
    model = build(config)
    assert isinstance(model, MLP)
    lags = len(config.features.lags)
    with torch.no_grad():
        for weights in model.net.parameters():
            weights.zero_()
        model.line[0], model.line[lags] = share, -share
    return model


def driven(model: MLP, seconds: float = 2.0) -> Recording:
    """What a logger sees of the bare body under a net."""
    empty = moved(lambda t, q, dq: 0.0 * q, seconds=seconds)
    steps = np.arange(0.0, seconds, PHYSICS)
    gains = np.full((len(empty), 12), KP), np.full((len(empty), 12), KD)
    start = Start(Commands(empty.time, target(empty.time), *gains, steps), target(np.zeros(1))[0], np.zeros(12))
    ((_, q),) = drive([start], lambda parts: lagged(parts, FEATURES, forward(model)), BARE)
    dq = np.gradient(q, PHYSICS, axis=0)
    return changed(empty, q=q[::2].astype(np.float32), dq=dq[::2].astype(np.float32))


def unrolled(model: MLP, along: Series, calls: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the surrogate goes from the start of a recording, and where the recording goes, (calls, 12) each."""
    surrogate = Surrogate(FEATURES, model)
    found = tracks(FEATURES, along, np.ones(len(along.time), dtype=bool))
    one = pieces(found, surrogate.past, calls + 1, 0)
    assert one is not None
    with torch.no_grad():
        went, _ = surrogate.move(one, surrogate.start(one), range(surrogate.past, surrogate.past + calls))
    return went[:, 0].numpy(), one.q[surrogate.past + 1 : surrogate.past + 1 + calls, 0].numpy()


class TestSurrogate:
    def test_it_goes_where_mujoco_goes(self) -> None:
        """Along the motion of the same net for one and a half seconds, within a third of a milliradian."""
        net = pd_net(1.0)
        went, measured = unrolled(net, series(driven(net), where="here"), 750)
        assert np.ptp(measured, axis=0).min() > 0.1
        assert 1e3 * np.sqrt(np.square(went - measured).mean(0)).max() < 0.3

    def test_it_goes_elsewhere_as_mujoco_does(self) -> None:
        """A net a tenth too strong leaves the motion by as much in both."""
        strong = driven(pd_net(1.1))
        went, along = unrolled(pd_net(1.1), series(driven(pd_net(1.0)), where="here"), 750)
        _, truly = unrolled(pd_net(1.1), series(strong, where="here"), 750)
        apart = np.sqrt(np.square(went - along).mean(0))
        assert 1e3 * apart.min() > 0.5
        assert (np.sqrt(np.square(went - truly).mean(0)) < 0.2 * apart).all()

    def test_gradients_flow_through_the_steps(self) -> None:
        """What the last position owes to a weight is what it changes by when the weight is changed."""
        net = pd_net(1.0).double()
        along = tracks(FEATURES, series(driven(net.float()), where="here"), np.ones(1000, dtype=bool))
        surrogate = Surrogate(FEATURES, net)
        one = pieces(along, surrogate.past, 60, 0)
        assert one is not None
        net.line.requires_grad_(True)

        def last() -> torch.Tensor:
            return surrogate.move(one, surrogate.start(one), range(surrogate.past, surrogate.past + 50))[0][-1].sum()

        last().backward()
        assert net.line.grad is not None
        with torch.no_grad():
            before = last()
            net.line[0] += 0.01
            change = float(last() - before) / 0.01
        assert float(net.line.grad[0]) == pytest.approx(change, rel=0.05)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Of a motor with delay and friction: trained step by step, and through the replay too."""
    data = [series(moved(delayed(0.006), "known", 6.0), where="here", label="tau_joint")]
    plain = dataclasses.replace(CONFIG, through=None)
    folder = tmp_path_factory.mktemp("runs")
    made = {"plain": plain, "through": CONFIG}
    return {name: train(config, data, folder / name) for name, config in made.items()}


class TestTraining:
    def test_it_drives_better_than_step_by_step(self, trained: dict[str, Run]) -> None:
        """A longer chirp than it was shown, from commands alone."""
        unseen = moved(delayed(0.006), "unseen", 7.0)
        errors = {}
        for name in ("plain", "through"):
            (last,) = [one for one in replay([trained[name]], [unseen]) if one.predictor == "mlp"]
            errors[name] = float(np.sqrt(np.square(last.q_replayed - last.q).mean()))
        assert errors["through"] < 0.7 * errors["plain"]

    def test_every_pass_is_on_disk(self, trained: dict[str, Run]) -> None:
        """Its error falls; a run without the second training has no such file."""
        rows = (trained["through"].path / "through.csv").read_text().splitlines()
        assert rows[0] == "pass,train_rmse_mrad,validation_rmse_mrad,push_left"
        assert len(rows) == 1 + 8
        assert float(rows[-1].split(",")[1]) < 0.8 * float(rows[1].split(",")[1])
        assert not (trained["plain"].path / "through.csv").exists()

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_on_a_cuda_device_it_learns_the_same(self, trained: dict[str, Run], tmp_path: Path) -> None:
        """Pieces and body are there too; the error of the last pass is within 10 %."""
        data = [series(moved(delayed(0.006), "known", 6.0), where="here", label="tau_joint")]
        there = train(CONFIG, data, tmp_path / "there", device="cuda")
        here, last = ((run.path / "through.csv").read_text().split(",")[-2] for run in (trained["through"], there))
        assert float(last) == pytest.approx(float(here), rel=0.1)

    def test_a_resumed_training_is_that_of_one_go(self, trained: dict[str, Run], tmp_path: Path) -> None:
        """Bit by bit, also when it was cut short between two passes."""
        data = [series(moved(delayed(0.006), "known", 6.0), where="here", label="tau_joint")]

        def cut(one: through.Pass) -> None:
            if one.number == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, data, tmp_path / "run", report_pass=cut)
        resumed = train(CONFIG, data, tmp_path / "run", resume=True)
        assert runs.sha256_of(resumed.path / "best.pt") == runs.sha256_of(trained["through"].path / "best.pt")

    def test_a_motion_that_diverges_is_refused(self, tmp_path: Path) -> None:
        """By steps that are far too large; no net is left that looks as if it had learned."""
        data = [series(moved(delayed(0.006), "known", 6.0), where="here", label="tau_joint")]
        wild = dataclasses.replace(CONFIG, through=dataclasses.replace(CONFIG.through, learning_rate=1.0))
        with pytest.raises(UserError, match="the motion has diverged"):
            train(wild, data, tmp_path / "run")

    @pytest.mark.parametrize(
        "change",
        [
            {"label": "tau_est"},
            {"features": Features(0.002, (0.0, 0.003))},
            {"features": Features(0.002), "mlp": None, "lstm": LSTMShape()},
        ],
    )
    def test_what_cannot_be_trained_so_is_refused(self, change: dict) -> None:
        """The motor's torque does not move a bare body, and lags between calls have no place in its history."""
        with pytest.raises(ValueError, match="through needs"):
            dataclasses.replace(CONFIG, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"learning_rate": 0.0}, "learning_rate above 0"),
        ({"window": 2.0}, "fit into piece"),
        ({"stable_to": 1.0}, "stable_to must be"),
        ({"stable_to": 5.0, "piece": 0.1, "window": 0.1}, "pieces of at least"),
        ({"stable_to": float("nan")}, "stable_to must be"),
    ],
)
def test_impossible_numbers_are_refused(change: dict, words: str) -> None:
    """By the name of the setting."""
    with pytest.raises(ValueError, match=words):
        Through(**change)


def steady(share: float, step: float) -> Predictor:
    """The law as a net that is called every `step`."""
    features = dataclasses.replace(FEATURES, step=step)
    net = pd_net(share)
    physics = step / np.ceil(step / PHYSICS - 1e-9)
    return Predictor("net", lambda parts: lagged(parts, features, forward(net)), BARE, physics)


class TestEndurance:
    @pytest.mark.parametrize("step", [0.002, 0.005])
    def test_a_net_that_damps_repeats_itself_to_the_end(self, trained: dict[str, Run], step: float) -> None:
        """Unseen commands forth and back for 40 s."""
        unseen = moved(delayed(0.006), "unseen", 4.0)
        lasted = endure([trained["through"]], unseen, steady(1.0, step), 40.0)
        assert lasted.stable, lasted.in_words
        assert lasted.seconds >= 40.0
        assert "s of unseen's commands: stable; the last of 6 passes" in lasted.in_words

    def test_commands_never_jump(self) -> None:
        """Turned round and repeated they move from row to row as they did in the recording."""
        once = target(np.arange(0.0, 2.1, 0.002))
        again = np.tile(forth_and_back(once), (2, 1))
        steps = np.abs(np.diff(once, axis=0)).max()
        assert np.abs(np.diff(again, axis=0)).max() <= steps
        np.testing.assert_array_equal(again[: len(once)], once)

    def test_a_net_that_pushes_the_wrong_way_does_not(self, trained: dict[str, Run]) -> None:
        """It ends at the stops."""
        unseen = moved(delayed(0.006), "unseen", 2.0)
        lasted = endure([trained["through"]], unseen, steady(-1.0, 0.002), 6.0)
        assert not lasted.stable
        assert "left its range" in lasted.in_words
