"""Verbs that look at recordings before anything is trained on them, and write them for others to train on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from collect.errors import UserError
from identify.verbs.terminal import Label, Recordings, progress, write_new


def lint(
    recordings: Recordings,
    unseen: tuple[Path, ...] = (),
    card: Path | None = None,
    step: float = 0.005,
    target_hold: float = 0.0,
) -> int:
    """Look for what is wrong with recordings to train on, and with those that judge; exit code 1 for a fault.

    Args:
        recordings: Recordings to train on, or folders of them.
        unseen: Recordings that shall judge.
        card: Write a dataset card, Markdown with the hashes, to this file; it must not exist.
        step: At which the simulator will call the net, in seconds.
        target_hold: As the net's configuration has it, in seconds.
    """
    from collect.recording import find, read
    from identify import card as cards
    from identify import lint as linting

    if not recordings:
        raise UserError("no recording named", where="python -m identify lint", fix="name recordings or folders")
    _check(step, target_hold)
    train, judging = ([read(path) for path in find([*paths])] for paths in (recordings, unseen))
    with progress() as bar:
        task = bar.add_task("lint", total=len(train) + len(judging), note="")
        show = partial(bar.update, task, advance=1)
        found = linting.lint(train, judging, lambda name: show(note=name), step=step, hold=target_hold)
    for finding in found.findings:
        mark = "[red]mend[/red]" if finding.spoils else "note"
        Console().print(f"{mark}  {escape(f'{finding.where}: {finding.text}')}", highlight=False, soft_wrap=True)
    if card is not None:
        write_new(card, cards.card(found, card.stem))
        print(f"card {card}")
    spoilt = sum(finding.spoils for finding in found.findings)
    print(
        f"{len(train)} recordings to train on, {len(judging)} that judge: {spoilt} to mend, "
        f"{len(found.findings) - spoilt} to note"
    )
    return 1 if spoilt else 0


def prepare(
    recordings: Recordings, out: Path, step: float = 0.005, label: Label = "tau_est", target_hold: float = 0.0
) -> int:
    """Write recordings as the NPZ that others train from: error and velocity at t, t-1, t-2, and the torque.

    Args:
        recordings: Recordings, or folders of them.
        out: The file; it must not exist.
        step: Between two rows, and between t and t-1, in seconds: that of the simulator.
        label: The torque: what the motor reports, or what moved the joint.
        target_hold: Show targets as a policy holds them for so long, in seconds: 0.02 at 50 Hz; 0 as logged.
    """
    from identify import dataset, prepared

    _check(step, target_hold)
    data = dataset.load([*recordings], label)
    rows = prepared.write(data, step, label, out, hold=target_hold)
    print(f"prepared {out}: {rows} rows of 12 joints, {1e3 * step:g} ms apart")
    return 0


def _check(step: float, target_hold: float) -> None:
    from identify.features import Features

    try:
        Features(step, target_hold=target_hold)
    except ValueError as error:
        raise UserError(str(error), where="--step, --target-hold", fix="give those of the net's simulator") from error
