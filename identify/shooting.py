"""Short open-loop simulations of one joint along measured motion: what its parameters have to explain.

The recordings are cut into windows. In each the joint starts where it was and is moved by its commands alone, while the
other joints of its leg move as they were measured: they give it its inertia and the torque that it feels besides. All
windows and all trial parameters advance together. What a joint does forgets its start in tenths of a second, so the
first part of a window is not judged, and windows overlap by it.

The step is leapfrog: positions at whole steps, velocities between them, so that an error of order one, which would
be a delay of half a step, does not arise. Dry friction stops a joint, or lets it pass through zero, at its own moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.body import Body, accelerating
from collect.errors import UserError
from collect.joints import N_JOINTS
from collect.recording import Recording
from identify.dataset import kd_in_force, stretches
from identify.features import Array
from identify.joint_torque import Motion, motion
from identify.parameters import filtered, held

STEP = 1e-3
"""Physics step [s]."""
WINDOW, WARM = 1.0, 0.25
"""Of each window what is judged, and what comes before [s]."""
FIELDS = ("armature", "viscous", "dry", "breakaway", "stribeck", "load", "spring", "damper", "offset", "delay", "lag")
"""Columns of trial parameters, named as in `identify.parameters`."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Unbroken rows of a recording with what is measured and commanded in them, on the rows and on physics steps."""

    time: Array
    """Of the rows, shape (n,) [s]."""
    sampled: Array
    """When each joint was, shape (n, 12) [s]."""
    q: Array
    """Shape (n, 12) [rad]."""
    dq: Array
    """Smoothed, shape (n, 12) [rad/s]."""
    ddq: Array
    """Smoothed, shape (n, 12) [rad/s²]."""
    torque: Array
    """What moved the links, shape (n, 12) [Nm]."""
    q_target: Array
    """Shape (n, 12) [rad]."""
    kp: Array
    """Shape (n, 12) [Nm/rad]."""
    kd: Array
    """Shape (n, 12) [Nm·s/rad]."""
    inertia: Array
    """Of each joint when the others are held, links only, shape (n, 12) [kg·m²]."""
    rest: Array
    """Torque that each joint feels by gravity and by the others' and the base's motion, shape (n, 12) [Nm]."""


def prepare(recording: Recording) -> list[Stretch]:
    """The stretches of a hung robot's recording; see `identify.joint_torque.motion` for what is refused."""
    for name in ("q", "q_target", "kp", "kd"):
        if name in recording.missing:
            fix = "a fit needs positions, targets and gains: convert it with --kp and --kd"
            raise UserError(f"the recording holds no {name}", where=recording.session, fix=fix)
    moved = motion(recording)
    known = [moved.known(rows) for rows in stretches(recording)]
    return [_stretch(recording, moved, rows) for rows in known if rows.stop > rows.start]


def _stretch(recording: Recording, moved: Motion, rows: slice) -> Stretch:
    time, sampled = recording.clock[rows], moved.sampled[rows]
    q, q_target, kp = (getattr(recording, name)[rows].astype(float) for name in ("q", "q_target", "kp"))
    kd = kd_in_force(recording)[rows]
    own = (q, moved.dq[rows], moved.ddq[rows])
    then = [np.stack([np.interp(time, sampled[:, j], x[:, j]) for j in range(N_JOINTS)], axis=1) for x in own]
    bias, legs = Body(timestep=STEP).along(*then[:2])
    inertia = np.diagonal(legs, axis1=2, axis2=3).reshape(q.shape)
    rest = bias + accelerating(legs, then[2]) - inertia * then[2] + moved.base[rows]
    return Stretch(time, sampled, *own, moved.torque[rows], q_target, kp, kd, inertia, rest)


@dataclass(frozen=True, eq=False)
class Windows:
    """One joint in W windows of M physics steps, all recordings together."""

    when: Array
    """Start of each step, each stretch's time shifted to follow the one before, shape (M, W) [s]."""
    commands: tuple[Array, Array]
    """Times (n,) [s] and targets (n,) [rad] of all rows."""
    start: tuple[Array, Array]
    """Position and velocity, shape (W,) each."""
    kp: Array
    """Shape (M, W)."""
    kd: Array
    """Shape (M, W)."""
    inertia: Array
    """Shape (M, W) [kg·m²]."""
    rest: Array
    """Shape (M, W) [Nm]."""
    rows: tuple[NDArray[np.intp], NDArray[np.intp], Array]
    """Of each row that is judged its window, the step before it, and how far it is on the way to the next."""
    measured: Array
    """Position at those rows [rad]."""

    def target(self, delay: float) -> Array:
        """What the motor obeys over each step, `delay` seconds late, shape (M, W) [rad]."""
        time, rows = self.commands
        flat = held(time, rows[:, None], self.when.ravel() - 0.5 * STEP, STEP, np.array([delay]))
        return np.asarray(flat.reshape(self.when.shape))


def windows(data: Sequence[Stretch], joint: int) -> Windows:
    """Cut the stretches into windows for one joint."""
    count = round((WINDOW + WARM) / STEP)
    parts: dict[str, list[Array]] = {name: [] for name in ("when", "time", "target", "q", "dq", "kp", "kd", "i", "r")}
    rows: list[tuple[Array, Array, Array, Array]] = []
    end, done = 0.0, 0
    for one in data:
        first, last = max(one.time[0], one.sampled[0, joint]), min(one.time[-1], one.sampled[-1, joint])
        number = int((last - first - WARM) / WINDOW)
        starts = first + WINDOW * np.arange(number)
        when = starts + STEP * np.arange(count)[:, None]
        shift = end - one.time[0]  # every recording's clock begins anew
        parts["when"].append(when + shift)
        parts["time"].append(one.time + shift)
        parts["target"].append(one.q_target[:, joint])
        for name, values in (("q", one.q), ("dq", one.dq)):
            parts[name].append(np.interp(starts, one.sampled[:, joint], values[:, joint]))
        index = np.minimum(np.searchsorted(one.time, when + 1e-9, side="right"), len(one.time) - 1)
        parts["kp"].append(one.kp[index, joint])
        parts["kd"].append(one.kd[index, joint])
        for name, values in (("i", one.inertia), ("r", one.rest)):
            parts[name].append(np.interp(when, one.time, values[:, joint]))
        since = one.sampled[:, joint] - first - WARM
        window = np.floor(since / WINDOW).astype(np.intp)
        judged = (since >= 0.0) & (window < number)
        steps = (since[judged] - WINDOW * window[judged] + WARM) / STEP
        before = np.minimum(steps.astype(np.intp), count - 1)
        rows.append((window[judged] + done, before, steps - before, one.q[judged, joint]))
        end, done = end + one.time[-1] - one.time[0] + 10.0, done + number
    wide = {name: np.concatenate(parts[name], axis=1) for name in ("when", "kp", "kd", "i", "r")}
    flat = {name: np.concatenate(parts[name]) for name in ("time", "target", "q", "dq")}
    window, before, share, measured = (np.concatenate(each) for each in zip(*rows, strict=True))
    return Windows(
        wide["when"],
        (flat["time"], flat["target"]),
        (flat["q"], flat["dq"]),
        wide["kp"],
        wide["kd"],
        wide["i"],
        wide["r"],
        (window, before, share),
        measured,
    )


def simulate(given: Windows, trials: Array) -> Array:
    """Positions of a joint at the judged rows under trial parameters.

    Args:
        given: the joint's windows.
        trials: shape (P, 11), columns as in `FIELDS`.

    Returns:
        Shape (P, rows) [rad].
    """
    armature, viscous, dry, breakaway, stribeck, load, spring, damper, offset, delay, lag = trials.T[:, :, None]
    late, which = np.unique(delay, return_inverse=True)
    targets = np.stack([given.target(float(one)) for one in late])[which.ravel()]  # (P, M, W)
    decay, old, new = filtered(lag, STEP)
    steps, count = given.when.shape
    moved = np.empty((steps + 1, len(trials), count))
    q, v = (np.broadcast_to(x, moved.shape[1:]).copy() for x in given.start)
    before, torque, asked = v.copy(), np.zeros_like(q), np.zeros_like(q)
    half = 0.5 * STEP * viscous
    for m in range(steps):
        moved[m] = q
        wanted = spring * given.kp[m] * (targets[:, m] + offset - q) - damper * given.kd[m] * (1.5 * v - 0.5 * before)
        torque = decay * torque + old * asked + new * wanted if m else wanted
        asked, before = wanted, v
        friction = dry + breakaway * np.exp(-np.square(v / stribeck)) + load * np.abs(torque)
        inertia = given.inertia[m] + armature
        pushed = ((inertia - half) * v + STEP * (torque - given.rest[m])) / (inertia + half)
        v = _rubbed(v, pushed, STEP * friction / (inertia + half))
        q = q + STEP * v
    moved[steps] = q
    window, step, share = given.rows
    return np.asarray((1.0 - share) * moved[step, :, window].T + share * moved[step + 1, :, window].T)


def _rubbed(v: Array, pushed: Array, friction: Array) -> Array:
    """Velocity after a step [rad/s]: v would become `pushed`, friction takes up to `friction` of it.

    Where v passes through zero friction turns round in that moment, not at the end of the step: else the motion would
    depend on where in a step it turns, and its slopes over the parameters would be wrong.
    """
    along = np.where(v != 0.0, np.sign(v), np.sign(pushed))
    speed, kept = np.abs(v), along * pushed
    back = speed - kept  # what the step takes away without friction
    after = np.where(back + friction > 0.0, 1.0 - speed / np.where(back + friction > 0.0, back + friction, 1.0), 0.0)
    turned = -after * np.maximum(back - friction, 0.0)
    return np.asarray(along * np.where(kept >= friction, kept - friction, turned))
