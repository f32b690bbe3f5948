"""When each joint of a row was really sampled: a Go2 asks its motors in turns that are not those of its states.

On two real Go2s, whose public logs hold velocities, a moving joint's position advances from one 2 ms state to the
next by what its velocity covers in 1.6 ms, or twice that, or not at all: every joint is asked once per turn of 1.6 ± .2
ms, and a state holds the last answers. So the twelve values of one row are of up to a turn's different ages, more where
a logger polled the states with a clock of its own. At kp 25, under a target that moves at 20 rad/s, 1 ms is .5 Nm.

The ages can be recovered from positions and velocities alone, no torque is looked at: between two rows
q advances by dq times the difference of their sampling times. That is noisy where a joint is slow and says nothing of
the age itself, but ages stay between zero and the oldest a row can hold, and sampling times differ by whole turns. A
hidden Markov model on a grid of ages puts the three together (forward-backward algorithm: Rabiner, Proc. IEEE 77,
1989); its posterior mean is what is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collect.joints import N_JOINTS
from identify.features import Array

TURN = 1.6e-3
"""Time from one question to a motor to the next [s]: the peak of Δq / dq in katari16's and ORL's logs."""
_SPREAD = 0.2e-3
"""Standard deviation of a turn, ditto [s]."""
_EDGE = 0.15e-3
"""Width of the border of what ages are possible [s]."""
_GRID = 0.1e-3
"""Between the ages that are told apart [s]."""
_STEP = 6e-5
"""Noise of a difference of positions [rad]: two steps of the encoder."""
_SLACK = 0.1
"""How far dq may be off, relative: it is a mean over a time of its own."""
_APART = 0.25
"""Of a row, by how much a joint's own advance differs from its neighbours' where it was not asked with them."""
_SURE = 0.05
"""Share of such advances that shows a log to be of such a robot; real logs have .2 to .4, simulated ones none."""
_FAST = 20
"""A joint moves where it covers this many encoder steps a row."""
_ENCODER = 3.02e-5
"""Step of a real Go2's position [rad], hip and thigh; a calf's is finer."""
_CHUNK = 2000
"""Rows whose transitions are held at once."""


def sampled(time: Array, q: Array, dq: Array, stretches: Sequence[slice], oldest: float) -> Array:
    """When the joints of every row were sampled, in the log's own time, increasing within each stretch.

    Args:
        time: of the rows, shape (N,) [s].
        q: shape (N, 12) [rad].
        dq: shape (N, 12) [rad/s].
        stretches: rows without a gap.
        oldest: age that a sample in a row can have [s]: a turn, and a row more where a logger polled the states.

    Returns:
        Shape (N, 12) [s]: `time` itself where joints are sampled with their row, as a simulator does.
    """
    out = np.repeat(time[:, None], N_JOINTS, axis=1)
    if not in_turns(time, q, dq, stretches):
        return out
    for rows in stretches:
        ages = _ages(time[rows], q[rows], dq[rows], oldest)
        later = np.maximum.accumulate(time[rows, None] - ages, axis=0)
        out[rows] = later + 1e-9 * np.arange(len(later))[:, None]  # the same sample twice is still two rows
    return out


def in_turns(time: Array, q: Array, dq: Array, stretches: Sequence[slice]) -> bool:
    """Whether joints that move advance by times that differ within a row; what a whole row does is its logger's."""
    moving = apart = 0
    for rows in stretches:
        advance, expected = _advance(time[rows], q[rows], dq[rows])
        fast = np.abs(expected) > _FAST * _ENCODER
        share = np.where(fast, advance / np.where(fast, expected, 1.0), np.nan)[fast.sum(1) >= 3]
        moving += int(np.isfinite(share).sum())
        apart += int((np.abs(share - np.nanmedian(share, axis=1, keepdims=True)) > _APART).sum())
    return apart > _SURE * max(1, moving)


def _advance(time: Array, q: Array, dq: Array) -> tuple[Array, Array]:
    """Of q from row to row, measured and expected if all were sampled with their row, each (n − 1, 12) [rad]."""
    return np.diff(q, axis=0), 0.5 * (dq[1:] + dq[:-1]) * np.diff(time)[:, None]


def _ages(time: Array, q: Array, dq: Array, oldest: float) -> Array:
    """Posterior mean of the age of every joint's sample, shape (n, 12) [s]."""
    ages = np.arange(-3.0 * _EDGE, oldest + 3.0 * _EDGE, _GRID)
    possible = 1.0 / (1.0 + np.exp(-2.0 * ages / _EDGE)) / (1.0 + np.exp(2.0 * (ages - oldest) / _EDGE))
    count = len(ages)
    # From age i to age j the sampling time advances by a row and (i − j) cells of the grid.
    cells = np.arange(count)[:, None] - np.arange(count)[None, :] + count - 1
    period, (advance, expected) = np.diff(time), _advance(time, q, dq)
    speed = expected * _true_speed(advance, expected) / period[:, None]

    def transitions(start: int) -> NDArray[np.float32]:
        part = slice(start, min(start + _CHUNK, len(period)))
        elapsed = period[part, None] + _GRID * np.arange(1 - count, count)
        noise = np.sqrt(_STEP**2 + np.square(_SLACK * TURN * speed[part]))[..., None]
        error = (advance[part, :, None] - speed[part, :, None] * elapsed[:, None]) / noise
        likely = np.exp(-0.5 * np.minimum(np.square(error), 60.0))  # a wild row must not rule everything out
        return np.asarray(_turns(elapsed)[:, None] * likely + 1e-12, dtype=np.float32)

    belief = np.empty((len(time), N_JOINTS, count), dtype=np.float32)
    belief[0] = possible / possible.sum()
    for start in range(0, len(period), _CHUNK):
        for k, row in enumerate(transitions(start), start):
            ahead = (belief[k][:, None] @ row[:, cells])[:, 0] * possible
            belief[k + 1] = ahead / ahead.sum(1, keepdims=True)
    later = np.ones((N_JOINTS, count))
    for start in reversed(range(0, len(period), _CHUNK)):
        chunk = transitions(start)
        for k in reversed(range(start, start + len(chunk))):
            behind = (chunk[k - start][:, cells] @ (later * possible)[..., None])[..., 0]
            later = behind / behind.sum(1, keepdims=True)
            belief[k] *= later
    return np.asarray((belief @ ages) / belief.sum(-1), dtype=np.float64)


def _turns(elapsed: Array) -> Array:
    """How likely so much time lies between the samples of two rows, whole turns, of any shape."""
    none = np.exp(-0.5 * np.square(elapsed / (0.35 * _SPREAD))) / (0.35 * _SPREAD)
    widths = _SPREAD * np.sqrt(np.arange(1, 5))
    some = sum(np.exp(-0.5 * np.square((elapsed - n * TURN) / w)) / w for n, w in enumerate(widths, 1))
    return np.asarray(_SPREAD * (0.1 * none + some + 1e-4 / _SPREAD * (elapsed > 0.0)))


def _true_speed(advance: Array, expected: Array) -> Array:
    """What each joint's dq has to be multiplied by to cover the way that it went, shape (12,)."""
    covered, said = (np.sign(expected) * advance).sum(0), np.abs(expected).sum(0)
    return np.where(said > 0.0, covered / np.where(said > 0.0, said, 1.0), 1.0)
