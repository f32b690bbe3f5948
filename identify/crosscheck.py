"""Two witnesses of one torque: what the motor reports against what moved the link, joint by joint.

    tau_est = scale·(tau_joint + rotor·ddq) + viscous·dq + dry·tanh(dq / SOFT) + offset

The motor turns its own rotor before it moves the link, and its gear's friction goes between the two: the loop that one
draws over the other is friction, their slope the scale of tau_est. Links and rotor accelerate together, so a chirp
cannot tell the rotor's inertia from the scale: the scale is that with the inertia its maker gives, and the inertia is
said that a scale of 1 would need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import JOINTS, NAMES
from collect.recording import Recording
from identify.baselines import SOFT
from identify.dataset import ROTOR, unbroken
from identify.features import Array
from identify.joint_torque import Motion, motion

_EDGE = 0.05
"""Left out at the ends of every stretch, where a parabola has neighbours on one side only [s]."""


@dataclass(frozen=True)
class Witness:
    """One joint; torques in Nm."""

    joint: str
    scale: float
    """Of tau_est, with the rotor's inertia as its maker gives it."""
    offset: float
    viscous: float
    """[Nm·s/rad]"""
    dry: float
    rest: float
    """What is left between the two, root mean square."""
    spread: float
    """Of tau_est, standard deviation."""
    rotor: float
    """Inertia of the rotor at the joint if the scale were 1 [kg·m²]."""


def crosscheck(recordings: Sequence[Recording], rotor: Array = ROTOR) -> tuple[Witness, ...]:
    """Hold tau_est against tau_joint on all recordings together, joint by joint.

    Args:
        recordings: of one hung robot.
        rotor: inertia of each rotor at its joint, shape (12,) [kg·m²].

    Raises:
        UserError: where there is no tau_est, or no motion to tell by, see `identify.joint_torque.motion`.
    """
    for one in recordings:
        if "tau_est" in one.missing:
            raise UserError("the recording holds no tau_est", where=one.session, fix="leave it out: it is one witness")
    moved = [motion(one) for one in recordings]
    return tuple(_witness(recordings, moved, joint, float(rotor[joint])) for joint in range(len(JOINTS)))


def _witness(recordings: Sequence[Recording], moved: Sequence[Motion], joint: int, rotor: float) -> Witness:
    columns = []
    for recording, motion_ in zip(recordings, moved, strict=True):
        kept = _inner(motion_, joint)
        own = (motion_.torque, motion_.ddq, motion_.dq, recording.tau_est.astype(float))
        columns.append(np.stack([values[kept, joint] for values in own]))
    link, ddq, dq, reported = np.concatenate(columns, axis=1)
    friction = [dq, np.tanh(dq / SOFT), np.ones_like(dq)]
    x = np.stack([link + rotor * ddq, *friction], axis=1)
    scale, viscous, dry, offset = (float(value) for value in np.linalg.lstsq(x, reported, rcond=None)[0])
    rest = reported - x @ np.array([scale, viscous, dry, offset])
    at_one = np.linalg.lstsq(np.stack([ddq, *friction], axis=1), reported - link, rcond=None)[0]
    rms = float(np.sqrt(np.square(rest).mean()))
    return Witness(NAMES[joint], scale, offset, viscous, dry, rms, float(reported.std()), float(at_one[0]))


def _inner(moved: Motion, joint: int) -> NDArray[np.bool_]:
    """Rows of a stretch that are not at its ends, shape (N,)."""
    time, known = moved.sampled[:, joint], np.isfinite(moved.torque[:, joint])
    inner = np.zeros(len(known), dtype=bool)
    for start, stop in unbroken(known):
        part = slice(start, stop)
        inner[part] = (time[part] - time[start] >= _EDGE) & (time[stop - 1] - time[part] >= _EDGE)
    return inner
