"""The parameters of twelve actuators, as `identify fit` finds them and a simulator takes them.

    torque   lag·d(tau)/dt = spring·kp·(q_target(t − delay) + offset − q) − damper·kd·dq − tau
    link     (M(q) + armature)·ddq + bias(q, dq) = tau − viscous·dq − F(dq, tau)·sign(dq)
    friction F = dry + breakaway·exp(−(dq / stribeck)²) + load·|tau|

The delay counts from the row before the one whose command it is: a command that was in force when row k was sampled
had been sent after row k − 1 was, and is taken to be held from one to the next, as a motor holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from collect import config
from collect.errors import UserError
from collect.joints import N_JOINTS
from identify.features import Array
from identify.laws import Commands, Law, Maker, gains, stacked
from identify.runs import write_bytes

SOFT = 0.05
"""Speed over which load-dependent friction turns round in a law [rad/s]: some ten steps of the velocity sensor."""


@dataclass(frozen=True)
class Parameters:
    """Twelve actuators, a value each in SDK order."""

    armature: tuple[float, ...]
    """Rotor inertia at the joint [kg·m²]."""
    viscous: tuple[float, ...]
    """[Nm·s/rad]"""
    dry: tuple[float, ...]
    """Dry friction of a turning joint without load [Nm]."""
    breakaway: tuple[float, ...]
    """What dry friction has more at rest [Nm]."""
    stribeck: tuple[float, ...]
    """Speed over which that is lost [rad/s]."""
    load: tuple[float, ...]
    """Dry friction per torque [1]."""
    spring: tuple[float, ...]
    """What becomes of kp [1]."""
    damper: tuple[float, ...]
    """What becomes of kd [1]."""
    offset: tuple[float, ...]
    """Added to the target: bias of the encoder, and what gravity has more than the body's model [rad]."""
    delay: tuple[float, ...]
    """From sending a command to its being in force [s]."""
    lag: tuple[float, ...]
    """Time constant of the torque [s]; 0: at once."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != N_JOINTS:
                raise ValueError(f"{field.name} needs 12 values, got {len(getattr(self, field.name))}")
        positive = [field.name for field in fields(self) if field.name != "offset"]
        wrong = [name for name in positive if min(getattr(self, name)) < 0.0]
        if wrong or min(self.stribeck) <= 0.0:
            raise ValueError(f"{(wrong or ['stribeck'])[0]} must be positive")


@dataclass(frozen=True)
class Margins:
    """Half of each parameter's 95 % confidence interval, in its unit; None where it was held or cannot be told."""

    armature: tuple[float | None, ...]
    viscous: tuple[float | None, ...]
    dry: tuple[float | None, ...]
    breakaway: tuple[float | None, ...]
    stribeck: tuple[float | None, ...]
    load: tuple[float | None, ...]
    spring: tuple[float | None, ...]
    damper: tuple[float | None, ...]
    offset: tuple[float | None, ...]
    delay: tuple[float | None, ...]
    lag: tuple[float | None, ...]


@dataclass(frozen=True)
class Source:
    """A recording that was fitted."""

    name: str
    sha256: str
    """Of its content."""


@dataclass(frozen=True)
class Fitted:
    """The file `parameters.yaml`."""

    parameters: Parameters
    margins: Margins
    warnings: tuple[str, ...]
    """What the recordings cannot tell."""
    error: tuple[float | None, ...]
    """Of each joint's motion over the fitted windows, root mean square [rad]; None of a joint that did not move."""
    sources: tuple[Source, ...]
    """What was fitted."""


def law(parameters: Parameters) -> Maker:
    """How to make the actuators' law for given commands; beside it the body needs what `beside` says."""

    def make(parts: Sequence[Commands]) -> Law:
        p = {field.name: np.array(getattr(parameters, field.name)) for field in fields(parameters)}

        # A simulator's velocity is that of half a step ago, its position and torque are of now (leapfrog).
        def obeyed(one: Commands) -> Array:
            return held(one.time, one.q_target, one.steps - 0.5 * one.step, one.step, p["delay"]) + p["offset"]

        target, (kp, kd) = stacked(parts, obeyed), gains(parts)
        kp, kd = p["spring"] * kp, p["damper"] * kd
        decay, old, new = filtered(p["lag"], parts[0].step)
        torque, asked, before = np.zeros(N_JOINTS), np.zeros(N_JOINTS), np.zeros(N_JOINTS)

        def torque_of(m: int, q: Array, dq: Array) -> Array:
            nonlocal torque, asked, before
            q, dq = q[-1], dq[-1]
            if m == 0:
                before = dq
            wanted = kp[m] * (target[m] - q) - kd[m] * (1.5 * dq - 0.5 * before)
            torque = decay * torque + old * asked + new * wanted if m else wanted
            asked, before = wanted, dq.copy()
            eased = p["breakaway"] * (1.0 - np.exp(-np.square(dq / p["stribeck"]))) * np.sign(dq)
            return np.asarray(torque + eased - p["load"] * np.abs(torque) * np.tanh(dq / SOFT))

        return Law(torque_of)

    return make


def beside(parameters: Parameters) -> Mapping[str, Array]:
    """Armature, viscous and dry friction of the body that the law moves, shape (12,) each.

    Its dry friction is that at rest; the law gives back what a turning joint loses of it.
    """
    armature, viscous, dry, breakaway = (
        np.array(getattr(parameters, name)) for name in ("armature", "viscous", "dry", "breakaway")
    )
    return {"armature": armature, "viscous": viscous, "dry": dry + breakaway}


def body(parameters: Parameters) -> Mapping[str, Array]:
    """Armature, viscous and dry friction of turning joints, shape (12,) each: what a simulator takes beside a net."""
    return {name: np.array(getattr(parameters, name)) for name in ("armature", "viscous", "dry")}


def held(time: Array, rows: Array, steps: Array, step: float, delay: Array) -> Array:
    """What motors obey, mean over each physics step, so that it is smooth in the delay.

    Args:
        time: of the log's rows, shape (N,) [s].
        rows: values in force when each was sampled, sent when the one before was, shape (N, 12).
        steps: start of the physics steps, shape (M,) [s].
        step: their length [s].
        delay: of each joint, shape (12,) [s].

    Returns:
        Shape (M, 12); before the first row what was in force at it.
    """
    sent = np.concatenate([[time[0] - 1.0], time])
    total = np.zeros((len(sent), rows.shape[1]))
    np.cumsum(np.diff(sent)[:, None] * rows, axis=0, out=total[1:])
    end = np.append(sent, time[-1] + 1.0)
    total = np.concatenate([total, total[-1:] + rows[-1:]])
    mean = np.empty((len(steps), rows.shape[1]))
    for j, late in enumerate(delay):
        until = np.interp(steps + step - late, end, total[:, j])
        mean[:, j] = (until - np.interp(steps - late, end, total[:, j])) / step
    return mean


def filtered(lag: Array, step: float | Array) -> tuple[Array, Array, Array]:
    """A first-order lag over one step, its input a straight line: weights of its state, the old input and the new."""
    constant = np.maximum(lag, 1e-12) / step
    decay = np.exp(-1.0 / constant)
    new = 1.0 - constant * (1.0 - decay)
    return decay, 1.0 - decay - new, new


def save(fitted: Fitted, path: Path) -> None:
    """Write `parameters.yaml`.

    Raises:
        UserError: when the file exists or cannot be written.
    """
    if path.exists():
        raise UserError("the file exists and is never overwritten", where=str(path), fix="choose another --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, config.dump(fitted).encode())
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check --out") from error


def load(path: Path) -> Fitted:
    """Read `parameters.yaml`.

    Raises:
        UserError: when it is no such file.
    """
    return config.load(path, Fitted)
