"""A trajectory to be played on the robot: what a recording was commanded, or a table of targets, as a plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import config as config_file
from collect.channels import empty_segments
from collect.convert import Gains, twelve
from collect.durable import sha256_of
from collect.errors import UserError
from collect.excitation import MAX_DURATION, MAX_KD, MAX_KP, MIN_KD
from collect.joints import N_JOINTS, NAMES
from collect.layouts import csv_columns
from collect.plan import RATE, Plan
from collect.recording import Recording, read

REST = 0.5
"""The first target is held before, the last one after [s]."""


@dataclass(frozen=True)
class Replayed:
    """What stands in a recording in place of a config."""

    replay: str
    """The source's name."""
    sha256: str


def load(source: Path, kp: Gains | None = None, kd: Gains | None = None) -> Plan:
    """The plan that plays a trajectory: its targets and gains at the plan's rate, each held until the next one comes.

    Args:
        source: a recording (.h5), played from its first segment to its last, or a CSV table with the columns `time` [s]
            and `q_target_0` … `q_target_11` [rad], and if it has them `kp_0` … and `kd_0` …; SDK order.
        kp: position gains [Nm/rad] instead of the source's.
        kd: velocity gains [Nm·s/rad] likewise.

    Returns:
        A plan whose predicted motion is still to be simulated.

    Raises:
        UserError: for a source that cannot be read, or asks for what is never sent: other gains than a plan's, velocity
            targets, feed-forward torque.
    """
    given = {name: twelve(name, values, source) for name, values in (("kp", kp), ("kd", kd)) if values}
    if source.suffix == ".h5":
        time, columns, index, segments = _recorded(read(source), given, source)
    else:
        time, columns, index, segments = _table(source, given)
    if not time[-1] - time[0] + 2 * REST <= MAX_DURATION:
        lasts = f"the trajectory lasts {time[-1] - time[0]:.0f} s, the limit is {MAX_DURATION:.0f} s"
        raise UserError(lasts, where=str(source), fix="play a part of it")
    _check_gains(columns, source)
    grid = np.arange(round((time[-1] - time[0]) * RATE) + 1) / RATE
    rows = np.clip(np.searchsorted(time - time[0], grid + 1e-9, side="right") - 1, 0, None)
    pause = round(REST * RATE)
    rows = np.concatenate([np.zeros(pause, int), rows, np.full(pause, len(time) - 1)])
    segment = index[rows].astype(np.int16)
    segment[:pause] = segment[len(segment) - pause :] = -1
    for number in range(len(segments)):
        played = np.flatnonzero(segment == number)
        if not len(played):
            name = segments[number]["name"].decode(errors="replace")
            raise UserError(f"segment {name} is shorter than a tick", where=str(source), fix="record it again")
        segments[number]["start"], segments[number]["stop"] = played[0], played[-1] + 1
    none = np.zeros((len(rows), N_JOINTS), np.float32)
    return Plan(
        name=_name(source),
        config=config_file.dump(Replayed(source.name, sha256_of(source))),
        q_target=columns["q_target"][rows].astype(np.float32),
        kp=columns["kp"][rows].astype(np.float32),
        kd=columns["kd"][rows].astype(np.float32),
        segment=segment,
        segments=segments,
        q=none,
        dq=none,
        tau=none,
    )


Columns = dict[str, NDArray[Any]]
Parts = tuple[NDArray[np.float64], Columns, NDArray[np.int64], NDArray[Any]]
"""Time of each row (N,) [s], q_target, kp and kd (N, 12), row of the segments (N,), the segments."""


def _recorded(recording: Recording, given: Columns, source: Path) -> Parts:
    inside = np.flatnonzero(recording.segment >= 0)
    if not len(inside):
        raise UserError("the recording holds no segment", where=str(source), fix="play one in which joints moved")
    rows = slice(int(inside[0]), int(inside[-1]) + 1)
    for name, meaning in (("dq_target", "velocity targets"), ("tau_ff", "feed-forward torque")):
        if np.nan_to_num(getattr(recording, name)[rows]).any():
            raise UserError(f"it commands {meaning} ({name}), which are never sent", where=str(source), fix=_FIX)
    absent = [name for name in ("q_target", "kp", "kd") if name in recording.missing and name not in given]
    if absent:
        raise UserError(f"the recording holds no {absent[0]}", where=str(source), fix=f"give --{absent[0]}")
    count = rows.stop - rows.start
    columns: Columns = {name: getattr(recording, name)[rows] for name in ("q_target", "kp", "kd")}
    columns |= {name: np.tile(values, (count, 1)) for name, values in given.items()}
    used, index = np.unique(recording.segment[rows], return_inverse=True)
    segments = recording.segments[used[used >= 0]].copy()
    for name, values in given.items():
        segments[name] = values
    return recording.clock[rows], columns, index - int(used[0] < 0), segments


def _table(source: Path, given: Columns) -> Parts:
    found = csv_columns(source)
    for name in ("time", "q_target"):
        if name not in found:
            raise UserError(f"there is no column {name}", where=str(source), fix="see python -m collect run --help")
    time = found["time"]
    if not (len(time) > 1 and np.isfinite(found["q_target"]).all() and (np.diff(time) > 0.0).all()):
        raise UserError("time does not increase, or a target is not finite", where=str(source), fix="correct the table")
    columns: Columns = {"q_target": found["q_target"]}
    for name in ("kp", "kd"):
        if name not in found and name not in given:
            raise UserError(f"the table does not say its {name}", where=str(source), fix=f"give it with --{name}")
        columns[name] = np.tile(given[name], (len(time), 1)) if name in given else found[name]
    segments = empty_segments(1)
    target = columns["q_target"]
    segments[0]["name"], segments[0]["kind"] = b"replay", b"replay"
    segments[0]["amplitude"], segments[0]["centre"] = np.ptp(target, axis=0) / 2.0, target.mean(axis=0)
    segments[0]["joints"] = np.ptp(target, axis=0) > 0.0
    segments[0]["kp"], segments[0]["kd"] = columns["kp"][0], columns["kd"][0]
    return time, columns, np.zeros(len(time), np.int64), segments


_FIX = "record such a motion with position targets alone"


def _check_gains(columns: Columns, source: Path) -> None:
    ok = {
        "kp": (columns["kp"] > 0.0) & (columns["kp"] <= MAX_KP),
        "kd": (columns["kd"] >= np.float32(MIN_KD)) & (columns["kd"] <= MAX_KD),
    }
    for name, within in ok.items():
        if not within.all():
            row, joint = np.argwhere(~within)[0]
            raise UserError(
                f"{name} of {NAMES[joint]} is {columns[name][row, joint]:g}; a plan has 0 < kp <= {MAX_KP:g}, "
                f"{MIN_KD:g} <= kd <= {MAX_KD:g}",
                where=str(source),
                fix=f"give others with --{name}",
            )


def _name(source: Path) -> str:
    """Of the session: that of the file, as far as a session may be called so."""
    words = re.sub(r"[^a-z0-9_-]+", "-", source.name.rpartition(".")[0].lower()).strip("-_")
    return f"replay-{words}"[:47].rstrip("-_") if words else "replay"
