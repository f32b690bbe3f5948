"""Figures of a report: pure functions from data to matplotlib figures, and those to PNG."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from collect.joints import BY_KIND, JOINTS, KINDS
from identify.baselines import NAMES as BASELINES
from identify.dataset import unbroken
from identify.features import Array
from identify.motion_error import over_frequency, over_time
from identify.replay import Replay

DPI = 100
MEASURED = "#222222"
_COLORS = {
    "ideal_pd": "#e08e2b",
    "delayed_pd": "#b4689c",
    "limited_pd": "#8d6b94",
    "friction_pd": "#7a8f3c",
    "linear": "#9a8c7a",
    "parametric": "#c0392b",
    "mlp": "#1f6fb4",
    "lstm": "#2a9d5c",
    "gru": "#0f8b8d",
    "stateless_lstm": "#c9a227",
}
_MORE = ("#6b4fbb", "#5d4037", "#d45087", "#7f8c1b")  # a second net of a kind
_IN_A_ROW = 6
"""Names below a figure, so that those of nets with their runs fit in."""
_WORDS = {
    "ideal_pd": "ideal PD",
    "delayed_pd": "delayed PD",
    "limited_pd": "limited PD",
    "friction_pd": "friction PD",
    "linear": "linear",
    "mlp": "MLP",
    "lstm": "LSTM",
    "gru": "GRU",
    "stateless_lstm": "stateless LSTM",
}


def leg(
    time: Array,
    measured: Array,
    predicted: Mapping[str, Array],
    *,
    name: str = "FR",
    quantity: str = "torque [Nm]",
    title: str = "",
    size: tuple[float, float] = (12.0, 4.2),
) -> Figure:
    """What the three joints of one leg did and what predictors say, side by side.

    Args:
        time: shape (N,) [s].
        measured: shape (N, 12).
        predicted: by the predictor's name, shape (N, 12).
        name: FR, FL, RR or RL.
        quantity: what it is, with its unit.
        title: above all three.
        size: [inch], 100 pixels each.
    """
    figure, panels = _panels(3, size, title)
    for axes, joint in zip(panels, (joint for joint in JOINTS if joint.leg == name), strict=True):
        axes.plot(time, measured[:, joint.index], color=MEASURED, linewidth=2.6, alpha=0.85, label="measured")
        for label, color in _colors(predicted).items():
            plain = label in BASELINES
            values = predicted[label][:, joint.index]
            axes.plot(time, values, "--" if plain else "-", color=color, linewidth=1.4, label=words(label))
        axes.set(title=f"{name} {joint.kind}", xlabel="time [s]")
        axes.set_xlim(float(time[0]), float(time[-1]))
    panels[0].set_ylabel(quantity)
    _legend(figure, panels[0])
    return figure


def errors(time: Array, error: Mapping[str, Array], *, title: str = "", window: float = 0.5) -> Figure:
    """Root mean square of a replay's position error in windows of time, per kind of joint.

    Args:
        time: shape (N,) [s].
        error: by the predictor's name, shape (N, 12) [rad].
        title: above all three.
        window: [s].
    """
    figure, panels = _panels(3, (12.0, 3.6), title)
    bins = ((time - time[0]) / window).astype(int)
    used, index = np.unique(bins, return_inverse=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        for label, color in _colors(error).items():
            squares = np.square(error[label][:, BY_KIND[kind]]).mean(1)
            rms = 1e3 * np.sqrt(np.bincount(index, squares) / np.bincount(index))
            axes.plot(time[0] + (used + 0.5) * window, rms, color=color, linewidth=1.6, label=words(label))
        axes.set(title=kind, xlabel="time [s]")
        axes.set_ylim(bottom=0.0)
    panels[0].set_ylabel("position error, rms [mrad]")
    _legend(figure, panels[0])
    return figure


def motion(replays: Sequence[Replay], *, title: str = "") -> Figure:
    """Replays of one recording by kind of joint: error as time goes on, gain and phase over the robot's own."""
    figure = Figure(figsize=(12.0, 8.4), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=12)
    panels = figure.subplots(3, 3, sharex="row", sharey="row")
    colors = _colors([one.predictor for one in replays])
    for one in replays:
        name, color = one.predictor, colors[one.predictor]
        (time, rms), response = over_time(one), over_frequency(one)
        for k, kind in enumerate(KINDS):
            panels[0, k].plot(time, rms[kind], color=color, linewidth=1.6, label=words(name))
            panels[1, k].plot(response.frequency, 100.0 * response.gain[k], color=color, linewidth=1.6)
            panels[2, k].plot(response.frequency, np.degrees(response.phase[k]), color=color, linewidth=1.6)
    for k, kind in enumerate(KINDS):
        panels[0, k].set(title=kind, xlabel="time [s]")
        panels[2, k].set(xlabel="frequency [Hz]")
        for axes in panels[:, k]:
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#e6e6e6", linewidth=0.8)
    names = ("position error, rms [mrad]", "amplitude beyond the robot's [%]", "ahead of the robot [°]")
    for axes, name in zip(panels[:, 0], names, strict=True):
        axes.set_ylabel(name)
    panels[0, 0].set_ylim(bottom=0.0)
    _legend(figure, panels[0, 0])
    return figure


def learning(history: Array, *, title: str = "") -> Figure:
    """Learning curves from epoch, training and validation RMSE [Nm], shape (E, 3)."""
    figure, (axes,) = _panels(1, (7.0, 3.4), title)
    epoch, training, validation = history.T
    axes.plot(epoch, training, color="#8fb8de", linewidth=1.6, label="training")
    axes.plot(epoch, validation, color="#1f6fb4", linewidth=1.8, label="validation")
    best = int(np.argmin(validation))
    axes.plot(epoch[best], validation[best], "o", color="#1f6fb4", label=f"best: epoch {epoch[best]:.0f}")
    axes.set(xlabel="epoch", ylabel="torque error, rms [Nm]")
    _legend(figure, axes)
    return figure


def response(frequency: Array, answers: Mapping[str, Array], *, title: str = "", highest: float = 25.0) -> Figure:
    """How torques answer the law without delay: gain above, lateness below, per kind of joint.

    Args:
        frequency: shape (M,) [Hz].
        answers: by the predictor's name, `measured` among them, complex, shape (3, M).
        title: above all.
        highest: where the figure ends [Hz].
    """
    figure = Figure(figsize=(12.0, 5.6), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=12)
    panels = figure.subplots(2, 3, sharex=True, sharey="row")
    seen = (frequency > 0.0) & (frequency <= highest)
    colors = {"measured": MEASURED, **_colors({name: one for name, one in answers.items() if name != "measured"})}
    for row, panel in zip((0, 1), panels, strict=True):
        for axes, kind, k in zip(panel, KINDS, range(3), strict=True):
            for name, answer in answers.items():
                late = -1e3 * np.angle(answer[k, seen]) / (2.0 * np.pi * frequency[seen])
                values, wide = (np.abs(answer[k, seen]), late)[row], 2.6 if name == "measured" else 1.4
                axes.plot(frequency[seen], values, color=colors[name], linewidth=wide, label=words(name))
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#e6e6e6", linewidth=0.8)
            axes.set(**({"title": kind} if row == 0 else {"xlabel": "frequency [Hz]"}))
        panel[0].set_ylabel(("torque over that of ideal PD", "later than ideal PD [ms]")[row])
    _legend(figure, panels[0][0])
    return figure


def busiest(time: Array, values: Array, rows: NDArray[np.bool_], seconds: float) -> slice:
    """The unbroken part of the chosen rows, at most so long, in which the values vary most.

    Args:
        time: shape (N,) [s].
        values: shape (N, J).
        rows: which may be shown, shape (N,); at least one.
        seconds: longest duration.
    """
    best, found = -1.0, slice(0, 0)
    for start, stop in unbroken(rows):
        for first in range(start, stop, max(1, (stop - start) // 200)):
            last = min(int(np.searchsorted(time, time[first] + seconds)), stop)
            motion = float(values[first:last].var(0).sum()) * (last - first)
            if motion > best:
                best, found = motion, slice(int(first), int(last))
    return found


def words(label: str) -> str:
    """A predictor as people write it; `mlp (run)` keeps its run."""
    kind, *rest = label.split(" ", 1)
    return " ".join([_WORDS.get(kind, kind), *rest])


def png(figure: Figure) -> bytes:
    """A figure as PNG."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return stream.getvalue()


def _colors(labels: Collection[str]) -> Mapping[str, str]:
    spare, taken, found = iter(_MORE * len(labels)), set(), {}
    for label in labels:
        color = _COLORS.get(label.split(" ", 1)[0], "")
        found[label] = next(spare) if not color or color in taken else color
        taken.add(color)
    return found


def _panels(count: int, size: tuple[float, float], title: str) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure, list(panels)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    in_a_row = min(len(labels), _IN_A_ROW)
    figure.legend(handles, labels, loc="outside lower center", ncols=in_a_row, frameon=False)
