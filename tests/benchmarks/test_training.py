"""Training against the usual way of writing it, and the memory it takes; run with -s to see the figures."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from collect.config import dump
from collect.recording import write
from identify.batches import Samples, samples
from identify.features import Features
from identify.fit import learn
from identify.models import build
from identify.settings import MLPShape, Split, TrainConfig, Training

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from synthetic import recording, series  # noqa: E402

pytestmark = pytest.mark.slow

CONFIG = TrainConfig(
    Features(0.005, (0.0, 0.005, 0.010)), mlp=MLPShape(), training=Training(epochs=1), split=Split(cycle=4.0)
)


class PerSample(Dataset):
    """The usual way: one Python call per sample, collated into batches of 128 by a DataLoader."""

    def __init__(self, data: Samples) -> None:
        self.x, self.y = data.x, data.y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.x[index], self.y[index]


def usual_epoch(model: torch.nn.Module, data: Samples, optimizer: torch.optim.Adam) -> None:
    for x, y in DataLoader(PerSample(data), batch_size=128, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def test_an_epoch_takes_a_fraction_of_the_usual_loops() -> None:
    """Same net, same data, same run: ours against Dataset + DataLoader with batches of 128."""
    one = series(seconds=16.0)
    data = samples(CONFIG.features, [one], [one.with_past(0.01)], CONFIG.training.batch, torch.device("cpu"))
    model = build(CONFIG)
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-4)
    learn(model, data, optimizer, torch.Generator())  # the first steps allocate
    seconds = []
    for epoch in (
        lambda: learn(model, data, optimizer, torch.Generator()),
        lambda: usual_epoch(model, data, optimizer),
    ):
        start = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - start)
    ours, usual = seconds
    print(f"\nepoch of {len(data.x)} samples: ours {ours:.2f} s, usual {usual:.2f} s, ratio {usual / ours:.1f}")
    assert ours < 0.5 * usual


MEASURE = """
import resource, runpy, sys
sys.argv = ["identify", *sys.argv[1:]]
try:
    runpy.run_module("identify", run_name="__main__")
except SystemExit as leave:
    code = leave.code
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def test_training_on_four_minutes_stays_below_2_gb(tmp_path: Path) -> None:
    """4 minutes × 12 joints × 500 Hz with the widest inputs shipped: the whole command, in its own process."""
    features = Features(0.002, tuple(0.002 * k for k in range(10)), joint_identity=True)
    config = TrainConfig(features, mlp=MLPShape(), training=Training(epochs=1))
    (tmp_path / "config.yaml").write_text(dump(config))
    write(recording("long", seconds=240.0), tmp_path / "long.h5")
    arguments = ["train", "config.yaml", "--data", "long.h5", "--out", "run", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stderr.split("peak")[-1]) * 1024
    print(f"\ntraining on 1.44 million samples: peak {peak / 1e9:.2f} GB")
    assert peak < 2e9
