"""What the joints are asked to do: chirps, staircases and holds, as pure functions of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from collect.config import require
from collect.joints import INERTIA, N_JOINTS, SPEED, TORQUE, spread

FADE = 0.5
"""Every moving segment swells from and back to its centre over this time, so targets never jump [s]."""
STAIR = 0.02
"""Hold time of a staircase: a policy's 50 Hz (Isaac Lab: sim.dt 5 ms, decimation 4) [s]."""
HEADROOM = 0.45
"""Share of a joint's torque and speed that the amplitude law lets a chirp use in linear theory."""
MAX_KP, MIN_KD, MAX_KD = 80.0, 0.3, 8.0
"""Gains that no config may leave [Nm/rad], [Nm·s/rad]."""
MAX_FREQUENCY = 50.0
"""No sweep goes higher: ten rows a period, and a motor's current loop ends not far above [Hz]."""
MAX_DURATION = 600.0
"""Of a session, and so of a segment [s]."""
_VISCOUS = 0.24
"""Viscous friction of a Go2 joint, mean of what IIT DLS identified (gym-quadruped) [Nm·s/rad]."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One excitation of a session. Lists take one value, three (hip, thigh, calf) or twelve (SDK order)."""

    name: str
    """Unique; a segment that repeats an earlier one is called like it with `_repeat` behind."""

    kind: Literal["chirp", "staircase", "hold"]
    """chirp: a sweep; staircase: the same sweep held for 20 ms at a time; hold: stand still at the centre."""

    duration: float
    """Length [s]."""

    kp: tuple[float, ...]
    """Position gain [Nm/rad]."""

    kd: tuple[float, ...]
    """Velocity gain [Nm·s/rad]."""

    amplitude: tuple[float, ...] = (0.0,)
    """Largest offset of the target from the centre [rad]; falls with frequency where a joint's torque or
    speed would not follow."""

    f0: float = 0.1
    """Frequency at the start [Hz]."""

    f1: tuple[float, ...] = (8.0,)
    """Frequency at the end [Hz]."""

    law: Literal["linear", "logarithmic"] = "logarithmic"
    """How frequency grows with time."""

    def __post_init__(self) -> None:
        require(
            lambda: 0 < len(self.name.encode()) <= 64 or f"name has {len(self.name.encode())} bytes, 1 to 64 allowed",
            lambda: _counted("kp", self.kp),
            lambda: _counted("kd", self.kd),
            lambda: _counted("amplitude", self.amplitude),
            lambda: _counted("f1", self.f1),
            lambda: _within("duration", (self.duration,), 2.0 * FADE, MAX_DURATION, "s"),
            lambda: _within("kd", self.kd, MIN_KD, MAX_KD, "Nm·s/rad"),
            lambda: (
                min(self.amplitude, default=0.0) >= 0.0
                or f"amplitude must not be negative, got {min(self.amplitude):g}"
            ),
            lambda: all(0.0 < kp <= MAX_KP for kp in self.kp) or f"kp must be above 0 and at most {MAX_KP:g} Nm/rad",
            lambda: (
                self.kind == "hold"
                or 0.0 < self.f0 < min(self.f1, default=0.0) / 2.0
                or f"a sweep needs 0 < f0 < f1 / 2, got f0 = {self.f0:g} Hz, f1 = {min(self.f1, default=0.0):g} Hz"
            ),
            lambda: (
                max(self.f1, default=0.0) <= MAX_FREQUENCY
                or f"f1 must be at most {MAX_FREQUENCY:g} Hz, got {max(self.f1):g}"
            ),
        )

    def targets(self, rate: float) -> NDArray[np.float64]:
        """Offsets of the position targets from the centre, shape (duration · rate, 12) [rad]."""
        t = np.arange(round(self.duration * rate)) / rate
        if self.kind == "hold":
            return np.zeros((len(t), N_JOINTS))
        if self.kind == "staircase":
            t = np.floor(t / STAIR + 1e-9) * STAIR
        columns = [self._sweep(t, joint) for joint in range(N_JOINTS)]
        return np.stack(columns, axis=1)

    def _sweep(self, t: NDArray[np.float64], joint: int) -> NDArray[np.float64]:
        """One joint's sweep, decorrelated from the others'.

        Thighs sweep downwards while hip and calf sweep upwards; legs differ in phase by a quarter turn,
        joints of a leg by an eighth, and every joint's band is a little narrower than the one before.
        """
        leg, place = divmod(joint, 3)
        t = self.duration - t if place == 1 else t
        f0, f1 = self.f0 * (1.0 + joint / 15.0), spread(self.f1)[joint] * (1.0 - joint / 60.0)
        frequency, phase = sweep(t, f0, f1, self.duration, self.law)
        ceiling = follow_limit(frequency, joint, spread(self.kp)[joint], spread(self.kd)[joint])
        amplitude = np.minimum(spread(self.amplitude)[joint], ceiling)
        return amplitude * np.sin(phase + np.pi / 2.0 * leg + np.pi / 4.0 * place) * swell(t, self.duration)


def _counted(name: str, values: tuple[float, ...]) -> bool | str:
    return len(values) in (1, 3, N_JOINTS) or f"{name} takes 1, 3 or 12 values, got {len(values)}"


def _within(name: str, values: tuple[float, ...], low: float, high: float, unit: str) -> bool | str:
    wrong = next((value for value in values if not low <= value <= high), None)
    return wrong is None or f"{name} must be {low:g} to {high:g} {unit}, got {wrong:g}"


def sweep(
    t: NDArray[np.float64], f0: float, f1: float, duration: float, law: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequency [Hz] and phase [rad] of a chirp at times t [s], in closed form.

    Linear: f = f0 + (f1 − f0)·t/T. Logarithmic: f = f0·(f1/f0)^(t/T). The phase is 2π∫f dt.
    """
    if law == "linear":
        slope = (f1 - f0) / duration
        return f0 + slope * t, 2.0 * np.pi * (f0 + 0.5 * slope * t) * t
    growth = np.log(f1 / f0) / duration
    frequency = f0 * np.exp(growth * t)
    return frequency, 2.0 * np.pi * (frequency - f0) / growth


def swell(t: NDArray[np.float64], duration: float) -> NDArray[np.float64]:
    """Envelope: 0 → 1 over `FADE`, 1, and back to 0 at `duration`, with raised-cosine flanks."""
    edge = np.clip(np.minimum(t, duration - t) / FADE, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * edge)


def follow_limit(frequency: NDArray[np.float64], joint: int, kp: float, kd: float) -> NDArray[np.float64]:
    """Largest target amplitude that a joint follows within `HEADROOM` of its torque and speed [rad].

    Linear theory of one joint, τ = kp·(q_target − q) − kd·dq on J·ddq + b·dq: the motion per target is
    H = kp / (−J·ω² + j·ω·(kd + b) + kp), its speed ω·|H|, its torque |−J·ω² + j·ω·b|·|H|.

    Args:
        frequency: [Hz], shape (n,).
        joint: SDK index.
        kp: position gain [Nm/rad].
        kd: velocity gain [Nm·s/rad].

    Returns:
        Amplitudes, shape (n,).
    """
    omega = 2.0 * np.pi * frequency
    load = -INERTIA[joint] * omega**2 + 1j * omega * _VISCOUS
    response = np.abs(kp / (load + 1j * omega * kd + kp))
    speed = HEADROOM * SPEED[joint] / (omega * response)
    torque = HEADROOM * TORQUE[joint] / (np.abs(load) * response)
    limit: NDArray[np.float64] = np.minimum(speed, torque)
    return limit
