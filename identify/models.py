"""The two nets, as the field knows them; inputs and output in Nm, their scaling inside.

The scales are plain gains without offsets: no input gives the same values before and after a reset that
fills a history with zeros (Isaac Lab) or with the first sample (mjlab), and a fold of kp and kd stays a gain.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from identify.settings import LSTMShape, MLPShape, TrainConfig


class Softsign(nn.Module):
    """x / (1 + |x|), elementwise; torch's own differentiates each of its steps, and that is slow."""

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape, in (−1, 1)."""
        if torch.jit.is_scripting():
            return nn.functional.softsign(x)
        out: Tensor = _Softsign.apply(x)
        return out


class _Softsign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        below = x.abs().add_(1.0)
        ctx.save_for_backward(below)
        return x / below

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (below,) = ctx.saved_tensors
        return (slope / below).div_(below)  # d/dx x / (1 + |x|) = 1 / (1 + |x|)²


class MLP(nn.Module):
    """Torque from the present and the past: F → layers × hidden → 1, softsign between, beside a straight line F → 1.

    After the MLP of "Walk These Ways" (Margolis & Agrawal 2022; Go1 net 6 → 32 → 32 → 1, softsign),
    wider: 4 × 100. The line is for `residual` alone: fitted before the training and then left as it is: the delayed
    law is almost linear in the lags, and what is left of it is a tenth of the torque.
    """

    def __init__(self, width: int, shape: MLPShape) -> None:
        super().__init__()
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.ones(width))
        self.register_buffer("output_scale", torch.ones(()))
        self.line: Tensor
        self.register_buffer("line", torch.zeros(width, 1))
        self.residual = shape.residual
        layers: list[nn.Module] = []
        for _ in range(shape.layers):
            layers += [nn.Linear(width, shape.hidden), Softsign()]
            width = shape.hidden
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Torque (N, 1) [Nm] from columns (N, F) of `identify.features`."""
        scaled = x / self.input_scale
        torque = self.net(scaled)
        if self.residual:
            torque = torque + scaled @ self.line
        return torque * self.output_scale


class LSTM(nn.Module):
    """Torque from the present alone, the past in the state: 2 → LSTM → head → 1.

    After the actuator net of Rudin et al. 2022 (legged_gym, anydrive_v3_lstm.pt: 2 × 8), wider: 2 × 64.
    The attribute `lstm` and the call's shape are Isaac Lab's contract (isaaclab/actuators/actuator_net.py).
    """

    def __init__(self, shape: LSTMShape) -> None:
        super().__init__()
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.ones(2))
        self.register_buffer("output_scale", torch.ones(()))
        between = shape.dropout if shape.layers > 1 else 0.0  # a single layer has nothing in between
        self.lstm = nn.LSTM(2, shape.hidden, shape.layers, batch_first=True, dropout=between)
        self.head = nn.Sequential(
            nn.Dropout(shape.dropout), nn.Linear(shape.hidden, shape.head), Softsign(), nn.Linear(shape.head, 1)
        )

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Torque along time.

        Args:
            x: kp·e and kd·dq, shape (N, T, 2) [Nm].
            state: h and c, each (layers, N, hidden); zeros after a reset.

        Returns:
            Torque (N, T, 1) [Nm] and the state to carry on.
        """
        hidden, state = self.lstm(x / self.input_scale, state)
        return self.head(hidden) * self.output_scale, state

    @torch.jit.unused
    def rest(self, count: int) -> tuple[Tensor, Tensor]:
        """The state after a reset, for `count` joints side by side."""
        zeros = self.input_scale.new_zeros(self.lstm.num_layers, count, self.lstm.hidden_size)
        return zeros, zeros.clone()


def build(config: TrainConfig) -> MLP | LSTM:
    """The untrained net that a configuration describes, its scales still 1."""
    if config.mlp:
        return MLP(config.features.width, config.mlp)
    return LSTM(config.lstm or LSTMShape())
