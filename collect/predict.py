"""A plan's motion on the rigid body: what the legs will do, as opposed to what they are asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.progress import track

from collect.body import ARMATURE, DRY, VISCOUS, Body
from collect.plan import RATE, Plan

DELAY_TICKS = 3
"""Command to torque on real Go2s: 4 to 6 ms by ROS bag clocks; three ticks of 2 ms."""
SUBSTEPS = 2
"""Physics steps per tick."""
_CAUTION = 0.5
"""Share of the identified friction that is counted on: less friction moves more."""


def predict(plan: Plan) -> Plan:
    """The plan with the motion that its targets cause: PD in the motor, delayed, on the fixed-base body.

    Armature and friction are those that IIT DLS identified, friction halved so that the prediction rather
    errs on the lively side.
    """
    body = Body(timestep=1.0 / (RATE * SUBSTEPS), armature=ARMATURE, viscous=_CAUTION * VISCOUS, dry=_CAUTION * DRY)
    body.reset(plan.q_target[0].astype(np.float64))
    q, dq, tau = (np.zeros_like(plan.q_target) for _ in range(3))
    torque = np.zeros(plan.q_target.shape[1])
    for row in track(range(len(plan)), description="simulating the plan", transient=True):
        q[row], dq[row] = body.q, body.dq
        sent = max(row - DELAY_TICKS, 0)
        for _ in range(SUBSTEPS):
            torque = plan.kp[sent] * (plan.q_target[sent] - body.q) - plan.kd[sent] * body.dq
            body.step(torque)
        tau[row] = torque
    return replace(plan, q=q, dq=dq, tau=tau)
