"""What the tests share: free DDS domains, real processes on loopback, real logs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def logs() -> Path:
    """Folder of the real logs (GO2_LOGS, or ../shared/data beside the checkout)."""
    folder = Path(os.environ.get("GO2_LOGS", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real Go2 logs absent: set GO2_LOGS")
    return folder


@pytest.fixture
def domain() -> int:
    """A DDS domain nobody on this machine uses: its discovery port is held free for a moment."""
    for candidate in range(20 + os.getpid() % 60, 200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                # RTPS: unicast discovery port of participant 0 is 7400 + 250·domain + 10
                probe.bind(("127.0.0.1", 7410 + 250 * candidate))
            except OSError:
                continue
            return candidate
    raise RuntimeError("no free DDS domain")
