"""`python -m collect`: the virtual Go2, plans, sessions, recordings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tyro

from collect.errors import exit_on_user_error
from collect.verbs.moving import accept, guard, plan, robot, run
from collect.verbs.recordings import check, convert, recover, show

VERBS: dict[str, Callable[..., Any]] = {
    "robot": robot,
    "plan": plan,
    "run": run,
    "guard": guard,
    "accept": accept,
    "check": check,
    "show": show,
    "recover": recover,
    "convert": convert,
}

if __name__ == "__main__":
    with exit_on_user_error():
        try:
            code = tyro.extras.subcommand_cli_from_dict(VERBS, prog="python -m collect", description=__doc__)
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)
