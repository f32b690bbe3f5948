"""What the fault tests share: how often a fault is injected, and the figures that a table of promises is made from."""

from __future__ import annotations

import os
from collections.abc import Callable

FULL = os.environ.get("FAULTS") == "full"
"""All counts of the promises instead of a few."""
VARIANTS = os.environ.get("FAULTS") in ("full", "variants")
"""All faults of each check instead of one; mutants see them all."""


def times(few: int, full: int) -> int:
    """How often to inject a fault in this run."""
    return full if FULL else few


def record(
    record_property: Callable[[str, object], None], promise: str, bound: object, what: str = ""
) -> Callable[..., None]:
    """Note for the table which promise a test judges and its bound; at its beginning, before anything can fail.

    Args:
        record_property: pytest's.
        promise: its code.
        bound: in words.
        what: is done; without, the test's name.

    Returns:
        Takes what was measured, and of it at a standstill [ms].
    """

    def note(measured: object, still: float = 0.0) -> None:
        words = {"promise": promise, "what": what, "bound": bound, "measured": measured, "still": round(still, 1)}
        for name, value in words.items():  # the table's reader begins anew at each `promise`
            record_property(name, str(value))

    note("")
    return note
