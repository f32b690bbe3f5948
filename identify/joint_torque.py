"""What moved the links: joint torque from the motion alone, by inverse dynamics of the hung body.

    tau_joint = M(q)·ddq + bias(q, dq) + base      links only: rotor and friction are on the motor's side

The base is fixed, or moves as an IMU has logged it (`identify.base_motion`). Acceleration is the slope of a parabola
through the velocities about each sample (`identify.smoothing`), each at the time at which it was sampled. How wide it
reaches is chosen for each joint from the data. A log without velocities has a cubic through its positions instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collect.body import Body
from collect.errors import UserError
from collect.joints import BY_KIND, N_JOINTS
from collect.recording import Recording
from identify import base_motion
from identify.dataset import sampling, stretches
from identify.features import Array, at
from identify.smoothing import WIDTHS, best_width, local

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
    base: Array
    """Of it what the base's motion asks, at the rows' own times; zero of a fixed one [Nm]."""
    widths: Array
    """How far the smoothing reached to either side, shape (12,) [s]."""

    def known(self, rows: slice) -> slice:
        """Of a stretch the rows with neighbours on both sides; none of one that was too short."""
        edge = WIDTHS[-1] if np.isfinite(self.torque[rows]).all() else rows.stop - rows.start
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
    widths = np.array([best_width(one, order) for one in pieces])
    dq, ddq, torque = (np.full((len(recording), N_JOINTS), np.nan) for _ in range(3))
    body, known = Body(timestep=1e-3), base_motion.torque(recording, sampled)
    base = np.zeros_like(torque) if known is None else known
    for rows in parts:
        for j in range(N_JOINTS):
            _, fitted = local(sampled[rows, j], source[rows, j], int(widths[j]), order)
            dq[rows, j], ddq[rows, j] = (fitted[1], 2.0 * fitted[2]) if blind else (fitted[0], fitted[1])
        torque[rows] = _inverse(body, sampled[rows], recording.q[rows].astype(float), dq[rows], ddq[rows])
        torque[rows] += at(recording.clock[rows], base[rows], sampled[rows])
    return Motion(sampled, dq, ddq, torque, base, widths / recording.rate)


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
        torque[:, joints] = body.inverse(*then)[:, joints]
    return torque
