"""How much faster than the robot a replay with a net in the loop is; run with -s to see the figures.

Twelve joints, a net of mlp_joint.yaml's shape called every 2 ms, MuJoCo in steps of 1 ms. What is judged is CPU time
beside that of what a replay cannot do without, in the same run: the bare body's steps and torch's calls of the net. How
many times faster than the robot that is depends on the machine; `make bench` tells and judges it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from collect.body import Body
from collect.config import load
from identify.dataset import ROTOR
from identify.drive import PHYSICS, Start, drive
from identify.laws import Commands, Law, forward, lagged
from identify.models import build
from identify.settings import TrainConfig

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from moved import KD, KP, target  # noqa: E402

# A busy machine may spoil one measurement; it does not spoil three.
pytestmark = [pytest.mark.timed, pytest.mark.flaky(reruns=2, only_rerun=["(?i)assert"])]

CONFIG = load(ROOT / "configs" / "identify" / "mlp_joint.yaml", TrainConfig)
BARE = {"armature": ROTOR, "viscous": np.zeros(12), "dry": np.zeros(12)}


def start(seconds: float) -> Start:
    """A chirp that a 500 Hz log commands."""
    rows = np.arange(0.0, seconds, 0.002)
    gains = (np.full((len(rows), 12), gain) for gain in (KP, KD))
    steps = np.arange(0.0, rows[-1], PHYSICS)
    return Start(Commands(rows, target(rows), *gains, steps), target(rows[:1])[0], np.zeros(12))


def net(parts: list[Commands]) -> Law:
    """A line that is the law itself, with an untrained net of the full size beside it that is asked all the same."""
    torch.manual_seed(0)
    model = build(CONFIG)
    with torch.no_grad():
        model.output_scale.fill_(1e-3)
        model.line[0], model.line[len(CONFIG.features.lags)] = 1e3, -1e3
    return lagged(parts, CONFIG.features, forward(model))


def times_real_time(count: int, seconds: float, threads: int, clock: Callable[[], float]) -> float:
    """Simulated time of all trajectories together over that of a clock."""
    starts = [start(seconds) for _ in range(count)]
    began = clock()
    moved = drive(starts, net, BARE, threads=threads)
    passed = clock() - began
    wanted = starts[0].commands.in_force(starts[0].commands.q_target)
    assert all(np.abs(q - wanted).max() < 0.3 for _, q in moved)  # it moved with the net, not somewhere
    return count * seconds / passed


def bare(seconds: float) -> float:
    """CPU time of the same number of steps of one body and of calls of the net, and of nothing else [s]."""
    body = Body(timestep=PHYSICS, **BARE)
    body.reset(target(np.zeros(1))[0])
    torch.manual_seed(0)
    model, inputs, tau = build(CONFIG), torch.zeros(12, CONFIG.features.width), np.zeros(12)
    began = time.process_time()
    with torch.inference_mode():
        for _ in range(round(seconds / 0.002)):
            model(inputs)
            for _ in range(round(0.002 / PHYSICS)):
                body.step(tau)
    return time.process_time() - began


def test_a_replay_costs_less_than_the_bodys_steps_and_torchs_calls_of_the_net() -> None:
    """Features, clipping, MuJoCo's batch loop and the bookkeeping between them; the best of three each."""
    torch.set_num_threads(1)
    least = min(bare(5.0) for _ in range(3))
    ours = 5.0 / max(times_real_time(1, 5.0, 1, time.process_time) for _ in range(3))
    print(f"\none trajectory: {ours:.3f} s of CPU, body and net alone {least:.3f} s, ratio {ours / least:.2f}")
    assert ours < 0.7 * least


@pytest.mark.long
def test_one_trajectory_on_one_core_is_20_times_faster_than_the_robot() -> None:
    """By CPU time, which is the time that passes where a core has nothing else to do; the best of three."""
    found = max(times_real_time(1, 5.0, 1, time.process_time) for _ in range(3))
    print(f"\none trajectory, one core: {found:.0f} times real time")
    assert found > 20.0


@pytest.mark.long
def test_64_trajectories_on_two_cores_are_100_times_faster_together() -> None:
    """By the CPU time of both, and two threads hardly wait for each other: beside one thread in the same run, by the
    clock on the wall; the best of three each.
    """
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two cores are needed")
    found = max(2.0 * times_real_time(64, 2.0, 2, time.process_time) for _ in range(3))
    two, one = (max(times_real_time(64, 2.0, threads, time.perf_counter) for _ in range(3)) for threads in (2, 1))
    print(f"\n64 trajectories: {found:.0f} times real time together, {two:.0f} by the clock, one thread {one:.0f}")
    assert found > 100.0
    assert two > 1.3 * one
