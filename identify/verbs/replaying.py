"""`python -m identify replay`: its arguments, and the order of what it does and prints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from collect.errors import UserError
from identify.verbs.terminal import JsonFile, Runs, progress, show, write_json

if TYPE_CHECKING:
    from identify.replay import Replay


def replay(
    paths: Runs,
    parameters: Path | None = None,
    per_joint: bool = False,
    figure: Path | None = None,
    endure: float | None = None,
    json_file: JsonFile = None,
) -> int:
    """Drive the rigid body by a recording's commands alone, through runs and their baselines, and compare the motion.

    Args:
        paths: Folders that `train` wrote, one or several, then recordings or folders of them; of a recording that a run
            was trained on only the test segments are replayed, if it has any. With --parameters no run is needed.
        parameters: Also replay what `fit` found, its parameters.yaml; nets of tau_est then move its armature and
            friction too.
        per_joint: Print every joint as well.
        figure: Draw error over time, and gain and phase over frequency, of the first recording to this PNG.
        endure: Also go through each recording's commands forth and back for so long with each net, or without one with
            what was fitted [s].
        json_file: Write the errors to this file too: by kind, by joint, over time and over frequency.
    """
    import torch

    from identify import endurance as enduring
    from identify import motion_error, replay_table, runs
    from identify import parameters as fitting
    from identify import replay as replaying

    torch.set_num_threads(1)  # twelve joints at a time are too few to share
    folders, recordings = _parted(paths, fitted=parameters is not None)
    loaded, data = [runs.load(path) for path in folders], replaying.load(recordings)
    fitted = fitting.load(parameters) if parameters is not None else None
    predictors = replaying.predictors(loaded, fitted)
    done: list[replaying.Replay] = []
    with progress() as bar:
        task = bar.add_task("replay", total=(len(predictors) + (fitted is not None)) * len(data), note="")
        for one in replaying.replay(loaded, data, fitted):
            done.append(one)
            bar.update(task, advance=1, note=f"{one.recording}: {one.predictor}")
    for recording in data:
        mine = [one for one in done if one.recording == recording.session]
        again = motion_error.repeatability_mrad(recording)
        show(replay_table.motion(mine, loaded, recording, again, fitted))
        if fitted and any(source.sha256 == recording.content_sha256() for source in fitted.sources):
            print("the parameters were fitted to this recording, which cannot judge them")
        if per_joint:
            show(replay_table.by_joint(mine))
    if endure is not None:
        lasting = predictors[-len(loaded) :] if loaded else [replaying.parametric(fitted)] if fitted else []
        for predictor, recording in product(lasting, data):
            with Console(stderr=True).status(f"{endure:.0f} s of {predictor.name} on {recording.session}"):
                lasted = enduring.endure(loaded, recording, predictor, endure)
            print(lasted.in_words)
    if figure is not None:
        _draw([one for one in done if one.recording == data[0].session], figure)
    if json_file is not None:
        write_json(json_file, {"replay_rmse_mrad": motion_error.table(done), **motion_error.details(done)})
    return 0


def _draw(replays: Sequence[Replay], path: Path) -> None:
    """The figure of one recording's replays.

    Raises:
        UserError: when it cannot be written.
    """
    from identify import figures

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(figures.png(figures.motion(replays, title=replays[0].recording)))
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check --figure") from error


def _parted(paths: Sequence[Path], *, fitted: bool) -> tuple[list[Path], list[Path]]:
    """Runs and recordings; what comes first must be a run, unless fitted parameters are replayed."""
    folders = [path for path in paths if (path / "run.json").is_file()] or [*paths[: 0 if fitted else 1]]
    recordings = [path for path in paths if path not in folders]
    if not recordings:
        raise UserError("there is nothing to replay", where="the arguments", fix="give runs, then recordings")
    return folders, recordings
