"""The plan: a config's segments as a table of targets, gains and predicted motion, checked before anything moves."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import config as config_file
from collect.channels import SEGMENT, empty_segments
from collect.config import require
from collect.errors import UserError
from collect.excitation import MAX_DURATION, MAX_KD, MAX_KP, MIN_KD, Segment
from collect.joints import HANG, LOWER, N_JOINTS, NAMES, TORQUE, UPPER, spread
from collect.limits import MAX_SPEED, REST_TOLERANCE, STOP_MARGIN, STOP_TIME

RATE = 500.0
"""Rows of a plan per second: a Go2 publishes and takes commands at this rate [Hz]."""
MARGIN = 1.5
"""The predicted motion, this much larger, must still be within every limit."""
RANGE_MARGIN = 0.1
"""Planned motion stays this far inside the range [rad]."""
PLANNED_SPEED = np.minimum(12.0, MAX_SPEED / MARGIN)
"""No joint may be predicted to turn faster, shape (12,) [rad/s]."""
PLANNED_TORQUE = TORQUE / MARGIN
"""No motor may be predicted to make more, shape (12,) [Nm]."""
_MAGIC = b"go2-plan 1 "


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """One session."""

    name: str
    """What the session is for; part of its recording's name."""

    segments: tuple[Segment, ...]
    """What the joints do, in order."""

    posture: tuple[float, ...] = tuple(HANG.tolist())
    """Centre of all motion, 1, 3 (hip, thigh, calf) or 12 values [rad]."""

    rest: float = 0.5
    """Pause at the centre before, between and after segments; gains change there [s]."""

    def __post_init__(self) -> None:
        require(
            lambda: (  # a time is added to name the recording
                re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,47}", self.name) is not None
                or f"name must be 1 to 48 of a-z 0-9 _ - and begin with a letter or digit, got {self.name[:60]!r}"
            ),
            lambda: (
                len(self.posture) in (1, 3, N_JOINTS) or f"posture takes 1, 3 or 12 values, got {len(self.posture)}"
            ),
            lambda: 0.1 <= self.rest <= 10.0 or f"rest must be 0.1 to 10 s, got {self.rest:g}",
            lambda: (
                self._duration <= MAX_DURATION
                or f"the session lasts {self._duration:.4g} s, the limit is {MAX_DURATION:.0f} s"
            ),
            lambda: len(self.segments) > 0 or "segments is empty: a plan needs at least one",
            lambda: len({one.name for one in self.segments}) == len(self.segments) or "segment names must differ",
            lambda: "; ".join(self._unlike()) or True,
        )

    @property
    def _duration(self) -> float:
        return sum(segment.duration + self.rest for segment in self.segments) + self.rest

    def _unlike(self) -> Iterator[str]:
        """Segments that say they repeat another one and do not, in words."""
        named = {segment.name: segment for segment in self.segments}
        for segment in self.segments:
            if not segment.name.endswith("_repeat"):
                continue
            first = named.get(segment.name.removesuffix("_repeat"))
            if first is None:
                yield f"{segment.name} repeats no segment of this plan"
            elif replace(segment, name=first.name) != first:
                yield f"{segment.name} differs from {first.name}, which it is to repeat"


@dataclass(frozen=True, eq=False)
class Plan:
    """A session as a table; row k is due k / `RATE` seconds after the first. Arrays are float32, shape (N, 12)."""

    name: str
    config: str
    """The config it was made from, as YAML."""
    q_target: NDArray[np.float32]
    kp: NDArray[np.float32]
    kd: NDArray[np.float32]
    segment: NDArray[np.int16]
    """Row of `segments`, −1 between, shape (N,)."""
    segments: NDArray[Any]
    """Of dtype `channels.SEGMENT`; start and stop are rows of this plan."""
    q: NDArray[np.float32]
    """Predicted motion of the rigid body [rad]; dq [rad/s] and tau [Nm] likewise."""
    dq: NDArray[np.float32]
    tau: NDArray[np.float32]
    sha256: str = ""
    """Hash of the plan's file content."""

    def __len__(self) -> int:
        return len(self.q_target)


def tabulate(config: PlanConfig) -> Plan:
    """The table of a config, without its predicted motion (zeros)."""
    centre = spread(config.posture)
    pause = round(config.rest * RATE)
    rows: list[NDArray[np.float64]] = [np.tile(centre, (pause, 1))]
    gains = [(np.tile(spread(config.segments[0].kp), (pause, 1)), np.tile(spread(config.segments[0].kd), (pause, 1)))]
    index = [np.full(pause, -1)]
    table = empty_segments(len(config.segments))
    start = pause
    for number, segment in enumerate(config.segments):
        offsets = segment.targets(RATE)
        kp, kd = spread(segment.kp), spread(segment.kd)
        following = config.segments[min(number + 1, len(config.segments) - 1)]
        blend = np.linspace(0.0, 1.0, pause)[:, None]
        rows += [centre + offsets, np.tile(centre, (pause, 1))]
        gains.append((np.tile(kp, (len(offsets), 1)), np.tile(kd, (len(offsets), 1))))
        gains.append((kp + blend * (spread(following.kp) - kp), kd + blend * (spread(following.kd) - kd)))
        index += [np.full(len(offsets), number), np.full(pause, -1)]
        table[number] = _describe(segment, centre, start, start + len(offsets))
        start += len(offsets) + pause
    q_target = np.concatenate(rows).astype(np.float32)
    none = np.zeros_like(q_target)
    return Plan(
        name=config.name,
        config=config_file.dump(config),
        q_target=q_target,
        kp=np.concatenate([kp for kp, _ in gains]).astype(np.float32),
        kd=np.concatenate([kd for _, kd in gains]).astype(np.float32),
        segment=np.concatenate(index).astype(np.int16),
        segments=table,
        q=none,
        dq=none,
        tau=none,
    )


def _describe(segment: Segment, centre: NDArray[np.float64], start: int, stop: int) -> Any:
    amplitude = spread(segment.amplitude)
    f1 = spread(segment.f1)
    moves = (amplitude > 0.0) & (segment.kind != "hold")
    kp, kd = spread(segment.kp), spread(segment.kd)
    row = np.zeros((), SEGMENT)
    row["name"], row["kind"], row["joints"] = segment.name.encode(), segment.kind.encode(), moves
    row["amplitude"], row["f0"], row["f1"] = amplitude * moves, segment.f0 * moves, f1 * moves
    row["centre"], row["kp"], row["kd"], row["start"], row["stop"] = centre, kp, kd, start, stop
    return row


def planned_range(centre: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest position that may be predicted about `centre`: `MARGIN` times as far is in range.

    Args:
        centre: where the plan begins, shape (12,) [rad].

    Returns:
        Two arrays of shape (12,) [rad]; front and rear thighs differ.
    """
    return (
        centre + (LOWER + RANGE_MARGIN - centre) / MARGIN,
        centre + (UPPER - RANGE_MARGIN - centre) / MARGIN,
    )


def check(plan: Plan) -> None:
    """Hold the predicted motion against every limit, tick by tick; of the targets only what the loop would not send.

    Raises:
        UserError: naming for every segment and quantity the worst joint, with time and value.
    """
    low, high = planned_range(plan.q[0])
    excesses = [
        *_excesses(plan, plan.q, low, high, "predicted position", "rad"),
        *_excesses(plan, plan.dq, -PLANNED_SPEED, PLANNED_SPEED, "predicted speed", "rad/s"),
        *_excesses(plan, plan.tau, -PLANNED_TORQUE, PLANNED_TORQUE, "predicted torque", "Nm"),
        # What check L6 would stop at: it may not trip in the prediction, even with the range as the URDF has it.
        *_excesses(
            plan,
            plan.q + STOP_TIME * plan.dq,
            LOWER + STOP_MARGIN,
            UPPER - STOP_MARGIN,
            "predicted stopping position",
            "rad",
        ),
        # Check L14 sends no target where no leg may rest, however little a soft gain would follow it.
        *_excesses(plan, plan.q_target, LOWER - REST_TOLERANCE, UPPER + REST_TOLERANCE, "target", "rad"),
    ]
    if excesses:
        raise UserError(
            "\n  ".join(excesses),
            where=f"plan {plan.name}; allowed is what leaves a margin of {MARGIN} to the limit",
            fix="lower that segment's amplitude or top frequency, raise its kd, or move the posture",
        )


def _excesses(plan: Plan, value: Any, low: Any, high: Any, what: str, unit: str) -> Iterator[str]:
    """Of each segment that leaves the bounds its worst moment, in words; NaN is worst of all."""
    over = np.nan_to_num(np.maximum(low - value, value - high), nan=np.inf)
    for segment in np.unique(plan.segment[(over > 0.0).any(axis=1)]):
        rows = np.flatnonzero(plan.segment == segment)
        row, joint = np.unravel_index(np.argmax(over[rows]), (len(rows), N_JOINTS))
        name = f"segment {plan.segments['name'][segment].decode()}" if segment >= 0 else "between segments"
        yield (
            f"{name}, {NAMES[joint]} at t = {rows[row] / RATE:.2f} s: {what} {value[rows[row], joint]:.2f}"
            f" {unit}, allowed {low[joint]:.2f} to {high[joint]:.2f}"
        )


def save(plan: Plan, path: Path) -> str:
    """Write a plan file; returns the SHA-256 of its content, which stands in its first line.

    Raises:
        UserError: when the file exists.
    """
    buffer = io.BytesIO()
    arrays = {name: getattr(plan, name) for name in _ARRAYS}
    np.savez_compressed(buffer, name=plan.name, config=plan.config, **arrays)
    payload = buffer.getvalue()
    digest = hashlib.sha256(payload).hexdigest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(_MAGIC + digest.encode() + b"\n" + payload)
    except FileExistsError:
        raise UserError(
            "the plan exists and is never overwritten", where=str(path), fix="choose another --out"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write the plan: {error.strerror}", where=str(path), fix="choose another --out"
        ) from None
    return digest


_ARRAYS = ("q_target", "kp", "kd", "segment", "segments", "q", "dq", "tau")


def load(path: Path) -> Plan:
    """Read a plan file, its hash first.

    Raises:
        UserError: when it is missing, not a plan, or differs from what was written by as much as a byte.
    """
    try:
        head, _, payload = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise UserError(f"cannot read the plan: {error.strerror}", where=str(path), fix="check the path") from None
    if not head.startswith(_MAGIC):
        raise UserError("not a plan file", where=str(path), fix="make one: python -m collect plan CONFIG --out PLAN")
    digest = hashlib.sha256(payload).hexdigest()
    if head.removeprefix(_MAGIC).decode(errors="replace") != digest:
        raise UserError(
            "the plan was changed after it was made: its SHA-256 does not match",
            where=str(path),
            fix="make it again: python -m collect plan CONFIG --out PLAN",
        )
    with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in _ARRAYS}
        plan = Plan(name=str(stored["name"]), config=str(stored["config"]), sha256=digest, **arrays)
    _check_shapes(plan, path)
    return plan


def _check_shapes(plan: Plan, path: Path) -> None:
    """Somebody may have made a plan file with a valid hash by hand: the loop must still be able to trust it."""
    shape = (len(plan), N_JOINTS)
    tables = [plan.q_target, plan.kp, plan.kd, plan.q, plan.dq, plan.tau]
    sound = len(plan) > 0 and all(table.shape == shape and np.isfinite(table).all() for table in tables)
    sound = sound and len(plan) <= (MAX_DURATION + 1.0) * RATE
    sound = sound and plan.segment.shape == shape[:1] and plan.segments.dtype == SEGMENT
    sound = sound and bool((plan.kp > 0).all() and (plan.kp <= MAX_KP).all())
    sound = sound and bool((plan.kd >= np.float32(MIN_KD)).all() and (plan.kd <= MAX_KD).all())
    if not sound:
        raise UserError(
            "the plan's tables are empty or damaged", where=str(path), fix="make it again with collect plan"
        )
    if not ((plan.segment >= -1) & (plan.segment < len(plan.segments))).all():
        raise UserError("the plan names segments it does not have", where=str(path), fix="make it again")
