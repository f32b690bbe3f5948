"""What the loop hears beside the robot's states: its guard's death, and new commanders among many writers."""

import subprocess
import sys
import threading
import time
from subprocess import PIPE

import pytest
from conftest import ROOT

from collect.link import LOWCMD, LOWSTATE, Inbox, Link
from collect.lookout import _mourn
from collect.messages import LowState

pytestmark = pytest.mark.dds
WRITERS = """
import sys, time
from collect.link import LOWCMD, LOWSTATE, Link
from collect.messages import LowCmd, LowState
link = Link("lo", int(sys.argv[1]))
first, state = link.writer(LOWCMD, LowCmd), link.writer(LOWSTATE, LowState)
sys.stdin.readline()
second = link.writer(LOWCMD, LowCmd)
time.sleep(60)
"""


@pytest.fixture
def link(domain):
    """A participant that is gone when the test is."""
    made = Link("lo", domain)
    yield made
    vars(made).clear()


def test_a_death_ends_the_wait_for_a_state(link):
    """Long before a silent robot would; the next wait is a wait again."""
    states = Inbox(link, LOWSTATE, LowState)
    guard = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    threading.Thread(target=_mourn, args=(guard.pid, states), daemon=True).start()
    threading.Timer(0.2, guard.kill).start()
    began = time.monotonic()
    assert states.take(5.0) == []
    assert 0.2 <= time.monotonic() - began < 2.0
    guard.wait()
    began = time.monotonic()
    assert states.take(0.1) == []
    assert time.monotonic() - began >= 0.1


def test_only_new_writers_are_read(link, domain):
    """Of the topic that is asked for; those that were known are not given again."""
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(domain)], cwd=ROOT, stdin=PIPE, text=True) as other:
        try:
            deadline = time.monotonic() + 10.0
            while not (known := link.other_writers(LOWCMD)) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(known) == 1
            time.sleep(0.2)
            link.other_writers(LOWCMD)
            assert not link.writers_changed()
            other.stdin.write("one more\n")
            other.stdin.flush()
            while not link.writers_changed() and time.monotonic() < deadline:
                time.sleep(0.01)
            new = link.new_writers(LOWCMD)
            assert len(new) == 1
            assert not new & known
            assert link.new_writers(LOWCMD) == set()
            assert len(link.other_writers(LOWCMD)) == 2
        finally:
            other.kill()
