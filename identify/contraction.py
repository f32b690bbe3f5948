"""Stability where no recording shows it: under more damping than was recorded a push must be forgotten too.

A torque that is held for 5 ms beside a motor's own delay leaves little room, and a net that was trained through the
replay makes use of it: it may fit all recordings and sing at the next higher kd. What the motion there is nobody knows;
that two motions under the same commands come together is known of every joint that is damped (contraction: Lohmiller
and Slotine, Automatica 34, 1998). So some pieces also run at a kd that was not recorded, twice, once pushed, and the
training adds log(1 + what is left of the push).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from collect.joints import N_JOINTS, TORQUE
from identify.settings import LEAST_KD, PUSH_HORIZON
from identify.unrolled import Pieces, Surrogate

PUSH = 0.1
"""What the speeds at the start differ by, rms [rad/s]: little beside a chirp's (katari16's have 1.5 to 4.9), so that it
is stability about a motion that is asked for."""
_PART = 3
"""One of so many pieces is drawn: with both runs a window takes not twice as long."""


def left(surrogate: Surrogate, one: Pieces, stable_to: float, draw: np.random.Generator) -> Tensor:
    """What is left of a push: mean square of the difference of the speeds, over that of the push.

    Torques end at the motors' limits here, so that whatever the net does stays finite.

    Args:
        surrogate: moves pieces by the net.
        one: all pieces; a third of them is drawn.
        stable_to: highest kd [Nm·s/rad]. Each piece has one for all its joints, between the highest recorded, or
            `identify.settings.LEAST_KD` where that is higher, and this.
        draw: from when, which pieces, their kd and the pushes.

    Returns:
        A scalar, differentiable; 0 when nothing above the recorded is asked for.
    """
    lowest = max(float(one.kd.max()), LEAST_KD)
    if stable_to <= lowest:
        return one.q.new_zeros(())
    past, whole = surrogate.past, len(one.q) - 1 - surrogate.past
    calls = min(round(PUSH_HORIZON / surrogate.features.step), whole)
    first = int(draw.integers(0, whole - calls + 1))
    drawn = draw.permutation(len(one))[: max(len(one) // _PART, 1)]
    kd = draw.uniform(lowest, stable_to, size=(len(drawn), 1))
    push = PUSH * draw.normal(size=(len(drawn), N_JOINTS))

    def tensor(*rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.concatenate(rows).astype(np.float32)).to(one.q.device)

    both = np.concatenate([drawn, drawn])
    some = Pieces(**{name: values[first : first + past + calls + 1, both] for name, values in vars(one).items()})
    some = dataclasses.replace(some, kd=tensor(kd, kd).expand_as(some.kd))
    start = surrogate.start(some)
    pushed = dataclasses.replace(start, dq=start.dq + tensor(0.0 * push, push))
    moved, _ = surrogate.move(some, pushed, range(past, past + calls), limit=tensor(TORQUE))
    apart = moved[:, len(drawn) :] - moved[:, : len(drawn)]
    speeds = apart.diff(dim=0, prepend=torch.zeros_like(apart[:1])) / surrogate.features.step
    return (speeds[calls // 2 :] / PUSH).square().mean()
