"""A survey of a healthy robot and computer, for tests of the preflight's verdicts."""

from __future__ import annotations

import numpy as np

from collect.acceptance import REQUIRED, Acceptance, Identity, Measurement
from collect.computer import PROBES, Disk, Interface
from collect.host_verdicts import TESTED
from collect.joints import HANG
from collect.messages import LowState
from collect.survey import Survey
from collect.switcher import Release

N = 500
ROBOT = Identity((7, 8), (1, 2))
VIRTUAL = Identity((0, 0), (0, 0))
"""What the virtual Go2 says that it is."""


def measured(*, robot: Identity = ROBOT, without: str = "", **values: object) -> Acceptance:
    """A complete acceptance of a robot, but for what is left out."""
    date = "2026-01-01T00:00:00+00:00"
    results = [Measurement(code, code.lower(), "as it should", "", date) for code in REQUIRED if code != without]
    results += [Measurement("HW-1", name, value, "", date) for name, value in values.items()]
    return Acceptance(robot, tuple(results))


def healthy(**changes) -> Survey:
    """Nothing to object to; the arrays are the caller's to spoil."""
    rng = np.random.default_rng(0)
    states = np.zeros(N, LowState.LAYOUT)
    motors = states["motor_state"][:, :12]
    motors["q"], motors["mode"], motors["temperature"] = HANG + 1e-4 * rng.standard_normal((N, 12)), 1, 40
    states["imu_state"]["quaternion"] = 1.0, 0.0, 0.0, 0.0
    states["tick"] = np.arange(2**32 - N, 2**32 + N, 2) % 2**32  # over the wrap
    states["bms_state"]["soc"], states["power_v"], states["foot_force"] = 80, 29.0, 10
    default = {
        "interface": "eth0",
        "interfaces": (Interface("lo", True, ("127.0.0.1",)), Interface("eth0", True, ("192.168.123.99",))),
        "rival": None,
        "place": "interface eth0, domain 0",
        "logs": (),
        "disk": Disk("/data/s.h5", "", 1e9, 0.5e9, np.full(PROBES, 0.001)),
        "versions": {name: versions[0] for name, versions in TESTED.items()},
        "synchronised": True,
        "answer": "HANGING",
        "first_state": 0.2,
        "identity": ROBOT,
        "accepted": measured(),
        "release": Release("normal", "", 1, 0),
        "impostor": "",
        "guard": "",
        "listened": (100.0, 101.0),
        "times": 100.001 + 0.002 * np.arange(N),
        "states": states,
        "intact": np.ones(N, bool),
        "commands": 0.0,
    }
    return Survey(**(default | changes))
