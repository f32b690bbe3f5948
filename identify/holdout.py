"""What a net makes of what it has never seen: each part of the data left out once, trained on the rest, judged on it.

    recording   every recording
    amplitude   segments by the amplitude of their targets
    gains       segments by kp and kd
    band        rows by how fast their targets swing (`frequency`)
    robot       recordings by the robot they are of
    leg         joints; then the net is told a joint's kind, for which leg it is says nothing of one it has not seen

What is left out is cut from the training data as if it had not been recorded, so that no window holds any of it;
baselines are fitted on the same rows.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import BY_KIND, JOINTS, KINDS, N_JOINTS, Kind
from identify.dataset import Series, unbroken
from identify.features import Array
from identify.fit import Epoch
from identify.metrics import Errors, Floor, errors, noise_floor
from identify.predict import torques
from identify.runs import Run
from identify.settings import TrainConfig
from identify.train import train

By = Literal["recording", "amplitude", "gains", "band", "robot", "leg"]

BANDS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, np.inf)
"""Borders of the bands [Hz]."""
_WINDOW = 0.5
"""Half the time over which a target's frequency is taken [s]."""
_SHORTEST = 0.5
"""What is cut shorter than this teaches nothing [s]."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One part that was left out."""

    name: str
    """Which, in words."""
    joints: tuple[int, ...]
    """Those that were left out; all, but for a leg."""
    scores: dict[str, Errors]
    """Of every predictor on what was left out, the net last."""
    floor: Floor | None
    """The robot's own scatter in the recordings of this part, where one holds repeats."""

    def rmse(self, predictor: str, kind: Kind) -> float:
        """Over the left-out joints of a kind, all rows together [Nm]."""
        chosen = [joint for joint in BY_KIND[kind] if joint in self.joints]
        return float(np.sqrt(self.scores[predictor].mse[chosen].mean()))


Held = NDArray[np.bool_]
"""Which joints of which rows belong to a part, shape (N, 12)."""


def parts(data: Sequence[Series], by: By) -> dict[str, list[Held]]:
    """What is left out in turn: by its name, of each recording the rows and joints that belong to it.

    Raises:
        UserError: when there is but one part, so that leaving it out leaves nothing.
    """
    labels = [_LABELS[by](one) for one in data]
    names = sorted({str(name) for one in labels for name in np.unique(one) if name}, key=_order)
    if len(names) < 2:
        what = f"all the data is of one {by}" if names else f"no row has a {by}"
        fix = "choose another --by, or give more recordings"
        raise UserError(f"{what}, so that nothing can be left out", where="--by", fix=fix)
    return {name: [one == name for one in labels] for name in names}


def _order(name: str) -> tuple[list[float], str]:
    """By the numbers in it, then by its letters."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", name)], name


def hold_out(
    config: TrainConfig,
    data: Sequence[Series],
    by: By,
    *,
    seed: int = 0,
    device: str = "cpu",
    report: Callable[[str, Epoch], None] = lambda name, epoch: None,
) -> Iterator[Fold]:
    """Leave out one part after the other; the trainings are not kept.

    Args:
        config: what to train and how; by leg a joint's identity is replaced by its kind.
        data: the recordings.
        by: what is left out.
        seed: of every random number.
        device: where to train.
        report: called after every epoch with the part's name.

    Raises:
        UserError: see `parts` and `identify.train.train`.
    """
    if by == "leg" and config.features.joint_identity:
        told = dataclasses.replace(config.features, joint_identity=False, kind_identity=True)
        config = dataclasses.replace(config, features=told)
    for name, held in parts(data, by).items():
        seen = [_seen(one, part, by) for one, part in zip(data, held, strict=True)]
        with tempfile.TemporaryDirectory() as folder:
            run = train(
                config,
                [one for one in seen if one.stretches],
                Path(folder) / "run",
                seed=seed,
                device=device,
                report=partial(report, name),
            )
            yield _judged(run, name, data, held)


def _seen(data: Series, held: Held, by: By) -> Series:
    """A recording as it would be had the part not been recorded."""
    if by != "leg":
        return without(data, np.asarray(held.any(1)))
    return dataclasses.replace(data, joints=tuple(joint for joint in data.joints if not held[:, joint].any()))


def _judged(run: Run, name: str, data: Sequence[Series], held: Sequence[Held]) -> Fold:
    """Every predictor on all of a part."""
    measured: list[Array] = []
    predicted: dict[str, list[Array]] = {}
    for one, part in zip(data, held, strict=True):
        rows = part.any(1) & one.with_past(run.features.look_back)
        measured.append(one.torque[rows])
        for predictor, torque in torques(run, one).items():
            predicted.setdefault(predictor, []).append(torque[rows])
    scores = {key: errors(np.concatenate(measured), np.concatenate(value)) for key, value in predicted.items()}
    floors = [floor for one, part in zip(data, held, strict=True) if part.any() and (floor := noise_floor(one))]
    joints = np.flatnonzero(np.any([part.any(0) for part in held], axis=0))
    return Fold(name, tuple(int(joint) for joint in joints), scores, floors[0] if floors else None)


def without(data: Series, rows: NDArray[np.bool_]) -> Series:
    """A recording less the rows given, its stretches cut up: no window ever crosses from one to the next."""
    kept: list[slice] = []
    for stretch in data.stretches:
        for start, stop in unbroken(~rows[stretch]):
            part = slice(stretch.start + start, stretch.start + stop)
            if data.time[part.stop - 1] - data.time[part.start] >= _SHORTEST:
                kept.append(part)
    return dataclasses.replace(data, stretches=tuple(kept))


def frequency(data: Series) -> Array:
    """How fast the targets swing: rms of their rate over rms of their swing about their mean, over 2π, shape (N,) [Hz].

    Both over a second about each row and all joints; NaN outside of stretches and where nothing swings.
    """
    out = np.full(len(data.time), np.nan)
    for rows in data.stretches:
        time, target = data.time[rows], data.q_target[rows]
        half = max(1, round(_WINDOW * data.rate))
        first = np.maximum(np.arange(len(time)) - half, 0)
        last = np.minimum(np.arange(len(time)) + half, len(time) - 1) + 1

        def mean(values: Array, first: Array = first, last: Array = last) -> Array:
            total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
            return np.asarray((total[last] - total[first]) / (last - first)[:, None])

        swing = mean(np.square(target)) - np.square(mean(target))
        rate = mean(np.square(np.gradient(target, time, axis=0)))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = rate.sum(1) / np.where(swing.sum(1) > 1e-8, swing.sum(1), np.nan)
        out[rows] = np.sqrt(np.maximum(ratio, 0.0)) / (2.0 * np.pi)
    return out


def _of_segments(data: Series, word: Callable[[slice], str]) -> NDArray[np.str_]:
    """A label for every stretch, on all of its joints; empty outside."""
    out = np.full((len(data.time), N_JOINTS), "", dtype="U64")
    for rows in data.stretches:
        out[rows] = word(rows)
    return out


def _gains(data: Series) -> NDArray[np.str_]:
    def word(rows: slice) -> str:
        (kp, kd) = (np.unique(gain[rows.start].round(4)) for gain in (data.kp, data.kd_commanded))
        return f"kp {'/'.join(f'{x:g}' for x in kp)} kd {'/'.join(f'{x:g}' for x in kd)}"

    return _of_segments(data, word)


def _amplitude(data: Series) -> NDArray[np.str_]:
    def word(rows: slice) -> str:
        return f"{np.ptp(data.q_target[rows], axis=0).max() / 2.0:.2f} rad"

    return _of_segments(data, word)


def _band(data: Series) -> NDArray[np.str_]:
    out, swing = np.full((len(data.time), N_JOINTS), "", dtype="U64"), frequency(data)
    for low, high in pairwise(BANDS):
        out[(swing >= low) & (swing < high)] = f"{low:g} to {high:g} Hz" if np.isfinite(high) else f"above {low:g} Hz"
    return out


def _leg(data: Series) -> NDArray[np.str_]:
    legs = np.array([joint.leg for joint in JOINTS], dtype="U64")
    return np.where(_of_segments(data, lambda rows: "x") == "x", legs, "")


_LABELS: dict[str, Callable[[Series], NDArray[np.str_]]] = {
    "recording": lambda data: _of_segments(data, lambda rows: data.name),
    "robot": lambda data: _of_segments(data, lambda rows: data.robot),
    "amplitude": _amplitude,
    "gains": _gains,
    "band": _band,
    "leg": _leg,
}


def table(folds: Sequence[Fold]) -> dict[str, dict[str, dict[str, object]]]:
    """RMSE per kind and per joint [Nm] by part and predictor, for JSON."""
    kinds = {fold.name: [kind for kind in KINDS if {*BY_KIND[kind]} & {*fold.joints}] for fold in folds}
    return {
        fold.name: {
            name: {kind: fold.rmse(name, kind) for kind in kinds[fold.name]}
            | {"joints": {JOINTS[joint].name: float(one.rmse[joint]) for joint in fold.joints}}
            for name, one in fold.scores.items()
        }
        for fold in folds
    }
