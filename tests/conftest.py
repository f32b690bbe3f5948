"""What the tests share: free DDS domains, real processes, real logs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from held_up import held_up, was_held_up
from namespaces import lay_cable
from place import OPERATOR, ROOT, at_the_robot

from collect.link import free_domain

JITTER = ("--accept-jitter", "0.015")
"""What a session accepts of its loop where lateness is not what is judged: a machine that is virtual, or busy with
other tests, stands still for 8 ms now and then."""


_NO_CABLE = pytest.StashKey[str]()


def pytest_cmdline_main(config: pytest.Config) -> None:
    """With CABLE=1 all that follows happens at our end of a network cable."""
    try:
        lay_cable()
    except pytest.skip.Exception as refused:
        config.stash[_NO_CABLE] = str(refused)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What moves a robot is repeated where the machine held it up, if it does not say otherwise itself."""
    for item in items:
        if _NO_CABLE in config.stash:
            item.add_marker(pytest.mark.skip(config.stash[_NO_CABLE]))
        if item.get_closest_marker("dds") and not item.get_closest_marker("flaky"):
            item.add_marker(held_up())


@pytest.fixture(scope="session")
def logs() -> Path:
    """Folder of the real logs (GO2_LOGS, or ../shared/data beside the checkout)."""
    folder = Path(os.environ.get("GO2_LOGS", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real Go2 logs absent: set GO2_LOGS")
    return folder


SHORT = """
name: short
rest: 0.2
segments:
  - {name: a, kind: chirp, duration: 2, amplitude: [0.1, 0.1, 0.15], f0: 0.5, f1: [5], kp: [25], kd: [0.5]}
"""


@pytest.fixture(scope="session")
def short_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan of one chirp of two seconds; with the way there and back its session takes eight."""
    return planned(tmp_path_factory.mktemp("short"), SHORT)


@pytest.fixture
def domain() -> Iterator[int]:
    """A DDS domain nobody on this machine uses."""
    with free_domain() as domain:
        yield domain


@pytest.fixture
def virtual_go2(domain: int) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts virtual Go2s as processes of their own on the test's domain; all are ended by it."""
    started: list[tuple[subprocess.Popen[str], int]] = []

    def start(*arguments: str, code: int = 0) -> subprocess.Popen[str]:
        command = at_the_robot("robot", domain, *arguments)
        robot = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append((robot, code))
        assert robot.stdout is not None
        assert "ready" in robot.stdout.readline()
        return robot

    yield start
    for robot, code in started:
        robot.send_signal(signal.SIGTERM)
        assert robot.wait(10) == code
        assert robot.stdin is not None
        assert robot.stdout is not None
        robot.stdin.close()
        robot.stdout.close()


def verb(
    *arguments: object, cwd: Path = ROOT, timeout: float = 300.0, python: str | Path = sys.executable, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` as a user does, who types what is asked for."""
    command = [python, "-m", *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=cwd, input=typed, capture_output=True, text=True, timeout=timeout, check=False)


def recorded(name: str, source: Path, out: Path, *place: object) -> subprocess.CompletedProcess[str]:
    """`collect run`, begun anew up to four times where a machine stood still; nothing is left of what it spoiled."""
    for _ in range(5):
        done = verb("collect", "run", source, *place, "--out", out, "--session", name, *JITTER, typed=OPERATOR)
        if done.returncode == 0 or not was_held_up(done.stderr):
            break
        for path in out.glob(f"{name}.*"):
            path.unlink()
    return done


def planned(folder: Path, config: str) -> Path:
    """A plan file of a session's YAML."""
    (folder / "session.yaml").write_text(config)
    done = verb("collect", "plan", folder / "session.yaml", "--out", folder / "session.plan")
    assert done.returncode == 0, done.stderr
    return folder / "session.plan"


def children(pid: int) -> list[int]:
    """Processes that a process has started and not outlived; none when it is gone itself."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
