"""The switch between loopback and a network cable."""

import os
import subprocess
import sys

import pytest
from place import ROOT

pytestmark = pytest.mark.slow


def test_without_the_right_to_lay_a_cable_all_is_skipped_by_name():
    """And not failed, nor run on loopback under a cable's name."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_gains.py"]
    nowhere = os.environ | {"CABLE": "1", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "no right to make a network namespace: " in done.stdout
    assert "passed" not in done.stdout
