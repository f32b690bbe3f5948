"""What refuses a session and what stops it: one table of checks.

The preflight and the loop evaluate it, `collect check --list` and docs/checks.md print it, the tests walk it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from collect import host_verdicts as host
from collect import limits as at
from collect import motion_verdicts as motion
from collect import robot_verdicts as robot
from collect.errors import UserError
from collect.survey import Survey
from collect.watch import Watch

Stage = Literal[
    "plan", "computer", "claim", "operator", "contact", "identity", "service", "robot", "damped", "guard", "motion"
]
"""What has just been looked at, in this order; the robot is looked at again while it is damped, and every tick while it
moves."""


@dataclass(frozen=True)
class Check:
    """One reason not to move, or to stop."""

    code: str
    subject: str
    """What is looked at; with the code it names the check."""
    stage: Stage
    trigger: str
    """In words, with the limit."""
    needs: str
    """What the peer must deliver for it; a simulator without it goes without the check."""
    verdict: Callable[[Any], str | None] | None
    """What was measured, in words, when it trips, else None: of a `Survey` before motion, of a `Watch` in motion.
    Absent where the event itself refuses or stops."""
    fix: str
    """What the user can do."""
    reaction: Literal["refuse", "note", "damp", "return"] = "refuse"
    """A note is told and nothing else; damping is at once; a return is home along a ramp and then damping."""

    @property
    def name(self) -> str:
        """For example `P3 CRC`."""
        return f"{self.code} {self.subject}"


_HANG = "hang the robot still and level with all legs free, and try again"
_CABLE = "check the network and its cable, stop other programs on this computer; a simulator needs --peer simulator"
_PYTHON = "pip install -c constraints.txt, in a virtual environment of its own"
_LOAD = "stop other programs, use a faster computer, allow real-time scheduling (root, or an rtprio limit)"
_REPORT = "this is a fault of the collector: report it with the message"

CHECKS: tuple[Check, ...] = (
    Check("P12", "config", "plan", "unknown keys, wrong types, numbers that are not finite, limits looser than the "
          "ceilings", "", None, "all errors are listed at once, with what was probably meant"),
    Check("P11", "plan", "plan", "the motion, simulated on the rigid body, leaves a limit, or a target the range "
          "that L14 allows", "", None,
          "choose smaller amplitudes, lower frequencies or softer gains"),
    Check("P1", "interface", "computer", f"interface absent, down, or without an address in {host.NETWORK}0/24", "",
          host.interface, "name the one wired to the robot (`ip -br address`), give it 192.168.123.99/24; lo is for "
          "virtual robots"),
    Check("P6", "single instance", "claim", "another collector of this computer moves the same robot", "", host.rival,
          "wait for its end, or stop it with Ctrl-C: it damps the robot first"),
    Check("P6", "journal", "claim", "in the recording's folder a journal of the same robot, or that does not say of "
          f"which, was written less than {host.BEING_WRITTEN:.0f} s ago: by a collector that this computer cannot see",
          "", host.journal, "wait for its end; if no collector runs anywhere, wait five seconds, then "
          "python -m collect recover FILE"),
    Check("P13", "target", "computer", "the recording or its journal exists, or the folder cannot be written", "",
          host.disk, "choose another --out or --session; of an interrupted session: python -m collect recover FILE"),
    Check("P13", "room", "computer", "less room than three times the session and 200 MB", "", host.room,
          "free space, or choose another --out"),
    Check("P13", "sync", "computer", f"half a second of rows takes over {host.MAX_SYNC * 1e3:.0f} ms to the disk", "",
          host.sync, "choose an --out on a local disk"),
    Check("P16", "aborting versions", "computer", "versions that are known to abort together", "", host.aborting,
          _PYTHON),
    Check("P16", "tested versions", "computer", "versions that were not tested together", "", host.untested, _PYTHON,
          reaction="note"),
    Check("P16", "Python", "computer", "another Python than the tested one", "", host.python,
          "look here first if anything is odd", reaction="note"),
    Check("P16", "date", "computer", "this computer's clock is not synchronised", "", host.clock_of_ours,
          "the date in the recording may be wrong, its times are not", reaction="note"),
    Check("P10", "operator", "operator", f"the operator does not type {host.HANGING}; nobody is asked on lo in a "
          "domain other than 0, where no robot can be", "", host.hanging,
          f"hang it, then type {host.HANGING}"),
    Check("P2", "contact", "contact", f"no rt/lowstate within {robot.FIRST_STATE:.0f} s", "", robot.first_state,
          "is the robot on and the cable in? `ping 192.168.123.161`; check --interface, --domain and the firewall; "
          "without a robot start `python -m collect robot`"),
    Check("P17", "acceptance", "identity", "what `accept` measures is missing, another robot's or another firmware's, "
          "or speaks against a session", "", robot.acceptance, "python -m collect accept --interface … --out "
          "robot.yaml, supervised, once per robot and firmware; what was bad, once its reason is found, --again --only "
          "HW-…"),
    Check("P5", "motion service", "service", "it does not answer, or its program still runs after 3 releases",
          "service", robot.service, "switch the program off in Unitree's app, or reboot the robot, and try again; a "
          "simulator without the service needs --peer simulator"),
    Check("P5", "simulator", "service", "--peer simulator, but a motion service answers", "", robot.impostor,
          "what answers is a robot, or complete: leave --peer simulator out"),
    Check("P4", "second commander", "robot", "anybody else's command on rt/lowcmd", "", robot.commands,
          "stop that program; a running sport mode is switched off in Unitree's app"),
    Check("P3", "CRC", "robot", f"over {robot.MAX_CORRUPT:.0%} of the states fail their CRC", "crc", robot.corrupt,
          _CABLE),
    Check("P3", "clock", "robot", f"the robot's clock stands, goes back, jumps by {robot.MAX_TICK_JUMP} ms, or counts "
          "no milliseconds", "tick", robot.clock, _CABLE),
    Check("P7", "numbers", "robot", "a joint state or the orientation is not a number, or cannot be", "", robot.numbers,
          "reboot the robot"),
    Check("P7", "zeros", "robot", "all twelve joints at exactly 0 rad", "", robot.zero,
          "wait until the robot has booted, then try again"),
    Check("P7", "freeze", "robot", f"joint states alike to the last bit for {robot.FREEZE} s", "noise", robot.frozen,
          "reboot the robot; a simulator needs --peer simulator"),
    Check("P7", "joints", "robot", "more than twelve joints", "", robot.joints, "this is for the Go2 alone"),
    Check("P8", "posture", "robot", f"a joint outside its range (measured stops or URDF ± {at.REST_TOLERANCE} rad)",
          "", robot.posture, _HANG),
    Check("P8", "speed", "robot", f"a joint faster than {robot.MAX_START_SPEED} rad/s", "", robot.speed, _HANG),
    Check("P9", "temperature", "robot", f"a motor above {at.HOT_START} °C, or its sensor at 0", "temperature",
          robot.temperature, "let it cool"),
    Check("P9", "battery", "robot", f"less than {robot.MIN_CHARGE} % or {robot.MIN_VOLTAGE} V", "battery",
          robot.battery, "charge it"),
    Check("P9", "motor bus", "robot", f"a motor's bus loses {robot.MAX_LOST:.0f} packets or more in a second", "",
          robot.lost, "reboot the robot; if it comes again, a motor cable is loose"),
    Check("P10", "tilt", "robot", f"roll or pitch beyond {robot.MAX_START_TILT} rad", "", robot.tilt, _HANG),
    Check("P10", "feet", "robot", f"a foot's sensor above {robot.MAX_FOOT_FORCE}", "", robot.feet, _HANG),
    Check("P9", "motor mode", "damped", f"a motor not in servo mode after {robot.SETTLED} s of damping", "mode",
          robot.mode, "reboot the robot"),
    Check("P3", "rate", "robot", f"state rate outside {robot.RATE_RANGE[0]:.0f} to {robot.RATE_RANGE[1]:.0f} Hz, or no "
          f"state for {robot.MAX_GAP * 1e3:.0f} ms (more with --accept-jitter)", "rate", robot.rate, _CABLE),
    Check("P15", "loop", "damped", f"a state taken more than {at.MAX_LATE * 1e3:.0f} ms late, or more than "
          f"{at.LATE_SHARE:.0%} over {robot.LATE * 1e3:.0f} ms (both more with --accept-jitter)", "tick",
          robot.late, _LOAD),
    Check("P14", "guard", "guard", "the guard did not start, or its damping frame was not seen on rt/lowcmd", "",
          host.guard, "check the interface and the firewall, and start the session again"),
    Check("S2", "operator", "motion", "the operator presses Ctrl-C, or Enter in the session's terminal", "", None, "",
          "damp"),
    Check("S4", "signals", "motion", "SIGTERM, SIGHUP (the terminal was closed) or SIGQUIT", "", None, "", "damp"),
    Check("S5", "death", "motion", "the control process dies: the guard damps", "", None, _REPORT, "damp"),
    Check("S6", "hang", "motion", "the control process hangs for 20 ms: the guard damps and kills it", "", None, _LOAD,
          "damp"),
    Check("S7", "guard", "motion", f"the guard is dead or has not beaten for {at.GUARD_AGE * 1e3:.0f} ms", "",
          motion.guard, "find out what ended it (the kernel's log tells of memory); recover the journal", "damp"),
    Check("L1", "silence", "motion", f"newest robot state older than {at.STATE_AGE * 1e3:.0f} ms", "", motion.silence,
          "check the cable, and whether the robot still runs", "damp"),
    Check("L2", "clock", "motion", f"robot clock goes back, jumps by more than {at.MAX_TICK_JUMP} ms, or has more than "
          f"{at.MAX_GAPS} gaps in a second", "tick", motion.clock, "the robot rebooted, or the network loses states: "
          "check the cable", "damp"),
    Check("L3", "freeze", "motion", f"all motors report the same to the last bit for {at.FROZEN} s while their "
          "targets move", "", motion.frozen, "reboot the robot", "damp"),
    Check("L4", "numbers", "motion", f"{motion.MAX_BAD_STATES} of the last 10 states hold numbers that are not finite "
          "or absurd", "", motion.numbers, "reboot the robot; if it comes again, a motor or its cable is broken",
          "damp"),
    Check("L5", "CRC", "motion", f"more than {motion.MAX_BAD_CRCS} states in a second fail their CRC", "crc",
          motion.corrupt, "check the cable", "damp"),
    Check("L6", "range", "motion", "a joint cannot stop within its range (measured stops, or URDF ± "
          f"{at.REST_TOLERANCE} rad)", "", motion.stops_in_range, "plan smaller amplitudes", "damp"),
    Check("L7", "speed", "motion", "a joint turns faster than 22 rad/s (calf 14), two states in a row", "",
          motion.overspeed, "plan smaller amplitudes or lower frequencies", "damp"),
    Check("L8", "blocked", "motion", f"tracking error above {at.STUCK_ERROR} rad and thrice the prediction for "
          f"{at.STUCK_TIME} s, or torque above {at.STUCK_TORQUE:.0%} of the limit for {at.STUCK_TORQUE_TIME} s", "",
          motion.blocked, "free the leg; a rope, a hand or the ground was in its way", "damp"),
    Check("L9", "heat", "motion", f"a motor at {at.HOT} °C or more, its sensor at 0 or 255, or warmer by more than "
          f"{at.MAX_WARMING} °C within a second", "temperature", motion.overheated, "let it cool; a sensor that jumps "
          "is broken", "damp"),
    Check("L10", "motors", "motion", f"a motor leaves servo mode, or the motor bus loses {motion.MAX_LOST} packets in "
          "a second", "mode", motion.motors, "reboot the robot; if it comes again, a motor cable is loose", "damp"),
    Check("L11", "second commander", "motion", "another commander appears on rt/lowcmd", "", motion.intruder,
          "stop that program; a sport mode is switched off in Unitree's app", "damp"),
    Check("L12", "lateness", "motion", f"the control loop sleeps {at.MAX_LATE * 1e3:.0f} ms too long, or "
          f"comes round 1 ms late before {at.LATE_SHARE:.0%} of a second's rows (both more with --accept-jitter)", "",
          motion.late, _LOAD, "damp"),
    Check("L13", "exception", "motion", "any exception in the loop", "", None, _REPORT, "damp"),
    Check("L14", "own command", "motion", "a command of ours is not finite, out of range, without damping, or steps "
          "further than its program does anywhere: it is not sent", "", None, _REPORT, "damp"),
    Check("L15", "DDS", "motion", "DDS cannot send", "", None, "check that the interface is up", "damp"),
    Check("L16", "remote control", "motion", "L2 + B are pressed on the robot's remote control", "", motion.remote, "",
          "damp"),
    Check("L17", "body", "motion", f"the body tilts by more than {at.MAX_TILT} rad or is accelerated by more than "
          f"{at.MAX_ACCEL} m/s²", "", motion.unseated, "look at the rope: it slipped, or somebody pushed", "damp"),
    Check("L20", "overrun", "motion", f"the session lasts {at.OVERRUN:.0f} s longer than its program", "",
          motion.overrun, _LOAD, "damp"),
    Check("L9", "warmth", "motion", f"a motor at {at.WARM} °C", "temperature", motion.warm, "let it cool", "return"),
    Check("L18", "journal", "motion", f"the journal cannot be brought to the disk, or not for {at.BEHIND:.0f} s", "",
          motion.journal, "free space, or choose an --out on a disk that keeps up", "return"),
)  # fmt: skip
"""Looked at in this order. Before motion the first of what has been looked at that trips refuses, before anything stiff
was sent; what a moment's hiccup can trip comes last. In motion the first that trips ends the session, latched; what
only goes home comes last."""
HICCUPS = frozenset({"P3 rate", "P15 loop"})
"""Where only these trip, a second look decides: every computer is held up now and then, and what is held up while the
robot moves is stopped by the loop (L1 at 20 ms, L12 at 8)."""
IN_MOTION = tuple(check for check in CHECKS if check.stage == "motion")


def found(survey: Survey, *stages: Stage, missing: frozenset[str] = frozenset()) -> list[tuple[Check, str]]:
    """Every check of these stages that trips, with what was measured; those that need what is missing are left out."""
    looked_at = [check for check in CHECKS if check.stage in stages and check.needs not in missing]
    return [
        (check, measured)
        for check in looked_at
        if check.verdict is not None and (measured := check.verdict(survey)) is not None
    ]


def refuse(survey: Survey, where: str, *stages: Stage, missing: frozenset[str] = frozenset()) -> list[str]:
    """Refuse by the first check of these stages that trips; what is not worth that is returned as notes.

    Raises:
        UserError: its text begins with the check's code.
    """
    notes = []
    for check, measured in found(survey, *stages, missing=missing):
        if check.reaction == "refuse":
            raise UserError(f"{check.code} {measured}", where=where, fix=check.fix)
        notes.append(f"note {check.code}: {measured}; {check.fix}")
    return notes


def tripped(watch: Watch, checks: tuple[Check, ...] = IN_MOTION) -> tuple[Check, str] | None:
    """The first check of a tick that trips, with `CODE what was measured (limit)`; None while all is well."""
    for check in checks:
        if check.verdict is not None and (measured := check.verdict(watch)) is not None:
            return check, f"{check.code} {measured} (limit: {check.trigger})"
    return None


def advice(code: str) -> str:
    """What the user can do after a stop; empty where there is nothing to be done."""
    return next((check.fix for check in IN_MOTION if check.code == code), "")
