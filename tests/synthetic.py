"""Recordings of a motor that follows its law exactly, for tests of what learns from recordings."""

from __future__ import annotations

import dataclasses

import numpy as np

from collect.channels import empty_segments
from collect.joints import N_JOINTS
from collect.recording import Recording, blank
from identify.dataset import Series
from identify.dataset import series as prepare

RATE = 500.0
DELAY = 0.0073
"""Not a multiple of a row [s]."""


def motor(time: np.ndarray, *, kp: float, kd: float, delay: float = DELAY, scale: float = 0.2) -> dict[str, np.ndarray]:
    """Smooth targets, motions that lag behind them, and tau = kp·(q_target(t − delay) − q) − kd·dq."""

    def target(t: np.ndarray) -> np.ndarray:
        phases = 2.0 * np.pi * (1.3 + 0.17 * np.arange(N_JOINTS)) * t[:, None] + np.arange(N_JOINTS)
        return scale * (np.sin(phases) + 0.3 * np.sin(3.1 * phases))

    q = 0.8 * target(time - 0.03)
    dq = (target(time - 0.03 + 1e-6) - target(time - 0.03 - 1e-6)) * 0.8 / 2e-6
    tau = kp * (target(time - delay) - q) - kd * dq
    gains = {"kp": np.full_like(q, kp), "kd": np.full_like(q, kd)}
    return {"q": q, "dq": dq, "q_target": target(time), "tau_est": tau} | gains


def recording(
    name: str = "synthetic",
    *,
    seconds: float = 4.0,
    segments: tuple[str, ...] = ("chirp",),
    kp: float = 25.0,
    kd: float = 2.0,
    noise: float = 0.0,
    **motor_options: float,
) -> Recording:
    """Segments of equal length, one after the other, of the motor above; `noise` [Nm] on its torque."""
    rows = int(seconds * RATE)
    time = np.arange(rows) / RATE
    channels = motor(time, kp=kp, kd=kd, **motor_options)
    channels["tau_est"] = channels["tau_est"] + noise * np.random.default_rng(len(name)).standard_normal((rows, 12))
    table = empty_segments(len(segments))
    edges = np.linspace(0, rows, len(segments) + 1).astype(int)
    segment = np.zeros(rows, dtype=np.int16)
    for i, segment_name in enumerate(segments):
        table[i]["name"], table[i]["kind"] = segment_name.encode(), b"chirp"
        table[i]["start"], table[i]["stop"] = edges[i], edges[i + 1]
        segment[edges[i] : edges[i + 1]] = i
    wide = {key: blank(rows, N_JOINTS) for key in ("dq_target", "tau_ff")}
    rest = {key: blank(rows, 3) for key in ("gyro", "accel", "rpy")}
    rest |= {key: blank(rows) for key in ("command_age", "voltage", "current", "soc")}
    return Recording(
        session=name,
        rate=RATE,
        time=time,
        flags=np.zeros(rows, dtype=np.uint16),
        segment=segment,
        segments=table,
        **wide,
        **rest,
        **{key: value.astype(np.float32) for key, value in channels.items()},
    )


def series(name: str = "synthetic", **options: object) -> Series:
    """The same, prepared for learning."""
    return prepare(recording(name, **options), where=name)


def changed(original: Recording, **changes: object) -> Recording:
    """A recording with some of its channels replaced."""
    return dataclasses.replace(original, **changes)
