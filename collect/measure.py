"""Acceptance measurements on the robot, each at kp 10 on one calf while all other joints are damped."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.joints import JOINTS, LOWER, N_JOINTS, NAMES, UPPER
from collect.limits import DAMPING_KD, STILL_SPEED, STOP_MARGIN, STOP_TIME
from collect.link import LOWCMD, OTHERS_COMMANDS_QOS, Inbox, Link
from collect.messages import LowCmd, crc32
from collect.pace import PERIOD
from collect.silence import NOTHING, Reaction, reaction
from collect.stand import KD, KP, Stand

CALF = NAMES.index("FR_calf")
"""The joint that is moved: the lightest link, and what it swings at is far from the trunk."""
MIDDLE = JOINTS[CALF].hang
"""Where it is moved, in the middle of its range [rad]."""
STEP = 0.2
"""Jump of the target that sets the calf moving: 2 Nm at kp 10, twice the dry friction of a Go2's calf [rad]."""
SILENCE = 1.0
"""For how long nothing is sent [s]."""
RUNAWAY = 0.35
"""A calf that moves further than this while nothing is sent is damped [rad]."""
OBEYED = 0.2
"""Share of a change of target that counts as obeyed [1]."""
SWINGS = ((DAMPING_KD, 0.3), (DAMPING_KD, 0.45), (DAMPING_KD, 0.6), (3.0, 0.6), (8.0, 0.6))
"""Stops that are measured: the damping, and the jump of the target before it; at kp 10 they give 1 to 4 rad/s. What
sessions stop with from three speeds, what is weaker and stronger from the highest [Nm·s/rad], [rad]."""
HAND_KD = 1.0
"""Damping against which a leg is moved by hand [Nm·s/rad]."""
MOVED = 0.8
"""Share of the URDF's range that a hand must have covered for its ends to be the stops [1]."""
Results = list[tuple[str, "bool | int | float | str", str]]
"""Name, value and unit."""
Show = Callable[[NDArray[np.float64], NDArray[np.float64]], None]


def on_silence(stand: Stand) -> tuple[Reaction, NDArray[Any]]:
    """HW-1: set the calf moving, send nothing for a second, and see by which law its torque goes on.

    Returns:
        What the motor did, and the rows it was told from, of dtype `stand.ROW`.
    """
    with stand.armed(without=("L8", "L10")):
        stand.bring(CALF, MIDDLE)
        before = stand.run(100)
        stand.frame.q[CALF] = MIDDLE + STEP
        moving = stand.run(3)
        start = float(moving[0]["q"][CALF])
        silent = stand.run(round(SILENCE / PERIOD), send=False, until=lambda row: abs(row["q"][CALF] - start) > RUNAWAY)
    rows = np.concatenate([before, moving, silent])
    since = rows["time"] - silent[0]["sent"]
    q, dq, tau, target = (rows[name][:, CALF].astype(float) for name in ("q", "dq", "tau", "target"))
    return reaction(since, q, dq, tau, target, KP, KD), rows


def corrupt_commands(stand: Stand) -> str:
    """HW-4: every other command asks for another position with a wrong CRC: `ignored` or `obeyed`."""

    def command(row: int) -> None:
        stand.frame.q[CALF] = MIDDLE + STEP * (row % 2)

    def altered(row: int, message: Any) -> Any:
        if row % 2:
            message.record["crc"] ^= 0x5A5A5A5A
        return message

    with stand.armed():
        stand.bring(CALF, MIDDLE)
        honest = _obeyed_target(stand.run(200))
        mixed = _obeyed_target(stand.run(300, command, altered=altered)[100:])
    return "obeyed" if abs(mixed - honest) > OBEYED * STEP else "ignored"


def mode_zero(stand: Stand) -> Results:
    """HW-5: motor mode 0 to the calf while it pushes: does the torque go, and does it come back with mode 1?"""
    with stand.armed(without=("L8", "L10")):
        stand.bring(CALF, MIDDLE)
        stand.frame.q[CALF] = MIDDLE + STEP
        pushing = stand.run(250)[175:]
        stand.motors["mode"][CALF] = 0
        off = stand.run(150)[75:]
        stand.motors["mode"][CALF] = 1
        again = stand.run(150)[75:]
    wanted, left, back = (float(np.mean(rows["tau"][:, CALF])) for rows in (pushing, off, again))
    effect = "torque goes" if abs(left) < 0.3 * abs(wanted) else "ignored"
    if abs(wanted) < NOTHING:
        effect = "cannot be told: nothing to push against"
    shift = abs(_obeyed_target(again) - _obeyed_target(pushing))
    return [
        ("mode_0", effect, ""),
        ("mode_0_torque_before", round(wanted, 3), "Nm"),
        ("mode_0_torque", round(left, 3), "Nm"),
        ("mode_0_reported", int(np.median(off["mode"][:, CALF])), ""),
        ("mode_1_recovers", bool(shift < OBEYED * STEP and abs(back) > 0.3 * abs(wanted)), ""),
    ]


def stops(stand: Stand) -> Results:
    """HW-8: how far the calf travels once it is damped, and whether at kd 5 that is what check L6 counts on."""
    found: Results = []
    held = True
    for number, (kd, step) in enumerate(SWINGS, 1):
        with stand.armed(without=("L8",)):
            stand.bring(CALF, MIDDLE - step / 2)
            stand.run(100)
            stand.frame.q[CALF] += step
            peak = _Peak()
            stand.run(200, until=peak.passed)
            stand.frame.kp[CALF], stand.frame.kd[CALF] = 0.0, kd
            rows = stand.run(250)
        speed = float(rows[0]["dq"][CALF])
        still = np.flatnonzero(np.abs(rows["dq"][:, CALF]) < STILL_SPEED)
        last = rows[still[0] if len(still) else -1]
        travel = float(abs(last["q"][CALF] - rows[0]["q"][CALF]))
        held = held and (kd != DAMPING_KD or travel <= STOP_TIME * abs(speed) + STOP_MARGIN)
        found += [
            (f"stop_{number}_kd", kd, "Nm·s/rad"),
            (f"stop_{number}_speed", round(speed, 3), "rad/s"),
            (f"stop_{number}_travel", round(travel, 4), "rad"),
            (f"stop_{number}_time", round(float(last["time"] - rows[0]["time"]), 4), "s"),
        ]
    return [*found, ("stops_within_l6", held, "")]


def clock(states: Any, seconds: float, ambient: float | None) -> Results:
    """HW-7: what LowState says by itself: rate, unit of the tick, lost packets, CRC, temperatures.

    Args:
        states: an Inbox of rt/lowstate.
        seconds: how long to listen [s].
        ambient: temperature of a robot that has been off for an hour [°C]; None when unknown.
    """
    heard: list[tuple[float, Any]] = []
    states.take()
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        heard += [(now, message.record) for message in states.take(0.01)]
    times = np.array([at for at, _ in heard])
    records = np.array([record for _, record in heard])
    motors = records["motor_state"][:, :N_JOINTS]
    ticks = float(int(records["tick"][-1]) - int(records["tick"][0]))
    span = float(times[-1] - times[0])
    median = float(np.median(motors["temperature"]))
    found: Results = [
        ("state_rate", round((len(times) - 1) / span, 2), "Hz"),
        ("tick_unit", round(1e3 * span / ticks, 4) if ticks else "stands still", "ms" if ticks else ""),
        ("lost_rate", round(float(np.ptp(motors["lost"].astype(float), axis=0).sum()) / span, 3), "1/s"),
        ("crc_wrong", sum(crc32(one) != int(one["crc"]) for _, one in heard) / len(heard), "1"),
        ("temperature", median, "°C"),
    ]
    return found + ([("temperature_offset", median - ambient, "°C")] if ambient is not None else [])


def motion_program(link: Link, name: str, seconds: float = 1.0) -> Results:
    """HW-9: how a running motion program shows: writers of rt/lowcmd that are not ours, and their commands.

    Args:
        link: the participant.
        name: of the program that runs, by the motion service; empty when none does.
        seconds: how long to listen [s].
    """
    commands = Inbox(link, LOWCMD, LowCmd, OTHERS_COMMANDS_QOS)
    time.sleep(0.5)  # for discovery
    commands.take()
    heard, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        heard += len(commands.take(0.05))
    return [
        ("motion_program", name or "none", ""),
        ("motion_program_writers", len(link.other_writers(LOWCMD)), ""),
        ("motion_program_commands", round(heard / seconds, 1), "Hz"),
    ]


def hand_range(stand: Stand, done: Callable[[], bool], show: Show) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mechanical stops: all joints lightly damped, moved to their stops by hand, until `done()`.

    Args:
        stand: where the robot hangs.
        done: asked every row.
        show: called five times a second with lowest and highest positions so far, two arrays of shape (12,) [rad].

    Returns:
        Lowest and highest position of each joint, two arrays of shape (12,) [rad].
    """
    hand = _Hand(done, show)
    with stand.armed(without=("L6", "L8")):
        stand.frame.kd[:] = HAND_KD
        while not hand.ready:
            stand.run(500, until=hand.moved)
    return hand.low, hand.high


def unmoved(low: NDArray[np.float64], high: NDArray[np.float64]) -> list[str]:
    """Joints whose stops the hand did not reach."""
    return [NAMES[j] for j in np.flatnonzero(high - low < MOVED * (UPPER - LOWER))]


def _obeyed_target(rows: NDArray[Any]) -> float:
    """Where the calf's motor is told to be, by its own torque: q + (tau + kd·dq) / kp, mean [rad]."""
    q, dq, tau = (rows[name][:, CALF].astype(float) for name in ("q", "dq", "tau"))
    return float(np.mean(q + (tau + KD * dq) / KP))


class _Peak:
    """Sees a motion pass its fastest moment."""

    def __init__(self) -> None:
        self._fastest = 0.0

    def passed(self, row: NDArray[Any]) -> bool:
        speed = abs(float(row["dq"][CALF]))
        self._fastest = max(self._fastest, speed)
        return self._fastest > 0.5 and speed < 0.97 * self._fastest


class _Hand:
    """Sees how far joints are moved by hand."""

    def __init__(self, done: Callable[[], bool], show: Show) -> None:
        self._done, self._show = done, show
        self.low, self.high = np.full(N_JOINTS, np.inf), np.full(N_JOINTS, -np.inf)
        self.ready = False
        self._rows = 0

    def moved(self, row: NDArray[Any]) -> bool:
        np.minimum(self.low, row["q"], out=self.low)
        np.maximum(self.high, row["q"], out=self.high)
        self._rows += 1
        if self._rows % 100 == 0:
            self._show(self.low, self.high)
        self.ready = self._done()
        return self.ready
