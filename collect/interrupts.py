"""Signals that end a session: nobody dies of them, whoever moves the robot damps it first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Ctrl-C, kill, a terminal that was closed, Ctrl-\\."""
IMPATIENT = 3
"""So many signals of the operator cut the wait for stillness."""


@contextmanager
def answered(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Have a handler answer the signals meanwhile.

    They are ignored from then on: the robot is damped, and the recording is not to be cut off by one more Ctrl-C.
    """
    _set(handler)
    try:
        yield
    finally:
        _set(signal.SIG_IGN)


def heed() -> None:
    """Have each of them interrupt what runs from here on.

    A shell that begins this in the background has Ctrl-C ignored, which is inherited (signal(7)): it would be lost as
    long as nothing moves.
    """
    _set(signal.default_int_handler)


def _set(handler: Any) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)
