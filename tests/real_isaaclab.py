"""The actuator classes of the installed `isaaclab` wheel, on the CPU, without Isaac Sim.

Only what those classes import and never use here is stood in for: Omniverse's file reader, the config
decorator, the delay buffers of other actuators.
"""

from __future__ import annotations

import importlib
import io
import sys
import types
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch


def actuator_net():
    """The module isaaclab.actuators.actuator_net; skips by name when the wheel is not installed."""
    try:
        files = distribution("isaaclab").locate_file("isaaclab/source/isaaclab/isaaclab")
    except PackageNotFoundError:
        pytest.skip("the isaaclab wheel is not installed (pip install --no-deps isaaclab==2.3.2.post1, Python 3.11)")
    root = Path(str(files))
    for name in [name for name in sys.modules if name.split(".")[0] == "isaaclab"]:
        del sys.modules[name]

    def package(name: str, path: Path | None = None, **members):
        module = types.ModuleType(name)
        module.__path__ = [str(path)] if path else []
        vars(module).update(members)
        sys.modules[name] = module

    package("isaaclab", root)
    package("isaaclab.utils", root / "utils", DelayBuffer=object, LinearInterpolation=object, configclass=lambda c: c)
    package("isaaclab.utils.assets", read_file=lambda path: io.BytesIO(Path(path).read_bytes()))
    package("isaaclab.actuators", root / "actuators")
    return importlib.import_module("isaaclab.actuators.actuator_net")


class RealActuator:
    """One of the real classes behind the interface of deploy.isaaclab's emulation: torque before clipping."""

    def __init__(self, cls: str, file: Path, envs: int, joints: int, input_idx=(), limits=(23.7, 30.1)) -> None:
        module = actuator_net()
        self._action = importlib.import_module("isaaclab.utils.types").ArticulationActions
        effort, speed = limits
        names = [f"joint_{i}" for i in range(joints)]
        config = SimpleNamespace(
            network_file=str(file), pos_scale=1.0, vel_scale=1.0, torque_scale=1.0, input_order="pos_vel",
            input_idx=list(input_idx), saturation_effort=effort, effort_limit=effort, velocity_limit=speed,
            effort_limit_sim=None, velocity_limit_sim=None, stiffness=None, damping=None, armature=None, friction=None,
            dynamic_friction=None, viscous_friction=None, joint_names_expr=[".*"], is_implicit_model=False,
        )  # fmt: skip
        self._actuator = getattr(module, cls)(
            config, joint_names=names, joint_ids=slice(None), num_envs=envs, device="cpu",
            stiffness=0.0, damping=0.0, armature=0.0, friction=0.0, dynamic_friction=0.0, viscous_friction=0.0,
            effort_limit=effort, velocity_limit=speed,
        )  # fmt: skip

    def reset(self, envs) -> None:
        self._actuator.reset(envs)

    def compute(self, error, speed):
        """`error` as the target of a joint at position zero."""
        zeros = torch.zeros_like(error)
        self._actuator.compute(self._action(joint_positions=error, joint_velocities=zeros), zeros, speed)
        return self._actuator.computed_effort.clone()
