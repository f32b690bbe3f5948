"""One session at the robot: a control process moves it, this process guards it, then seals what was recorded."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from collect import acceptance, damping, motion, recording, sealing
from collect.acceptance import Acceptance
from collect.console import Console
from collect.errors import UserError
from collect.guard import Ending, Guard
from collect.heartbeat import Heartbeat
from collect.interrupts import heed
from collect.journal import SUFFIX
from collect.link import Link, Place, check_place
from collect.live import say
from collect.motion import NOT_STILL, SIMULATOR, SPARE, Options
from collect.plan import Plan, check
from collect.preflight import check_computer, claim, confirm_hanging
from collect.realtime import GUARD, realtime
from collect.safety import refuse
from collect.salvage import interrupted
from collect.survey import Survey

REFUSED = 2
"""Exit code: it ended before anything moved."""
INCOMPLETE = 5
"""Exit code: not sealed, or rows are missing. Worse is `NOT_STILL`, also where the guard had to damp."""


def run(plan: Plan, options: Options) -> int:
    """Move a hung robot along a plan and seal what it did.

    Returns:
        0 complete, 2 nothing was recorded, 3 stopped by a check, 4 by the operator, 5 not sealed or rows are missing, 6
        the guard fired or the robot was not seen still.

    Raises:
        UserError: before anything moves, when there is a reason not to.
    """
    heed()
    check(plan)
    name = options.session or f"{plan.name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    target = recording.session_path(options.out, name)
    simulator = options.peer == SIMULATOR
    for note in check_computer(options.place.interface, target, len(plan) + SPARE, simulator=simulator):
        say(note)
    for left in interrupted(options.out):
        say(str(left))
    accepted = _accepted(options)
    with claim(options.place, options.out, accepted):
        confirm_hanging(options.place)
        move = partial(motion.move, plan, options, target, accepted=accepted)
        ending = guarded(options.place, move, Console())
    return _end(ending, target.with_suffix(SUFFIX))


def guarded(place: Place, work: Callable[[Heartbeat], int], console: Console | None = None) -> Ending:
    """Do work that moves the robot in a child process and guard it from this one, which has not used DDS before."""
    check_place(place.interface, place.domain)  # once, before there are two processes to say it
    page = Heartbeat()
    sys.stdout.flush()
    sys.stderr.flush()
    control = os.fork()
    if control == 0:
        motion.run(lambda: work(page))
    with realtime(GUARD):
        try:
            link = Link(place.interface, place.domain)
            guard = Guard(link, page, control, console)
            page.guard = link.guid
            return guard.watch()
        except BaseException:  # without a guard nothing may move; control would notice, this is sooner
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(control, signal.SIGTERM)
                os.waitpid(control, 0)
            raise


def _accepted(options: Options) -> Acceptance | None:
    """What was measured on the robot that is expected; None for a virtual one or a simulator.

    Raises:
        UserError: when it was not measured, as is known before the robot is asked who it is.
    """
    if options.place.virtual or options.peer == SIMULATOR:
        return None
    found = acceptance.load(options.acceptance) if options.acceptance.exists() else None
    identity = found.robot if found else None
    refuse(Survey(accepted=found, identity=identity), str(options.acceptance), "identity")
    for caution in acceptance.cautions(found) if found else ():
        say(caution)
    return found


def fired(ending: Ending) -> str:
    """What the guard did, in words."""
    return f"GUARD: {ending.fired}. Damping sent. {damping.outcome(ending.still)}"


def _end(ending: Ending, journal: Path) -> int:
    """Say how it ended and seal the journal."""
    if ending.fired is not None:
        say(fired(ending))
    if not journal.exists():
        if ending.status < 0:
            say(f"the control process was killed by signal {-ending.status} before anything moved")
        return ending.status if ending.status > 0 else REFUSED
    try:
        sealed = sealing.seal(journal)
    except UserError as error:
        say(f"error: {error}")
        return NOT_STILL if ending.fired or ending.status == NOT_STILL else INCOMPLETE
    say(f"sealed {sealed}", sys.stdout)
    if ending.fired is not None or ending.status == NOT_STILL:
        return NOT_STILL
    return ending.status if ending.status >= 0 and sealed.complete else INCOMPLETE
