"""The predictors as laws of motion: torque at every physics step of a simulation, from commands and the body's state.

What a net saw of a log while it learned, it sees of the simulation here: the same columns, at its own step, its
lags interpolated in a history of commands and *simulated* motion, its torque held until it is called again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from collect.joints import N_JOINTS
from identify.baselines import envelope, friction_law
from identify.features import Array, Features, at, columns, terms
from identify.models import MLP, Model, StatelessLSTM
from identify.runs import Friction, Run

Law = Callable[[int, Array, Array], Array]
"""Torque (12,) [Nm] at physics step m from the body's q [rad] and dq [rad/s]; called once a step, in order."""


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
        """The targets of `delay` seconds ago, interpolated between rows as in training: shape (M, 12) [rad]."""
        return at(self.time, self.q_target, self.steps - delay)


def laws(run: Run) -> Mapping[str, Callable[[Commands], Law]]:
    """How to make the law of each predictor of a run for given commands, by its name, the net last."""
    fitted = run.baselines
    weights, offset = np.array(fitted.weights), fitted.offset
    return {
        "ideal_pd": lambda commands: _pd(commands, commands.in_force(commands.q_target)),
        "delayed_pd": lambda commands: _pd(commands, commands.target(fitted.delay)),
        "limited_pd": lambda commands: _limited(commands, fitted.delay),
        "friction_pd": lambda commands: _friction(commands, fitted.friction),
        "linear": lambda commands: _lagged(commands, run.features, lambda x: x @ weights + offset),
        run.kind: lambda commands: _lagged(commands, run.features, forward(run.model)),
    }


def forward(model: Model) -> Callable[[NDArray[np.float32]], Array]:
    """A net from rest: its torque (12,) [Nm] from the columns (12, F) of one call after the other."""
    if isinstance(model, MLP | StatelessLSTM):
        return lambda x: model(torch.from_numpy(x)).numpy()[:, 0]
    state = model.rest(N_JOINTS)

    def advance(x: NDArray[np.float32]) -> Array:
        nonlocal state
        torque, state = model(torch.from_numpy(x)[:, None, :], state)
        return np.asarray(torque.numpy()[:, 0, 0])

    return advance


def _pd(commands: Commands, target: Array) -> Law:
    """The motor's own law, closed at every physics step."""
    kp, kd = commands.in_force(commands.kp), commands.in_force(commands.kd)
    return lambda m, q, dq: kp[m] * (target[m] - q) - kd[m] * dq


def _limited(commands: Commands, delay: float) -> Law:
    """The law on an old target, within the motor's envelope."""
    law = _pd(commands, commands.target(delay))
    return lambda m, q, dq: envelope(law(m, q, dq), dq)


def _friction(commands: Commands, friction: Friction) -> Law:
    """The law on an old target with each joint's own gains, friction and offset."""
    target, kp, kd = commands.target(friction.delay), commands.in_force(commands.kp), commands.in_force(commands.kd)
    return lambda m, q, dq: friction_law(friction, kp[m] * (target[m] - q), kd[m] * dq, dq)


def _lagged(commands: Commands, features: Features, predict: Callable[[NDArray[np.float32]], Array]) -> Law:
    """A predictor of columns; before the start its past is the measured start, as in training."""
    target, kp, kd = commands.target(0.0), commands.in_force(commands.kp), commands.in_force(commands.kd)
    back = np.array(features.lags) / commands.step
    whole = np.floor(back + 1e-9).astype(int)
    share = (back - whole)[:, None]
    past = int(whole[-1]) + 1
    history = np.empty((features.blocks, past + len(commands.steps), N_JOINTS))
    every, joints, held = round(features.step / commands.step), np.arange(N_JOINTS), np.zeros(N_JOINTS)

    def law(m: int, q: Array, dq: Array) -> Array:
        now = past + m
        history[:, now] = terms(features, target[m], q, dq, kp[m], kd[m])
        if m == 0:
            history[:, :now] = history[:, now : now + 1]
        if m % every == 0:
            newer = now - whole
            seen = (1.0 - share) * history[:, newer] + share * history[:, newer - 1]
            held[:] = predict(columns(features, seen, joints))
        return held

    return law
