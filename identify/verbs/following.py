"""The verb that judges while the robot moves."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from identify.verbs.terminal import JsonFile, Run, write_json

if TYPE_CHECKING:
    from identify.live import Errors, Moment

_HEAD = "   t s  hip / thigh / calf: {net} against delayed PD (segment)"


def follow(
    run: Run,
    session: Annotated[Path, tyro.conf.Positional],
    window: float = 2.0,
    wait: float = 60.0,
    json_file: JsonFile = None,
) -> int:
    """Show a net's prediction beside a session that runs: torque along the motion, and motion from its commands alone.

    Start it on the computer that moves the robot; it reads the session's log in memory and ends with it.

    Args:
        run: Folder that `train` wrote.
        session: The folder that the session records into (`collect run --out`), or its journal.
        window: Seconds judged at a time; in each the body starts where the robot was.
        wait: Seconds to wait for a session to begin.
        json_file: Write every window's errors to this file too.
    """
    import torch

    from identify import live, runs

    torch.set_num_threads(1)
    os.nice(10)  # after the session, whose loop shares this computer
    loaded = runs.load(run)
    with Console(stderr=True).status(f"waiting for a session in {session}"):
        follower = live.find(session, wait)
    console, seen, began = Console(), [], None
    console.print(_HEAD.format(net=loaded.kind), style="bold")
    for rows in live.windows(follower, window):
        began = float(rows["time"][0]) if began is None else began
        moment = live.judge(loaded, follower.header, rows, began)
        if moment is not None:
            seen.append(moment)
            console.print(_line(moment, loaded.kind))
    if json_file is not None:
        write_json(json_file, {"windows": [dataclasses.asdict(one) for one in seen]})
    return 0


def _line(moment: Moment, net: str) -> str:
    motion = f"{_pair(moment.motion, net, '.1f')} mrad"
    torque = f"   {_pair(moment.torque, net, '.3f')} Nm" if moment.torque else ""
    return f"{moment.end:6.1f}  {motion}{torque}  ({moment.segment})"


def _pair(errors: Errors, net: str, form: str) -> str:
    return " against ".join(" / ".join(format(value, form) for value in errors[name]) for name in (net, "delayed_pd"))
