"""A session over a network cable: the robot and our computer are two hosts that share nothing but it."""

import json
import subprocess
import time

import numpy as np
import pytest
from inside import begin, ready
from namespaces import Cable, Namespace
from place import COMPUTER, ROBOT
from surveys import VIRTUAL, measured

from collect import recording
from collect.acceptance import Identity
from collect.joints import LOWER, UPPER
from collect.limits import DAMPING_KD
from collect.virtual import wire

pytestmark = pytest.mark.dds

OUT = 0.8
"""The kernel forgets the robot's hardware address when the carrier goes and asks for it once a second: commands are
heard again 1 s after the cable was pulled at the earliest, and the session must still be damping then [s]."""
SPORT_KP = 30.0
"""Of the virtual Go2's own motion program."""
DAMPED = 0.085
"""By when the robot's own guard has damped: 55 ms and what a busy machine is granted [s]."""
DOMAIN = 1
"""The virtual Go2 refuses the real robots' domain, 0, on a network."""


@pytest.fixture
def computer():
    """Ours."""
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def robot(computer):
    """The robot's own computer."""
    with Namespace(beside=computer) as namespace:
        yield namespace


@pytest.fixture
def cable(computer, robot):
    return Cable(computer, robot)


@pytest.fixture
def frames(cable, robot, tmp_path):
    """The virtual Go2 on its end of the cable; gives what it has received so far."""
    heard = tmp_path / "wire"
    ready(robot.python("-m", "collect", "robot", "--interface", ROBOT, "--domain", DOMAIN, "--wire", heard))
    return lambda: wire.read(heard)


def start_session(computer: Namespace, plan, out, stops=((), ()), robot=VIRTUAL) -> subprocess.Popen[str]:
    """Begin one at our end, with the acceptance of a robot and an operator who says that it hangs."""
    return begin(computer, plan, out, COMPUTER, DOMAIN, measured(robot=robot).with_results([], *stops))


def test_a_robot_that_was_not_measured_is_refused(short_plan, computer, frames, tmp_path):
    """Before anybody is asked whether it hangs."""
    where = ["--interface", COMPUTER, "--domain", DOMAIN, "--out", tmp_path, "--session", "s"]
    session = computer.python("-m", "collect", "run", short_plan, *where, "--acceptance", tmp_path / "absent.yaml")
    output, _ = session.communicate(timeout=60)
    assert session.returncode == 2, output
    assert "P17 this robot has no acceptance measurements" in output
    assert "HANGING" not in output


def test_a_robot_whose_firmware_has_changed_is_refused(short_plan, computer, frames, tmp_path):
    """What was measured holds for one firmware: nothing at all is sent to another, and nothing recorded."""
    session = start_session(computer, short_plan, tmp_path, robot=Identity((0, 0), (1, 2)))
    output, _ = session.communicate(timeout=60)
    assert session.returncode == 2, output
    assert "P17 measured before the firmware changed" in output
    assert (frames()["kp"] == SPORT_KP).all()  # its own motion program goes on
    assert [path.name for path in tmp_path.glob("s.*")] == []


def test_a_simulator_on_a_network_must_hang_too(short_plan, computer, cable, tmp_path):
    """Somebody may have called a robot so: whoever it is, the operator is asked."""
    where = ["--interface", COMPUTER, "--domain", DOMAIN, "--out", tmp_path, "--session", "s"]
    session = computer.python("-m", "collect", "run", short_plan, *where, "--peer", "simulator")
    output, _ = session.communicate("no\n", timeout=60)
    assert session.returncode == 2, output
    assert "P10 nobody confirmed that the robot hangs" in output


def test_a_session_is_complete(short_plan, computer, frames, tmp_path):
    """Found by multicast, released, moved and sealed, with no tick missing."""
    session = start_session(computer, short_plan, tmp_path)
    output, _ = session.communicate(timeout=60)
    assert session.returncode == 0, output
    assert "'normal' released" in output
    recorded = recording.read(tmp_path / "s.h5")
    assert recorded.attributes["state"] == "complete"
    assert json.loads(recorded.attributes["statistics"])["missing"] == 0
    assert (np.diff(recorded.tick.astype(int)) == 2).all()
    assert (frames()["valid"] == 1).all()


@pytest.mark.parametrize(
    ("low", "high", "code", "ends"), [(-1.0, -0.4, "P8 FR_hip", 2), (-0.12, 1.0, "STOP L6 FR_hip", 3)]
)
def test_measured_stops_are_kept(low, high, code, ends, short_plan, computer, frames, tmp_path):
    """A hip that is beyond them is not moved; one that comes near them as it swings by .1 rad about 0 is stopped."""
    lower, upper = LOWER.copy(), UPPER.copy()
    lower[0], upper[0] = low, high
    session = start_session(computer, short_plan, tmp_path, (tuple(lower.tolist()), tuple(upper.tolist())))
    output, _ = session.communicate(timeout=60)
    assert session.returncode == ends, output
    assert code in output


def test_nothing_stiff_follows_when_the_cable_was_out(short_plan, computer, robot, cable, frames, tmp_path):
    """Out for a moment in the middle of the motion: the guard on the robot's own computer damps at once; the session
    stops by itself, and when it is heard again it damps as well."""
    guard = robot.python("-m", "collect", "guard", "--interface", ROBOT, "--domain", DOMAIN)
    session = start_session(computer, short_plan, tmp_path)
    ready(guard)
    while (frames()["kp"] == 25.0).all(axis=1).sum() < 500:
        assert session.poll() is None, session.communicate()[0]
        time.sleep(0.05)
    cable.pull()
    time.sleep(OUT)
    out = frames()
    cable.plug()
    output, _ = session.communicate(timeout=60)
    assert session.returncode == 3, output
    assert "STOP L1 no robot state" in output
    assert "The robot is still" in output
    assert recording.read(tmp_path / "s.h5").attributes["stop_code"] == "L1"
    last = np.flatnonzero(out["kp"].any(axis=1))[-1]
    left = out[last + 1 :]
    assert len(left) > 0.8 * (OUT - DAMPED) / 0.002
    assert left["heard"][0] - out["heard"][last] < DAMPED
    assert left["writer"][0] != out["writer"][last]
    after = frames()[last + 1 :]
    assert (after["writer"] == out["writer"][last]).sum() > 50
    assert (after["valid"] == 1).all()
    assert not after["kp"].any()
    assert (after["kd"] == DAMPING_KD).all()
    guard.terminate()
    said, _ = guard.communicate(timeout=10)
    assert "GUARD: no command for" in said
    assert "stiff commands again" not in said
