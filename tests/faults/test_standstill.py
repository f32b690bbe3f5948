"""What the fault suite holds against the machine, and not against the collector."""

import os
import signal
import time

from standstill import Standstill


def test_a_core_that_stood_still_is_noticed(tmp_path):
    """Whoever watches it was held up; a time without that counts nothing, an overlap counts once."""
    watching = Standstill(tmp_path)
    try:
        time.sleep(0.3)
        before, pids = time.monotonic(), [watcher.pid for watcher in watching._watchers]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        after = time.monotonic()
        time.sleep(0.05)
        seen = watching.between(before, after + 0.02)
        assert 0.04 < seen <= after + 0.02 - before
        assert watching.between(before - 10.0, before - 5.0) == 0.0
    finally:
        watching.close()
