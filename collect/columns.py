"""Which column of somebody's CSV is what: a YAML file beside the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import pi

from collect.config import require
from collect.joints import N_JOINTS, NAMES

WIDE = ("q", "q_target", "dq", "tau_est", "dq_target", "tau_ff", "kp", "kd")
"""Quantities with a column for every joint."""
_ANGLES = ("q", "q_target", "dq", "dq_target")


@dataclass(frozen=True)
class Columns:
    """Names in the file's header. A quantity is twelve names, or one with `{joint}` or `{index}` in it."""

    time: str
    """Of the state."""
    q: str | tuple[str, ...]
    """Measured position."""
    q_target: str | tuple[str, ...]
    """Commanded position, in force when the state was sampled."""
    dq: str | tuple[str, ...] = ()
    """Measured velocity."""
    tau_est: str | tuple[str, ...] = ()
    """Torque that the motor reports."""
    dq_target: str | tuple[str, ...] = ()
    """Commanded velocity."""
    tau_ff: str | tuple[str, ...] = ()
    """Commanded torque."""
    kp: str | tuple[str, ...] = ()
    """Position gain."""
    kd: str | tuple[str, ...] = ()
    """Velocity gain."""
    command_age: str = ""
    """From sending the command to receiving the state, in the unit of `time`."""
    joints: tuple[str, ...] = NAMES
    """The joints in the file's own order: the twelve names, and what `{index}` 0, 1, … counts."""
    second: float = 1.0
    """How many units of `time` make a second: 1e9 for ns."""
    degrees: bool = False
    """Whether angles and velocities are in degrees."""

    def __post_init__(self) -> None:
        require(
            lambda: (
                sorted(self.joints) == sorted(NAMES)
                or f"joints must be the twelve names {', '.join(NAMES)} in the file's order"
            ),
            lambda: self.second > 0.0 or "second must be above 0",
            *(partial(self._wide, name) for name in WIDE),
        )
        theirs = [their for their, _ in self.pairs()]
        twice = next((name for name in theirs if theirs.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"column {twice!r} is given twice")

    def _wide(self, name: str) -> bool | str:
        given = getattr(self, name)
        if not isinstance(given, str):
            return len(given) in (0, N_JOINTS) or f"{name} has {len(given)} names, not twelve"
        one_each = "{joint}" in given or "{index}" in given
        return one_each or f"{name} is one name for twelve joints: put {{joint}} or {{index}} into it"

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Their name of every column that is wanted, and ours, as `q_0` in SDK order."""
        yield self.time, "time"
        if self.command_age:
            yield self.command_age, "command_age"
        for name in WIDE:
            given = getattr(self, name)
            for k, joint in enumerate(self.joints if given else ()):
                one = given if isinstance(given, str) else given[k]
                yield one.replace("{joint}", joint).replace("{index}", str(k)), f"{name}_{NAMES.index(joint)}"

    def scale(self, ours: str) -> float:
        """By what a column of theirs is to be multiplied to be in SI units."""
        if ours in ("time", "command_age"):
            return 1.0 / self.second
        return pi / 180.0 if self.degrees and ours.rpartition("_")[0] in _ANGLES else 1.0
