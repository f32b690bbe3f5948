"""What the robot received, and nothing else, decides whether a stop was one."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.limits import DAMPING_KD
from collect.pace import PERIOD
from collect.virtual import wire

SPORT_KP = 30.0
"""Of the robot's own motion program, which is not what is judged."""


class Oracle:
    """Reads the robot's log of commands; times are the machine's monotonic clock [s]."""

    def __init__(self, path: Path) -> None:
        """Of what comes from now on."""
        self._path, self._first = path, len(wire.read(path))

    def frames(self) -> NDArray[Any]:
        """All valid frames so far but the motion program's."""
        frames = wire.read(self._path, self._first)
        return frames[(frames["valid"] == 1) & ~(frames["kp"] == SPORT_KP).all(axis=1)]

    def until_stiff(self, session: subprocess.Popen[str], timeout: float = 30.0) -> bool:
        """Wait for the first stiff command of a session; False when it ended without one."""
        deadline = time.monotonic() + timeout
        while not is_stiff(self.frames()).any():
            if session.poll() is not None:
                return False
            assert time.monotonic() < deadline, "neither moved nor ended"
            time.sleep(0.05)
        return True

    def damping_delay(self, event: float) -> float:
        """From an event to the first damping frame received after it [s]."""
        frames = self.frames()
        after = frames[(frames["heard"] >= event) & is_damping(frames)]
        assert len(after), "no damping was received"
        return float(after["heard"][0] - event)

    def stiff_after_damping(self, event: float) -> int:
        """Stiff frames received after the first damping frame that followed an event."""
        frames = self.frames()
        first = event + self.damping_delay(event)
        return int((is_stiff(frames) & (frames["heard"] > first)).sum())

    def damping_frames(self, event: float) -> int:
        """Damping frames received after an event."""
        frames = self.frames()
        return int((is_damping(frames) & (frames["heard"] >= event)).sum())

    def damped_for(self, event: float) -> float:
        """From the first to the last damping frame received after an event, by when they were sent [s]."""
        frames = self.frames()
        sent = frames["sent"][is_damping(frames) & (frames["heard"] >= event)]
        return float(sent[-1] - sent[0])

    def max_target_step(self) -> float:
        """Largest change of a target between neighbouring stiff frames, for each tick of 2 ms between them [rad]."""
        frames = self.frames()
        stiff = is_stiff(frames)
        ticks = np.maximum(np.round(np.diff(frames["sent"]) / PERIOD), 1.0)
        steps = np.abs(np.diff(frames["q"], axis=0)).max(axis=1) / ticks
        return float(steps[stiff[1:] & stiff[:-1]].max(initial=0.0))

    def ends_in_damping(self) -> bool:
        """Whether the last frame on the wire is damping."""
        return bool(is_damping(self.frames()[-1:])[0])


def is_damping(frames: NDArray[Any]) -> NDArray[np.bool_]:
    """Servo mode, kp 0, kd 5, no velocity target, no torque, a finite position; shape (frames,)."""
    return (
        (frames["mode"] == 1).all(axis=1)
        & (frames["kp"] == 0.0).all(axis=1)
        & (frames["kd"] == DAMPING_KD).all(axis=1)
        & (frames["dq"] == 0.0).all(axis=1)
        & (frames["tau"] == 0.0).all(axis=1)
        & np.isfinite(frames["q"]).all(axis=1)
    )


def is_stiff(frames: NDArray[Any]) -> NDArray[np.bool_]:
    """Anything that pulls; shape (frames,)."""
    return (frames["kp"] != 0.0).any(axis=1) | (frames["tau"] != 0.0).any(axis=1)
