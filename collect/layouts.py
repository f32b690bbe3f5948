"""Foreign logs as their authors wrote them: one reader per layout, each returning a `Log` in SDK order."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from collect.columns import WIDE, Columns
from collect.errors import UserError
from collect.joints import MODEL_TO_SDK, N_JOINTS

Array = NDArray[np.float64]
Layout = Literal["katari16", "orl", "dls", "csv"]


@dataclass(frozen=True, eq=False)
class Chirp:
    """What a log's file name says about its one excitation."""

    amplitude: tuple[float, float, float]
    """Hip, thigh, calf [rad]."""
    f0: float
    """[Hz]"""
    f1: float
    """[Hz]"""


@dataclass(frozen=True, eq=False)
class Log:
    """A foreign log: what it delivers and no more. Arrays have shape (N, 12) in SDK order unless said."""

    origin: str
    """Where such logs come from and how this one was read."""
    time: Array
    """Shape (N,) [s], from the first state of the log."""
    q: Array
    q_target: Array
    """In force when the state was sampled."""
    dq: Array | None = None
    tau_est: Array | None = None
    dq_target: Array | None = None
    tau_ff: Array | None = None
    kp: Array | None = None
    kd: Array | None = None
    command_age: Array | None = None
    """Shape (N,) [s]."""
    chirp: Chirp | None = None


def katari16(source: Path) -> Log:
    """A dict of plain tensors in a .pt file (github.com/katari16/go2_rl_lab).

    The state was read before the command was written, so the command in force in row k is that of row
    k − 1; the first row, whose command is unknown, is left out. Gains, amplitudes and the top frequency
    are in the file's name.
    """
    data = _tensors(source, [])
    keys = {"time": None, "dof_pos": "q", "des_dof_pos": "q_target", "dof_vel": "dq", "tau_est": "tau_est"}
    found = {name: _matrix(data[key], key, source) for key, name in keys.items() if name and key in data}
    _need(found, ("q", "q_target"), source)
    later: dict[str, Any] = {name: values[1:] for name, values in found.items()}
    later["q_target"] = found["q_target"][:-1]
    pattern = r"chirp_([\d.]+)hz_p([\d.]+)d([\d.]+)_h([\d.]+)t([\d.]+)c([\d.]+)\.pt"
    if match := re.fullmatch(pattern, source.name):
        f1, kp, kd, *amplitude = (float(group) for group in match.groups())
        kd = {1.2: 1.25, 0.8: 0.75}.get(kd, kd)  # the names round to one decimal
        later["kp"], later["kd"] = np.full_like(later["q"], kp), np.full_like(later["q"], kd)
        later["chirp"] = Chirp((amplitude[0], amplitude[1], amplitude[2]), 0.1, f1)
    return Log("go2_rl_lab by katari16, base held in the air", _time(data, source)[1:], **later)


def dls(source: Path) -> Log:
    """A dict of NumPy arrays in a .pt file, joints FL FR RL RR (github.com/iit-DLSLab/sim2real-robot-identification).

    Its time is an even grid made afterwards, not measured.
    """
    import _codecs  # what a pickled array of these files calls for

    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    globals_: list[Any] = [np.ndarray, np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType, _codecs.encode]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since NumPy 2
    globals_ += [(multiarray._reconstruct, f"{module}._reconstruct") for module in modules]
    data = _tensors(source, globals_)
    rows = len(np.atleast_1d(data.get("time", 0.0)))
    keys = {
        "dof_pos": "q",
        "des_dof_pos": "q_target",
        "dof_vel": "dq",
        "des_dof_vel": "dq_target",
        "kp": "kp",
        "kd": "kd",
    }
    found: dict[str, Any] = {}
    for key, name in keys.items():
        if key in data:
            values = np.asarray(data[key], dtype=float)
            values = np.broadcast_to(values, (rows, N_JOINTS)) if values.shape == (N_JOINTS,) else values
            found[name] = _matrix(values, key, source)[:, MODEL_TO_SDK]
    _need(found, ("q", "q_target"), source)
    origin = "sim2real-robot-identification by IIT DLS, base fixed; time is an even grid, not measured"
    return Log(origin, _time(data, source), **found)


def orl(source: Path) -> Log:
    """A folder with state_history.csv and command_history.csv, plain or .gz (Optimal-Robotics-Lab/unitree-go2).

    Both begin with their own time in ns; the command in force is the last one before the state. States
    before the first command are left out.
    """
    if not source.is_dir():
        raise UserError("an ORL source is a folder", where=str(source), fix="give the folder of state_history.csv")
    state_time, state = _csv_ns(source, "state_history.csv")
    command_time, command = _csv_ns(source, "command_history.csv")
    inforce = np.searchsorted(command_time, state_time, side="right") - 1
    kept = inforce >= 0
    if not kept.any():
        raise UserError("no state comes after a command", where=str(source), fix="are both files of one session?")
    inforce = inforce[kept]
    q, dq, tau_est = np.split(state[kept], 3, axis=1)
    q_target, dq_target, tau_ff = np.split(command[inforce], 3, axis=1)
    age = np.asarray(state_time[kept] - command_time[inforce], dtype=float) * 1e-9
    time = (state_time[kept] - state_time[0]) * 1e-9
    origin = "unitree-go2 by Optimal-Robotics-Lab, walking on the ground"
    return Log(origin, time, q, q_target, dq, tau_est, dq_target, tau_ff, command_age=age)


def table(source: Path, columns: Columns | None = None) -> Log:
    """A CSV file, plain or .gz, with a header; one row per state.

    Without a map of columns it is in SI units and SDK order, its columns are `time`, `q_0` … `q_11`, `q_target_0` …
    `q_target_11`, and as far as known `dq_…`, `tau_est_…`, `dq_target_…`, `tau_ff_…`, `kp_…`, `kd_…`, `command_age`.
    `q_target` is the command in force when the state was sampled.
    """
    found = csv_columns(source, columns)
    _need(found, ("q", "q_target", "time"), source)
    time = found.pop("time")
    return Log("a CSV table", time - time[:1], **found)


def csv_columns(source: Path, columns: Columns | None = None) -> dict[str, Any]:
    """What a CSV table holds, by the names of `table`: shape (N,), or (N, 12) where a name has a column for each joint.

    Raises:
        UserError: for a file that is not such a table, unknown columns, or some joints of twelve.
    """
    lines = _lines(source)
    header = [name.strip() for name in lines[0].split(",")]
    ours, scale = _mapped(header, columns, source) if columns else (_named(header, source), np.ones(len(header)))
    wanted = [k for k, name in enumerate(ours) if name]
    values = _numbers(lines[1:], len(wanted), source, wanted if columns else None) * scale[wanted]
    names = [ours[k] for k in wanted]
    found: dict[str, Any] = {name: values[:, names.index(name)] for name in ("time", "command_age") if name in names}
    for name in WIDE:
        chosen = [names.index(column) for j in range(N_JOINTS) if (column := f"{name}_{j}") in names]
        if chosen and len(chosen) != N_JOINTS:
            raise UserError(f"{name} has {len(chosen)} columns, not 12", where=str(source), fix="give all or none")
        if chosen:
            found[name] = values[:, chosen]
    return found


def _named(header: list[str], source: Path) -> list[str]:
    """A header that already holds our names."""
    known = {f"{name}_{joint}" for name in WIDE for joint in range(N_JOINTS)} | {"time", "command_age"}
    wrong = [name for name in header if name not in known] or [
        name for name in known & {*header} if header.count(name) > 1
    ]
    if wrong:
        fix = "name the columns time, q_0 … q_11, q_target_0 …, or say with `collect convert --columns` which is which"
        raise UserError(f"column {wrong[0]!r} is unknown or given twice", where=str(source), fix=fix)
    return header


def _mapped(header: list[str], columns: Columns, source: Path) -> tuple[list[str], Array]:
    """Our name of each column, empty for one that is not wanted, and by what it is to be multiplied."""
    ours, scale = [""] * len(header), np.ones(len(header))
    for theirs, name in columns.pairs():
        if header.count(theirs) != 1:
            what = f"the header has {'no' if theirs not in header else 'more than one'} column {theirs!r}"
            raise UserError(what, where=str(source), fix=f"correct the map of columns; there are: {', '.join(header)}")
        ours[header.index(theirs)], scale[header.index(theirs)] = name, columns.scale(name)
    return ours, scale


def _tensors(source: Path, safe: list[Any]) -> dict[str, Any]:
    try:
        import torch  # heavy, and the robot's computer has none
    except ImportError as error:
        raise UserError(
            "this layout needs PyTorch", where=str(source), fix="pip install -c constraints.txt '.[identify]'"
        ) from error
    wrong = UserError("not a .pt file of this layout", where=str(source), fix="check --layout and the file")
    if not source.is_file():
        raise UserError("no such file", where=str(source), fix="check the path")
    try:
        with torch.serialization.safe_globals(safe):
            data = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is no checkpoint makes the reader fail in any way
        raise wrong from error
    if not isinstance(data, dict) or not all(isinstance(value, (torch.Tensor, np.ndarray)) for value in data.values()):
        raise wrong
    return data


def _time(data: dict[str, Any], source: Path) -> Array:
    _need(data, ("time",), source)
    time = np.asarray(data["time"], dtype=float).ravel()
    return time - time[:1]


def _matrix(values: Any, name: str, source: Path) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or array.shape[1] != N_JOINTS:
        raise UserError(f"{name} has shape {array.shape}, not (N, 12)", where=str(source), fix="check --layout")
    return array


def _need(found: dict[str, Any], names: tuple[str, ...], source: Path) -> None:
    absent = [name for name in names if name not in found]
    if absent:
        raise UserError(f"the log has no {', '.join(absent)}", where=str(source), fix="check --layout and the file")


def _csv_ns(folder: Path, name: str) -> tuple[NDArray[np.int64], Array]:
    """Time [ns] and 36 columns of one of ORL's files."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), folder / name)
    lines = _lines(path)
    values = _numbers(lines, 37, path)
    try:
        return np.loadtxt(lines, delimiter=",", usecols=0, dtype=np.int64), values[:, 1:]
    except ValueError as error:
        raise UserError("the first column is not a time in ns", where=str(path), fix="check --layout") from error


def _lines(path: Path) -> list[str]:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = raw.decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the log: {error}", where=str(path), fix="check the path and --layout") from error
    if not lines:
        raise UserError("the log is empty", where=str(path), fix="check the path")
    return lines


def _numbers(lines: list[str], columns: int, path: Path, only: list[int] | None = None) -> Array:
    """A table of so many columns; with `only` of these, whatever the others hold."""
    try:
        values = np.loadtxt(lines, delimiter=",", ndmin=2, usecols=only) if lines else np.zeros((0, columns))
    except ValueError as error:
        raise UserError(
            f"not a table of numbers: {error}", where=str(path), fix="check --layout and the file"
        ) from error
    if values.shape[1] != columns:
        raise UserError(f"it has {values.shape[1]} columns, not {columns}", where=str(path), fix="check --layout")
    return values


READERS = {"katari16": katari16, "orl": orl, "dls": dls}
"""The reader of each layout that is always the same; the other is `table`."""
