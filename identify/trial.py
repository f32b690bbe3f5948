"""One run tried on one recording: torque along the measured motion, and motion from the commands alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collect.joints import KINDS, Kind
from collect.recording import Recording
from identify.baselines import NAMES as BASELINES
from identify.dataset import Series, series
from identify.evaluate import Judgement, judge, judged
from identify.features import Array
from identify.motion_error import repeatability_mrad
from identify.predict import torques
from identify.replay import Replay, chosen, replay, unlabelled, unseen
from identify.runs import Run


@dataclass(frozen=True, eq=False)
class Torque:
    """Torque of every predictor along the motion that was measured."""

    judgement: Judgement
    """How wrong each is on the rows that count."""
    data: Series
    """The recording with the torque that the run learned."""
    counted: NDArray[np.bool_]
    """Those rows, shape (N,)."""
    predicted: Mapping[str, Array]
    """Shape (N, 12) each [Nm], NaN outside of stretches."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A run and a recording; what the recording cannot show, or the run has seen, is left out."""

    run: Run
    recording: Recording
    torque: Torque | None
    """None without measured torque or rows that the run has not seen."""
    replays: tuple[Replay, ...]
    """Of every predictor, the net last; empty when no whole segment is unseen."""
    replayed: str
    """Which rows were replayed, in words."""
    repeatability: Mapping[Kind, float] | None
    """What the robot itself does not repeat [mrad]."""

    def figures(self, predictor: str) -> tuple[float | None, ...]:
        """Torque RMSE of hip, thigh, calf [Nm], R², RMSE over that of delayed_pd; motion RMSE [mrad] of the three."""
        torque: tuple[float | None, ...] = (None,) * 5
        if self.torque:
            errors = {score.predictor: score.errors for score in self.torque.judgement.scores}
            mine, delayed = errors[predictor], errors["delayed_pd"]
            ratio = float(np.sqrt(mine.mse.mean() / delayed.mse.mean())) if delayed.mse.any() else None
            torque = (*map(mine.rmse_of, KINDS), mine.overall_r2, ratio)
        moved = {one.predictor: one for one in self.replays}
        motion = [moved[predictor].rmse_mrad(kind) if moved else None for kind in KINDS]
        return (*torque, *motion)

    def loses(self) -> tuple[tuple[str, ...], ...]:
        """For each of the net's figures the baselines that are better."""
        net = self.figures(self.run.kind)
        others = {name: self.figures(name) for name in BASELINES}
        return tuple(
            tuple(name for name, theirs in others.items() if _better(index, theirs[index], net[index]))
            for index in range(len(net))
        )


_R2 = 3  # the one figure that is better when it is larger


def _better(index: int, theirs: float | None, mine: float | None) -> bool:
    if theirs is None or mine is None:
        return False
    return theirs > mine if index == _R2 else theirs < mine


def trial(run: Run, recording: Recording) -> Trial:
    """Try a run on what it has not seen of a recording."""
    fresh = bool(unseen(run, recording))
    replays = tuple(replay([run], [recording])) if fresh else ()
    words = chosen([run], recording)[1] if fresh else "no whole segment that the run has not seen: nothing is replayed"
    return Trial(run, recording, _torque(run, recording), replays, words, repeatability_mrad(recording))


def _torque(run: Run, recording: Recording) -> Torque | None:
    if unlabelled(run, recording):
        return None
    data = series(recording, where=recording.session, label=run.facts.label)
    counted, words = judged(run, data)
    return Torque(judge(run, data, counted, words), data, counted, torques(run, data)) if counted.any() else None
