"""Several nets of one configuration, trained from different seeds: their mean, how sure it is, and where it is not.

    torque    mean of the members
    spread    √(a² + (b·s)²), s the members' standard deviation; a and b fitted for each kind of joint where they know
              the truth and have not learned it: on the validation rows of what they were trained on
    outside   inputs further from the training rows than all but a thousandth of those: squared Mahalanobis distance of
              what a net sees, about rest

Members agree wherever the law is simple, also where all are wrong: hence a, and hence the flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from collect.errors import UserError
from collect.joints import BY_KIND, KINDS, N_JOINTS
from identify import split
from identify.dataset import Series, inputs
from identify.evaluate import parts
from identify.features import Array, Features
from identify.predict import net
from identify.runs import Run

_RARE = 1e-3
"""Share of the training rows that lies outside of the hull."""
_RIDGE = 1e-6
"""Added to the covariance, relative to its mean: neighbouring lags say nearly the same."""


@dataclass(frozen=True, eq=False)
class Hull:
    """Where the training rows lie."""

    precision: Array
    """Inverse second moment of what a net sees of a joint, shape (L, L)."""
    edge: float
    """Squared distance of the training row that all but a thousandth stay within."""

    def outside(self, features: Features, data: Series) -> NDArray[np.bool_]:
        """Which joints of which rows lie outside, shape (N, 12); False outside of stretches."""
        out, rows = np.zeros(data.q.shape, dtype=bool), data.with_past(0.0)
        out[rows] = _distance(self.precision, _seen(features, data, rows)) > self.edge
        return out


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Nets that are asked together."""

    runs: tuple[Run, ...]
    always: Array
    """Spread where all agree, per kind of joint, a [Nm]."""
    scale: Array
    """By which their disagreement is to be multiplied, per kind of joint, b."""
    hull: Hull

    def predict(self, data: Series) -> tuple[Array, Array]:
        """Torque and its spread (one standard deviation) along a recording, (N, 12) each [Nm]."""
        mean, apart = _members(self.runs, data)
        a, b = (np.empty(N_JOINTS) for _ in range(2))
        for k, kind in enumerate(KINDS):
            a[BY_KIND[kind]], b[BY_KIND[kind]] = self.always[k], self.scale[k]
        return mean, np.sqrt(a**2 + (b * apart) ** 2)


def gather(runs: Sequence[Run], data: Sequence[Series]) -> Ensemble:
    """Calibrate runs as an ensemble.

    Args:
        runs: two or more of one configuration, on the same data, from different seeds.
        data: the recordings that they were trained on.

    Raises:
        UserError: when they are no ensemble, or the recordings are not theirs.
    """
    first = runs[0]
    for run in runs[1:]:
        if (run.config, run.facts.sources) != (first.config, first.facts.sources):
            fix = "give runs that differ in their seed alone"
            raise UserError("not of the configuration and data of the first run", where=run.name, fix=fix)
    if len({run.facts.seed for run in runs}) < max(2, len(runs)):
        raise UserError("an ensemble needs two runs of different seeds", where=first.name, fix="train with --seed")
    if {source.sha256 for source in first.facts.sources} != {one.sha256 for one in data}:
        fix = "give the recordings that the runs were trained on"
        raise UserError("these are not the recordings of the runs", where="--trained-on", fix=fix)
    squares: list[list[Array]] = [[] for _ in KINDS]
    for one in data:
        rows = parts(first, one) == split.VALIDATION
        mean, apart = _members(runs, one)
        for k, kind in enumerate(KINDS):
            error, own = (values[rows][:, BY_KIND[kind]].ravel() for values in (mean - one.torque, apart))
            squares[k].append(np.stack([np.square(error), np.square(own)], axis=1))
    fitted = np.sqrt([_calibrated(np.concatenate(both)) for both in squares])
    return Ensemble(tuple(runs), fitted[:, 0], fitted[:, 1], _hull(first, data))


def fresh(ensemble: Ensemble, data: Sequence[Series]) -> Sequence[Series]:
    """Recordings that an ensemble may be judged on.

    Raises:
        UserError: for one that its members were trained on.
    """
    known = {source.sha256 for source in ensemble.runs[0].facts.sources}
    for one in data:
        if one.sha256 in known:
            raise UserError("the runs were trained on this", where=one.name, fix="give recordings they have not seen")
    return data


def _calibrated(both: Array) -> Array:
    """a² and b² from squared errors and squared disagreements: in ten bins of the latter the means of the former."""
    order = np.argsort(both[:, 1])
    bins = np.array([part.mean(0) for part in np.array_split(both[order], 10)])
    design = np.stack([np.ones(len(bins)), bins[:, 1]], axis=1) / bins[:, :1]  # relative errors: every bin counts alike
    return np.asarray(nnls(design, np.ones(len(bins)))[0])


def _members(runs: Sequence[Run], data: Series) -> tuple[Array, Array]:
    """Mean and standard deviation of the members, (N, 12) each [Nm]."""
    each = np.stack([net(run, data) for run in runs])
    return each.mean(0), each.std(0, ddof=1)


def _seen(features: Features, data: Series, rows: NDArray[np.bool_]) -> Array:
    """What a net sees but for which joint it is, shape (rows, 12, L)."""
    return inputs(features, data, rows)[..., : features.blocks * len(features.lags)].astype(np.float64)


def _distance(precision: Array, seen: Array) -> Array:
    return np.asarray(((seen @ precision) * seen).sum(-1))


def _hull(run: Run, data: Sequence[Series]) -> Hull:
    width = run.features.blocks * len(run.features.lags)
    moment, count = np.zeros((width, width)), 0
    chosen = [(one, parts(run, one) == split.TRAIN) for one in data]
    for one, rows in chosen:
        flat = _seen(run.features, one, rows).reshape(-1, width)
        moment, count = moment + flat.T @ flat, count + len(flat)
    mean = moment / count
    scale = np.sqrt(np.diag(mean))  # kp·dq is some ten times kp·e: the ridge must not drown one of them
    precision = np.linalg.inv(mean / np.outer(scale, scale) + _RIDGE * np.eye(len(mean))) / np.outer(scale, scale)
    far = np.concatenate([_distance(precision, _seen(run.features, one, rows)).ravel() for one, rows in chosen])
    return Hull(precision, float(np.quantile(far, 1.0 - _RARE)))
