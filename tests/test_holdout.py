"""A part that is left out leaves no trace in training, and is all that is judged."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from synthetic import changed, recording, series

from collect.config import dump
from collect.errors import UserError
from collect.joints import NAMES
from collect.recording import write
from identify import baselines, tables
from identify.batches import samples
from identify.dataset import Series
from identify.dataset import series as prepare
from identify.features import Features
from identify.holdout import Fold, frequency, hold_out, parts, table, without
from identify.metrics import errors
from identify.settings import LSTMShape, MLPShape, Split, TrainConfig, Training

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    Features(0.005, (0.0, 0.005, 0.010), joint_identity=True),
    mlp=MLPShape(hidden=8, layers=1),
    training=Training(learning_rate=5e-3, batch=512, epochs=2),
    split=Split(cycle=2.0),
)


def chirp(seconds: float = 12.0) -> Series:
    """All joints together from 0.5 Hz to 6.5 Hz."""
    whole = recording(seconds=seconds)
    phase = 2.0 * np.pi * (0.5 * whole.time + 3.0 * whole.time**2 / seconds)
    swept = np.repeat(0.3 * np.sin(phase)[:, None], 12, axis=1).astype("f4")
    return prepare(changed(whole, q_target=swept), where="x")


def poisoned(data: Series, rows: np.ndarray, joints: slice = slice(None)) -> Series:
    """The same, but for rows whose torque and state would wreck whatever learned from them."""
    worse = {name: getattr(data, name).copy() for name in ("torque", "q", "dq", "q_target")}
    for values in worse.values():
        values[rows, joints] = 1e6
    return dataclasses.replace(data, **worse)


class TestParts:
    def test_recordings_gains_and_amplitudes_have_names_of_their_own(self) -> None:
        """In the order of their numbers."""
        data = [series("b", kd=10.0), series("a", kd=2.0), series("c", kd=2.0, scale=0.4)]
        assert list(parts(data, "recording")) == ["a", "b", "c"]
        assert list(parts(data, "gains")) == ["kp 25 kd 2", "kp 25 kd 10"]
        held = parts(data, "gains")["kp 25 kd 2"]
        assert [bool(one.all()) for one in held] == [False, True, True]
        small, large = parts(data, "amplitude")
        assert float(large.split()[0]) == pytest.approx(2 * float(small.split()[0]), abs=0.02)

    def test_legs_are_joints_and_everything_else_is_rows(self) -> None:
        """Three joints of every row, or twelve of some."""
        held = parts([series()], "leg")
        assert list(held) == ["FL", "FR", "RL", "RR"]
        assert held["FR"][0].all(0).tolist() == [True] * 3 + [False] * 9

    def test_a_robot_is_known_by_its_serial_number_or_by_whose_log_it_is(self) -> None:
        """One robot on two computers is one; of a simulator, which has no number, nothing is said."""

        def of(name: str, **attributes: str) -> Series:
            return prepare(changed(recording(name), attributes=attributes), where=name)

        said = "Go2 on interface {}, domain 0, serial number 0000002a-00000007, firmware 00000000-00000000"
        mine = [of(name, robot=said.format(name)) for name in ("eth0", "eth1")]
        virtual = of("virtual", robot="Go2 on lo, serial number 00000000-00000000, firmware 00000000-00000000")
        held = parts([*mine, virtual, of("theirs", layout="orl"), of("table", layout="csv")], "robot")
        found = {name: [bool(one.all()) for one in each] for name, each in held.items()}
        assert found == {
            "0000002a-00000007": [True, True, False, False, False],
            "orl": [False, False, False, True, False],
        }

    def test_a_chirp_is_cut_where_its_frequency_is(self) -> None:
        """2 Hz is reached after 3 s, 4 Hz after 7 s of a sweep of half a hertz a second."""
        data = chirp()
        found = frequency(data)
        np.testing.assert_allclose(found[1000:-500], 0.5 + data.time[1000:-500] / 2.0, rtol=0.15)
        band = parts([data], "band")["2 to 4 Hz"][0]
        assert data.time[np.flatnonzero(band.any(1))[[0, -1]]] == pytest.approx([3.0, 7.0], abs=0.5)

    def test_one_part_alone_cannot_be_left_out(self) -> None:
        """What there is is said."""
        with pytest.raises(UserError, match="all the data is of one recording"):
            parts([series()], "recording")


class TestLeavingOut:
    def test_nothing_of_a_part_is_left_in_any_window(self) -> None:
        """Rows cut out of the middle, poisoned, do not show in any input, target or baseline."""
        data = series(seconds=6.0)
        rows = (data.time > 2.0) & (data.time < 3.0)
        features = Features(0.005, (0.0, 0.005, 0.010))
        served = []
        for one in (data, poisoned(data, rows)):
            cut = without(one, rows)
            kept = cut.with_past(0.010)
            assert not kept[rows].any()
            served.append((samples(features, [cut], [kept], 64, "cpu"), baselines.fit(features, [cut], [kept])))
        (clean, fitted), (other, again) = served
        assert np.array_equal(clean.x, other.x)
        assert np.array_equal(clean.y, other.y)
        assert fitted == again

    @pytest.mark.parametrize("kind", ["mlp", "lstm"])
    def test_nothing_of_a_leg_is_left_in_training(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its torque and motion poisoned, the net and the baselines of the fold are bit by bit those of clean data."""
        config = CONFIG
        if kind == "lstm":
            shape = LSTMShape(hidden=4, head=4, window=0.1, span=1.0, warm_up=0.1)
            config = dataclasses.replace(config, features=Features(0.005), mlp=None, lstm=shape)
        seen = []
        from identify import holdout

        def spy(run, name, data, held):
            seen.append((run.facts.baselines, [value.clone() for value in run.model.state_dict().values()]))
            raise StopIteration

        monkeypatch.setattr(holdout, "_judged", spy)
        for one in (series(), poisoned(series(), slice(None), slice(3, 6))):  # FL
            with pytest.raises(RuntimeError):
                next(hold_out(config, [one], "leg"))
        (fitted, weights), (again, others) = seen
        assert fitted == again
        assert all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))

    def test_each_part_is_judged_once_by_every_predictor_on_the_same_rows(self) -> None:
        """Two gains: two folds, each of the rows of its own recordings."""
        data = [series("soft", kd=1.0), series("stiff", kd=3.0), series("long", kd=3.0, seconds=6.0)]
        folds = list(hold_out(CONFIG, data, "gains"))
        assert [fold.name for fold in folds] == ["kp 25 kd 1", "kp 25 kd 3"]
        assert [fold.scores["mlp"].rows for fold in folds] == [1995, 1995 + 2995]
        assert all(list(fold.scores) == [*baselines.NAMES, "mlp"] for fold in folds)
        assert all(fold.scores["delayed_pd"].rmse.max() < 0.05 for fold in folds)  # the motor is one

    def test_an_unseen_robot_is_judged_by_a_net_of_the_others(self) -> None:
        """Whose delay is its own: what is left out is not what the baselines were fitted on."""
        data = [series("a", delay=0.004), series("b", delay=0.004), series("c", delay=0.010)]
        named = [dataclasses.replace(one, robot=robot) for one, robot in zip(data, ("x", "x", "y"), strict=True)]
        folds = {fold.name: fold for fold in hold_out(CONFIG, named, "robot")}
        assert {name: fold.scores["mlp"].rows for name, fold in folds.items()} == {"x": 2 * 1995, "y": 1995}
        assert min(fold.scores["delayed_pd"].rmse.min() for fold in folds.values()) > 0.1

    def test_an_unseen_leg_has_the_friction_of_the_others(self) -> None:
        """Three legs of dry friction 0.3 Nm: the fourth is predicted with it."""
        one = series(seconds=6.0)
        slow = dataclasses.replace(one, torque=one.torque - 0.3 * np.tanh(one.dq / baselines.SOFT))
        (fold, *_) = hold_out(CONFIG, [slow], "leg")
        assert (fold.name, [NAMES[joint] for joint in fold.joints]) == ("FL", ["FL_hip", "FL_thigh", "FL_calf"])
        assert fold.rmse("friction_pd", "hip") < 0.3 * fold.rmse("delayed_pd", "hip")


def test_a_loss_is_red_and_the_left_out_joints_alone_are_judged() -> None:
    """FL's hip is wrong by 1 Nm, that of all other legs by 100."""
    zero, wrong = np.zeros((4, 12)), np.full((4, 12), 100.0)
    wrong[:, 3:6] = [1.0, 0.1, 0.1]
    right = np.full((4, 12), 0.5)
    fold = Fold("FL", (3, 4, 5), {"delayed_pd": errors(zero, right), "mlp": errors(zero, wrong)}, None)
    cells = [list(column.cells) for column in tables.left_out([fold], "leg").columns]
    assert [column[1] for column in cells] == ["", "mlp", "[red]1.000[/red]", "0.100", "0.100", "1.17"]
    assert table([fold])["FL"]["mlp"] == {
        "hip": 1.0,
        "thigh": pytest.approx(0.1),
        "calf": pytest.approx(0.1),
        "joints": {"FL_hip": 1.0, "FL_thigh": pytest.approx(0.1), "FL_calf": pytest.approx(0.1)},
    }


def test_the_verb_prints_every_part_and_writes_the_json(tmp_path: Path) -> None:
    """And refuses what cannot be left out, in one message."""
    (tmp_path / "small.yaml").write_text(dump(CONFIG))
    for name, kd in (("soft", 1.0), ("stiff", 3.0)):
        write(recording(name, kd=kd), tmp_path / "data" / f"{name}.h5")
    command = ("identify", "holdout", tmp_path / "small.yaml", "--data", tmp_path / "data", "--by")
    done = verb(*command, "gains", "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert "kp 25 kd 3" in done.stdout
    content = json.loads((tmp_path / "out.json").read_text())["holdout"]
    assert content["by"] == "gains"
    assert set(content["torque_rmse"]["kp 25 kd 1"]["mlp"]) == {"hip", "thigh", "calf", "joints"}
    refused = verb(*command, "amplitude")
    assert refused.returncode == 2
    assert "all the data is of one amplitude" in refused.stderr
    assert "Traceback" not in refused.stderr
