"""Fitted parameters as tables for the terminal: value and half of the 95 % confidence interval."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from collect.joints import NAMES
from identify.parameters import Fitted

_LOOK: dict[str, Any] = {"title_justify": "left", "box": SIMPLE, "padding": (0, 1, 0, 0)}
_MOTOR = {
    "spring": ("1", 1.0, 2),
    "damper": ("1", 1.0, 2),
    "offset": ("mrad", 1e3, 1),
    "delay": ("ms", 1e3, 2),
    "lag": ("ms", 1e3, 1),
}
"""Name of each column: unit, what one of it is in it, digits."""
_GEAR = {
    "armature": ("g·m²", 1e3, 1),
    "viscous": ("Nm·s/rad", 1.0, 3),
    "dry": ("Nm", 1.0, 3),
    "breakaway": ("Nm", 1.0, 2),
    "stribeck": ("rad/s", 1.0, 1),
    "load": ("1", 1.0, 2),
}


def tables(fitted: Fitted) -> tuple[Table, Table]:
    """The motor's law with the error that is left, and what moves and rubs behind it, a row per joint each."""
    motor = Table(title="motor", caption="error: of the motion, open loop, over the fitted windows", **_LOOK)
    gear = Table(title="rotor and gear", caption="dim: not known from these recordings", **_LOOK)
    for table, columns in ((motor, _MOTOR), (gear, _GEAR)):
        table.add_column("joint", no_wrap=True)
        for name, (unit, _, _) in columns.items():
            table.add_column(f"{name}\n{unit}", justify="right", no_wrap=True)
    motor.add_column("error\nmrad", justify="right")
    for joint, name in enumerate(NAMES):
        error = fitted.error[joint]
        left = "" if error is None else f"{1e3 * error:.1f}"
        motor.add_row(name, *(_cell(fitted, joint, column, *how) for column, how in _MOTOR.items()), left)
        gear.add_row(name, *(_cell(fitted, joint, column, *how) for column, how in _GEAR.items()))
    return motor, gear


def _cell(fitted: Fitted, joint: int, name: str, unit: str, scale: float, digits: int) -> str:
    value, margin = getattr(fitted.parameters, name)[joint], getattr(fitted.margins, name)[joint]
    text = _short(scale * value, digits)
    return f"[dim]{text}[/dim]" if margin is None else f"{text} ±{_short(scale * margin, digits)}"


def _short(value: float, digits: int) -> str:
    """Without the zero before the point: eighty columns hold no more."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1.0 else text
