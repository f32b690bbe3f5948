"""What is started inside of a namespace: a session with its operator, and whoever says that he is ready."""

from __future__ import annotations

import subprocess

from conftest import JITTER
from namespaces import Namespace

from collect.acceptance import Acceptance, save


def begin(computer: Namespace, plan, out, interface: str, domain: int, accepted: Acceptance) -> subprocess.Popen[str]:
    """Start a session there with a robot that was measured, and an operator who says that it hangs."""
    save(accepted, out / "robot.yaml")
    where = ["--interface", interface, "--domain", domain, "--out", out, "--session", "s"]
    session = computer.python("-m", "collect", "run", plan, *where, *JITTER, "--acceptance", out / "robot.yaml")
    session.stdin.write("HANGING\n")
    session.stdin.flush()
    return session


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Wait until a process says that it is ready."""
    for line in process.stdout:
        if "ready" in line:
            return process
    raise AssertionError("ended before it was ready")
