"""From a state's record to what the safety checks see."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.joints import N_JOINTS
from collect.limits import MAX_TICK_JUMP, SECOND
from collect.messages import crc32
from collect.pace import Recent
from collect.watch import Watch, usable

_SERVO_AFTER = SECOND // 4
"""Servo mode is reported a little after the first command [rows]."""
_SNAPSHOT = SECOND // 4
"""Temperatures are compared with those of four snapshots ago [rows]."""
# Byte 2 and 3 of wireless_remote hold the buttons: R1 L1 start select R2 L2 F1 F2, A B X Y up right down left, from the
# lowest bit (Unitree's remote-controller data sheet, xKeySwitchUnion).
_L2, _B = 1 << 5, 1 << 1


class Observer:
    """Fills one `Watch`, state by state; nothing is allocated after its making."""

    def __init__(self, missing: frozenset[str]) -> None:
        """Begin before the first state; `missing` is what the peer does not deliver."""
        self.watch = Watch()
        self._crc = "crc" not in missing
        self._corrupt, self._unusable = Recent(SECOND), Recent(10)
        self._late, self._gaps, self._lost = Recent(SECOND), Recent(SECOND), Recent(SECOND)
        self._rows = 0
        self._lost_before = 0
        self._temperatures = np.zeros((4, N_JOINTS), np.int16)
        self._rpy: NDArray[np.float32] | None = None
        self._motors_before = np.zeros((3, N_JOINTS), np.float32)

    def accepts(self, state: NDArray[Any]) -> str | None:
        """None when a state can be used, else why not: `crc` or `numbers`."""
        corrupt = self._crc and crc32(state) != int(state["crc"])
        self._corrupt.add(corrupt)
        self.watch.bad_crcs = self._corrupt.sum
        if corrupt:
            return "crc"
        motors = state["motor_state"][:N_JOINTS]
        good = usable(motors["q"], motors["dq"], motors["tau_est"])
        self._unusable.add(not good)
        self.watch.bad_states = self._unusable.sum
        return None if good else "numbers"

    def timing(self, step: int, gap: bool, late: bool) -> None:
        """Take over one row's step of the robot's clock [ms], whether that is a gap, and whether the loop was late."""
        self._gaps.add(gap)
        self._late.add(late)
        self.watch.gaps, self.watch.late_rows = self._gaps.sum, self._late.sum
        if 0 < self.watch.tick_step <= MAX_TICK_JUMP:  # a jump stays until it is seen: states may come in a bunch
            self.watch.tick_step = step

    def observe(self, state: NDArray[Any], q_target: Any, predicted: Any, speed: float) -> None:
        """Take over one good state.

        Args:
            state: LowState record.
            q_target: in force, shape (12,) [rad]; the position itself while the joints are only damped.
            predicted: |q_target − q| of the plan, shape (12,) [rad].
            speed: of the fastest target lately [rad/s].
        """
        watch, motors = self.watch, state["motor_state"][:N_JOINTS]
        self._freeze(motors, speed)
        watch.observe(motors["q"], motors["dq"], motors["tau_est"], q_target, predicted)
        self._warmth(motors["temperature"])
        watch.mode[:] = motors["mode"] if self._rows > _SERVO_AFTER else 1
        lost = int(motors["lost"].sum())
        self._lost.add(lost - self._lost_before if self._rows else 0)
        self._lost_before, watch.lost = lost, self._lost.sum
        imu = state["imu_state"]
        if self._rpy is None:
            self._rpy = imu["rpy"].copy()
        watch.tilt = float(np.abs(imu["rpy"] - self._rpy)[:2].max())
        watch.accel = float(np.sqrt(np.square(imu["accelerometer"], dtype=np.float64).sum()))
        remote = state["wireless_remote"]
        watch.remote = bool(remote[2] & _L2 and remote[3] & _B)
        self._rows += 1

    def _freeze(self, motors: NDArray[Any], speed: float) -> None:
        before = self._motors_before
        same = all(np.array_equal(motors[name], before[i]) for i, name in enumerate(("q", "dq", "tau_est")))
        for i, name in enumerate(("q", "dq", "tau_est")):
            before[i] = motors[name]
        begun = speed > 0.2 or self.watch.frozen > 0.0  # a target that turns round is slow for a moment
        self.watch.frozen = self.watch.frozen + self.watch.period if same and begun else 0.0

    def _warmth(self, temperature: NDArray[np.uint8]) -> None:
        self.watch.temperature[:] = temperature
        if self._rows == 0:
            self._temperatures[:] = temperature
        np.subtract(temperature, self._temperatures[0], out=self.watch.warming, dtype=np.int16, casting="unsafe")
        if self._rows % _SNAPSHOT == 0:
            self._temperatures[:-1] = self._temperatures[1:]
            self._temperatures[-1] = temperature
