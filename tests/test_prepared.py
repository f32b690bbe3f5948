"""Prepared data: the same columns as from the recording, never across a break; what strangers send is not trusted."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import recording, series

from collect.config import dump
from collect.errors import UserError
from collect.recording import write as write_recording
from identify import baselines, prepared
from identify.dataset import Series, inputs, load
from identify.features import Features
from identify.settings import MLPShape, Split, TrainConfig, Training

STEP = 0.005
FEATURES = Features(STEP, (0.0, 0.005, 0.010))
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def made(tmp_path: Path) -> tuple[list[Series], Path]:
    """Two recordings, one of two segments, as one file."""
    data = [series("a", kd=1.0, segments=("x", "y")), series("b", kd=3.0)]
    prepared.write(data, STEP, "tau_est", tmp_path / "both.npz")
    return data, tmp_path / "both.npz"


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


class TestThereAndBack:
    def test_rows_are_what_a_net_sees(self, made: tuple[list[Series], Path]) -> None:
        """kp·error and kd·velocity at the three times are the columns of the recording at these moments."""
        (one, _), path = made
        content = arrays(path)
        first = one.stretches[0]
        count = int((content["segment"] == 0).sum())
        when = one.time[first.start] + 2 * STEP + STEP * np.arange(count)
        seen = [one.seen(FEATURES, first, when - lag) for lag in FEATURES.lags]
        for k, (error, velocity) in enumerate(zip(prepared.ERROR, prepared.VELOCITY, strict=True)):
            np.testing.assert_allclose(content["kp"][:count] * content[error][:count], seen[k][0], atol=1e-4)
            np.testing.assert_allclose(content["kd"][:count] * content[velocity][:count], seen[k][1], atol=1e-4)

    def test_it_is_read_as_a_recording_to_learn_from(self, made: tuple[list[Series], Path]) -> None:
        """Columns from its stretches equal its own lags; laws on an old target see the old target."""
        _, path = made
        content, (back,) = arrays(path), load([path])
        assert back.segments == ("a/x", "a/y", "b/chirp")
        assert [back.segment[rows.start] for rows in back.stretches] == [0, 1, 2]
        rows = back.with_past(0.010)
        x = inputs(FEATURES, back, rows)
        stored = [
            content[g] * content[name]
            for g, names in (("kp", prepared.ERROR), ("kd", prepared.VELOCITY))
            for name in names
        ]
        np.testing.assert_allclose(x, np.stack(stored, axis=-1)[rows], atol=2e-3)
        late = baselines.delayed_pd(back, 0.0073)[back.with_past(0.02)]
        np.testing.assert_allclose(late, back.torque[back.with_past(0.02)], atol=0.05)

    def test_a_gap_stays_a_gap(self, tmp_path: Path) -> None:
        """Rows taken out of a file, as others may: a new stretch, though no time is given."""
        prepared.write([series("a")], STEP, "tau_est", tmp_path / "a.npz")
        content = {name: values for name, values in arrays(tmp_path / "a.npz").items() if name not in ("time", "q")}
        count = len(content["effort"])
        kept = np.r_[0:200, 300:count]
        cut = {name: values[kept] if values.shape[:1] == (count,) else values for name, values in content.items()}
        np.savez(tmp_path / "cut.npz", **cut)
        (back,) = load([tmp_path / "cut.npz"])
        assert back.stretches == (slice(0, 200), slice(200, len(kept)))
        assert (back.q == 0.0).all()

    def test_the_kd_that_was_commanded_comes_back_beside_that_in_force(self, tmp_path: Path) -> None:
        """Where a motor closes another than it was told."""
        one = series("a", kd=1.0)
        prepared.write([dataclasses.replace(one, kd_commanded=one.kd + 0.25)], STEP, "tau_est", tmp_path / "a.npz")
        (back,) = load([tmp_path / "a.npz"])
        assert (back.kd == 1.0).all()
        assert (back.kd_commanded == 1.25).all()

    def test_gains_may_be_one_value(self, tmp_path: Path) -> None:
        """As of a file that was made by others and completed."""
        prepared.write([series("a")], STEP, "tau_est", tmp_path / "a.npz")
        np.savez(tmp_path / "one.npz", **arrays(tmp_path / "a.npz") | {"kp": np.array(25.0), "kd": np.array(0.5)})
        (back,) = load([tmp_path / "one.npz"])
        assert (back.kp == 25.0).all()
        assert (back.kd == 0.5).all()


class TestRefusals:
    @pytest.mark.parametrize("name", ["effort", "pos_err(t-2)", "kp", "step"])
    def test_an_array_is_missing(self, made: tuple[list[Series], Path], name: str) -> None:
        """Gains are not guessed."""
        _, path = made
        np.savez(path, **{key: values for key, values in arrays(path).items() if key != name})
        with pytest.raises(UserError, match=f"holds no '{name.replace('(', '[(]').replace(')', '[)]')}'"):
            load([path])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"effort": np.zeros(9)}, "not a finite"),
            ({"kd": np.array(np.nan)}, "not a finite"),
            ({"step": np.array(0.0)}, "step is 0.0 s"),
            ({"label": np.array("tau_joint")}, "its torque is tau_joint, not tau_est"),
            ({"segments": np.array(["one"])}, "do not fit"),
        ],
    )
    def test_an_array_is_wrong(self, made: tuple[list[Series], Path], change: dict, message: str) -> None:
        """Shape, number, step, label, names."""
        _, path = made
        np.savez(path, **arrays(path) | change)
        with pytest.raises(UserError, match=message):
            load([path])

    def test_shuffled_rows_cannot_be_split(self, made: tuple[list[Series], Path]) -> None:
        """Neighbours in time would train and judge."""
        _, path = made
        content = arrays(path)
        count = len(content["effort"])
        order = np.random.default_rng(0).permutation(count)
        for name in (*prepared.ERROR, *prepared.VELOCITY, "effort"):
            content[name] = content[name][order]
        np.savez(path, **content)
        with pytest.raises(UserError, match="they are shuffled"):
            load([path])

    def test_a_pickle_is_not_run(self, made: tuple[list[Series], Path], tmp_path: Path) -> None:
        """An array of objects, and a bare pickle by that name."""

        class Trap:
            def __reduce__(self) -> tuple:
                return (Path.touch, (tmp_path / "sprung",))

        _, path = made
        np.savez(path, **arrays(path) | {"effort": np.array([Trap()], dtype=object)})
        with pytest.raises(UserError, match="not an NPZ of plain arrays"):
            load([path])
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UserError, match="not an NPZ of plain arrays"):
            load([path])
        assert not (tmp_path / "sprung").exists()

    def test_what_unpacks_to_gigabytes_is_not_unpacked(
        self, made: tuple[list[Series], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The size is asked before."""
        _, path = made
        monkeypatch.setattr(prepared, "_MOST", 1000)
        with pytest.raises(UserError, match="unpacks to more"):
            load([path])

    def test_a_file_is_never_overwritten(self, made: tuple[list[Series], Path]) -> None:
        """Nor touched."""
        data, path = made
        before = path.read_bytes()
        with pytest.raises(UserError, match="never overwritten"):
            prepared.write(data, STEP, "tau_est", path)
        assert path.read_bytes() == before


@pytest.mark.slow
def test_prepare_and_train_as_a_user_types_them(tmp_path: Path) -> None:
    """From a recording to a run with its report; smooth targets are not held without a word."""
    write_recording(recording("a", seconds=8.0), tmp_path / "a.h5")
    shape = MLPShape(hidden=8, layers=1)
    held = dataclasses.replace(FEATURES, target_hold=0.02)
    config = TrainConfig(held, mlp=shape, training=Training(epochs=1), split=Split(cycle=2.0))
    (tmp_path / "config.yaml").write_text(dump(config))
    for line in ("prepare a.h5 --out a.npz", "train config.yaml --data a.npz --out run"):
        done = subprocess.run(
            [sys.executable, "-m", "identify", *line.split()],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "note  a: its targets are no steps of 20 ms" in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
