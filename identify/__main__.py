"""`python -m identify`: actuator models from recordings, and how good they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from collect.errors import UserError, exit_on_user_error

if TYPE_CHECKING:
    from identify.evaluate import Judgement
    from identify.fit import Epoch

Config = Annotated[Path, tyro.conf.Positional]
Run = Annotated[Path, tyro.conf.Positional]
Runs = Annotated[tuple[Path, ...], tyro.conf.Positional]
Recordings = Annotated[tuple[Path, ...], tyro.conf.Positional]
Device = Literal["auto", "cpu", "cuda"]


def train(
    config: Config, data: tuple[Path, ...], out: Path, resume: bool = False, device: Device = "auto", seed: int = 0
) -> int:
    """Train a net, fit the baselines beside it, and judge both on rows that neither has seen.

    Args:
        config: YAML of the net and its training (configs/identify).
        data: Recordings, or folders of them.
        out: Folder of the run; it must not exist.
        resume: Go on with an interrupted run instead.
        device: Where to train; auto takes CUDA where there is one.
        seed: Of every random number.
    """
    from collect.config import load as load_config
    from collect.recording import find, read
    from identify import dataset, evaluate
    from identify import report as reporting
    from identify import train as training
    from identify.runs import write_bytes
    from identify.settings import TrainConfig

    settings = load_config(config, TrainConfig)
    chosen = _device(device)
    if resume and not out.is_dir():
        raise UserError("there is no run to resume", where=str(out), fix="leave out --resume")
    if out.exists() and not resume:
        raise UserError("the run exists and is never overwritten", where=str(out), fix="another --out, or --resume")
    recordings = dataset.load([*data], settings.label)
    with _bar() as bar:
        task = bar.add_task(f"{settings.kind} on {len(recordings)} recordings", total=settings.training.epochs, note="")

        def report(epoch: training.Epoch) -> None:
            note = f"epoch {epoch.number}: {epoch.validation:.3f} Nm, best {epoch.best:.3f}, stale {epoch.stale}"
            bar.update(task, completed=epoch.number, note=note)

        run = training.train(settings, recordings, out, seed=seed, device=chosen, resume=resume, report=report)
    by_part = evaluate.by_part(run, recordings)
    metrics = {part: evaluate.table(judgements) for part, judgements in by_part.items()}
    write_bytes(out / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    with Console(stderr=True).status("report"):
        reporting.renew(run, [read(path) for path in find([*data])])
    judgements = by_part["test"] or by_part["validation"]
    _print_judgements(judgements)
    print(f"run {out}: baselines fitted on the training rows, delay {run.baselines.delay_in_words}")
    print(f"report {out / 'report.html'}")
    return 0


def evaluate(
    run: Run,
    data: tuple[Path, ...],
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
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
    _print_judgements(judgements, per_joint=per_joint)
    if json_file is not None:
        _write_json(json_file, {"torque_rmse": evaluation.table(judgements)})
    return 0


def holdout(
    config: Config,
    data: tuple[Path, ...],
    by: Literal["recording", "amplitude", "gains", "band", "leg"],
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    device: Device = "auto",
    seed: int = 0,
) -> int:
    """Leave out each part of the recordings once, train on the rest, and judge on what was left out.

    Args:
        config: YAML of the net and its training (configs/identify).
        data: Recordings, or folders of them.
        by: What a part is: a recording, an amplitude, a pair of gains, a band of frequencies or a leg.
        json_file: Write the errors to this file too, joint by joint.
        device: Where to train; auto takes CUDA where there is one.
        seed: Of every random number.
    """
    from collect.config import load as load_config
    from identify import dataset, tables
    from identify import holdout as holding
    from identify.settings import TrainConfig

    settings = load_config(config, TrainConfig)
    recordings = dataset.load([*data], settings.label)
    names = list(holding.parts(recordings, by))
    with _bar() as bar:
        task = bar.add_task(f"{settings.kind}, by {by}", total=len(names) * settings.training.epochs, note="")

        def report(name: str, epoch: Epoch) -> None:
            passed = names.index(name) * settings.training.epochs + epoch.number
            bar.update(task, completed=passed, note=f"without {name}: {epoch.validation:.3f} Nm")

        done = list(holding.hold_out(settings, recordings, by, seed=seed, device=_device(device), report=report))
    Console().print(tables.left_out(done, by))
    if json_file is not None:
        _write_json(json_file, {"holdout": {"by": by, "torque_rmse": holding.table(done)}})
    return 0


def ensemble(run: Runs, trained_on: tuple[Path, ...], data: tuple[Path, ...]) -> int:
    """Ask several runs together: their mean, how sure it is, and where it lies outside of what they were trained on.

    Args:
        run: Runs of one configuration from different seeds.
        trained_on: The recordings they were trained on, to calibrate by their validation rows.
        data: Recordings they have not seen, or folders of them.
    """
    from identify import dataset, runs, tables
    from identify.ensemble import fresh, gather

    loaded = [runs.load(path) for path in run]
    label = loaded[0].facts.label
    gathered = gather(loaded, dataset.load([*trained_on], label))
    for one in fresh(gathered, dataset.load([*data], label)):
        Console().print(tables.together(gathered, one))
    return 0


def crosscheck(
    recordings: Recordings,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
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
    Console().print(tables.witnesses(witnesses))
    if json_file is not None:
        _write_json(json_file, {"crosscheck": {one.joint: dataclasses.asdict(one) for one in witnesses}})
    return 0


def replay(
    run: Run,
    recordings: Recordings,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Drive the rigid body through a run and its baselines by a recording's commands alone, and compare the motion.

    Args:
        run: Folder that `train` wrote.
        recordings: Recordings, or folders of them; of one it was trained on only the test segments, if it has any.
        json_file: Write the errors to this file too.
    """
    import torch

    from identify import replay as replaying
    from identify import replay_table, runs

    torch.set_num_threads(1)  # twelve joints at a time are too few to share
    loaded, data = runs.load(run), replaying.load(recordings)
    done: list[replaying.Replay] = []
    with _bar() as bar:
        task = bar.add_task("replay", total=6 * len(data), note="")
        for recording in data:
            for one in replaying.replay(loaded, recording):
                done.append(one)
                bar.update(task, advance=1, note=f"{one.recording}: {one.predictor}")
    for recording in data:
        mine = [one for one in done if one.recording == recording.session]
        _, rows = replaying.chosen(loaded, recording)
        again, judgement = replaying.repeatability_mrad(recording), replaying.torque(loaded, recording)
        Console().print(replay_table.motion(mine, rows, again, judgement, loaded.facts.label))
    if json_file is not None:
        _write_json(json_file, {"replay_rmse_mrad": replaying.table(done)})
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
    with _bar() as bar:
        task = bar.add_task("report", total=len(loaded) * len(recordings), note="")

        def show(done: str) -> None:
            bar.update(task, advance=1, note=done)

        reporting.write(loaded, recordings, out, figure=figure, truth=truth, report=show)
    print(f"report {out}")
    return 0


def _device(device: Device) -> str:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no CUDA device", where="--device cuda", fix="use --device auto or cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _print_judgements(judgements: Sequence[Judgement], *, per_joint: bool = False) -> None:
    from identify import tables

    for judgement in judgements:
        Console().print(tables.by_kind(judgement))
        if per_joint:
            Console().print(tables.by_joint(judgement))


def _write_json(path: Path, content: object) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check --json") from error


VERBS: dict[str, Callable[..., Any]] = {
    "train": train,
    "evaluate": evaluate,
    "holdout": holdout,
    "crosscheck": crosscheck,
    "ensemble": ensemble,
    "replay": replay,
    "report": report,
}

if __name__ == "__main__":
    with exit_on_user_error():
        try:
            code = tyro.extras.subcommand_cli_from_dict(VERBS, prog="python -m identify", description=__doc__)
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)
