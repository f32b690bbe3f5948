"""Verbs that judge what was trained, or recorded, on recordings."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from identify.verbs.terminal import JsonFile, Recordings, Run, Runs, print_judgements, progress, show, write_json


def evaluate(
    run: Run,
    data: tuple[Path, ...],
    json_file: JsonFile = None,
    per_joint: bool = False,
) -> int:
    """Judge a run on recordings, every predictor on the same rows.

    Args:
        run: Folder that `train` wrote.
        data: Recordings, or folders of them; of one it was trained on only the test rows count.
        json_file: Write the errors to this file too.
        per_joint: Print every joint as well.
    """
    from identify import dataset, runs
    from identify import evaluate as evaluation

    loaded = runs.load(run)
    judgements = evaluation.evaluate(loaded, dataset.load([*data], loaded.facts.label))
    print_judgements(judgements, per_joint=per_joint)
    if json_file is not None:
        write_json(json_file, {"torque_rmse": evaluation.table(judgements)})
    return 0


def crosscheck(
    recordings: Recordings,
    json_file: JsonFile = None,
) -> int:
    """Hold the torque that the motors report against the torque that moved the links: scale, offset, friction.

    Args:
        recordings: Recordings of one hung robot, or folders of them.
        json_file: Write the figures to this file too.
    """
    import dataclasses

    from identify import crosscheck as checking
    from identify import replay as replaying
    from identify import tables

    found = replaying.load(recordings)
    with Console(stderr=True).status("inverse dynamics"):
        witnesses = checking.crosscheck(found)
    show(tables.witnesses(witnesses))
    if json_file is not None:
        write_json(json_file, {"crosscheck": {one.joint: dataclasses.asdict(one) for one in witnesses}})
    return 0


def report(
    run: Runs,
    data: tuple[Path, ...],
    out: Path,
    figure: Path | None = None,
    truth: Path | None = None,
) -> int:
    """Write one HTML page on one or several runs: errors beside baselines, curves, split, hashes.

    Args:
        run: Folders that `train` wrote.
        data: Recordings, or folders of them; of one that a run was trained on only what it has not seen.
        out: The page; it must not exist.
        figure: Also draw measured against predicted torque of one leg on the first recording to this PNG.
        truth: What the virtual Go2 of the first recording wrote with --truth, for a last table.
    """
    from identify import replay as replaying
    from identify import report as reporting
    from identify import runs

    loaded, recordings = [runs.load(path) for path in run], replaying.load(data)
    with progress() as bar:
        task = bar.add_task("report", total=len(loaded) * len(recordings), note="")

        def show(done: str) -> None:
            bar.update(task, advance=1, note=done)

        reporting.write(loaded, recordings, out, figure=figure, truth=truth, report=show)
    print(f"report {out}")
    return 0
