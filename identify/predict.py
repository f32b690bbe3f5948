"""The torque that every predictor sees in a recorded motion, its state carried through time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from collect.joints import N_JOINTS
from identify import baselines
from identify.baselines import Array
from identify.dataset import Series, inputs
from identify.features import Features, at
from identify.models import MLP, Columnwise, Recurrent, StatelessLSTM
from identify.runs import Run

_CHUNK = 1 << 16
"""Samples handed to a net at once, so that memory stays flat whatever the length."""


def torques(run: Run, data: Series) -> Mapping[str, Array]:
    """Torque of every predictor of a run along a recording.

    Returns:
        By the predictor's name, the net last: shape (N, 12) [Nm] at the recording's own rows, NaN outside of
        its stretches.
    """
    fitted = run.baselines
    return {
        "ideal_pd": baselines.ideal_pd(data),
        "delayed_pd": baselines.delayed_pd(data, fitted.delay),
        "limited_pd": baselines.limited_pd(data, fitted.delay),
        "friction_pd": baselines.friction_pd(data, fitted.friction),
        "linear": baselines.linear(run.features, fitted, data),
        run.kind: net(run, data),
    }


def net(run: Run, data: Series) -> Array:
    """Torque of a run's net alone along a recording, shape (N, 12) [Nm], NaN outside of stretches."""
    if isinstance(run.model, MLP | StatelessLSTM):
        return columnwise(run.features, run.model, data)
    return recurrent(run.features, run.model, data)


@torch.no_grad()
def columnwise(features: Features, model: Columnwise, data: Series) -> Array:
    """Torque of a net that sees its past, at every row of every stretch, its lags interpolated."""
    out, rows = np.full_like(data.q, np.nan), data.with_past(0.0)
    device = model.output_scale.device
    x = torch.from_numpy(inputs(features, data, rows).reshape(-1, features.width))
    predicted = [model(chunk.to(device)).cpu() for chunk in x.split(_CHUNK)]
    out[rows] = torch.cat(predicted).numpy().reshape(-1, N_JOINTS) if predicted else 0.0
    return out


@torch.no_grad()
def recurrent(features: Features, model: Recurrent, data: Series) -> Array:
    """Torque of a net with a state, called every `step` from rest at the start of each stretch, state carried.

    When its step is longer than the log's it runs several times side by side, started in between, so that
    its calls are as dense as the rows; between calls the torque is interpolated.
    """
    out = np.full_like(data.q, np.nan)
    phases = interleaved(features, data.rate)
    for rows in data.stretches:
        time = data.time[rows]
        calls = int((time[-1] - time[0]) / features.step) + 1
        when = time[0] + np.arange(calls * phases) * (features.step / phases)
        seen = np.stack(data.seen(features, rows, when), axis=-1, dtype=np.float32)
        # (call, phase, joint, 2) → (phase · joint, call, 2): a call is the same instant in every phase's own time.
        x = torch.from_numpy(seen.reshape(calls, phases * N_JOINTS, 2)).transpose(0, 1)
        torque = _run(model, x).transpose(0, 1).reshape(calls * phases, N_JOINTS)
        out[rows] = at(when, torque.double().numpy(), data.sampled[rows])
    return out


def interleaved(features: Features, rate: float) -> int:
    """How many times a net of this step must run side by side to be called as densely as a log has rows."""
    return max(1, int(np.ceil(features.step * rate - 1e-6)))


def _run(model: Recurrent, x: torch.Tensor) -> torch.Tensor:
    """Torque (N, T) from inputs (N, T, 2), in chunks of time with the state carried."""
    device = model.output_scale.device
    state, parts = model.rest(len(x)), []
    for chunk in x.split(max(1, _CHUNK // len(x)), dim=1):
        torque, state = model(chunk.to(device), state)
        parts.append(torque[..., 0].cpu())
    return torch.cat(parts, dim=1)
