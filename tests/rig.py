"""Recordings of the virtual Go2's hidden motors on the rigid body, without DDS: tests of what finds them."""

from __future__ import annotations

import dataclasses

import numpy as np
from synthetic import RATE
from synthetic import recording as blank_recording

from collect.body import Body
from collect.joints import HANG, N_JOINTS
from collect.messages import SERVO, LowCmd
from collect.recording import Recording
from collect.virtual.motors import MotorConfig, Motors, Sensors, load

MOTORS = load(None)
SUBSTEPS = 10
STEP = 1.0 / RATE / SUBSTEPS
"""Of the physics and the motors [s]."""


def chirp(time: np.ndarray, amplitude: float, f1: float) -> np.ndarray:
    """Linear chirps from .1 Hz, of twelve phases, about the hung posture, shape (N, 12) [rad]."""
    phases = 2.0 * np.pi * (0.1 * time + 0.5 * (f1 - 0.1) / time[-1] * time**2)[:, None] + np.arange(N_JOINTS)
    return HANG + amplitude * np.sin(phases) * np.minimum(time, 1.0)[:, None]


def tone(time: np.ndarray, amplitude: float, frequency: float) -> np.ndarray:
    """One frequency, shape (N, 12) [rad]."""
    return HANG + amplitude * np.sin(2.0 * np.pi * frequency * time)[:, None] * np.ones(N_JOINTS)


def rigged(name: str, targets: np.ndarray, kp: float, kd: float, motors: MotorConfig = MOTORS) -> Recording:
    """What a 500 Hz logger sees that sends each target (N, 12) [rad] right after the state before."""
    empty = blank_recording(name, seconds=len(targets) / RATE, kp=kp, kd=kd)
    driven, sensors = Motors(motors, STEP, "hold_target"), Sensors(motors, seed=len(name))
    body = Body(timestep=STEP, armature=motors.armature, viscous=motors.viscous, dry=motors.coulomb)
    body.reset(targets[0])
    slots = np.zeros(N_JOINTS, LowCmd.LAYOUT["motor_cmd"].base)
    slots["mode"], slots["kp"], slots["kd"] = SERVO, kp, kd
    driven.relax(0.0, targets[0])
    rows = np.empty((3, len(targets), N_JOINTS))
    for k in range(len(targets)):
        now = k / RATE
        rows[:, k] = sensors.read(body.q_now, body.dq, driven.torque)
        slots["q"] = targets[min(k + 1, len(targets) - 1)]
        driven.receive(now, slots)
        for substep in range(SUBSTEPS):
            torque = driven.step(now + substep * STEP, body.q, body.dq)
            body.dry[:] = driven.friction(body.dq)
            body.step(torque)
    q, dq, tau_est = rows.astype(np.float32)
    return dataclasses.replace(empty, q=q, dq=dq, tau_est=tau_est, q_target=targets.astype(np.float32))
