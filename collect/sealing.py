"""From a journal to a sealed recording: the same way after a good session and after an interrupted one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import recording, salvage
from collect.channels import CHANNELS, GAP, SEGMENT, empty_segments
from collect.durable import sha256_of, sidecar_of, sweep, write_sidecar
from collect.errors import UserError
from collect.recording import Recording
from collect.salvage import NothingLeftError, Salvage

_FLOATS = [name for name, channel in CHANNELS.items() if channel.dtype.startswith("f")]
_PACKAGES = ("go2-actuator-identification", "numpy", "h5py", "cyclonedds", "unitree-sdk2py-dimos")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a recording depends on."""
    # PyPI's wheels of cyclonedds 0.10.5 for Python 3.11 and later go by a name of their own.
    names = (
        (str(d.metadata["Name"]).removeprefix("tensor-ipc-"), d.version) for d in importlib.metadata.distributions()
    )
    installed = dict(names)
    return {"python": platform.python_version()} | {name: installed.get(name, "absent") for name in _PACKAGES}


@dataclass(frozen=True)
class Sealed:
    """A recording that was made of a journal, read back and proven."""

    path: Path
    rows: int
    gaps: int
    """Rows before which something is missing."""
    sha256: str
    lost: tuple[tuple[int, int], ...]
    """First and last number of each run of rows that were damaged and left out."""
    cut: bool
    """The journal was shorter than it was made: rows may be gone from its end."""

    @property
    def complete(self) -> bool:
        """Every row that was logged is in it; only then the journal is removed."""
        return not self.lost and not self.cut

    def __str__(self) -> str:
        text = f"{self.path}: {self.rows} rows, {self.gaps} gaps, sha256 {self.sha256[:16]}…, read back ok"
        count = sum(last - first + 1 for first, last in self.lost)
        where = ", ".join(f"{first}…{last}" if last > first else f"{first}" for first, last in self.lost[:5])
        if count:
            text += f"; {count} rows damaged and dropped: {where}" + ("…" if len(self.lost) > 5 else "")
        return text + ("; the journal is cut short, its end is lost" if self.cut else "")


def seal(journal: Path, folder: Path | None = None) -> Sealed:
    """Make the recording of a journal; the journal is removed once the recording is proven and complete.

    Killed anywhere on the way it can be called again: the recording is absent or whole.

    Args:
        journal: of a session that has ended, however it ended.
        folder: for the recording; that of the journal by default.

    Raises:
        NothingLeftError: when no row can be recovered.
        UserError: when the session is still running, the recording is another one's, or the disk refuses it.
    """
    with salvage.held(journal):
        left = salvage.read(journal)
        target = recording.file_of(folder or journal.parent, str(left.header.get("session")))
        if os.path.lexists(target):
            made = sealed_before(target, "journal", left.ring.stem)
        else:
            try:
                made = _recording(left, journal)
            except (KeyError, TypeError, ValueError) as error:
                what = f"the journal's header is not one of this program's ({type(error).__name__}: {error})"
                raise UserError(what, where=str(journal), fix="recover it with the version that wrote it") from error
            write(made, target, journal)
        sealed = as_sealed(made, target)
        if sealed.complete:
            with contextlib.suppress(OSError):  # no right to remove it: then it stays
                left.ring.unlink(missing_ok=True)
                journal.unlink()
        return sealed


def as_sealed(made: Recording, target: Path) -> Sealed:
    """What is to be told of a recording that was made of what an interrupted writer left, and stands at `target`."""
    lost = tuple((first, last) for first, last in json.loads(made.attributes["rows_lost"]))
    gaps = int(np.count_nonzero(made.flags & GAP))
    return Sealed(target, len(made), gaps, sha256_of(target), lost, bool(made.attributes.get("journal_cut", False)))


def sealed_before(target: Path, mark: str, source: str) -> Recording:
    """The recording that stands there, if it was made of the same source by somebody who did not get to say so.

    Args:
        target: where it stands.
        mark: its attribute that names its source.
        source: what that is to be.

    Raises:
        UserError: when it was made of something else, or is damaged.
    """
    made = recording.read(target)
    if made.attributes.get(mark) != source:
        raise UserError(
            "the recording exists, is of another session, and is never overwritten",
            where=str(target),
            fix="choose another folder with --out",
        )
    sweep(target)
    if not sidecar_of(target).exists():
        try:
            write_sidecar(target, sha256_of(target))
        except OSError as error:
            what = f"D5 cannot write the recording's SHA-256: {error.strerror}"
            raise UserError(what, where=str(sidecar_of(target)), fix="free space, then recover again") from error
    return made


def write(made: Recording, target: Path, source: Path) -> None:
    """Write the recording that was made of what an interrupted writer left.

    Raises:
        UserError: when it cannot be written, or proven.
    """
    try:
        recording.write(made, target)
    except UserError as error:
        raise UserError(
            f"D5 seal failed ({error.what}); nothing is lost, {source.name} holds the session",
            where=str(target),
            fix=f"{error.fix}; then python -m collect recover {source}, with --out for another disk",
        ) from error


def _recording(left: Salvage, journal: Path) -> Recording:
    for name in set(left.header.get("missing", [])) & set(_FLOATS):
        left.rows[name] = np.nan
    whole = finite(left.rows)
    rows = salvage.flag_gaps(left.rows[whole])
    if len(rows) == 0:
        with contextlib.suppress(OSError):
            left.ring.unlink()  # nothing there either
        what = "no row can be recovered: none was logged, or all are damaged"
        raise NothingLeftError(what, where=str(journal), fix="delete it")
    ended = left.outcome or {"state": "recovered", "stop_code": ""}
    lost = runs(np.union1d(left.lost, left.rows["number"][~whole]))
    own = {"journal": left.ring.stem, "rows_lost": json.dumps(lost), "journal_cut": left.cut}
    return as_recording(left.header, rows, ended | own)


def as_recording(header: dict[str, Any], rows: NDArray[Any], attributes: dict[str, Any]) -> Recording:
    """Rows of a journal as a recording, whose time begins with the first.

    Args:
        header: the journal's.
        rows: at least one, of dtype `journal.ROW`.
        attributes: beside those of the header.
    """
    undelivered = set(header.get("missing", []))
    present = [name for name in CHANNELS if name in _FLOATS or name not in undelivered]
    channels = {name: np.ascontiguousarray(rows[name]) for name in present}
    channels["time"] = channels["time"] - channels["time"][0]
    return Recording(
        session=header["session"],
        rate=header["rate"],
        segments=_segments(header, channels["segment"]),
        attributes=header["attributes"] | attributes,
        **channels,
    )


def finite(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows can be in a recording: what is delivered at all is finite in them."""
    good = np.ones(len(rows), dtype=bool)
    for name in _FLOATS:
        if not np.isnan(rows[name]).all():
            good &= np.isfinite(rows[name]).reshape(len(rows), CHANNELS[name].columns or 1).all(axis=1)
    return good


def runs(numbers: NDArray[Any]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    found = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
    return [(int(run[0]), int(run[-1])) for run in found]


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
