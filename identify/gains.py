"""The kd that motors close: a calf's comes in steps, and is cut down to the next.

On a real Go2 the calves damp with less than what is commanded. From tau_est of the first five seconds of katari16's
five training chirps, damping over stiffness against the commanded ratio:

    commanded kd [Nm·s/rad]           1.25     2        3        4
    calf                              1.144    1.966    3.003    3.928    (divided by kp 25 over what of kp arrives)
    multiple of CALF_STEP below it    1.148    1.952    2.986    3.905
    hip, thigh                        1.26     2.03     3.04     4.06

A calf's motor sits behind a linkage of 1.917 and is told the gain on its own side, kd / 1.917²; if it takes that in
steps of 1/32 and drops the rest, the row in between is what is left. Hips and thighs have no linkage, and the
commanded gains are multiples of 1/32. No such step shows in kp. That a motor does this is not documented anywhere.
"""

from __future__ import annotations

import numpy as np

from collect.joints import BY_KIND, TORQUE
from identify.features import Array

STEP = 1.0 / 32.0
"""Of kd on the motor's side [Nm·s/rad]."""
CALF_STEP = STEP * (TORQUE[2] / TORQUE[1]) ** 2
"""Of a calf's kd [Nm·s/rad]; the linkage is the ratio of the effort limits, calf to thigh."""


def truncated(kd: Array) -> Array:
    """What motors make of commanded kd, both of shape (…, 12) [Nm·s/rad]."""
    step = np.full(kd.shape[-1], STEP)
    step[BY_KIND["calf"]] = CALF_STEP
    return np.asarray(step * np.floor(kd / step + 1e-6))  # 1e-6: float32 recordings
