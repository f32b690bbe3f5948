"""A session over real DDS: recorded as it happened, and stopped as it must be."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import h5py
import numpy as np
import place
import pytest
from conftest import JITTER, children, planned, verb
from held_up import held_up

from collect import plan as plan_file
from collect import recording, sealing
from collect.channels import GAP
from collect.link import LOWCMD, Inbox, Link, Place
from collect.messages import LowCmd
from collect.safety import IN_MOTION

pytestmark = [pytest.mark.dds, held_up(also=("not seen in", "paired"))]

CONFIG = """
name: short
rest: 0.2
segments:
  - {name: a, kind: chirp, duration: 2, amplitude: [0.1, 0.1, 0.15], f0: 0.5, f1: [5], kp: [25], kd: [0.5]}
  - {name: stairs, kind: staircase, duration: 1.5, amplitude: [0.1], f0: 0.5, f1: [4], kp: [40], kd: [2]}
  - {name: a_repeat, kind: chirp, duration: 2, amplitude: [0.1, 0.1, 0.15], f0: 0.5, f1: [5], kp: [25], kd: [0.5]}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Path:
    """A plan of six seconds."""
    return planned(tmp_path_factory.mktemp("plan"), CONFIG)


def start_run(plan: Path, domain: int, out: Path) -> subprocess.Popen[str]:
    """A session in the background, its live line readable."""
    return place.begun([sys.executable, "-m", "collect", *place.session(plan, domain, out), *JITTER])


class Wire:
    """A third participant that sees what is on rt/lowcmd."""

    def __init__(self, domain: int) -> None:
        self._link = Link(place.INTERFACE, domain)
        self._inbox = Inbox(self._link, LOWCMD, LowCmd)

    def until(self, wanted, timeout: float):
        """Frames until one satisfies `wanted`."""
        seen = []
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for message in self._inbox.take(0.05):
                seen.append(message.record)
                if wanted(seen[-1]):
                    return seen
        raise AssertionError(f"not seen in {len(seen)} frames")


def is_stiff(frame) -> bool:
    """A gain of the plan's; the sport mode's is another."""
    return bool(np.isin(frame["motor_cmd"]["kp"][:12], (25.0, 40.0)).all())


def test_the_recording_is_what_the_robot_did(plan, domain, virtual_go2, tmp_path, record_property):
    """Row by row against the truth: no tick missing or twice, the motion within the sensors' steps, and the command
    in force the one the robot had received when it sampled."""
    note = {"promise": "D4", "what": "the command in force, row by row against the truth", "bound": "97 % of the rows"}
    for name, words in note.items():
        record_property(name, words)
    robot = virtual_go2("--truth", str(tmp_path / "truth.h5"))
    done = verb("collect", *place.session(plan, domain, tmp_path), *JITTER, typed=place.OPERATOR)
    assert done.returncode == 0, done.stderr
    assert "'normal' released" in done.stderr
    robot.send_signal(signal.SIGTERM)
    robot.wait(10)
    session = recording.read(tmp_path / "s.h5")
    with h5py.File(tmp_path / "truth.h5") as file:
        truth, offset = file["rows"][()], np.array(file.attrs["encoder_offset"])

    assert (np.diff(session.tick.astype(int)) == 2).all()
    assert not (session.flags & GAP).any()
    assert not session.missing
    assert session.attributes["state"] == "complete"
    assert json.loads(session.attributes["statistics"])["missing"] == 0
    assert_provenance(session.attributes, plan_file.load(plan), str(Place(place.INTERFACE, domain)), session.q[0])

    truth = truth[np.searchsorted(truth["tick"], session.tick)]
    assert (truth["tick"] == session.tick).all()
    assert np.abs(session.q - truth["q"] - offset).max() < 2e-4
    assert np.abs(session.dq - truth["dq"]).max() < 0.05
    assert np.sqrt(np.mean((session.tau_est - truth["tau_motor"]) ** 2)) < 0.1
    assert np.std(truth["tau_resistance"]) > 0.1  # friction there is, and tau_est does not show it

    def paired(shift: int) -> float:
        rows = slice(20, len(session) - 20)
        received = np.roll(truth["target_received"], shift, axis=0)
        return float(np.isclose(session.q_target[rows], received[rows], atol=1e-6).all(axis=1).mean())

    record_property("measured", f"{paired(0):.2%} of the rows")
    assert paired(0) > 0.97
    assert paired(1) < 0.3 > paired(-1)

    names = [name.decode() for name in session.segments["name"]]
    assert names == ["a", "stairs", "a_repeat"]
    for number, row in enumerate(session.segments):
        assert (session.segment[row["start"] : row["stop"]] == number).all()
        assert abs(int(row["stop"] - row["start"]) - [1000, 750, 1000][number]) <= 2
    assert (session.kp[session.segment == 1] == 40.0).mean() > 0.99
    assert not session.dq_target.any()
    assert not session.tau_ff.any()
    assert not list(tmp_path.glob("*.journal"))


def assert_provenance(attributes, plan, where: str, posture) -> None:
    """What was moved, how, by what and when; a year later nobody remembers."""
    nobody = "serial number 00000000-00000000, firmware 00000000-00000000"  # is what the virtual Go2 says it is
    assert attributes["robot"] == f"Go2 on {where}, {nobody}"
    assert attributes["plan_sha256"] == plan.sha256
    assert attributes["config"] == plan.config
    assert attributes["mount"] == "hung"
    assert attributes["released"] == "normal"
    assert abs((datetime.now(timezone.utc) - datetime.fromisoformat(attributes["created"])).total_seconds()) < 60.0
    assert np.abs(np.subtract(attributes["posture"], posture)).max() < 0.05  # it hangs damped and sinks a little
    assert json.loads(attributes["versions"]) == sealing.versions()
    assert json.loads(attributes["checks"]) == [f"{check.code}: {check.trigger}" for check in IN_MOTION]
    assert attributes["stop_code"] == attributes["stop_reason"] == ""
    assert attributes["realtime"] in (True, False)
    assert 0.0 <= attributes["self_test_late_ms"] <= attributes["accepted_late_ms"] == 15.0
    statistics = json.loads(attributes["statistics"])
    assert statistics["interval_mean_ms"] == pytest.approx(2.0, abs=0.01)
    assert {"interval_std_ms", "interval_max_ms", "late_p50_ms", "late_p99_ms", "late_max_ms"} <= set(statistics)


def test_rows_are_paired_right_again_after_the_robots_clock_was_held_up(plan, domain, virtual_go2, tmp_path):
    """A simulator's host stands still for some ms; from then on its clock is late against ours by as much."""
    robot = virtual_go2("--truth", str(tmp_path / "truth.h5"))
    wire = Wire(domain)
    session = start_run(plan, domain, tmp_path)
    wire.until(is_stiff, 20.0)
    for _ in range(2):
        os.kill(robot.pid, signal.SIGSTOP)
        time.sleep(0.009)
        os.kill(robot.pid, signal.SIGCONT)
        time.sleep(0.1)
    _, errors = session.communicate(timeout=60)
    assert session.returncode == 0, errors
    robot.send_signal(signal.SIGTERM)
    robot.wait(10)
    recorded = recording.read(tmp_path / "s.h5")
    with h5py.File(tmp_path / "truth.h5") as file:
        truth = file["rows"][()]
    truth = truth[np.searchsorted(truth["tick"], recorded.tick)]
    moving = slice(len(recorded) // 2, -20)
    same = np.isclose(recorded.q_target, truth["target_received"], atol=1e-6).all(axis=1)
    assert same[moving].mean() > 0.97, f"{same[moving].mean():.3f} of the rows are paired right"


def test_the_loop_goes_before_everything_that_can_wait(short_plan, domain, virtual_go2, tmp_path):
    """Its threads and DDS's are scheduled in real time where the system allows it, and the recording says so."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("no right to real-time scheduling")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    virtual_go2()
    wire = Wire(domain)
    session = start_run(short_plan, domain, tmp_path)
    wire.until(is_stiff, 20.0)
    policies = {
        process: [os.sched_getscheduler(int(path.name)) for path in Path(f"/proc/{process}/task").iterdir()]
        for process in (session.pid, *children(session.pid))
    }
    _, errors = session.communicate(timeout=60)
    assert session.returncode == 0, errors
    assert len(policies) == 2  # guard and control
    assert all(threads.count(os.SCHED_FIFO) > 3 for threads in policies.values())
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert recording.read(tmp_path / "s.h5").attributes["realtime"]


def test_an_existing_recording_is_not_overwritten(plan, domain, virtual_go2, tmp_path):
    """Refused before the robot is even looked for."""
    (tmp_path / "s.h5").write_bytes(b"precious")
    done = verb("collect", *place.session(plan, domain, tmp_path))
    assert done.returncode == 2
    assert "never overwritten" in done.stderr
    assert (tmp_path / "s.h5").read_bytes() == b"precious"
