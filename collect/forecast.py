"""What a plan is predicted to ask of the robot, segment by segment, beside what is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collect.errors import UserError
from collect.joints import BY_KIND, Kind
from collect.plan import PLANNED_SPEED, PLANNED_TORQUE, RATE, Plan, planned_range


@dataclass(frozen=True)
class Forecast:
    """One segment's predicted motion of the four joints of a kind; each figure is that of the worst joint."""

    segment: str
    kind: Kind
    duration: float
    """Of the segment [s]."""
    travel: float
    """Farthest from the posture [rad]."""
    room: float
    """Largest share of the allowed travel that a joint uses, to the side on which it uses more [1]."""
    speed: float
    """Fastest [rad/s]."""
    torque: float
    """Largest [Nm]."""
    rms: float
    """Root mean square torque, which is what warms a motor; how fast it does is not published [Nm]."""


def predicted(table: Plan, where: str) -> Plan:
    """The plan with its predicted motion; `where` it came from is for the message.

    Raises:
        UserError: where the rigid body cannot be simulated.
    """
    try:
        from collect.predict import predict
    except ImportError as error:
        raise UserError(
            f"planning simulates the rigid body and needs {error.name}",
            where=where,
            fix="pip install -c constraints.txt '.[sim]', or plan on a desk and run the plan file here",
        ) from error
    return predict(table)


def forecast(plan: Plan) -> list[Forecast]:
    """The figures of a plan with its predicted motion, by segment and kind of joint."""
    centre = plan.q[0].astype(float)
    low, high = planned_range(centre)
    found = []
    for row in plan.segments:
        rows = slice(int(row["start"]), int(row["stop"]))
        q, dq, tau = (table[rows].astype(float) for table in (plan.q, plan.dq, plan.tau))
        share = np.maximum((q - centre) / (high - centre), (q - centre) / (low - centre))
        for kind, joints in BY_KIND.items():
            found.append(
                Forecast(
                    segment=row["name"].decode(),
                    kind=kind,
                    duration=len(q) / RATE,
                    travel=float(np.abs(q - centre)[:, joints].max()),
                    room=float(share[:, joints].max()),
                    speed=float(np.abs(dq[:, joints]).max()),
                    torque=float(np.abs(tau[:, joints]).max()),
                    rms=float(np.sqrt(np.mean(tau[:, joints] ** 2, axis=0)).max()),
                )
            )
    return found


def allowed(kind: Kind) -> tuple[float, float]:
    """Speed [rad/s] and torque [Nm] that may be predicted of a kind of joint."""
    return float(PLANNED_SPEED[BY_KIND[kind]].min()), float(PLANNED_TORQUE[BY_KIND[kind]].min())
