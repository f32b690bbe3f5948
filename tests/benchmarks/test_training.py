"""Training against the usual way of writing it, and the memory it takes; run with -s to see the figures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from collect.config import dump, load
from collect.convert import convert
from collect.recording import write
from identify import dataset, fit, split
from identify.batches import Samples, samples
from identify.features import Features
from identify.models import LSTM, MLP, build
from identify.settings import MLPShape, TrainConfig, Training
from identify.train import serve

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from synthetic import recording, series  # noqa: E402

# A busy machine may spoil one measurement; it does not spoil three.
pytestmark = [pytest.mark.timed, pytest.mark.flaky(reruns=2, only_rerun=["(?i)assert"])]

CPU = torch.device("cpu")
LEAST = {"mlp_small": 10.0, "mlp": 2.0}
"""Times faster per epoch; a net of 4 × 100 is busy with its products, which nobody can leave out."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one core, where the usual loop is fastest: its batches are too small to share."""
    yield from threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch on two cores."""
    yield from threads(2)


def threads(count: int) -> Iterator[None]:
    """Torch on so many cores, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


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


def usual_net(config: TrainConfig, data: Samples) -> MLP:
    """The same net with torch's own softsign, scaled by the data as ours is."""
    torch.manual_seed(0)
    model = build(config)
    assert isinstance(model, MLP)
    fit._scale(model, data)
    model.net = torch.nn.Sequential(
        *(one if isinstance(one, torch.nn.Linear) else torch.nn.Softsign() for one in model.net)
    )
    return model


def shortest(action: Callable[[], object], times: int, clock: Callable[[], float] = time.process_time) -> float:
    """The processor's time, best of several [s]: on one thread and without waiting it is what a quiet machine takes."""
    taken = []
    for _ in range(times):
        start = clock()
        action()
        taken.append(clock() - start)
    return min(taken)


@pytest.mark.parametrize("name", LEAST)
def test_an_epoch_takes_a_fraction_of_the_usual_loops(name: str, one_thread: None) -> None:
    """Same net, same data, same run: against Dataset, DataLoader and batches of 128."""
    assert times_faster(name, time.process_time) > LEAST[name]


@pytest.mark.long
def test_nor_does_it_on_two_cores(two_threads: None) -> None:
    """By the clock on the wall, which a busy machine spoils: of the 2 × 32 net."""
    assert times_faster("mlp_small", time.perf_counter) > LEAST["mlp_small"]


def times_faster(name: str, clock: Callable[[], float]) -> float:
    """How many of our epochs take as long as one of the usual loop."""
    config = load(ROOT / "configs" / "identify" / f"{name}.yaml", TrainConfig)
    one = series(seconds=8.0)
    data = samples(config.features, [one], [one.with_past(0.01)], config.training.batch, CPU)
    ours, usual = build(config), usual_net(config, data)
    mine, theirs = fit.adam(ours, config.training), torch.optim.Adam(usual.parameters(), lr=8e-4)
    usual_s = shortest(lambda: usual_epoch(usual, data, theirs), 3, clock)
    ours_s = shortest(lambda: fit.learn(ours, data, mine, torch.Generator()), 20, clock)
    ratio = usual_s / ours_s
    print(f"\n{name}, epoch of {len(data.x)} samples: usual {usual_s:.2f} s, ours {ours_s:.3f} s, {ratio:.1f} times")
    return ratio


@pytest.mark.data
def test_the_usual_loops_loss_is_reached_in_a_fraction_of_its_time(
    logs: Path, one_thread: None, tmp_path: Path
) -> None:
    """Its validation loss after 20 epochs at 8e-4 on a real chirp; our validation and saving count, its own do not."""
    config = load(ROOT / "configs" / "identify" / "mlp_small.yaml", TrainConfig)
    (log,) = logs.glob("katari16/torque/chirp_9.0hz_p25d3.0_*.pt")
    (one,) = dataset.load([convert(log, "katari16", tmp_path / "real")])
    parts = split.rows(one, split.assign([one], config.split), config.split, split.gap(config))
    training, validation = (serve(config, [one], [parts == part], CPU) for part in (split.TRAIN, split.VALIDATION))
    usual = usual_net(config, training)
    optimizer = torch.optim.Adam(usual.parameters(), lr=8e-4)
    start = time.process_time()
    for _ in range(20):
        usual_epoch(usual, training, optimizer)
    theirs, goal = time.process_time() - start, fit.validate(usual, validation)
    reached: list[tuple[float, int]] = []

    def note(epoch: fit.Epoch) -> None:
        if epoch.validation <= goal:
            reached.append((time.process_time() - start, epoch.number))

    (tmp_path / "run").mkdir()
    start = time.process_time()
    fit.fit(config, training, validation, tmp_path / "run", seed=0, device=CPU, report=note)
    assert reached, f"never below {goal:.4f} Nm"
    mine, epochs = reached[0]
    ratio = theirs / mine
    print(f"\n{goal:.3f} Nm after {theirs:.1f} s (usual) and {mine:.2f} s (ours, {epochs} epochs): {ratio:.1f} times")
    assert mine < theirs / 5.0


def test_an_epoch_of_the_lstm_is_that_of_torchs_own_kernel(one_thread: None) -> None:
    """Against the bare kernel, forward and backward over the same windows.

    A training adds the head, dropout, the loss, clipping, the optimiser and the average of the weights.
    """
    config = load(ROOT / "configs" / "identify" / "lstm.yaml", TrainConfig)
    one = series(seconds=8.0)
    data = serve(config, [one], [one.with_past(0.2)], CPU)
    model = build(config)
    assert isinstance(model, LSTM)
    optimizer, average = fit.adam(model, config.training), fit.averaged(model, config.training)

    def bare() -> None:
        for pieces in torch.arange(data.x.shape[1]).split(data.batch):
            state = model.rest(len(pieces))
            for part in data.x[0, pieces].split(data.window, dim=1):
                out, (h, c) = model.lstm(part, state)
                out.sum().backward()
                state = (h.detach(), c.detach())

    kernel = shortest(bare, 3)
    ours = shortest(lambda: fit.learn(model.train(), data, optimizer, torch.Generator(), average), 3)
    print(f"\nLSTM, epoch of {data.y[0].numel()} calls: ours {ours:.2f} s, the kernel alone {kernel:.2f} s")
    assert ours < 2.5 * kernel


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


@pytest.mark.long
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
