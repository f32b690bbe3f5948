"""The verbs `train` and `evaluate` as a user meets them: what they write, print and refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from synthetic import recording, series

from collect.config import dump
from collect.recording import write
from identify import tables
from identify.evaluate import Judgement, Score
from identify.features import Features
from identify.metrics import Floor, errors
from identify.settings import MLPShape, Split, TrainConfig, Training

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CONFIG = TrainConfig(
    Features(0.005, (0.0, 0.005)), mlp=MLPShape(8, 1), training=Training(epochs=2, batch=512), split=Split(cycle=2.0)
)
PREDICTORS = {"ideal_pd", "delayed_pd", "limited_pd", "friction_pd", "linear", "mlp"}


def identify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    command = [sys.executable, "-m", "identify", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, a configuration and a finished run."""
    folder = tmp_path_factory.mktemp("identify")
    write(recording("first.v1"), folder / "data" / "first.v1.h5")
    write(recording("second", kd=3.0), folder / "data" / "second.h5")
    write(recording("unseen", segments=("a", "a_repeat"), kd=2.5), folder / "unseen.h5")
    (folder / "small.yaml").write_text(dump(CONFIG))
    done = identify("train", folder / "small.yaml", "--data", folder / "data", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


def test_train_leaves_a_run_that_explains_itself(folder: Path) -> None:
    """All its files, and the errors of every part in metrics.json."""
    names = {path.name for path in (folder / "run").iterdir()}
    assert names == {"config.yaml", "run.json", "best.pt", "last.pt", "history.csv", "metrics.json", "report.html"}
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert set(metrics) == {"train", "validation", "test"}
    assert set(metrics["test"]["first.v1"]) == PREDICTORS


def test_evaluate_writes_the_agreed_json(folder: Path) -> None:
    """{"torque_rmse": {recording: {predictor: {hip, thigh, calf, r2}}}} and nothing else; dots in names stay."""
    out = folder / "new" / "errors.json"
    data = ("--data", folder / "unseen.h5", folder / "data" / "first.v1.h5")
    done = identify("evaluate", folder / "run", *data, "--json", out, "--per-joint")
    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    assert set(content) == {"torque_rmse"}
    assert list(content["torque_rmse"]) == ["unseen", "first.v1"]
    for table in content["torque_rmse"].values():
        assert set(table) == PREDICTORS
        for figures in table.values():
            assert set(figures) == {"hip", "thigh", "calf", "r2"}
            assert all(isinstance(value, float) for value in figures.values())
    for words in ("a recording it has not seen: 1994 of 2000 rows", "noise floor", "RL_calf", "the test part"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.yaml", "--data", "data", "--out", "x"), "cannot read the configuration"),
        (("train", "typo.yaml", "--data", "data", "--out", "x"), "unknown key trainning (did you mean training?)"),
        (("train", "small.yaml", "--data", "nowhere", "--out", "x"), "no such file or folder"),
        (("train", "small.yaml", "--data", "typo.yaml", "--out", "x"), "not a readable recording"),
        (("train", "small.yaml", "--data", "data", "--out", "run"), "never overwritten"),
        (("train", "small.yaml", "--data", "data", "--out", "x", "--resume"), "no run to resume"),
        (("evaluate", "data", "--data", "unseen.h5"), "not a run"),
        (("evaluate", "run", "--data", "run"), "no recording (*.h5) in this folder"),
        (("evaluate", "run", "--data", "unseen.h5", "--json", "small.yaml/x"), "cannot write"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    """What, where, how to fix; no traceback; nothing written."""
    (folder / "typo.yaml").write_text("features: {step: 0.005}\nmlp: {}\ntrainning: {}\n")
    before = sorted(folder.rglob("*"))
    names = {"data", "run", "unseen.h5", "none.yaml", "typo.yaml", "small.yaml", "nowhere", "x", "small.yaml/x"}
    done = identify(*(folder / word if word in names else word for word in arguments))
    assert done.returncode == 2
    flat = " ".join(done.stderr.split())
    assert message in flat
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_a_net_that_loses_says_so_in_red() -> None:
    """Only in the figures in which it loses."""
    one = series()
    good, bad = one.torque + 0.1, one.torque + 0.1
    bad[:, 0::3] += 0.5  # hips
    scores = tuple(Score("r", name, errors(one.torque, torque)) for name, torque in (("ideal_pd", good), ("mlp", bad)))
    table = tables.by_kind(Judgement("r", "rows", scores, Floor(0.1, 0.2, 0.3)))
    cells = [list(column.cells) for column in table.columns]
    assert [column[1] for column in cells[:4]] == ["mlp", "[red]0.600[/red]", "0.100", "0.100"]
    assert cells[-1][1].startswith("[red]")
    assert [column[2] for column in cells[:4]] == ["noise floor", "0.100", "0.200", "0.300"]
    assert "thigh" in _text(table)


def _text(table: object) -> str:
    console = Console(record=True, width=120)
    console.print(table)
    return console.export_text()
