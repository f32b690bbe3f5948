"""A bundle: the folder that is handed over, and the manifest that says for what it is valid.

manifest.json   what follows, as JSON
*.pt            the nets, TorchScript
golden.npz      inputs and the trained net's own answers, for `verify`
actuators.py    the Isaac Lab configuration, ready to paste
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from collect.config import load as load_config
from collect.errors import UserError
from collect.recording import sha256_of
from identify.dataset import Label
from identify.runs import Gains

MANIFEST = "manifest.json"
GOLDEN = "golden.npz"
SNIPPET = "actuators.py"


@dataclass(frozen=True)
class Net:
    """One TorchScript file."""

    file: str
    joints: tuple[str, ...]
    """For which it is valid."""
    kp: float
    """Folded in [Nm/rad]."""
    kd: float
    """Folded in [Nm·s/rad]."""
    kd_commanded: float | None = None
    """What a policy commands for it: the calves of a robot that it learned from make less of it [Nm·s/rad]."""


@dataclass(frozen=True)
class Group:
    """One actuator group of the simulator: joints that share a file and limits."""

    name: str
    joints: tuple[str, ...]
    file: str
    effort_limit: float
    """[Nm]"""
    velocity_limit: float
    """[rad/s]"""
    saturation_effort: float
    """Torque at standstill [Nm]."""
    armature: tuple[float, ...]
    """To set beside the net, per joint: the rotor's inertia, which no net knows [kg·m²]."""
    viscous_friction: tuple[float, ...]
    """Likewise [Nm·s/rad]."""
    dry_friction: tuple[float, ...]
    """Likewise [Nm]."""


@dataclass(frozen=True)
class File:
    """A file of the bundle and its hash."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """For what a bundle is valid, and how it must be called."""

    format: Literal["go2-actuator-bundle 1"]
    consumer: Literal["isaaclab"]
    kind: Literal["mlp", "lstm"]
    step: float
    """The simulator's physics step, at which the net is called [s]; another is wrong."""
    sign: Literal["target - position"]
    """Of the error."""
    input_order: Literal["pos_vel"]
    input_idx: tuple[int, ...]
    """Physics steps back, newest 0; empty for an LSTM."""
    pos_scale: float
    vel_scale: float
    torque_scale: float
    reset: Literal["zeros"]
    label: Label
    """The torque it predicts: tau_est knows neither friction nor armature, tau_joint holds the friction."""
    nets: tuple[Net, ...]
    groups: tuple[Group, ...]
    trained: Gains
    """Gains seen in training."""
    extrapolated: bool
    """Whether the folded gains lie outside of them."""
    run: str
    run_sha256: str
    """Of the run's best.pt."""
    data: tuple[str, ...]
    """Content hashes of the recordings it was trained on."""
    versions: tuple[str, ...]
    files: tuple[File, ...]
    parameters_sha256: str = ""
    """Of what `identify fit` found, whose armature and friction the groups have; empty for those of others."""
    target_hold: float = 0.0
    """For how long targets were held that it learned from, as a policy's of that period are; 0 as logged [s]."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json."""
    (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(manifest), indent=1) + "\n")


def open_bundle(folder: Path) -> Manifest:
    """Read the manifest and check the hash of every file, before any of them is loaded.

    Raises:
        UserError: when it is not a bundle, or a file is missing, changed or unlisted.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError("not a bundle: it has no manifest.json", where=str(folder), fix="make one with deploy export")
    manifest = load_config(folder / MANIFEST, Manifest)
    listed = {file.name: file.sha256 for file in manifest.files}
    needed = {net.file for net in manifest.nets} | {group.file for group in manifest.groups} | {GOLDEN}
    for name in sorted(needed | set(listed)):
        path = folder / name
        if Path(name).name != name or name not in listed or not path.is_file() or sha256_of(path) != listed[name]:
            raise UserError(
                f"{name} is not the file that was exported: its SHA-256 does not match the manifest",
                where=str(path),
                fix="export the bundle again; do not load this file, TorchScript can run code",
            )
    return manifest
