"""The last look at a command before it is sent (L14)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collect.excitation import MAX_KD, MAX_KP, MIN_KD
from collect.joints import LOWER, UPPER
from collect.limits import REST_TOLERANCE
from collect.messages import CommandFrame

_LEAST_KD = np.float32(MIN_KD)
"""As a frame holds it [Nm·s/rad]."""
_ROUNDING = 1e-6
"""Of positions in float32 [rad]."""
_BEYOND = REST_TOLERANCE + _ROUNDING
"""A leg may rest so far outside the URDF's range [rad]."""


def permitted(frame: CommandFrame, before: NDArray[Any], step: NDArray[Any]) -> bool:
    """Whether a command may be sent: finite, gains as in a plan, stiff targets where a leg may rest and not far off.

    Args:
        frame: the command.
        before: targets of the one before, shape (12,) [rad].
        step: how far each may be from there, shape (12,) [rad]: what the program, whose motion was judged before the
            session (P11), steps at most.
    """
    in_range = (frame.q >= LOWER - _BEYOND) & (frame.q <= UPPER + _BEYOND)
    near = np.abs(frame.q - before) <= step + _ROUNDING
    gains = (frame.kd >= _LEAST_KD) & (frame.kd <= MAX_KD) & (frame.kp >= 0.0) & (frame.kp <= MAX_KP)
    return bool(((in_range & near | (frame.kp == 0.0)) & gains & np.isfinite(frame.q)).all())
