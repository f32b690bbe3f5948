"""What a recording is worth, as plain numbers: timing, saturation, coverage, fixture, delay, repeatability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import BAD_CRC, DROPPED, GAP
from collect.coverage import Coverage, coverage
from collect.joints import BY_KIND, NAMES, SPEED, TORQUE, Kind
from collect.latency import delays
from collect.recording import Recording
from collect.repeatability import Repeatability, repeatability

CORNER = 0.45
"""Share of the no-load speed up to which a Go2's motor makes its full torque (unitree_rl_lab, UnitreeActuatorCfg_Go2HV:
13.5 of 30 rad/s)."""
NEAR = 0.9
"""From this share of the envelope on a row counts as saturated."""
LATE = 0.001
"""A row that arrives this much later or earlier after the one before than the robot's clock says [s]."""


@dataclass(frozen=True)
class Timing:
    """How rows came."""

    duration: float
    """From first to last row [s]."""
    rate: float
    """Rows per second by the robot's clock where it is recorded, else by ours [Hz]."""
    nominal: float
    """What it should be [Hz]."""
    missing_ticks: int
    """Robot ticks without a row; 0 where no clock is recorded."""
    repeated_ticks: int
    """Rows whose tick is not later than the one before; 0 where no clock is recorded."""
    flagged: float
    """Share of rows after a gap or a state that was dropped [1]."""
    repeated_states: float
    """Share of rows whose q, dq and tau_est all equal those of the row before [1]."""
    jitter: float
    """99th percentile of how far the interval between arrivals is from that between samples [s]."""
    worst: float
    """The largest of them [s]."""
    late: float
    """Share of rows beyond `LATE` [1]."""


@dataclass(frozen=True)
class Fixture:
    """How far the body stood still."""

    rate: float
    """Root mean square of its angular velocity [rad/s]."""
    share: float
    """That, as a share of the root mean square speed of the joints [1]."""
    tilt: float
    """Largest roll or pitch against the first row [rad]."""


@dataclass(frozen=True)
class Load:
    """How near the four joints of a kind came to what their motors can."""

    speed: float | None
    """Fastest joint, as a share of its limit [1]; None where none is recorded."""
    torque: float | None
    """Largest torque, as a share of its limit [1]."""
    saturated: float | None
    """Share of rows with a joint of this kind at `NEAR` of the torque-speed envelope or beyond [1]."""


@dataclass(frozen=True)
class Quality:
    """Figures of one recording."""

    rows: int
    foreign: bool
    """Converted from somebody else's log."""
    state: str
    """complete, stopped or recovered."""
    stop_reason: str
    timing: Timing
    load: dict[Kind, Load]
    coverage: dict[Kind, Coverage]
    fixture: Fixture | None
    """None where no IMU is recorded."""
    delay: dict[str, float | None]
    """From a command to its torque, by joint [s]; None where the recording does not tell."""
    repeatability: dict[Kind, Repeatability] | None
    """None without a repeated segment."""
    hottest: int | None
    """Warmest motor [°C]."""
    lost: int | None
    """Packets the motor bus lost."""
    not_servo: int
    """Rows within segments in which a motor was not in servo mode."""
    stuck: tuple[str, ...]
    """Channels that stood still while their joint was told to move, as `FR_hip q`."""
    blank: int
    """Rows that are all zero: filled in, not measured."""


def assess(recording: Recording) -> Quality:
    """The figures of a recording."""
    attributes = recording.attributes
    moving = recording.segment >= 0
    lost, mode = recording.lost, recording.mode
    return Quality(
        rows=len(recording),
        foreign="origin" in attributes,
        state=str(attributes.get("state", "")),
        stop_reason=str(attributes.get("stop_reason", "") or attributes.get("stop_code", "")),
        timing=_timing(recording),
        load={kind: _load(recording, moving, joints) for kind, joints in BY_KIND.items()},
        coverage=coverage(recording),
        fixture=_fixture(recording),
        delay={
            name: None if np.isnan(delay) else float(delay)
            for name, delay in zip(NAMES, delays(recording), strict=True)
        },
        repeatability=repeatability(recording),
        hottest=int(recording.temperature.max()) if recording.temperature is not None else None,
        lost=int((lost[-1].astype(np.int64) - lost[0]).sum()) if lost is not None else None,
        not_servo=int((mode[moving] != 1).any(axis=1).sum()) if mode is not None else 0,
        stuck=_stuck(recording, moving),
        blank=int((~recording.q.any(axis=1)).sum()),
    )


def intervals(recording: Recording) -> NDArray[np.float64]:
    """Of each row but the first: how far its arrival after the row before is from what it should be, (N − 1,) [s]."""
    due = np.diff(recording.clock) if recording.tick is not None else 1.0 / recording.rate
    off: NDArray[np.float64] = np.diff(recording.time) - due
    return off


def envelope(dq: NDArray[Any], tau: NDArray[Any], joints: list[int]) -> NDArray[np.float64]:
    """What the motors can make at speeds dq in the direction of tau, shaped like dq [Nm].

    Full torque while braking and up to `CORNER` of the no-load speed, from there falling to nothing.
    """
    driving = np.sign(tau) * dq / SPEED[joints]
    share = np.clip((1.0 - driving) / (1.0 - CORNER), 0.0, 1.0)
    most: NDArray[np.float64] = TORQUE[joints] * share
    return most


def _timing(recording: Recording) -> Timing:
    clock, off = recording.clock, np.abs(intervals(recording))
    steps = np.diff(recording.tick).astype(np.int32) if recording.tick is not None else np.zeros(0, np.int32)
    span = float(clock[-1] - clock[0])
    return Timing(
        duration=span,
        rate=(len(recording) - 1) / span if span > 0.0 else float("nan"),
        nominal=recording.rate,
        missing_ticks=int(np.maximum(np.round(steps * recording.rate * 1e-3) - 1, 0).sum()),
        repeated_ticks=int((steps <= 0).sum()),
        flagged=float(np.mean((recording.flags & (GAP | DROPPED | BAD_CRC)) != 0)),
        repeated_states=float(_repeated(recording).mean()),
        jitter=float(np.percentile(off, 99)) if len(off) else 0.0,
        worst=float(off.max()) if len(off) else 0.0,
        late=float(np.mean(off > LATE)) if len(off) else 0.0,
    )


def _repeated(recording: Recording) -> NDArray[np.bool_]:
    """Rows that say in every digit what the row before said; sensors with steps and noise do not."""
    same = np.zeros(len(recording), bool)
    known = [table for table in (recording.q, recording.dq, recording.tau_est) if not np.isnan(table).all()]
    same[1:] = np.all([(np.diff(table, axis=0) == 0.0).all(axis=1) for table in known], axis=0)
    return same


def _load(recording: Recording, moving: NDArray[np.bool_], joints: list[int]) -> Load:
    dq, tau = (table[moving][:, joints].astype(float) for table in (recording.dq, recording.tau_est))
    if not len(dq):
        return Load(None, None, None)
    speed, torque = np.abs(dq) / SPEED[joints], np.abs(tau) / TORQUE[joints]
    fast, strong = not np.isnan(dq).all(), not np.isnan(tau).all()
    at_limit = (speed >= NEAR) | (np.abs(tau) >= NEAR * envelope(dq, tau, joints))
    return Load(
        speed=float(speed.max()) if fast else None,
        torque=float(torque.max()) if strong else None,
        saturated=float(at_limit.any(axis=1).mean()) if fast and strong else None,
    )


def _fixture(recording: Recording) -> Fixture | None:
    if np.isnan(recording.gyro).all():
        return None
    rate = float(np.sqrt(np.mean(np.sum(recording.gyro.astype(float) ** 2, axis=1))))
    joints = float(np.sqrt(np.mean(np.nan_to_num(recording.dq).astype(float) ** 2)))
    tilt = float(np.abs(recording.rpy - recording.rpy[0])[:, :2].max())
    return Fixture(rate=rate, share=rate / max(joints, 1e-9), tilt=tilt)


def _stuck(recording: Recording, moving: NDArray[np.bool_]) -> tuple[str, ...]:
    """Channels whose every value is the same although the target travels."""
    if not moving.any():
        return ()
    told = np.ptp(recording.q_target[moving], axis=0) > 0.05
    found = []
    for name in ("q", "dq", "tau_est"):
        still = np.ptp(getattr(recording, name)[moving], axis=0) == 0.0
        found += [f"{NAMES[joint]} {name}" for joint in np.flatnonzero(told & still)]
    return tuple(found)
