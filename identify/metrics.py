"""How wrong a predicted torque is: per joint, per kind of joint, and how much the robot itself scatters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collect.joints import BY_KIND, KINDS, Kind
from identify.dataset import Series
from identify.features import Array, at


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one predictor on one recording; arrays have shape (12,) in SDK order."""

    rows: int
    """Rows counted."""
    mse: Array
    """Mean squared error [Nm²]."""
    mae: Array
    """Mean absolute error [Nm]."""
    variance: Array
    """Of the measured torque [Nm²]."""

    @property
    def rmse(self) -> Array:
        """Root mean squared error of each joint [Nm]."""
        return np.sqrt(self.mse)

    @property
    def r2(self) -> Array:
        """1 − mse / variance of each joint; NaN where the torque never changed."""
        return 1.0 - self.mse / np.where(self.variance > 0.0, self.variance, np.nan)

    def rmse_of(self, kind: Kind) -> float:
        """Over the four joints of a kind, all rows together [Nm]."""
        return float(np.sqrt(self.mse[BY_KIND[kind]].mean()))

    @property
    def overall_r2(self) -> float:
        """All joints together: 1 − Σ mse / Σ variance, each joint about its own mean; NaN without variance."""
        total = self.variance.sum()
        return float(1.0 - self.mse.sum() / total) if total > 0.0 else float("nan")


def errors(measured: Array, predicted: Array) -> Errors:
    """Errors of a predicted torque.

    Args:
        measured: shape (N, 12) [Nm].
        predicted: shape (N, 12) [Nm].

    Raises:
        ValueError: when there are no rows or a prediction is not finite: neither is a number to report.
    """
    if len(measured) == 0 or not np.isfinite(predicted).all():
        raise ValueError("no rows" if len(measured) == 0 else "a predicted torque is not finite")
    error = predicted - measured
    return Errors(len(error), np.square(error).mean(0), np.abs(error).mean(0), measured.var(0))


@dataclass(frozen=True)
class Floor:
    """What no predictor can beat: the scatter of tau_est when the robot does the same thing twice [Nm]."""

    hip: float
    thigh: float
    calf: float

    @property
    def overall(self) -> float:
        """All joints together [Nm]."""
        return float(np.sqrt(np.mean(np.square([self.hip, self.thigh, self.calf]))))


def noise_floor(data: Series) -> Floor | None:
    """From segments that repeat an earlier one: std of the difference of tau_est over √2, pooled per kind.

    A segment that repeats `x` is called `x_repeat`. Both have the same independent noise, so their
    difference has √2 of it; a repeat is interpolated at the times of the original since its start.
    None when the recording holds no repeat.
    """
    differences = []
    for name in data.segments:
        if name.endswith("_repeat") and (original := name.removesuffix("_repeat")) in data.segments:
            first, second = (np.flatnonzero(data.segment == data.segments.index(x)) for x in (original, name))
            if min(len(first), len(second)) >= 2:
                differences.append(_difference(data, first, second))
    if not differences:
        return None
    variance = np.concatenate(differences).var(0) / 2.0
    return Floor(*(float(np.sqrt(variance[BY_KIND[kind]].mean())) for kind in KINDS))


def _difference(data: Series, first: np.ndarray, second: np.ndarray) -> Array:
    since, again = (data.time[rows] - data.time[rows[0]] for rows in (first, second))
    kept = since <= again[-1]
    return data.torque[first][kept] - at(again, data.torque[second], since[kept])
