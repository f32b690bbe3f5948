"""Every predictor of a run on recordings: the same rows for all, and none that the net has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import KINDS
from identify import split
from identify.dataset import Series
from identify.metrics import Errors, Floor, errors, noise_floor
from identify.predict import torques
from identify.runs import Part, Run


@dataclass(frozen=True, eq=False)
class Score:
    """One predictor on one recording."""

    recording: str
    """Its name."""
    predictor: str
    """Its name."""
    errors: Errors
    """How wrong it is."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """All predictors on one recording."""

    recording: str
    """Its name."""
    rows: str
    """Which rows were counted, in words."""
    scores: tuple[Score, ...]
    """Of every predictor, the net last."""
    floor: Floor | None
    """The robot's own scatter, where the recording holds repeats."""

    @property
    def in_short(self) -> str:
        """The net's error, all joints together, against delayed PD's and the robot's own scatter, in words."""
        errors = {score.predictor: score.errors for score in self.scores}
        mine, words = float(self.scores[-1].errors.mse.mean()), []
        if "delayed_pd" in errors and (delayed := float(errors["delayed_pd"].mse.mean())):
            words += [f"{np.sqrt(mine / delayed):.2f} times the error of delayed PD"]
        words += [f"{np.sqrt(mine) / self.floor.overall:.2f} times the noise floor"] if self.floor else []
        return ", ".join(words)


def evaluate(run: Run, data: Sequence[Series]) -> list[Judgement]:
    """Judge a run on recordings.

    Of a recording it was trained on only the test rows count. Of any other all rows count, repeated
    states included, but those between segments and those within the net's look-back of a stretch's start.

    Raises:
        UserError: when a recording has no rows to count.
    """
    return [judge(run, one, *judged(run, one)) for one in data]


def by_part(run: Run, data: Sequence[Series]) -> dict[Part, list[Judgement]]:
    """Judge a run on each part of the recordings it was trained on; a part without rows is left empty."""
    found: dict[Part, list[Judgement]] = {}
    for index, part in enumerate(split.PARTS):
        chosen = [(one, parts(run, one) == index) for one in data]
        found[part] = [judge(run, one, rows, f"{part} part") for one, rows in chosen if rows.any()]
    return found


def judge(run: Run, data: Series, rows: NDArray[np.bool_], words: str) -> Judgement:
    """Judge a run on the chosen rows of one recording; `words` says which they are."""
    if not rows.any():
        raise UserError("no rows to judge by", where=data.name, fix="give a recording the run was not trained on")
    scores = tuple(
        Score(data.name, name, errors(data.torque[rows], torque[rows])) for name, torque in torques(run, data).items()
    )
    return Judgement(data.name, f"{words}: {rows.sum()} of {len(rows)} rows", scores, noise_floor(data))


def judged(run: Run, data: Series) -> tuple[NDArray[np.bool_], str]:
    """Which rows of a recording count, and that in words."""
    if any(source.sha256 == data.sha256 for source in run.facts.sources):
        return parts(run, data) == split.TEST, "the test part of a recording it was trained on"
    return data.with_past(run.features.look_back), "a recording it has not seen"


def parts(run: Run, data: Series) -> NDArray[np.int8]:
    """The part of every row of a recording that the run was trained on, see `identify.split.rows`."""
    names = {source.sha256: source.name for source in run.facts.sources}
    known = dataclasses.replace(data, name=names[data.sha256])  # a file may have been renamed since
    return split.rows(known, run.facts.split, run.config.split, split.gap(run.config))


def table(judgements: Sequence[Judgement]) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE per kind of joint [Nm] and overall R², by recording and predictor, for JSON."""
    return {
        judgement.recording: {
            score.predictor: {
                **{kind: score.errors.rmse_of(kind) for kind in KINDS},
                "r2": score.errors.overall_r2,
            }
            for score in judgement.scores
        }
        for judgement in judgements
    }
