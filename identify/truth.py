"""What the virtual Go2 hid, for the last table of a report: how near the predictors come to the motors themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from collect.errors import UserError
from collect.joints import BY_KIND, KINDS
from identify.baselines import NAMES as BASELINES
from identify.features import Array
from identify.trial import Trial


@dataclass(frozen=True)
class Recovered:
    """One predictor, or the sensor itself, against the true torque of the motors."""

    name: str
    """`mlp`, `delayed_pd`, …; `tau_est` for the sensor."""
    rmse: tuple[float, float, float]
    """Hip, thigh, calf, on the rows that were judged [Nm]."""


@dataclass(frozen=True)
class Truth:
    """The last table."""

    rows: tuple[Recovered, ...]
    delay: tuple[float, float]
    """Fitted of `delayed_pd`, and the hidden one with the lag of the current loop, mean of twelve joints [s]."""


def against(trials: Sequence[Trial], path: Path) -> Truth | None:
    """Hold the trials on one recording against a virtual Go2's truth file; None where no torque was judged.

    Raises:
        UserError: when it is no truth file, or of another session than the recording.
    """
    judged = [one for one in trials if one.torque]
    if not judged:
        return None
    recording = judged[0].recording
    try:
        with h5py.File(path, "r") as file:
            rows = file["rows"][()]
            delay, bandwidth = (np.array(file.attrs[name], float) for name in ("delay", "bandwidth"))
            ticks, torque = rows["tick"], np.asarray(rows["tau_motor"], float)
    except (OSError, KeyError, ValueError, IndexError) as error:
        fix = "give the file that `collect robot --truth` wrote"
        raise UserError("not the truth of a virtual Go2", where=str(path), fix=fix) from error
    seen = np.zeros(0, np.uint32) if recording.tick is None else recording.tick
    at = np.searchsorted(ticks, seen).clip(0, max(len(ticks) - 1, 0))
    if min(len(ticks), len(seen)) == 0 or not np.array_equal(ticks[at], seen):
        fix = "give the truth of the virtual Go2 that was recorded"
        raise UserError(f"this is not the truth of {recording.session}", where=str(path), fix=fix)
    hidden = float(np.mean(delay + 1.0 / (2.0 * np.pi * bandwidth)))  # a first-order lag delays by its time constant
    return Truth(tuple(_recovered(judged, torque[at])), (judged[0].run.baselines.delay, hidden))


def _recovered(trials: Sequence[Trial], true: Array) -> Iterator[Recovered]:
    """Baselines of the first trial, the net of each, the sensor."""
    for one, names in ((trials[0], BASELINES), *((one, (one.run.kind,)) for one in trials)):
        assert one.torque is not None  # see `against`
        for name in names:
            yield Recovered(name, _rmse(one.torque.predicted[name], true, one.torque.counted))
    if trials[0].torque is not None:
        yield Recovered("tau_est", _rmse(trials[0].recording.tau_est.astype(float), true, trials[0].torque.counted))


def _rmse(torque: Array, true: Array, counted: np.ndarray) -> tuple[float, float, float]:
    error = np.square((torque - true)[counted]).mean(0)
    hip, thigh, calf = (float(np.sqrt(error[BY_KIND[kind]].mean())) for kind in KINDS)
    return hip, thigh, calf
