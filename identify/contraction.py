"""Stability where no recording shows it: under more damping than was recorded, two starts must come together too.

A torque that is held for 5 ms beside a motor's own delay leaves little room, and a net that was trained through the
replay makes use of it: it may fit all recordings and sing at the next higher kd. What the motion there is nobody knows;
that it forgets a push is known of every joint that is damped (contraction: Lohmiller and Slotine, Automatica 34, 1998).
So pieces also run at a kd of up to `through.stable_to`, twice, once pushed, and

    loss = log(1 + mean((difference of the speeds / push)²))        over the second half of the window

is near 0 where they come together and grows with the steps where they do not.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from identify.unrolled import Pieces, State, Surrogate

PUSH = 0.1
"""What the speeds at the start differ by, rms [rad/s]: little beside a chirp's (katari16's have 1.5 to 4.9), so that it
is stability about a motion that is asked for."""
SHARE = 3
"""One of so many pieces is run, others in every window: with its two runs a window takes not twice as long."""


def loss(surrogate: Surrogate, one: Pieces, calls: range, stable_to: float, draw: np.random.Generator) -> Tensor:
    """How far from each other two runs of some pieces remain.

    Args:
        surrogate: moves them by the net.
        one: all pieces; each third of them is drawn.
        calls: the window; it begins at the measured state.
        stable_to: highest kd of a piece [Nm·s/rad]; each has its own, between what was recorded and this.
        draw: which pieces, their kd and the pushes.

    Returns:
        A scalar, differentiable; 0 when nothing is left of the push.
    """
    drawn = torch.from_numpy(draw.permutation(len(one))[: max(len(one) // SHARE, 1)]).to(one.q.device)
    some = Pieces(**{name: values[:, drawn] for name, values in vars(one).items()})
    highest = some.kd.amax((0, 2))[:, None]
    share = torch.from_numpy(draw.uniform(size=(len(drawn), 1)).astype(np.float32)).to(highest)
    some = dataclasses.replace(some, kd=some.kd * (1.0 + share * (stable_to / highest - 1.0).clamp(min=0.0)))
    start = surrogate.start(some, calls.start)
    push = torch.from_numpy(draw.normal(size=tuple(start.dq.shape)).astype(np.float32)).to(start.dq)
    pushed = State(start.q, start.dq + PUSH * push, start.history)
    (alone, _), (other, _) = (surrogate.move(some, begin, calls) for begin in (start, pushed))
    apart = other - alone
    speeds = apart.diff(dim=0, prepend=torch.zeros_like(apart[:1])) / surrogate.features.step
    return torch.log1p((speeds[len(speeds) // 2 :] / PUSH).square().mean())
