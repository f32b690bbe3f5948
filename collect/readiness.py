"""What must hold before motion: one table of checks, walked by the preflight and the tests, printed on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from collect import host_verdicts as host
from collect import robot_verdicts as robot
from collect.safety import HOT_START, MAX_LATE, REST_TOLERANCE
from collect.survey import Survey

Stage = Literal["computer", "claim", "operator", "contact", "service", "robot", "damped"]
"""What has just been looked at; the robot is looked at again while it is damped."""


@dataclass(frozen=True)
class Check:
    """One reason not to move."""

    code: str
    subject: str
    """What is looked at; with the code it names the check."""
    stage: Stage
    trigger: str
    """In words, with the limit."""
    needs: str
    """What the peer must deliver for it; a simulator without it goes without the check."""
    verdict: Callable[[Survey], str | None]
    """What was measured, and the limit, in words when it trips, else None."""
    fix: str
    """What the user can do."""
    reaction: Literal["refuse", "note"] = "refuse"
    """A note is told and nothing else."""

    @property
    def name(self) -> str:
        """For example `P3 CRC`."""
        return f"{self.code} {self.subject}"


_HANG = "hang the robot still and level with all legs free, and try again"
_CABLE = "check the network and its cable, stop other programs on this computer; a simulator needs --peer simulator"
_PYTHON = "pip install -c constraints.txt, in a virtual environment of its own"

CHECKS: tuple[Check, ...] = (
    Check("P1", "interface", "computer", f"interface absent, down, or without an address in {host.NETWORK}0/24", "",
          host.interface, "name the one wired to the robot (`ip -br address`), give it 192.168.123.99/24; lo is for "
          "virtual robots"),
    Check("P6", "single instance", "claim", "another collector of this computer moves the same robot", "", host.rival,
          "wait for its end, or stop it with Ctrl-C: it damps the robot first"),
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
    Check("P16", "date", "computer", "this computer's clock is not synchronised", "", host.clock_of_ours,
          "the date in the recording may be wrong, its times are not", reaction="note"),
    Check("P10", "operator", "operator", f"the operator does not type {host.HANGING}", "", host.hanging,
          f"hang it, then type {host.HANGING}"),
    Check("P2", "contact", "contact", f"no rt/lowstate within {robot.FIRST_STATE:.0f} s", "", robot.first_state,
          "is the robot on and the cable in? `ping 192.168.123.161`; check --interface, --domain and the firewall; "
          "without a robot start `python -m collect robot`"),
    Check("P5", "motion service", "service", "it does not answer, or its program still runs after 3 releases",
          "service", robot.service, "switch the program off in Unitree's app, or reboot the robot, and try again; a "
          "simulator without the service needs --peer simulator"),
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
    Check("P8", "posture", "robot", f"a joint outside its range (URDF ± {REST_TOLERANCE} rad)", "", robot.posture,
          _HANG),
    Check("P8", "speed", "robot", f"a joint faster than {robot.MAX_START_SPEED} rad/s", "", robot.speed, _HANG),
    Check("P9", "temperature", "robot", f"a motor above {HOT_START} °C, or its sensor at 0", "temperature",
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
          f"state for {robot.MAX_GAP * 1e3:.0f} ms", "rate", robot.rate, _CABLE),
    Check("P15", "loop", "damped", f"a state taken more than {MAX_LATE * 1e3:.0f} ms late, or more than "
          f"{robot.MAX_LATE_SHARE:.0%} over {robot.LATE * 1e3:.0f} ms", "tick", robot.late,
          "stop other programs, use a faster computer, allow real-time scheduling (root, or an rtprio limit)"),
)  # fmt: skip
"""Looked at in this order; the first of what has been looked at that trips refuses the session, before anything stiff
was sent. What a moment's hiccup can trip comes last."""
HICCUPS = frozenset({"P3 rate", "P15 loop"})
"""Where only these trip, a second look decides: every computer is held up now and then, and what is held up while the
robot moves is stopped by the loop (L1 at 20 ms, L12 at 8)."""


def tripped(survey: Survey, *stages: Stage, missing: frozenset[str] = frozenset()) -> list[tuple[Check, str]]:
    """Every check of these stages that trips, with what was measured; those that need what is missing are left out."""
    looked_at = [check for check in CHECKS if check.stage in stages and check.needs not in missing]
    return [(check, measured) for check in looked_at if (measured := check.verdict(survey)) is not None]
