"""From a run to a bundle: gains folded in, one file for joints that may share it, and a proof beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from collect.errors import UserError
from collect.joints import BY_KIND, JOINTS, KINDS, N_JOINTS, NAMES, spread
from collect.recording import sha256_of
from deploy import bundle, fold, golden, snippet
from deploy.bundle import File, Group, Manifest, Net
from identify.gains import truncated
from identify.models import LSTM, MLP
from identify.parameters import load
from identify.replay import beside
from identify.runs import Run

_EVERY = tuple(range(N_JOINTS))


def export(
    run: Run,
    kp: tuple[float, ...],
    kd: tuple[float, ...],
    out: Path,
    *,
    parameters: Path | None = None,
    extrapolate: bool = False,
) -> Manifest:
    """Write a bundle for Isaac Lab.

    Args:
        run: the training.
        kp: position gains, 1, 3 (hip, thigh, calf) or 12 values [Nm/rad].
        kd: velocity gains likewise, as a policy commands them [Nm·s/rad].
        out: folder to make.
        parameters: what `identify fit` found; its armature and friction go beside the net.
        extrapolate: accept gains outside of those trained on.

    Raises:
        UserError: when `out` exists, a gain was not trained on, the net cannot be called by Isaac Lab, or it has the
            friction in it and is to have a fitted one beside it.
    """
    if out.exists():
        raise UserError("the bundle exists and is never overwritten", where=str(out), fix="choose another --out")
    gains = np.stack([_gains(kp, "--kp"), _gains(kd, "--kd")], axis=1)
    outside = _outside(run, gains)
    if outside and not extrapolate:
        raise UserError(outside, where=run.name, fix="export gains it was trained on, or accept it with --extrapolate")
    kind, input_idx, body = _callable(run), _input_idx(run), _body(run, parameters)
    if not all(torch.isfinite(value).all() for value in run.model.state_dict().values()):
        raise UserError("the net holds weights that are not finite", where=run.name, fix="train it again")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as part:
        folder = Path(part) / "bundle"
        folder.mkdir()
        manifest = _fill(folder, run, kind, gains, input_idx, body, extrapolated=bool(outside))
        shutil.move(folder, out)
    return manifest


def _gains(values: tuple[float, ...], where: str) -> NDArray[np.float64]:
    try:
        gains = spread(values)
    except ValueError as error:
        raise UserError(f"{where} {error}", where=where, fix="give one value, hip thigh calf, or all twelve") from error
    if not (np.isfinite(gains) & (gains > 0.0)).all():
        raise UserError(f"{where} must be positive, got {list(values)}", where=where, fix="give positive gains")
    return gains


def _outside(run: Run, gains: NDArray[np.float64]) -> str:
    """In words, the first gain outside of the trained range; empty when there is none."""
    for column, (name, ranges) in enumerate((("kp", run.gains.kp), ("kd", run.gains.kd))):
        for joint in JOINTS:
            low, high = ranges.of(joint.kind)
            value = gains[joint.index, column]
            if not low * 0.999 <= value <= high * 1.001:  # float32 recordings
                return f"{name} {value:g} of {joint.kind} lies outside of the trained {low:g} to {high:g}"
    return ""


def _callable(run: Run) -> Literal["mlp", "lstm"]:
    """Its kind, where a simulator has an actuator that calls such a net.

    Raises:
        UserError: when none has.
    """
    if run.kind == "mlp" or run.kind == "lstm":
        return run.kind
    what = f"no simulator calls a {run.kind}: Isaac Lab has ActuatorNetMLP and ActuatorNetLSTM"
    raise UserError(what, where=run.name, fix="train with `mlp:` or `lstm:` in the configuration")


def _input_idx(run: Run) -> tuple[int, ...]:
    """The lags as physics steps.

    Raises:
        UserError: when they are not 0, 1, 2, … steps: simulators keep one sample per step.
    """
    if run.kind == "lstm":
        return ()
    steps = np.array(run.features.lags) / run.features.step
    if not np.allclose(steps, np.arange(len(steps)), atol=1e-6):
        lags = ", ".join(f"{1e3 * lag:g}" for lag in run.features.lags)
        raise UserError(
            f"the net's lags ({lags} ms) are not 0, 1, 2, … steps of {1e3 * run.features.step:g} ms",
            where=run.name,
            fix="train with lags that are multiples of the step",
        )
    return tuple(range(len(steps)))


@dataclass(frozen=True)
class _Body:
    """What a simulator sets beside the nets, shape (12,) each, and of which file it is."""

    values: Mapping[str, NDArray[np.float64]]
    sha256: str


def _body(run: Run, parameters: Path | None) -> _Body:
    """Fitted, or what others identified.

    Raises:
        UserError: when the file is none of `fit`'s, or the net holds the friction itself.
    """
    if parameters is None:
        return _Body(beside(run, run.kind), "")
    if run.facts.label == "tau_joint":
        what = "a net of tau_joint holds the friction itself, and its armature is the label's"
        raise UserError(what, where=f"--parameters {parameters}", fix="leave out --parameters")
    return _Body(beside(run, run.kind, load(parameters)), sha256_of(parameters))


def _in_force(run: Run, gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains that the motors close which the net learned from, of those that are commanded, shape (12, 2)."""
    return np.stack([gains[:, 0], truncated(gains[:, 1])], axis=1) if run.facts.kd_in_steps else gains


def _fill(
    folder: Path,
    run: Run,
    kind: Literal["mlp", "lstm"],
    gains: NDArray[np.float64],
    input_idx: tuple[int, ...],
    body: _Body,
    *,
    extrapolated: bool,
) -> Manifest:
    in_force = _in_force(run, gains)
    commanded = gains[:, 1]
    nets = tuple(_save_net(folder, run, name, joints, in_force, commanded) for name, joints in _shares(run, in_force))
    np.savez(folder / bundle.GOLDEN, allow_pickle=False, **golden.make(run, nets))
    groups = tuple(_group(name, joints, nets, body) for name, joints in _groups(nets))
    (folder / bundle.SNIPPET).write_text(snippet.write(run, groups, input_idx, fitted=bool(body.sha256)))
    manifest = Manifest(
        format="go2-actuator-bundle 1",
        consumer="isaaclab",
        kind=kind,
        step=run.features.step,
        sign="target - position",
        input_order="pos_vel",
        input_idx=input_idx,
        pos_scale=1.0,
        vel_scale=1.0,
        torque_scale=1.0,
        reset="zeros",
        label=run.facts.label,
        nets=nets,
        groups=groups,
        trained=run.gains,
        extrapolated=extrapolated,
        run=run.name,
        run_sha256=run.facts.best_sha256 or "",
        data=tuple(source.sha256 for source in run.facts.sources),
        versions=run.facts.versions,
        files=tuple(File(path.name, sha256_of(path)) for path in sorted(folder.iterdir())),
        parameters_sha256=body.sha256,
        target_hold=run.features.target_hold,
    )
    bundle.write_manifest(folder, manifest)
    return manifest


def _shares(run: Run, in_force: NDArray[np.float64]) -> list[tuple[str, tuple[int, ...]]]:
    """Which joints share a file: those with the same gains in force, shape (12, 2), that the net does not tell apart.

    Isaac Lab hands a group's joints over in the articulation's order, which a net with joint identity could
    not know: one joint per file is unambiguous.
    """
    if not run.features.joint_identity:
        if (in_force == in_force[0]).all() and not run.features.kind_identity:
            return [("all", _EVERY)]
        if all((in_force[joints] == in_force[joints[0]]).all() for joints in BY_KIND.values()):
            return [(kind, tuple(joints)) for kind, joints in BY_KIND.items()]
    return [(NAMES[joint], (joint,)) for joint in _EVERY]


def _save_net(
    folder: Path,
    run: Run,
    name: str,
    joints: tuple[int, ...],
    in_force: NDArray[np.float64],
    commanded: NDArray[np.float64],
) -> Net:
    kp, kd = (float(value) for value in in_force[joints[0]])
    names = tuple(NAMES[joint] for joint in joints)
    net = Net(f"go2_{name}_{run.kind}.pt", names, kp, kd, float(commanded[joints[0]]))
    fold.save(folded(run, net), folder / net.file)
    return net


def folded(run: Run, net: Net) -> nn.Module:
    """The module of one file."""
    if isinstance(run.model, LSTM):
        return fold.FoldedLSTM(run.model, net.kp, net.kd)
    assert isinstance(run.model, MLP)  # `_callable` has refused all others
    identity = torch.from_numpy(run.features.identity[NAMES.index(net.joints[0])])
    return fold.FoldedMLP(run.model, run.features, net.kp, net.kd, identity)


def _groups(nets: tuple[Net, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Actuator groups: at least one per kind, for `saturation_effort` is one number per group."""
    if len(nets) == N_JOINTS:
        return [(NAMES[joint], (joint,)) for joint in _EVERY]
    return [(kind, tuple(BY_KIND[kind])) for kind in KINDS]


def _group(name: str, joints: tuple[int, ...], nets: tuple[Net, ...], body: _Body) -> Group:
    first, rows = JOINTS[joints[0]], list(joints)
    return Group(
        name=name,
        joints=tuple(NAMES[joint] for joint in joints),
        file=next(net.file for net in nets if first.name in net.joints),
        effort_limit=first.torque,
        velocity_limit=first.speed,
        saturation_effort=first.torque,
        armature=tuple(body.values["armature"][rows].tolist()),
        viscous_friction=tuple(body.values["viscous"][rows].tolist()),
        dry_friction=tuple(body.values["dry"][rows].tolist()),
    )
