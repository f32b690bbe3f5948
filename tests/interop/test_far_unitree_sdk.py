"""Unitree's own C++ SDK (PyPI far-unitree-sdk, Cyclone DDS 0.10.2 inside) lives beside us and drives the virtual Go2.

It knows only domain 0, so every test has a network namespace of its own, in which only loopback exists.
"""

import json
import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import ROOT

pytest.importorskip("unitree_interface", reason="far-unitree-sdk is not installed: no genuine 0.10.2 peer")

pytestmark = pytest.mark.dds

LISTENING = 3.0
"""How long the peer lives beside us from its first valid state on [s]."""
PEER = """
import ctypes, json, os, sys, time, unitree_interface
patience, seconds = float(sys.argv[1]), float(sys.argv[2])
robot = unitree_interface.UnitreeInterface.create_go2("lo")
command = robot.create_zero_command()
command.q_target, command.kp, command.kd = [0.1 * i for i in range(12)], [5.0] * 12, [1.0] * 12
states, last, deadline = 0, None, time.monotonic() + patience
while time.monotonic() < deadline:
    robot.write_low_command(command)
    state = robot.read_low_state()
    if any(state.motor.q) and state.motor.q != last:  # no two states are alike to the last digit
        states, last = states + 1, state.motor.q
        deadline = time.monotonic() + seconds if states == 1 else deadline
    time.sleep(0.0005)
print("", json.dumps({
    "states": states, "q": state.motor.q, "dq": state.motor.dq,
    "tau_est": state.motor.tau_est, "temperature": state.motor.temperature, "quaternion": state.imu.quat,
    "accelerometer": state.imu.accel, "rpy": state.imu.rpy,
}), sep="\\n", flush=True)
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


class Namespace:
    """A network namespace with nothing but loopback; processes started in it are ended with it."""

    def __init__(self) -> None:
        script = "ip link set lo up && echo up && exec cat"  # lives until its input is closed
        self._holder = subprocess.Popen(
            ["unshare", "--map-root-user", "--net", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.up = self._holder.stdout.readline() == "up\n"
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Run Python with `arguments` inside; a crash leaves no core file."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--user", "--net", "--preserve-credentials"]
        process = subprocess.Popen(
            [*enter, sys.executable, *(str(argument) for argument in arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End whatever still runs inside, then the namespace itself."""
        for process in self._started:
            process.terminate()
            process.communicate(timeout=10)
        self._holder.communicate(timeout=10)


@pytest.fixture
def namespace():
    """A namespace of the test's own."""
    try:
        space = Namespace()
    except FileNotFoundError:
        pytest.skip("unshare is not installed: no network namespace")
    if not space.up:
        space.close()
        pytest.skip("no right to make a network namespace")
    yield space
    space.close()


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Wait until a robot or speaker says so."""
    assert "ready" in process.stdout.readline()
    return process


def peer(namespace: Namespace, patience: float = 20.0) -> tuple[int, str]:
    """Return code and output of the C++ client, which waits for a first valid state for `patience` [s]."""
    process = namespace.start("-c", PEER, patience, LISTENING)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def heard(output: str) -> dict:
    """What the C++ client says it has heard."""
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def test_it_hears_and_commands_the_virtual_go2(namespace, tmp_path):
    """Live beside it for seconds, take its states at their rate, have its commands obeyed: CRCs valid both ways."""
    robot = ready(namespace.start("-m", "collect", "robot", "--domain", 0, "--truth", tmp_path / "truth.h5"))
    release = namespace.start("-c", RELEASE)
    assert release.communicate(timeout=60)[0] == "normal\n"
    code, output = peer(namespace)
    assert code == 0, output
    assert "CRC Error" not in output
    robot.send_signal(signal.SIGTERM)
    assert robot.wait(10) == 0
    with h5py.File(tmp_path / "truth.h5") as file:
        rows = file["rows"][()]

    commanded = np.flatnonzero(np.isclose(rows["target_received"], 0.1 * np.arange(12)).all(axis=1))
    sent = rows[commanded[0] : commanded[-1] + 1]
    assert len(commanded) > 0.9 * len(sent)
    assert int(rows["commands"][-1] - rows["commands"][commanded[0]]) > 500
    state = heard(output)
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


def test_it_checks_the_crc(namespace):
    """Hear nothing but CRC errors from one who sends wrong ones: what the client accepts, it has checked."""
    ready(namespace.start("-c", BAD_CRC))
    code, output = peer(namespace, patience=2.0)
    assert code == 0, output
    assert "low_state CRC Error (GO2)" in output
    assert heard(output)["states"] == 0


def test_it_dies_of_the_sdks_own_types(namespace):
    """Crash beside a reader of LowCmd as the SDK ships it, with uint8: so the tests above can fail."""
    ready(namespace.start("-c", UNMODIFIED))
    code, output = peer(namespace)
    assert code == -signal.SIGSEGV, output
