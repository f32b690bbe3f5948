"""Logs of others as recordings of format 1: nothing invented, nothing overwritten."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.channels import GAP, REPEATED, empty_segments
from collect.columns import Columns
from collect.errors import UserError
from collect.joints import N_JOINTS, NAMES, spread
from collect.layouts import READERS, Layout, Log, table
from collect.recording import Recording, blank, session_path, sha256_of, write

Gains = tuple[float, ...]
"""One value, three (hip, thigh, calf) or twelve (SDK order)."""

_GAP = 2.5
"""A row is after a gap when more than this many periods lie before it: loggers jitter by less."""


def convert(
    source: Path,
    layout: Layout,
    out: Path,
    kp: Gains | None = None,
    kd: Gains | None = None,
    start: float | None = None,
    stop: float | None = None,
    columns: Columns | None = None,
) -> Path:
    """Convert one log into a sealed recording named after it.

    Args:
        source: the log: a file, for `orl` a folder.
        layout: how it is written (`collect.layouts`).
        out: folder of the recording.
        kp: position gains [Nm/rad], when the log does not say them.
        kd: velocity gains [Nm·s/rad], when the log does not say them.
        start: leave out rows before this time from the first state [s].
        stop: leave out rows from this time on [s].
        columns: of a CSV log, which column is what; without it they have our names.

    Returns:
        Path of the recording.

    Raises:
        UserError: for a log that is missing, of another layout, not finite, of unknown gains, or whose
            recording exists.
    """
    if not source.exists():
        raise UserError("no such log", where=str(source), fix="check the path")
    stem = source.resolve().name if source.is_dir() else source.name.removesuffix(".gz").rpartition(".")[0]
    path = session_path(out, stem, converted=True)
    if columns and layout != "csv":
        fix = "leave out --columns, or use --layout csv"
        raise UserError(f"a log of layout {layout} has columns of its own", where=str(source), fix=fix)
    log = table(source, columns) if layout == "csv" else READERS[layout](source)
    log = _between(_checked(_with_gains(log, kp, kd, source), source), start, stop, source)
    write(_recording(log, stem, layout, source), path)
    return path


def twelve(name: str, given: Gains, source: Path) -> NDArray[np.float64]:
    """The gains of --kp or --kd for all joints, shape (12,); `source` is for the message.

    Raises:
        UserError: for another number of them than 1, 3 or 12.
    """
    try:
        return spread(given)
    except ValueError as error:
        raise UserError(f"--{name} {error}", where=str(source), fix="give 1, 3 or 12 values") from error


def _with_gains(log: Log, kp: Gains | None, kd: Gains | None, source: Path) -> Log:
    for name, given in (("kp", kp), ("kd", kd)):
        if given is not None:
            values = twelve(name, given, source)
            if not (np.isfinite(values) & (values >= 0.0)).all():
                raise UserError(f"--{name} must be finite and not negative", where=str(source), fix="correct it")
            everywhere: dict[str, Any] = {name: np.tile(values, (len(log.q), 1))}
            log = dataclasses.replace(log, **everywhere)
        elif getattr(log, name) is None:
            raise UserError(f"the log does not say its {name}", where=str(source), fix=f"give it with --{name}")
    return log


def _checked(log: Log, source: Path) -> Log:
    """Refuse arrays of different length, numbers that are not finite and time that does not increase."""
    for name, values in _arrays(log).items():
        if len(values) != len(log.time):
            what = f"{name} has {len(values)} rows, time has {len(log.time)}"
            raise UserError(what, where=str(source), fix="check --layout and the file")
        if not np.isfinite(values).all():
            row, *column = np.argwhere(~np.isfinite(values))[0]
            of = f" of {NAMES[column[0]]}" if column else ""
            raise UserError(f"{name}{of} is not finite in row {row}", where=str(source), fix="repair or cut the log")
    if len(log.time) < 2 or not (np.diff(log.time) > 0.0).all():
        raise UserError("time does not increase", where=str(source), fix="repair the log")
    return log


def _between(log: Log, start: float | None, stop: float | None, source: Path) -> Log:
    kept = np.ones(len(log.time), dtype=bool)
    if start is not None:
        kept &= log.time >= start
    if stop is not None:
        kept &= log.time < stop
    if kept.sum() < 2:
        raise UserError("no rows are left between --from and --to", where=str(source), fix="widen them")
    cut: dict[str, Any] = {name: values[kept] for name, values in _arrays(log).items()}
    return dataclasses.replace(log, **cut)


def _arrays(log: Log) -> dict[str, NDArray[np.float64]]:
    values = {field.name: getattr(log, field.name) for field in dataclasses.fields(log)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _recording(log: Log, session: str, layout: Layout, source: Path) -> Recording:
    rows, rate = len(log.time), _rate(log.time)
    delivered = {name: values.astype(np.float32) for name, values in _arrays(log).items() if name != "time"}
    wide = {name: blank(rows, N_JOINTS) for name in ("dq", "tau_est", "dq_target", "tau_ff")}
    rest = {name: blank(rows, 3) for name in ("gyro", "accel", "rpy")}
    rest |= {name: blank(rows) for name in ("command_age", "voltage", "current", "soc")}
    channels: dict[str, Any] = wide | rest | delivered
    return Recording(
        session=session,
        rate=rate,
        time=log.time - log.time[0],
        flags=_flags(log, rate),
        segment=np.zeros(rows, dtype=np.int16),
        segments=_segments(log, session),
        attributes={
            "origin": log.origin,
            "layout": layout,
            "source": source.resolve().name,
            "source_sha256": _source_sha256(source),
            "mount": "",
            "state": "complete",
        },
        **channels,
    )


def _rate(time: NDArray[np.float64]) -> float:
    """Rows per second to the nearest whole number, the rows that gaps swallowed counted in [Hz]."""
    periods = np.diff(time)
    return float(max(1, round(np.round(periods / np.median(periods)).sum() / periods.sum())))


def _flags(log: Log, rate: float) -> NDArray[np.uint16]:
    """Which rows repeat the state before them, and which come after a gap."""
    states = np.concatenate([values for values in (log.q, log.dq, log.tau_est) if values is not None], axis=1)
    flags = np.zeros(len(states), dtype=np.uint16)
    flags[1:][(np.diff(states, axis=0) == 0.0).all(axis=1)] |= REPEATED
    flags[1:][np.diff(log.time) > _GAP / rate] |= GAP
    return flags


def _segments(log: Log, session: str) -> NDArray[Any]:
    """One segment, the whole log."""
    segments = empty_segments(1)
    row = segments[0]
    row["name"], row["kind"], row["joints"] = session.encode()[:64], b"chirp" if log.chirp else b"log", 1
    if log.chirp:
        row["amplitude"], row["f0"], row["f1"] = spread(log.chirp.amplitude), log.chirp.f0, log.chirp.f1
        row["centre"] = log.q_target[0]  # a chirp starts at its centre
    if log.kp is not None and log.kd is not None:
        row["kp"], row["kd"] = log.kp[0], log.kd[0]
    row["start"], row["stop"] = 0, len(log.time)
    return segments


def _source_sha256(source: Path) -> str:
    """Of the file; of an ORL folder one for each of its two logs."""
    if source.is_file():
        return sha256_of(source)
    logs = sorted(path for path in source.iterdir() if path.name.startswith(("state_history.", "command_history.")))
    return " ".join(f"{path.name}={sha256_of(path)}" for path in logs)
