"""What moved the links: joint torque from the motion alone, by inverse dynamics of the hung body.

    tau_joint = M(q)·ddq + bias(q, dq)        base fixed, links only: rotor and friction are on the motor's side

Acceleration is the slope of a parabola through the velocities about each sample (local regression with tricube weights:
Cleveland, J. Am. Stat. Assoc. 74, 1979), each at the time at which it was sampled. How wide it reaches is chosen for
each joint from the data: the width that best predicts each velocity from the others. A log without velocities has a
cubic through its positions instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collect.body import Body
from collect.errors import UserError
from collect.joints import BY_KIND, N_JOINTS
from collect.recording import Recording
from identify.dataset import sampling, stretches
from identify.features import Array

_WIDTHS = (2, 3, 4, 5, 6, 8, 10, 13, 17, 22)
"""Rows on each side that are tried."""
_FEWEST = 50
"""Rows that a stretch needs."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A smoothed motion with the torque that it took; arrays (N, 12), NaN outside of stretches."""

    sampled: Array
    """When each joint was [s]."""
    dq: Array
    """[rad/s]"""
    ddq: Array
    """[rad/s²]"""
    torque: Array
    """tau_joint [Nm]."""
    widths: Array
    """How far the smoothing reached to either side, shape (12,) [s]."""

    def known(self, rows: slice) -> slice:
        """Of a stretch the rows with neighbours on both sides; none of one that was too short."""
        edge = _WIDTHS[-1] if np.isfinite(self.torque[rows]).all() else rows.stop - rows.start
        return slice(min(rows.start + edge, rows.stop), max(rows.stop - edge, min(rows.start + edge, rows.stop)))


def motion(recording: Recording) -> Motion:
    """The motion of a recording of a hung robot.

    Raises:
        UserError: for a robot on the ground, or a recording without a stretch long enough.
    """
    if recording.attributes.get("layout") == "orl":  # the one layout that was not recorded in the air
        what = "the robot stood on the ground: what moved its links is not known without the forces on its feet"
        raise UserError(what, where=recording.session, fix="give a recording of a hung robot")
    parts = [rows for rows in stretches(recording) if rows.stop - rows.start >= _FEWEST]
    if not parts:
        fix = f"record {_FEWEST} rows without a gap"
        raise UserError("no stretch is long enough", where=recording.session, fix=fix)
    sampled, blind = sampling(recording), "dq" in recording.missing
    source, order = (recording.q if blind else recording.dq).astype(float), 3 if blind else 2
    pieces = [[(sampled[part, j], source[part, j]) for part in parts] for j in range(N_JOINTS)]
    widths = np.array([_width(one, order) for one in pieces])
    dq, ddq, torque = (np.full((len(recording), N_JOINTS), np.nan) for _ in range(3))
    body = Body(timestep=1e-3)
    for rows in parts:
        for j in range(N_JOINTS):
            _, fitted = local(sampled[rows, j], source[rows, j], int(widths[j]), order)
            dq[rows, j], ddq[rows, j] = (fitted[1], 2.0 * fitted[2]) if blind else (fitted[0], fitted[1])
        torque[rows] = _inverse(body, sampled[rows], recording.q[rows].astype(float), dq[rows], ddq[rows])
    return Motion(sampled, dq, ddq, torque, widths / recording.rate)


def _inverse(body: Body, sampled: Array, q: Array, dq: Array, ddq: Array) -> Array:
    """Joint torques of one stretch; each joint's at its own time, with its leg as it was then."""
    torque = np.empty_like(q)
    for joints in BY_KIND.values():
        leg = [joint - joint % 3 for joint in joints]  # of each joint the first of its leg
        own = sampled[:, [joints[leg.index(joint - joint % 3)] for joint in range(N_JOINTS)]]
        then = [
            np.stack([np.interp(own[:, j], sampled[:, j], values[:, j]) for j in range(N_JOINTS)], axis=1)
            for values in (q, dq, ddq)
        ]
        for k, moment in enumerate(zip(*then, strict=True)):
            torque[k, joints] = body.inverse(*moment)[joints]
    return torque


def _width(pieces: list[tuple[Array, Array]], order: int) -> int:
    """The width whose prediction of each value from its neighbours alone is best, in rows."""

    def loss(width: int) -> float:
        left = [np.square(left_out) for x, y in pieces for left_out, _ in [local(x, y, width, order)]]
        return float(np.concatenate(left).mean())

    tried = [width for width in _WIDTHS if 2 * width > order + 1]
    return min(tried, key=loss)


def local(x: Array, y: Array, width: int, order: int) -> tuple[Array, tuple[Array, ...]]:
    """A polynomial about every sample of a curve, through those at most `width` rows from it.

    Args:
        x: where, increasing, shape (n,).
        y: the values, shape (n,).
        width: rows on each side.
        order: of the polynomial.

    Returns:
        The error at each sample when that sample is left out, and the coefficients, lowest first, each (n,).
    """
    reach = np.arange(-width, width + 1)
    index = np.clip(np.arange(len(x))[:, None] + reach, 0, len(x) - 1)
    inside = (np.arange(len(x))[:, None] + reach >= 0) & (np.arange(len(x))[:, None] + reach < len(x))
    scale = np.median(np.diff(x)) * width
    away = (x[index] - x[:, None]) / scale
    weight = inside * np.clip(1.0 - np.abs(reach / (width + 1.0)) ** 3, 0.0, 1.0) ** 3
    powers = away[..., None] ** np.arange(order + 1)
    gram = np.einsum("nk,nkp,nkr->npr", weight, powers, powers) + 1e-9 * np.eye(order + 1)
    moment = np.einsum("nk,nkp,nk->np", weight, powers, y[index])
    found = np.linalg.solve(gram, moment[..., None])[..., 0]
    lever = np.linalg.inv(gram)[:, 0, 0]  # what a sample, of weight 1, has to say about its own fit
    left_out = (y - found[:, 0]) / np.maximum(1.0 - lever, 1e-6)
    return left_out, tuple(found[:, p] / scale**p for p in range(order + 1))
