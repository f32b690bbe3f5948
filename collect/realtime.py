"""Real-time scheduling: a loop at 500 Hz goes before everything that can wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CONTROL, GUARD = 20, 21
"""SCHED_FIFO priorities, 1 to 99: above all ordinary processes, below the kernel's own threads at 50; the guard above
the loop that it watches."""


@contextmanager
def realtime(priority: int) -> Iterator[bool]:
    """Run this thread, and every thread it starts meanwhile, before all ordinary ones, where the system allows it.

    Yields:
        Whether it was allowed: root, CAP_SYS_NICE or an `rtprio` limit (see limits.conf(5)).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except (AttributeError, OSError):  # not Linux, or no right to
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
