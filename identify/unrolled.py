"""Training through the replay: a net's torque moves the legs in pieces of a recording, and where they get to is judged.

A net of joint torque that is right on average can still drive a leg off, for in a simulation its inputs are its own
doing. Here they are in training too. The body is a surrogate that torch can differentiate: of each leg

    ddq = (M(t) + rotor)⁻¹ · (tau − bias(t)),    dq += h·ddq,    q += h·dq        semi-implicit Euler, h at most 1 ms

with mass matrix and bias of the rigid body *along the measured motion*. A replay is milliradians away from it, so that
what this leaves out is of second order; the replay of the finished net by MuJoCo says the same (tests). Gradients flow
back through `window`; pieces start from the measured state and carry their own from window to window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collect.body import Body
from collect.joints import LEGS, N_JOINTS
from identify.dataset import ROTOR, Series, unbroken
from identify.drive import PHYSICS
from identify.features import Array, Features, at, terms
from identify.models import MLP

_LEG = N_JOINTS // len(LEGS)


@dataclass(frozen=True, eq=False)
class Track:
    """One recording at the calls of the net: C calls, twelve joints; (C, 12) unless said."""

    name: str
    """Of the recording."""
    q: Array
    """[rad]"""
    dq: Array
    """[rad/s]"""
    q_target: Array
    """[rad]"""
    kp: Array
    """[Nm/rad]"""
    kd: Array
    """[Nm·s/rad]"""
    bias: Array
    """What holds the links against gravity, velocity forces and the base's motion [Nm]."""
    turned: Array
    """Inverse of each leg's inertia with its rotors, shape (C, 4, 3, 3) [1/kg·m²]."""
    kept: NDArray[np.bool_]
    """Calls that may be learned from, shape (C,)."""


def tracks(features: Features, data: Series, rows: NDArray[np.bool_]) -> list[Track]:
    """A recording's stretches at the net's calls.

    Args:
        features: of the net: when it is called.
        data: the recording.
        rows: which may be learned from, shape (N,).
    """
    found, body = [], Body(timestep=PHYSICS, armature=ROTOR)
    for part in data.stretches:
        time, sampled = data.time[part], data.sampled[part]
        when = np.arange(sampled[0].max(), sampled[-1].min(), features.step)
        q = np.stack([_curve(sampled[:, j], data.q[part, j], data.dq[part, j], when) for j in range(N_JOINTS)], axis=1)
        dq = at(sampled, data.dq[part], when)
        bias, inertia = body.along(q, dq)
        turned = np.asarray(np.linalg.inv(inertia), float)
        if data.base is not None:
            bias += at(time, data.base[part], when)
        q_target, kp, kd = data.told(features, part, when)
        kept = rows[part][np.clip(np.searchsorted(time, when), 0, len(time) - 1)]
        found.append(Track(data.name, q, dq, q_target, kp, kd, bias, turned, kept))
    return found


def _curve(time: Array, q: Array, dq: Array, when: Array) -> Array:
    """Positions between samples by a cubic through positions and slopes; a straight line is half a mrad off."""
    right = np.clip(np.searchsorted(time, when), 1, len(time) - 1)
    span = time[right] - time[right - 1]
    u = np.clip((when - time[right - 1]) / span, 0.0, 1.0)
    bend = u * (1.0 - u)
    chord = (1.0 - u) * q[right - 1] + u * q[right]
    slope = (q[right] - q[right - 1]) / np.maximum(span, 1e-6)
    own = bend * span * ((1.0 - u) * (dq[right - 1] - slope) - u * (dq[right] - slope))
    return np.asarray(np.where(span > 1e-4, chord + own, chord))


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of tracks side by side, P of them, each with a past; (past + T, P, 12) unless said."""

    q: Tensor
    dq: Tensor
    q_target: Tensor
    kp: Tensor
    kd: Tensor
    bias: Tensor
    turned: Tensor
    """Shape (past + T, P, 4, 3, 3)."""

    def __len__(self) -> int:
        return self.q.shape[1]


def pieces(
    found: Sequence[Track], past: int, length: int, offset: int, device: torch.device | str = "cpu"
) -> Pieces | None:
    """Cut all runs of kept calls into pieces of `length` calls with `past` before them; None where none is so long."""
    starts = [
        (index, start)
        for index, track in enumerate(found)
        for first, last in unbroken(track.kept)
        for start in range(max(first, past) + offset, last - length + 1, length)
    ]
    if not starts:
        return None

    def cut(name: str) -> Tensor:
        parts = [getattr(found[index], name)[start - past : start + length] for index, start in starts]
        return torch.from_numpy(np.stack(parts, axis=1).astype(np.float32)).to(device)

    names = ("q", "dq", "q_target", "kp", "kd", "bias", "turned")
    return Pieces(**{name: cut(name) for name in names})


@dataclass(frozen=True, eq=False)
class State:
    """Where pieces are."""

    q: Tensor
    """Shape (P, 12) [rad]."""
    dq: Tensor
    """Shape (P, 12) [rad/s]."""
    history: Tensor
    """`identify.features.terms` of the calls before, newest first, shape (blocks, P, 12, L)."""

    def detached(self) -> State:
        """The same place; no gradient flows back beyond it."""
        return State(self.q.detach(), self.dq.detach(), self.history.detach())


class Surrogate:
    """Moves pieces by a net."""

    def __init__(self, features: Features, model: MLP) -> None:
        """A net that is called every `step`, its lags whole multiples of it."""
        self.features, self.model, device = features, model, model.output_scale.device
        self.lags = torch.tensor([round(lag / features.step) for lag in features.lags], device=device)
        self.past = int(self.lags[-1]) + 1
        self.substeps = int(np.ceil(features.step / PHYSICS - 1e-9))
        self.identity = torch.from_numpy(features.identity).to(device)

    def start(self, one: Pieces) -> State:
        """The measured state after the past."""
        before = self._terms(one, slice(0, self.past), one.q[: self.past], one.dq[: self.past])
        history = torch.stack(before).flip(1).permute(0, 2, 3, 1)
        return State(one.q[self.past], one.dq[self.past], history)

    def move(self, one: Pieces, state: State, calls: range, limit: Tensor | None = None) -> tuple[Tensor, State]:
        """Positions (len(calls), P, 12) after each of some calls, and the state after them.

        Torques end at the limit, shape (12,) [Nm], if there is one.
        """
        q, dq, history = state.q, state.dq, state.history
        h, count, moved = self.features.step / self.substeps, len(one), []
        identity = self.identity.repeat(count, 1)
        for k in calls:
            now = torch.stack(self._terms(one, k, q, dq))[..., None]
            history = torch.cat([now, history[..., : self.past - 1]], dim=-1)
            seen = history[..., self.lags].permute(1, 2, 0, 3).reshape(count * N_JOINTS, -1)
            tau = self.model(torch.cat([seen, identity], dim=1)).reshape(count, N_JOINTS)
            tau = tau if limit is None else torch.minimum(torch.maximum(tau, -limit), limit)
            # Inertia and bias change little from call to call: the acceleration is held like the torque.
            pull = (tau - one.bias[k]).reshape(count, len(LEGS), _LEG, 1)
            ddq = (one.turned[k] @ pull).reshape(count, N_JOINTS)
            for _ in range(self.substeps):
                dq = dq + h * ddq
                q = q + h * dq
            moved.append(q)
        return torch.stack(moved), State(q, dq, history)

    def _terms(self, one: Pieces, k: int | slice, q: Tensor, dq: Tensor) -> tuple[Tensor, ...]:
        return terms(self.features, one.q_target[k], q, dq, one.kp[k], one.kd[k])  # type: ignore[arg-type,return-value]


def windows(first: int, last: int, window: int) -> Iterator[range]:
    """The calls of a piece in runs of at most `window`."""
    for start in range(first, last, window):
        yield range(start, min(start + window, last))
