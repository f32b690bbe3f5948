"""To a Go2's client the virtual Go2 is a Go2: what it says and hears on DDS."""

import signal
import time

import numpy as np
import pytest
from conftest import verb

from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import CommandFrame, LowCmd, LowState, Request, Response, crc32, request
from collect.switcher import SERVICE, SERVICE_QOS, MotionSwitcher

pytestmark = pytest.mark.dds


def listen(inbox: Inbox, seconds: float):
    """Records received within some time."""
    end, heard = time.monotonic() + seconds, []
    while time.monotonic() < end:
        heard += [message.record for message in inbox.take(0.02)]
    return heard


def command(writer, states, q, *, corrupt: bool, seconds: float = 0.6):
    """Pull all joints to q with good or corrupt frames; the state afterwards."""
    frame = CommandFrame()
    frame.q[:], frame.kp[:], frame.kd[:] = q, 25.0, 1.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        message = frame.seal()
        message.record["crc"] ^= np.uint32(corrupt)
        writer.write(message)
        time.sleep(0.002)
    return listen(states, 0.1)[-1]["motor_state"]["q"][:12]


def test_its_states_are_a_go2s(domain, virtual_go2):
    """500 a second of its own clock, CRC right, every field that a real one fills."""
    virtual_go2()
    link = Link("lo", domain)
    states = Inbox(link, LOWSTATE, LowState)
    listen(states, 0.5)
    heard = listen(states, 2.0)
    ticks = np.array([int(state["tick"]) for state in heard])
    assert (np.diff(ticks) == 2).all()
    assert len(heard) == pytest.approx(1000, abs=60)
    assert all(crc32(state) == int(state["crc"]) for state in heard)
    newest = heard[-1]
    motors = newest["motor_state"][:12]
    assert (motors["mode"] == 1).all()
    assert ((motors["temperature"] >= 30) & (motors["temperature"] <= 60)).all()
    assert np.linalg.norm(newest["imu_state"]["quaternion"]) == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(newest["imu_state"]["accelerometer"]) == pytest.approx(9.81, abs=0.3)
    assert 27.0 < float(newest["power_v"]) < 34.0
    assert 0 < int(newest["bms_state"]["soc"]) <= 100
    assert len(np.unique([state["motor_state"]["tau_est"][2] for state in heard])) > 3


def test_a_motion_program_runs_until_it_is_released(domain, virtual_go2):
    """It holds the legs with commands of its own; after the release the wire is silent and nobody stands up."""
    virtual_go2()
    link = Link("lo", domain)
    commands, switcher = Inbox(link, LOWCMD, LowCmd), MotionSwitcher(link, "test")
    assert switcher.active_mode() == "normal"
    assert listen(commands, 0.3)
    assert switcher.release() == "normal"
    listen(commands, 0.1)
    assert not listen(commands, 0.3)
    assert switcher.active_mode() == ""


def test_an_unknown_call_is_answered_with_an_error(domain, virtual_go2):
    """3203, as the robot's services do (RPC_ERR_SERVER_API_NOT_IMPL)."""
    virtual_go2()
    link = Link("lo", domain)
    answers = Inbox(link, f"{SERVICE}/response", Response, SERVICE_QOS)
    writer = link.writer(f"{SERVICE}/request", Request, SERVICE_QOS)
    while not writer.get_matched_subscriptions():
        time.sleep(0.01)
    time.sleep(0.2)
    writer.write(request(7, 4242, "{}"))
    (answer,) = answers.take(2.0)
    assert (answer.header.identity.id, answer.header.status.code) == (7, 3203)


def test_a_corrupt_command_is_ignored(domain, virtual_go2):
    """The same frame moves the legs with a right CRC and does nothing with a wrong one."""
    virtual_go2()
    link = Link("lo", domain)
    states, writer = Inbox(link, LOWSTATE, LowState), link.writer(LOWCMD, LowCmd)
    MotionSwitcher(link, "test").release()
    start = command(writer, states, np.tile([0.0, 1.2, -1.78], 4), corrupt=False)
    target = start + 0.3
    assert np.abs(command(writer, states, target, corrupt=True) - start).max() < 0.08
    assert np.abs(command(writer, states, target, corrupt=False) - target).max() < 0.15


def test_a_trunk_on_a_sling_moves_when_the_legs_do(domain, virtual_go2):
    """The IMU shows it."""
    virtual_go2("--mount", "sling")
    link = Link("lo", domain)
    states, writer = Inbox(link, LOWSTATE, LowState), link.writer(LOWCMD, LowCmd)
    MotionSwitcher(link, "test").release()
    for offset in (0.3, -0.3):
        command(writer, states, np.tile([offset, 1.2 + offset, -1.78], 4), corrupt=False, seconds=0.3)
    rates = [np.linalg.norm(state["imu_state"]["gyroscope"]) for state in listen(states, 0.5)]
    assert max(rates) > 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--interface", "eth0", "--domain", "0"), "domain 0"),
        (("--interface", "enp9s0", "--domain", "5"), "does not exist"),
        (("--motors", "absent.yaml"), "cannot read"),
    ],
    ids=["domain 0 on a network", "no such interface", "no such motors"],
)
def test_what_it_must_not_be_it_refuses(arguments, message):
    """A simulator in domain 0 on a network would move real robots."""
    done = verb("collect", "robot", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_it_cleanly(number, virtual_go2):
    """Exit code 0; nothing stays."""
    robot = virtual_go2()
    robot.send_signal(number)
    assert robot.wait(10) == 0
