"""The person at the power switch: asked before everything that moves, and for what software cannot see."""

from __future__ import annotations

import os
import select
import sys

from collect.errors import UserError


class Operator:
    """Questions on standard error, answers from standard input, line by line."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._rest = b""

    def tell(self, text: str) -> None:
        """A line for the operator, at once."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def ask(self, text: str) -> str:
        """The answer to a question, without its line end.

        Raises:
            UserError: when nobody is there to answer.
        """
        sys.stderr.write(text + " ")
        sys.stderr.flush()
        while b"\n" not in self._rest:
            if not (more := os.read(self._input, 4096)):
                raise UserError("nobody answers", where="standard input", fix="run it in a terminal")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").strip()

    def agrees(self, text: str) -> bool:
        """Whether the operator types `yes`; anything else skips."""
        return self.ask(f"{text} Type yes to begin, anything else to skip:") == "yes"

    def pressed(self) -> bool:
        """Whether the operator has pressed Enter since the last answer; never waits, so a loop may ask."""
        if b"\n" not in self._rest and select.select([self._input], [], [], 0.0)[0]:
            self._rest += os.read(self._input, 4096) or b"\n"
        if b"\n" not in self._rest:
            return False
        self._rest = self._rest.partition(b"\n")[2]
        return True
