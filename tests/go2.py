"""A virtual Go2 as a process of its own: its faults begin and end on demand, and it notes what it receives."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conftest import ROOT
from place import at_the_robot


class Go2:
    """Where the tests' robot is, in a domain of the test's."""

    def __init__(self, folder: Path, domain: int, *arguments: str) -> None:
        """Start it and wait until it is there."""
        self.domain, self.arguments, self.wire = domain, arguments, folder / "wire"
        self._process = subprocess.Popen(
            at_the_robot("robot", domain, "--faults", "--wire", str(self.wire), *arguments),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "ready" in self._process.stdout.readline()

    def fault(self, *lines: str) -> float:
        """Begin faults; when the last began, by the machine's monotonic clock [s]."""
        began = 0.0
        for line in lines:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            word, time_text, again = self._process.stdout.readline().split(maxsplit=2)
            assert (word, again.strip()) == ("fault", line)
            began = float(time_text)
        return began

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """As an operator ends it; twice does no harm."""
        self._process.terminate()
        assert self._process.wait(10) == 0
        self._process.stdin.close()
        self._process.stdout.close()
