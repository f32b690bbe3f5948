"""Before anything moves: is this the robot we think it is, alive, hung, cool and ours alone?"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.errors import UserError
from collect.joints import LOWER, N_JOINTS, NAMES, UPPER
from collect.link import LOOPBACK, LOWCMD, LOWSTATE, Inbox, Link
from collect.messages import LowCmd, LowState, crc32
from collect.plan import RATE
from collect.safety import HOT_START, REST_TOLERANCE, usable
from collect.switcher import MotionSwitcher

FIRST_STATE = 3.0
"""How long the robot may take to be heard [s]."""
LISTEN = 1.0
"""How long rates and foreign commands are watched [s]."""
RATE_RANGE = (450.0, 550.0)
"""Of rt/lowstate [Hz]."""
MAX_START_SPEED = 0.5
"""A leg faster than this is not hanging still [rad/s]."""
MAX_START_TILT = 0.4
"""Roll or pitch beyond this is not hanging level [rad]."""
MIN_VOLTAGE = 27.0
"""Below this the battery will not last a session [V]."""


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
    """What a simulator does not deliver: tick, crc, temperature, mode."""
    silent_writers: int
    """Writers of rt/lowcmd that were not heard, beside us and the robot itself."""


def preflight(link: Link, where: str, *, simulator: bool) -> Robot:
    """Look before moving. Nothing stiff has been sent when this refuses.

    Args:
        link: the participant.
        where: interface and domain, for messages.
        simulator: the peer is an incomplete simulator: what it lacks is reported instead of refused.

    Raises:
        UserError: with the first reason not to move.
    """
    states, commands = Inbox(link, LOWSTATE, LowState), Inbox(link, LOWCMD, LowCmd)
    _first_state(states, where)
    released = "" if simulator else MotionSwitcher(link, where).release()
    time.sleep(0.05)
    states.take()
    commands.take()
    heard = _listen(states)
    if foreign := commands.take():
        raise UserError(
            f"another commander is writing rt/lowcmd: {len(foreign) / LISTEN:.0f} messages/s or more",
            where=where,
            fix="stop the other program; a running sport mode is switched off in Unitree's app",
        )
    if len(heard) < 10:
        raise _no_state(where)
    missing = _missing(heard) if simulator else frozenset()
    rate = _check_stream(heard, missing, simulator, where)
    newest = heard[-1][1]
    _check_posture(newest, where)
    if not simulator:
        _check_health(newest, where)
    q = newest["motor_state"]["q"][:N_JOINTS].astype(np.float64)
    robots_own = {writer.participant for writer in link.other_writers(LOWSTATE)}
    silent = sum(writer.participant not in robots_own for writer in link.other_writers(LOWCMD))
    return Robot(q, rate, released, missing, silent)


def confirm_hanging(interface: str, *, simulator: bool) -> None:
    """Have the operator say that the robot hangs; the virtual Go2 on loopback needs no operator.

    Raises:
        UserError: when the answer is anything else.
    """
    if interface == LOOPBACK or simulator:
        return
    sys.stderr.write(
        "The robot must hang with all legs free, and a hand must be on the power switch: if this computer or the\n"
        "cable dies, the robot may hold its last command. Type HANGING to release its motion service and move: "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "HANGING":
        raise UserError(
            "nobody confirmed that the robot hangs", where="standard input", fix="hang it, then type HANGING"
        )


def _first_state(states: Inbox, where: str) -> None:
    deadline = time.monotonic() + FIRST_STATE
    while time.monotonic() < deadline:
        if states.take(0.1):
            return
    raise _no_state(where)


def _no_state(where: str) -> UserError:
    return UserError(
        f"no rt/lowstate within {FIRST_STATE:.0f} s",
        where=where,
        fix="is the robot on and the cable in? `ping 192.168.123.161`; check --interface, --domain and the firewall; "
        "without a robot start `python -m collect robot`",
    )


def _listen(states: Inbox) -> list[tuple[float, NDArray[Any]]]:
    """All states of `LISTEN` seconds with their receive times."""
    heard: list[tuple[float, NDArray[Any]]] = []
    end = time.monotonic() + LISTEN
    while (now := time.monotonic()) < end:
        heard += [(now, state.record) for state in states.take(0.01)]
    return heard


def _missing(heard: list[tuple[float, NDArray[Any]]]) -> frozenset[str]:
    """What a simulator leaves out, seen in what it sent."""
    records = [record for _, record in heard]
    newest = records[-1]["motor_state"][:N_JOINTS]
    absent = {
        "tick": records[0]["tick"] == records[-1]["tick"],
        "crc": all(crc32(record) != int(record["crc"]) for record in records),
        "temperature": not newest["temperature"].any(),
        "mode": not (newest["mode"] == 1).all(),
    }
    return frozenset(name for name, gone in absent.items() if gone)


def _check_stream(
    heard: list[tuple[float, NDArray[Any]]], missing: frozenset[str], simulator: bool, where: str
) -> float:
    times = np.array([time for time, _ in heard])
    rate = (len(times) - 1) / (times[-1] - times[0])
    if "crc" not in missing:
        corrupt = sum(crc32(record) != int(record["crc"]) for _, record in heard)
        if corrupt > 0.01 * len(heard):
            raise UserError(
                f"{corrupt} of {len(heard)} states fail their CRC", where=where, fix="check the network cable"
            )
    if "tick" not in missing and not simulator:
        steps = np.diff([int(record["tick"]) for _, record in heard])
        if not (steps > 0).all() or steps.max() > 10:
            raise UserError(
                f"the robot's clock steps by {steps.min()} to {steps.max()} ms, 2 expected",
                where=where,
                fix="check the network; a simulator needs --peer simulator",
            )
    if not simulator and not RATE_RANGE[0] <= rate <= RATE_RANGE[1]:
        raise UserError(
            f"rt/lowstate comes at {rate:.0f} Hz, {RATE_RANGE[0]:.0f} to {RATE_RANGE[1]:.0f} expected",
            where=where,
            fix="check the network; a simulator needs --peer simulator",
        )
    return float(round(rate)) if simulator else RATE


def _check_posture(state: NDArray[Any], where: str) -> None:
    motors = state["motor_state"][:N_JOINTS]
    q, dq = motors["q"], motors["dq"]
    fix = "hang the robot still, legs free, and try again"
    if not usable(q, dq, motors["tau_est"]) or not q.any():
        raise UserError("the robot's joint states are not plausible", where=where, fix="reboot the robot")
    outside = ~((q >= LOWER - REST_TOLERANCE) & (q <= UPPER + REST_TOLERANCE))
    if outside.any():
        joint = int(np.argmax(outside))
        raise UserError(f"{NAMES[joint]} at {q[joint]:.2f} rad is out of its range", where=where, fix=fix)
    if not np.abs(dq).max() <= MAX_START_SPEED:
        joint = int(np.argmax(np.abs(dq)))
        raise UserError(f"{NAMES[joint]} moves at {dq[joint]:.2f} rad/s", where=where, fix=fix)
    tilt = np.abs(state["imu_state"]["rpy"][:2]).max()
    if not tilt <= MAX_START_TILT:
        raise UserError(f"the body is tilted by {tilt:.2f} rad", where=where, fix="hang it level")


def _check_health(state: NDArray[Any], where: str) -> None:
    temperature = state["motor_state"]["temperature"][:N_JOINTS]
    if temperature.max() > HOT_START:
        joint = int(np.argmax(temperature))
        raise UserError(f"{NAMES[joint]} is at {temperature[joint]} °C, {HOT_START} to start", where=where, fix="wait")
    if not float(state["power_v"]) >= MIN_VOLTAGE:
        raise UserError(f"battery at {float(state['power_v']):.1f} V", where=where, fix="charge it")
