"""How much of a log lies above half the rate at which a simulator calls a net: it folds down into slow motion.

Measured as the share of a signal's power, by Welch's method over unbroken pieces of half a second, a stretch's mean
taken off. Of a smooth chirp it is the sensors' noise; the steps of a policy's targets are there too, and are no noise.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import welch

from collect.joints import BY_KIND, KINDS, N_JOINTS
from collect.recording import Recording
from identify.dataset import kd_in_force, stretches
from identify.features import Array

LIMIT = 0.05
"""Share above which it is said [1]. In an input it makes fitted slopes as much too small (errors in variables), in the
torque it is what no net of such inputs can know. Real logs at 5 ms: kp·e to .019 (a policy's steps; of chirps .0001),
kd·dq to .006, torque to .032 in the chirp that asks for least of it (katari16, ORL)."""
_PIECE = 0.5
"""Length of a piece [s]: frequencies 2 Hz apart."""


def above(recording: Recording, step: float) -> Mapping[str, tuple[float, ...]]:
    """The share of kp·e, kd·dq and torque above half the rate of a net that is called every `step` [s].

    Returns:
        By signal: of hip, thigh and calf [1]; NaN where it is not recorded, no stretch is half a second long, or the
        log's own rows are no denser than the calls.
    """
    q, dq = recording.q.astype(np.float64), recording.dq.astype(np.float64)
    error = recording.kp * (recording.q_target.astype(np.float64) - q)
    signals = {"kp·e": error, "kd·dq": kd_in_force(recording) * dq, "torque": recording.tau_est.astype(np.float64)}
    return {name: _share(recording, values, 0.5 / step) for name, values in signals.items()}


def _share(recording: Recording, values: Array, edge: float) -> tuple[float, ...]:
    """Of the power of one signal (N, 12), what lies above a frequency [Hz], by kind of joint."""
    length = round(_PIECE * recording.rate)
    frequency = np.arange(length // 2 + 1) * recording.rate / length
    high, power = frequency > edge, np.zeros((len(frequency), N_JOINTS))
    for rows in stretches(recording):
        if rows.stop - rows.start >= length:
            moved = values[rows] - values[rows].mean(0)
            found = welch(moved, fs=recording.rate, nperseg=length, detrend=False, axis=0)[1]
            power += found * (rows.stop - rows.start)
    if not high.any() or not power.any():
        return (float("nan"),) * len(KINDS)
    return tuple(float(power[high][:, joints].sum() / power[:, joints].sum()) for joints in BY_KIND.values())
