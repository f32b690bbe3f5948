"""Work in a process of its own, which may crash, hang or take all memory without harm: reading what strangers wrote."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from collect.channels import MAX_BYTES
from collect.errors import UserError

_SECONDS = 300
"""Of computing, after which the work has hung [s]."""
_FAILED, _NO_MEMORY = 70, 71
"""Exit codes: by a fault of the work's own; it needs more memory than it may have."""


class CrashedError(Exception):
    """The work did not come to its end; says how."""


def apart(work: Callable[[], None], *refusals: type[UserError]) -> None:
    """Do work in a forked process, which may use 4 GiB more than this one and five minutes of computing.

    Args:
        work: to be done; what it is to leave must be on the disk.
        refusals: subclasses of `UserError` that are raised as such.

    Raises:
        UserError: that the work raised.
        CrashedError: when it crashed, hung, or took too much memory.
    """
    told, tell = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = _FAILED
        try:
            _limit()
            code = _told(work, tell)
        finally:
            os._exit(code)
    os.close(tell)
    with os.fdopen(told) as answer:
        text = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if text:
        kind, what, where, fix = json.loads(text)
        raise {one.__name__: one for one in refusals}.get(kind, UserError)(what, where=where, fix=fix)
    if code != 0:
        how = {-signal.SIGXCPU: f"no end after {_SECONDS} s", _NO_MEMORY: f"over {MAX_BYTES >> 30} GiB of memory"}
        raise CrashedError(how.get(code, f"signal {-code}" if code < 0 else f"exit code {code}"))


def _told(work: Callable[[], None], tell: int) -> int:
    """The work's exit code; why it refuses goes through the pipe."""
    try:
        work()
    except UserError as error:
        with os.fdopen(tell, "w") as answer:
            json.dump((type(error).__name__, error.what, error.where, error.fix), answer)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except MemoryError:
        return _NO_MEMORY
    except BaseException:
        traceback.print_exc()
        return _FAILED
    return 0


def _limit() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, used + MAX_BYTES),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
