"""What a net has to beat: the motor's law as it stands, four ways to know it better, and a straight line.

    ideal_pd      tau = kp·(q_target − q) − kd·dq
    delayed_pd    tau = kp·(q_target(t − d) − q) − kd·dq      the motor gets its target late, its sensors not
    limited_pd    delayed_pd within what the motor can give at this speed (`envelope`)
    friction_pd   tau = a·kp·(q_target(t − d) − q) − b·kd·dq − v·dq − c·tanh(dq / SOFT) + o      twelve motors
    linear        tau = w·x + b                               x: the net's own input

What is fitted is fitted by least squares on the rows the net is trained on, and on no others: one delay
(`identify.delay`), for friction_pd one of its own and five numbers a joint, weights and offset of linear. No armature
is among them: tau_est is the motor's side of the rotor, so that what turns the rotor is already in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collect.joints import BY_KIND, N_JOINTS
from identify.dataset import Series, inputs
from identify.delay import LONGEST, delayed_pd, find_delay, least
from identify.features import Array, Features
from identify.runs import Baselines, Friction

Rows = NDArray[np.bool_]

NAMES = ("ideal_pd", "delayed_pd", "limited_pd", "friction_pd", "linear")
"""Of the baselines, in the order of every table."""

_NEAR = 0.004
"""How far friction_pd's delay is looked for from delayed_pd's [s]."""
SOFT = 0.05
"""Speed over which dry friction turns round [rad/s]: some ten steps of the velocity sensor."""

_BLOCK = 100_000
"""Samples that are held in double precision at once."""

KNEE, IDLE = 13.5, 30.0
"""Speeds up to which a hip or thigh gives all its torque, and at which it gives none [rad/s]."""
DRIVING, BRAKING = 20.2, 23.4
"""Torque of a hip or thigh along its motion and against it [Nm]; all four as unitree_rl_lab has them for the Go2."""
CALF_RATIO = 45.43 / 23.7
"""The linkage gives a calf so much more torque at so much less speed (effort limits of go2_description.urdf)."""


def ideal_pd(data: Series) -> Array:
    """The law without a delay: torque at every row, shape (N, 12) [Nm]."""
    return data.kp * (data.q_target - data.q) - data.kd * data.dq


def limited_pd(data: Series, delay: float) -> Array:
    """The law on a target `delay` seconds old, cut to the envelope; NaN outside of stretches."""
    return envelope(delayed_pd(data, delay), data.dq)


def envelope(torque: Array, dq: Array) -> Array:
    """Torque cut to what a motor can give at its speed, all of shape (…, 12) [Nm, rad/s]."""
    ratio = np.ones(N_JOINTS)
    ratio[BY_KIND["calf"]] = CALF_RATIO
    driving = DRIVING * np.clip((IDLE - np.abs(dq) * ratio) / (IDLE - KNEE), 0.0, 1.0)
    limit = ratio * np.where(torque * dq > 0.0, driving, BRAKING)
    return np.clip(torque, -limit, limit)


def friction_pd(data: Series, friction: Friction) -> Array:
    """Twelve motors with gains, friction and offsets of their own; NaN outside of stretches."""
    damper = data.kd * data.dq
    return friction_law(friction, delayed_pd(data, friction.delay) + damper, damper, data.dq)


def friction_law(friction: Friction, spring: Array, damper: Array, dq: Array) -> Array:
    """Torque of friction_pd [Nm] from kp·(q_target(t − d) − q), kd·dq [Nm] and dq [rad/s], each (…, 12)."""
    a, b, v, c, o = np.array([friction.spring, friction.damper, friction.viscous, friction.dry, friction.offset])
    return np.asarray(a * spring - b * damper - v * dq - c * np.tanh(dq / SOFT) + o)


def linear(features: Features, baselines: Baselines, data: Series) -> Array:
    """A straight line through the net's own inputs; NaN outside of stretches."""
    out, rows = np.full_like(data.q, np.nan), data.with_past(0.0)
    seen, weights = inputs(features, data, rows), np.array(baselines.weights)
    parts = [part @ weights for part in np.array_split(seen, 1 + len(seen) * N_JOINTS // _BLOCK)]
    out[rows] = np.concatenate(parts) + baselines.offset
    return out


def fit(features: Features, data: Sequence[Series], rows: Sequence[Rows]) -> Baselines:
    """Fit what has to be fitted.

    Args:
        features: the net's inputs.
        data: the recordings.
        rows: of each, the training rows, shape (N,).
    """
    weights = _least_squares(features, data, rows)
    delay, interval = find_delay(data, rows)
    line = tuple(float(w) for w in weights[:-1])
    return Baselines(delay, interval, _friction(data, rows, delay), line, float(weights[-1]))


def _friction(data: Sequence[Series], rows: Sequence[Rows], about: float) -> Friction:
    """One delay near that of delayed_pd, and of each joint the best a, b, v, c and o at it."""
    low, high = max(0.0, about - _NEAR), min(LONGEST, about + _NEAR)
    delay = least(lambda one: _columns(data, rows, one)[1], low, high)
    found, fitted = _columns(data, rows, delay)[0], {joint for one in data for joint in one.joints}
    for joint in {*range(N_JOINTS)} - fitted:  # a leg that was left out: the others' mean is the best guess
        like = next(joints for joints in BY_KIND.values() if joint in joints)
        found[joint] = found[[other for other in like if other in fitted]].mean(0)
    return Friction(delay, *(tuple(float(value) for value in column) for column in found.T))


def _columns(data: Sequence[Series], rows: Sequence[Rows], delay: float) -> tuple[Array, float]:
    """Of each joint a, b, v, c and o by least squares, shape (12, 5), and the sum of all squared errors [Nm²]."""
    gram, moment, total = np.zeros((N_JOINTS, 5, 5)), np.zeros((N_JOINTS, 5)), 0.0
    for one, kept in zip(data, rows, strict=True):
        damper, dq = one.kd[kept] * one.dq[kept], one.dq[kept]
        spring = delayed_pd(one, delay)[kept] + damper
        x = np.stack([spring, -damper, -dq, -np.tanh(dq / SOFT), np.ones_like(dq)], axis=-1).swapaxes(0, 1)
        joints = one.learned
        x, y = x[joints], one.torque[kept][:, joints]
        gram[joints] += x.swapaxes(1, 2) @ x
        moment[joints] += (x.swapaxes(1, 2) @ y.T[..., None])[..., 0]
        total += float(np.square(y).sum())
    # At one kd alone damper and viscous friction say the same: the least-norm solution shares it between them.
    found = np.array([np.linalg.lstsq(g, m, rcond=1e-12)[0] for g, m in zip(gram, moment, strict=True)])
    return found, total - float((found * moment).sum())


def _least_squares(features: Features, data: Sequence[Series], rows: Sequence[Rows]) -> Array:
    """Weights and offset, from normal equations summed over blocks: memory for the inputs of one recording."""
    size = features.width + 1
    gram, moment = np.zeros((size, size)), np.zeros(size)
    for one, kept in zip(data, rows, strict=True):
        joints = one.learned
        seen = inputs(features, one, kept)[:, joints].reshape(-1, features.width)
        torque = one.torque[kept][:, joints].ravel()
        for start in range(0, len(seen), _BLOCK):
            part = seen[start : start + _BLOCK].astype(np.float64)
            x = np.concatenate([part, np.ones((len(part), 1))], axis=1)
            gram += x.T @ x
            moment += x.T @ torque[start : start + _BLOCK]
    # The least-norm solution: an offset and a full joint identity say the same thing twice.
    return np.asarray(np.linalg.lstsq(gram, moment, rcond=1e-12)[0])
