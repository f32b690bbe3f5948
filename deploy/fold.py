"""A trained net as a simulator wants it: gains, joint identity and all scaling inside, error and velocity outside."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from identify.features import Features
from identify.models import LSTM, MLP


class FoldedMLP(nn.Module):
    """(N, 2H) of errors [rad] and velocities [rad/s], newest first, to torque (N, 1) [Nm]."""

    def __init__(self, model: MLP, features: Features, kp: float, kd: float, identity: Tensor) -> None:
        """Fold gains and identity in.

        Args:
            model: the trained net.
            features: what it sees.
            kp: position gain [Nm/rad].
            kd: velocity gain [Nm·s/rad].
            identity: the net's columns behind the lags, shape (0,), (3,) or (12,).
        """
        super().__init__()
        self.model = model
        self.gains: Tensor
        self.columns: Tensor
        self.identity: Tensor
        lags = torch.arange(len(features.lags))
        error, velocity = lags, lags + len(lags)
        folds = {"kp·e": (error, kp), "kd·dq": (velocity, kd), "kp·dq": (velocity, kp), "dq": (velocity, 1.0)}
        columns, gains = zip(*(folds[term] for term in features.terms), strict=True)
        self.register_buffer("columns", torch.cat(columns))
        self.register_buffer("gains", torch.tensor(gains).repeat_interleave(len(lags)))
        self.register_buffer("identity", identity)

    def forward(self, x: Tensor) -> Tensor:
        """Torque (N, 1) [Nm]."""
        terms = x[:, self.columns] * self.gains
        return self.model(torch.cat([terms, self.identity.expand(terms.size(0), self.identity.size(0))], dim=1))


class FoldedLSTM(nn.Module):
    """Error [rad] and velocity [rad/s] of one step, (N, 1, 2), and the state to torque (N, 1) [Nm] and the state."""

    def __init__(self, model: LSTM, kp: float, kd: float) -> None:
        super().__init__()
        self.lstm = model.lstm  # Isaac Lab reads the state's size from an attribute of this name
        self.head = model.head
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.tensor([kp, kd]) / model.input_scale)
        self.register_buffer("output_scale", model.output_scale.clone())

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Torque (N, 1) [Nm] and the state (h, c) to carry on."""
        hidden, state = self.lstm(x * self.input_scale, state)
        return self.head(hidden)[:, -1] * self.output_scale, state


def save(net: nn.Module, path: Path) -> None:
    """Script a folded net and save it; scripted, not traced, so that no device or size is frozen in."""
    with warnings.catch_warnings():
        # torch 2.13 advises torch.export, which no released Isaac Lab can load.
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        torch.jit.script(net.eval()).save(str(path))


def load(path: Path) -> nn.Module:
    """Load a TorchScript file, which can run code: only ever one whose hash was checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=FutureWarning)
        net: nn.Module = torch.jit.load(str(path), map_location="cpu").eval()
    return net
