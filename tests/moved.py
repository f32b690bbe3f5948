"""Recordings of a rigid body moved by a known motor, and runs with known nets, for tests of replay and report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from synthetic import recording as blank_recording

from collect.body import ARMATURE, DRY, VISCOUS, Body, Mount
from collect.config import dump
from collect.joints import HANG, N_JOINTS
from collect.recording import Recording
from identify import runs
from identify.models import MLP, build
from identify.runs import Assignment, Baselines, Facts, Friction, Gains, Ranges, Source
from identify.settings import TrainConfig

PHYSICS = 0.0005
KP, KD = 25.0, 2.0
PERFECT = Friction(0.0, (1.0,) * 12, (1.0,) * 12, *[(0.0,) * 12] * 3)
"""Motors whose gains are those commanded, without friction or offset of their own."""


def target(time: np.ndarray) -> np.ndarray:
    """Chirps of twelve phases about the hung posture, shape (N, 12) [rad]."""
    phases = 2.0 * np.pi * (0.5 * time + 0.6 * time**2)[:, None] + np.arange(N_JOINTS)
    return HANG + 0.15 * np.sin(phases) * np.minimum(time, 1.0)[:, None]


Motor = Callable[[float, np.ndarray, np.ndarray], np.ndarray]


def delayed(delay: float) -> Motor:
    """kp·(q_target(t − delay) − q) − kd·dq."""
    return lambda t, q, dq: KP * (target(np.array([max(t - delay, 0.0)]))[0] - q) - KD * dq


def moved(
    motor: Motor,
    name: str = "moved",
    seconds: float = 3.0,
    parts: tuple[str, ...] = ("chirp",),
    mount: Mount | None = None,
) -> Recording:
    """What a 500 Hz logger sees of the body under a motor that is closed every half millisecond.

    Without a mount the base is fixed and no IMU is logged.
    """
    empty = blank_recording(name, seconds=seconds, segments=parts, kp=KP, kd=KD)
    body = Body(timestep=PHYSICS, mount=mount or "fixed", armature=ARMATURE, viscous=VISCOUS, dry=DRY)
    body.reset(target(np.zeros(1))[0])
    every = round(1.0 / empty.rate / PHYSICS)
    rows, imu = np.empty((3, len(empty), N_JOINTS)), np.full((len(empty), 6), np.nan)
    for step in range(len(empty) * every):
        torque = motor(step * PHYSICS, body.q, body.dq)
        if step % every == 0:
            rows[:, step // every] = body.q, body.dq, torque
        body.step(torque)
        if mount and step % every == 0:
            imu[step // every] = *body.gyro, *body.accel  # as they were before the step
    q, dq, tau = rows.astype(np.float32)
    gyro, accel = imu.astype(np.float32)[:, :3], imu.astype(np.float32)[:, 3:]
    wanted = target(empty.time).astype(np.float32)
    return dataclasses.replace(empty, q=q, dq=dq, tau_est=tau, q_target=wanted, gyro=gyro, accel=accel)


def run(
    folder: Path,
    config: TrainConfig,
    *,
    delay: float = 0.0,
    weights: tuple[float, ...] | None = None,
    trained_on: tuple[Recording, ...] = (),
    split: tuple[Assignment, ...] = (),
    change: Callable[[torch.nn.Module], None] = lambda model: None,
) -> runs.Run:
    """A run of a small net with random weights, scaled to the torques of the recordings here."""
    torch.manual_seed(1)
    model = build(config)
    with torch.no_grad():
        model.output_scale.fill_(3.0)
        model.input_scale.fill_(3.0)
        change(model)
    ranges = (Ranges(*[(gain, gain)] * 3) for gain in (KP, KD))
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(dump(config))
    (folder / "history.csv").write_text("epoch,train_rmse_nm,validation_rmse_nm,best_rmse_nm,stale\n1,2.0,1.5,1.5,0\n")
    (folder / "metrics.json").write_text(json.dumps({}))
    runs.write_tensors(folder / "best.pt", model.state_dict())
    facts = Facts(
        kind=config.kind,
        label="tau_est",
        seed=0,
        sources=tuple(Source(one.session, one.content_sha256()) for one in trained_on),
        split=split,
        gains=Gains(*ranges),
        baselines=Baselines(
            delay,
            (delay, delay),
            dataclasses.replace(PERFECT, delay=delay),
            weights or (0.0,) * config.features.width,
            0.0,
        ),
        versions=("torch 2.13.0",),
        best_sha256=runs.sha256_of(folder / "best.pt"),
    )
    runs.write_facts(folder, facts)
    return runs.load(folder)


def straight(weights: tuple[float, ...]) -> Callable[[torch.nn.Module], None]:
    """Turns a one-layer MLP into the straight line with these weights: softsign is one near 0."""

    def change(model: torch.nn.Module) -> None:
        assert isinstance(model, MLP)
        first, _, last = model.net
        for layer in (first, last):
            layer.weight.zero_()
            layer.bias.zero_()
        first.weight[0, : len(weights)] = torch.tensor(weights)
        last.weight[0, 0] = 1.0
        model.input_scale.fill_(1e6)
        model.output_scale.fill_(1e6)

    return change
