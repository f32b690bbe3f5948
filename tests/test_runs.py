"""A run folder explains itself, is checked before it is read, and is never half written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from synthetic import series

from collect.errors import UserError
from identify import runs
from identify.features import Features
from identify.settings import LSTMShape, MLPShape, Split, TrainConfig, Training
from identify.train import train

CONFIG = TrainConfig(
    Features(0.005, (0.0, 0.005, 0.010)),
    mlp=MLPShape(hidden=4, layers=1),
    training=Training(epochs=1),
    split=Split(cycle=2.0),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    data = [series("slow", kd=1.0), series("stiff", kp=40.0, kd=3.0)]
    return train(CONFIG, data, tmp_path_factory.mktemp("runs") / "small")


def copy_of(run: runs.Run, folder: Path) -> Path:
    target = folder / "copy"
    target.mkdir()
    for file in run.path.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_run_tells_what_it_was_trained_on(run: runs.Run) -> None:
    """Data with hashes, split, gains per kind, baselines, label, versions."""
    loaded = runs.load(run.path)
    assert (loaded.name, loaded.kind, loaded.facts.label) == ("small", "mlp", "tau_est")
    assert loaded.config == CONFIG
    assert [source.name for source in loaded.facts.sources] == ["slow", "stiff"]
    assert all(len(source.sha256) == 64 for source in loaded.facts.sources)
    assert loaded.gains.kp.hip == (25.0, 40.0)
    assert loaded.gains.kd.of("calf") == (1.0, 3.0)
    assert loaded.baselines.delay == pytest.approx(0.0073, abs=1e-4)
    assert len(loaded.baselines.weights) == 6
    assert any(version.startswith("torch ") for version in loaded.facts.versions)


def test_gains_are_stored_by_kind_of_joint(run: runs.Run) -> None:
    """{"kp": {"hip": [low, high], …}, "kd": …} for whoever reads the JSON."""
    gains = json.loads((run.path / "run.json").read_text())["gains"]
    assert gains["kd"] == {"hip": [1.0, 3.0], "thigh": [1.0, 3.0], "calf": [1.0, 3.0]}


def test_the_net_comes_in_eval_mode_and_answers_alike(run: runs.Run) -> None:
    """Loading twice gives the same torque; nothing is left in training mode."""
    again = runs.load(str(run.path))
    x = torch.randn(5, 6)
    assert not again.model.training
    torch.testing.assert_close(again.model(x), run.model(x), rtol=0, atol=0)


def test_a_changed_net_is_refused_before_it_is_read(run: runs.Run, tmp_path: Path) -> None:
    """One byte is enough."""
    path = copy_of(run, tmp_path)
    content = bytearray((path / "best.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "best.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"best\.pt is not the net"):
        runs.load(path)


def test_an_unfinished_run_is_refused(run: runs.Run, tmp_path: Path) -> None:
    """With the way to finish it."""
    path = copy_of(run, tmp_path)
    runs.write_facts(path, dataclasses.replace(run.facts, best_sha256=None))
    with pytest.raises(UserError, match="did not finish") as refusal:
        runs.load(path)
    assert "--resume" in refusal.value.fix


@pytest.mark.parametrize("text", ["", "{", '{"kind": "mlp"}', "[]"])
def test_a_damaged_run_json_is_refused(run: runs.Run, tmp_path: Path, text: str) -> None:
    """Empty, cut off, incomplete, of another shape."""
    path = copy_of(run, tmp_path)
    (path / "run.json").write_text(text)
    with pytest.raises(UserError):
        runs.load(path)


def test_a_net_of_another_shape_is_refused(run: runs.Run, tmp_path: Path) -> None:
    """config.yaml and best.pt belong together."""
    path = copy_of(run, tmp_path)
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("hidden: 4", "hidden: 5"))
    with pytest.raises(UserError, match=r"best\.pt does not fit config\.yaml"):
        runs.load(path)


def test_a_folder_without_run_json_is_not_a_run(tmp_path: Path) -> None:
    """Nor is a path that does not exist."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="not a run"):
            runs.load(path)


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """When saving fails half way the old content is still there."""
    path = tmp_path / "x.pt"
    runs.write_tensors(path, {"a": torch.ones(3)})
    before = path.read_bytes()

    class Unsavable:
        def __reduce__(self) -> tuple:
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        runs.write_tensors(path, {"a": torch.zeros(1000), "b": Unsavable()})
    assert path.read_bytes() == before
    assert torch.equal(torch.load(path, weights_only=True)["a"], torch.ones(3))


def test_what_cannot_be_read_back_is_not_written(run: runs.Run, tmp_path: Path) -> None:
    """A NaN in run.json would be found when it is needed; it is refused when it is made."""
    broken = dataclasses.replace(run.baselines, delay=float("nan"))
    with pytest.raises(UserError, match="delay"):
        runs.write_facts(tmp_path, dataclasses.replace(run.facts, baselines=broken))
    assert not list(tmp_path.iterdir())


def test_an_lstm_run_loads_as_one(tmp_path: Path) -> None:
    """The kind comes from the configuration."""
    config = TrainConfig(
        Features(0.005),
        lstm=LSTMShape(hidden=4, layers=1, head=2, span=1.0),
        training=Training(epochs=1, batch=64),
        split=Split(cycle=2.0),
    )
    run = train(config, [series()], tmp_path / "lstm")
    assert runs.load(run.path).kind == "lstm"
