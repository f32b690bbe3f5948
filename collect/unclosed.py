"""A recording that its writer never closed: what can be read of it, sealed beside it under another name.

Programs that write this format live leave such files when they die. Nothing is done to the file itself: it is a
stranger's, and may be torn anywhere; h5clear, HDF5's own means against the writer's mark in it, can destroy every row.
A copy is read, with `swmr=True`, which asks for no mark, in a process that may crash.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from collect import recording, salvage, sealing
from collect.apart import CrashedError, apart
from collect.channels import CHANNELS, MAX_BYTES
from collect.durable import sha256_of, sweep
from collect.errors import UserError
from collect.inspection import being_written, check_structure, damaged
from collect.joints import NAMES
from collect.journal import ROW
from collect.recording import Recording
from collect.salvage import NothingLeftError
from collect.sealing import Sealed

SUFFIX = ".h5"
_MARK = "source_sha256"
"""Attribute of the new recording: the file that it was made of."""
_KEEP = "keep the file; a writer that flushes, in default or in SWMR mode, leaves one that can be read"


def recover(path: Path, folder: Path | None = None) -> Sealed:
    """Make a recording, NAME-recovered.h5, of one that was not closed, which stays as it is.

    Killed anywhere on the way it can be called again: the recording is absent or whole.

    Args:
        path: what its writer left.
        folder: for the recording; that of the file by default.

    Raises:
        NothingLeftError: when HDF5 cannot open it, or no row can be read.
        UserError: when it is being written, was closed, is no recording, or the disk refuses the new one.
    """
    target = recording.file_of(folder or path.parent, f"{path.stem}-recovered", converted=True)
    if not path.is_file():
        raise UserError("no such file", where=str(path), fix="check the path")
    with _copied(path, target) as (copy, digest):
        if not os.path.lexists(target):
            try:
                apart(partial(_seal, copy, path, target, digest), NothingLeftError)
            except CrashedError as error:
                raise NothingLeftError(f"D7 HDF5 cannot read it: {error}", where=str(path), fix=_KEEP) from error
    return sealing.as_sealed(sealing.sealed_before(target, _MARK, digest), target)


@contextmanager
def _copied(path: Path, target: Path) -> Iterator[tuple[Path, str]]:
    """A copy, for a while beside the recording-to-be, of a file that nobody writes, and its SHA-256."""
    copy = target.with_name(f".{target.name}.copy.{os.getpid()}.part")
    try:
        yield copy, _copy(path, copy, target)
    finally:
        copy.unlink(missing_ok=True)


def _copy(path: Path, copy: Path, target: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise damaged(path, f"it has {path.stat().st_size / 2**30:.1f} GiB")
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        with path.open("rb") as source, copy.open("xb") as made:
            if _is_locked(source.fileno()):
                raise being_written(path)
            shutil.copyfileobj(source, made)
        digest = sha256_of(copy)
        if sha256_of(path) != digest:  # in SWMR mode a writer keeps no lock
            raise being_written(path)
    except OSError as error:
        what = f"cannot copy: {error.strerror or error}"
        raise UserError(what, where=str(path), fix="check path, rights and space, or use --out") from error
    return digest


def _is_locked(file: int) -> bool:
    """Whether a process has it open that writes, but for one in SWMR mode."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # until the file is closed
    except BlockingIOError:
        return True
    except OSError:  # some file systems have no locks
        pass
    return False


def _seal(copy: Path, path: Path, target: Path, digest: str) -> None:
    try:
        with _opened(copy, path) as file:
            made = _recording(file, path, target.stem, digest)
    except (OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise damaged(path, str(error).splitlines()[0]) from error
    sealing.write(made, target, path)


def _opened(copy: Path, path: Path) -> h5py.File:
    try:
        return h5py.File(copy, "r", swmr=True)
    except (OSError, RuntimeError, ValueError) as error:
        why = str(error).splitlines()[0]
        if "not already open for SWMR" in why:
            why = "it was written with libver='latest' but not in SWMR mode, and opens only if its writer closed it"
        raise NothingLeftError(f"D7 HDF5 cannot open it: {why}", where=str(path), fix=_KEEP) from error


def _recording(file: h5py.File, path: Path, session: str, digest: str) -> Recording:
    """Its rows up to the first that is not whole, without those that are not finite."""
    if "content_sha256" in file.attrs:
        fix = f"python -m collect check {path} tells whether it is whole"
        raise UserError("nothing to recover: its writer closed it", where=str(path), fix=fix)
    check_structure(file, path, closed=False)
    attributes = recording.attributes_of(file)
    if attributes.get("joint_names", list(NAMES)) != list(NAMES):
        raise damaged(path, "its joints are not in our order")
    rate = attributes.get("rate")
    if not (isinstance(rate, (int, float)) and rate > 0.0):
        raise damaged(path, f"its rate is {rate}")
    there = [name for name in CHANNELS if name in file]
    rows, declared = _rows(file, there), max(len(file[name]) for name in there)
    listed = set(json.loads(str(attributes.get("missing", "[]"))))
    for name in listed & {name for name, channel in CHANNELS.items() if channel.dtype.startswith("f")}:
        rows[name] = np.nan
    whole = sealing.finite(rows)
    kept = salvage.flag_gaps(rows[whole])
    if len(kept) == 0:
        raise NothingLeftError("D7 it holds no whole row", where=str(path), fix=_KEEP)
    lost = sealing.runs(rows["number"][~whole])
    if declared > len(rows):
        lost.append((len(rows) + 1, declared))
    header = {
        "session": session,
        "rate": float(rate),
        "missing": [*listed, *set(CHANNELS) - set(there)],
        "segments": sealing.describe(file["segments"][()]),
        "attributes": recording.further(attributes),
    }
    own = {"state": "recovered", "source": path.name, _MARK: digest, "rows_lost": json.dumps(lost)}
    return sealing.as_recording(header, kept, own)


def _rows(file: h5py.File, channels: list[str]) -> NDArray[Any]:
    """Those that all channels hold, of dtype `ROW`, up to the first that does not come later than the one before."""
    held = {name: _held(file[name]) for name in channels}
    rows = np.zeros(min(map(len, held.values())), ROW)
    rows["number"] = np.arange(1, len(rows) + 1)
    for name, values in held.items():
        rows[name] = values[: len(rows)]
    stands = np.flatnonzero(~(np.diff(rows["time"]) > 0.0))  # from there on room that was not filled yet
    return rows[: stands[0] + 1] if len(stands) else rows


def _held(dataset: h5py.Dataset) -> NDArray[Any]:
    """Its rows, up to the first of those that it declares and does not hold: HDF5 would make up zeros for them."""
    if dataset.chunks is None:
        return dataset[()] if dataset.id.get_storage_size() else dataset[:0]
    step, *widths = dataset.chunks
    columns = [range(0, wide, width) for wide, width in zip(dataset.shape[1:], widths, strict=True)]
    blocks = [dataset[:0]]
    for start in range(0, len(dataset), step):
        if any(dataset.id.get_chunk_info_by_coord(at).byte_offset is None for at in product([start], *columns)):
            break
        try:
            blocks.append(dataset[start : start + step])
        except OSError:  # its checksum is wrong
            break
    return np.concatenate(blocks)
