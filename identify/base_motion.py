"""What the motion of its base asks of the joints of a hung Go2, where an IMU has logged it.

The rigid body whose base turns and is accelerated as the IMU says takes other joint torques for the same motion of the
legs than one whose base is fixed; the difference is asked here, exactly, along the measured motion. Angular velocity,
its slope and the acceleration are those of a parabola about each row (`identify.smoothing`): of vibration as much is
kept as neighbouring rows agree on.
"""

from __future__ import annotations

import numpy as np

from collect.body import IMU, Body
from collect.joints import N_JOINTS
from collect.recording import Recording
from identify.dataset import stretches
from identify.features import Array, at
from identify.smoothing import best_width, local

GRAVITY = 9.81
"""[m/s²]"""
_WITHIN = 0.1
"""What the median of a believable accelerometer may be off from gravity, relative: not in g, not empty."""


def known(recording: Recording) -> bool:
    """Whether a recording has an IMU that can be believed, or its base has to be taken for fixed."""
    if "dq" in recording.missing:
        return False
    felt = np.linalg.norm(recording.accel.astype(float), axis=1)
    whole = np.isfinite(felt).all() and np.isfinite(recording.gyro).all()
    return bool(whole and abs(np.median(felt) - GRAVITY) < _WITHIN * GRAVITY)


def torque(recording: Recording, sampled: Array) -> Array | None:
    """What the base's motion asks of each joint beyond a level base at rest, at the rows' own times.

    Args:
        recording: of a hung robot; its IMU is taken to be sampled when the row is.
        sampled: when each joint was, shape (N, 12) [s].

    Returns:
        Shape (N, 12) [Nm], zero between stretches; None where the base has to be taken for fixed.
    """
    parts = list(stretches(recording))
    if not known(recording) or not parts:
        return None
    gyro, turn = _smooth(recording, recording.gyro.astype(float), parts)
    accel, _ = _smooth(recording, recording.accel.astype(float), parts)
    # The IMU is not at the trunk's origin: turning about that, it is accelerated itself.
    felt = accel - np.cross(turn, IMU) - np.cross(gyro, np.cross(gyro, IMU))
    found, body = np.zeros((len(recording), N_JOINTS)), Body(timestep=1e-3, mount="sling")
    for rows in parts:
        time = recording.clock[rows]
        q, dq = (at(sampled[rows], values[rows].astype(float), time) for values in (recording.q, recording.dq))
        found[rows] = body.carried(q, dq, gyro[rows], turn[rows], felt[rows])
    return found


def _smooth(recording: Recording, values: Array, parts: list[slice]) -> tuple[Array, Array]:
    """Three axes (N, 3) and their slopes, within each stretch."""
    found, slope = np.zeros_like(values), np.zeros_like(values)
    pieces = [(recording.clock[rows], values[rows]) for rows in parts]
    width = best_width(pieces, 2)
    for rows, piece in zip(parts, pieces, strict=True):
        found[rows], slope[rows], _ = local(*piece, width, 2)[1]
    return found, slope
