"""The terminal that a session was started in: Enter stops it, as Ctrl-C does.

Its settings are left alone, so that nothing need be put back by a process that may be killed: a key alone is not seen.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress


class Console:
    """Where the operator may enter a line; a pipe, a closed input or another program's terminal is none."""

    def __init__(self, file: int = 0) -> None:
        """Forget what was typed until now.

        Args:
            file: descriptor of standard input.
        """
        self.files = [file] if _ours(file) else []
        """What to wait for; empty when there is nothing, or nothing more, to be entered."""
        with suppress(termios.error):
            for file in self.files:
                termios.tcflush(file, termios.TCIFLUSH)

    def entered(self) -> bool:
        """Whether a line was entered, or the terminal closed; to be asked once `files` can be read. Listens no more."""
        [file], self.files = self.files, []
        if not _ours(file):  # put into the background: reading would stop this process (SIGTTIN)
            return False
        with suppress(OSError):
            os.read(file, 4096)
        return True


def _ours(file: int) -> bool:
    try:
        return os.tcgetpgrp(file) == os.getpgrp()
    except OSError:
        return False
