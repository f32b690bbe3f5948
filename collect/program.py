"""The whole motion of a session as one table by robot tick: armed, ramp, plan, return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from collect.excitation import STAIR
from collect.joints import LOWER, N_JOINTS, UPPER
from collect.limits import DAMPING_KD
from collect.plan import RANGE_MARGIN, RATE, Plan

ARMED = 0.5
"""Damping before the ramp: the motors enter servo mode and the loop shows that it keeps time [s]."""
RAMP = 3.0
"""Shortest ramp [s]."""
RAMP_SPEED = 0.5
"""Fastest ramp: a leg may rest beyond its range and comes back no faster than this [rad/s]."""
RETURN = 2.0
"""Shortest return [s]."""
HURRIED = 2.9
"""Longest return where a check wants it: a motor that is too warm must be without torque within 3 s (L9). No leg is
beyond its range any more, for which ramps are slow: 2 rad then take 1.3 rad/s at most, of 12 that a plan may [s]."""


@dataclass(frozen=True, eq=False)
class Program:
    """Row k is commanded at the robot's tick k after the start. Tables are float32, shape (M, 12)."""

    q_target: NDArray[np.float32]
    kp: NDArray[np.float32]
    kd: NDArray[np.float32]
    segment: NDArray[np.int16]
    """Row of the plan's segments, −1 outside, shape (M,)."""
    expected_error: NDArray[np.float32]
    """|q_target − q| that the plan predicts [rad]."""
    speed: NDArray[np.float32]
    """Of the fastest target within the last 20 ms, for which a policy holds one, shape (M,) [rad/s]."""
    step: NDArray[np.float32]
    """The largest of each target from one row to the next, shape (12,) [rad]."""
    plan_start: int
    """Row at which the plan begins."""

    @property
    def home(self) -> NDArray[np.float32]:
        """Where it ends, shape (12,) [rad]."""
        return self.q_target[-1]

    def __len__(self) -> int:
        return len(self.q_target)


def compose(plan: Plan, q: NDArray[np.float64]) -> Program:
    """The program that takes a robot from posture q [rad], shape (12,), through the plan and back.

    It ends where it began, or at the nearest posture within the range, should a leg have rested beyond it.
    """
    armed = np.tile(q, (round(ARMED * RATE), 1))
    ramp = glide(q, plan.q_target[0], RAMP)
    home = np.clip(q, LOWER + RANGE_MARGIN, UPPER - RANGE_MARGIN)
    back = glide(plan.q_target[-1], home, RETURN)
    before, after = len(armed) + len(ramp), len(back)
    rows = before + len(plan) + after
    kp, kd = np.zeros((rows, N_JOINTS), np.float32), np.zeros((rows, N_JOINTS), np.float32)
    kd[: len(armed)] = DAMPING_KD
    kp[len(armed) : before], kd[len(armed) : before] = plan.kp[0], plan.kd[0]
    kp[before : rows - after], kd[before : rows - after] = plan.kp, plan.kd
    kp[rows - after :], kd[rows - after :] = plan.kp[-1], plan.kd[-1]
    ahead, behind = np.zeros((before, N_JOINTS), np.float32), np.zeros((after, N_JOINTS), np.float32)
    q_target = np.concatenate([armed, ramp, plan.q_target, back], dtype=np.float32)
    return Program(
        q_target=q_target,
        kp=kp,
        kd=kd,
        segment=np.concatenate([np.full(before, -1), plan.segment, np.full(after, -1)]).astype(np.int16),
        expected_error=np.concatenate([ahead, np.abs(plan.q_target - plan.q), behind]),
        speed=_speed(q_target),
        step=_step(q_target),
        plan_start=before,
    )


def homeward(q_target: NDArray[Any], kp: NDArray[Any], kd: NDArray[Any], home: NDArray[Any]) -> Program:
    """The program from a target to home at the gains in force; all of shape (12,) [rad], [Nm/rad], [Nm·s/rad]."""
    way = glide(q_target.astype(np.float64), home.astype(np.float64), RETURN, HURRIED).astype(np.float32)
    return Program(
        q_target=way,
        kp=np.broadcast_to(kp.astype(np.float32), way.shape),
        kd=np.broadcast_to(kd.astype(np.float32), way.shape),
        segment=np.full(len(way), -1, np.int16),
        expected_error=np.zeros_like(way),
        speed=_speed(way),
        step=_step(way),
        plan_start=len(way),
    )


def _speed(q_target: NDArray[np.float32]) -> NDArray[np.float32]:
    speed = np.zeros(len(q_target), np.float32)
    for joint in q_target.T:  # one at a time: a long program is large
        np.maximum(speed[1:], np.abs(np.diff(joint)) * np.float32(RATE), out=speed[1:])
    held = round(STAIR * RATE)
    return np.asarray(sliding_window_view(np.pad(speed, (held - 1, 0)), held).max(1))


def _step(q_target: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.array([np.abs(np.diff(joint)).max(initial=0.0) for joint in q_target.T], np.float32)


def glide(
    start: NDArray[np.float64], end: NDArray[np.float64], shortest: float, longest: float = np.inf
) -> NDArray[np.float64]:
    """Minimum-jerk motion from start to end, shape (rows, 12) [rad].

    Never faster than `RAMP_SPEED`, unless that took more than `longest` [s]. s = 10·x³ − 15·x⁴ + 6·x⁵ peaks at 1.875
    times the mean speed (Flash & Hogan 1985).
    """
    duration = min(max(shortest, 1.875 * float(np.abs(end - start).max()) / RAMP_SPEED), longest)
    x = np.linspace(0.0, 1.0, round(duration * RATE))[:, None]
    return start + (end - start) * (10.0 * x**3 - 15.0 * x**4 + 6.0 * x**5)
