"""Network namespaces of the tests' own, and a cable between two of them: as if on computers of their own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import place
import pytest

_HOLD = "ip link set lo up && echo up && exec cat"  # lives until its input is closed


class Namespace:
    """A network namespace with nothing but loopback; what was started in it ends with it."""

    def __init__(self, beside: Namespace | None = None) -> None:
        """Make one, or skip the test where that is not allowed.

        Args:
            beside: a namespace that this one shall be joined to.
        """
        self._started: list[subprocess.Popen[str]] = []
        # Root's own rights, which keep real-time scheduling; else those that every user has in a user namespace.
        ways = ([], ["unshare", "--map-root-user"]) if beside is None else (beside._as_user,)
        for way in ways:
            reason = self._hold([*way, "unshare", "--net", "sh", "-c", _HOLD])
            if reason is None:
                into = ["nsenter", f"--target={self.holder.pid}"]
                self._as_user = [*into, "--user", "--preserve-credentials"] if way else []
                self.inside = [*self._as_user, *into, "--net"]
                """Before a command: runs it inside, as the process that it was started as."""
                return
        pytest.skip(f"no right to make a network namespace: {reason}")

    def _hold(self, command: list[str]) -> str | None:
        """Start the process that the namespace lives in; None, or why there is none."""
        try:
            self.holder = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except FileNotFoundError as error:
            return str(error)
        if self.holder.stdout.readline() == "up\n":
            return None
        return self.holder.communicate()[1].strip()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        """End whatever still runs inside, then the namespace itself."""
        for process in self._started:
            process.terminate()
            process.communicate(timeout=10)
        self.holder.communicate(timeout=10)

    def python(self, *arguments: object) -> subprocess.Popen[str]:
        """Start Python with `arguments` inside, from the checkout; a crash leaves no core file."""
        process = subprocess.Popen(
            [*self.inside, sys.executable, *(str(argument) for argument in arguments)],
            cwd=place.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        )
        self._started.append(process)
        return process

    def ip(self, *arguments: str) -> str:
        """Run `ip` inside; what it prints."""
        command = [*self.inside, "ip", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Cable:
    """A virtual Ethernet pair between a computer and a robot, with the addresses that Unitree gives them.

    It ends in a port of the robot's switch, a bridge: inside of the robot all stay connected when the cable is out.
    """

    _PORT = "port"

    def __init__(self, computer: Namespace, robot: Namespace) -> None:
        """Join two namespaces of which the one was made beside the other; skip the test where that is not allowed."""
        self._robot = robot
        peer = ("peer", "name", self._PORT, "netns", str(robot.holder.pid))
        try:
            computer.ip("link", "add", place.COMPUTER, "type", "veth", *peer)
            robot.ip("link", "add", place.ROBOT, "type", "bridge", "mcast_snooping", "0")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no right to make a virtual Ethernet pair and a bridge: {error.stderr}")
        robot.ip("link", "set", self._PORT, "master", place.ROBOT, "up")
        for namespace, end, address in ((computer, place.COMPUTER, 99), (robot, place.ROBOT, 161)):
            namespace.ip("address", "add", f"192.168.123.{address}/24", "dev", end)
            namespace.ip("link", "set", end, "up")
        late = time.monotonic() + 5.0
        while "state UP" not in computer.ip("link", "show", place.COMPUTER):  # the kernel says so up to 1 s later
            assert time.monotonic() < late
            time.sleep(0.02)

    def pull(self) -> None:
        """Take it out at the robot: neither end has a carrier any more."""
        self._robot.ip("link", "set", self._PORT, "down")

    def plug(self) -> None:
        """Put it back in."""
        self._robot.ip("link", "set", self._PORT, "up")


def lay_cable() -> None:
    """Begin the tests anew in the computer's namespace where CABLE=1 asks for it; skip where that is not allowed."""
    if place.CABLE != "1":
        return
    computer = Namespace()
    robot = Namespace(beside=computer)
    Cable(computer, robot)
    for namespace in (computer, robot):  # each lives until the tests end, in whatever way
        os.set_inheritable(namespace.holder.stdin.fileno(), True)
    os.environ["CABLE"] = str(robot.holder.pid)
    os.execvp("nsenter", [*computer.inside, sys.executable, *sys.orig_argv[1:]])
