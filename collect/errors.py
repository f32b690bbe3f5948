"""Refusals: what is wrong, where, and how to fix it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake the user can fix; shown as one message without a traceback, exit code 2."""

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(f"{what}\n  where: {where}\n  fix:   {fix}")
        self.what, self.where, self.fix = what, where, fix


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Print a `UserError` to stderr and leave with exit code 2; used once, in each `__main__`."""
    try:
        yield
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
