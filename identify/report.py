"""One HTML file that says how good runs are: errors, curves, split, hashes; it needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from collect.config import dump
from collect.errors import UserError
from collect.joints import KINDS, NAMES
from collect.recording import Recording
from identify import figures, pictures
from identify.baselines import NAMES as BASELINES
from identify.learned import learned
from identify.replay_table import beside
from identify.runs import Assignment, Run, write_bytes
from identify.trial import Trial, trial
from identify.truth import Truth, against

_FORMATS = ("{:.3f}", "{:.3f}", "{:.3f}", "{:.3f}", "{:.2f}", "{:.1f}", "{:.1f}", "{:.1f}")
_FIGURES = (*KINDS, "R²", "overall", *KINDS)


@dataclass(frozen=True)
class Picture:
    """A figure inside of the page."""

    base64: str
    words: str


@dataclass(frozen=True)
class Cell:
    """One figure of a table, as text; `loses` makes it red."""

    text: str
    loses: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the table of errors."""

    name: str
    style: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sentence:
    """What is said in short."""

    text: str
    loses: bool


@dataclass(frozen=True)
class TrialView:
    """A trial as the page shows it."""

    run: str
    judged: str
    replayed: str
    verdict: tuple[Sentence, ...]
    lines: tuple[Line, ...]
    joints: tuple[tuple[str, ...], ...]
    learned: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """One recording."""

    recording: str
    trials: tuple[TrialView, ...]
    figures: tuple[Picture, ...]


@dataclass(frozen=True)
class RunView:
    """A run as the page shows it."""

    name: str
    learning: Picture | None
    facts: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]
    split: tuple[Assignment, ...]
    config: str


def write(
    runs: Sequence[Run],
    recordings: Sequence[Recording],
    path: Path,
    *,
    figure: Path | None = None,
    truth: Path | None = None,
    report: Callable[[str], None] = lambda done: None,
) -> None:
    """Write the report of runs on recordings.

    Args:
        runs: one or several.
        recordings: what they are tried on, see `identify.replay.load`; of one that a run was trained on only what
            it has not seen.
        path: of the page; it must not exist.
        figure: of a PNG with the torque of one leg on the first recording; it must not exist.
        truth: what the virtual Go2 of the first recording wrote with --truth, for a last table.
        report: called after each trial with what it was.

    Raises:
        UserError: when a file exists or cannot be written, or the first recording has no torque to draw.
    """
    files = (path,) if figure is None else (path, figure)
    for file in files:
        if file.exists():
            raise UserError("the file exists and is never overwritten", where=str(file), fix="choose another name")
    trials = tried(runs, recordings, report)
    recovered = against(trials[0], truth) if truth else None
    contents = [page(runs, recordings, trials, recovered).encode()]
    if figure is not None:
        drawn = pictures.front(trials[0])
        if drawn is None:
            fix = "give first a recording with torque that the runs have not seen"
            raise UserError("there is no torque to draw", where=recordings[0].session, fix=fix)
        contents.append(figures.png(drawn))
    for file, content in zip(files, contents, strict=True):
        _save(file, content)


def _save(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content)
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(file), fix="check the path") from error


def renew(run: Run, recordings: Sequence[Recording]) -> None:
    """Write report.html into a run's own folder, anew when a training was resumed."""
    _save(run.path / "report.html", page([run], recordings, tried([run], recordings)).encode())


def tried(
    runs: Sequence[Run], recordings: Sequence[Recording], report: Callable[[str], None] = lambda done: None
) -> list[list[Trial]]:
    """Every run on every recording: of each recording a list with one trial a run."""
    found: list[list[Trial]] = []
    for recording in recordings:
        found.append([])
        for run in runs:
            found[-1].append(trial(run, recording))
            report(f"{run.name} on {recording.session}")
    return found


def page(
    runs: Sequence[Run], recordings: Sequence[Recording], trials: Sequence[Sequence[Trial]], truth: Truth | None = None
) -> str:
    """The HTML of trials, see `tried`; with what a virtual Go2 hid, of the first recording, in the last table."""
    sections = [_section(one.session, tries) for one, tries in zip(recordings, trials, strict=True)]
    folder = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template("report.html.j2").render(
        title=f"Go2 actuator model: {', '.join(run.name for run in runs)}",
        sections=sections,
        trials=[one for section in sections for one in section.trials],
        runs=[_run(run) for run in runs],
        tried=[(one.session, one.content_sha256()) for one in recordings],
        beside=beside(*{run.facts.label for run in runs}),
        truth=truth and [(figures.words(one.name), *(f"{value:.3f}" for value in one.rmse)) for one in truth.rows],
        delays=truth and [f"{1e3 * delay:.2f}" for delay in truth.delay],
    )


def _section(name: str, trials: Sequence[Trial]) -> Section:
    drawn = (pictures.torque(trials), pictures.response(trials), *pictures.motion(trials))
    return Section(name, tuple(_trial(one) for one in trials), tuple(_embedded(one) for one in drawn if one))


def _trial(one: Trial) -> TrialView:
    judged = one.torque.judgement.rows if one.torque else "none is measured on rows that the run has not seen"
    title = f"{one.run.name} ({figures.words(one.run.kind)}, called every {1e3 * one.run.features.step:g} ms)"
    return TrialView(title, judged, one.replayed, _verdict(one), tuple(_lines(one)), tuple(_joints(one)), _learned(one))


def _verdict(one: Trial) -> tuple[Sentence, ...]:
    """Torque and motion, each in a sentence."""
    found = []
    mine, loses = one.figures(one.run.kind), one.loses()
    for what, part in (("torque", slice(0, 5)), ("motion", slice(5, 8))):
        if mine[part][0] is None:
            continue
        lost = [
            f"{figures.words(name)} ({', '.join(_FIGURES[i] for i in range(*part.indices(8)) if name in loses[i])})"
            for name in BASELINES
            if any(name in better for better in loses[part])
        ]
        words = f"loses to {' and '.join(lost)}" if lost else "beats every baseline"
        short = one.torque.judgement.in_short if what == "torque" and one.torque else ""
        ratio = f", {short}" if short else ""
        found.append(Sentence(f"{one.run.name} on {one.recording.session}: {what} {words}{ratio}.", bool(lost)))
    return tuple(found)


def _lines(one: Trial) -> Iterator[Line]:
    """The baselines, the net, and what the robot itself scatters."""
    for name in BASELINES:
        yield Line(figures.words(name), "", _cells(one.figures(name)))
    loses = [bool(better) for better in one.loses()]
    yield Line(figures.words(one.run.kind), "net", _cells(one.figures(one.run.kind), loses))
    floor = one.torque.judgement.floor if one.torque else None
    if floor:
        yield Line("noise floor", "floor", _cells((floor.hip, floor.thigh, floor.calf, *(None,) * 5)))
    if one.repeatability:
        yield Line("the robot again", "floor", _cells((*(None,) * 5, *(one.repeatability[kind] for kind in KINDS))))


def _cells(values: Sequence[float | None], loses: Sequence[bool] = (False,) * 8) -> tuple[Cell, ...]:
    rows = zip(_FORMATS, values, loses, strict=True)
    return tuple(Cell("" if value is None else form.format(value), red) for form, value, red in rows)


def _joints(one: Trial) -> Iterator[tuple[str, ...]]:
    """Name, MSE, RMSE, MAE and R² of the net for each joint, and the RMSE of delayed PD."""
    if one.torque is None:
        return
    errors = {score.predictor: score.errors for score in one.torque.judgement.scores}
    net, delayed = errors[one.run.kind], errors["delayed_pd"]
    for joint, name in enumerate(NAMES):
        values = (net.mse[joint], net.rmse[joint], net.mae[joint], net.r2[joint], delayed.rmse[joint])
        yield (name, *(f"{value:.3f}" for value in values))


def _learned(one: Trial) -> tuple[tuple[str, ...], ...]:
    """What the net learned, a row per kind of joint; none where no torque is judged."""
    if one.torque is None:
        return ()
    found = learned(one.run, one.torque.data)
    return tuple(
        (
            kind.kind,
            f"{kind.spring:.3f}",
            f"{kind.gain:.3f}",
            f"{1e3 * kind.delay:.1f}",
            *(f"{value:.2f}" for value in kind.damping),
            *(f"{value:g}" for value in kind.passive),
            f"{kind.odd:.3f}",
            f"{kind.mirrored:.3f}",
        )
        for kind in found
    )


def _run(run: Run) -> RunView:
    drawn = pictures.learning(run)
    gains = [
        f"{kind} {name} {low:g} to {high:g} {unit}"
        for name, ranges, unit in (("kp", run.gains.kp, "Nm/rad"), ("kd", run.gains.kd, "Nm·s/rad"))
        for kind in KINDS
        for low, high in [ranges.of(kind)]
    ]
    facts = (
        ("net", figures.words(run.kind)),
        ("label", run.facts.label),
        ("inputs", ", ".join(run.features.names)),
        ("called every", f"{1e3 * run.features.step:g} ms"),
        ("targets", f"held for {1e3 * hold:g} ms" if (hold := run.features.target_hold) else "as logged"),
        ("gains in training", ", ".join(gains)),
        ("delay of delayed PD", f"{run.baselines.delay_in_words}, fitted on the training rows"),
        ("seed", str(run.facts.seed)),
        ("SHA-256 of best.pt", str(run.facts.best_sha256)),
        ("versions", ", ".join(run.facts.versions)),
    )
    sources = tuple((one.name, one.sha256) for one in run.facts.sources)
    return RunView(run.name, _embedded(drawn) if drawn else None, facts, sources, run.facts.split, dump(run.config))


def _embedded(figure: Figure) -> Picture:
    return Picture(base64.b64encode(figures.png(figure)).decode(), figure.get_suptitle())
