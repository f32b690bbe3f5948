"""Training data as tensors on the device, served without a Python loop over samples.

Both kinds serve an epoch as a series of sums of squared errors; whoever asks takes the gradient of one before
asking for the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from collect.joints import N_JOINTS
from identify.dataset import Series, inputs
from identify.features import Array, Features, at
from identify.models import Columnwise, Recurrent
from identify.predict import interleaved
from identify.settings import LSTMShape

Loss = tuple[Tensor, Tensor]
"""Sum of squared errors [Nm²] and how many values it holds."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What a net learns from that sees its past: independent rows, drawn in a new order every epoch."""

    x: Tensor
    """Inputs, shape (M, F)."""
    y: Tensor
    """Torque, shape (M, 1) [Nm]."""
    weight: Tensor
    """How much each row counts, shape (M, 1); 1 on average."""
    batch: int
    """Rows per step."""

    def losses(self, model: Columnwise, order: torch.Generator | None) -> Iterator[Loss]:
        """One epoch, batch by batch; without `order` in the order of time."""
        count = len(self.x)
        shuffled = torch.randperm(count, generator=order).to(self.x.device) if order else None
        for start in range(0, count, self.batch):
            rows = slice(start, start + self.batch)
            tables = (self.x, self.y, self.weight)
            # index_select, for a plain index takes twice as long.
            x, y, weight = (one[rows] if shuffled is None else one.index_select(0, shuffled[rows]) for one in tables)
            yield ((model(x) - y).square() * weight).sum(), weight.sum()


@dataclass(frozen=True, eq=False)
class Pieces:
    """What a net with a state learns from: pieces of stretches, one joint each, P side by side, T calls long.

    A stretch is called every `step`, from each of K phases between two calls, so that every row of a faster log
    is used; an epoch takes one phase. A piece that is not the first of its stretch starts cold `warm_up`
    before its own part, and these calls do not count.
    """

    x: Tensor
    """kp·e and kd·dq, shape (K, P, T, 2) [Nm]."""
    y: Tensor
    """Torque, shape (K, P, T) [Nm]."""
    counts: Tensor
    """How much a call counts, 0 where it does not, shape (K, P, T); 1 on average where it does."""
    batch: int
    """Pieces side by side."""
    window: int
    """Calls through which gradients flow back."""

    def losses(self, model: Recurrent, order: torch.Generator | None) -> Iterator[Loss]:
        """One epoch, window by window with the state carried; without `order` the first phase, in order."""
        phases, pieces, calls = self.y.shape
        phase = int(torch.randint(phases, (), generator=order)) if order else 0
        shuffled = torch.randperm(pieces, generator=order) if order else torch.arange(pieces)
        for chosen in shuffled.to(self.x.device).split(self.batch):
            x, y, counts = self.x[phase, chosen], self.y[phase, chosen], self.counts[phase, chosen]
            state = model.rest(len(chosen))
            for start in range(0, calls, self.window):
                part = slice(start, start + self.window)
                torque, state = model(x[:, part], state)
                state = tuple(part.detach() for part in state)
                yield ((torque[..., 0] - y[:, part]).square() * counts[:, part]).sum(), counts[:, part].sum()


def samples(
    features: Features,
    data: Sequence[Series],
    rows: Sequence[np.ndarray],
    batch: int,
    device: torch.device,
    *,
    balanced: bool = False,
) -> Samples:
    """The chosen rows of all recordings as independent samples, one from each row and joint."""
    chosen = list(zip(data, rows, strict=True))
    counts = [int(kept.sum()) * len(one.joints) for one, kept in chosen]
    x = np.empty((sum(counts), features.width), np.float32)
    for (one, kept), end in zip(chosen, np.cumsum(counts), strict=True):
        part = inputs(features, one, kept)[:, one.learned].reshape(-1, features.width)
        x[end - len(part) : end] = part
    y = np.concatenate([one.torque[kept][:, one.learned].reshape(-1, 1) for one, kept in chosen])
    weight = np.repeat(_weights(counts, balanced), counts)[:, None]
    seen, torque, weights = (
        torch.from_numpy(values.astype(np.float32, copy=False)).to(device) for values in (x, y, weight)
    )
    return Samples(seen, torque, weights, batch)


def _weights(counts: Sequence[int], balanced: bool) -> Array:
    """How much a value of each recording counts, so that recordings of so many values weigh alike, or values do."""
    held = np.array(counts, dtype=float)
    return held.sum() / np.maximum(held, 1.0) / max(1, np.count_nonzero(held)) if balanced else np.ones(len(held))


def pieces(
    features: Features,
    shape: LSTMShape,
    data: Sequence[Series],
    rows: Sequence[np.ndarray],
    batch: int,
    device: torch.device,
    *,
    balanced: bool = False,
) -> Pieces:
    """All recordings as pieces; only the chosen rows count, the others are seen in passing."""
    phases = max(interleaved(features, one.rate) for one in data)
    before, span = round(shape.warm_up / features.step), round(shape.span / features.step)
    found: list[tuple[Array, Array, Array]] = []
    own: list[list[tuple[Array, Array, Array]]] = []
    for one, kept in zip(data, rows, strict=True):
        own.append([cut for part in one.stretches for cut in _cut(features, one, kept, part, phases, before, span)])
    weights = _weights([sum(int(counts.sum()) for *_, counts in cuts) for cuts in own], balanced)
    for cuts, weight in zip(own, weights, strict=True):
        found += [(x, y, counts * np.float32(weight)) for x, y, counts in cuts]
    if not found:
        raise ValueError("no piece holds a chosen row")
    x, y, counts = (torch.from_numpy(np.concatenate(parts, axis=1)).to(device) for parts in zip(*found, strict=True))
    return Pieces(x, y, counts, batch, max(1, round(shape.window / features.step)))


def _cut(
    features: Features, data: Series, kept: np.ndarray, stretch: slice, phases: int, before: int, span: int
) -> Iterator[tuple[Array, Array, Array]]:
    """The pieces of one stretch: x (K, 12, T, 2), y and counts (K, 12, T)."""
    time, step = data.time[stretch], features.step
    for first in range(0, int((time[-1] - time[0]) / step) + 1, span):
        calls = np.arange(before + span) + (first if first == 0 else first - before)
        when = time[0] + step * (calls + np.arange(phases)[:, None] / phases)
        flat = when.ravel()
        own = (calls >= first) & (calls < first + span) & (when <= time[-1])
        newest = np.clip(np.searchsorted(time, flat + 1e-9, side="right") - 1, 0, len(time) - 1)
        counts = own & kept[stretch][newest].reshape(when.shape)
        if counts.any():
            shape = (phases, len(calls), N_JOINTS)
            seen = data.seen(features, stretch, flat)
            x = np.stack([term.reshape(shape).swapaxes(1, 2) for term in seen], axis=-1)
            y = at(data.sampled[stretch], data.torque[stretch], flat).reshape(shape).swapaxes(1, 2)
            wide = np.repeat(counts[:, None], N_JOINTS, axis=1) & np.isin(np.arange(N_JOINTS), data.joints)[:, None]
            yield x.astype(np.float32), y.astype(np.float32), wide.astype(np.float32)
