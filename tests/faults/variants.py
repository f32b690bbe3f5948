"""Faults of the loop's checks, all that are known of each."""

from __future__ import annotations

AT_THE_ROBOT = [
    ("L1", ["silent 0.5"], 0.025),
    ("L2", ["tick 340"], 0.005),
    ("L2", ["tick -200"], 0.005),
    ("L2", ["thin 2 1"], 0.030),
    ("L3", ["freeze 0.5"], 0.055),
    ("L4", ["set FL_thigh.dq nan 0.5"], 0.010),
    ("L4", ["set FL_thigh.q 1e9 0.5"], 0.010),
    ("L4", ["set RR_calf.tau_est inf 0.5"], 0.010),
    ("L5", ["corrupt 0.5 1"], 0.030),
    ("L6", ["set RR_calf.q -2.65 0.5", "set RR_calf.dq -9.1 0.5"], 0.008),
    ("L6", ["set RR_calf.q -2.82 0.5", "set RR_calf.dq -0.1 0.5"], 0.008),  # slowly
    ("L7", ["set RL_thigh.dq 23.1 0.5"], 0.008),
    ("L7", ["set RL_calf.dq -14.3 0.5"], 0.008),
    ("L8", ["set FR_thigh.tau_est 23 0.5"], 0.205),
    ("L8", ["set FR_hip.q -0.45 0.5", "set FL_hip.q 0.45 0.5"], 0.105),  # as two joints that are swapped
    ("L9", ["set RL_hip.temperature 85 0.5"], 0.010),
    ("L9", ["set RL_hip.temperature 255 0.5"], 0.010),
    ("L9", ["set RL_hip.temperature 0 0.5"], 0.010),
    ("L9", ["ramp RL_hip.temperature 10 2"], 0.410),  # 4 °C later; 3 within a second are allowed
    ("L10", ["set FR_calf.mode 0 0.5"], 0.010),
    ("L10", ["ramp FR_calf.lost 200 0.5"], 0.035),
    ("L11", ["select normal"], 0.015),
    ("L16", ["set wireless_remote.2 32 0.5", "set wireless_remote.3 2 0.5"], 0.010),
    ("L17", ["set imu_state.rpy.0 0.6 0.5"], 0.010),
    ("L17", ["set imu_state.accelerometer.2 40 0.5"], 0.010),
]
"""Code of the check, what is done to the robot, and by when the robot must have been damped [s]."""
INSIDE = [
    ("L13", "pace", "m.Pace.advance = late(m.Pace.advance, ZeroDivisionError)"),
    ("L13", "observer", "m.Observer.observe = late(m.Observer.observe, KeyError)"),
    ("L13", "journal", "m.Journal.append = late(m.Journal.append, MemoryError)"),
    ("L13", "control", "m.tripped = late(m.tripped, ValueError)"),
    ("L13", "control", "m.Control._log = late(m.Control._log, Custom)"),
    ("L14", "control", "spoil(float('nan'))"),
    ("L14", "control", "spoil(1e39)"),
    ("L14", "control", "spoil([0.6, 1.4, -1.8] * 4)"),  # .15 rad off, within the range
    ("L15", "control", "m.CommandFrame.seal = late(m.CommandFrame.seal, RuntimeError)"),
    ("L20", "control", "m.Control._look_around = hurry(m.Control._look_around)"),
]
"""Code of the check, module and code that misbehaves in the session's process."""
