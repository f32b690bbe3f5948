"""The nets, as the field knows them; inputs and output in Nm, their scaling inside.

The scales are plain gains without offsets: no input gives the same values before and after a reset that
fills a history with zeros (Isaac Lab) or with the first sample (mjlab), and a fold of kp and kd stays a gain.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from collect.joints import KINDS
from identify.settings import LSTMShape, MLPShape, StatelessShape, TrainConfig


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

    def __init__(self, width: int, shape: MLPShape, identity: int = 0) -> None:
        """Build it untrained; of the `width` columns the last `identity` say which joint or kind it is."""
        super().__init__()
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.ones(width))
        self.register_buffer("output_scale", torch.ones(()))
        self.line: Tensor
        self.register_buffer("line", torch.zeros(width, 1))
        self.residual = shape.residual
        self.net = PerKind(width, shape, identity) if shape.per_kind else _layers(width, shape)

    def forward(self, x: Tensor) -> Tensor:
        """Torque (N, 1) [Nm] from columns (N, F) of `identify.features`."""
        scaled = x / self.input_scale
        torque = self.net(scaled)
        if self.residual:
            torque = torque + scaled @ self.line
        return torque * self.output_scale


class PerKind(nn.Module):
    """Layers of their own for hips, thighs and calves; each row is given the torque of its kind."""

    def __init__(self, width: int, shape: MLPShape, identity: int) -> None:
        """Build them untrained; the last `identity` columns are one-hot: 3 kinds, or 12 joints in SDK order."""
        super().__init__()
        self.identity = identity
        self.nets = nn.ModuleList(_layers(width, shape) for _ in KINDS)

    def forward(self, x: Tensor) -> Tensor:
        """Torque (N, 1) from columns (N, F)."""
        who = x[:, x.size(1) - self.identity :].view(x.size(0), self.identity // 3, 3).sum(1)  # legs together
        return (torch.cat([net(x) for net in self.nets], dim=1) * who).sum(1, keepdim=True)


def _layers(width: int, shape: MLPShape) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(shape.layers):
        layers += [nn.Linear(width, shape.hidden), Softsign()]
        width = shape.hidden
    return nn.Sequential(*layers, nn.Linear(width, 1))


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
        self.head = _head(shape.hidden, shape.head, shape.dropout)

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


class GRU(nn.Module):
    """As `LSTM`, with gated recurrent units (Cho et al. 2014): one state instead of two."""

    def __init__(self, shape: LSTMShape) -> None:
        super().__init__()
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.ones(2))
        self.register_buffer("output_scale", torch.ones(()))
        between = shape.dropout if shape.layers > 1 else 0.0
        self.gru = nn.GRU(2, shape.hidden, shape.layers, batch_first=True, dropout=between)
        self.head = _head(shape.hidden, shape.head, shape.dropout)

    def forward(self, x: Tensor, state: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        """Torque (N, T, 1) [Nm] from kp·e and kd·dq (N, T, 2) [Nm]; the state is (layers, N, hidden)."""
        hidden, after = self.gru(x / self.input_scale, state[0])
        return self.head(hidden) * self.output_scale, (after,)

    def rest(self, count: int) -> tuple[Tensor]:
        """The state after a reset, for `count` joints side by side."""
        return (self.input_scale.new_zeros(self.gru.num_layers, count, self.gru.hidden_size),)


class StatelessLSTM(nn.Module):
    """An LSTM asked once, from rest, with all columns at a time: without a past its gates make it a feed-forward net.

    Some public actuator nets are called so (inputs (N, 1, 6): error and velocity at three times); it is here to be
    compared.
    """

    def __init__(self, width: int, shape: StatelessShape) -> None:
        super().__init__()
        self.input_scale: Tensor
        self.output_scale: Tensor
        self.register_buffer("input_scale", torch.ones(width))
        self.register_buffer("output_scale", torch.ones(()))
        between = shape.dropout if shape.layers > 1 else 0.0
        self.lstm = nn.LSTM(width, shape.hidden, shape.layers, batch_first=True, dropout=between)
        self.head = _head(shape.hidden, shape.head, shape.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Torque (N, 1) [Nm] from columns (N, F) of `identify.features`."""
        hidden, _ = self.lstm((x / self.input_scale)[:, None])
        return self.head(hidden[:, 0]) * self.output_scale


def _head(width: int, units: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(width, units), Softsign(), nn.Linear(units, 1))


Recurrent = LSTM | GRU
"""Nets that are called along time; their past is in their state."""
Columnwise = MLP | StatelessLSTM
"""Nets that see their past in their columns: one row is as good as any other."""
Model = Recurrent | Columnwise


def build(config: TrainConfig) -> Model:
    """The untrained net that a configuration describes, its scales still 1."""
    if config.mlp:
        return MLP(config.features.width, config.mlp, config.features.identity.shape[1])
    if config.stateless_lstm:
        return StatelessLSTM(config.features.width, config.stateless_lstm)
    return GRU(config.gru) if config.gru else LSTM(config.lstm or LSTMShape())
