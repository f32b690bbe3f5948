"""Judgements as tables for the terminal; where the net loses to a baseline its figure is red."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from collect.joints import BY_KIND, KINDS, NAMES
from identify.crosscheck import Witness
from identify.dataset import Series
from identify.ensemble import Ensemble
from identify.evaluate import Judgement
from identify.holdout import Fold
from identify.metrics import Errors
from identify.predict import net

_HEADINGS = (*(f"{kind}\nRMSE Nm" for kind in KINDS), "all\nMAE Nm", "all\nMSE Nm²", "all\nR²")


def by_kind(judgement: Judgement) -> Table:
    """One recording: a row per predictor, the net last, then the noise floor where it is known."""
    caption = f"{judgement.rows}\n{judgement.scores[-1].predictor}: {judgement.in_short}"
    table = Table(title=judgement.recording, caption=caption, title_justify="left", min_width=74)
    for heading in ("predictor", *_HEADINGS):
        table.add_column(heading, justify="left" if heading == "predictor" else "right", no_wrap=heading == "predictor")
    *baselines, net = judgement.scores
    for score in baselines:
        table.add_row(score.predictor, *(f"{value:.3f}" for value in _figures(score.errors)))
    lost = [any(loses) for loses in zip(*(_loses(net.errors, one.errors) for one in baselines), strict=True)]
    figures = zip(_figures(net.errors), lost, strict=True)
    table.add_row(net.predictor, *(f"[red]{value:.3f}[/red]" if red else f"{value:.3f}" for value, red in figures))
    if judgement.floor:
        table.add_row("noise floor", *(f"{getattr(judgement.floor, kind):.3f}" for kind in KINDS))
    return table


def by_joint(judgement: Judgement) -> Table:
    """One recording: a row per joint and predictor."""
    table = Table("joint", "predictor", "MSE Nm²", "RMSE Nm", "R²", "MAE Nm", title=judgement.recording)
    for joint, name in enumerate(NAMES):
        for score in judgement.scores:
            values = (getattr(score.errors, what)[joint] for what in ("mse", "rmse", "r2", "mae"))
            table.add_row(name, score.predictor, *(f"{value:.3f}" for value in values))
    return table


def together(gathered: Ensemble, data: Series) -> Table:
    """An ensemble on a recording that it has not seen: its error, its members', its spread and its hull."""
    caption = "in 95 %: share of the errors within 1.96 spreads; outside: share of the samples beyond the training rows"
    table = Table(title=f"{data.name}, {len(gathered.runs)} nets together", caption=caption, title_justify="left")
    table.add_column("joint")
    for heading in (
        "members'\nRMSE Nm",
        "together\nRMSE Nm",
        "spread\nrms Nm",
        "in\n95 %",
        "outside",
        "RMSE\nthere Nm",
    ):
        table.add_column(heading, justify="right")
    rows = data.with_past(gathered.runs[0].features.look_back)
    torque, spread = gathered.predict(data)
    error, beyond = torque - data.torque, gathered.hull.outside(gathered.runs[0].features, data)
    members = [net(run, data) - data.torque for run in gathered.runs]
    for kind, joints in BY_KIND.items():
        own, wide, far = (values[rows][:, joints] for values in (error, spread, beyond))
        rms = [float(np.sqrt(np.square(each[rows][:, joints]).mean())) for each in (*members, error, spread)]
        cells = [f"{np.mean(rms[:-2]):.3f}", f"{rms[-2]:.3f}", f"{rms[-1]:.3f}"]
        cells += [f"{(np.abs(own) <= 1.96 * wide).mean():.3f}", f"{far.mean():.4f}"]
        table.add_row(kind, *cells, f"{np.sqrt(np.square(own[far]).mean()):.3f}" if far.any() else "")
    return table


def witnesses(found: Sequence[Witness]) -> Table:
    """Two torques held against each other, a row per joint."""
    headings = ("scale\n1", "offset\nNm", "viscous\nNm·s/rad", "dry\nNm", "left\nNm", "tau_est\nNm", "rotor\nkg·m²")
    caption = "tau_est against joint torque; left: rms after the fit; rotor: inertia that a scale of 1 would need"
    table = Table(title="tau_est and tau_joint", caption=caption, title_justify="left")
    for heading in ("joint", *headings):
        table.add_column(heading, justify="left" if heading == "joint" else "right")
    for one in found:
        values = (one.scale, one.offset, one.viscous, one.dry, one.rest, one.spread)
        table.add_row(one.joint, *(f"{value:.3f}" for value in values), f"{one.rotor:.4f}")
    return table


def left_out(folds: Sequence[Fold], by: str) -> Table:
    """Of every part what each predictor makes of it, trained on the rest; the net's figure is red where it loses."""
    table = Table(title=f"trained without, judged on: each {by} once", title_justify="left")
    for heading in (by, "predictor", *(f"{kind}\nRMSE Nm" for kind in KINDS), "÷ delayed_pd"):
        table.add_column(heading, justify="left" if heading in (by, "predictor") else "right")
    for fold in folds:
        *baselines, net = fold.scores
        for name, errors in fold.scores.items():
            cells = [f"{fold.rmse(name, kind):.3f}" for kind in KINDS]
            if name == net:
                best = [min(fold.rmse(other, kind) for other in baselines) for kind in KINDS]
                worse = [fold.rmse(name, kind) > value for kind, value in zip(KINDS, best, strict=True)]
                cells = [f"[red]{cell}[/red]" if red else cell for cell, red in zip(cells, worse, strict=True)]
            chosen = list(fold.joints)
            ratio = np.sqrt(errors.mse[chosen].mean() / fold.scores["delayed_pd"].mse[chosen].mean())
            table.add_row(fold.name if name == next(iter(fold.scores)) else "", name, *cells, f"{ratio:.2f}")
        if fold.floor:
            table.add_row("", "noise floor", *(f"{getattr(fold.floor, kind):.3f}" for kind in KINDS), "")
        table.add_section()
    return table


def _figures(errors: Errors) -> tuple[float, ...]:
    """In the order of the headings."""
    mse = float(errors.mse.mean())
    return (*map(errors.rmse_of, KINDS), float(errors.mae.mean()), mse, errors.overall_r2)


def _loses(net: Errors, baseline: Errors) -> list[bool]:
    """Per figure; all but R² are better when smaller."""
    *net_errors, net_r2 = _figures(net)
    *errors, r2 = _figures(baseline)
    return [*(ours > theirs for ours, theirs in zip(net_errors, errors, strict=True)), net_r2 < r2]
