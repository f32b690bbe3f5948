"""Enter in the session's terminal stops it as Ctrl-C does; any other input is no terminal, and is left alone."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time

import place
import pytest
from conftest import JITTER, ROOT

from collect.console import Console

WAIT = """
import select, sys
from collect.console import Console
console = Console()
sys.stderr.write(f"{len(console.files)}\\n")
select.select(console.files, [], [], 20.0)
sys.stderr.write(f"{console.entered()} {console.files}\\n")
"""


def at_terminal(*arguments: object) -> tuple[subprocess.Popen[str], int]:
    """A process in the foreground of a terminal of its own, and the end where its operator types."""
    operator, terminal = pty.openpty()

    def sit_down() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    command = [sys.executable, *(str(argument) for argument in arguments)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=sit_down,
    )
    os.close(terminal)
    return process, operator


@pytest.mark.parametrize("typed", [b"\n", b"q\n", b"\x04"], ids=["Enter", "q and Enter", "Ctrl-D"])
def test_a_line_is_heard_once(typed):
    """Whatever is in it."""
    process, operator = at_terminal("-c", WAIT)
    assert process.stderr.readline() == "1\n"
    os.write(operator, typed)
    assert process.communicate(timeout=30)[1] == "True []\n"
    os.close(operator)


def test_what_is_no_terminal_of_ours_is_never_listened_to():
    """A pipe, a closed input, a terminal that another program is in front of: none may stop or wake a session."""
    reading, writing = os.pipe()
    assert Console(reading).files == []
    os.close(reading)
    os.close(writing)
    assert Console(reading).files == []
    operator, terminal = pty.openpty()
    assert Console(terminal).files == []
    os.close(operator)
    os.close(terminal)


@pytest.mark.dds
def test_enter_stops_a_session(short_plan, domain, virtual_go2, tmp_path):
    """While it moves: damped, sealed, exit code 4."""
    virtual_go2()
    words = ["-m", "collect", *place.session(short_plan, domain, tmp_path), *JITTER]
    session, operator = at_terminal(*words)
    os.write(operator, place.OPERATOR.encode())
    said, deadline = "", time.monotonic() + 30.0
    while "robot found" not in said:
        assert time.monotonic() < deadline, said
        if select.select([session.stderr], [], [], 0.1)[0]:
            said += os.read(session.stderr.fileno(), 4096).decode()
            assert session.poll() is None, said
    time.sleep(2.0)
    os.write(operator, b"\n")
    said += session.communicate(timeout=30)[1]
    os.close(operator)
    assert session.returncode == 4, said
    assert "STOP S2 operator (SIGINT)" in said
    assert "The robot is still." in said
    assert (tmp_path / "s.h5").exists()
