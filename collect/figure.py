"""One page that shows what a recording is worth: what was told and done, what was covered, how it was timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter

from collect.coverage import cycles
from collect.errors import UserError
from collect.joints import BY_KIND, JOINTS, KINDS, LEGS, NAMES, SPEED, TORQUE, Kind
from collect.quality import Quality, envelope, intervals
from collect.recording import Recording
from collect.verdict import COLORS as VERDICT
from collect.verdict import Verdict

SUFFIXES = (".png", ".svg", ".pdf")
WINDOW = 2.0
"""How much of the leg's motion is shown enlarged [s]."""
COLORS: dict[Kind, str] = {"hip": "#2f6db5", "thigh": "#d9822b", "calf": "#2a9160"}
INK, QUIET, GRID = "#2b2b2b", "#8a8a8a", "#e9e9e9"
_FREQUENCIES, _AMPLITUDES = (0.05, 40.0), (2e-3, 1.5)  # what the panel of half cycles shows [Hz], [rad]
_PALE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1.0}
_SHOWN = 4  # reasons on the page; the terminal tells all


def check_path(path: Path) -> None:
    """Refuse a figure that cannot be written or would replace a file.

    Raises:
        UserError: for another kind of file, a folder that is absent, or a file that exists.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"not a figure's name: {path.name}", where="--figure", fix=f"end it in {', '.join(SUFFIXES)}")
    if path.exists():
        raise UserError("the figure exists and is never overwritten", where=str(path), fix="choose another name")
    if not path.parent.is_dir():
        raise UserError("the folder does not exist", where=str(path), fix="make it, or name another")


def draw(recording: Recording, quality: Quality, verdict: Verdict, path: Path) -> None:
    """Write the page of one recording.

    Raises:
        UserError: as `check_path`, or when it cannot be written.
    """
    check_path(path)
    try:
        page(recording, quality, verdict).savefig(path, dpi=120)
    except OSError as error:
        raise UserError(f"cannot write the figure: {error.strerror}", where=str(path), fix="choose another") from error


def page(recording: Recording, quality: Quality, verdict: Verdict) -> Figure:
    """The page as a figure."""
    figure = Figure(figsize=(15.0, 11.0), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(4, 1, height_ratios=(0.8 + 0.22 * _lines(verdict), 1.5, 4.6, 3.8))
    head, whole, middle, low = (figure.add_subfigure(grid[row]) for row in range(4))
    _head(head, recording, quality, verdict)
    leg = _liveliest(recording)
    window = _window(recording, leg)
    _whole(_styled(whole.subplots()), recording, leg, window)
    moving = middle.subplot_mosaic(
        [["hip", "covered"], ["thigh", "covered"], ["calf", "covered"]], width_ratios=(1.65, 1.0)
    )
    _leg(middle, [_styled(moving[kind]) for kind in KINDS], recording, leg, window)
    _covered(_styled(moving["covered"]), recording)
    panels = low.subplot_mosaic(
        [[*KINDS, "timing"], [*KINDS, "delay"]], width_ratios=(1.0, 1.0, 1.0, 1.15), empty_sentinel=None
    )
    for kind in KINDS:
        _load(_styled(panels[kind]), recording, kind, first=kind == KINDS[0])
    _timing(_styled(panels["timing"]), recording, quality)
    _delays(_styled(panels["delay"]), quality)
    return figure


def _lines(verdict: Verdict) -> int:
    return min(len(verdict.reasons), _SHOWN) + (len(verdict.reasons) > _SHOWN)


def _head(panel: SubFigure, recording: Recording, quality: Quality, verdict: Verdict) -> None:
    """Name, verdict, reasons; on the right what else one wants to know at a glance."""
    rise = 1.0 / (3.4 + _lines(verdict))
    color = VERDICT[verdict.word]
    panel.text(0.012, 1.0 - 0.5 * rise, recording.session, fontsize=17, fontweight="bold", color=INK, va="top")
    panel.text(
        0.016, 1.0 - 2.2 * rise, f" {verdict.word} ", fontsize=11, fontweight="bold", color="white", va="top",
        bbox={"boxstyle": "round,pad=0.28", "facecolor": color, "edgecolor": "none"},
    )  # fmt: skip
    texts = [f"–  {reason.text}" for reason in verdict.reasons[:_SHOWN]]
    texts += [f"–  and {len(verdict.reasons) - _SHOWN} more"] if len(verdict.reasons) > _SHOWN else []
    for number, text in enumerate(texts):
        panel.text(0.016, 1.0 - (3.55 + number) * rise, text, fontsize=10.5, color=INK, va="top")
    for number, text in enumerate(_facts(quality)):
        panel.text(0.988, 1.0 - (0.65 + 1.1 * number) * rise, text, fontsize=10.5, color=QUIET, va="top", ha="right")


def _facts(quality: Quality) -> list[str]:
    timing, fixture, floor = quality.timing, quality.fixture, quality.repeatability
    facts = [f"{quality.rows:,} rows     {timing.duration:.1f} s     {timing.rate:.1f} Hz".replace(",", " ")]
    if floor is not None:
        torque = " / ".join("–" if (value := floor[kind].torque) is None else f"{value:.3f}" for kind in KINDS)
        facts.append(f"not repeated, rms of hip / thigh / calf: {torque} Nm")
    facts.append(f"body turned at {fixture.rate:.3f} rad/s rms" if fixture else "no IMU recorded")
    return facts


def _liveliest(recording: Recording) -> str:
    """The leg that moves most."""
    motion = np.var(recording.q, axis=0)
    return max(LEGS, key=lambda leg: float(sum(motion[j.index] for j in JOINTS if j.leg == leg)))


def _window(recording: Recording, leg: str) -> slice:
    """Rows of the `WINDOW` in which the leg's speed is nearest to the third quartile of all: lively, yet to be read."""
    joints = [joint.index for joint in JOINTS if joint.leg == leg]
    rows = min(round(WINDOW * recording.rate), len(recording))
    speed = np.square(np.gradient(recording.q[:, joints].astype(float), axis=0)).sum(axis=1)
    power = np.convolve(speed, np.ones(rows), "valid")
    start = int(np.argmin(np.abs(power - np.quantile(power, 0.75))))
    return slice(start, start + rows)


def _whole(axes: Axes, recording: Recording, leg: str, window: slice) -> None:
    """The thigh's target and position over the whole recording, as bands, and the names of the segments."""
    joint = NAMES.index(f"{leg}_thigh")
    time = recording.clock
    bins = np.linspace(0, len(time), min(len(time), 1200), endpoint=False).astype(int)
    for values, color, name in ((recording.q_target, "#c9c9c9", "target"), (recording.q, COLORS["thigh"], "measured")):
        low, high = (fold.reduceat(values[:, joint], bins) for fold in (np.minimum, np.maximum))
        axes.fill_between(time[bins], low, high, color=color, linewidth=0.6, edgecolor=color, label=name)
    axes.axvspan(time[window.start], time[window.stop - 1], color=INK, alpha=0.12, linewidth=0)
    top = axes.get_ylim()[1]
    for row in recording.segments if len(recording.segments) > 1 else ():
        if row["stop"] > row["start"]:
            axes.axvline(time[row["start"]], color=QUIET, linewidth=0.6)
        if row["stop"] - row["start"] > 0.03 * len(time):  # else there is no room for its name
            axes.text(time[row["start"]], top, f" {row['name'].decode()}", fontsize=8, color=QUIET, va="bottom")
    axes.set(xlim=(time[0], time[-1]), ylabel=f"{leg} thigh\n[rad]", xlabel="time [s]")


def _leg(panel: SubFigure, axes: list[Axes], recording: Recording, leg: str, window: slice) -> None:
    time = recording.clock[window]
    for one, kind in zip(axes, KINDS, strict=True):
        joint = NAMES.index(f"{leg}_{kind}")
        one.plot(time, recording.q_target[window, joint], color=QUIET, linewidth=1.1, label="target")
        one.plot(time, recording.q[window, joint], color=COLORS[kind], linewidth=1.9, label="measured")
        one.set(xlim=(time[0], time[-1]), ylabel=f"{kind} [rad]")
        one.label_outer()
    axes[0].set_title(f"{leg} leg, told and done", fontsize=11, loc="left")
    axes[0].legend(loc="upper right", ncols=2, frameon=False, fontsize=9, bbox_to_anchor=(1.0, 1.25))
    axes[-1].set_xlabel("time [s]")
    panel.align_ylabels(axes)


def _covered(axes: Axes, recording: Recording) -> None:
    """Every half cycle of motion, and lines of equal peak speed."""
    for kind in reversed(KINDS):
        moved = cycles(recording, kind)
        axes.scatter(
            moved.frequency,
            moved.amplitude,
            s=9,
            color=COLORS[kind],
            alpha=0.5,
            linewidths=0,
            label=kind,
            rasterized=True,
        )
    axes.set(xscale="log", yscale="log", xlim=_FREQUENCIES, ylim=_AMPLITUDES)
    axes.set(xlabel="frequency [Hz]", ylabel="amplitude of the motion [rad]")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for speed in (0.1, 1.0, 10.0):
        line = speed / (2.0 * np.pi * np.array(_FREQUENCIES))
        axes.plot(_FREQUENCIES, line, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        end = min(0.9 * _FREQUENCIES[1], speed / (2.0 * np.pi * 1.1 * _AMPLITUDES[0]))
        label = f"{speed:g} rad/s"
        axes.text(
            end,
            1.15 * speed / (2.0 * np.pi * end),
            label,
            fontsize=8.5,
            color=QUIET,
            ha="right" if end > 20 else "left",
        )
    axes.set_title("every half cycle of the motion", fontsize=11, loc="left")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="lower left", frameon=False, fontsize=9, markerscale=2.0)


def _load(axes: Axes, recording: Recording, kind: Kind, *, first: bool) -> None:
    """Where torque and speed have been, within what the motor can."""
    joints = BY_KIND[kind]
    dq, tau = (table[:, joints].astype(float).ravel() for table in (recording.dq, recording.tau_est))
    fastest, strongest = float(SPEED[joints[0]]), float(TORQUE[joints[0]])
    axes.set_title(f"{kind}: torque and speed", fontsize=11, loc="left")
    axes.set_xlabel("speed [rad/s]")
    speeds = np.linspace(-fastest, fastest, 200)
    for sign in (-1.0, 1.0):
        limit = sign * envelope(speeds[:, None], np.full((200, 1), sign), joints[:1])[:, 0]
        axes.plot(speeds, limit, color=INK, linewidth=1.2)
    axes.set(xlim=(-1.06 * fastest, 1.06 * fastest), ylim=(-1.12 * strongest, 1.12 * strongest))
    if first:
        axes.set_ylabel("reported torque [Nm]")
        axes.text(-0.97 * fastest, 0.97 * strongest, "what the motor can", fontsize=8.5, color=INK, va="top")
    if np.isnan(dq).all() or np.isnan(tau).all():
        missing = " and ".join(name for name, v in (("speed", dq), ("torque", tau)) if np.isnan(v).all())
        axes.text(0.5, 0.5, f"no {missing} recorded", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        return
    edges = [np.linspace(-fastest, fastest, 121), np.linspace(-strongest, strongest, 121)]
    counts = np.histogram2d(dq, tau, bins=edges)[0].T
    shades = LinearSegmentedColormap.from_list(kind, ["#f3f3f3", COLORS[kind], "#101820"])
    norm = LogNorm(1, max(float(counts.max()), 2.0))
    axes.pcolormesh(*edges, np.ma.masked_equal(counts, 0), cmap=shades, norm=norm, rasterized=True, zorder=1.5)


def _timing(axes: Axes, recording: Recording, quality: Quality) -> None:
    """How long after each other rows arrived."""
    off = 1e3 * intervals(recording)
    reach = max(0.5, min(1.1 * float(np.abs(off).max()), 12.0))
    axes.hist(np.clip(off, -reach, reach), bins=np.linspace(-reach, reach, 81).tolist(), color="#5a6b7b", log=True)
    axes.set(xlim=(-reach, reach), xlabel="arrival early (−) or late (+) [ms]", ylabel="rows")
    axes.set_title("interval between rows", fontsize=11, loc="left")
    timing = quality.timing
    text = f"99 % within ± {1e3 * timing.jitter:.2f} ms\nworst {1e3 * timing.worst:.1f} ms"
    axes.text(0.98, 0.95, text, transform=axes.transAxes, ha="right", va="top", fontsize=9, color=INK)


def _delays(axes: Axes, quality: Quality) -> None:
    """From a command to its torque, by joint."""
    axes.set_title("delay, command to torque", fontsize=11, loc="left")
    known = {name: 1e3 * delay for name, delay in quality.delay.items() if delay is not None}
    axes.set(xticks=range(len(LEGS)), xticklabels=LEGS, xlim=(-0.5, len(LEGS) - 0.5), ylabel="delay [ms]")
    if not known:
        axes.text(0.5, 0.5, "cannot be told", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        axes.set_yticks([])
        return
    for joint in JOINTS:
        if joint.name in known:
            place, top = LEGS.index(joint.leg) + 0.22 * (KINDS.index(joint.kind) - 1), known[joint.name]
            axes.plot([place, place], [0.0, top], color=COLORS[joint.kind], linewidth=5.0, solid_capstyle="butt")
    middle = float(np.median([*known.values()]))
    axes.axhline(middle, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_ylim(0.0, 1.3 * max(known.values()))
    axes.text(len(LEGS) - 0.55, 1.27 * max(known.values()), f"median {middle:.1f} ms", ha="right", va="top", fontsize=9)


def _styled(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b5b5b5")
    axes.tick_params(color="#b5b5b5", labelcolor=INK, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes
