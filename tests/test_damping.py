"""The stream of damping: nothing ends it but a robot that is still, an operator in a hurry, or its own time."""

import time

import numpy as np
import pytest

from collect import damping
from collect.messages import LowState


class Writer:
    """Counts; raises as long as it is told to."""

    def __init__(self, fails=0):
        self.written, self.fails = 0, fails

    def write(self, message):
        self.fails -= 1
        if self.fails >= 0:
            raise RuntimeError("no network")
        self.written += 1


class Robot:
    """Gives a state every `period` seconds of a robot that turns at `speed`; fails as often as it is told to."""

    def __init__(self, speed=0.0, period=0.002, fails=0, noise=1e-3):
        self.state = LowState(np.zeros((), LowState.LAYOUT))
        self.state.record["motor_state"]["dq"] = speed
        self.noise = noise
        self.period, self.fails, self.due = period, fails, time.monotonic()

    def take(self, timeout=0.0):
        self.fails -= 1
        self.state.record["imu_state"]["gyroscope"][0] += self.noise
        if self.fails >= 0:
            raise ValueError("not a state")
        time.sleep(timeout)
        if time.monotonic() < self.due:
            return []
        self.due = time.monotonic() + self.period
        return [self.state]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A tenth of all times."""
    for name in ("LEAST", "STILL", "MOST", "BACK", "LONGEST", "SHORTEST"):
        monkeypatch.setattr(damping, name, getattr(damping, name) / 10.0)


def test_a_robot_that_is_still_ends_it():
    """After the least time."""
    writer, began = Writer(), time.monotonic()
    assert damping.stream(writer, None, Robot())
    assert 0.1 <= time.monotonic() - began < 0.9
    assert writer.written >= 20


def test_a_robot_that_turns_does_not():
    """Damped to the end, and not said to be still."""
    writer, began = Writer(), time.monotonic()
    assert not damping.stream(writer, None, Robot(speed=0.2))
    assert 1.0 <= time.monotonic() - began < 2.5


def test_what_fails_is_tried_again():
    """A writer that cannot send, a state that cannot be read: a later one decides."""
    writer = Writer(fails=10)
    assert damping.stream(writer, None, Robot(fails=10))
    assert writer.written >= 20


def test_who_cannot_send_does_not_beat_and_says_nothing_of_stillness():
    """The guard takes over from a process whose messages do not go out, however still a robot that holds its last
    target may be.
    """
    beats = []
    assert not damping.stream(Writer(fails=10**9), None, Robot(), beat=lambda: beats.append(1))
    assert not beats


def test_states_that_do_not_change_or_do_not_arrive_whole_show_no_stillness():
    """Sensors are never quiet, and a checksum that is wrong is not that of this state."""
    assert not damping.stream(Writer(), None, Robot(noise=0.0))
    corrupt = Robot()
    corrupt.state.record["crc"] = 1
    assert not damping.stream(Writer(), None, corrupt)


def test_a_robot_that_comes_and_goes_cannot_draw_it_out():
    """Each silence begins the wait anew, but not for ever."""
    began = time.monotonic()
    assert not damping.stream(Writer(), None, Robot(period=0.03))
    assert 2.9 <= time.monotonic() - began < 8.0


def test_a_hurry_leaves_the_shortest():
    """Not one frame, some."""
    writer = Writer()
    assert not damping.stream(writer, None, Robot(speed=0.2), hurried=lambda: True)
    assert writer.written >= 3
