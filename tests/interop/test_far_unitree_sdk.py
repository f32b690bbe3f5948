"""A peer that runs Cyclone DDS 0.10.2, as the robot does, lives beside us; it is Unitree's own C++ client."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

ALONE = str(Path(__file__).with_name("alone.py"))
SECONDS, Q_TARGET = 4.0, 0.321

pytestmark = [
    pytest.mark.dds,
    pytest.mark.skipif(
        importlib.util.find_spec("unitree_interface") is None,
        reason="far-unitree-sdk is not installed (Python 3.11 on x86_64 only)",
    ),
    pytest.mark.skipif(
        subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0,
        reason="no right to make a network namespace (the C++ client knows only domain 0)",
    ),
]


def beside(which: str, folder: Path) -> dict:
    """What became of the C++ client beside the virtual Go2, or beside the SDK's unmodified types."""
    command = ["unshare", "--net", sys.executable, ALONE, which, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_states_and_commands_flow_both_ways(tmp_path):
    """It checks the CRC of our states, the virtual Go2 that of its commands; both stay alive."""
    found = beside("ours", tmp_path)
    assert found["peer"] == 0
    assert found["alive"]
    assert found["saw"]["ticks"] > 0.7 * SECONDS * 500
    assert np.linalg.norm(found["saw"]["accel"]) == pytest.approx(9.81, abs=0.5)
    assert np.abs(found["saw"]["q"]).max() > 0.5
    with h5py.File(tmp_path / "truth.h5") as file:
        truth = file["rows"][()]
    received = np.isclose(truth["target_received"], Q_TARGET, atol=1e-6).all(axis=1)
    assert received.sum() > 0.7 * SECONDS * 500
    heard = truth["commands"][received]
    assert heard[-1] - heard[0] > 0.5 * SECONDS * 500


def test_the_sdks_own_types_would_kill_it(tmp_path):
    """The same client beside `uint8` as cyclonedds 11 announces it: a segmentation fault on discovery."""
    found = beside("unmodified", tmp_path)
    assert found["alive"]
    assert found["peer"] == -11
