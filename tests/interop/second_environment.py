"""The second environment, with Cyclone DDS 0.10 in place of 11 (`make install-0.10`)."""

import subprocess

import pytest
from conftest import ROOT

PYTHON = ROOT / ".venv-0.10" / "bin" / "python"


def require() -> None:
    """Skip the test where the environment is not there; be sure that it is what it should be."""
    if not PYTHON.exists():
        pytest.skip("no environment with Cyclone DDS 0.10: make install-0.10")
    command = [PYTHON, "-c", "from cyclonedds.idl import types; print(hasattr(types, 'byte'))"]
    has_byte = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if has_byte.returncode != 0:
        pytest.skip("there is no wheel of Cyclone DDS 0.10 for this machine")
    assert has_byte.stdout == "False\n", "not 0.10"
