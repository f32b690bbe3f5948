"""Any number of hung Go2s at once, for replays: MuJoCo's own batch loop moves them."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.rollout import Rollout
from numpy.typing import ArrayLike, NDArray

from collect.body import mjcf
from collect.joints import N_JOINTS


class Bodies:
    """Any number of hung Go2s with a fixed base side by side, stepped by MuJoCo's own batch loop without Python."""

    def __init__(
        self,
        count: int,
        *,
        timestep: float,
        armature: ArrayLike = 0.0,
        viscous: ArrayLike = 0.0,
        dry: ArrayLike = 0.0,
        threads: int = 0,
    ) -> None:
        """Compile one model for all; see `mjcf` for its arguments.

        Args:
            count: how many, B.
            timestep: physics step [s].
            armature: shape (12,) [kg·m²].
            viscous: shape (12,) [Nm·s/rad].
            dry: shape (12,) [Nm].
            threads: that share the bodies of a step; 0 is the caller's own. A body costs some 5 to 15 µs a step.
        """
        model = mujoco.MjModel.from_xml_string(mjcf("fixed", timestep, armature, viscous, dry))
        self._models = [model] * count
        self._data = [mujoco.MjData(model) for _ in range(max(1, threads))]
        self._rollout = Rollout(nthread=threads)
        self._spec = int(mujoco.mjtState.mjSTATE_QFRC_APPLIED)
        self._state = np.zeros((count, mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)))
        self._steps: dict[int, tuple[NDArray[np.float64], ...]] = {}

    def reset(self, q: ArrayLike, dq: ArrayLike = 0.0) -> None:
        """Put the joints at q [rad] with dq [rad/s], each of shape (B, 12)."""
        self._state[:, 1 : 1 + N_JOINTS], self._state[:, 1 + N_JOINTS : 1 + 2 * N_JOINTS] = q, dq

    def step(self, tau: ArrayLike, steps: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Advance all by some timesteps under torques that are held.

        Args:
            tau: shape (B, 12) [Nm].
            steps: how many, S.

        Returns:
            q [rad] and dq [rad/s] after each of the steps, shape (S, B, 12); views that the next call overwrites.
        """
        if steps not in self._steps:
            self._steps[steps] = tuple(
                np.zeros((len(self._models), steps, size))
                for size in (N_JOINTS, self._state.shape[1], self._models[0].nsensordata)
            )
        torque, states, sensors = self._steps[steps]
        torque[:] = np.asarray(tau)[:, None]
        self._rollout.rollout(
            self._models,
            self._data,
            self._state,
            torque,
            control_spec=self._spec,
            skip_checks=True,  # they cost twice as much as a step; shapes and types are ours
            nstep=steps,
            state=states,
            sensordata=sensors,
        )
        self._state[:] = states[:, -1]
        found = states.swapaxes(0, 1)
        return found[..., 1 : 1 + N_JOINTS], found[..., 1 + N_JOINTS : 1 + 2 * N_JOINTS]
