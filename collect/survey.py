"""What was measured before motion. What has not been measured yet is unknown, and the unknown is never ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from collect.acceptance import Acceptance, Identity
from collect.computer import Disk, Interface
from collect.joints import LOWER, N_JOINTS, UPPER
from collect.limits import MAX_LATE
from collect.messages import LowState
from collect.neighbours import Log
from collect.switcher import Release

CAUGHT_UP = 50
"""States, a tenth of a second: whoever is later than that fails anyway (`MAX_LATE`, `MAX_GAP`)."""


@dataclass(frozen=True, eq=False)
class Survey:
    """Filled in stage by stage: this computer, the operator, the robot, the robot while it is damped."""

    interface: str = ""
    """The one that is to be used."""
    interfaces: tuple[Interface, ...] = ()
    """All that this computer has."""
    simulator: bool = False
    """The peer may be incomplete."""
    rival: str | None = "nobody has looked"
    """Another collector on this computer for the same robot, None when there is none."""
    place: str = ""
    """Where the robot is: interface and domain."""
    logs: tuple[Log, ...] | None = None
    """Journals in the recording's folder, None when nobody has looked."""
    disk: Disk | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of Python and the packages that a session depends on."""
    synchronised: bool = False
    """Whether this computer's clock is kept right."""

    virtual: bool = False
    """No real robot can be there."""
    answer: str = ""
    """What the operator typed."""

    first_state: float = np.inf
    """How long the robot took to be heard [s]."""
    identity: Identity | None = None
    """Which robot it says it is."""
    accepted: Acceptance | None = None
    """What was measured on the robot that is expected."""
    release: Release | None = None
    trouble: str = ""
    """What the motion service did instead of answering."""
    impostor: str = "nobody asked whether the simulator has a motion service"
    """Why it cannot be one, empty when it can or is said to be a robot."""
    guard: str = "nobody asked the guard"
    """What is wrong with it, empty when it was heard."""

    listened: tuple[float, float] = (np.nan, np.nan)
    """When listening to the robot began and ended [s]."""
    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """When each state was received, shape (N,) [s]."""
    states: NDArray[Any] = field(default_factory=lambda: np.zeros(0, LowState.LAYOUT))
    """Their records, shape (N,)."""
    intact: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """Whether each one's CRC is right, shape (N,)."""
    commands: float = np.nan
    """Commands of others on rt/lowcmd [1/s]."""
    commander: str = ""
    """Who sent the newest of them."""
    low: NDArray[np.float64] = field(default_factory=lambda: LOWER)
    """Where each joint's range ends: the URDF's, or measured mechanical stops, shape (12,) [rad]."""
    high: NDArray[np.float64] = field(default_factory=lambda: UPPER)
    """Likewise at the other end [rad]."""
    max_late: float = MAX_LATE
    """How late a state may be taken [s]."""

    @property
    def motors(self) -> NDArray[Any]:
        """The twelve motors in every intact state, shape (M, 12)."""
        motors: NDArray[Any] = self.states["motor_state"][self.intact, :N_JOINTS]
        return motors

    @property
    def newest(self) -> NDArray[Any]:
        """The newest intact state; there must be one."""
        newest: NDArray[Any] = self.states[self.intact][-1]
        return newest

    @property
    def rate(self) -> float:
        """States per second [Hz]."""
        return len(self.times) / (self.listened[1] - self.listened[0])

    @property
    def gap(self) -> float:
        """Longest time without a state [s]."""
        return float(np.diff([self.listened[0], *self.times, self.listened[1]]).max())

    @property
    def tick_steps(self) -> NDArray[np.int64]:
        """The robot's clock from intact state to intact state, over its wrap at 2³², shape (M − 1,) [ms]."""
        ticks: NDArray[np.uint32] = self.states["tick"][self.intact]
        return np.diff(ticks).view(np.int32).astype(np.int64)

    @property
    def clock_rate(self) -> float:
        """What the robot's clock counts in a millisecond of ours, the median of ten stretches [1]."""
        clock, times = np.r_[0, self.tick_steps.cumsum()], self.times[self.intact]
        ends = np.linspace(0, len(times) - 1, 11).astype(int) if len(times) > 10 else np.zeros(0, int)
        return float(np.median(np.diff(clock[ends]) / np.diff(times[ends])) * 1e-3) if len(ends) else np.nan

    @property
    def lateness(self) -> NDArray[np.float64]:
        """Of each intact state against the quickest of the next `CAUGHT_UP` by the robot's clock, shape (M,) [s].

        A loop that was held up has caught up by then. A robot that was held up stays behind: that is no lateness, and a
        loop that stayed behind, which answers the newest state and cannot, would not be told from it.
        """
        ahead = self.times[self.intact] - 1e-3 * np.r_[0, self.tick_steps.cumsum()][: self.intact.sum()]
        following = np.pad(ahead, (0, CAUGHT_UP), constant_values=np.inf)
        return ahead - sliding_window_view(following, CAUGHT_UP + 1).min(axis=1)[: len(ahead)]
