"""Open-loop replay: the robot judges, and a motor that is known is replayed as it moved."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from moved import KD, KP, delayed, moved, run, straight, target
from rich.console import Console
from rich.table import Column, Table
from synthetic import changed

from collect.body import ARMATURE, DRY, VISCOUS
from collect.convert import convert
from collect.errors import UserError
from collect.joints import KINDS, NAMES, TORQUE
from collect.recording import Recording, read, write
from identify import figures, fitted_torque, predict
from identify import replay as replaying
from identify.baselines import NAMES as BASELINES
from identify.dataset import Label, series
from identify.drive import Start, drive
from identify.features import Features
from identify.laws import Commands, forward, laws
from identify.motion_error import over_frequency, over_time, repeatability_mrad, table
from identify.parameters import Fitted, Margins, Parameters, save
from identify.replay import Replay, chosen, load, replay
from identify.replay_table import beside
from identify.replay_table import table as shown_as
from identify.runs import Assignment
from identify.settings import LSTMShape, MLPShape, TrainConfig
from identify.verbs.terminal import show

pytestmark = pytest.mark.slow

DELAY = 0.0073
PLAIN = TrainConfig(features=Features(0.002), mlp=MLPShape(hidden=8, layers=1))
NETS = {
    "mlp": TrainConfig(Features(0.002, (0.0, 0.003, 0.008)), mlp=MLPShape(hidden=8, layers=2)),
    "identity": TrainConfig(Features(0.004, (0.0, 0.004), joint_identity=True), mlp=MLPShape(hidden=8, layers=2)),
    "lstm": TrainConfig(Features(0.002), lstm=LSTMShape(hidden=8, layers=2)),
}


@pytest.fixture(scope="module")
def robot() -> Recording:
    """A motor that follows its targets 7.3 ms late."""
    return moved(delayed(DELAY))


def true_motors() -> Fitted:
    """The parameters of those motors and of the body that they move."""
    twelve = {field.name: (0.0,) * 12 for field in dataclasses.fields(Parameters)}
    body = {"armature": ARMATURE.tolist(), "viscous": VISCOUS.tolist(), "dry": DRY.tolist()}
    # Its commands are held from the row before: on average a millisecond earlier than the motor's smooth target.
    true = {name: tuple(values) for name, values in body.items()} | {"delay": (DELAY + 0.001,) * 12}
    ones = dict.fromkeys(("spring", "damper", "stribeck"), (1.0,) * 12)
    known = Margins(**dict.fromkeys(twelve, (None,) * 12))
    return Fitted(Parameters(**twelve | ones | true), known, (), (None,) * 12, ())


TRUE = true_motors()


def worst(one: Replay) -> float:
    return max(one.rmse_mrad(kind) for kind in KINDS)


def by_name(replays: Iterable[Replay]) -> dict[str, Replay]:
    return {one.predictor: one for one in replays}


class TestMotion:
    """Commands alone move the body."""

    def test_a_known_motor_is_replayed_within_a_milliradian(self, robot: Recording, tmp_path: Path) -> None:
        """With the true delay and friction; without the delay, or with twice of it, several are off."""
        true = by_name(replay([run(tmp_path / "a", PLAIN, delay=DELAY)], [robot]))
        assert worst(true["delayed_pd"]) < 0.3
        assert worst(true["limited_pd"]) < 0.3  # far from its limits
        assert worst(true["friction_pd"]) < 0.3  # perfect motors
        assert worst(true["ideal_pd"]) > 5.0
        assert worst(by_name(replay([run(tmp_path / "b", PLAIN, delay=2 * DELAY)], [robot]))["delayed_pd"]) > 5.0

    def test_a_delay_of_half_a_millisecond_more_shows(self, robot: Recording, tmp_path: Path) -> None:
        """Delays are interpolated, not rounded to rows or physics steps."""
        late = by_name(replay([run(tmp_path / "a", PLAIN, delay=DELAY + 0.0005)], [robot]))
        true = by_name(replay([run(tmp_path / "b", PLAIN, delay=DELAY)], [robot]))
        assert worst(late["delayed_pd"]) > 1.5 * worst(true["delayed_pd"])

    def test_an_ideal_motor_holds_its_command(self, tmp_path: Path) -> None:
        """A row's command came after the row before was sampled: held, not ramped to."""
        held = moved(lambda t, q, dq: KP * (target(np.array([np.floor(t * 500 + 1 + 1e-6) / 500]))[0] - q) - KD * dq)
        assert worst(by_name(replay([run(tmp_path / "a", PLAIN)], [held]))["ideal_pd"]) < 0.5

    @pytest.mark.parametrize("step", [0.002, 0.005])
    def test_a_net_that_is_the_motor_moves_as_the_motor(self, step: float, tmp_path: Path) -> None:
        """Called every step with its torque held, its lags those of the simulation: kp·e of one step ago."""
        errors: list[np.ndarray] = []
        held = np.zeros(12)

        def motor(t: float, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
            if abs(t / step - round(t / step)) < 1e-6:
                errors.append(KP * (target(np.array([t]))[0] - q))
                held[:] = errors[max(len(errors) - 2, 0)] - KD * dq
            return held.copy()

        weights = (0.0, 1.0, -1.0, 0.0)
        config = TrainConfig(Features(step, (0.0, step)), mlp=MLPShape(hidden=2, layers=1))
        same = by_name(replay([run(tmp_path / "a", config, weights=weights, change=straight(weights))], [moved(motor)]))
        assert worst(same["linear"]) < 0.5
        assert worst(same["mlp"]) < 0.5
        wrong = (1.0, 0.0, -1.0, 0.0)  # the present error instead
        other = by_name(replay([run(tmp_path / "b", config, weights=wrong, change=straight(wrong))], [moved(motor)]))
        assert min(worst(other["linear"]), worst(other["mlp"])) > 2.0

    @pytest.mark.parametrize("kind", list(NETS))
    def test_a_net_sees_of_a_simulation_what_it_saw_of_a_log(self, kind: str, robot: Recording, tmp_path: Path) -> None:
        """Along one and the same motion replay and `identify.predict` give one torque, state carried."""
        loaded = run(tmp_path / "run", NETS[kind])
        late = slice(400, 1500)  # in full motion, so that the past before the first row matters
        data = series(in_segments(robot, {"late": (400, 1500)}), where="here")
        time, q, dq, q_target, kp, kd = (
            getattr(data, name)[late] for name in ("time", "q", "dq", "q_target", "kp", "kd")
        )
        expected = predict.torques(loaded, data)[loaded.kind][late]
        twice = [Commands(time, q_target, kp, kd, time), Commands(time, q_target, kp, kd, time)]
        law = laws(loaded)[loaded.kind](twice)
        every = law.every
        assert every == round(loaded.features.step * data.rate)
        since = [slice(max(0, m + 1 - every), m + 1) for m in range(0, len(time), every)]
        side_by_side = [[np.stack([one[rows]] * 2, axis=1) for one in (q, dq)] for rows in since]
        seen = np.array([law.torque(rows.stop - 1, *states) for rows, states in zip(since, side_by_side, strict=True)])
        assert np.ptp(expected, axis=0).min() > 0.02
        # At its own calls, from the first on: in between, predict interpolates and a simulator holds.
        for trajectory in range(2):
            assert seen[:, trajectory] == pytest.approx(expected[::every], abs=1e-4)

    def test_a_recurrent_net_carries_its_state(self, tmp_path: Path) -> None:
        """The same input twice gives two torques, and a new law starts from rest again."""
        model = run(tmp_path / "run", NETS["lstm"]).model
        x = np.ones((12, 2), dtype=np.float32)
        advance = forward(model)
        first, second = advance(x), advance(x)
        assert np.abs(first - second).min() > 1e-4
        assert forward(model)(x) == pytest.approx(first)

    def test_torque_stays_within_the_effort_limits(self, robot: Recording, tmp_path: Path) -> None:
        """A predictor that asks for a thousand times too much moves joints to their stops, not to infinity."""
        wild = (1000.0, 0.0)
        moved_wildly = by_name(replay([run(tmp_path / "run", PLAIN, weights=wild)], [robot]))["linear"]
        assert np.isfinite(moved_wildly.q_replayed).all()
        assert np.abs(np.diff(moved_wildly.q_replayed, axis=0)).max() < 1.0
        assert TORQUE.max() < 50.0


class TestStretches:
    """What is replayed, and from where."""

    def test_every_segment_starts_where_the_robot_was(self, robot: Recording, tmp_path: Path) -> None:
        """And nothing between segments is replayed."""
        two = in_segments(robot, {"one": (0, 600), "two": (900, 1500)})
        one, *_ = replay([run(tmp_path / "run", PLAIN)], [two])
        assert one.starts == (0, 600)
        assert len(one.time) == 1200
        for start in one.starts:
            assert one.q_replayed[start] == pytest.approx(one.q[start], abs=1e-6)
        assert np.abs(one.q_replayed[599] - one.q[599]).max() > 1e-3

    def test_of_a_known_recording_only_the_test_segments(self, robot: Recording, tmp_path: Path) -> None:
        """What was trained on cannot judge; where nothing else is left the table says so."""
        two = in_segments(robot, {"one": (0, 600), "two": (900, 1500)})
        split = (Assignment("moved", "one", "train"), Assignment("moved", "two", "test"))
        rows, words = chosen([run(tmp_path / "a", PLAIN, trained_on=(two,), split=split)], two)
        assert rows == [slice(900, 1500)]
        assert words == "1.2 s not seen in training"
        blocks = tuple(dataclasses.replace(one, part="blocks") for one in split)
        rows, words = chosen([run(tmp_path / "b", PLAIN, trained_on=(two,), split=blocks)], two)
        assert rows == [slice(0, 600), slice(900, 1500)]
        assert "cannot judge" in words
        assert "2 measured starts" in words

    def test_a_position_only_recording_is_replayed_in_motion(self, tmp_path: Path) -> None:
        """From rest, and without a word about torque."""
        robot = moved(delayed(DELAY))
        unknown = np.full_like(robot.dq, np.nan)
        blind = changed(robot, dq=unknown, tau_est=unknown)
        loaded = run(tmp_path / "run", PLAIN, delay=DELAY)
        assert worst(by_name(replay([loaded], [blind]))["delayed_pd"]) < 1.0  # it did start at rest
        assert replaying.torque(loaded, blind) is None
        assert replaying.torque(loaded, robot) is not None

    def test_repeatability_is_that_of_one_run(self, robot: Recording) -> None:
        """Noise of 3 mrad on both of two equal segments is found as 3 mrad."""
        noise = 0.003 * np.random.default_rng(0).standard_normal((1500, 12))
        q = robot.q.copy()
        q[750:] = q[:750]
        twice = in_segments(changed(robot, q=(q + noise).astype(np.float32)), {"a": (0, 750), "a_repeat": (750, 1500)})
        found = repeatability_mrad(twice)
        assert found is not None
        assert list(found.values()) == pytest.approx([3.0] * 3, rel=0.05)
        assert repeatability_mrad(robot) is None


def in_segments(recording: Recording, parts: dict[str, tuple[int, int]]) -> Recording:
    """The recording with these segments instead of its own."""
    names = np.resize(recording.segments, len(parts)).copy()
    segment = np.full(len(recording), -1, dtype=np.int16)
    for index, (name, (start, stop)) in enumerate(parts.items()):
        names[index]["name"], names[index]["start"], names[index]["stop"] = name.encode(), start, stop
        segment[start:stop] = index
    return changed(recording, segment=segment, segments=names)


class TestErrors:
    """What is said of a replayed motion."""

    def test_gain_and_phase_over_frequency_are_those_of_the_motion(self) -> None:
        """A tenth too far and 5 ms late: +.1, and −360·f·.005 degrees; nothing where the robot did not move."""
        time = np.arange(0.0, 12.0, 0.002)
        late = target(np.maximum(time - 0.005, 0.0))
        one = Replay("r", "mlp", time, target(time), late.mean(0) + 1.1 * (late - late.mean(0)), (0,))
        found = over_frequency(one)
        seen = (found.frequency > 2.0) & (found.frequency < 10.0)
        np.testing.assert_allclose(found.gain[:, seen], 0.1, atol=0.01)
        expected = np.broadcast_to(-2.0 * np.pi * found.frequency[seen] * 0.005, (3, int(seen.sum())))
        np.testing.assert_allclose(found.phase[:, seen], expected, atol=0.02)
        assert np.isnan(found.gain[:, found.frequency > 50.0]).all()

    def test_an_error_is_told_as_time_goes_on(self) -> None:
        """Second by second, and by joint."""
        time, q = np.arange(0.0, 3.0, 0.002), np.zeros((1500, 12))
        moved_off = q.copy()
        moved_off[500:1000, 2] = 0.004
        one = Replay("r", "mlp", time, q, moved_off, (0,))
        middle, rms = over_time(one)
        np.testing.assert_allclose(middle, [0.5, 1.5, 2.5])
        np.testing.assert_allclose(rms["calf"], [0.0, 2.0, 0.0])  # one of four
        np.testing.assert_allclose(rms["hip"], 0.0)
        assert one.rmse_by_joint[2] == pytest.approx(4.0 / np.sqrt(3.0))
        assert sum(one.rmse_by_joint) == one.rmse_by_joint[2]

    def test_every_predictor_has_a_line_of_its_own(self) -> None:
        """In a colour of its own, named below the panels, within the figure, however many nets there are."""
        time, q = np.arange(0.0, 3.0, 0.002), target(np.arange(0.0, 3.0, 0.002))
        names = [*BASELINES, "parametric", "mlp (joint)", "mlp (motion)", "mlp (motion_5ms)", "mlp (more)", "lstm (a)"]
        figure = figures.motion([Replay("r", name, time, q, 1.01 * q, (0,)) for name in names])
        figures.png(figure)
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == [figures.words(name) for name in names]
        assert len({line.get_color() for line in legend.get_lines()}) == len(names)
        box = legend.get_window_extent()
        assert box.x0 >= 0.0
        assert box.x1 <= figure.bbox.width

    def test_shares_of_a_batch_do_not_matter(self, robot: Recording, tmp_path: Path) -> None:
        """Trajectories of different lengths, on one thread or three, each as alone."""
        parts = [slice(100, 400), slice(0, 1500), slice(700, 1500)]
        channels = (robot.q_target.astype(float), robot.kp.astype(float), robot.kd.astype(float))
        starts = []
        for rows in parts:
            steps = np.arange(robot.time[rows.start], robot.time[rows.stop - 1], 0.001)
            told = Commands(robot.time[rows], *(values[rows] for values in channels), steps)
            starts.append(Start(told, robot.q[rows.start].astype(float), robot.dq[rows.start].astype(float)))
        loaded = run(tmp_path / "run", NETS["mlp"])
        make, beside_it = laws(loaded)["mlp"], replaying.beside(loaded, "mlp")
        alone = [drive([start], make, beside_it)[0][1] for start in starts]
        for threads in (1, 3):
            for (_, q), expected in zip(drive(starts, make, beside_it, threads=threads), alone, strict=True):
                assert q == pytest.approx(expected, abs=1e-5)


class TestVerb:
    """`python -m identify replay`."""

    def test_it_writes_the_agreed_json_and_prints_both_errors(self, tmp_path: Path) -> None:
        """{"replay_rmse_mrad": {recording: {predictor: {hip, thigh, calf}}}} first of all; dots in names stay."""
        write(moved(delayed(DELAY), "chirp.v1", 1.0), tmp_path / "data" / "chirp.v1.h5")
        run(tmp_path / "run", PLAIN, delay=DELAY)
        done = verb("identify", "replay", tmp_path / "run", tmp_path / "data", "--json", tmp_path / "f.json")
        assert done.returncode == 0, done.stderr
        content = json.loads((tmp_path / "f.json").read_text())
        assert next(iter(content)) == "replay_rmse_mrad"
        assert list(content["replay_rmse_mrad"]) == ["chirp.v1"]
        errors = content["replay_rmse_mrad"]["chirp.v1"]
        assert list(errors) == [*BASELINES, "mlp"]
        assert all(set(one) == set(KINDS) and all(v > 0 for v in one.values()) for one in errors.values())
        for words in ("mrad", "Nm", "armature", "1.0 s not seen in training"):
            assert words in done.stdout

    def test_several_runs_and_the_fitted_parameters_stand_side_by_side(self, tmp_path: Path) -> None:
        """Baselines once, then what `fit` found, then each net by its folder; the figure is a picture."""
        write(moved(delayed(DELAY), "chirp", 1.0), tmp_path / "data" / "chirp.h5")
        for name in ("a", "b"):
            run(tmp_path / name, PLAIN, delay=DELAY)
        save(TRUE, tmp_path / "p.yaml")
        options = ("--parameters", tmp_path / "p.yaml", "--json", tmp_path / "f.json", "--figure", tmp_path / "f.png")
        paths = (tmp_path / "a", tmp_path / "b", tmp_path / "data")
        done = verb("identify", "replay", *paths, "--per-joint", "--endure", 3, *options)
        assert done.returncode == 0, done.stderr
        content = json.loads((tmp_path / "f.json").read_text())
        errors = content["replay_rmse_mrad"]["chirp"]
        assert list(errors) == [*BASELINES, "parametric", "mlp (a)", "mlp (b)"]
        assert max(errors["parametric"].values()) < 1.5 < min(errors["ideal_pd"].values())
        assert set(content["replay_rmse_mrad_by_joint"]["chirp"]["parametric"]) == set(NAMES)
        assert content["replay_rmse_mrad_over_time"]["chirp"]["mlp (a)"]["time_s"] == [0.5]
        assert content["replay_over_robot"]["chirp"]["ideal_pd"]["calf"]["gain"]
        assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
        for words in ("RR_calf", "mlp (b), 5 s of chirp's commands:"):
            assert words in done.stdout

    def test_nets_of_tau_est_move_the_body_that_was_fitted(self, tmp_path: Path) -> None:
        """The baselines, and nets that hold the friction themselves, keep their own."""
        loaded = run(tmp_path / "run", PLAIN, delay=DELAY)
        bodies = {one.name: one.beside for one in replaying.predictors([loaded], TRUE)}
        assert tuple(bodies["mlp"]["armature"]) == TRUE.parameters.armature
        assert tuple(bodies["mlp"]["dry"]) == TRUE.parameters.dry
        assert bodies["delayed_pd"]["armature"] is ARMATURE
        joint = dataclasses.replace(loaded, facts=dataclasses.replace(loaded.facts, label="tau_joint"))
        assert not replaying.predictors([joint], TRUE)[-1].beside["dry"].any()

    def test_what_was_fitted_needs_no_run(self, tmp_path: Path) -> None:
        """It stands beside ideal PD, which needs none either, both with their torque."""
        write(moved(delayed(DELAY), "chirp", 1.0), tmp_path / "data" / "chirp.h5")
        save(TRUE, tmp_path / "p.yaml")
        options = ("--parameters", tmp_path / "p.yaml", "--json", tmp_path / "f.json", "--figure", tmp_path / "f.png")
        done = verb("identify", "replay", tmp_path / "data", "--endure", 3, *options)
        assert done.returncode == 0, done.stderr
        errors = json.loads((tmp_path / "f.json").read_text())["replay_rmse_mrad"]["chirp"]
        assert list(errors) == ["ideal_pd", "parametric"]
        assert max(errors["parametric"].values()) < 1.5 < min(errors["ideal_pd"].values())
        for words in ("1.0 s of motion", "against tau_joint", "parametric, 5 s of chirp's commands:"):
            assert words in done.stdout
        rows = [line for line in done.stdout.splitlines() if "parametric │" in line or "ideal_pd" in line]
        assert all(len([cell for cell in row.split("│") if cell.strip()]) == 7 for row in rows)

    def test_without_a_recording_it_says_so(self, tmp_path: Path) -> None:
        """Runs alone are not enough."""
        run(tmp_path / "run", PLAIN)
        done = verb("identify", "replay", tmp_path / "run")
        assert done.returncode == 2
        assert "there is nothing to replay" in done.stderr

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"kp": None}, "holds no kp"),
            ({"q_target": None}, "holds no q_target"),
            ({"segment": -1}, "holds no segment"),
        ],
    )
    def test_what_cannot_be_replayed_is_refused(self, change: dict, message: str, tmp_path: Path) -> None:
        """By name, before anything moves."""
        robot = moved(delayed(DELAY), seconds=0.1)
        values = {
            name: np.full_like(getattr(robot, name), np.nan if value is None else value)
            for name, value in change.items()
        }
        write(changed(robot, **values), tmp_path / "moved.h5")
        with pytest.raises(UserError, match=message):
            load([tmp_path])

    def test_two_of_one_name_are_refused(self, tmp_path: Path) -> None:
        """Tables use the name."""
        robot = moved(delayed(DELAY), seconds=0.1)
        for folder in ("a", "b"):
            write(robot, tmp_path / folder / "moved.h5")
        with pytest.raises(UserError, match="two recordings are called moved"):
            load([tmp_path / "a", tmp_path / "b"])

    def test_a_net_that_loses_is_red(self) -> None:
        """Per kind of joint, against the best baseline."""
        zero = np.zeros((2, 12))
        off = np.tile([0.002, 0.002, 0.002], 4) + zero
        mixed = np.tile([0.003, 0.001, 0.003], 4) + zero
        replays = [
            Replay("r", name, np.arange(2.0), zero, q, (0,))
            for name, q in (("ideal_pd", off), ("delayed_pd", 2 * off), ("mlp", mixed))
        ]
        shown = shown_as(replays, ["mlp"], f"rows\n{beside()}", {"hip": 0.5, "thigh": 0.6, "calf": 0.8})
        rows = list(zip(*(column.cells for column in shown.columns), strict=True))
        assert rows[2] == ("mlp", "[red]3.0[/red]", "1.0", "[red]3.0[/red]", "6.0", "1.7", "3.8")
        assert rows[3] == ("the robot again", "0.5", "0.6", "0.8", "", "", "")
        console = Console(record=True, width=100)
        console.print(shown)
        assert beside().splitlines()[0] in console.export_text()
        assert table(replays)["r"]["mlp"] == pytest.approx({"hip": 3.0, "thigh": 1.0, "calf": 3.0})


def test_a_narrow_terminal_breaks_lines_and_leaves_no_digit_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nine columns of figures on sixty places."""
    monkeypatch.setenv("COLUMNS", "60")
    made = Table("predictor", *(Column(f"{kind}\nmrad", justify="right") for _ in range(3) for kind in KINDS))
    made.add_row("delayed_pd", *["123.456"] * 9)
    show(made)
    printed = capsys.readouterr().out
    assert printed.count("123.456") == 9
    assert "…" not in printed


class TestFittedTorque:
    """What was fitted is also judged by torque, of either kind."""

    @pytest.mark.parametrize(("label", "share"), [("tau_est", 0.05), ("tau_joint", 0.25)])
    def test_the_true_motor_has_the_true_torque(
        self, robot: Recording, label: Label, share: float, tmp_path: Path
    ) -> None:
        """Before friction and rotor, or after them, where a joint at rest may be held by anything up to friction."""
        loaded = run(tmp_path / "run", PLAIN)
        loaded = dataclasses.replace(loaded, facts=dataclasses.replace(loaded.facts, label=label))
        judged = replaying.torque(loaded, robot, TRUE)
        assert judged is not None
        found = {one.predictor: one.errors for one in judged.scores}
        assert list(found) == [*BASELINES, "parametric", "mlp"]
        assert (found["parametric"].rmse < share * found["ideal_pd"].rmse + 0.01).all()

    def test_without_a_run_it_is_what_moved_link_and_rotor(self, robot: Recording) -> None:
        """No sensor is needed; of a robot on the ground it is not known."""
        blind = changed(robot, tau_est=np.full_like(robot.tau_est, np.nan))
        judged = replaying.torque(None, blind, TRUE)
        assert judged is not None
        assert [one.predictor for one in judged.scores] == ["ideal_pd", "parametric"]
        assert judged.scores[1].errors.mse.mean() < 0.1 * judged.scores[0].errors.mse.mean()
        assert replaying.torque(None, changed(robot, attributes={"layout": "orl"}), TRUE) is None

    def test_a_lag_holds_the_torque_back(self, robot: Recording) -> None:
        """By its time constant, where the torque goes up and down slowly."""
        data = series(robot, where="here")
        plain, late = (
            fitted_torque.along(dataclasses.replace(TRUE.parameters, lag=(lag,) * 12), data, "tau_est")
            for lag in (0.0, 0.003)
        )
        expected = np.stack([np.interp(data.time - 0.003, data.time, one) for one in plain.T], axis=1)
        assert np.abs(late - expected)[100:].mean() < 0.1 * np.abs(late - plain)[100:].mean()


@pytest.mark.data
@pytest.mark.parametrize(
    ("log", "known"),
    [
        ("chirp_9.0hz_p25d1.5_h0.30t0.35c0.60", (17, 20, 34)),
        ("chirp_9.0hz_p25d3.5_h0.30t0.35c0.60", (6, 9, 10)),
        ("chirp_5.0hz_p25d5.0_h0.30t0.35c0.60", (7, 10, 9)),
    ],
)
def test_real_chirps_move_as_others_found(log: str, known: tuple[float, ...], logs: Path, tmp_path: Path) -> None:
    """The plain law beside IIT DLS's friction, simulated elsewhere with another model of the body [mrad]."""
    recording = read(convert(logs / "katari16" / "torque" / f"{log}.pt", "katari16", tmp_path / "out"))
    found = by_name(replay([run(tmp_path / "run", PLAIN)], [recording]))["ideal_pd"]
    assert [found.rmse_mrad(kind) for kind in KINDS] == pytest.approx(known, rel=0.2)
