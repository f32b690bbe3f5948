"""The verb that finds what each actuator is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rich.console import Console

from collect.errors import UserError
from identify.verbs.terminal import JsonFile, Recordings, progress, show, write_json


def fit(
    recordings: Recordings,
    out: Path,
    json_file: JsonFile = None,
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
    with progress() as bar:
        task = bar.add_task("fit", total=len(found) + N_JOINTS, note="inverse dynamics")
        fitted = parametric.fit(found, lambda done: bar.update(task, advance=1, note=done))
    parameters.save(fitted, out)
    console = Console()
    for table in parameters_table.tables(fitted):
        show(table)
    for warning in fitted.warnings:
        console.print(f"[yellow]{warning}[/yellow]", soft_wrap=True, highlight=False)
    console.print(f"parameters {out}", soft_wrap=True, markup=False, highlight=False)
    if json_file is not None:
        write_json(json_file, {"fit": dataclasses.asdict(fitted)})
    return 0
