"""A net beside the robot while it moves: the log of a running session, window by window, judged as a recording is.

It runs in a process of its own beside the session, which knows nothing of it: `collect` stays without torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.following import Follower
from collect.joints import KINDS
from collect.journal import SUFFIX
from collect.sealing import as_recording
from identify import replay as replaying
from identify.dataset import stretches
from identify.runs import Run

POLL = 0.1
"""How often the log is looked at [s]."""
OVER = 2.0
"""No row for so long: the session has ended, however that happened [s]."""
PREDICTORS = ("delayed_pd",)
"""Beside the net."""

Errors = Mapping[str, tuple[float, ...]]
"""By predictor: hip, thigh and calf, root mean square."""


@dataclass(frozen=True)
class Moment:
    """One window of a running session."""

    end: float
    """Of the window, since the first row of the log [s]."""
    rows: int
    """That are in segments."""
    segment: str
    """Name of the last one."""
    motion: Errors
    """Where the legs got to against where the commands alone bring them within the window [mrad]."""
    torque: Errors
    """Along the measured motion [Nm]; empty where the run's torque is not known of a robot that moves."""


def find(session: Path, patience: float) -> Follower:
    """A running session: a journal, or the newest in a folder, which may be still to come.

    Raises:
        UserError: when none has begun within `patience` [s].
    """
    deadline = time.monotonic() + patience
    while True:
        found = sorted(session.glob(f"*{SUFFIX}"), key=_age) if session.is_dir() else [session]
        try:
            if found and found[0].exists():
                return Follower(found[0])
        except UserError:  # it is just being made, or just over
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            fix = "start one: python -m collect run …, with --out for this folder"
            raise UserError("no session runs here", where=str(session), fix=fix)
        time.sleep(POLL)


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except FileNotFoundError:  # sealed meanwhile
        return 0.0


def windows(follower: Follower, seconds: float) -> Iterator[NDArray[Any]]:
    """The rows of a session in windows of so many seconds, as they come; the last one is shorter."""
    size = max(2, round(seconds * float(follower.header["rate"])))
    held: list[NDArray[Any]] = []
    heard = time.monotonic()
    while True:
        ended = follower.ended  # asked first: what was logged before can still be taken
        rows = follower.take()
        if len(rows):
            held.append(rows)
            heard = time.monotonic()
        together = np.concatenate(held) if held else rows
        while len(together) >= size:
            yield together[:size]
            together = together[size:]
        held = [together] if len(together) else []
        if not len(rows) and (ended or time.monotonic() - heard > OVER):
            if len(together) > 1:
                yield together
            return
        if not len(rows):
            time.sleep(POLL)


def judge(run: Run, header: Mapping[str, Any], rows: NDArray[Any], began: float) -> Moment | None:
    """What a window of rows says of a run; None where no segment is in it.

    Args:
        run: whose net is judged.
        header: of the session's log.
        rows: of dtype `journal.ROW`.
        began: receive time of the session's first row [s].
    """
    window = as_recording(dict(header), rows, {})
    parts = list(stretches(window))
    if not parts:
        return None
    wanted, course = (*PREDICTORS, run.kind), replaying.course(window, parts)
    shown = (one for one in replaying.predictors([run]) if one.name in wanted)
    replays = {one.name: next(replaying.replayed(one, [course])) for one in shown}
    found = replaying.torque(run, window)
    torque = {score.predictor: score.errors for score in found.scores} if found else {}
    return Moment(
        end=float(rows["time"][-1] - began),
        rows=sum(part.stop - part.start for part in parts),
        segment=window.segments["name"][window.segment[parts[-1].start]].decode(errors="replace"),
        motion={name: tuple(replays[name].rmse_mrad(kind) for kind in KINDS) for name in wanted},
        torque={name: tuple(torque[name].rmse_of(kind) for kind in KINDS) for name in wanted if name in torque},
    )
