"""`python -m identify`: actuator models from recordings, and how good they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tyro

from collect.errors import exit_on_user_error
from identify.verbs.data import lint, prepare
from identify.verbs.fitting import fit
from identify.verbs.following import follow
from identify.verbs.judging import crosscheck, evaluate, report
from identify.verbs.replaying import replay
from identify.verbs.training import ensemble, holdout, search, train

VERBS: dict[str, Callable[..., Any]] = {
    "lint": lint,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "holdout": holdout,
    "search": search,
    "crosscheck": crosscheck,
    "fit": fit,
    "ensemble": ensemble,
    "replay": replay,
    "follow": follow,
    "report": report,
}

if __name__ == "__main__":
    with exit_on_user_error():
        try:
            code = tyro.extras.subcommand_cli_from_dict(VERBS, prog="python -m identify", description=__doc__)
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)
