"""The last look at a command before it is sent (L14)."""

from __future__ import annotations

import numpy as np

from collect.excitation import MAX_KD, MAX_KP, MIN_KD
from collect.joints import LOWER, UPPER
from collect.limits import REST_TOLERANCE
from collect.messages import CommandFrame

_LEAST_KD = np.float32(MIN_KD)
"""As a frame holds it [Nm·s/rad]."""
_BEYOND = REST_TOLERANCE + 1e-6
"""A leg may rest so far outside the URDF's range, in float32 [rad]."""


def permitted(frame: CommandFrame) -> bool:
    """Whether a command may be sent: finite, gains as in a plan, stiff targets where a leg may rest.

    How far a target may step is judged by the motion that it causes, before the session (P11).
    """
    in_range = (frame.q >= LOWER - _BEYOND) & (frame.q <= UPPER + _BEYOND) | (frame.kp == 0.0)
    gains = (frame.kd >= _LEAST_KD) & (frame.kd <= MAX_KD) & (frame.kp >= 0.0) & (frame.kp <= MAX_KP)
    return bool((in_range & gains & np.isfinite(frame.q)).all())
