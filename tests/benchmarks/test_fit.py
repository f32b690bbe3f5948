"""`identify fit` against what an optimiser without its means would do; run with -s to see the figures.

The baseline is a replay of the same log by MuJoCo, twelve joints at once. Slopes of the motion by finite differences
take one for each parameter of each joint, at every step of an optimiser.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig import chirp, rigged
from synthetic import RATE

from collect.joints import N_JOINTS
from identify import replay
from identify.parametric import fit
from identify.shooting import FIELDS

# A busy machine may spoil one measurement; it does not spoil three.
pytestmark = [pytest.mark.timed, pytest.mark.long, pytest.mark.flaky(reruns=2, only_rerun=["(?i)assert"])]

SECONDS = 50.0
"""Of each of the two recordings: together the 100 s that twelve joints are to be fitted on within two minutes."""


def processor() -> float:
    """Of this process and of those that it has waited for [s]: what a busy machine leaves alone."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def test_a_fit_takes_less_than_the_slopes_of_one_step_by_finite_differences() -> None:
    seconds = np.arange(int(SECONDS * RATE)) / RATE
    recordings = [
        rigged("soft", chirp(seconds, 0.3, 6.0), kp=25.0, kd=0.5),
        rigged("damped", chirp(seconds, 0.3, 7.0), kp=40.0, kd=2.0),
    ]
    wall, began = time.perf_counter(), processor()
    fitted = fit(recordings)
    wall, spent = time.perf_counter() - wall, processor() - began
    began = processor()
    assert all(replay.replay([], recordings, fitted))
    slopes = (processor() - began) * N_JOINTS * len(FIELDS)
    measured = f"{wall:.1f} s, {spent:.1f} s of processor; slopes {slopes:.0f} s"
    print(f"\nfit of twelve joints on {2 * SECONDS:.0f} s: {measured}")
    assert spent < slopes
