"""A recording as a learner sees it: the terms of the motor's law, its torque, and where time is unbroken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from collect.channels import GAP, REPEATED
from collect.errors import UserError
from collect.joints import JOINTS, N_JOINTS
from collect.recording import Recording, find, read
from identify.features import Array, Features, at, matrix, terms
from identify.gains import truncated
from identify.held import targets
from identify.sampling import TURN, in_turns, sampled

_GAP = 2.5
"""Rows further apart than this many periods belong to two stretches: nothing is interpolated across."""


Label = Literal["tau_est", "tau_joint"]
"""What the motor reports, or what moved link and rotor: the latter holds the gear's friction."""

ROTOR = np.array([{"hip": 0.0045, "thigh": 0.0045, "calf": 0.0165}[joint.kind] for joint in JOINTS])
"""Rotor inertia at the joint [kg·m²]: 1.118e-4 of the rotor (go2_description.urdf) times the square of the ratio, 6.33
(GO-M8010-6), and for a calf of its linkage, 1.917, too. Part of tau_joint as a label, and of the body it moves."""


_CALLS = 10_000
"""Rows whose columns are made at once: in double precision they take several times the room of the result."""


@dataclass(frozen=True, eq=False)
class Series:
    """One recording in double precision; arrays have shape (N, 12) in SDK order unless said."""

    name: str
    """Of the recording."""
    sha256: str
    """Of its content."""
    rate: float
    """Rows per second [Hz]."""
    time: Array
    """Of each row, shape (N,) [s]."""
    sent: Array
    """When each row's command was sent, by the same clock, shape (N,), see `sent` [s]."""
    sampled: Array
    """When each joint's state was sampled, by the same clock (`identify.sampling`) [s]."""
    q: Array
    """[rad]"""
    dq: Array
    """[rad/s]"""
    q_target: Array
    """In force when the row was sampled [rad]."""
    kp: Array
    """[Nm/rad]"""
    kd: Array
    """That motors close, see `kd_in_force` [Nm·s/rad]."""
    kd_commanded: Array
    """[Nm·s/rad]"""
    torque: Array
    """What is learned and judged, tau_est or tau_joint [Nm]."""
    segment: NDArray[np.int16]
    """Index into `segments`, −1 between them, shape (N,)."""
    segments: tuple[str, ...]
    """Names."""
    repeated: NDArray[np.bool_]
    """Rows whose state is that of the row before, shape (N,)."""
    stretches: tuple[slice, ...]
    """Rows without a gap within one segment; no window ever crosses from one to the next."""
    robot: str = ""
    """Which one it was (`robot`); empty where nobody says."""
    ddq: Array | None = None
    """Of the smoothed motion whose torque tau_joint is; None with any other torque [rad/s²]."""
    base: Array | None = None
    """Of tau_joint what the base's motion asks, at the times of `time` (`identify.base_motion`) [Nm]."""
    joints: tuple[int, ...] = tuple(range(N_JOINTS))
    """Those that are learned from, SDK indices; every joint is predicted and judged all the same."""

    @property
    def learned(self) -> slice | list[int]:
        """The joints to be learned from as an index of columns; all of them without a copy."""
        return slice(None) if self.joints == tuple(range(N_JOINTS)) else list(self.joints)

    @property
    def oldest(self) -> float:
        """Age of the oldest sample in a row [s]."""
        return float((self.time[:, None] - self.sampled).max(initial=0.0))

    def told(self, features: Features, rows: slice, when: Array) -> tuple[Array, Array, Array]:
        """Target, kp and kd as a net sees them at the times `when`, (M,) or (M, 12) [s], of one stretch."""
        if features.target_hold and not self.q.any():
            what = "the file holds errors alone: where a target was new is not known"
            raise UserError(what, where=self.name, fix="leave out features.target_hold, or prepare it with q")
        time = self.sent[rows]
        q_target = targets(time, self.q_target[rows], features.target_hold, when)
        return q_target, at(time, self.kp[rows], when), at(time, self.kd[rows], when)

    def seen(self, features: Features, rows: slice, when: Array) -> tuple[Array, ...]:
        """What a net sees at the times `when`, (M,) or (M, 12) [s], of one stretch, see `identify.features.terms`."""
        q_target, kp, kd = self.told(features, rows, when)
        q, dq = (at(self.sampled[rows], values[rows], when) for values in (self.q, self.dq))
        return terms(features, q_target, q, dq, kp, kd)

    def with_past(self, look_back: float) -> NDArray[np.bool_]:
        """Rows within a stretch that have `look_back` seconds of it behind them, shape (N,)."""
        usable = np.zeros(len(self.time), dtype=bool)
        for rows in self.stretches:
            # A nanosecond of slack: times are sums of periods, and 5 × 0.002 is not 0.01.
            usable[rows] = self.sampled[rows].min(1) - self.time[rows.start] >= look_back - 1e-9
        return usable


def load(paths: list[Path], label: Label = "tau_est") -> list[Series]:
    """The recordings in files and folders, and prepared files (*.npz), with the torque that is to be learned.

    Raises:
        UserError: for paths without recordings, two of one name, or one that lacks a channel, see `series`.
    """
    from identify import prepared  # which builds on what is defined here

    found = [
        prepared.read(path, label) if path.suffix == ".npz" else series(read(path), where=str(path), label=label)
        for path in find(paths)
    ]
    names = [one.name for one in found]
    for path, name in zip(find(paths), names, strict=True):
        if names.count(name) > 1:
            raise UserError(f"two recordings are called {name}", where=str(path), fix="rename one, tables use the name")
    return found


def series(recording: Recording, *, where: str, label: Label = "tau_est") -> Series:
    """A recording prepared for learning; `where` says in a refusal which it is.

    A joint torque needs no torque sensor, and no velocity sensor either: that of the smoothed motion stands in for it.

    Raises:
        UserError: when it lacks a channel that is needed, or has no joint torque.
    """
    measured = () if label == "tau_joint" else ("dq", "tau_est")
    for name in ("q", "q_target", "kp", "kd", *measured):
        if name in recording.missing:
            raise UserError(f"the recording holds no {name}", where=where, fix="leave it out: training needs it")
    unbroken_rows, found = tuple(stretches(recording)), {name: getattr(recording, name) for name in ("dq", "tau_est")}
    ddq = base = None
    if label == "tau_joint":
        from identify.joint_torque import motion  # which builds on what is defined here

        moved = motion(recording)
        ddq, base, found["tau_est"] = moved.ddq, moved.base, moved.torque + ROTOR * moved.ddq
        found["dq"] = moved.dq if "dq" in recording.missing else recording.dq
        unbroken_rows = tuple(moved.known(rows) for rows in unbroken_rows if moved.known(rows).stop > rows.start)
    wide = {name: getattr(recording, name).astype(np.float64) for name in ("q", "q_target", "kp")}
    return Series(
        name=recording.session,
        sha256=recording.content_sha256(),
        rate=recording.rate,
        time=recording.clock,
        sent=sent(recording),
        sampled=sampling(recording),
        segment=recording.segment,
        segments=tuple(name.decode(errors="replace") for name in recording.segments["name"]),
        repeated=(recording.flags & REPEATED) > 0,
        stretches=unbroken_rows,
        robot=robot(recording),
        ddq=ddq,
        base=base,
        dq=found["dq"].astype(np.float64),
        torque=found["tau_est"].astype(np.float64),
        kd=kd_in_force(recording),
        kd_commanded=recording.kd.astype(np.float64),
        **wide,
    )


def robot(recording: Recording) -> str:
    """Which robot: its serial number, or of a log made by others whose robot it was; empty where nobody says."""
    said = re.search(r"serial number ([0-9a-f-]+)", str(recording.attributes.get("robot", "")))
    if said and set(said[1]) - {"0", "-"}:
        return said[1]
    layout = str(recording.attributes.get("layout", ""))
    return "" if layout == "csv" else layout  # each of the other layouts is one laboratory's, and one robot's


def sent(recording: Recording) -> Array:
    """When the command of every row was sent, increasing, shape (N,) [s]; with its row where the log does not say.

    Between two states a command may come sooner or later, in every session at a moment of its own, and a motor counts
    from then. What was in force in the row before too is as good as sent again right after that.
    """
    time = recording.clock
    if "command_age" in recording.missing:
        return time
    age = np.maximum(np.nan_to_num(recording.command_age.astype(np.float64)), 0.0)
    before = np.concatenate([[time[0] - 1.0 / recording.rate], time[:-1]])
    return np.maximum(before + 1e-9, time - age)


def sampling(recording: Recording) -> Array:
    """When each joint of every row was sampled, shape (N, 12) [s]; with its row where no velocity is recorded."""
    if {"q", "dq"} & set(recording.missing):
        return np.repeat(recording.clock[:, None], N_JOINTS, axis=1)
    q, dq = (getattr(recording, name).astype(np.float64) for name in ("q", "dq"))
    # Rows with the robot's own tick are its states; any others were read by a logger at a time of its own.
    oldest = TURN if recording.tick is not None else TURN + 1.0 / recording.rate
    return sampled(recording.clock, q, dq, tuple(stretches(recording)), oldest)


def kd_in_force(recording: Recording) -> Array:
    """Kd that the motors closed, shape (N, 12) [Nm·s/rad]: as commanded, or of a real robot's (`identify.gains`).

    A real robot is known by how its joints are sampled (`identify.sampling`); a log that does not tell is believed.
    """
    kd = recording.kd.astype(np.float64)
    if {"q", "dq"} & set(recording.missing):
        return kd
    q, dq = (getattr(recording, name).astype(np.float64) for name in ("q", "dq"))
    return truncated(kd) if in_turns(recording.clock, q, dq, tuple(stretches(recording))) else kd


def stretches(recording: Recording) -> Iterator[slice]:
    """Rows within one segment without a gap, in order."""
    apart = np.diff(recording.clock) > _GAP / recording.rate
    broken = apart | (np.diff(recording.segment) != 0) | ((recording.flags[1:] & GAP) > 0)
    edges = [0, *(np.flatnonzero(broken) + 1), len(recording)]
    for start, stop in pairwise(edges):
        if recording.segment[start] >= 0 and stop - start >= 2:
            yield slice(int(start), int(stop))


def unbroken(rows: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and stop of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int)))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def inputs(features: Features, data: Series, rows: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A net's input at the chosen rows of a recording, shape (rows, 12, F), stretch by stretch.

    Args:
        features: which columns.
        data: the recording.
        rows: which rows, shape (N,); all must lie in stretches.
    """
    out = np.empty((int(rows.sum()), 12, features.width), dtype=np.float32)
    done = 0
    for stretch in data.stretches:
        calls = data.sampled[stretch][rows[stretch]]
        for start in range(0, len(calls), _CALLS):
            when = calls[start : start + _CALLS]
            out[done : done + len(when)] = matrix(features, partial(data.seen, features, stretch), when)
            done += len(when)
    if done != len(out):
        raise ValueError("a row lies outside every stretch")
    return out
