"""Prepared data as an NPZ: error and velocity now and one and two steps ago, and the torque; as others train from.

    pos_err(t) pos_err(t-1) pos_err(t-2)   q_target − q [rad]        (N, 12), SDK order, rows one step apart
    vel(t) vel(t-1) vel(t-2)               dq [rad/s]                (N, 12)
    effort                                 the torque [Nm]           (N, 12)
    kp kd                                  gains [Nm/rad, Nm·s/rad]  (N, 12), or one value
    step                                   between two rows [s]

and, from `identify prepare`, also q [rad], kd_commanded (motors may close another, `identify.gains`), base (of a
tau_joint what the base's motion asks, `identify.base_motion`) [Nm], time [s], segment and the segments' names, label,
target_hold (`identify.held`), the recordings' names and hashes. Where a row's past is not the row before, a new stretch
begins: nothing is interpolated across. A file whose rows are shuffled has no past at all and is refused, for no honest
split can be made of it.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import N_JOINTS
from collect.recording import sha256_of
from identify.dataset import Label, Series
from identify.features import Array, at
from identify.held import targets

ERROR = ("pos_err(t)", "pos_err(t-1)", "pos_err(t-2)")
VELOCITY = ("vel(t)", "vel(t-1)", "vel(t-2)")
TORQUE = "effort"
_GAINS = ("kp", "kd", "kd_commanded")
_CLOSE = 1e-5
"""Single precision of what is compared, relative to its largest value."""
_MOST = 1 << 31
"""Bytes that a file may unpack to."""


def write(data: Sequence[Series], step: float, label: Label, path: Path, *, hold: float = 0.0) -> int:
    """Write recordings as one NPZ, called every `step` along each stretch.

    Args:
        data: the recordings, with the torque that `label` says.
        step: between two rows [s].
        label: which torque it is.
        path: the file; it must not exist.
        hold: for how long a policy holds its target, `Features.target_hold` [s]; 0 for targets as logged.

    Returns:
        How many rows it holds.

    Raises:
        UserError: when the file exists or cannot be written, or no stretch is two steps long.
    """
    names = [f"{one.name}/{segment}" for one in data for segment in one.segments]
    parts: list[dict[str, NDArray[Any]]] = []
    began, first = 0.0, 0
    for one in data:
        for rows in one.stretches:
            when = np.arange(one.sampled[rows][0].max() + 2.0 * step, one.time[rows][-1] + 1e-9, step)
            if len(when):
                index = np.full(len(when), first + one.segment[rows.start])
                parts.append(_rows(one, rows, when, step, hold) | {"time": began + when, "segment": index})
        began, first = began + one.time[-1] + 1.0, first + len(one.segments)
    if not parts:
        raise UserError("no stretch is two steps long", where=str(path), fix="a shorter --step, or longer recordings")
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    facts: dict[str, Any] = {"step": np.float64(step), "label": np.str_(label), "segments": np.array(names)}
    facts["target_hold"] = np.float64(hold)
    facts |= {"recordings": [one.name for one in data], "sha256": [one.sha256 for one in data]}
    try:
        with path.open("xb") as file:
            np.savez_compressed(file, allow_pickle=False, **table, **facts)
    except FileExistsError as error:
        raise UserError("the file exists and is never overwritten", where=str(path), fix="another --out") from error
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check --out") from error
    return len(table["time"])


def _rows(one: Series, rows: slice, when: Array, step: float, hold: float) -> dict[str, NDArray[np.float32]]:
    """What a net would see, and the rest, at the times `when` of one stretch."""
    state = {"q": one.q, "vel": one.dq, TORQUE: one.torque}
    found: dict[str, Array] = {name: at(one.sent[rows], getattr(one, name)[rows], when) for name in _GAINS}
    if one.base is not None:
        found["base"] = at(one.time[rows], one.base[rows], when)
    for k, (error, velocity) in enumerate(zip(ERROR, VELOCITY, strict=True)):
        then = {name: at(one.sampled[rows], values[rows], when - k * step) for name, values in state.items()}
        found[error] = targets(one.sent[rows], one.q_target[rows], hold, when - k * step) - then["q"]
        found[velocity] = then["vel"]
        if k == 0:
            found |= {"q": then["q"], TORQUE: then[TORQUE]}
    return {name: values.astype(np.float32) for name, values in found.items()}


def read(path: Path, label: Label) -> Series:
    """A prepared file as a recording to learn from.

    Without `q` only the error is known: it is taken for the target of a motor at rest, which leaves nets, `ideal_pd`
    and `linear` exact, and laws on an old target too late by the motion meanwhile.

    Raises:
        UserError: when it is no such file, lacks an array, holds another label, or its rows are not in order.
    """
    arrays = _load(path)
    fix = "see the head of identify/prepared.py for what it must hold"
    for name in (*ERROR, *VELOCITY, TORQUE, "kp", "kd", "step"):
        if name not in arrays:
            raise UserError(f"the file holds no {name!r}", where=str(path), fix=fix)
    count = len(arrays[TORQUE]) if arrays[TORQUE].ndim else 0
    wide: dict[str, Array] = {}
    for name in (*ERROR, *VELOCITY, TORQUE, "kp", "kd", *({"q", "kd_commanded", "base"} & {*arrays})):
        values = arrays[name]
        values = np.full((count, N_JOINTS), values) if name in _GAINS and values.ndim == 0 else values
        if values.shape != (count, N_JOINTS) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise UserError(f"{name!r} is not a finite (N, 12) array of numbers", where=str(path), fix=fix)
        wide[name] = values.astype(np.float64)
    step, told = float(arrays["step"]), str(arrays.get("label", "tau_est"))
    if not 0.0 < step <= 0.1:
        raise UserError(f"step is {step} s, not above 0 and at most 0.1", where=str(path), fix=fix)
    if told != label:
        raise UserError(
            f"its torque is {told}, not {label}", where=str(path), fix=f"set label: {told}, or prepare anew"
        )
    time, segment, names = _order(arrays, count, step, path)
    q = wide.get("q", np.zeros((count, N_JOINTS)))
    return Series(
        name=path.stem,
        sha256=sha256_of(path),
        rate=1.0 / step,
        time=time,
        sent=time,
        sampled=np.repeat(time[:, None], N_JOINTS, axis=1),
        q=q,
        dq=wide[VELOCITY[0]],
        q_target=q + wide[ERROR[0]],
        kp=wide["kp"],
        kd=wide["kd"],
        kd_commanded=wide.get("kd_commanded", wide["kd"]),
        torque=wide[TORQUE],
        base=wide.get("base"),
        segment=segment,
        segments=names,
        repeated=np.zeros(count, dtype=bool),
        stretches=_stretches(wide, time, segment, step, path),
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST:
                raise UserError("it unpacks to more than 2 GB", where=str(path), fix="prepare fewer recordings a file")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise UserError("not an NPZ of plain arrays", where=str(path), fix="write it with identify prepare") from error


def _order(
    arrays: dict[str, NDArray[Any]], count: int, step: float, path: Path
) -> tuple[Array, NDArray[np.int16], tuple[str, ...]]:
    """Time, segment and names of segments; without them one segment, rows a step apart."""
    time = np.asarray(arrays.get("time", step * np.arange(count)), dtype=np.float64)
    segment, names = arrays.get("segment", np.zeros(count, int)), arrays.get("segments", np.array(["all"]))
    sound = time.shape == segment.shape == (count,) and count > 1 and segment.dtype.kind in "iu" and names.ndim == 1
    if not sound or not (np.diff(time) > 0.0).all() or segment.min() < 0 or segment.max() >= len(names):
        fix = "leave them out, or prepare it anew"
        raise UserError("time, segment and segments do not fit each other", where=str(path), fix=fix)
    return time, segment.astype(np.int16), tuple(str(name) for name in names)


def _stretches(
    wide: dict[str, Array], time: Array, segment: NDArray[np.int16], step: float, path: Path
) -> tuple[slice, ...]:
    """Rows each of which has the row before for its past."""
    follows = (np.diff(time) < 1.5 * step) & (np.diff(segment) == 0)
    for now, past in (*pairwise(ERROR), *pairwise(VELOCITY)):
        scale = max(float(np.abs(wide[now]).max()), 1e-9)
        follows &= (np.abs(wide[past][1:] - wide[now][:-1]) <= _CLOSE * scale).all(1)
    if follows.mean() < 0.5:
        what = f"only {follows.mean():.0%} of the rows have the row before for their past: they are shuffled"
        raise UserError(what, where=str(path), fix="keep rows in the order of time, one step apart")
    edges = [0, *(np.flatnonzero(~follows) + 1), len(time)]
    return tuple(slice(int(a), int(b)) for a, b in pairwise(edges) if b - a >= 2)
