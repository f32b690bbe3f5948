"""`python -m identify fit`: its arguments, and the order of what it does and prints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from collect.errors import UserError


def fit(
    recordings: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Find what each actuator is, armature, friction, gains, delay, from positions and commands; no torque is needed.

    Args:
        recordings: Recordings of one hung robot, or folders of them; several kd tell damping from friction.
        out: The parameters as YAML, for `replay --parameters` and a simulator; it must not exist.
        json_file: Write the same to this file too.
    """
    from collect.joints import N_JOINTS
    from identify import parameters, parameters_table, parametric
    from identify import replay as replaying

    if out.exists():
        raise UserError("the file exists and is never overwritten", where=str(out), fix="choose another --out")
    found = replaying.load(recordings)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("fit", total=len(found) + N_JOINTS, note="inverse dynamics")
        fitted = parametric.fit(found, lambda done: bar.update(task, advance=1, note=done))
    parameters.save(fitted, out)
    console = Console()
    for table in parameters_table.tables(fitted):
        console.print(table)
    for warning in fitted.warnings:
        console.print(f"[yellow]{warning}[/yellow]", soft_wrap=True, highlight=False)
    console.print(f"parameters {out}", soft_wrap=True, markup=False, highlight=False)
    if json_file is not None:
        content = json.dumps({"fit": dataclasses.asdict(fitted)}, indent=1) + "\n"
        try:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(content)
        except OSError as error:
            raise UserError(f"cannot write: {error.strerror}", where=str(json_file), fix="check --json") from error
    return 0
