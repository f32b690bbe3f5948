"""Before anything moves: is this the robot we think it is, alive, hung, cool and ours alone?

The preflight measures, stage by stage, and refuses by the first check of `safety.CHECKS` that trips.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import computer, damping, neighbours, sealing
from collect.acceptance import Acceptance, Identity
from collect.errors import UserError
from collect.host_verdicts import HANGING
from collect.joints import LOWER, N_JOINTS, UPPER
from collect.limits import MAX_LATE
from collect.link import LOWCMD, LOWSTATE, OTHERS_COMMANDS_QOS, Inbox, Link, Place
from collect.messages import SERVO, LowCmd, LowState, crc32
from collect.plan import RATE
from collect.robot_verdicts import FIRST_STATE, RATE_RANGE, frozen
from collect.safety import HICCUPS, Stage, found, refuse
from collect.survey import Survey
from collect.switcher import PATIENCE, MotionSwitcher

LISTEN = 1.0
"""How long states and foreign commands are watched before anything is sent [s]."""
DAMPED = 1.0
"""How long they are watched on while the robot is damped, to see that the loop keeps time and the motors obey [s]."""

A_SIMULATORS_CHANCE = 2.0
"""How long a motion service has to show that a simulator is a robot, as long as one is asked otherwise [s]."""
_NO_SERVICE = frozenset({"service"})


@dataclass(frozen=True, eq=False)
class Robot:
    """What preflight found."""

    q: NDArray[np.float64]
    """Measured posture, shape (12,) [rad]."""
    rate: float
    """Of rt/lowstate [Hz]: 500, or what a simulator was measured to send."""
    released: str
    """Motion program that was released, empty when none ran."""
    missing: frozenset[str]
    """What a simulator does not deliver: tick, crc, temperature, mode, rate, noise, battery, service."""
    silent_writers: int
    """Writers of rt/lowcmd that were not heard, beside us and the robot itself.

    They are told, not refused: the guard on the robot's computer is one, and as a second commander has not written yet
    it is the loop that stops for its first sample (L11)."""
    identity: Identity
    """Serial number and firmware."""
    late: float = np.nan
    """How late the worst state of the loop's self-test was taken, NaN where the peer has no clock [s]."""


def check_computer(interface: str, target: Path, rows: int, *, simulator: bool) -> list[str]:
    """What can be known without the robot: interface (P1), disk (P13), versions and clock (P16). Within a second.

    Args:
        interface: that the robot is to be on.
        target: the recording-to-be; nothing is left there.
        rows: of the session.
        simulator: the peer need not be in the robot's network.

    Returns:
        Notes for the operator.

    Raises:
        UserError: with the first reason not to move.
    """
    survey = Survey(
        interface=interface,
        interfaces=computer.interfaces(),
        simulator=simulator,
        disk=computer.disk(target, rows),
        versions=sealing.versions(),
        synchronised=computer.clock_is_synchronised(),
    )
    return refuse(survey, str(target), "computer")


@contextmanager
def claim(place: Place, folder: Path, accepted: Acceptance | None = None) -> Iterator[None]:
    """Be the only collector that moves the robot there (P6); processes forked meanwhile share it.

    Collectors of this computer are seen by their claim, those of others by the journal that they write to the folder.

    Args:
        place: of the robot.
        folder: of the recording-to-be.
        accepted: what was measured on the robot that is expected: its serial number.

    Raises:
        UserError: when there is one already.
    """
    with computer.alone(place.interface, place.domain) as rival:
        survey = Survey(rival=rival, place=str(place), logs=neighbours.logs(folder), accepted=accepted)
        refuse(survey, str(place), "claim")
        yield


def confirm_hanging(place: Place) -> None:
    """Have the operator say that the robot hangs (P10); where no real one can be, nobody is asked.

    Raises:
        UserError: when the answer is anything else.
    """
    answer = ""
    if not place.virtual:
        sys.stderr.write(
            "The robot must hang with all legs free, and a hand must be on the power switch: if this computer or the\n"
            f"cable dies, the robot may hold its last command. Type {HANGING} to release its motion service and move: "
        )
        sys.stderr.flush()
        answer = sys.stdin.readline().strip() if sys.stdin else ""  # None where standard input is closed
    refuse(Survey(virtual=place.virtual, answer=answer), "standard input", "operator")


def preflight(
    link: Link,
    where: str,
    *,
    simulator: bool,
    accepted: Acceptance | None = None,
    max_late: float = MAX_LATE,
    listen: float = LISTEN,
    damped: float = DAMPED,
    patience: float = PATIENCE,
) -> Robot:
    """Look before moving; at most 15 s. Nothing stiff has been sent when this refuses, at most damping.

    Args:
        link: the participant.
        where: interface and domain, for messages.
        simulator: the peer is an incomplete simulator: what it lacks is reported instead of refused.
        accepted: what was measured on the robot that is expected; without, any may be there, and has the URDF's range.
        max_late: how late the loop may be in its self-test [s].
        listen: how long to watch, at least `robot_verdicts.FREEZE` [s].
        damped: how long to damp, more than `robot_verdicts.SETTLED` [s].
        patience: between two releases of the motion service [s].

    Raises:
        UserError: with the first reason not to move.
    """
    states, commands = Inbox(link, LOWSTATE, LowState), Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS)
    low, high = (accepted and accepted.range()) or (LOWER, UPPER)
    survey = _contact(Survey(simulator=simulator, accepted=accepted, low=low, high=high, max_late=max_late), states)
    refuse(survey, where, "contact")
    if accepted is not None:
        refuse(survey, where, "identity")
    switcher = MotionSwitcher(link, where)
    survey = _expose(survey, switcher) if simulator else _release(survey, switcher, patience)
    refuse(survey, where, "service", missing=_NO_SERVICE if simulator else frozenset())
    if not simulator:
        time.sleep(0.05)  # its last commands are on their way
        commands.take()
    look = partial(_listen, survey, link, states, commands, listen)
    survey = look()
    missing = _missing(survey) if simulator else frozenset()
    survey = _judged(survey, look, where, "robot", missing=missing)
    rate = float(round(survey.rate)) if "rate" in missing else RATE
    look = partial(_damp, survey, link, states, commands, damped, link.writer(LOWCMD, LowCmd))
    survey = _judged(look(), look, where, "robot", "damped", missing=missing)
    return Robot(
        q=survey.newest["motor_state"]["q"][:N_JOINTS].astype(np.float64),
        rate=rate,
        released=survey.release.released if survey.release else "",
        missing=missing,
        silent_writers=_silent_writers(link),
        identity=Identity.of(survey.newest),
        late=np.nan if "tick" in missing else float(survey.lateness.max()),
    )


def _judged(survey: Survey, look: Callable[[], Survey], where: str, *stages: Stage, missing: frozenset[str]) -> Survey:
    """The survey that the robot is judged by: a second look where the first showed nothing but a hiccup.

    Raises:
        UserError: with the first reason not to move.
    """
    for first in (True, False):
        survey = replace(survey, intact=survey.intact | ("crc" in missing))
        trips = {check.name for check, _ in found(survey, *stages, missing=missing)}
        if first and trips and trips <= HICCUPS:
            survey = look()
    refuse(survey, where, *stages, missing=missing)
    return survey


def _contact(survey: Survey, states: Inbox) -> Survey:
    """How long it takes to hear the robot, and who it says it is in its first intact state."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < FIRST_STATE:
        for state in states.take(0.1):
            survey = replace(survey, first_state=min(survey.first_state, waited))
            if survey.simulator or crc32(state.record) == int(state.record["crc"]):
                return replace(survey, identity=Identity.of(state.record))
    return survey


def _expose(survey: Survey, switcher: MotionSwitcher) -> Survey:
    answers = switcher.answers(A_SIMULATORS_CHANCE)
    return replace(survey, impostor="a motion service answers as a robot's does" if answers else "")


def _release(survey: Survey, switcher: MotionSwitcher, patience: float) -> Survey:
    try:
        return replace(survey, release=switcher.release(patience), impostor="")
    except UserError as error:
        return replace(survey, trouble=error.what, impostor="")


def _listen(
    survey: Survey, link: Link, states: Inbox, commands: Inbox, seconds: float, answer: Any = lambda state: None
) -> Survey:
    """Watch the robot: states with their receive times, commands of others; every state is answered."""
    times, records, intact, heard = [], [], [], Counter[int]()
    states.take()  # what came while nobody listened; one take empties a reader
    start = now = time.monotonic()
    while now - start < seconds:
        received = states.take(0.01)
        now = time.monotonic()
        for state in received:
            times.append(now)
            records.append(state.record)
            intact.append(crc32(state.record) == int(state.record["crc"]))
            answer(state.record)
        heard.update(command.sample_info.publication_handle for command in commands.take())
    foreign = [(link.sender(writer), count) for writer, count in heard.most_common()]
    foreign = [(sender, count) for sender, count in foreign if sender not in link.friends]
    return replace(
        survey,
        listened=(start, now),
        times=np.array(times),
        states=np.array(records, LowState.LAYOUT),
        intact=np.array(intact, bool),
        commands=sum(count for _, count in foreign) / (now - start),
        commander="; ".join(_commander(link, sender) for sender, _ in foreign[:3]),
    )


def _damp(survey: Survey, link: Link, states: Inbox, commands: Inbox, seconds: float, writer: Any) -> Survey:
    """Watch the robot as the loop will, with the same work per tick, but answer every state with damping."""
    frame = damping.frame(np.zeros(N_JOINTS))

    def answer(state: NDArray[Any]) -> None:
        q = state["motor_state"]["q"][:N_JOINTS]
        if np.isfinite(q).all():  # a motor may reckon kp·(q_target − q) even where kp is 0
            frame.q[:] = q
        writer.write(frame.seal())

    gc.collect()
    gc.disable()
    try:
        return _listen(survey, link, states, commands, seconds, answer)
    finally:
        gc.enable()


def _missing(survey: Survey) -> frozenset[str]:
    """What a simulator leaves out, seen in what it sent."""
    if not len(survey.states):
        return _NO_SERVICE
    newest = survey.states[-1]
    absent = {
        "tick": newest["tick"] == survey.states[0]["tick"],
        "crc": not survey.intact.any(),
        "temperature": not newest["motor_state"]["temperature"][:N_JOINTS].any(),
        "mode": not (newest["motor_state"]["mode"][:N_JOINTS] == SERVO).all(),
        "battery": not newest["power_v"] > 0.0,
        "rate": not RATE_RANGE[0] <= survey.rate <= RATE_RANGE[1],
        "noise": frozen(replace(survey, intact=np.ones(len(survey.states), bool))) is not None,
        "service": True,
    }
    return frozenset(name for name, gone in absent.items() if gone)


def _commander(link: Link, participant: str) -> str:
    robots_own = {writer.participant for writer in link.other_writers(LOWSTATE)}
    return ("the robot itself, " if participant in robots_own else "") + link.who(participant)


def _silent_writers(link: Link) -> int:
    robots_own = {writer.participant for writer in link.other_writers(LOWSTATE)}
    return sum(writer.participant not in robots_own for writer in link.other_writers(LOWCMD))
