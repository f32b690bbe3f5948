"""What a net sees: the only place where order, sign and lags of its inputs are defined.

    lag        0   1   …  L−1 │  0   1   …  L−1 │  0   1   …  L−1 │  0   1   …  L−1 │
    column     0   1   …  L−1 │  L  L+1  … 2L−1 │ 2L       … 3L−1 │ 3L       … 4L−1 │ 4L      …    4L+11
    holds           kp·e      │      kd·dq      │  kp·dq, if any  │   dq, if any    │ joint or kind, if any

with e = q_target − q [rad] and lag 0 the newest. The first two blocks are torques [Nm]: the two terms of the law
tau = kp·e − kd·dq that the motor closes, so that one net serves every gain it was shown. The third [Nm/s] is how fast
the motion changes kp·e. A motor obeys an old target but feels the present position; with it kp·(q_target(t − d) − q(t))
= kp·e(t − d) − ∫ kp·dq is a sum of columns, which from kp·e and kd·dq alone it is for one pair of gains only. The
fourth [rad/s] is what friction depends on, whatever the gains are: tau_joint, which holds the friction, is no function
of the others where recordings differ in both gains. The scaling of the columns belongs to the net (`identify.models`),
not to its caller.

A lag is a time, counted from when the joint was sampled (`identify.sampling`); between the rows of a log targets and
states are interpolated linearly, each at its own times. A net of a longer step than the log's is called at all of its
rows, at every phase of the step: nothing is thinned out. Nor is anything low-passed before: `identify.aliasing` says
how little lies above half the rate, and nets that learned from filtered rows were worse (README, Models). The torque
above 100 Hz follows the measured velocity in part (coherence .1 / .2 / .05 at katari16's hips, thighs and calves), so
that a filter takes away some of what is to be learned; and who calls a net has none that knows the future.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.config import require
from collect.joints import JOINTS, KINDS, N_JOINTS, NAMES

Array = NDArray[np.float64]


def possible(step: float) -> bool | str:
    """Whether a simulator calls a net so often [s]; a rule for `collect.config.require`."""
    return 0.0 < step <= 0.1 or f"step must be above 0 and at most 0.1 s, got {step}"


@dataclass(frozen=True)
class Features:
    """Which columns a net sees, and how often it is called."""

    step: float
    """Time between two calls of the net in the simulator that will use it [s]."""
    lags: tuple[float, ...] = (0.0,)
    """Ages of the samples it sees, newest first [s]; a stock simulator needs 0, step, 2·step, …"""
    position_rate: bool = False
    """Whether kp·dq is seen too, at the same lags."""
    velocity: bool = False
    """Whether dq is seen too, at the same lags."""
    joint_identity: bool = False
    """Whether twelve more columns say which joint it is (one-hot, SDK order)."""
    kind_identity: bool = False
    """Whether three more columns say whether it is a hip, a thigh or a calf: a leg that was not seen has these too."""
    target_hold: float = 0.0
    """For how long a policy holds its target: 0.02 at 50 Hz; 0 for targets as logged, see `identify.held` [s]."""

    def __post_init__(self) -> None:
        require(
            lambda: possible(self.step),
            lambda: (
                (self.lags[:1] == (0.0,) and all(a < b for a, b in zip(self.lags, self.lags[1:], strict=False)))
                or f"lags start at 0 and grow, got {list(self.lags)}"
            ),
            lambda: (
                not (self.joint_identity and self.kind_identity)
                or "which joint it is says of which kind it is: give joint_identity or kind_identity"
            ),
            lambda: (
                possible(self.step) is not True
                or (0.0 <= self.target_hold <= 0.2 and abs(self._calls - round(self._calls)) < 1e-6)
                or f"target_hold must be 0 to 0.2 s, whole steps of {self.step} s, got {self.target_hold}"
            ),
        )

    @property
    def _calls(self) -> float:
        """How often the net is called while a target is held."""
        return self.target_hold / self.step

    @property
    def width(self) -> int:
        """Number of columns F."""
        return self.blocks * len(self.lags) + self.identity.shape[1]

    @property
    def identity(self) -> NDArray[np.float32]:
        """The columns behind the lags, one row a joint: shape (12, 12), (12, 3) or (12, 0)."""
        if self.joint_identity:
            return np.eye(N_JOINTS, dtype=np.float32)
        kinds = KINDS if self.kind_identity else ()
        return np.array([[joint.kind == kind for kind in kinds] for joint in JOINTS], dtype=np.float32)

    @property
    def blocks(self) -> int:
        """Number of quantities seen at each lag."""
        return len(self.terms)

    @property
    def terms(self) -> tuple[str, ...]:
        """Which quantities these are, in order."""
        return ("kp·e", "kd·dq", *("kp·dq",) * self.position_rate, *("dq",) * self.velocity)

    @property
    def look_back(self) -> float:
        """Age of the oldest sample [s]; a target that is held may be older than the lag at which it is seen."""
        return self.lags[-1] + self.target_hold

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column, for reports."""
        lags = [f"{1e3 * lag:g} ms" for lag in self.lags]
        who = NAMES if self.joint_identity else KINDS if self.kind_identity else ()
        return tuple(f"{term} at {lag}" for term in self.terms for lag in lags) + who


def terms(features: Features, q_target: Array, q: Array, dq: Array, kp: Array, kd: Array) -> tuple[Array, ...]:
    """What a net sees, of any one shape: kp·(q_target − q), kd·dq [Nm] and, if asked for, kp·dq [Nm/s], dq [rad/s]."""
    rates = (*((kp * dq,) if features.position_rate else ()), *((dq,) if features.velocity else ()))
    return (kp * (q_target - q), kd * dq, *rates)


def columns(features: Features, blocks: Sequence[Array], joints: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """Put samples and their past into a net's columns.

    Args:
        features: which columns.
        blocks: each of `terms` at each lag, newest first, shape (L, M).
        joints: SDK index of each sample's joint, shape (M,); needed where the net is told of it.

    Returns:
        The net's input, shape (M, F).
    """
    seen = len(features.lags) * features.blocks
    out = np.zeros((blocks[0].shape[1], features.width), dtype=np.float32)
    out[:, :seen] = np.concatenate(blocks).T
    if seen < features.width:
        if joints is None:
            raise ValueError("a net that tells joints apart needs the joints")
        out[:, seen:] = features.identity[joints]
    return out


def at(time: Array, values: Array, when: Array) -> Array:
    """`values` (N, J) sampled at `time`, interpolated at the times `when`: shape (M, J).

    Both times are of shape (N,) and (M,), or (N, J) and (M, J) where every joint has its own. Before the first row
    it is the first row, after the last the last: a motor at rest has a constant past.
    """
    if time.ndim + when.ndim > 2:
        count = values.shape[1]
        own = [np.broadcast_to(times.T, (count, len(times))) for times in (when, time)]
        return np.stack([np.interp(*one) for one in zip(*own, values.T, strict=True)], axis=1)
    if len(time) == 1:
        return np.repeat(values, len(when), axis=0)
    right = np.clip(np.searchsorted(time, when), 1, len(time) - 1)
    weight = np.clip((when - time[right - 1]) / (time[right] - time[right - 1]), 0.0, 1.0)[:, None]
    return np.asarray((1.0 - weight) * values[right - 1] + weight * values[right])


def matrix(features: Features, seen: Callable[[Array], Sequence[Array]], when: Array) -> NDArray[np.float32]:
    """The input of a net called at the times `when` along one uninterrupted stretch of a log.

    Args:
        features: which columns.
        seen: each of `terms` at such times, shape (M, 12).
        when: times of the calls, shape (M,), or (M, 12) where every joint is called at its own [s]; the first
            `look_back` seconds see a back-filled past.

    Returns:
        Shape (M, 12, F); `[:, j]` is joint j in SDK order.
    """
    ages = [[block.ravel() for block in seen(when - lag)] for lag in features.lags]
    lagged = [np.stack(block) for block in zip(*ages, strict=True)]
    joints = np.tile(np.arange(N_JOINTS), len(when))
    return columns(features, lagged, joints).reshape(len(when), N_JOINTS, features.width)
