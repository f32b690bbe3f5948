"""`python -m collect accept`: what is measured on a robot once per firmware, with somebody at the power switch."""

from __future__ import annotations

import os
from pathlib import Path

from collect import acceptance, damping, session
from collect.acceptance import Acceptance, Measurement
from collect.control import StopError
from collect.dialogue import Operator
from collect.errors import UserError
from collect.handshake import hear_guard, hear_guard_damp
from collect.heartbeat import Heartbeat
from collect.interrupts import heed
from collect.link import Link
from collect.motion import NOT_STILL, OPERATOR, STOPPED
from collect.preflight import check_computer, claim, confirm_hanging, preflight
from collect.procedures import STEPS
from collect.realtime import CONTROL, realtime
from collect.recording import now
from collect.visit import Options, Visit

_KILL = b"HW-2"
"""What the control process says through the pipe before it kills itself as planned."""


def run(options: Options) -> int:
    """Measure, each step after the operator's word; results are in `options.out` after every step.

    Returns:
        0 when all that was wanted is measured, 3 stopped by a check, 4 by the operator, 6 robot not seen still.

    Raises:
        UserError: before anything moves, when there is a reason not to.
    """
    unknown = [code for code in options.only if code not in STEPS]
    if unknown:
        raise UserError(f"no such measurement: {', '.join(unknown)}", where="--only", fix=f"use {', '.join(STEPS)}")
    if options.out.exists() and not _left(options, acceptance.load(options.out)):
        raise UserError(
            "all of this is measured, and is never overwritten",
            where=str(options.out),
            fix="measure it --again (the old file is kept beside it), or choose another --out",
        )
    heed()
    for note in check_computer(options.place.interface, Path(f"{options.out}.h5"), 0, simulator=False):
        Operator().tell(note)
    told, tell = os.pipe()
    with claim(options.place, options.out.parent):
        confirm_hanging(options.place)
        ending = session.guarded(options.place, lambda page: _visit(options, page, tell))
    os.close(tell)
    planned = os.read(told, 16) == _KILL
    os.close(told)
    if planned and ending.fired is not None:
        return _killed(options, still=ending.still)
    if ending.fired is not None:
        Operator().tell(session.fired(ending))
        return NOT_STILL
    return ending.status if ending.status >= 0 else OPERATOR


def _left(options: Options, found: Acceptance) -> list[str]:
    """Codes to be measured, in their order."""
    wanted = [code for code in STEPS if not options.only or code in options.only]
    return [code for code in wanted if options.again or code not in found.codes]


def _killed(options: Options, *, still: bool) -> int:
    """HW-2: the control process has killed itself; this is the guard's."""
    found = acceptance.load(options.out)
    words = "guard damped, robot still" if still else acceptance.GUARD_FAILED
    acceptance.save(found.with_results([Measurement("HW-2", "control_killed", words, "", now())]), options.out)
    Operator().tell(f"HW-2: {words}. Results: {options.out}")
    return 0 if still else NOT_STILL


def _visit(options: Options, page: Heartbeat, tell: int) -> int:
    try:
        return _measure(options, page, tell)
    except KeyboardInterrupt:  # while something moves, signals are caught
        Operator().tell("interrupted; what was measured is kept")
        return OPERATOR


def _measure(options: Options, page: Heartbeat, tell: int) -> int:
    with realtime(CONTROL):
        link = Link(options.place.interface, options.place.domain)
        others = hear_guard(link, page, str(options.place))
        visit = Visit(options, link, page, others, planned_death=lambda: os.write(tell, _KILL))
        ready = False
        for code in _left(options, visit.found):
            step = STEPS[code]
            if not visit.operator.agrees(f"\n{code}: {step.text}"):
                continue
            if step.commands and not ready:
                robot = preflight(link, str(options.place), simulator=False)
                hear_guard_damp(link, others, page, str(options.place))
                visit.operator.tell(f"motion service {robot.released!r} released" if robot.released else "ready")
                ready = True
            try:
                results = step.measure(visit)
            except StopError as stop:
                visit.operator.tell(f"STOP {stop}. {damping.outcome(visit.stand.still)}")
                return _code(str(stop), still=visit.stand.still)
            if not visit.stand.still:
                visit.operator.tell(damping.outcome(False))
                return NOT_STILL
            if results:
                visit.keep(code, results)
        missing = [code for code in acceptance.REQUIRED if code not in visit.found.codes]
        visit.operator.tell(f"still to be measured: {', '.join(missing)}" if missing else "everything is measured")
        return 0


def _code(reason: str, *, still: bool) -> int:
    return NOT_STILL if not still else OPERATOR if reason.startswith(("S2", "S4")) else STOPPED
