"""What a net learned: how it answers a small push at each lag, whether it is odd and mirrored, where it is passive.

At rest a net is a filter: tau = Σ_l s_l·kp·e(t − l) + (d_l·kd + r_l·kp + v_l)·dq(t − l), e = q_target − q. From it:

    target to torque    T(ω) = Σ s_l·exp(−iωl), times kp: what of a target arrives, and how late
    impedance           Z(ω) = kp·T(ω)/(iω) − Σ (kd·d_l + kp·r_l + v_l)·exp(−iωl): torque against a motion, per velocity

The motor's own law has T = exp(−iωd) and Re Z = kd, a damper at every frequency (its position is not late). Where Re Z
is below zero a net feeds energy into the motion, and a simulated joint on it may sing.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from collect.joints import BY_KIND, JOINTS, KINDS, LEGS, N_JOINTS, Kind
from identify.baselines import ideal_pd
from identify.dataset import Series, unbroken
from identify.features import Array
from identify.models import MLP, StatelessLSTM
from identify.predict import net
from identify.runs import Run

_SECONDS = 1.0
"""Length of a piece in `transfer` [s]."""
_MEMORY = 0.3
"""How far back a net with a state is asked [s]."""
_PROBE = 5.0
"""Frequency at which gain and delay are read [Hz]: what a leg of a walking robot does."""


@dataclass(frozen=True, eq=False)
class Filter:
    """A net for small motions about rest; arrays have shape (12, L)."""

    lags: Array
    """Shape (L,) [s]."""
    spring: Array
    """Of kp·e, s."""
    damper: Array
    """Of kd·dq, d; the motor's own law has −1 at lag 0."""
    rate: Array
    """Of kp·dq, r [s]; zero where the net does not see it."""
    velocity: Array
    """Of dq, v [Nm·s/rad]; likewise."""

    def target(self, frequency: Array) -> Array:
        """T at frequencies (M,) [Hz]: complex, shape (12, M)."""
        return self.spring @ self._turns(frequency)

    def impedance(self, frequency: Array, kp: Array, kd: Array) -> Array:
        """Z at frequencies (M,) [Hz] and gains (12,): complex, shape (12, M) [Nm·s/rad]."""
        moved = (kd[:, None] * self.damper + kp[:, None] * self.rate + self.velocity) @ self._turns(frequency)
        return kp[:, None] * self.target(frequency) / (2j * np.pi * frequency) - moved

    def _turns(self, frequency: Array) -> Array:
        return np.exp(-2j * np.pi * self.lags[:, None] * frequency)


@dataclass(frozen=True)
class Learned:
    """What a net makes of small motions and of mirrored ones, for one kind of joint."""

    kind: Kind
    spring: float
    """Share of a constant error that arrives."""
    gain: float
    """Share of a target that swings at 5 Hz."""
    delay: float
    """By which it is late there [s]."""
    damping: tuple[float, float]
    """Re Z at 5 Hz, at the lowest and highest trained kd [Nm·s/rad]."""
    passive: tuple[float, float]
    """Frequency from which Re Z is below zero, at the lowest and highest trained kd; half the rate if nowhere [Hz]."""
    odd: float
    """rms of the torque of a motion plus that of its negative, over 2 rms of the torque: 0 for a net without bias."""
    mirrored: float
    """rms difference between left and right under mirrored motions, over rms of the torque."""


def small_signal(run: Run) -> Filter:
    """The net's derivative at rest, by every column it sees."""
    features = run.features
    if isinstance(run.model, MLP | StatelessLSTM):
        lags, count = np.array(features.lags), len(features.lags)
        x = torch.zeros(N_JOINTS, features.width)
        x[:, features.blocks * count :] = torch.from_numpy(features.identity)
        x.requires_grad_()
        (slope,) = torch.autograd.grad(run.model(x).sum(), x)
        blocks = [slope[:, b * count : (b + 1) * count].double().numpy() for b in range(features.blocks)]
        found = dict(zip(features.terms, blocks, strict=True))
    else:
        calls = round(_MEMORY / features.step)
        lags = np.arange(calls) * features.step
        x = torch.zeros(1, calls, 2, requires_grad=True)
        torque, _ = run.model(x, run.model.rest(1))
        (slope,) = torch.autograd.grad(torque[0, -1, 0], x)
        blocks = [np.repeat(slope[0, :, b].flip(0).double().numpy()[None], N_JOINTS, axis=0) for b in range(2)]
        found = dict(zip(features.terms, blocks, strict=True))
    absent = np.zeros((N_JOINTS, len(lags)))
    return Filter(lags, *(found.get(term, absent) for term in ("kp·e", "kd·dq", "kp·dq", "dq")))


def learned(run: Run, data: Series) -> tuple[Learned, ...]:
    """What a run's net learned, per kind of joint; symmetry on the motion of a recording."""
    filtered = small_signal(run)
    frequency = np.arange(1.0, 0.5 / run.features.step, 0.5)
    kp, low, high = (_each(run, *which) for which in (("kp", 1), ("kd", 0), ("kd", 1)))
    damping = [filtered.impedance(np.concatenate([[_PROBE], frequency]), kp, kd).real for kd in (low, high)]
    target = filtered.target(np.array([_PROBE]))[:, 0]
    same, other, mirror = (net(run, one) for one in (data, _turned(data), _mirrored(data)))
    rows = data.with_past(run.features.look_back)
    scale = np.sqrt(np.square(same[rows]).mean(0))
    odd = np.sqrt(np.square(same + other)[rows].mean(0)) / (2.0 * scale)
    swapped = mirror[:, _MIRROR] * _SIGN
    sides = np.sqrt(np.square(same - swapped)[rows].mean(0)) / scale

    def of(kind: Kind) -> Learned:
        joints = BY_KIND[kind]
        first = [float(one[joints].mean(0)[0]) for one in damping]
        last = [_passive(one[joints], frequency) for one in damping]
        mean = target[joints].mean()
        return Learned(
            kind,
            float(filtered.spring[joints].sum(1).mean()),
            float(np.abs(mean)),
            float(-np.angle(mean) / (2.0 * np.pi * _PROBE)),
            (first[0], first[1]),
            (last[0], last[1]),
            float(odd[joints].mean()),
            float(sides[joints].mean()),
        )

    return tuple(of(kind) for kind in KINDS)


def transfer(data: Series, torque: Array, rows: NDArray[np.bool_]) -> tuple[Array, Array]:
    """How a torque answers the law without delay, over frequency: H = S(pd, torque) / S(pd, pd), by Welch's method.

    Args:
        data: the recording.
        torque: measured or predicted, shape (N, 12) [Nm].
        rows: which count, shape (N,).

    Returns:
        Frequencies (M,) [Hz], and H per kind of joint, complex, shape (3, M); NaN where the recording has no motion,
        less than a ten-thousandth of the largest density. No frequencies when no unbroken second counts.
    """
    from scipy.signal import csd  # takes most of a second: not before it is needed

    length = round(_SECONDS * data.rate)
    options = {"fs": data.rate, "nperseg": length, "axis": 0}
    frequency = np.arange(length // 2 + 1) * data.rate / length
    law, cross, power = ideal_pd(data), np.zeros((len(frequency), N_JOINTS), complex), np.zeros((len(frequency), 12))
    for stretch in data.stretches:
        for start, stop in unbroken(rows[stretch]):
            if stop - start >= length:
                part = slice(stretch.start + start, stretch.start + stop)
                cross += csd(law[part], torque[part], **options)[1] * (stop - start)
                power += csd(law[part], law[part], **options)[1].real * (stop - start)
    if not power.any():
        return np.zeros(0), np.zeros((len(KINDS), 0))
    pooled = [(cross[:, joints].sum(1), power[:, joints].sum(1)) for joints in BY_KIND.values()]
    loud = [(both, own, own > 1e-4 * own.max()) for both, own in pooled]
    answers = [np.where(heard, both, np.nan) / np.where(heard, own, 1.0) for both, own, heard in loud]
    return frequency, np.array(answers)


def _passive(damping: Array, frequency: Array) -> float:
    """The first frequency at which any of the joints feeds energy in."""
    worst = damping[:, 1:].min(0)
    return float(frequency[np.argmax(worst < 0.0)] if (worst < 0.0).any() else frequency[-1])


def _each(run: Run, name: str, end: int) -> Array:
    """The lowest (0) or highest (1) trained gain of every joint, shape (12,)."""
    return np.array([getattr(run.gains, name).of(joint.kind)[end] for joint in JOINTS])


_MIRROR = [3 * LEGS.index(leg[0] + ("L" if leg[1] == "R" else "R")) + k for leg in LEGS for k in range(3)]
"""The same joint of the other side; a hip's axis points forward, so that mirrored hips turn the other way."""
_SIGN = np.array([-1.0 if joint.kind == "hip" else 1.0 for joint in JOINTS])


def _turned(data: Series) -> Series:
    return dataclasses.replace(data, q=-data.q, dq=-data.dq, q_target=-data.q_target)


def _mirrored(data: Series) -> Series:
    moved = {name: getattr(data, name)[:, _MIRROR] * _SIGN for name in ("q", "dq", "q_target")}
    gains = {name: getattr(data, name)[:, _MIRROR] for name in ("kp", "kd", "sampled")}
    return dataclasses.replace(data, **moved, **gains)
