"""Verbs that train: one run, one for each part left out, a search, and several runs together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.markup import escape

from collect.errors import UserError
from identify.verbs.terminal import (
    Config,
    Device,
    JsonFile,
    Runs,
    on_device,
    print_judgements,
    progress,
    show,
    write_json,
    write_new,
)

if TYPE_CHECKING:
    from identify.dataset import Series
    from identify.fit import Epoch
    from identify.settings import TrainConfig
    from identify.through import Pass


def train(
    config: Config, data: tuple[Path, ...], out: Path, resume: bool = False, device: Device = "auto", seed: int = 0
) -> int:
    """Train a net, fit the baselines beside it, and judge both on rows that neither has seen.

    Args:
        config: YAML of the net and its training (configs/identify).
        data: Recordings, folders of them, or prepared files (*.npz).
        out: Folder of the run; it must not exist.
        resume: Go on with an interrupted run instead.
        device: Where to train; auto takes CUDA where there is one.
        seed: Of every random number.
    """
    from collect.config import load as load_config
    from collect.recording import find, read
    from identify import dataset, evaluate
    from identify import train as training
    from identify.runs import write_bytes
    from identify.settings import TrainConfig

    settings = load_config(config, TrainConfig)
    chosen = on_device(device)
    if resume and not out.is_dir():
        raise UserError("there is no run to resume", where=str(out), fix="leave out --resume")
    if out.exists() and not resume:
        raise UserError("the run exists and is never overwritten", where=str(out), fix="another --out, or --resume")
    recordings = dataset.load([*data], settings.label)
    _warn(settings, recordings)
    with progress() as bar:
        task = bar.add_task(f"{settings.kind} on {len(recordings)} recordings", total=settings.training.epochs, note="")

        def report(epoch: training.Epoch) -> None:
            note = f"epoch {epoch.number}: {epoch.validation:.3f} Nm, best {epoch.best:.3f}, stale {epoch.stale}"
            bar.update(task, completed=epoch.number, note=note)

        def report_pass(one: Pass) -> None:
            left = f", {one.left:.3f} of a push left" if one.left else ""
            note = f"pass {one.number}: {one.train:.2f} mrad, validation {one.validation:.2f}{left}"
            bar.update(second, completed=one.number, note=note)

        passes = settings.through.epochs if settings.through else 0
        second = bar.add_task("through the replay", total=passes, note="", visible=bool(passes))
        seeded = partial(training.train, seed=seed, device=chosen, resume=resume)
        run = seeded(settings, recordings, out, report=report, report_pass=report_pass)
    by_part = evaluate.by_part(run, recordings)
    metrics = {part: evaluate.table(judgements) for part, judgements in by_part.items()}
    write_bytes(out / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    with Console(stderr=True).status("report"):
        from identify import report as reporting

        reporting.renew(run, [read(path) for path in find([*data]) if path.suffix != ".npz"])
    judgements = by_part["test"] or by_part["validation"]
    print_judgements(judgements)
    print(f"run {out}: baselines fitted on the training rows, delay {run.baselines.delay_in_words}")
    print(f"report {out / 'report.html'}")
    return 0


def holdout(
    config: Config,
    data: tuple[Path, ...],
    by: Literal["recording", "amplitude", "gains", "band", "robot", "leg"],
    json_file: JsonFile = None,
    device: Device = "auto",
    seed: int = 0,
) -> int:
    """Leave out each part of the recordings once, train on the rest, and judge on what was left out.

    Args:
        config: YAML of the net and its training (configs/identify).
        data: Recordings, or folders of them.
        by: What a part is: a recording, an amplitude, a pair of gains, a band of frequencies, a robot or a leg.
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
    _warn(settings, recordings)
    names = list(holding.parts(recordings, by))
    with progress() as bar:
        task = bar.add_task(f"{settings.kind}, by {by}", total=len(names) * settings.training.epochs, note="")

        def report(name: str, epoch: Epoch) -> None:
            passed = names.index(name) * settings.training.epochs + epoch.number
            bar.update(task, completed=passed, note=f"without {name}: {epoch.validation:.3f} Nm")

        done = list(holding.hold_out(settings, recordings, by, seed=seed, device=on_device(device), report=report))
    show(tables.left_out(done, by))
    if json_file is not None:
        write_json(json_file, {"holdout": {"by": by, "torque_rmse": holding.table(done)}})
    return 0


def search(
    config: Config, data: tuple[Path, ...], study: Path, trials: int = 50, device: Device = "auto", seed: int = 0
) -> int:
    """Look for the net and the inputs that are best on the validation part of the recordings, by Optuna.

    Args:
        config: YAML of what is tried (configs/identify/search.yaml).
        data: Recordings to train on, or folders of them; never those that judge.
        study: File of the study; an interrupted one is gone on with, several processes may work on it at a time.
        trials: How many trials the study shall hold.
        device: Where to train; auto takes CUDA where there is one.
        seed: Of every random number.
    """
    from collect.config import dump
    from collect.config import load as load_config
    from identify import dataset
    from identify import search as searching
    from identify.space import SearchConfig

    settings = load_config(config, SearchConfig)
    recordings = dataset.load([*data], settings.label)
    with progress() as bar:
        task = bar.add_task(f"search on {len(recordings)} recordings", total=trials, note="")

        def report(ended: int, best: float | None) -> None:
            bar.update(task, completed=ended, note="" if best is None else f"best {best:.4f} Nm")

        where = on_device(device)
        found = searching.search(settings, recordings, study, trials, seed=seed, device=where, report=report)
    path = study.with_name(f"{study.stem}.trial-{found.number:03}.yaml")
    write_new(path, dump(found.config))
    print(f"best of {found.ended} trials: number {found.number}, {found.validation:.4f} Nm on the validation rows")
    print(f"configuration {path}")
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
        show(tables.together(gathered, one))
    return 0


def _warn(settings: TrainConfig, recordings: Sequence[Series]) -> None:
    """Say of which recordings `features.target_hold` shows the net other targets than the motors had."""
    from identify import held

    hold = settings.features.target_hold
    for one in recordings if hold else ():
        if words := held.warning(one.time, one.q_target, one.kp, one.stretches, hold):
            Console(stderr=True).print(f"note  {escape(one.name)}: {words}", highlight=False, soft_wrap=True)
