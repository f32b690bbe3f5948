"""What was measured on one robot before it may be moved in earnest: `robot.yaml`, made once per firmware."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect import config
from collect.errors import UserError
from collect.joints import LOWER, N_JOINTS, NAMES, UPPER
from collect.limits import REST_TOLERANCE

REQUIRED = {
    "HW-1": "what the motors do when commands stop",
    "HW-2": "the guard, when the control process is killed",
    "HW-3": "what the legs do when the cable is pulled",
    "HW-4": "commands with a wrong CRC",
    "HW-5": "a command with motor mode 0",
    "HW-6": "the remote control and the power button in low-level mode",
    "HW-7": "clock, rate, lost packets and temperatures",
    "HW-8": "how far a joint travels until damping has stopped it",
    "HW-9": "how a motion program shows on DDS",
}
"""What a session on a robot demands; `range`, the joints' mechanical stops, is optional."""
GUARD_FAILED = "guard damped, robot NOT seen still"
"""The result of HW-2 that no session is moved with."""


@dataclass(frozen=True)
class Identity:
    """Which robot, by its own word."""

    sn: tuple[int, int]
    """Serial number, two words of LowState."""
    version: tuple[int, int]
    """Of the firmware, likewise."""

    @classmethod
    def of(cls, state: NDArray[Any]) -> Identity:
        """From a LowState record."""
        sn, version = ((int(state[name][0]), int(state[name][1])) for name in ("sn", "version"))
        return cls(sn, version)

    @property
    def told(self) -> bool:
        """Whether the robot says who it is at all."""
        return any(self.sn)

    @property
    def serial(self) -> str:
        """The serial number in digits, zeros where it is not told."""
        return _hexadecimal(self.sn)

    def __str__(self) -> str:
        return f"serial number {self.serial}, firmware {_hexadecimal(self.version)}"


def _hexadecimal(words: tuple[int, int]) -> str:
    return "-".join(f"{word:08x}" for word in words)


@dataclass(frozen=True)
class Measurement:
    """One result."""

    code: str
    """HW-1 to HW-9, or `range`."""
    name: str
    value: bool | int | float | str
    unit: str
    """Empty for words."""
    date: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Acceptance:
    """The content of robot.yaml."""

    robot: Identity
    measurements: tuple[Measurement, ...] = ()
    lower: tuple[float, ...] = ()
    """Measured mechanical stops, twelve in SDK order, or none [rad]."""
    upper: tuple[float, ...] = ()
    """Likewise at the other end [rad]."""

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            if len(getattr(self, name)) not in (0, N_JOINTS):
                raise ValueError(f"{name} takes 12 values or none, got {len(getattr(self, name))}")
        if len(self.lower) != len(self.upper):
            raise ValueError("lower and upper are measured together")
        for joint, low, high in zip(NAMES, self.lower, self.upper, strict=False):
            if not low < high:
                raise ValueError(f"the range of {joint} is empty: {low} to {high}")

    @property
    def codes(self) -> set[str]:
        """Of what has been measured."""
        return {one.code for one in self.measurements}

    def value(self, name: str) -> bool | int | float | str | None:
        """The result of that name; None when it was not measured."""
        return next((one.value for one in self.measurements if one.name == name), None)

    def range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """The mechanical stops, two arrays of shape (12,) [rad]; None when they were not measured.

        They narrow what the URDF allows, with its tolerance, and never widen it: a hand's measurement may be wrong.
        """
        if not self.lower:
            return None
        low, high = LOWER - REST_TOLERANCE, UPPER + REST_TOLERANCE
        return np.clip(self.lower, low, high), np.clip(self.upper, low, high)

    def with_results(
        self, results: list[Measurement], lower: tuple[float, ...] = (), upper: tuple[float, ...] = ()
    ) -> Acceptance:
        """With these instead of what was measured under the same codes before."""
        codes = {one.code for one in results}
        kept = [one for one in self.measurements if one.code not in codes]
        merged = tuple(sorted([*kept, *results], key=lambda one: one.code))
        lower, upper = (lower, upper) if lower else (self.lower, self.upper)
        return replace(self, measurements=merged, lower=lower, upper=upper)


def load(path: Path) -> Acceptance:
    """Read robot.yaml.

    Raises:
        UserError: when it is missing or not what `save` writes.
    """
    return config.load(path, Acceptance)


def save(acceptance: Acceptance, path: Path) -> None:
    """Write robot.yaml, whole or not at all.

    Raises:
        UserError: when it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("x") as file:
            file.write("# Measured with python -m collect accept; do not edit.\n" + config.dump(acceptance))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"cannot write it: {error.strerror}", where=str(path), fix="choose another --out") from error


def objection(acceptance: Acceptance, robot: Identity) -> str | None:
    """Why a robot may not be moved on what was measured: another's, another firmware's, incomplete, or bad.

    Args:
        acceptance: as loaded.
        robot: what the robot says it is.

    Returns:
        The first reason, None when there is none.
    """
    if acceptance.robot.sn != robot.sn:
        return f"measured on another robot: {acceptance.robot}; this is {robot}"
    if acceptance.robot.version != robot.version:
        return f"measured before the firmware changed: {acceptance.robot}; now it is {robot}"
    if absent := [f"{code} ({what})" for code, what in REQUIRED.items() if code not in acceptance.codes]:
        return f"not measured: {', '.join(absent)}"
    if acceptance.value("control_killed") == GUARD_FAILED:
        return f"HW-2: {GUARD_FAILED}"
    if acceptance.value("stops_within_l6") is False:
        return "HW-8: damping stopped the calf later than check L6 counts on"
    return None


def cautions(acceptance: Acceptance) -> list[str]:
    """What the operator should know of this robot each time, in sentences."""
    said = []
    effect = acceptance.value("on_silence")
    if effect in ("hold_target", "hold_torque"):
        said.append(
            "If this computer or the cable dies, this robot goes on with its last command: let the guard run on it."
        )
    if acceptance.value("remote_seen") is False:
        said.append("L2 + B on this robot's remote control was not seen: it stops nothing here, the power switch does.")
    if acceptance.value("corrupt_commands") == "obeyed":
        said.append("This robot obeys commands with a wrong CRC.")
    if not acceptance.robot.told:
        said.append("This robot does not tell its serial number: make sure that robot.yaml is its own.")
    return said
