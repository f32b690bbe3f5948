"""Our collector runs on Cyclone DDS 0.10 as well: the version of the robots and of their own computers."""

import json
import subprocess

import numpy as np
import pytest
from conftest import HELD_UP, ROOT

from collect import recording

PYTHON = ROOT / ".venv-0.10" / "bin" / "python"
pytestmark = [pytest.mark.dds, pytest.mark.flaky(reruns=2, only_rerun=HELD_UP)]


def on_0_10(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the second environment's Python from the checkout."""
    command = [PYTHON, *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module", autouse=True)
def cyclone_0_10():
    """Cyclone DDS 0.10 is there, and it is not the 11 of this environment."""
    if not PYTHON.exists():
        pytest.skip("no environment with Cyclone DDS 0.10: make install-0.10")
    has_byte = on_0_10("-c", "from cyclonedds.idl import types; print(hasattr(types, 'byte'))")
    if has_byte.returncode != 0:
        pytest.skip("there is no wheel of Cyclone DDS 0.10 for this machine")
    assert has_byte.stdout == "False\n"


def test_a_session_on_it_is_complete(short_plan, domain, virtual_go2, tmp_path):
    """Motion service released, every state taken, every command obeyed, sealed: as on the newest version."""
    virtual_go2()
    options = ["--interface", "lo", "--domain", domain, "--out", tmp_path, "--session", "s"]
    done = on_0_10("-m", "collect", "run", short_plan, *options)
    assert done.returncode == 0, done.stderr
    assert "'normal' released" in done.stderr
    session = recording.read(tmp_path / "s.h5")
    assert session.attributes["state"] == "complete"
    assert json.loads(session.attributes["statistics"])["missing"] == 0
    assert (np.diff(session.tick.astype(int)) == 2).all()
    moving = session.segment == 0
    assert moving.sum() == pytest.approx(1000, abs=2)
    assert np.abs(session.q_target - session.q)[moving].max() < 0.3
