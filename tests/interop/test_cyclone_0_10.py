"""Our collector runs on Cyclone DDS 0.10 as well: the version of the robots and of their own computers."""

import json

import numpy as np
import pytest
from conftest import JITTER, verb
from second_environment import PYTHON, require

from collect import recording

pytestmark = pytest.mark.dds


def test_a_session_on_it_is_complete(short_plan, domain, virtual_go2, tmp_path):
    """Motion service released, every state taken, every command obeyed, sealed: as on the newest version."""
    require()
    virtual_go2()
    options = ["--interface", "lo", "--domain", domain, "--out", tmp_path, "--session", "s"]
    done = verb("collect", "run", short_plan, *options, *JITTER, python=PYTHON)
    assert done.returncode == 0, done.stderr
    assert "'normal' released" in done.stderr
    assert "not the versions that were tested" not in done.stderr
    session = recording.read(tmp_path / "s.h5")
    assert session.attributes["state"] == "complete"
    assert json.loads(session.attributes["statistics"])["missing"] == 0
    assert (np.diff(session.tick.astype(int)) == 2).all()
    assert json.loads(session.attributes["versions"])["cyclonedds"] == "0.10.5"
    moving = session.segment == 0
    assert moving.sum() == pytest.approx(1000, abs=2)
    assert np.abs(session.q_target - session.q)[moving].max() < 0.3
