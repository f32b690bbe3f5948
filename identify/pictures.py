"""What a report draws of trials: torque and motion of one leg, error over time, learning curves."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from collect.errors import UserError
from identify import figures
from identify.features import Array
from identify.learned import transfer
from identify.runs import Run
from identify.trial import Trial

SHOWN = 1.0
"""How much of a recording the curves show [s]."""
LEG = "FR"
"""Whose joints they are."""


def front(trials: Sequence[Trial]) -> Figure | None:
    """Measured and predicted torque of one leg on what runs have not seen of one recording: ideal PD and the nets.

    None where no trial has torque.
    """
    title = f"Joint torque on motion that no net has seen: {trials[0].recording.session}"
    return _torque(trials, ("ideal_pd",), title, (12.0, 5.0))


def torque(trials: Sequence[Trial]) -> Figure | None:
    """The same, smaller, with delayed PD."""
    title = f"Torque along the measured motion, {LEG} leg, where it varies most"
    return _torque(trials, ("ideal_pd", "delayed_pd"), title, (12.0, 4.2))


def motion(trials: Sequence[Trial]) -> tuple[Figure, ...]:
    """Of one recording: positions of one leg where they are fastest, and the position error over time."""
    replayed = [one for one in trials if one.replays]
    if not replayed:
        return ()
    first = replayed[0].replays[0]
    same = [one for one in replayed if np.array_equal(one.replays[0].time, first.time)]
    moved = _labelled(same, ("ideal_pd", "delayed_pd"), lambda one: {r.predictor: r.q_replayed for r in one.replays})
    unbroken = np.ones(len(first.time), dtype=bool)
    unbroken[list(first.starts)] = False
    part = figures.busiest(first.time, np.gradient(first.q, axis=0), unbroken, SHOWN)
    seen = {name: q[part] for name, q in moved.items()}
    title = f"Motion from the commands alone, {LEG} leg, where it is fastest"
    positions = figures.leg(first.time[part], first.q[part], seen, name=LEG, quantity="position [rad]", title=title)
    error = {name: q - first.q for name, q in moved.items()}
    return positions, figures.errors(first.time, error, title="Position error of the replay, all legs")


def response(trials: Sequence[Trial]) -> Figure | None:
    """Gain and lateness over frequency: measured, delayed PD, nets; None where no unbroken second of torque counts."""
    judged = [one for one in trials if one.torque]
    known = [one.torque for one in judged if one.torque]
    if not known:
        return None
    data, counted = known[0].data, np.all([one.counted for one in known], axis=0)
    shown = _labelled(judged, ("delayed_pd",), lambda one: one.torque.predicted if one.torque else {})
    found = {name: transfer(data, torque, counted) for name, torque in {"measured": data.torque, **shown}.items()}
    frequency = found["measured"][0]
    if not len(frequency):
        return None
    answers = {name: answer for name, (_, answer) in found.items()}
    return figures.response(frequency, answers, title="Torque over frequency, against the law without delay")


def learning(run: Run) -> Figure | None:
    """Learning curves of a run; None where it kept none.

    Raises:
        UserError: when history.csv is damaged.
    """
    path = run.path / "history.csv"
    if not path.is_file():
        return None
    try:
        with path.open(newline="") as file:
            names = ("epoch", "train_rmse_nm", "validation_rmse_nm")
            history = np.array([[float(row[name]) for name in names] for row in csv.DictReader(file)])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("the learning curves cannot be read", where=str(path), fix="copy the run again") from error
    return figures.learning(history, title=f"Learning: {run.name}") if len(history) else None


def _torque(
    trials: Sequence[Trial], baselines: tuple[str, ...], title: str, size: tuple[float, float]
) -> Figure | None:
    judged = [one for one in trials if one.torque]
    known = [one.torque for one in judged if one.torque]
    if not known or not (counted := np.all([one.counted for one in known], axis=0)).any():
        return None
    time, measured = known[0].data.time, known[0].data.torque
    part = figures.busiest(time, measured, counted, SHOWN)
    predicted = _labelled(judged, baselines, lambda one: one.torque.predicted if one.torque else {})
    shown = {name: values[part] for name, values in predicted.items()}
    return figures.leg(time[part], measured[part], shown, name=LEG, title=title, size=size)


def _labelled(
    trials: Sequence[Trial], baselines: tuple[str, ...], values: Callable[[Trial], Mapping[str, Array]]
) -> dict[str, Array]:
    """Baselines of the first trial, the net of each; nets of one kind carry the names of their runs."""
    found = {name: values(trials[0])[name] for name in baselines}
    kinds = [one.run.kind for one in trials]
    for one in trials:
        label = f"{one.run.kind} {one.run.name}" if kinds.count(one.run.kind) > 1 else one.run.kind
        found[label] = values(one)[one.run.kind]
    return found
