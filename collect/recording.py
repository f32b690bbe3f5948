"""The recording, format 1: one sealed HDF5 file a session, written once, read with suspicion."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import N_JOINTS, NAMES

FORMAT = "go2-recording"
FORMAT_VERSION = 1
MAX_BYTES = 4 << 30
"""A recording that declares more than this is refused before anything is allocated [B]."""

GAP, LATE, DROPPED, BAD_CRC, REPEATED = 1, 2, 4, 8, 16
"""Bits of `flags`: gap before this row, row handled late, state dropped before it, state with a
bad CRC dropped before it, state identical to the row before (converted logs only)."""


class Channel(NamedTuple):
    """One dataset of the format: its type, columns (0 means a vector), unit and meaning."""

    dtype: str
    columns: int
    unit: str
    description: str


CHANNELS: dict[str, Channel] = {
    "time": Channel("f8", 0, "s", "monotonic receive time of the state, from the first row"),
    "tick": Channel("u4", 0, "ms", "the robot's own clock"),
    "q": Channel("f4", 12, "rad", "measured joint position"),
    "dq": Channel("f4", 12, "rad/s", "measured joint velocity"),
    "tau_est": Channel("f4", 12, "Nm", "joint torque the motor driver reports, motor side, from current"),
    "q_target": Channel("f4", 12, "rad", "position target in force when the state was sampled"),
    "dq_target": Channel("f4", 12, "rad/s", "velocity target in force"),
    "tau_ff": Channel("f4", 12, "Nm", "feed-forward torque in force"),
    "kp": Channel("f4", 12, "Nm/rad", "position gain in force"),
    "kd": Channel("f4", 12, "Nm·s/rad", "velocity gain in force"),
    "command_age": Channel("f4", 0, "s", "from sending the command in force to receiving this state"),
    "temperature": Channel("u1", 12, "°C", "motor temperature"),
    "lost": Channel("u4", 12, "1", "packets the motor bus lost, counted by the robot"),
    "mode": Channel("u1", 12, "1", "motor mode, 1 = servo"),
    "gyro": Channel("f4", 3, "rad/s", "body angular velocity"),
    "accel": Channel("f4", 3, "m/s²", "body acceleration with gravity"),
    "rpy": Channel("f4", 3, "rad", "body roll, pitch, yaw"),
    "voltage": Channel("f4", 0, "V", "bus voltage"),
    "current": Channel("f4", 0, "A", "bus current"),
    "soc": Channel("f4", 0, "%", "battery state of charge"),
    "flags": Channel("u2", 0, "1", "bits: 1 gap before, 2 late, 4 state dropped, 8 bad CRC, 16 repeated state"),
    "segment": Channel("i2", 0, "1", "row of `segments`, -1 between segments"),
}
"""The format's table: it writes, checks, documents and labels."""

SEGMENT = np.dtype(
    [
        ("name", "S64"),
        ("kind", "S16"),
        ("joints", "u1", (12,)),
        ("amplitude", "f4", (12,)),
        ("f0", "f4", (12,)),
        ("f1", "f4", (12,)),
        ("centre", "f4", (12,)),
        ("kp", "f4", (12,)),
        ("kd", "f4", (12,)),
        ("start", "i8"),
        ("stop", "i8"),
    ]
)
"""One segment: kind is chirp, staircase, hold, … ; joints is 1 where a joint moves; amplitude [rad]
of the target, f0 and f1 [Hz], centre [rad], gains; its rows are start … stop − 1."""

_ATTRIBUTES = ("format", "format_version", "rate", "joint_names", "missing", "content_sha256")


def empty_segments(count: int = 0) -> NDArray[Any]:
    """A zeroed segment table of dtype `SEGMENT`."""
    return np.zeros(count, dtype=SEGMENT)


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """One session's rows and what is known about them. Shapes and units are those of `CHANNELS`."""

    session: str
    """Name of the session, which is the stem of its file."""
    rate: float
    """Nominal rows per second [Hz]."""
    time: NDArray[np.float64]
    q: NDArray[np.float32]
    dq: NDArray[np.float32]
    tau_est: NDArray[np.float32]
    q_target: NDArray[np.float32]
    dq_target: NDArray[np.float32]
    tau_ff: NDArray[np.float32]
    kp: NDArray[np.float32]
    kd: NDArray[np.float32]
    command_age: NDArray[np.float32]
    gyro: NDArray[np.float32]
    accel: NDArray[np.float32]
    rpy: NDArray[np.float32]
    voltage: NDArray[np.float32]
    current: NDArray[np.float32]
    soc: NDArray[np.float32]
    flags: NDArray[np.uint16]
    segment: NDArray[np.int16]
    segments: NDArray[Any]
    tick: NDArray[np.uint32] | None = None
    temperature: NDArray[np.uint8] | None = None
    lost: NDArray[np.uint32] | None = None
    mode: NDArray[np.uint8] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """robot, created, mount, posture, state, stop_code, plan_sha256, config, versions, statistics, origin, …"""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def missing(self) -> tuple[str, ...]:
        """Channels that the robot or the log did not deliver."""
        return tuple(
            name
            for name in CHANNELS
            if (values := getattr(self, name)) is None or (values.dtype.kind == "f" and np.isnan(values).all())
        )

    def content_sha256(self) -> str:
        """SHA-256 over every dataset, in the order of `CHANNELS`, then the segment table."""
        digest = hashlib.sha256()
        for name in CHANNELS:
            values = getattr(self, name)
            if values is not None:
                digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        digest.update(b"segments" + self.segments.tobytes())
        return digest.hexdigest()


def blank(rows: int, columns: int = 0) -> NDArray[np.float32]:
    """What was not delivered: an array of NaN, shape (rows,) or (rows, columns)."""
    return np.full((rows, columns) if columns else rows, np.nan, dtype=np.float32)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:  # Python 3.10, the robot's own, has no hashlib.file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def session_path(folder: Path, session: str, *, converted: bool = False) -> Path:
    """Where the recording of `session` goes, refused when it exists.

    Raises:
        UserError: for a name that is not a plain file name, or a file that exists.
    """
    pattern = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}" if converted else r"[a-z0-9][a-z0-9_-]{0,63}"
    if not re.fullmatch(pattern, session):
        raise UserError(f"{session!r} is not a session name", where=str(folder), fix=f"use a name that matches {pattern}")
    path = folder / f"{session}.h5"
    if path.exists():
        raise UserError("the recording exists and is never overwritten", where=str(path), fix="choose another name or folder")
    return path


def write(recording: Recording, path: Path) -> str:
    """Seal a recording: write it under another name, read it back, rename it into place.

    The file's SHA-256 is written beside it as `NAME.sha256`.

    Args:
        recording: what to write.
        path: the final name, ending in .h5; its folder is made if need be.

    Returns:
        SHA-256 of the file.

    Raises:
        UserError: when `path` exists or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_file(recording, part)
        if read(part, session=recording.session).content_sha256() != recording.content_sha256():
            raise UserError("the recording read back differs from what was written", where=str(part), fix="check the disk")
        digest = sha256_of(part)
        _publish(part, path)
    except OSError as error:
        raise UserError(f"cannot write the recording: {error}", where=str(path), fix="check space and rights") from error
    finally:
        part.unlink(missing_ok=True)
    path.with_suffix(".sha256").write_text(f"{digest}  {path.name}\n")
    return digest


def _publish(part: Path, path: Path) -> None:
    """Give a finished file its final name, which must not exist, and make the rename durable."""
    try:
        os.link(part, path)  # atomic, and fails where rename would overwrite
    except FileExistsError:
        raise UserError("the recording exists and is never overwritten", where=str(path), fix="choose another name") from None
    except OSError:  # a file system without hard links (exFAT on a stick)
        if path.exists():
            raise UserError("the recording exists and is never overwritten", where=str(path), fix="choose another name") from None
        part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_file(recording: Recording, path: Path) -> None:
    rows = len(recording)
    with h5py.File(path, "x") as file:
        for name, channel in CHANNELS.items():
            values = getattr(recording, name)
            if values is None:
                continue
            shape = (rows, channel.columns) if channel.columns else (rows,)
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, the format needs {shape}")
            dataset = file.create_dataset(
                name, data=values.astype(channel.dtype, copy=False), fletcher32=rows > 0, chunks=True if rows else None
            )
            dataset.attrs["unit"], dataset.attrs["description"] = channel.unit, channel.description
        table = file.create_dataset(
            "segments", data=recording.segments, fletcher32=len(recording.segments) > 0, chunks=True if len(recording.segments) else None
        )
        table.attrs["unit"], table.attrs["description"] = "1", "one row per segment; rad, Hz, Nm/rad, Nm·s/rad"
        defaults = {"robot": "", "created": now(), "mount": "", "state": "complete", "stop_code": ""}
        own = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "session": recording.session,
            "rate": float(recording.rate),
            "joint_names": list(NAMES),
            "missing": json.dumps(recording.missing),
            "content_sha256": recording.content_sha256(),
        }
        for name, value in (defaults | dict(recording.attributes) | own).items():
            file.attrs[name] = value
        file.flush()
    with path.open("rb") as written:
        os.fsync(written.fileno())


def now() -> str:
    """The time now, as ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def read(path: Path | str, *, session: str | None = None) -> Recording:
    """Read a recording, trusting nothing: hash, links, types and sizes are checked before any data.

    Args:
        path: a file written by `write`.
        session: name to give it instead of the file's stem.

    Raises:
        UserError: when the file is missing, damaged, not a recording, or holds non-finite numbers in a
            channel that it does not list as missing.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("no such recording", where=str(path), fix="check the path; a recording is a .h5 file")
    sidecar = path.with_suffix(".sha256")
    if path.suffix == ".h5" and sidecar.is_file():
        words = sidecar.read_text().split()
        if not words or words[0] != sha256_of(path):
            raise _damaged(path, f"its SHA-256 is not the one in {sidecar.name}")
    try:
        with h5py.File(path, "r") as file:
            _check_structure(file, path)
            channels = {name: file[name][()] for name in CHANNELS if name in file}
            segments = file["segments"][()]
            attributes = {name: _plain(value) for name, value in file.attrs.items()}
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error
    rate, content = attributes.get("rate"), attributes.get("content_sha256")
    known = {f.name for f in fields(Recording)}
    extra = {name: value for name, value in attributes.items() if name not in _ATTRIBUTES and name not in known}
    recording = Recording(
        session=session or path.name.removesuffix(".h5"),
        rate=float(rate) if isinstance(rate, (int, float)) else 0.0,
        segments=segments,
        attributes=extra,
        **channels,
    )
    if recording.content_sha256() != content:
        raise _damaged(path, "its content does not match its own SHA-256")
    _check_content(recording, str(attributes.get("missing", "[]")), path)
    return recording


def _damaged(path: Path, why: str) -> UserError:
    return UserError(
        f"not a readable recording: {why}",
        where=str(path),
        fix="copy it again from the source; an interrupted session is mended with `python -m collect recover`",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def _check_structure(file: h5py.File, path: Path) -> None:
    """Refuse links, foreign names, types and sizes before a single value is read."""
    if file.attrs.get("format") != FORMAT or int(file.attrs.get("format_version", 0)) != FORMAT_VERSION:
        raise _damaged(path, f"format is not {FORMAT} {FORMAT_VERSION}")
    rows = None
    for name in file:
        if name not in CHANNELS and name != "segments":
            raise _damaged(path, f"unexpected entry {name!r}")
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise _damaged(path, f"{name} is a link")
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise _damaged(path, f"{name} is not a plain dataset")
        dtype = SEGMENT if name == "segments" else np.dtype(CHANNELS[name].dtype)
        if dataset.dtype != dtype:
            raise _damaged(path, f"{name} has type {dataset.dtype}, not {dtype}")
        if dataset.size * dataset.dtype.itemsize > MAX_BYTES:
            raise _damaged(path, f"{name} declares {dataset.size * dataset.dtype.itemsize / 2**30:.1f} GiB")
        if name == "segments":
            continue
        rows = dataset.shape[0] if rows is None else rows
        columns = CHANNELS[name].columns
        if dataset.shape != ((rows, columns) if columns else (rows,)):
            raise _damaged(path, f"{name} has shape {dataset.shape}")
    optional = {"tick", "temperature", "lost", "mode"}
    absent = (set(CHANNELS) | {"segments"}) - set(file) - optional
    if absent:
        raise _damaged(path, f"missing {', '.join(sorted(absent))}")


def _check_content(recording: Recording, missing: str, path: Path) -> None:
    where = str(path)
    if len(recording) == 0:
        raise UserError("the recording has no rows", where=where, fix="record or convert it again")
    if not recording.rate > 0.0:
        raise UserError(f"the recording's rate is {recording.rate}", where=where, fix="record or convert it again")
    if not np.all(np.diff(recording.time) > 0.0):
        row = int(np.argmin(np.diff(recording.time) > 0.0)) + 1
        raise UserError(f"time does not increase at row {row}", where=where, fix="record or convert it again")
    listed = set(json.loads(missing))
    for name in CHANNELS:
        values = getattr(recording, name)
        if values is None or values.dtype.kind != "f" or name in listed:
            continue
        bad = ~np.isfinite(values.reshape(len(recording), -1))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            column_name = f" of {NAMES[column]}" if values.ndim == 2 and values.shape[1] == N_JOINTS else ""
            raise UserError(
                f"{name}{column_name} is not finite at row {row} (t = {recording.time[row]:.3f} s), {bad.sum()} values in all",
                where=where,
                fix="leave those rows out when converting (--from, --to), or record again",
            )


def find(paths: list[Path]) -> list[Path]:
    """The recordings among files and folders, in the order given, folders sorted by name.

    Raises:
        UserError: when a path does not exist or a folder holds no recording.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.h5"))
            if not inside:
                raise UserError("no recording (*.h5) in this folder", where=str(path), fix="collect or convert one first")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UserError("no such file or folder", where=str(path), fix="check the path")
    return list(dict.fromkeys(found))
