"""Where the tests' sessions meet their robot: on loopback, or with CABLE=1 at the two ends of a network cable.

Over a cable pytest itself runs in the computer's network namespace, so only what is the robot's is started elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from surveys import VIRTUAL, measured

from collect.acceptance import save
from collect.host_verdicts import HANGING
from collect.link import LOOPBACK

ROOT = Path(__file__).resolve().parent.parent
COMPUTER, ROBOT = "computer", "robot"
"""The interfaces of a cable that have addresses: the computer's end, the robot's switch."""
CABLE = os.environ.get("CABLE", "")
"""Empty on loopback; `1` asks for a cable; once it is laid, the process that holds the robot's namespace."""
INTERFACE = COMPUTER if CABLE else LOOPBACK
"""Ours."""
ROBOT_INTERFACE = ROBOT if CABLE else LOOPBACK
"""The robot's."""
THERE = ["nsenter", f"--target={CABLE}", "--net"] if CABLE else []
"""Before a command: runs it on the robot's own computer."""
OPERATOR = f"{HANGING}\n" if CABLE else ""
"""What the operator types: on loopback nobody is asked."""


def at_the_robot(verb: str, domain: int, *arguments: str) -> list[str]:
    """The command of a verb of `collect` on the robot's own computer."""
    return [*THERE, sys.executable, "-m", "collect", verb, *_where(ROBOT_INTERFACE, domain), *arguments]


def reached(domain: int, folder: Path) -> list[str]:
    """Arguments of a session: where the virtual Go2 is; over a cable also what was measured on it, see `accepted`."""
    return [*_where(INTERFACE, domain), *(accepted(folder) if CABLE else [])]


def accepted(folder: Path) -> list[str]:
    """Arguments of a session with the virtual Go2, which was measured: what was found is written into a folder."""
    save(measured(robot=VIRTUAL), folder / "robot.yaml")
    return ["--acceptance", str(folder / "robot.yaml")]


def session(plan: Path, domain: int, out: Path) -> list[str]:
    """Arguments of `collect` for a session "s" with the virtual Go2."""
    where = [*_where(INTERFACE, domain), *accepted(plan.parent)]
    return ["run", str(plan), *where, "--out", str(out), "--session", "s"]


def begun(command: list[str]) -> subprocess.Popen[str]:
    """A session that was started, with its operator."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    started = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    started.stdin.write(OPERATOR)
    started.stdin.flush()
    return started


def _where(interface: str, domain: int) -> list[str]:
    return ["--interface", interface, "--domain", str(domain)]
