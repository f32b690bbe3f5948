"""The 500 Hz loop against the loop that an SDK user writes, in the same run; run with -s to see the figures.

Both are judged from outside, alike: CPU time of the process, and spacing of its frames on rt/lowcmd by their own
source timestamps. Both answer every state of the same virtual Go2.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cyclonedds.qos import Policy, Qos

from collect import recording
from collect.link import LOWCMD, Inbox, Link
from collect.messages import LowCmd

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KP = 25.0
"""Of both loops, and of nobody else [Nm/rad]."""
SECONDS = 10.0
PERIOD = 2.0
"""Between two states [ms]."""
CONFIG = f"""
name: benchmark
segments:
  - {{name: a, kind: chirp, duration: {SECONDS + 4}, amplitude: [0.1], f0: 0.5, f1: [3], kp: [{KP}], kd: [0.5]}}
"""

pytestmark = pytest.mark.dds


@dataclass(frozen=True)
class Measured:
    """One loop, watched for a while."""

    cpu: float
    """Time on a processor per frame [ms]."""
    late: float
    """99th percentile of a frame's delay against 2 ms after the one before [ms]."""
    memory: tuple[float, ...]
    """Anonymous resident memory along the way [MB]."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_mb(pid: int) -> float:
    """RssAnon of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3


def watch(domain: int, pid: int) -> Measured:
    """Watch a process from its first stiff frame on."""
    link = Link("lo", domain)
    inbox = Inbox(link, LOWCMD, LowCmd, Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(1000)))

    def frames() -> list[int]:
        found = []
        while taken := inbox.take():
            found += [m.sample_info.source_timestamp for m in taken if (m.record["motor_cmd"]["kp"][:12] == KP).all()]
        return found

    deadline = time.monotonic() + 30.0
    while not frames():
        assert time.monotonic() < deadline, "the loop never moved"
        time.sleep(0.03)
    stamps, memory = [], []
    before, start = cpu_seconds(pid), time.monotonic()
    while time.monotonic() - start < SECONDS:
        stamps += frames()
        memory.append(anonymous_mb(pid))
        time.sleep(0.03)  # a watcher that wakes 30 times a second disturbs little
    spent = cpu_seconds(pid) - before
    spacing = np.diff(np.array(stamps)) * 1e-6
    assert len(stamps) > 0.8 * SECONDS * 500
    return Measured(1e3 * spent / len(stamps), float(np.percentile(spacing, 99)) - PERIOD, tuple(memory))


def test_the_loop_costs_no_more_than_a_bare_one(
    virtual_go2: Callable[..., object], domain: int, tmp_path: Path
) -> None:
    """Checks and log are paid for by a faster CRC and packing; no tick is missed, memory is small and flat."""
    virtual_go2()
    (tmp_path / "benchmark.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "collect", "run", str(tmp_path / "benchmark.yaml"), "--interface", "lo"]
    command += ["--domain", str(domain), "--out", str(tmp_path), "--session", "s"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as session:
        ours = watch(domain, session.pid)
        _, errors = session.communicate(timeout=60)
    assert session.returncode == 0, errors
    bare = subprocess.Popen(
        [sys.executable, str(HERE / "bare_loop.py"), str(domain)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        usual = watch(domain, bare.pid)
    finally:
        bare.kill()
        bare.wait()
    print(
        f"\nloop: ours {ours.cpu:.2f} ms CPU per tick, bare SDK {usual.cpu:.2f} ms, ratio {ours.cpu / usual.cpu:.2f}; "
        f"p99 lateness ours {ours.late:.2f} ms, bare {usual.late:.2f} ms, ratio {ours.late / usual.late:.2f}"
    )
    quarter = len(ours.memory) // 4
    first, last = max(ours.memory[:quarter]), max(ours.memory[-quarter:])
    print(f"memory: at most {max(ours.memory):.0f} MB anonymous, {last - first:+.2f} MB from first to last quarter")
    kept = recording.read(tmp_path / "s.h5")
    assert (np.diff(kept.tick.astype(int)) == PERIOD).all()
    assert json.loads(kept.attributes["statistics"])["missing"] == 0
    assert ours.cpu < usual.cpu
    assert ours.late < 2.0 * usual.late + 0.5  # a tail on a shared machine: a gross change shows, noise does not
    assert max(ours.memory) < 200.0
    assert last - first < 2.0  # 500 lost bytes a tick would be 2 MB in 8 s
