"""The torque that fitted actuators give along a motion that was measured, as a recording's label has it.

    tau_est     tau                                                              the motor's, before rotor and friction
    tau_joint   tau − viscous·dq − F(dq, tau)·tanh(dq / SOFT) − (armature − ROTOR)·ddq           what link and rotor got

with tau and F of `identify.parameters`. tau_joint as a label is what moved the link and the rotor as its maker gives
it, so that of the fitted armature only what it has more is taken away. A joint at rest may be held by any torque up to
F; as in `friction_pd` that counts as none.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from identify.dataset import ROTOR, Label, Series
from identify.drive import PHYSICS
from identify.features import Array
from identify.parameters import SOFT, Parameters, filtered, held


def along(parameters: Parameters, data: Series, label: Label) -> Array:
    """Torque at every row, shape (N, 12) [Nm]; NaN outside of stretches.

    Raises:
        ValueError: for tau_joint when the series is not of it: its acceleration is not known.
    """
    p = {field.name: np.array(getattr(parameters, field.name)) for field in fields(parameters)}
    tau = np.full_like(data.q, np.nan)
    for rows in data.stretches:
        tau[rows] = _motor(p, data, rows)
    if label == "tau_est":
        return tau
    if data.ddq is None:
        raise ValueError("a series with another torque has no acceleration")
    friction = p["dry"] + p["breakaway"] * np.exp(-np.square(data.dq / p["stribeck"])) + p["load"] * np.abs(tau)
    lost = p["viscous"] * data.dq + friction * np.tanh(data.dq / SOFT)
    return np.asarray(tau - lost - (p["armature"] - ROTOR) * data.ddq)


def _motor(p: dict[str, Array], data: Series, rows: slice) -> Array:
    """The motors' torque in one stretch, each joint's at the times at which it was sampled."""
    time, when, target = data.time[rows], data.sampled[rows], np.empty_like(data.q[rows])
    for j, delay in enumerate(p["delay"]):
        one = held(time, data.q_target[rows, j : j + 1], when[:, j] - 0.5 * PHYSICS, PHYSICS, np.array([delay]))
        target[:, j] = one[:, 0]
    spring = p["spring"] * data.kp[rows] * (target + p["offset"] - data.q[rows])
    wanted = spring - p["damper"] * data.kd[rows] * data.dq[rows]
    tau = wanted.copy()
    for k, step in enumerate(np.diff(when, axis=0), start=1):
        decay, old, new = filtered(p["lag"], np.maximum(step, 1e-6))
        tau[k] = decay * tau[k - 1] + old * wanted[k - 1] + new * wanted[k]
    return tau
