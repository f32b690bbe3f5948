"""Commands move hung bodies through a law, any number of trajectories side by side.

NumPy and MuJoCo let go of Python's lock while they work, so that threads with a share of the trajectories each keep all
cores busy; within a share one call of the law and one of MuJoCo's batch loop serve all its trajectories.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from collect.bodies import Bodies
from collect.joints import TORQUE
from identify.features import Array
from identify.laws import Commands, Maker

PHYSICS = 0.001
"""Longest physics step [s]."""
_AT_ONCE = 1_000_000
"""Physics steps of a share, all its trajectories together: some 500 bytes of commands and motion each."""


@dataclass(frozen=True, eq=False)
class Start:
    """A trajectory before it is moved."""

    commands: Commands
    """All that it will ever be told."""
    q: Array
    """Where the joints start, shape (12,) [rad]."""
    dq: Array
    """And how fast, shape (12,) [rad/s]."""
    base: Array | None = None
    """What the base's motion asks of the joints at the middle of each step, shape (M, 12) [Nm]; None: it is fixed."""

    @property
    def steps(self) -> int:
        """Number of physics steps, M."""
        return len(self.commands.steps)


def drive(
    starts: Sequence[Start], make: Maker, beside: Mapping[str, Array], *, threads: int | None = None
) -> list[tuple[Commands, Array]]:
    """Move a body along each trajectory by its commands alone.

    Args:
        starts: the trajectories, all with one physics step.
        make: the law that turns commands into torque.
        beside: armature, viscous and dry friction of the bodies, shape (12,) each.
        threads: that share the trajectories; by default one for each core.

    Returns:
        Of each its commands and its positions at their steps, shape (M, 12) [rad].
    """
    threads = threads or len(os.sched_getaffinity(0))
    shares = list(_shares([start.steps for start in starts], threads))
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:  # BLAS has nothing to share out here
        moved = list(pool.map(lambda share: _move([starts[i] for i in share], make, beside), shares))
    places = np.argsort(np.concatenate(shares))  # where each trajectory is now
    flat = [motion for share in moved for motion in share]
    return [(start.commands, flat[place]) for start, place in zip(starts, places, strict=True)]


def _shares(steps: Sequence[int], threads: int) -> Iterator[list[int]]:
    """Trajectories that are moved together, of like length: as many shares as threads, or more that fit in memory."""
    largest, share = int(np.ceil(len(steps) / threads)), list[int]()
    for index in sorted(range(len(steps)), key=lambda i: -steps[i]):
        if share and (len(share) == largest or (len(share) + 1) * steps[share[0]] > _AT_ONCE):
            yield share
            share = []
        share.append(index)
    if share:
        yield share


def _move(starts: Sequence[Start], make: Maker, beside: Mapping[str, Array]) -> list[Array]:
    """Positions (M, 12) of each of one share."""
    count, step = max(start.steps for start in starts), starts[0].commands.step
    # All run as long as the longest; beyond its own end a trajectory holds its last command.
    longer = [start.commands.steps[0] + step * np.arange(count) for start in starts]
    law = make([replace(start.commands, steps=steps) for start, steps in zip(starts, longer, strict=True)])
    inertia, viscous, dry = (beside[name] for name in ("armature", "viscous", "dry"))
    bodies = Bodies(len(starts), timestep=step, armature=inertia, viscous=viscous, dry=dry)
    q, dq = (np.stack([getattr(start, name) for start in starts]) for name in ("q", "dq"))
    bodies.reset(q, dq)
    moved = np.empty((count + law.every, len(starts), len(TORQUE)))
    moved[0] = q
    q, dq = q[None], dq[None]
    base = _side_by_side(starts, count + law.every)
    for m in range(0, count - 1, law.every):
        # A simulator clips an actuator at its effort limit too; without it a bad predictor would diverge.
        tau = np.minimum(np.maximum(law.torque(m, q, dq), -TORQUE), TORQUE)
        tau = tau if base is None else tau - base[m : m + law.every].mean(0)
        q, dq = bodies.step(tau, law.every)
        moved[m + 1 : m + 1 + law.every] = q
    return [moved[: start.steps, i].copy() for i, start in enumerate(starts)]


def _side_by_side(starts: Sequence[Start], count: int) -> Array | None:
    """What the bases' motions ask, shape (count, B, 12), no more beyond a trajectory's end; None if all are fixed."""
    if all(start.base is None for start in starts):
        return None
    found = np.zeros((count, len(starts), len(TORQUE)))
    for i, start in enumerate(starts):
        if start.base is not None:
            found[: start.steps, i] = start.base
    return found
