"""The steps of an acceptance, in order: what each tells the operator, does, and finds out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from collect import acceptance, measure
from collect.control import StopError
from collect.errors import UserError
from collect.joints import NAMES
from collect.measure import Results
from collect.preflight import preflight
from collect.switcher import MotionSwitcher
from collect.visit import Visit

HOLD = 30_000
"""Rows for which a measurement waits for the operator: a minute."""
LISTEN = 3.0
"""How long clock and rate are watched [s]."""


def _silence(visit: Visit) -> Results:
    found, _ = measure.on_silence(visit.stand)
    results: Results = [("on_silence", found.effect, "")]
    if found.after is not None:
        results.append(("silence_after", round(1e3 * found.after, 1), "ms"))
    return results


def _clock(visit: Visit) -> Results:
    answer = visit.operator.ask("Ambient temperature in °C, if the robot has been off for an hour, else Enter:")
    try:
        ambient = float(answer) if answer else None
    except ValueError:
        ambient = None
    return measure.clock(visit.states, LISTEN, ambient)


def _motion_program(visit: Visit) -> Results:
    return measure.motion_program(visit.link, MotionSwitcher(visit.link, str(visit.options.place)).active_mode())


def _cable(visit: Visit) -> Results:
    """Twice: damped, and with a calf held at kp 10. Our own loop sees the silence, damps and gives up."""
    results: Results = []
    for name, stiff in (("cable_out_damped", False), ("cable_out_at_kp_10", True)):
        held = "the calf is held at kp 10" if stiff else "all joints are damped"
        visit.operator.tell(f"Now {held}: pull the network cable; or press Enter to give up.")
        try:
            with visit.stand.armed():
                if stiff:
                    visit.stand.bring(measure.CALF, measure.MIDDLE)
                visit.stand.run(HOLD, until=lambda row: visit.operator.pressed())
            return []
        except StopError as stop:
            if not str(stop).startswith("L1 "):
                raise
        answer = visit.operator.ask("No state comes any more. Plug the cable in. What did the legs do meanwhile?")
        results.append((name, answer or "not seen", ""))
        visit.states.take()
        if not visit.states.take(30.0):
            raise UserError("the robot does not come back", where=str(visit.options.place), fix="reboot it, then go on")
        preflight(visit.link, str(visit.options.place), simulator=False)
    visit.stand.still = True  # preflight has seen it
    return results


def _remote(visit: Visit) -> Results:
    visit.operator.tell("All joints are damped: press L2 + B on the remote control; or press Enter to give up.")
    seen = False
    try:
        with visit.stand.armed():
            visit.stand.run(HOLD, until=lambda row: visit.operator.pressed())
    except StopError as stop:
        if not str(stop).startswith("L16 "):
            raise
        seen = True
    told = visit.operator.ask("What did the robot itself do?")
    button = visit.operator.ask("And at a short press of its power button? (Enter: not tried)")
    return [
        ("remote_seen", seen, ""),
        ("remote_effect", told or "nothing", ""),
        ("power_button", button or "not tried", ""),
    ]


def _range(visit: Visit) -> Results:
    def show(low: NDArray[Any], high: NDArray[Any]) -> None:
        left = measure.unmoved(low, high)
        visit.operator.tell(f"{len(NAMES) - len(left)} of {len(NAMES)} joints done; left: {', '.join(left) or 'none'}")

    visit.operator.tell("Move every joint gently to both of its stops, then press Enter.")
    low, high = measure.hand_range(visit.stand, visit.operator.pressed, show)
    if left := measure.unmoved(low, high):
        visit.operator.tell(f"not kept: {', '.join(left)} did not see both stops")
        return []
    visit.keep("range", [("stops", "measured by hand", "")], (low, high))
    return []


def _killed(visit: Visit) -> Results:
    """HW-2: the last thing this process does; how it went is seen by the guard, which goes on with the story."""
    acceptance.save(visit.found, visit.options.out)
    with visit.stand.armed():
        visit.stand.bring(measure.CALF, measure.MIDDLE)
        visit.stand.run(250)
        visit.planned_death()
        os.kill(os.getpid(), signal.SIGKILL)
    return []


@dataclass(frozen=True)
class Step:
    """One measurement."""

    text: str
    """What will happen, for the operator."""
    measure: Callable[[Visit], Results]
    commands: bool = True
    """Whether it commands the robot, whose motion service is then released."""


STEPS: dict[str, Step] = {
    "HW-9": Step("listens for a second how the motion program shows on DDS; nothing moves.", _motion_program, False),
    "HW-7": Step(f"listens to clock, rate and temperatures for {LISTEN:.0f} s; nothing moves.", _clock, False),
    "HW-1": Step("moves the front right calf to its middle and by 0.2 rad, sends nothing for a second.", _silence),
    "HW-4": Step(
        "holds the calf and sends commands with a wrong CRC between the right ones.",
        lambda visit: [("corrupt_commands", measure.corrupt_commands(visit.stand), "")],
    ),
    "HW-5": Step("holds the calf and switches its motor to mode 0 for 0.3 s.", lambda v: measure.mode_zero(v.stand)),
    "HW-8": Step("swings the calf five times by up to 0.6 rad and damps it.", lambda v: measure.stops(v.stand)),
    "range": Step("optional: damps lightly while you move every joint to its mechanical stops.", _range),
    "HW-6": Step("damps while you press L2 + B.", _remote),
    "HW-3": Step("damps, then holds the calf at kp 10, while you pull the network cable.", _cable),
    "HW-2": Step("holds the calf at kp 10 and kills its own process: the guard must damp.", _killed),
}
"""In this order: first what moves nothing, last what ends the visit."""
