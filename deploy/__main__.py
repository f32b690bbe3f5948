"""`python -m deploy`: trained nets for simulators, and the proof that they behave there as here."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from collect.errors import UserError, exit_on_user_error

Folder = Annotated[Path, tyro.conf.Positional]


def export(
    run: Folder,
    kp: tuple[float, ...],
    kd: tuple[float, ...],
    out: Path,
    consumer: Annotated[Literal["isaaclab"], tyro.conf.arg(name="for")] = "isaaclab",
    parameters: Path | None = None,
    extrapolate: bool = False,
) -> int:
    """Fold gains into a trained net and write a bundle that the simulator loads.

    Args:
        run: Folder that `identify train` wrote.
        kp: Position gains: one, three (hip, thigh, calf) or twelve values (SDK order) [Nm/rad].
        kd: Velocity gains likewise, as a policy commands them [Nm·s/rad].
        out: Folder of the bundle; it must not exist.
        consumer: Simulator.
        parameters: What `identify fit` found, its parameters.yaml: armature and friction go beside a net of tau_est, in
            place of those of others.
        extrapolate: Accept gains outside of those the net was trained on; the manifest records it.
    """
    from deploy.export import export as write
    from identify.runs import load

    assert consumer == "isaaclab"  # tyro offers no other
    manifest = write(load(run), kp, kd, out, parameters=parameters, extrapolate=extrapolate)
    files = ", ".join(net.file for net in manifest.nets)
    print(f"bundle {out}: {files} for a physics step of {1e3 * manifest.step:g} ms")
    for net in manifest.nets:
        if net.kd_commanded is not None and net.kd < net.kd_commanded * 0.999:
            said = f"kd {net.kd_commanded:g} as commanded, {net.kd:.3f} as the robot's motors close it"
            print(f"{net.file}: {said}, which is folded in")
    return 0


def verify(bundle: Folder, json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None) -> int:
    """Call the exported nets as the simulator does and compare with the trained net, step by step.

    Exit code 1 when a check fails.

    Args:
        bundle: Folder that `export` wrote.
        json_file: Write the result to this file too.
    """
    from deploy.verify import TOLERANCE
    from deploy.verify import verify as prove

    proof = prove(bundle)
    print(f"{bundle}: at most {proof.max_abs_error:.2g} Nm off the trained net (tolerance {TOLERANCE:g} Nm)")
    table = Table("check", "result")
    for name, good in proof.checks.items():
        table.add_row(name, "ok" if good else "[red]FAILED[/red]")
    Console().print(table)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(dataclasses.asdict(proof), indent=1) + "\n")
        except OSError as error:
            raise UserError(f"cannot write: {error.strerror}", where=str(json_file), fix="check --json") from error
    return 0 if proof.passed else 1


VERBS: dict[str, Callable[..., Any]] = {"export": export, "verify": verify}

if __name__ == "__main__":
    with exit_on_user_error():
        try:
            code = tyro.extras.subcommand_cli_from_dict(VERBS, prog="python -m deploy", description=__doc__)
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)
