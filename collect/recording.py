"""The recording, format 1: one sealed HDF5 file a session, written once, read with suspicion."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from collect.channels import CHANNELS, FORMAT, FORMAT_VERSION
from collect.durable import publish, refuse_existing, sha256_of, sidecar_of
from collect.errors import UserError
from collect.inspection import being_written, check_content, check_structure, damaged, unclosed
from collect.joints import NAMES

_ATTRIBUTES = ("format", "format_version", "rate", "joint_names", "missing", "content_sha256")


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
    def clock(self) -> NDArray[np.float64]:
        """Time of each row's sample, shape (N,) [s]: by the robot's own clock where recorded, for receiving jitters."""
        if self.tick is None:
            return self.time
        steps = np.diff(self.tick)  # unsigned, so right across the clock's wrap after 49 days
        return np.concatenate([[0.0], np.cumsum(steps) * 1e-3])

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


def session_path(folder: Path, session: str, *, converted: bool = False) -> Path:
    """Where the recording of `session` goes, refused when it exists.

    Raises:
        UserError: for a name that is not a plain file name, or a file that exists.
    """
    path = file_of(folder, session, converted=converted)
    refuse_existing(path)
    return path


def file_of(folder: Path, session: str, *, converted: bool = False) -> Path:
    """The file of a session, directly in `folder`.

    Raises:
        UserError: for a name that is not a plain file name.
    """
    pattern = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}" if converted else r"[a-z0-9][a-z0-9_-]{0,63}"
    if not re.fullmatch(pattern, session):
        raise UserError(
            f"D9 {session!r} is not a session name", where=str(folder), fix=f"use a name that matches {pattern}"
        )
    return folder / f"{session}.h5"


def write(recording: Recording, path: Path) -> str:
    """Seal a recording: all of it stands under its name at once, read back and proven, or nothing does.

    HDF5 writes into memory: on a disk that is full it would take the process down with it.

    Args:
        recording: what to write.
        path: the final name, ending in .h5; its folder is made if need be.

    Returns:
        SHA-256 of the file, which is written beside it as `NAME.sha256`.

    Raises:
        UserError: when `path` exists or the file cannot be written.
    """

    def prove(part: Path) -> None:
        if read(part, session=recording.session).content_sha256() != recording.content_sha256():
            raise UserError(
                "the recording read back differs from what was written", where=str(part), fix="check the disk"
            )

    try:
        return publish(_image(recording), path, prove)
    except OSError as error:
        raise UserError(
            f"cannot write the recording: {error.strerror or error}", where=str(path), fix="check space and rights"
        ) from error


def _image(recording: Recording) -> memoryview:
    """The bytes of the file."""
    rows, image = len(recording), io.BytesIO()
    with h5py.File(image, "w") as file:
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
            "segments",
            data=recording.segments,
            fletcher32=len(recording.segments) > 0,
            chunks=True if len(recording.segments) else None,
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
    return image.getbuffer()


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
    sidecar = sidecar_of(path)
    if path.suffix == ".h5" and sidecar.is_file():
        words = sidecar.read_text().split()
        if not words or words[0] != sha256_of(path):
            raise damaged(path, f"its SHA-256 is not the one in {sidecar.name}")
    try:
        with h5py.File(path, "r") as file:
            check_structure(file, path)
            channels = {name: file[name][()] for name in CHANNELS if name in file}
            segments = file["segments"][()]
            attributes = attributes_of(file)
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise (_unclosed(path, str(error)) or damaged(path, str(error).splitlines()[0])) from error
    rate, content = attributes.get("rate"), attributes.get("content_sha256")
    recording = Recording(
        session=session or path.name.removesuffix(".h5"),
        rate=float(rate) if isinstance(rate, (int, float)) else 0.0,
        segments=segments,
        attributes=further(attributes),
        **channels,
    )
    if recording.content_sha256() != content:
        raise damaged(path, "its content does not match its own SHA-256")
    check_content(recording, str(attributes.get("missing", "[]")), path)
    return recording


def _unclosed(path: Path, error: str) -> UserError | None:
    """The refusal of a file that is open for writing, or was when its writer died."""
    if "unable to lock" in error:
        return being_written(path)
    if "already open for" in error:
        return unclosed(path)
    return None


def attributes_of(file: h5py.File) -> dict[str, Any]:
    """All that a file says of itself, as plain values."""
    return {name: _plain(value) for name, value in file.attrs.items()}


def further(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a file's attributes that are not the format's own."""
    own = {*_ATTRIBUTES, *(f.name for f in fields(Recording))}
    return {name: value for name, value in attributes.items() if name not in own}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def find(paths: list[Path]) -> list[Path]:
    """The recordings among files and folders, in the order given, folders sorted by name.

    A checksum that is named beside its recording is passed over.

    Raises:
        UserError: when a path does not exist or a folder holds no recording.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.h5"))
            if not inside:
                raise UserError(
                    "no recording (*.h5) in this folder", where=str(path), fix="collect or convert one first"
                )
            found += inside
        elif path.suffix == ".sha256" and path.with_suffix(".h5") in paths:
            continue  # a shell's * names a folder's files one by one
        elif path.is_file():
            found.append(path)
        else:
            raise UserError("no such file or folder", where=str(path), fix="check the path")
    return list(dict.fromkeys(found))
