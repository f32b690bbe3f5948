"""Training: it learns, it stops, it resumes exactly, and it never sees what judges it."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import changed, recording, series

from collect.config import dump
from collect.errors import UserError
from identify import evaluate, fit, predict, runs, split
from identify.baselines import NAMES as BASELINES
from identify.batches import pieces, samples
from identify.dataset import Series, inputs
from identify.dataset import series as prepare
from identify.features import Features
from identify.fit import Epoch
from identify.models import build
from identify.settings import LSTMShape, MLPShape, Split, StatelessShape, TrainConfig, Training
from identify.train import serve, train

pytestmark = pytest.mark.slow

MLP = TrainConfig(
    Features(0.005, (0.0, 0.005, 0.010)),
    mlp=MLPShape(hidden=16, layers=2),
    training=Training(learning_rate=5e-3, batch=512, epochs=6, patience=6),
    split=Split(cycle=2.0),
)
LSTM = TrainConfig(
    Features(0.005),
    lstm=LSTMShape(hidden=8, head=8, window=0.1, span=1.0, warm_up=0.1),
    training=Training(learning_rate=5e-3, batch=16, epochs=4, patience=4),
    split=Split(cycle=2.0),
)
AVERAGED = dataclasses.replace(LSTM, training=dataclasses.replace(LSTM.training, averaging=0.9))
CONFIGS = pytest.mark.parametrize("config", [MLP, LSTM, AVERAGED], ids=["mlp", "lstm", "averaged"])
GRU = dataclasses.replace(LSTM, lstm=None, gru=LSTM.lstm)
STATELESS = dataclasses.replace(MLP, mlp=None, stateless_lstm=StatelessShape(hidden=16, head=8))
PER_KIND = dataclasses.replace(
    MLP,
    features=dataclasses.replace(MLP.features, kind_identity=True),
    mlp=dataclasses.replace(MLP.mlp, per_kind=True),
)


def now(one: Series, features: Features) -> tuple[np.ndarray, ...]:
    """What a net sees at every row of a recording in one stretch."""
    return one.seen(features, slice(None), one.time)


@pytest.fixture(scope="module")
def data() -> list[Series]:
    return [series("a", kd=1.0), series("b", kd=3.0)]


def with_training(config: TrainConfig, **changes: object) -> TrainConfig:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))


class TestLearning:
    @pytest.mark.parametrize("config", [MLP, LSTM, GRU, STATELESS, PER_KIND], ids=lambda c: c.kind)
    def test_the_validation_error_falls(self, config: TrainConfig, data: list[Series], tmp_path: Path) -> None:
        """And history.csv says so, one line per epoch."""
        seen: list[Epoch] = []
        run = train(config, data, tmp_path / "run", report=seen.append)
        assert seen[-1].best < 0.6 * seen[0].validation
        rows = list(csv.DictReader((run.path / "history.csv").open()))
        assert [float(row["validation_rmse_nm"]) for row in rows] == [epoch.validation for epoch in seen]
        (*_, (name, torque)) = predict.torques(run, data[0]).items()
        assert name == config.kind
        assert np.isfinite(torque[data[0].with_past(0.0)]).all()

    def test_a_net_beats_the_law_without_delay_on_a_delayed_motor(self, data: list[Series], tmp_path: Path) -> None:
        """On the test rows, which it has not seen."""
        run = train(with_training(MLP, epochs=20, patience=20), data, tmp_path / "run")
        for judgement in evaluate.evaluate(run, data):
            ideal, *_, net = (score.errors for score in judgement.scores)
            assert net.mse.mean() < 0.5 * ideal.mse.mean()

    def test_a_residual_net_starts_from_the_straight_line_and_leaves_it_alone(
        self, data: list[Series], tmp_path: Path
    ) -> None:
        """The line is the least squares of the training rows; the layers learn what it leaves."""
        config = with_training(MLP, epochs=3)
        config = dataclasses.replace(config, mlp=dataclasses.replace(config.mlp, residual=True))
        seen: list[Epoch] = []
        run = train(config, data, tmp_path / "run", report=seen.append)
        parts = [split.rows(one, run.facts.split, config.split, split.gap(config)) == split.TRAIN for one in data]
        x, y = (
            np.concatenate([get(one, rows) for one, rows in zip(data, parts, strict=True)])
            for get in (
                lambda one, rows: inputs(config.features, one, rows).reshape(-1, config.features.width),
                lambda one, rows: one.torque[rows].reshape(-1, 1),
            )
        )
        weights = np.linalg.lstsq(x.astype(float), y, rcond=None)[0]
        line = run.model.line / run.model.input_scale[:, None] * run.model.output_scale
        np.testing.assert_allclose(x @ line.numpy(), x @ weights, atol=0.01 * y.std())
        plain = train(with_training(MLP, epochs=3), data, tmp_path / "plain")
        (mine,), (theirs,) = (evaluate.evaluate(one, [series("new", kd=2.0)]) for one in (run, plain))
        assert mine.scores[-1].errors.mse.mean() < 0.5 * theirs.scores[-1].errors.mse.mean()
        assert seen[-1].best < np.sqrt(np.square(x @ weights - y).mean())

    @CONFIGS
    def test_best_is_the_epoch_of_the_lowest_validation_error(
        self, config: TrainConfig, data: list[Series], tmp_path: Path
    ) -> None:
        """best.pt, judged again, gives the number that history.csv calls best, though later epochs were worse."""
        seen: list[Epoch] = []
        rough = with_training(config, learning_rate=0.3, epochs=12, patience=4)
        run = train(rough, data, tmp_path / "run", report=seen.append)
        assert seen[-1].stale > 0
        rows = [evaluate.parts(run, one) == split.VALIDATION for one in data]
        served = serve(config, data, rows, torch.device("cpu"))
        assert fit.validate(run.model, served) == pytest.approx(min(epoch.validation for epoch in seen), rel=1e-6)

    def test_where_weights_are_averaged_the_average_is_what_is_kept(self, data: list[Series], tmp_path: Path) -> None:
        """After one epoch its steps' running average, which the last step is not; resuming needs both."""
        run = train(with_training(AVERAGED, epochs=1), data, tmp_path / "run")
        last = torch.load(run.path / "last.pt", weights_only=True)
        for name, kept in run.model.state_dict().items():
            assert torch.equal(kept, last["average"][f"module.{name}"]), name
        assert not torch.equal(run.model.lstm.weight_ih_l0, last["model"]["lstm.weight_ih_l0"])

    @CONFIGS
    def test_one_seed_gives_one_net(self, config: TrainConfig, data: list[Series], tmp_path: Path) -> None:
        """Bit by bit; another seed gives another."""
        config = with_training(config, epochs=2)
        first, again, other = (
            train(config, data, tmp_path / name, seed=seed).facts.best_sha256
            for name, seed in (("a", 1), ("b", 1), ("c", 2))
        )
        assert first == again != other


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestCuda:
    """The same code with the data on the device; what it writes is read anywhere."""

    @CONFIGS
    def test_it_learns_what_the_cpu_learns(self, config: TrainConfig, data: list[Series], tmp_path: Path) -> None:
        """Validation errors within 5 %, for sums are in another order; inputs and order are the same."""
        errors: dict[str, list[float]] = {"cpu": [], "cuda": []}
        for device, found in errors.items():
            run = train(
                config, data, tmp_path / device, device=device, report=lambda e, f=found: f.append(e.validation)
            )
            assert all(value.device.type == "cpu" for value in run.model.state_dict().values())
        assert errors["cuda"] == pytest.approx(errors["cpu"], rel=0.05)

    def test_a_resumed_training_goes_on_there(self, data: list[Series], tmp_path: Path) -> None:
        with pytest.raises(StopHereError):
            train(AVERAGED, data, tmp_path / "run", device="cuda", report=interrupt_after(2))
        assert len(train(AVERAGED, data, tmp_path / "run", device="cuda", resume=True).facts.best_sha256 or "") == 64


class TestStopping:
    def test_it_stops_when_patience_runs_out(self, data: list[Series], tmp_path: Path) -> None:
        """With a step size that cannot improve, after the first epoch and `patience` more."""
        seen: list[Epoch] = []
        train(with_training(MLP, learning_rate=1.0, epochs=500, patience=3), data, tmp_path / "run", report=seen.append)
        assert seen[-1].stale == 3
        assert len(seen) < 500
        assert all(epoch.stale < 3 for epoch in seen[:-1])

    def test_a_loss_that_is_not_finite_stops_with_a_refusal(
        self, data: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last sound epoch stays on disk and the run stays unfinished."""
        sound = fit._set_rate

        def poison(optimizer: torch.optim.Adam, settings: Training, number: int) -> None:
            sound(optimizer, settings, number)
            if number == 3:
                optimizer.param_groups[0]["params"][0].data.fill_(float("nan"))

        monkeypatch.setattr(fit, "_set_rate", poison)
        with pytest.raises(UserError, match="not finite"):
            train(MLP, data, tmp_path / "run")
        last = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
        assert len(last["history"]) == 2
        assert all(torch.isfinite(value).all() for value in last["model"].values())
        with pytest.raises(UserError, match="did not finish"):
            runs.load(tmp_path / "run")


class StopHereError(Exception):
    pass


def interrupt_after(number: int):
    def report(epoch: Epoch) -> None:
        if epoch.number == number:
            raise StopHereError

    return report


class TestResuming:
    @CONFIGS
    def test_a_resumed_training_is_the_uninterrupted_one(
        self, config: TrainConfig, data: list[Series], tmp_path: Path
    ) -> None:
        """Stopped after two epochs and resumed: the same bytes of net, optimiser and history."""
        whole = train(config, data, tmp_path / "whole", seed=3)
        with pytest.raises(StopHereError):
            train(config, data, tmp_path / "cut", seed=3, report=interrupt_after(2))
        cut = train(config, data, tmp_path / "cut", seed=3, resume=True)
        assert cut.facts == whole.facts
        for name in ("best.pt", "last.pt", "history.csv", "config.yaml", "run.json"):
            assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes(), name

    def test_a_run_stopped_before_its_first_epoch_can_be_resumed(self, data: list[Series], tmp_path: Path) -> None:
        """There is no last.pt yet, so it starts."""
        with pytest.raises(StopHereError):
            train(MLP, data, tmp_path / "run", report=interrupt_after(1))
        for name in ("last.pt", "best.pt", "history.csv"):
            (tmp_path / "run" / name).unlink()
        assert train(MLP, data, tmp_path / "run", resume=True).facts.best_sha256

    def test_a_run_that_exists_is_refused(self, data: list[Series], tmp_path: Path) -> None:
        """Nothing in it changes."""
        (tmp_path / "run").mkdir()
        with pytest.raises(UserError, match="never overwritten"):
            train(MLP, data, tmp_path / "run")
        assert not list((tmp_path / "run").iterdir())

    def test_only_the_same_training_can_be_resumed(self, data: list[Series], tmp_path: Path) -> None:
        """Not with another configuration, other data or another seed, and not where there is none."""
        train(with_training(MLP, epochs=1), data, tmp_path / "run")
        for what, config, recordings, seed in (
            ("configuration", with_training(MLP, epochs=2), data, 0),
            ("data", with_training(MLP, epochs=1), data[:1], 0),
            ("seed", with_training(MLP, epochs=1), data, 1),
        ):
            with pytest.raises(UserError, match=f"the {what} is not that of the run"):
                train(config, recordings, tmp_path / "run", seed=seed, resume=True)
        with pytest.raises(UserError, match="not a run"):
            train(MLP, data, tmp_path / "none", resume=True)

    def test_a_damaged_checkpoint_is_refused(self, data: list[Series], tmp_path: Path) -> None:
        """One line and no traceback."""
        train(with_training(MLP, epochs=1), data, tmp_path / "run")
        (tmp_path / "run" / "last.pt").write_bytes(b"garbage")
        with pytest.raises(UserError, match=r"cannot go on from last\.pt"):
            train(with_training(MLP, epochs=1), data, tmp_path / "run", resume=True)


class TestNothingLeaks:
    @CONFIGS
    def test_torques_of_validation_and_test_rows_never_reach_the_net(
        self, config: TrainConfig, data: list[Series], tmp_path: Path
    ) -> None:
        """Replace every test torque by 1000 Nm: the net, the scales and the baselines are the same."""
        config = with_training(config, epochs=2)
        rows = [split.rows(one, split.assign(data, config.split), config.split, split.gap(config)) for one in data]
        poisoned = [
            dataclasses.replace(one, torque=np.where((part == split.TEST)[:, None], 1e3, one.torque))
            for one, part in zip(data, rows, strict=True)
        ]
        clean, other = train(config, data, tmp_path / "a"), train(config, poisoned, tmp_path / "b")
        assert clean.facts.best_sha256 == other.facts.best_sha256
        assert clean.baselines == other.baselines

    @CONFIGS
    def test_training_torques_do_reach_the_net(self, config: TrainConfig, data: list[Series], tmp_path: Path) -> None:
        """The same with training rows changes the net: the test above can fail."""
        config = with_training(config, epochs=2)
        rows = [split.rows(one, split.assign(data, config.split), config.split, split.gap(config)) for one in data]
        poisoned = [
            dataclasses.replace(one, torque=one.torque + (part == split.TRAIN)[:, None])
            for one, part in zip(data, rows, strict=True)
        ]
        clean, other = train(config, data, tmp_path / "a"), train(config, poisoned, tmp_path / "b")
        assert clean.facts.best_sha256 != other.facts.best_sha256

    def test_a_recording_it_was_trained_on_is_judged_on_its_test_rows(self, data: list[Series], tmp_path: Path) -> None:
        """Also under another name; a recording it has not seen is judged on all rows with a past."""
        run = train(with_training(MLP, epochs=1), data, tmp_path / "run")
        known, unseen = dataclasses.replace(data[0], name="renamed"), series("new", kd=2.0)
        first, second = evaluate.evaluate(run, [known, unseen])
        assert first.rows.startswith("the test part")
        assert first.scores[0].errors.rows == int((evaluate.parts(run, data[0]) == split.TEST).sum()) < 700
        assert second.scores[0].errors.rows == int(unseen.with_past(0.010).sum()) == 1995

    def test_all_predictors_are_judged_on_the_same_rows(self, data: list[Series], tmp_path: Path) -> None:
        """Repeated states included."""
        run = train(with_training(MLP, epochs=1), data, tmp_path / "run")
        repeated = dataclasses.replace(series("new"), repeated=np.arange(2000) % 3 == 0)
        (judgement,) = evaluate.evaluate(run, [repeated])
        assert [score.predictor for score in judgement.scores] == [*BASELINES, "mlp"]
        assert {score.errors.rows for score in judgement.scores} == {1995}


class TestServing:
    def test_a_sample_is_one_joint_of_one_chosen_row(self) -> None:
        """Inputs and torque of the same row and joint stay together."""
        one = series(kd=1.0)
        rows = np.arange(len(one.time)) % 100 == 50
        served = samples(Features(0.005), [one], [rows], 7, torch.device("cpu"))
        assert served.x.shape == (20 * 12, 2)
        error, speed = now(one, Features(0.005))
        np.testing.assert_allclose(served.x[12 * 3 + 5], [error[350, 5], speed[350, 5]], rtol=1e-5)
        assert float(served.y[12 * 3 + 5]) == pytest.approx(one.torque[350, 5], rel=1e-6)

    def test_an_epoch_holds_every_sample_once(self) -> None:
        """Sums over batches, in any order, are the sum over all."""
        served = samples(Features(0.005), [one := series()], [one.with_past(0.0)], 999, torch.device("cpu"))
        model = build(TrainConfig(Features(0.005), mlp=MLPShape(4, 1)))
        whole = float((model(served.x) - served.y).square().sum().detach())
        for order in (None, torch.Generator().manual_seed(0)):
            losses = [(loss.detach(), count) for loss, count in served.losses(model, order)]
            assert float(sum(loss for loss, _ in losses)) == pytest.approx(whole, rel=1e-5)
            assert float(sum(count for _, count in losses)) == 2000 * 12

    def test_pieces_count_every_chosen_row_in_one_phase_or_another(self) -> None:
        """500 Hz called every 5 ms in three phases; 1 s pieces with 0.1 s of cold start before all but the first."""
        one = series(seconds=2.5)
        shape = LSTMShape(span=1.0, warm_up=0.1, window=0.25)
        served = pieces(Features(0.005), shape, [one], [one.with_past(0.0)], 8, torch.device("cpu"))
        assert served.x.shape == (3, 3 * 12, 220, 2)
        assert served.window == 50
        # 2.5 s less the last row's 2 ms hold 500 calls in the first phase and 499.3 in the others.
        assert served.counts[:, ::12].sum((1, 2)).tolist() == [500, 500, 499]
        assert served.counts[0, 12, :20].sum() == 0
        assert served.counts[0, 12, 20:].all()
        error, speed = now(one, Features(0.005))
        np.testing.assert_allclose(served.x[0, 12 + 4, 20], [error[500, 4], speed[500, 4]], rtol=1e-4)
        assert float(served.y[0, 12 + 4, 20]) == pytest.approx(one.torque[500, 4], rel=1e-5)

    @pytest.mark.parametrize("kind", ["samples", "pieces"])
    def test_balanced_recordings_weigh_alike(self, kind: str) -> None:
        """One of 4 s beside one of 1 s: the errors of each make half of the loss, and the sum of weights stays."""
        data = [series("long", seconds=4.0), series("short", seconds=1.0)]
        rows = [one.with_past(0.0) for one in data]

        def halves(**more: bool) -> tuple[float, float]:
            """Sums of squares when the torque of one recording alone is wrong, by 1 Nm in every row."""
            found = []
            for wrong in (0, 1):
                made = [replaced(one, i == wrong) for i, one in enumerate(data)]
                if kind == "samples":
                    served = samples(Features(0.002), made, rows, 999, torch.device("cpu"), **more)
                    found.append(sum(float(s) for s, _ in served.losses(lambda x: 0.0 * x[:, :1], None)))
                else:
                    shape = LSTMShape(span=1.0, warm_up=0.0, window=0.5)
                    served = pieces(Features(0.002), shape, made, rows, 8, torch.device("cpu"), **more)
                    found.append(float((served.y.square() * served.counts).sum()))
            return found[0], found[1]

        def replaced(one: Series, wrong: bool) -> Series:
            return dataclasses.replace(one, torque=np.full_like(one.torque, float(wrong)))

        assert halves() == pytest.approx((2000 * 12, 500 * 12))
        assert halves(balanced=True) == pytest.approx((2500 * 6, 2500 * 6), rel=1e-4)

    def test_no_piece_crosses_a_stretch(self) -> None:
        """A gap of 0.1 s in a log of 2 s makes two stretches, four pieces, and no interpolation across."""
        original = recording(seconds=2.0)
        time = original.time + 0.1 * (np.arange(1000) >= 500)
        one = prepare(changed(original, time=time), where="x")
        shape = LSTMShape(span=0.6, warm_up=0.1)
        served = pieces(Features(0.002), shape, [one], [one.with_past(0.0)], 8, torch.device("cpu"))
        assert served.y.shape == (1, 4 * 12, 350)
        assert served.counts[0, ::12].sum(1).tolist() == [300, 200, 300, 200]

    def test_a_window_carries_the_state_of_the_one_before(self) -> None:
        """In eval mode the windows' losses add up to that of one long call."""
        one = series(seconds=1.0)
        served = pieces(Features(0.005), LSTM.lstm, [one], [one.with_past(0.0)], 100, torch.device("cpu"))
        torch.manual_seed(0)
        model = build(LSTM).eval()
        torque, _ = model(served.x[0], model.rest(12))
        whole = float(((torque[..., 0] - served.y[0]).square() * served.counts[0]).sum().detach())
        assert float(sum(loss.detach() for loss, _ in served.losses(model, None))) == pytest.approx(whole, rel=1e-5)


class TestPredicting:
    def test_an_mlp_is_asked_at_every_row(self) -> None:
        """Row by row it is the net on that row's inputs."""
        one, features = series(), Features(0.005, (0.0, 0.005))
        model = build(TrainConfig(features, mlp=MLPShape(4, 1))).eval()
        torque = predict.columnwise(features, model, one)
        x = torch.from_numpy(predict.inputs(features, one, one.with_past(0.0)))
        np.testing.assert_allclose(torque[77], model(x[77]).detach().numpy()[:, 0], rtol=1e-6)

    def test_an_lstm_is_called_every_step_with_its_state(self) -> None:
        """At the log's own step it is one long call; chunks do not show."""
        one, features = series(), Features(0.002)
        model = build(LSTM).eval()
        x = np.stack(now(one, Features(0.005)), axis=-1, dtype=np.float32).transpose(1, 0, 2)
        with torch.no_grad():
            whole = model(torch.from_numpy(x), model.rest(12))[0][..., 0].numpy().T
        predict_chunk, predict._CHUNK = predict._CHUNK, 120
        try:
            np.testing.assert_allclose(predict.recurrent(features, model, one), whole, atol=1e-5)
        finally:
            predict._CHUNK = predict_chunk

    def test_an_lstm_of_a_longer_step_keeps_its_step(self) -> None:
        """At 5 ms on a 500 Hz log, rows 0, 5, 10, … are its own calls 0, 2, 4, …, from rest."""
        one, features = series(), Features(0.005)
        model = build(LSTM).eval()
        error, speed = (term[::5] for term in now(one, Features(0.005)))
        halves = [np.interp(np.arange(0.0, 1.99, 0.005), one.time, term[:, 0]) for term in now(one, Features(0.005))]
        x = torch.from_numpy(np.stack(halves, axis=-1).astype(np.float32))[None]
        with torch.no_grad():
            own = model(x, model.rest(1))[0][0, ::2, 0].numpy()
        np.testing.assert_allclose(x[0, ::2, 0], error[: len(own), 0], rtol=1e-4)
        np.testing.assert_allclose(x[0, ::2, 1], speed[: len(own), 0], rtol=1e-4)
        np.testing.assert_allclose(predict.recurrent(features, model, one)[::5, 0][: len(own)], own, atol=1e-5)


class TestRefusals:
    def test_a_recording_too_short_to_split_is_refused(self, tmp_path: Path) -> None:
        """1 s of a 4 s cycle is all training: nothing could stop it."""
        config = dataclasses.replace(MLP, split=Split())
        with pytest.raises(UserError, match="no validation rows"):
            train(config, [series(seconds=1.0)], tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_shipped_configurations_are_sound(self) -> None:
        """They load, and say what the field knows: 6 → 4 × 100 at 8e-4, 2 × 64 at 1e-3."""
        from collect.config import load as load_config

        folder = Path(__file__).parents[1] / "configs" / "identify"
        mlp, fast, lstm = (load_config(folder / f"{name}.yaml", TrainConfig) for name in ("mlp", "mlp_fast", "lstm"))
        assert mlp.features == Features(0.005, (0.0, 0.005, 0.010))
        assert mlp.features.width == 6
        assert mlp.mlp == MLPShape(100, 4)
        assert (mlp.training.learning_rate, mlp.training.batch, mlp.training.patience) == (8e-4, 4096, 10)
        assert fast.features.step == 0.002
        assert fast.features.joint_identity
        assert (lstm.lstm.hidden, lstm.lstm.layers, lstm.lstm.dropout, lstm.lstm.head) == (64, 2, 0.1, 32)
        assert (lstm.training.learning_rate, lstm.training.patience) == (1e-3, 15)
        assert dump(lstm).startswith("features:")
