"""The predictors as laws of motion: torque at every physics step of a simulation, from commands and the bodies' state.

What a net saw of a log while it learned, it sees of the simulation here: the same columns, at its own step, its
lags interpolated in a history of commands and *simulated* motion, its torque held until it is called again. Any number
of trajectories move side by side: a law is asked once for all of them.

    q, dq of a call    (S, B, 12)    the physics steps since the call before, newest last; one at the start
    commands           (M, B, 12)    by physics step and trajectory
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from collect.joints import N_JOINTS
from identify.baselines import envelope, friction_law
from identify.features import Array, Features, at, columns, terms
from identify.held import targets
from identify.models import MLP, Model, StatelessLSTM
from identify.runs import Friction, Run

_ROOM = 256
"""Calls whose samples the history of a net takes before it is moved to its start again."""


@dataclass(frozen=True, eq=False)
class Law:
    """What the motors of B trajectories do."""

    torque: Callable[[int, Array, Array], Array]
    """Torque (B, 12) [Nm] that is held from physics step m on, given m, q [rad] and dq [rad/s]; called in order."""
    every: int = 1
    """Physics steps from call to call."""


@dataclass(frozen=True, eq=False)
class Commands:
    """What was commanded in one stretch of a log, and the physics steps at which it is wanted."""

    time: Array
    """Of the log's rows, shape (N,) [s]."""
    q_target: Array
    """In force when the row's state was sampled, shape (N, 12) [rad]."""
    kp: Array
    """Shape (N, 12) [Nm/rad]."""
    kd: Array
    """Shape (N, 12) [Nm·s/rad]."""
    steps: Array
    """Times of the physics steps, shape (M,) [s]."""
    sent: Array | None = None
    """When each row's command was sent, shape (N,) [s]; None: with its row."""

    @property
    def _told(self) -> Array:
        """When the commands came, shape (N,) [s]."""
        return self.time if self.sent is None else self.sent

    @property
    def step(self) -> float:
        """One physics step [s]."""
        return float(self.steps[1] - self.steps[0])

    def in_force(self, rows: Array) -> Array:
        """Values (N, 12) of the rows, held as a motor holds them, at every physics step: shape (M, 12).

        What was in force when row k was sampled had come after row k − 1 was, so it holds from one to the other.
        """
        index = np.searchsorted(self.time, self.steps + 1e-9, side="right")
        return np.asarray(rows[np.minimum(index, len(rows) - 1)])

    def target(self, delay: float) -> Array:
        """The targets of `delay` seconds ago, interpolated as in training: shape (M, 12) [rad]."""
        return at(self._told, self.q_target, self.steps - delay)

    def held(self, hold: float) -> Array:
        """The targets as a net sees them that learned with such a `target_hold` [s]: shape (M, 12) [rad]."""
        return targets(self._told, self.q_target, hold, self.steps)


Maker = Callable[[Sequence[Commands]], Law]
"""Makes a law for the commands of B trajectories, all of M physics steps."""


def stacked(parts: Sequence[Commands], of: Callable[[Commands], Array]) -> Array:
    """What `of` gives of each trajectory, (M, 12), side by side: shape (M, B, 12)."""
    return np.stack([of(one) for one in parts], axis=1)


def laws(run: Run) -> Mapping[str, Maker]:
    """How to make the law of each predictor of a run, by its name, the net last."""
    fitted = run.baselines
    weights, offset = np.array(fitted.weights), fitted.offset
    return {
        "ideal_pd": ideal,
        "delayed_pd": lambda parts: _pd(parts, stacked(parts, lambda one: one.target(fitted.delay))),
        "limited_pd": lambda parts: _limited(parts, fitted.delay),
        "friction_pd": lambda parts: _friction(parts, fitted.friction),
        "linear": lambda parts: lagged(parts, run.features, lambda x: x @ weights + offset),
        run.kind: lambda parts: lagged(parts, run.features, forward(run.model)),
    }


def ideal(parts: Sequence[Commands]) -> Law:
    """The motor's law as it is commanded, without a delay: the one predictor of which nothing has to be learned."""
    return _pd(parts, stacked(parts, lambda one: one.in_force(one.q_target)))


def forward(model: Model) -> Callable[[NDArray[np.float32]], Array]:
    """A net from rest: its torque (N,) [Nm] from the columns (N, F) of one call after the other."""
    if isinstance(model, MLP) and isinstance(model.net, nn.Sequential):
        return _plain(model, model.net)
    if isinstance(model, MLP | StatelessLSTM):
        return torch.inference_mode()(lambda x: model(torch.from_numpy(x)).numpy()[:, 0])
    state: Any = None

    def advance(x: NDArray[np.float32]) -> Array:
        nonlocal state
        with torch.inference_mode():
            torque, state = model(torch.from_numpy(x)[:, None, :], state or model.rest(len(x)))
            return np.asarray(torque.numpy()[:, 0, 0])

    return advance


def _plain(model: MLP, net: nn.Sequential) -> Callable[[NDArray[np.float32]], Array]:
    """The same numbers by NumPy: for the twelve rows of a call torch needs longer to start than to multiply."""
    layers = [one for one in net if isinstance(one, nn.Linear)]
    weights = [one.weight.detach().T.numpy().copy() for one in layers]
    biases = [one.bias.detach().numpy().copy() for one in layers]
    scale, line = model.input_scale.numpy(), model.line.numpy()
    last, straight = float(model.output_scale), model.residual

    def advance(x: NDArray[np.float32]) -> Array:
        scaled = hidden = x / scale
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            hidden = hidden @ weight
            hidden += bias
            size = np.abs(hidden)
            size += 1.0
            hidden /= size  # softsign
        torque = hidden @ weights[-1] + biases[-1]
        return np.asarray((torque + scaled @ line if straight else torque)[:, 0] * last)

    return advance


def _pd(parts: Sequence[Commands], target: Array) -> Law:
    """The motor's own law, closed at every physics step."""
    kp, kd = gains(parts)
    return Law(lambda m, q, dq: kp[m] * (target[m] - q[-1]) - kd[m] * dq[-1])


def gains(parts: Sequence[Commands]) -> tuple[Array, Array]:
    """Kp [Nm/rad] and kd [Nm·s/rad] of all trajectories, shape (M, B, 12) each."""
    return stacked(parts, lambda one: one.in_force(one.kp)), stacked(parts, lambda one: one.in_force(one.kd))


def _limited(parts: Sequence[Commands], delay: float) -> Law:
    """The law on an old target, within the motor's envelope."""
    law = _pd(parts, stacked(parts, lambda one: one.target(delay))).torque
    return Law(lambda m, q, dq: envelope(law(m, q, dq), dq[-1]))


def _friction(parts: Sequence[Commands], friction: Friction) -> Law:
    """The law on an old target with each joint's own gains, friction and offset."""
    target, (kp, kd) = stacked(parts, lambda one: one.target(friction.delay)), gains(parts)
    return Law(lambda m, q, dq: friction_law(friction, kp[m] * (target[m] - q[-1]), kd[m] * dq[-1], dq[-1]))


def lagged(parts: Sequence[Commands], features: Features, predict: Callable[[NDArray[np.float32]], Array]) -> Law:
    """A predictor of columns; before the start its past is the measured start, as in training."""
    target, (kp, kd) = stacked(parts, lambda one: one.held(features.target_hold)), gains(parts)
    back = np.array(features.lags) / parts[0].step
    whole = np.floor(back + 1e-9).astype(int)
    share = (back - whole)[:, None, None]
    between = bool((share > 1e-6).any())
    past, every = int(whole[-1]) + 1, round(features.step / parts[0].step)
    history = np.empty((features.blocks, past + _ROOM * every, len(parts), N_JOINTS))
    joints, end = np.tile(np.arange(N_JOINTS), len(parts)), 0

    def torque(m: int, q: Array, dq: Array) -> Array:
        nonlocal end
        rows = slice(m + 1 - len(q), m + 1)
        now = terms(features, target[rows], q, dq, kp[rows], kd[rows])
        if m == 0:
            history[:, : past + 1], end = np.stack(now), past + 1
        else:
            if end + len(q) > history.shape[1]:
                history[:, :past], end = history[:, end - past : end], past
            for block, new in zip(history, now, strict=True):
                block[end : end + len(q)] = new
            end += len(q)
        newest = end - 1 - whole
        seen = history[:, newest]
        if between:
            seen = (1.0 - share) * seen + share * history[:, newest - 1]
        x = columns(features, [*seen.reshape(features.blocks, len(whole), -1)], joints)
        return predict(x).reshape(-1, N_JOINTS)

    return Law(torque, every)
