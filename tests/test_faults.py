"""Faults of the virtual Go2, as a DDS client sees them."""

import time

import numpy as np
import pytest

from collect.joints import NAMES
from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import CommandFrame, LowCmd, LowState, crc32
from collect.virtual import wire

pytestmark = pytest.mark.dds


class Client:
    """Sees a virtual Go2 whose faults it begins."""

    def __init__(self, robot, domain: int) -> None:
        self.robot, self._link = robot, Link("lo", domain)
        self._states = Inbox(self._link, LOWSTATE, LowState)
        self.commands = self._link.writer(LOWCMD, LowCmd)
        self.see(0.5)

    def fault(self, line: str) -> float:
        """Begin a fault; when it began."""
        self.robot.stdin.write(line + "\n")
        self.robot.stdin.flush()
        word, began, again = self.robot.stdout.readline().split(maxsplit=2)
        assert (word, again.strip()) == ("fault", line)
        return float(began)

    def see(self, seconds: float) -> list:
        """States of that many seconds."""
        end, seen = time.monotonic() + seconds, []
        while time.monotonic() < end:
            seen += [message.record for message in self._states.take(0.01)]
        return seen


@pytest.fixture
def client(virtual_go2, domain, tmp_path):
    return Client(virtual_go2("--faults", "--wire", str(tmp_path / "wire")), domain)


def seen_with(client, line, seconds=0.4):
    before = client.see(0.02)
    client.fault(line)
    return before[-1:] + client.see(seconds)


def test_silence_and_thinning(client):
    assert len(seen_with(client, "silent 0.3", 0.25)) < 25
    assert 30 < len(seen_with(client, "thin 4 0.4", 0.4)) < 80
    assert len(seen_with(client, "twice 0.3", 0.3)) > 240


def test_the_clock(client):
    ticks = np.array([int(state["tick"]) for state in seen_with(client, "tick 340")])
    assert 342 in np.diff(ticks)
    ticks = np.array([int(state["tick"]) for state in seen_with(client, "tick -100")])
    assert -98 in np.diff(ticks)
    ticks = np.array([int(state["tick"]) for state in seen_with(client, "tick_freeze 0.2")])
    assert np.count_nonzero(np.diff(ticks) == 0) > 80
    ticks = np.array([int(state["tick"]) for state in seen_with(client, "tick_is 4294967250")])
    assert ticks.max() > 4294967250
    assert ticks[-1] < 1000


def test_states_that_lie(client):
    joint = NAMES.index("RL_calf")
    values = [state["motor_state"]["dq"][joint] for state in seen_with(client, "set RL_calf.dq nan 0.1")]
    assert 30 < np.isnan(values).sum() < 70
    rolls = [state["imu_state"]["rpy"][0] for state in seen_with(client, "set imu_state.rpy.0 0.7 0.2")]
    assert np.isclose(rolls, 0.7).sum() > 80
    warm = [
        int(state["motor_state"]["temperature"][0]) for state in seen_with(client, "ramp FR_hip.temperature 50 0.3")
    ]
    assert max(warm) - min(warm) > 10
    frozen = seen_with(client, "freeze 0.3", 0.25)[20:]
    assert len({state["motor_state"].tobytes() for state in frozen}) == 1
    bad = seen_with(client, "corrupt 0.1 0.4", 0.4)
    assert 10 < sum(crc32(state) != int(state["crc"]) for state in bad) < 30


def test_a_burst_keeps_the_order(client):
    states = seen_with(client, "burst 0.1", 0.4)
    steps = np.diff([int(state["tick"]) for state in states])
    assert (steps > 0).all()
    assert np.count_nonzero(steps == 2) > 100


def test_the_wire_holds_what_was_received(client, tmp_path):
    """Also a frame whose CRC is wrong; nothing while the robot is deaf."""
    frame = CommandFrame()
    frame.q[:], frame.kd[:] = np.arange(12) / 10, 5.0
    message = frame.seal()
    client.commands.write(message)
    message.record["crc"] += 1
    time.sleep(0.02)
    client.commands.write(message)
    time.sleep(0.02)
    client.fault("deaf 0.2")
    client.commands.write(frame.seal())
    time.sleep(0.1)
    frames = wire.read(tmp_path / "wire")
    ours = frames[np.isclose(frames["kd"], 5.0).all(axis=1)]
    assert ours["valid"].tolist() == [1, 0]
    assert np.allclose(ours["q"], np.arange(12) / 10)
    assert len(set(frames["writer"])) == 2  # ours and the sport mode's


def test_a_line_that_is_no_fault_ends_it_with_one_line(virtual_go2, domain):
    robot = virtual_go2("--faults", code=2)
    robot.stdin.write("set FL_knee.q 1 1\n")
    robot.stdin.flush()
    assert robot.wait(10) == 2
