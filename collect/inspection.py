"""A recording from a stranger: what is checked before and after its data is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from collect.channels import CHANNELS, FORMAT, FORMAT_VERSION, MAX_BYTES, SEGMENT
from collect.errors import UserError
from collect.joints import N_JOINTS, NAMES

if TYPE_CHECKING:
    from collect.recording import Recording


def damaged(path: Path, why: str) -> UserError:
    """The refusal of a file that is not, or no longer, a recording."""
    return UserError(
        f"not a readable recording: {why}",
        where=str(path),
        fix="copy it again from the source; an interrupted session is mended with `python -m collect recover`",
    )


def unclosed(path: Path) -> UserError:
    """The refusal of a file that its writer did not close; what HDF5 itself advises can destroy every row of it."""
    return UserError(
        "D7 the file was not closed by its writer",
        where=str(path),
        fix=f"do not run h5clear, it can destroy the rows; python -m collect recover {path} copies what can be read",
    )


def being_written(path: Path) -> UserError:
    """The refusal of a file that is not finished yet."""
    return UserError("D7 another process is writing this file", where=str(path), fix="wait until it has ended")


def check_structure(file: h5py.File, path: Path, *, closed: bool = True) -> None:
    """Refuse links, foreign names, types and sizes before a single value is read.

    Args:
        file: to be looked at.
        path: for the message.
        closed: its writer has finished it; else that is refused, and datasets may differ in length.
    """
    if file.attrs.get("format") != FORMAT or int(file.attrs.get("format_version", 0)) != FORMAT_VERSION:
        raise damaged(path, f"format is not {FORMAT} {FORMAT_VERSION}")
    if closed and "content_sha256" not in file.attrs:
        raise unclosed(path)
    rows = None
    for name in file:
        if name not in CHANNELS and name != "segments":
            raise damaged(path, f"unexpected entry {name!r}")
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise damaged(path, f"{name} is a link")
        dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise damaged(path, f"{name} is not a plain dataset")
        dtype = SEGMENT if name == "segments" else np.dtype(CHANNELS[name].dtype)
        if dataset.dtype != dtype:
            raise damaged(path, f"{name} has type {dataset.dtype}, not {dtype}")
        if (size := (dataset.size or 0) * dataset.dtype.itemsize) > MAX_BYTES:
            raise damaged(path, f"{name} declares {size / 2**30:.1f} GiB")
        if name == "segments":
            continue
        rows = (dataset.shape or (0,))[0] if rows is None or not closed else rows
        columns = CHANNELS[name].columns
        if dataset.shape != ((rows, columns) if columns else (rows,)):
            raise damaged(path, f"{name} has shape {dataset.shape}")
    optional = {"tick", "temperature", "lost", "mode"}
    absent = (set(CHANNELS) | {"segments"}) - set(file) - optional
    if absent:
        raise damaged(path, f"missing {', '.join(sorted(absent))}")


def check_content(recording: Recording, missing: str, path: Path) -> None:
    """Refuse an empty recording, time that runs back, and numbers that are not finite.

    Args:
        recording: what was read.
        missing: JSON list of the channels that were never delivered and may be NaN.
        path: for the message.
    """
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
                f"{name}{column_name} is not finite at row {row} (t = {recording.time[row]:.3f} s), {bad.sum()} in all",
                where=where,
                fix="leave those rows out when converting (--from, --to), or record again",
            )
