"""Does a net stay where it belongs? Minutes of unseen commands: a recording's, forth and back without a jump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from collect.joints import LOWER, N_JOINTS, UPPER
from collect.recording import Recording
from identify.dataset import kd_in_force, sent
from identify.drive import Start, drive
from identify.features import Array
from identify.laws import Commands
from identify.replay import Predictor, chosen
from identify.runs import Run

_GRID = 0.01
"""A pass forth and back takes a multiple of this [s], so that every pass meets a net at the same turn of its step."""


@dataclass(frozen=True)
class Endurance:
    """What became of a long replay."""

    predictor: str
    """Its name."""
    recording: str
    """Whose commands they were."""
    seconds: float
    """How long it was [s]."""
    passes: int
    """How often the commands were gone through forward."""
    drift: float
    """Difference between the second pass forward and the last, rms of all joints [mrad]; the first began elsewhere."""
    beyond: float
    """The furthest that a joint left its range [rad]; 0 when none did."""

    @property
    def stable(self) -> bool:
        """Whether it goes through the same motion to the end, within a milliradian, and within its range."""
        return bool(self.drift < 1.0 and self.beyond <= 0.0)

    @property
    def in_words(self) -> str:
        """For people."""
        left = f"a joint left its range by {self.beyond:.2f} rad" if self.beyond > 0.0 else "no joint left its range"
        verdict = "stable" if self.stable else "not stable"
        what = f"{self.predictor}, {self.seconds:.0f} s of {self.recording}'s commands"
        last = f"the last of {self.passes} passes is {self.drift:.2g} mrad (rms) from the second"
        return f"{what}: {verdict}; {last}, {left}"


def endure(runs: list[Run], recording: Recording, predictor: Predictor, seconds: float) -> Endurance:
    """Replay the first chosen stretch of a recording forth and back for at least so long.

    Args:
        runs: which must not have seen it.
        recording: whose commands are used.
        predictor: what moves the body.
        seconds: at least so long, and three passes forward.
    """
    rows = chosen(runs, recording)[0][0]
    time = recording.clock[rows] - recording.clock[rows.start]
    once = np.arange(0.0, time[-1], predictor.physics)
    passes = max(3, int(np.ceil(0.5 * (seconds / once[-1] + 1.0))))
    told = (recording.q_target.astype(float), recording.kp.astype(float), kd_in_force(recording))
    q_target, kp, kd = (forth_and_back(values[rows]) for values in told)
    whole = np.concatenate([time, 2.0 * time[-1] - time[-2:0:-1]])  # the turning rows once
    grid = max([_GRID, *(run.features.target_hold for run in runs)])
    period = grid * np.ceil(2.0 * time[-1] / grid - 1e-9)
    stamps = (whole + period * np.arange(passes)[:, None]).ravel()
    steps = np.arange(0.0, period * (passes - 1) + once[-1], predictor.physics)
    q_target, kp, kd = (np.tile(values, (passes, 1)) for values in (q_target, kp, kd))
    earlier = float(np.median((recording.clock - sent(recording))[rows]))  # the same on the way back
    commands = Commands(stamps, q_target, kp, kd, steps, stamps - earlier)
    start = Start(commands, recording.q[rows.start].astype(float), np.zeros(N_JOINTS))
    ((_, q),) = drive([start], predictor.make, predictor.beside)
    first = [round(period * k / predictor.physics) for k in (1, passes - 1)]
    count = len(q) - first[1]
    second, last = (q[at : at + count] for at in first)
    beyond = float(np.maximum(LOWER - q, q - UPPER).max())
    return Endurance(
        predictor=predictor.name,
        recording=recording.session,
        seconds=float(steps[-1]),
        passes=passes,
        drift=1e3 * float(np.sqrt(np.square(last - second).mean())),
        beyond=max(0.0, beyond),
    )


def forth_and_back(values: Array) -> Array:
    """Rows (N, 12) forth and back, the turning rows once, so that it may be repeated without a jump: (2N − 2, 12)."""
    return np.concatenate([values, values[-2:0:-1]])
