"""The longest session that a plan may be: every tick of it, and no memory that grows. `make faults` alone runs it.

Its mutants see two minutes of it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import place
import pytest
from conftest import JITTER, children, planned
from promises import FULL, VARIANTS, record

from collect import recording
from collect.channels import GAP

pytestmark = [
    pytest.mark.dds,
    pytest.mark.skipif(not VARIANTS, reason="ten minutes: make faults runs it"),
]

EACH, SETTLED = (145, 60.0) if FULL else (30, 30.0)
"""Length of each of four segments; memory is compared with that of this moment [s]."""
CONFIG = f"""
name: ten-minutes
rest: 0.3
segments:
  - {{name: a, kind: chirp, duration: {EACH}, amplitude: [0.1, 0.1, 0.15], f0: 0.3, f1: [5], kp: [25], kd: [.5]}}
  - {{name: b, kind: chirp, duration: {EACH}, amplitude: [0.15, 0.15, 0.2], f0: 0.3, f1: [4], kp: [25], kd: [1]}}
  - {{name: c, kind: staircase, duration: {EACH}, amplitude: [0.1], f0: 0.3, f1: [4], kp: [25], kd: [0.5]}}
  - {{name: a_repeat, kind: chirp, duration: {EACH}, amplitude: [0.1, 0.1, 0.15], f0: 0.3, f1: [5], kp: [25], kd: [.5]}}
"""
LEAK = 1e6
"""A loop that kept four bytes of each tick would be over it [B]."""


def test_ten_minutes_at_500_hz(domain, virtual_go2, tmp_path, record_property):
    """No tick missing, none invented; control and guard take no more memory at the end than after a minute."""
    measured = record(record_property, "T", "0 ticks missing, memory flat", "500 Hz for ten minutes on two cores")
    virtual_go2()
    plan = planned(tmp_path, CONFIG)
    session = place.begun([sys.executable, "-m", "collect", *place.session(plan, domain, tmp_path), *JITTER])
    began, settled, newest = time.monotonic(), 0.0, 0.0
    while session.poll() is None:
        time.sleep(2.0)
        pids = [session.pid, *children(session.pid)]
        if len(pids) == 2 and time.monotonic() - began > SETTLED:
            newest = sum(map(memory, pids)) or newest
            settled = settled or newest
    _, errors = session.communicate()
    assert session.returncode == 0, errors
    sealed = recording.read(tmp_path / "s.h5")
    statistics = json.loads(sealed.attributes["statistics"])
    assert statistics["missing"] == 0
    assert (np.diff(sealed.tick.astype(int)) == 2).all()
    assert not (sealed.flags & GAP).any()
    assert len(sealed) > 4 * EACH * 500
    assert newest - settled < LEAK
    grown, late = (newest - settled) / 1e6, statistics["late_max_ms"]
    words = f"0 of {len(sealed)} ticks missing, {grown:+.2f} MB, at worst {late:.1f} ms late"
    measured(words)


def memory(pid: int) -> float:
    """That is a process's own [B]; 0 of one that is just ending."""
    _, _, own = Path(f"/proc/{pid}/status").read_text().partition("RssAnon:")
    return float(own.split()[0]) * 1e3 if own else 0.0
