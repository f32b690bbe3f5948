"""Unitree's own C++ SDK (PyPI far-unitree-sdk, Cyclone DDS 0.10.2 inside) lives beside us and drives the virtual Go2.

It knows only domain 0, so every test has a network namespace of its own, in which only loopback exists.
"""

import json
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from inside import begin, ready
from namespaces import Namespace
from surveys import VIRTUAL, measured

from collect import recording
from collect.limits import DAMPING_KD
from collect.virtual import wire

pytest.importorskip("unitree_interface", reason="far-unitree-sdk is not installed: no genuine 0.10.2 peer")

pytestmark = pytest.mark.dds

LISTENING = 3.0
"""How long the peer lives beside us from its first valid state on [s]."""
PEER = """
import ctypes, json, os, select, sys, time
ours = os.fdopen(os.dup(1), "w")
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)  # the SDK fills a pipe with a line every 2 ms
os.dup2(1, 2)
import unitree_interface
robot = unitree_interface.UnitreeInterface.create_go2("lo")
print("ready", file=ours, flush=True)
command = robot.create_zero_command()
command.q_target, command.kp, command.kd = [0.1 * i for i in range(12)], [5.0] * 12, [1.0] * 12
states, last, commanding = 0, None, False
while True:
    if select.select([sys.stdin], [], [], 0.0005)[0]:
        if not sys.stdin.readline():
            break
        commanding = True
    if commanding:
        robot.write_low_command(command)
    state = robot.read_low_state()
    if any(state.motor.q) and state.motor.q != last:  # no two states are alike to the last digit
        states, last = states + 1, state.motor.q
        if states == 1:
            print("hears", file=ours, flush=True)
print(json.dumps({
    "states": states, "q": state.motor.q, "dq": state.motor.dq, "tau_est": state.motor.tau_est,
    "temperature": state.motor.temperature, "quaternion": state.imu.quat, "accelerometer": state.imu.accel,
    "rpy": state.imu.rpy, "command_kd": robot.read_incoming_command().kd,
}), file=ours, flush=True)
ctypes.CDLL(None).fflush(None)
os._exit(0)  # the SDK's own way out sometimes aborts: its threads outlive what they use
"""
BAD_CRC = """
import time
import numpy as np
from collect.link import LOWSTATE, Link
from collect.messages import LowState, crc32
link, state = Link("lo", 0), LowState(np.zeros((), LowState.LAYOUT))
writer = link.writer(LOWSTATE, LowState)
state.record["motor_state"]["q"] = 0.1
state.record["crc"] = crc32(state.record) ^ 1
print("ready", flush=True)
while True:
    writer.write(state)
    time.sleep(0.002)
"""
UNMODIFIED = """
import time
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowCmd_
from collect.link import LOWCMD, Link
link = Link("lo", 0)
reader = link.reader(LOWCMD, LowCmd_)
print("ready", flush=True)
time.sleep(60)
"""
RELEASE = """
from collect.link import Link
from collect.switcher import MotionSwitcher
print(MotionSwitcher(Link("lo", 0), "the test").release().released)
"""


@pytest.fixture
def namespace():
    """A namespace of the test's own."""
    with Namespace() as space:
        yield space


class Peer:
    """The C++ client in a namespace: alive and listening; it commands when told to."""

    def __init__(self, namespace: Namespace, log) -> None:
        self._log = log
        self.process = ready(namespace.python("-c", PEER, log))

    def hears(self) -> None:
        """Wait for its first valid state."""
        assert self.process.stdout.readline() == "hears\n", self.said()

    def command(self) -> None:
        """Have it command from now on."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def leave(self) -> dict:
        """End it, which it must have lived to see; returns what it has heard."""
        output, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, self.said()
        return json.loads(output.splitlines()[-1])

    def said(self) -> str:
        """What the SDK has printed."""
        return self._log.read_text()


@pytest.fixture
def log(tmp_path):
    """Where the SDK prints to."""
    return tmp_path / "sdk.log"


def start_robot(namespace: Namespace, *arguments: object) -> subprocess.Popen[str]:
    """A virtual Go2 in the only domain that the C++ client knows."""
    return ready(namespace.python("-m", "collect", "robot", "--domain", 0, *arguments))


def start_session(namespace: Namespace, plan, out) -> subprocess.Popen[str]:
    """A session of ours in the same domain, in which a robot's own programs may be: as with a robot."""
    return begin(namespace, plan, out, "lo", 0, measured(robot=VIRTUAL))


def test_it_hears_and_commands_the_virtual_go2(namespace, tmp_path, log):
    """Live beside it for seconds, take its states at their rate, have its commands obeyed: CRCs valid both ways."""
    robot = start_robot(namespace, "--truth", tmp_path / "truth.h5")
    release = namespace.python("-c", RELEASE)
    assert release.communicate(timeout=60)[0] == "normal\n"
    peer = Peer(namespace, log)
    peer.command()
    peer.hears()
    time.sleep(LISTENING)
    state = peer.leave()
    assert "CRC Error" not in peer.said()
    robot.send_signal(signal.SIGTERM)
    assert robot.wait(10) == 0
    with h5py.File(tmp_path / "truth.h5") as file:
        rows = file["rows"][()]

    commanded = np.flatnonzero(np.isclose(rows["target_received"], 0.1 * np.arange(12)).all(axis=1))
    sent = rows[commanded[0] : commanded[-1] + 1]
    assert len(commanded) > 0.9 * len(sent)
    assert int(rows["commands"][-1] - rows["commands"][commanded[0]]) > 500
    assert len(sent) > 0.6 * 500.0 * LISTENING
    assert 0.6 < state["states"] / len(sent) < 1.1
    check(state)
    assert state["q"] == pytest.approx(sent["q"][-1], abs=0.01)


def check(state: dict) -> None:
    """Assert that every value is one a hung Go2 may report."""
    assert np.abs(state["dq"]).max() < 5.0
    assert 0.1 < np.abs(state["tau_est"]).max() < 10.0
    assert all(30 <= temperature < 90 for temperature in state["temperature"])
    assert state["accelerometer"] == pytest.approx([0.0, 0.0, 9.81], abs=0.01)
    assert np.linalg.norm(state["quaternion"]) == pytest.approx(1.0, abs=1e-6)
    assert state["rpy"] == pytest.approx([0.0, 0.0, 0.0], abs=0.01)


def test_a_session_beside_it_is_complete(namespace, short_plan, tmp_path, log):
    """It listens only: it outlives all that we announce, hears the robot and us, and the session misses nothing."""
    start_robot(namespace)
    peer = Peer(namespace, log)
    session = start_session(namespace, short_plan, tmp_path)
    output, _ = session.communicate(timeout=60)
    heard = peer.leave()
    assert session.returncode == 0, output
    recorded = recording.read(tmp_path / "s.h5")
    assert recorded.attributes["state"] == "complete"
    assert json.loads(recorded.attributes["statistics"])["missing"] == 0
    assert "CRC Error" not in peer.said()
    assert heard["states"] > 0.6 * len(recorded)
    assert heard["command_kd"] == [DAMPING_KD] * 12  # of our last frame


def test_its_commands_stop_a_session(namespace, short_plan, tmp_path, log):
    """Silent when the session begins, so that we know its writer and bear it; its first commands end the session."""
    start_robot(namespace, "--wire", tmp_path / "wire")
    peer = Peer(namespace, log)
    peer.hears()
    session = start_session(namespace, short_plan, tmp_path)
    while (wire.read(tmp_path / "wire")["kp"] == 25.0).all(axis=1).sum() < 500:
        assert session.poll() is None, session.communicate()[0]
        time.sleep(0.05)
    peer.command()
    output, _ = session.communicate(timeout=60)
    peer.leave()
    assert session.returncode in (3, 6), output  # it may move the legs while we damp
    assert "STOP L11 " in output
    frames = wire.read(tmp_path / "wire")
    stiff = (frames["kp"] == 25.0).all(axis=1)
    ours = frames[frames["writer"] == frames["writer"][stiff][0]]
    last = np.flatnonzero(ours["kp"].any(axis=1))[-1]
    theirs = frames[(frames["kp"] == 5.0).all(axis=1)]
    assert ours["heard"][last] - theirs["heard"][0] < 0.015
    assert len(ours) - last > 400  # a second of damping against it
    assert (ours["kd"][last + 1 :] == DAMPING_KD).all()


def test_it_checks_the_crc(namespace, log):
    """Hear nothing but CRC errors from one who sends wrong ones: what the client accepts, it has checked."""
    ready(namespace.python("-c", BAD_CRC))
    peer = Peer(namespace, log)
    time.sleep(2.0)
    assert peer.leave()["states"] == 0
    assert "low_state CRC Error (GO2)" in peer.said()


def test_it_dies_of_the_sdks_own_types(namespace, log):
    """Crash beside a reader of LowCmd as the SDK ships it, with uint8: so the tests above can fail."""
    ready(namespace.python("-c", UNMODIFIED))
    peer = namespace.python("-c", PEER, log)
    assert peer.wait(20) == -signal.SIGSEGV, log.read_text()
