"""The search: it finds what matters, goes on where it ended, shares a file, and sees no row that judges."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import recording, series

from collect.config import dump, load
from collect.errors import UserError
from collect.recording import write
from identify import split
from identify.dataset import Series
from identify.search import search
from identify.settings import Split, TrainConfig, Training
from identify.space import SearchConfig, Space, chosen

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SPACE = Space(lags=(1, 6), hidden=(8,), layers=(1,), batch=(512,), learning_rate=(5e-3, 2e-2))
CONFIG = SearchConfig(0.002, SPACE, Training(epochs=3), Split(cycle=2.0))


@pytest.fixture(scope="module")
def data() -> list[Series]:
    return [series("a", kd=1.0), series("b", kd=3.0)]


def values(study: Path) -> list[float]:
    """Of every trial that came to an end, in their order."""
    lines = [json.loads(line) for line in study.read_text().splitlines()]
    return [line["values"][0] for line in lines if line.get("values")]


def test_it_finds_the_inputs_that_matter(data: list[Series], tmp_path: Path) -> None:
    """A motor that is 7.3 ms late cannot be learned from one lag; six of 2 ms show it."""
    told: list[tuple[int, float | None]] = []
    found = search(CONFIG, data, tmp_path / "s.log", 5, report=lambda *now: told.append(now))
    assert len(found.config.features.lags) == 6
    assert [ended for ended, _ in told] == [1, 2, 3, 4, 5]
    assert found.validation == min(values(tmp_path / "s.log")) == told[-1][1]


def test_an_interrupted_search_is_gone_on_with(data: list[Series], tmp_path: Path) -> None:
    """Two trials and two more are the four of an uninterrupted one; a trial cut short is left behind."""
    whole = search(CONFIG, data, tmp_path / "whole.log", 4)

    def stop(ended: int, best: float | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(CONFIG, data, tmp_path / "parts.log", 4, report=stop)
    assert len(values(tmp_path / "parts.log")) == 1
    assert search(CONFIG, data, tmp_path / "parts.log", 4) == whole
    assert values(tmp_path / "parts.log") == values(tmp_path / "whole.log")


def test_a_killed_process_takes_nothing_with_it(data: list[Series], tmp_path: Path) -> None:
    """Half a line at the end and a trial that never ended: neither counts, and the rest is all there."""
    study = tmp_path / "s.log"
    search(CONFIG, data, study, 2)
    before = study.read_text()
    begun = next(line for line in before.splitlines(keepends=True) if json.loads(line)["op_code"] == 4)  # a new trial
    study.write_text(before + begun + begun[:20])
    found = search(CONFIG, data, study, 3)
    assert found.ended == 3
    assert study.read_text().startswith(before + begun + "{")
    assert len(values(study)) == 3


def test_rows_that_judge_are_not_looked_at(data: list[Series], tmp_path: Path) -> None:
    """With nonsense for their torque the same nets are found, with the same errors."""
    assigned, gap = split.assign(data, CONFIG.split), CONFIG.look_back
    poisoned = []
    for one in data:
        judge = split.rows(one, assigned, CONFIG.split, gap) == split.TEST
        assert judge.any()
        poisoned.append(dataclasses.replace(one, torque=np.where(judge[:, None], 1e6, one.torque)))
    assert search(CONFIG, poisoned, tmp_path / "b.log", 2) == search(CONFIG, data, tmp_path / "a.log", 2)


def test_two_processes_work_on_one_file(tmp_path: Path) -> None:
    """As a user types it, twice at a time: no trial twice, and one configuration that `train` can read."""
    write(recording("a", seconds=4.0), tmp_path / "a.h5")
    (tmp_path / "search.yaml").write_text(dump(CONFIG))
    command = [sys.executable, "-m", "identify", "search", "search.yaml", "--data", "a.h5", "--study", "s.log"]
    workers = [
        subprocess.Popen(
            [*command, "--trials", "6"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for worker in workers:
        _, words = worker.communicate(timeout=240)
        assert worker.returncode == 0, words.decode()
    lines = [json.loads(line) for line in (tmp_path / "s.log").read_text().splitlines()]
    assert len({line["worker_id"] for line in lines if line.get("values")}) == 2
    assert 6 <= len(values(tmp_path / "s.log")) <= 7
    rates = [line["param_value_internal"] for line in lines if line.get("param_name") == "learning_rate"]
    assert len(set(rates)) == len(rates)
    for best in tmp_path.glob("s.trial-*.yaml"):
        assert load(best, TrainConfig).training.epochs == 3


def test_a_study_is_of_one_search(data: list[Series], tmp_path: Path) -> None:
    """Another configuration, other data, another seed, or no study at all: refused."""
    study = tmp_path / "s.log"
    search(CONFIG, data, study, 1)
    with pytest.raises(UserError, match="another --search"):
        search(dataclasses.replace(CONFIG, seeds=2), data, study, 1)
    with pytest.raises(UserError, match="another --data"):
        search(CONFIG, data[:1], study, 1)
    with pytest.raises(UserError, match="another --seed"):
        search(CONFIG, data, study, 1, seed=1)
    with pytest.raises(UserError, match="no rows to train on"):
        search(CONFIG, [series("short", seconds=0.01)], tmp_path / "other.log", 1)
    (tmp_path / "none.log").write_text("hello\nworld\n")
    with pytest.raises(UserError, match="cannot open the study"):
        search(CONFIG, data, tmp_path / "none.log", 1)


@pytest.mark.parametrize("kind", ["mlp", "lstm", "gru", "stateless_lstm"])
def test_every_kind_of_net_can_be_tried(kind: str) -> None:
    """What does not matter to it is not asked for."""
    asked: list[str] = []

    def last(name: str, choices: tuple) -> object:
        asked.append(name)
        return choices[-1]

    config = chosen(SearchConfig(0.005, Space(kind=(kind,), lags=(2, 3), residual=(False, True))), last, 1e-3)
    assert config.kind == kind
    assert ("lags" in asked) == (kind in ("mlp", "stateless_lstm")) == (len(config.features.lags) == 3)
    assert ("residual" in asked) == (kind == "mlp")


def test_the_shipped_search_is_one() -> None:
    """configs/identify/search.yaml."""
    assert load(ROOT / "configs" / "identify" / "search.yaml", SearchConfig).space.kind == ("mlp",)
