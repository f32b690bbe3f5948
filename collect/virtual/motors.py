"""The hidden motors: what happens between a command on the bus and a torque at the joint."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from collect import config as config_file
from collect.config import require
from collect.joints import N_JOINTS
from collect.messages import SERVO

SHIPPED = Path(__file__).with_name("motors.yaml")
Silence = Literal["hold_target", "hold_torque", "damp"]
SILENT_AFTER = 0.02
"""Without a command for this long, `hold_torque` and `damp` take effect [s]."""
DAMPING = 5.0
"""Velocity gain of a motor that was left alone [Nm·s/rad]."""
# Steps of a real LowState, from logs of three Go2s: hip, thigh, calf.
Q_STEP = np.tile([3.02e-5, 3.02e-5, 1.574e-5], 4)
DQ_STEP = np.tile([0.003875, 0.003875, 0.00202], 4)
TAU_STEP = np.tile([0.02474, 0.02474, 0.04742], 4)
NOISE_STEPS = np.array([0.5, 2.0, 1.5])
"""Standard deviation of the noise on q, dq and tau_est, in steps: enough to make the last digit live."""
_QUEUE = 64
"""Commands on their way to the motors: 64 of two commanders at 500 Hz are 64 ms, more than any delay."""
_COMMAND = np.dtype([(name, "f8") for name in ("mode", "q", "dq", "tau", "kp", "kd")])
"""What a motor takes from its slot of a LowCmd, named as there."""


@dataclass(frozen=True)
class MotorConfig:
    """Twelve values each, SDK order; units in motors.yaml."""

    delay: tuple[float, ...]
    bandwidth: tuple[float, ...]
    torque_scale: tuple[float, ...]
    peak_torque: tuple[float, ...]
    corner_speed: tuple[float, ...]
    no_load_speed: tuple[float, ...]
    armature: tuple[float, ...]
    viscous: tuple[float, ...]
    coulomb: tuple[float, ...]
    breakaway: tuple[float, ...]
    stribeck_speed: tuple[float, ...]
    load_friction: tuple[float, ...]
    encoder_offset: tuple[float, ...]

    def __post_init__(self) -> None:
        require(*(partial(self._twelve, field.name) for field in fields(self)))
        require(
            lambda: max(self.delay) <= 0.025 or "delay must be at most 0.025 s",
            lambda: (
                all(np.greater(self.no_load_speed, self.corner_speed)) or "no_load_speed must be above corner_speed"
            ),
        )

    def _twelve(self, name: str) -> bool | str:
        values = getattr(self, name)
        if len(values) != N_JOINTS:
            return f"{name} needs 12 values, got {len(values)}"
        return name == "encoder_offset" or min(values) > 0.0 or f"{name} must be positive"


def load(path: Path | None) -> MotorConfig:
    """The motors of a YAML file, the shipped ones by default."""
    return config_file.load(path or SHIPPED, MotorConfig)


class Motors:
    """Twelve motors, stepped together. All arrays are of shape (12,)."""

    def __init__(self, config: MotorConfig, timestep: float, silence: Silence) -> None:
        """Motors at rest that damp until the first command.

        Args:
            config: parameters.
            timestep: of `step` [s].
            silence: what they do when commands stop.
        """
        self._c = {field.name: np.array(getattr(config, field.name)) for field in fields(config)}
        self._silence = silence
        self._timestep = timestep
        self._blend = 1.0 - np.exp(-2.0 * np.pi * self._c["bandwidth"] * timestep)
        self._received = np.full(_QUEUE, np.inf)
        self._queue = np.zeros((_QUEUE, N_JOINTS), _COMMAND)
        self._count = 0
        self._joints = np.arange(N_JOINTS)
        self.torque: NDArray[np.float64] = np.zeros(N_JOINTS)
        """What the rotors make [Nm]."""
        self._dq: NDArray[np.float64] = np.zeros(N_JOINTS)
        self.relax(0.0, np.zeros(N_JOINTS))

    def receive(self, time: float, motors: NDArray[Any]) -> None:
        """The twelve motor slots of a LowCmd arrive at `time` [s]; each motor obeys its own after its delay."""
        slot = self._count % _QUEUE
        self._received[slot] = time
        for name in _COMMAND.names or ():
            self._queue[name][slot] = motors[name]
        self._count += 1
        self._latest = time

    def relax(self, time: float, q: NDArray[np.float64]) -> None:
        """Forget all targets and damp until the next command, as after a motion program was released."""
        damped = np.zeros(N_JOINTS, _COMMAND)
        damped["mode"], damped["q"], damped["kd"] = SERVO, q, DAMPING
        for _ in range(_QUEUE):
            self.receive(time - 1.0, damped)
        self._latest = np.inf  # nobody commands, so nobody has fallen silent

    def in_force(self, time: float) -> NDArray[np.intp]:
        """Of each motor the queue slot whose command it obeys at `time`."""
        age = time - self._received[None, :] - self._c["delay"][:, None]
        order = (np.arange(_QUEUE) - self._count) % _QUEUE  # 0 is the oldest
        slots: NDArray[np.intp] = np.argmax(np.where(age >= 0.0, order, -1 - order), axis=1)
        return slots

    def target(self, time: float) -> NDArray[np.float64]:
        """The position targets that the motors obey at `time` [rad]."""
        targets: NDArray[np.float64] = self._queue["q"][self.in_force(time), self._joints]
        return targets

    def step(self, time: float, q: NDArray[np.float64], dq: NDArray[np.float64]) -> NDArray[np.float64]:
        """One step of PD, envelope and current loop, under the command in force in the step's middle.

        The motor closes kp·(q_target − q) + kd·(dq_target − dq) + tau_ff itself (Unitree support: at 10 to 20 kHz).
        MuJoCo gives a step the positions of its middle but the velocities of its start: these are carried on to there.

        Returns:
            Torque of the rotors, mean over the step [Nm]; at its end it is `torque`.
        """
        silent = time - self._latest > SILENT_AFTER
        if silent and self._silence == "hold_torque":
            return self.torque
        asked = self._queue[self.in_force(time + 0.5 * self._timestep), self._joints]
        halfway = dq + 0.5 * (dq - self._dq)
        self._dq = dq.copy()
        error, error_rate = asked["q"] - q - self._c["encoder_offset"], asked["dq"] - halfway
        wanted = asked["kp"] * error + asked["kd"] * error_rate + asked["tau"]
        if silent and self._silence == "damp":
            wanted = -DAMPING * halfway
        wanted *= (asked["mode"] == SERVO) * self._c["torque_scale"]
        limit = envelope(self._c["peak_torque"], self._c["corner_speed"], self._c["no_load_speed"], wanted, dq)
        before = self.torque
        self.torque = before + self._blend * (np.clip(wanted, -limit, limit) - before)
        return 0.5 * (before + self.torque)

    def friction(self, dq: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dry friction at speed dq: Stribeck (1902) curve plus a share of the load [Nm]."""
        c = self._c
        rest = np.exp(-((dq / c["stribeck_speed"]) ** 2))
        dry: NDArray[np.float64] = c["coulomb"] * (1.0 + (c["breakaway"] - 1.0) * rest)
        return dry + c["load_friction"] * np.abs(self.torque)


def envelope(
    peak: NDArray[np.float64],
    corner: NDArray[np.float64],
    no_load: NDArray[np.float64],
    wanted: NDArray[np.float64],
    dq: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Largest torque at speed dq: full up to the corner, falling to zero at no load; full when braking [Nm]."""
    driving = np.sign(wanted) * dq
    share = np.clip((no_load - driving) / (no_load - corner), 0.0, 1.0)
    limit: NDArray[np.float64] = peak * share
    return limit


class Sensors:
    """What the motor drivers report of the truth: with offset, noise and steps."""

    def __init__(self, config: MotorConfig, seed: int) -> None:
        self._offset = np.array(config.encoder_offset)
        self._rng = np.random.default_rng(seed)

    def read(
        self, q: NDArray[np.float64], dq: NDArray[np.float64], torque: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Position [rad], velocity [rad/s] and tau_est [Nm] as a LowState carries them."""
        noise = self._rng.standard_normal((3, N_JOINTS)) * NOISE_STEPS[:, None]
        return (
            np.round((q + self._offset) / Q_STEP + noise[0]) * Q_STEP,
            np.round(dq / DQ_STEP + noise[1]) * DQ_STEP,
            np.round(torque / TAU_STEP + noise[2]) * TAU_STEP,
        )
