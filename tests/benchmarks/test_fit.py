"""`identify fit` against the length of the log; run with -s to see the figures."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig import chirp, rigged
from synthetic import RATE

from identify.parametric import fit

# A busy machine may spoil one measurement; it does not spoil three.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]


def test_a_fit_takes_at_most_1_2_times_the_log_on_one_core() -> None:
    """Two minutes for 100 s: processor time, which is what a busy machine leaves alone, to the log's duration."""
    seconds = np.arange(int(12.0 * RATE)) / RATE
    recordings = [
        rigged("soft", chirp(seconds, 0.3, 6.0), kp=25.0, kd=0.5),
        rigged("damped", chirp(seconds, 0.3, 7.0), kp=40.0, kd=2.0),
    ]
    wall, processor = time.perf_counter(), time.process_time()
    fit(recordings)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"\nfit of twelve joints on 24 s: {wall:.1f} s, {processor:.1f} s of processor, ratio {processor / 24.0:.2f}")
    assert processor < 1.2 * 24.0
