"""What the virtual Go2 really did, for tests and for judging what was recovered; never for learning."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from collect.errors import UserError
from collect.joints import N_JOINTS
from collect.virtual.motors import MotorConfig

ROW = np.dtype(
    [
        ("tick", "u4"),
        ("q", "f8", (N_JOINTS,)),
        ("dq", "f8", (N_JOINTS,)),
        ("tau_motor", "f8", (N_JOINTS,)),
        ("tau_resistance", "f8", (N_JOINTS,)),
        ("target_received", "f4", (N_JOINTS,)),
        ("target_obeyed", "f4", (N_JOINTS,)),
        ("commands", "u4"),
        ("command_age", "f4"),
    ]
)
"""One state: its tick [ms], true motion [rad], [rad/s], rotor torque and friction [Nm], the position targets of
the newest command received and of the commands the motors obeyed [rad], the commands received so far, and how long ago
the newest of them came by the robot's own time [s]."""


class Truth:
    """Rows that grow in memory and are written once, at the end."""

    def __init__(self, path: Path, config: MotorConfig) -> None:
        if not path.parent.is_dir():
            raise UserError("the folder does not exist", where=f"--truth {path}", fix="make it, or name another")
        self._path, self._config = path, config
        self._rows = np.zeros(60_000, ROW)
        self._count = 0

    def next_row(self) -> Any:
        """The row to fill for the state about to be sent."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._count += 1
        return self._rows[self._count - 1]

    def write(self) -> None:
        """Write the file, replacing one of an earlier run: it belongs to this process alone."""
        with h5py.File(self._path, "w") as file:
            file.create_dataset("rows", data=self._rows[: self._count])
            for name, values in asdict(self._config).items():
                file.attrs[name] = values
