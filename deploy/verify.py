"""Proof of a bundle: Isaac Lab's own call sequence on the exported files, against the trained net's answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deploy import bundle, fold, golden
from deploy.bundle import Manifest, Net
from deploy.isaaclab import GOLDEN_TORQUES, LSTMActuator, MLPActuator, golden_torques

TOLERANCE = 1e-4
"""Largest difference to the trained net: float32 sums in another order [Nm]."""


@dataclass(frozen=True)
class Proof:
    """What `verify` found."""

    max_abs_error: float
    """Against the trained net, over all files and steps [Nm]."""
    checks: dict[str, bool]

    @property
    def passed(self) -> bool:
        """Whether every check did."""
        return all(self.checks.values())


def verify(folder: Path) -> Proof:
    """Check hashes, then call every net as Isaac Lab does.

    Raises:
        UserError: when the folder is not a bundle or a hash does not match; nothing has been loaded then.
    """
    manifest = bundle.open_bundle(folder)
    errors, checks = [], {"hashes": True, "column_order": bool(np.allclose(golden_torques(), GOLDEN_TORQUES))}
    with np.load(folder / bundle.GOLDEN, allow_pickle=False) as stored:
        for net in manifest.nets:
            module = fold.load(folder / net.file)
            kept = {name: torch.from_numpy(stored[f"{net.file}/{name}"]) for name in ("error", "speed", "torque")}
            answers = play(manifest, net, module, kept["error"], kept["speed"])
            errors.append(float((answers - kept["torque"]).abs().max()))
            for name, good in _checks(manifest, net, module, kept, answers).items():
                checks[name] = checks.get(name, True) and good
    worst = max(errors) if errors else float("nan")
    checks["equals_trained_net"] = bool(worst <= TOLERANCE)
    return Proof(worst, checks)


def play(manifest: Manifest, net: Net, module: Any, error: Tensor, speed: Tensor, *, reset: bool = True) -> Tensor:
    """The exported file's answers to a trajectory (steps, envs, joints), some environments reset on the way."""
    actuator = _actuator(manifest, module, error.shape[1], error.shape[2])
    out = torch.empty_like(error)
    for k in range(len(error)):
        if reset and k == golden.RESET_AT:
            actuator.reset(torch.tensor(golden.RESET_ENVS))
        out[k] = actuator.compute(error[k], speed[k])
    return out


def _actuator(manifest: Manifest, module: Any, envs: int, joints: int) -> MLPActuator | LSTMActuator:
    if manifest.kind == "lstm":
        return LSTMActuator(module, envs, joints)
    return MLPActuator(module, envs, joints, manifest.input_idx)


def _checks(manifest: Manifest, net: Net, module: Any, kept: dict[str, Tensor], answers: Tensor) -> dict[str, bool]:
    error, speed = kept["error"], kept["speed"]
    order = torch.arange(error.shape[1]).flip(0)
    permuted = play(manifest, net, module, error[:50, order], speed[:50, order], reset=False)
    wide = play(manifest, net, module, 3.0 * error[:50], 3.0 * speed[:50], reset=False)
    fresh = play(manifest, net, module, error[golden.RESET_AT :], speed[golden.RESET_AT :], reset=False)
    envs = list(golden.RESET_ENVS)
    return {
        "output_shape": _output_shape(manifest, module),
        "eval_mode": not module.training and torch.equal(answers, play(manifest, net, module, error, speed)),
        "batch_permutation": bool(torch.allclose(permuted, answers[:50, order], atol=TOLERANCE)),
        "finite": bool(torch.isfinite(wide).all()),
        "reset": bool(torch.allclose(fresh[:, envs], answers[golden.RESET_AT :, envs], atol=TOLERANCE)),
        "remembers": not torch.allclose(fresh[:2, [0]], answers[golden.RESET_AT : golden.RESET_AT + 2, [0]], atol=1e-6)
        or len(manifest.input_idx) == 1,
    }


@torch.inference_mode()
def _output_shape(manifest: Manifest, module: Any) -> bool:
    rows = 5
    if manifest.kind == "lstm":
        weights = module.lstm.state_dict()
        state = torch.zeros(len(weights) // 4, rows, weights["weight_hh_l0"].shape[1])
        torque, _ = module(torch.zeros(rows, 1, 2), (state, state.clone()))
    else:
        torque = module(torch.zeros(rows, 2 * len(manifest.input_idx)))
    return tuple(torque.shape) == (rows, 1)
