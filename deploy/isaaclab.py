"""How Isaac Lab calls an actuator net: the buffers, order and resets of its ActuatorNetMLP and ActuatorNetLSTM.

Behaviour of isaaclab 2.2 to 3.0 (isaaclab/actuators/actuator_net.py), up to its own torque clipping; held
equal to the real classes by the tests. Rows are flattened environment first, then joint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

GOLDEN_WEIGHTS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
"""A linear net that shows in its output which column was which."""
GOLDEN_TORQUES = (-99.0, -1188.0, -12177.0, -23166.0)
"""What it answers to error k and velocity −0.1·k, k = 1 … 4, from a reset, with input_idx 0, 1, 2; measured on
isaaclab 2.2.0, 2.3.0, 2.3.2.post1 and 3.0.0."""


class MLPActuator:
    """A feed-forward net with its history of errors and velocities, newest first, zero after a reset."""

    def __init__(self, network: Callable[[Tensor], Tensor], envs: int, joints: int, input_idx: Sequence[int]) -> None:
        self._network, self._idx = network, list(input_idx)
        self._error, self._speed = (torch.zeros(envs, max(input_idx) + 1, joints) for _ in range(2))

    def reset(self, envs: Tensor | slice) -> None:
        """Forget the past of some environments."""
        self._error[envs] = 0.0
        self._speed[envs] = 0.0

    @torch.no_grad()
    def compute(self, error: Tensor, speed: Tensor) -> Tensor:
        """One physics step.

        Args:
            error: target − position, shape (envs, joints) [rad].
            speed: joint velocity, shape (envs, joints) [rad/s].

        Returns:
            Torque, shape (envs, joints) [Nm].
        """
        self._error, self._speed = self._error.roll(1, 1), self._speed.roll(1, 1)
        self._error[:, 0], self._speed[:, 0] = error, speed
        blocks = [block[:, self._idx].transpose(1, 2).flatten(0, 1) for block in (self._error, self._speed)]
        return self._network(torch.cat(blocks, dim=1)).view(error.shape)


class LSTMActuator:
    """A recurrent net with the hidden and cell state of every joint, zero after a reset."""

    def __init__(self, network: Any, envs: int, joints: int) -> None:
        """Read the state's size from the net's `lstm`, as Isaac Lab does.

        Raises:
            AttributeError: when the net has no attribute `lstm`.
        """
        weights = network.lstm.state_dict()
        layers, hidden = len(weights) // 4, weights["weight_hh_l0"].shape[1]
        self._network, self._shape = network, (layers, envs, joints, hidden)
        self._state = [torch.zeros(layers, envs * joints, hidden) for _ in range(2)]

    def reset(self, envs: Tensor | slice) -> None:
        """Forget the past of some environments."""
        for state in self._state:
            state.view(self._shape)[:, envs] = 0.0

    @torch.no_grad()
    def compute(self, error: Tensor, speed: Tensor) -> Tensor:
        """One physics step; arguments as those of `MLPActuator.compute`."""
        x = torch.stack([error.flatten(), speed.flatten()], dim=-1)[:, None, :]
        torque, (hidden, cell) = self._network(x, (self._state[0], self._state[1]))
        self._state = [hidden.clone(), cell.clone()]
        return torque.reshape(error.shape)


def golden_torques() -> list[float]:
    """What the emulation of ActuatorNetMLP answers to the golden vector."""
    weights = torch.tensor(GOLDEN_WEIGHTS)
    actuator = MLPActuator(lambda x: x @ weights, 1, 1, (0, 1, 2))
    steps = [torch.full((1, 1), float(k)) for k in range(1, 5)]
    return [float(actuator.compute(step, -0.1 * step)) for step in steps]
