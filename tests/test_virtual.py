"""A Go2 client cannot tell the virtual Go2 from the robot: real processes, real DDS, on loopback."""

import signal
import socket
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import verb
from cyclonedds.qos import Policy, Qos
from unitree_sdk2py.idl.unitree_go.msg.dds_ import LowState_ as SdkLowState
from unitree_sdk2py.utils.crc import CRC

from collect.errors import UserError
from collect.joints import HANG, N_JOINTS
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import CommandFrame, LowCmd, LowState, Request, Response, announced, crc32, request
from collect.switcher import CHECK_MODE, SERVICE, SERVICE_QOS, MotionSwitcher
from collect.virtual.motors import DAMPING, load
from collect.virtual.robot import SELECT_MODE, SPORT_KP, SPORT_POSTURE, RobotOptions, run
from collect.virtual.truth import Truth

pytestmark = pytest.mark.dds

KEEP_ALL = Qos(Policy.Reliability.BestEffort, Policy.History.KeepLast(2000))
PERIOD = 0.002


class Client:
    """Somebody on the robot's network: takes states, sends commands, calls the motion service."""

    def __init__(self, domain: int) -> None:
        self.link = Link("lo", domain)
        self.service = MotionSwitcher(self.link, "the test")
        self.states = Inbox(self.link, LOWSTATE, LowState, KEEP_ALL)
        self._writer, self.frame = self.link.writer(LOWCMD, LowCmd), CommandFrame()

    def heard(self) -> np.ndarray:
        """The states since this was last asked, as records."""
        seen = []
        while messages := self.states.take():
            seen += [message.record for message in messages]
        return np.array(seen)

    def command(self, seconds, targets, kp, kd, *, period=PERIOD, spoil=0) -> None:
        """Send `targets(time)` [rad] with these gains, the CRC xor `spoil`."""
        self.frame.kp[:], self.frame.kd[:] = kp, kd
        start = time.monotonic()
        for i in range(int(seconds / period)):
            self.frame.q[:] = targets(i * period)
            message = self.frame.seal()
            message.record["crc"] ^= spoil
            self._writer.write(message)
            time.sleep(max(start + (i + 1) * period - time.monotonic(), 0.0))


@pytest.fixture
def client(domain) -> Client:
    """A client on the test's domain."""
    return Client(domain)


def truth_of(robot, file: Path) -> np.ndarray:
    """End the robot; what it really did."""
    robot.send_signal(signal.SIGTERM)
    assert robot.wait(10) == 0
    with h5py.File(file) as truth:
        return truth["rows"][()]


def holding(q):
    """Targets that stay at q."""
    return lambda _time: q


class TestStates:
    @pytest.fixture
    def states(self, virtual_go2, domain):
        """Two seconds of states, decoded by the SDK's own definition of the message and not by our fast path."""
        virtual_go2()
        link = Link("lo", domain)
        inbox = Inbox(link, LOWSTATE, announced.__wrapped__(SdkLowState), KEEP_ALL)
        seen, end = inbox.take(5.0), time.monotonic() + 2.0
        while time.monotonic() < end:
            seen += inbox.take(0.1)
        return seen

    def test_they_are_a_go2s(self, states):
        """Come at 500 Hz by the robot's clock with a valid CRC, and every sensor within reason."""
        ticks = np.array([state.tick for state in states], int)
        assert len(ticks) > 500
        assert (np.diff(ticks) > 0).all()
        assert np.mean(np.diff(ticks) == 2) > 0.99
        assert all(CRC().Crc(state) == state.crc for state in states[::5])
        for state in (states[0], states[-1]):
            self.check_motors(state.motor_state)
            self.check_imu(state.imu_state)
            assert (*state.head, state.level_flag) == (0xFE, 0xEF, 0xFF)
            assert 21.0 < state.power_v < 33.6  # of the 8-cell battery
            assert 0.5 < state.power_a < 10.0
            assert 0 < state.bms_state.soc <= 100

    @staticmethod
    def check_motors(motors):
        """Twelve in servo mode at the posture of the motion program, the other slots empty."""
        assert [motor.mode for motor in motors] == [1] * 12 + [0] * 8
        assert [motor.q for motor in motors[:12]] == pytest.approx(SPORT_POSTURE, abs=0.15)
        assert all(30 <= motor.temperature < 90 for motor in motors[:12])
        assert not any(motor.q or motor.temperature or motor.lost for motor in motors[12:])

    @staticmethod
    def check_imu(imu):
        """Level and at rest on a fixed mount."""
        assert np.linalg.norm(imu.quaternion) == pytest.approx(1.0, abs=1e-6)
        assert list(imu.rpy) == pytest.approx([0.0, 0.0, 0.0], abs=0.01)
        assert list(imu.gyroscope) == pytest.approx([0.0, 0.0, 0.0], abs=0.01)
        assert list(imu.accelerometer) == pytest.approx([0.0, 0.0, 9.81], abs=0.01)


class TestCommands:
    def test_a_wrong_crc_is_ignored(self, virtual_go2, client, tmp_path):
        """Obey good frames and none of the bad ones that follow."""
        robot = virtual_go2("--truth", str(tmp_path / "truth.h5"))
        client.service.release()
        client.command(0.2, holding(HANG), 20.0, 1.0)
        client.command(0.2, holding(HANG + 0.3), 20.0, 1.0, spoil=1)
        rows = truth_of(robot, tmp_path / "truth.h5")
        good = (rows["target_received"] == HANG.astype("f4")).all(axis=1)
        assert good[-50:].all()
        assert rows["commands"][-1] == rows["commands"][-50]
        assert rows["target_obeyed"][-1] == pytest.approx(HANG)

    def test_each_joint_obeys_its_delay_after_reception(self, virtual_go2, client, tmp_path):
        """Obey every target its joint's own delay after it came, to the one state that the truth can tell."""
        robot = virtual_go2("--truth", str(tmp_path / "truth.h5"))
        client.service.release()
        client.command(2.5, lambda now: HANG + 0.05 * now, 1.0, 1.0, period=0.0027)
        rows = truth_of(robot, tmp_path / "truth.h5")
        rows = rows[np.argmax(rows["target_received"][:, 2] > HANG[2] + 0.005) :]  # all obey the ramp by then
        offsets = np.linspace(0.01, 0.115, 500)
        for joint, delay in enumerate(load(None).delay):
            received, obeyed = (
                np.argmax(rows[name][:, joint] - HANG[joint] >= offsets[:, None], axis=1)
                for name in ("target_received", "target_obeyed")
            )
            assert PERIOD * (obeyed - received) == pytest.approx(np.full(500, delay), abs=PERIOD), joint

    @pytest.mark.parametrize("on_silence", ["hold_target", "hold_torque", "damp"])
    def test_when_commands_stop(self, on_silence, virtual_go2, client, tmp_path):
        """Go on to the last target, keep the last torque, or brake: as the robot was told."""
        robot = virtual_go2("--on-silence", on_silence, "--truth", str(tmp_path / "truth.h5"))
        client.service.release()
        client.command(0.5, holding(HANG), 20.0, 2.0)
        client.command(0.03, holding(HANG + 0.2), 20.0, 2.0)  # stops in the middle of the motion
        time.sleep(0.6)
        rows = truth_of(robot, tmp_path / "truth.h5")
        silent = rows[np.flatnonzero(np.diff(rows["commands"]))[-1] + 20 :]
        torque, error = silent["tau_motor"], HANG + 0.2 - silent["q"][-1]
        if on_silence == "hold_target":
            assert torque[-1] == pytest.approx(20.0 * error, abs=0.5)
        elif on_silence == "hold_torque":
            assert np.ptp(torque, axis=0) == pytest.approx(np.zeros(N_JOINTS))
            assert np.abs(error).max() > 0.3
        else:
            assert torque == pytest.approx(-DAMPING * silent["dq"], abs=0.5)
            assert np.abs(silent["dq"][-1]).max() < 0.3


class TestMotionProgram:
    def test_it_commands_until_released(self, virtual_go2, client):
        """Report "normal" and hold the posture on rt/lowcmd; after the release, report nothing and be silent."""
        virtual_go2()
        wire = Inbox(client.link, LOWCMD, LowCmd)
        assert client.service.active_mode() == "normal"
        wire.take()
        time.sleep(0.3)
        frames = [message.record for message in wire.take()]
        assert len(frames) > 20
        assert all(crc32(frame) == int(frame["crc"]) for frame in frames)
        assert all((frame["motor_cmd"]["kp"][:12] == SPORT_KP).all() for frame in frames)
        assert client.service.release().released == "normal"
        assert client.service.active_mode() == ""
        while wire.take():
            pass
        assert not wire.take(0.5)

    def test_it_fights_other_commands(self, virtual_go2, client, tmp_path):
        """Take turns with a client who did not release it."""
        robot = virtual_go2("--truth", str(tmp_path / "truth.h5"))
        client.states.take(2.0)
        client.command(1.0, holding(HANG), 20.0, 1.0, period=0.0027)  # out of step: now one is first, now the other
        rows = truth_of(robot, tmp_path / "truth.h5")
        fought = rows["target_obeyed"][-350:-100, 2]
        assert 0.1 < np.isclose(fought, HANG[2]).mean() < 0.9
        assert 0.1 < np.isclose(fought, SPORT_POSTURE[2]).mean() < 0.9

    def test_legs_damp_once_released(self, virtual_go2, client):
        """Hold nothing after the release: hips fall slowly, against damping alone."""
        virtual_go2()
        client.service.release()
        time.sleep(0.5)
        hips = client.heard()["motor_state"][-100:, [0, 3, 6, 9]]
        outward = hips["dq"].mean(axis=0) * [1.0, -1.0, 1.0, -1.0]
        assert (outward > 0.02).all()
        assert hips["tau_est"].mean(axis=0) == pytest.approx(-DAMPING * hips["dq"].mean(axis=0), rel=0.1)

    @staticmethod
    def call(client: Client, api: int, parameter: str) -> int:
        """The status code that a raw call is answered with."""
        asked = request(time.monotonic_ns(), api, parameter)
        answers = Inbox(client.link, f"{SERVICE}/response", Response, SERVICE_QOS)
        writer = client.link.writer(f"{SERVICE}/request", Request, SERVICE_QOS)
        deadline = time.monotonic() + 5.0
        while not (writer.get_matched_subscriptions() and answers.reader.get_matched_publications()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.write(asked)
        (answer,) = answers.take(5.0)
        assert answer.header.identity.id == asked.header.identity.id
        return answer.header.status.code

    def test_what_it_does_not_know_is_an_error(self, virtual_go2, client):
        """Answer an unknown call or a parameter that makes no sense with the SDK's error codes, and live on."""
        virtual_go2()
        assert self.call(client, 1999, "{}") == 3203  # RPC_ERR_SERVER_API_NOT_IMPL
        for nonsense in ("", "{", "[]", "{}", "7"):
            assert self.call(client, SELECT_MODE, nonsense) == 3204, nonsense  # RPC_ERR_SERVER_API_PARAMETER
        assert self.call(client, CHECK_MODE, "") == 0
        assert client.service.active_mode() == "normal"

    def test_it_comes_back_when_selected(self, virtual_go2, client):
        """Command the motors again under the name that was asked for."""
        virtual_go2()
        client.service.release()
        assert self.call(client, SELECT_MODE, '{"name": "ai"}') == 0
        assert client.service.active_mode() == "ai"
        assert Inbox(client.link, LOWCMD, LowCmd).take(2.0)


class TestRefusals:
    NOT_THERE = "nosuch0"  # even a robot that fails to refuse it can join no network

    @pytest.mark.parametrize("domain", [0, -1, 233, 2**32])
    def test_the_real_robots_domain(self, domain):
        """Refuse domain 0 on anything but loopback, before the interface is looked at, and what would wrap to it."""
        with pytest.raises(UserError, match="domain") as refusal:
            run(RobotOptions(interface=self.NOT_THERE, domain=domain))
        assert self.NOT_THERE in refusal.value.where

    def test_it_is_one_clear_line(self):
        """Leave with exit code 2 and no traceback."""
        done = verb("collect", "robot", "--interface", self.NOT_THERE, "--domain", 0)
        assert done.returncode == 2
        assert "would move every real robot there" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_wrong_interface(self, domain):
        """Name it, and those present."""
        with pytest.raises(UserError, match=f"'{self.NOT_THERE}' does not exist; present: .*lo"):
            run(RobotOptions(interface=self.NOT_THERE, domain=domain))

    def test_a_truth_that_cannot_be_written(self, tmp_path):
        """Refuse it at the start, not after the session."""
        with pytest.raises(UserError, match="the folder does not exist"):
            Truth(tmp_path / "none" / "truth.h5", load(None))

    def test_defaults_are_harmless(self):
        """Speak on loopback in domain 1 unless told otherwise."""
        defaults = RobotOptions()
        assert (defaults.interface, defaults.domain, defaults.mount) == ("lo", 1, "fixed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_it(number, virtual_go2, domain):
    """Leave with exit code 0, and with no process that still holds its port."""
    robot = virtual_go2()
    robot.send_signal(number)
    assert robot.wait(10) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("0.0.0.0", 7410 + 250 * domain))


@pytest.mark.parametrize("mount", ["fixed", "sling"])
def test_the_imu_tells_how_it_hangs(mount, virtual_go2, client):
    """Sway on the sling while the legs chirp, and feel nothing on the fixed mount."""
    virtual_go2("--mount", mount)
    client.service.release()
    swing = np.tile([0.25, 0.25, 0.0], 4)
    client.heard()
    client.command(2.0, lambda now: HANG + swing * np.sin(2.0 * np.pi * (0.5 + 0.25 * now) * now), 40.0, 1.0)
    imu = client.heard()["imu_state"]
    moving = np.std(imu["gyroscope"][:, 0]), np.std(imu["accelerometer"][:, 1]), np.std(imu["rpy"][:, 0])
    assert np.linalg.norm(imu["quaternion"], axis=1) == pytest.approx(1.0, abs=1e-5)
    if mount == "sling":
        assert (np.array(moving) > [0.05, 0.1, 0.005]).all(), moving
    else:
        assert np.array(moving) == pytest.approx(np.zeros(3), abs=1e-6)
