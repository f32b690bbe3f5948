"""What the fault tests share: how often a fault is injected, and the figures that a table of promises is made from."""

from __future__ import annotations

import os
from collections.abc import Callable

FULL = os.environ.get("FAULTS") == "full"
"""All counts of the promises instead of a few."""


def times(few: int, full: int) -> int:
    """How often to inject a fault in this run."""
    return full if FULL else few


def record(
    record_property: Callable[[str, object], None], promise: str, bound: object, measured: object, what: str = ""
) -> None:
    """Note for the table which promise a test judged, its bound and what was measured; `what`: or the test's name."""
    if what:
        record_property("what", what)
    record_property("promise", promise)
    record_property("bound", str(bound))
    record_property("measured", str(measured))
