"""From a journal to a sealed recording: the same way after a good session and after an interrupted one."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import numpy as np

from collect import journal, recording
from collect.channels import CHANNELS, SEGMENT, empty_segments
from collect.errors import UserError
from collect.recording import Recording, blank

_PACKAGES = ("numpy", "h5py", "cyclonedds", "unitree-sdk2py-dimos")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a recording depends on."""
    # PyPI's wheels of cyclonedds 0.10.5 for Python 3.11 and later go by a name of their own.
    names = (
        (str(d.metadata["Name"]).removeprefix("tensor-ipc-"), d.version) for d in importlib.metadata.distributions()
    )
    installed = dict(names)
    return {"python": platform.python_version()} | {name: installed.get(name, "absent") for name in _PACKAGES}


def seal(path: Path) -> Path:
    """Make the recording of a journal, beside it, and remove the journal once the recording is proven.

    Raises:
        UserError: when the journal is damaged, holds no rows, or the recording exists.
    """
    header, outcome, rows = journal.read(path)
    if len(rows) == 0:
        raise UserError("the journal holds no rows: nothing was recorded", where=str(path), fix="delete it")
    target = recording.session_path(path.parent, header["session"])
    recording.write(_recording(header, outcome, rows), target)
    path.unlink()
    return target


def _recording(header: dict[str, Any], outcome: dict[str, Any] | None, rows: np.ndarray[Any, Any]) -> Recording:
    absent = set(header.get("missing", []))
    channels = {name: np.ascontiguousarray(rows[name]) for name in CHANNELS if name not in absent}
    channels |= {name: blank(len(rows), CHANNELS[name].columns) for name in absent if CHANNELS[name].dtype == "f4"}
    channels["time"] = channels["time"] - channels["time"][0]
    attributes = header["attributes"] | (outcome or {"state": "recovered", "stop_code": ""})
    return Recording(
        session=header["session"],
        rate=header["rate"],
        segments=_segments(header, channels["segment"]),
        attributes=attributes,
        **channels,
    )


def _segments(header: dict[str, Any], segment: Any) -> Any:
    """The plan's segments with the rows at which each was really recorded."""
    table = empty_segments(len(header["segments"]))
    for number, described in enumerate(header["segments"]):
        for name in SEGMENT.names or ():
            table[number][name] = described[name].encode() if isinstance(described[name], str) else described[name]
        rows = np.flatnonzero(segment == number)
        table[number]["start"], table[number]["stop"] = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
    return table


def describe(segments: Any) -> list[dict[str, Any]]:
    """A segment table as plain values, for a journal's header."""
    return [
        {
            name: (row[name].decode() if isinstance(row[name], bytes) else row[name].tolist())
            for name in SEGMENT.names or ()
        }
        for row in segments
    ]
