"""What the tests share: free DDS domains, real processes on loopback, real logs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def virtual_go2(domain: int) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts virtual Go2s as processes of their own on the test's domain; all are ended by it."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "collect", "robot", "--domain", str(domain), *arguments]
        robot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(robot)
        assert robot.stdout is not None
        assert "ready" in robot.stdout.readline()
        return robot

    yield start
    for robot in started:
        robot.send_signal(signal.SIGTERM)
        assert robot.wait(10) == 0
        assert robot.stdout is not None
        robot.stdout.close()


def verb(*arguments: object, cwd: Path = ROOT, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` as a user does."""
    command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
