"""Inputs and the trained net's own answers to them, computed without the exported file."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collect.joints import NAMES
from deploy.bundle import Net
from identify.features import columns, terms
from identify.models import MLP, StatelessLSTM
from identify.runs import Run

STEPS, ENVS = 240, 4
RESET_AT, RESET_ENVS = 100, (1, 3)
"""In the middle of the run some environments start anew, as in training a policy."""


def make(run: Run, nets: tuple[Net, ...]) -> dict[str, NDArray[Any]]:
    """Per net: error [rad] and speed [rad/s] of shape (steps, envs, joints), and torque [Nm] likewise."""
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    for net in nets:
        error, speed = _motion(rng, run.features.step, len(net.joints))
        arrays[f"{net.file}/error"], arrays[f"{net.file}/speed"] = error, speed
        arrays[f"{net.file}/torque"] = _answers(run, net, error, speed)
    return arrays


def _motion(rng: np.random.Generator, step: float, joints: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sines with steps every 20 ms on the error, as a policy makes them, different in every row."""
    t = np.arange(STEPS)[:, None, None] * step
    shape = (1, ENVS, joints)
    sines = [
        rng.uniform(0.2, 1.0, shape) * np.sin(2 * np.pi * rng.uniform(0.5, 6.0, shape) * t + rng.uniform(0, 6, shape))
        for _ in range(2)
    ]
    stairs = np.repeat(rng.normal(0.0, 0.1, (STEPS // 4 + 1, ENVS, joints)), 4, axis=0)[:STEPS]
    return (0.3 * sines[0] + stairs).astype(np.float32), (8.0 * sines[1]).astype(np.float32)


@torch.inference_mode()
def _answers(run: Run, net: Net, error: NDArray[np.float32], speed: NDArray[np.float32]) -> NDArray[np.float32]:
    """The trained net, called row by row with its columns as in training; the past is zero after a reset."""
    still, one = np.zeros(error.shape), np.ones(error.shape)
    blocks = terms(run.features, error.astype(float), still, speed.astype(float), net.kp * one, net.kd * one)
    joints = np.tile([NAMES.index(name) for name in net.joints], ENVS)
    out = np.zeros_like(error)
    started = np.zeros(ENVS, int)
    state = None if isinstance(run.model, MLP | StatelessLSTM) else run.model.rest(ENVS * len(net.joints))
    for k in range(STEPS):
        if k == RESET_AT:
            started[list(RESET_ENVS)] = k
        if isinstance(run.model, MLP | StatelessLSTM):
            past = [_past(block, k, started, len(run.features.lags)) for block in blocks]
            torque = run.model(torch.from_numpy(columns(run.features, past, joints)))
        else:
            assert state is not None  # for the type checker: a recurrent net has one
            if k == RESET_AT:
                for part in state:
                    part.view(part.shape[0], ENVS, -1, part.shape[-1])[:, list(RESET_ENVS)] = 0.0
            x = np.stack([block[k].ravel() for block in blocks], axis=-1)[:, None].astype(np.float32)
            torque, state = run.model(torch.from_numpy(x), state)
        out[k] = torque.numpy().reshape(out[k].shape)
    return out


def _past(block: NDArray[np.float64], k: int, started: NDArray[np.int_], lags: int) -> NDArray[np.float64]:
    """The last samples, newest first, shape (lags, envs · joints), zero before each environment's start."""
    seen = [np.where((k - lag >= started)[:, None], block[max(k - lag, 0)], 0.0).ravel() for lag in range(lags)]
    return np.stack(seen)
