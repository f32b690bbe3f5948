"""The hidden motors: what happens between a command on the bus and a torque at the joint."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from collect import config as config_file
from collect.joints import N_JOINTS

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
_QUEUE = 16
"""Commands on their way to the motors; 16 at 500 Hz are 32 ms, several times any delay."""


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
        for field in fields(self):
            values = getattr(self, field.name)
            if len(values) != N_JOINTS:
                raise ValueError(f"{field.name} needs 12 values, got {len(values)}")
            if field.name != "encoder_offset" and min(values) <= 0.0:
                raise ValueError(f"{field.name} must be positive")
        if max(self.delay) > 0.025:
            raise ValueError("delay must be at most 0.025 s")
        if min(np.subtract(self.no_load_speed, self.corner_speed)) <= 0.0:
            raise ValueError("no_load_speed must be above corner_speed")


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
        self._blend = 1.0 - np.exp(-2.0 * np.pi * self._c["bandwidth"] * timestep)
        self._received = np.full(_QUEUE, np.inf)
        self._q_target, self._kp, self._kd = (np.zeros((_QUEUE, N_JOINTS)) for _ in range(3))
        self._mode = np.zeros((_QUEUE, N_JOINTS), bool)
        self._count = 0
        self._joints = np.arange(N_JOINTS)
        self.torque: NDArray[np.float64] = np.zeros(N_JOINTS)
        """What the rotors make [Nm]."""
        self.relax(0.0, np.zeros(N_JOINTS))

    def receive(
        self,
        time: float,
        q_target: NDArray[np.float32],
        kp: NDArray[np.float32],
        kd: NDArray[np.float32],
        servo: NDArray[np.bool_],
    ) -> None:
        """A command arrives at `time` [s]; each motor obeys it after its own delay."""
        slot = self._count % _QUEUE
        self._received[slot] = time
        self._q_target[slot], self._kp[slot], self._kd[slot], self._mode[slot] = q_target, kp, kd, servo
        self._count += 1
        self._latest = time

    def relax(self, time: float, q: NDArray[np.float64]) -> None:
        """Forget all targets and damp, as after a motion program was released."""
        zero = np.zeros(N_JOINTS, np.float32)
        for _ in range(_QUEUE):
            self.receive(time - 1.0, q.astype(np.float32), zero, zero + np.float32(DAMPING), np.ones(N_JOINTS, bool))

    def in_force(self, time: float) -> NDArray[np.intp]:
        """Of each motor the queue slot whose command it obeys at `time`."""
        age = time - self._received[None, :] - self._c["delay"][:, None]
        order = (np.arange(_QUEUE) - self._count) % _QUEUE  # 0 is the oldest
        slots: NDArray[np.intp] = np.argmax(np.where(age >= 0.0, order, -1), axis=1)
        return slots

    def target(self, time: float) -> NDArray[np.float64]:
        """The position targets that the motors obey at `time` [rad]."""
        return self._q_target[self.in_force(time), self._joints]

    def step(self, time: float, q: NDArray[np.float64], dq: NDArray[np.float64]) -> NDArray[np.float64]:
        """One step of PD, envelope and current loop.

        The motor closes kp·(q_target − q) − kd·dq itself (Unitree support: at 10 to 20 kHz); velocity target
        and feed-forward torque of Go2 collectors are zero and are not modelled.

        Returns:
            Torque of the rotors [Nm].
        """
        silent = time - self._latest > SILENT_AFTER
        if silent and self._silence == "hold_torque":
            return self.torque
        slot = self.in_force(time)
        kp, kd = self._kp[slot, self._joints], self._kd[slot, self._joints]
        wanted = kp * (self._q_target[slot, self._joints] - q - self._c["encoder_offset"]) - kd * dq
        if silent and self._silence == "damp":
            wanted = -DAMPING * dq
        wanted *= self._mode[slot, self._joints] * self._c["torque_scale"]
        limit = envelope(self._c["peak_torque"], self._c["corner_speed"], self._c["no_load_speed"], wanted, dq)
        self.torque += self._blend * (np.clip(wanted, -limit, limit) - self.torque)
        return self.torque

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
