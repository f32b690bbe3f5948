"""`python -m collect`: the virtual Go2, plans, sessions, recordings."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from collect.errors import UserError, exit_on_user_error

Sources = Annotated[tuple[Path, ...], tyro.conf.Positional]
Source = Annotated[Path, tyro.conf.Positional]


def robot(
    interface: str = "lo",
    domain: int = 1,
    motors: Path | None = None,
    mount: Literal["fixed", "sling"] = "fixed",
    on_silence: Literal["hold_target", "hold_torque", "damp"] = "hold_target",
    truth: Path | None = None,
    wire: Path | None = None,
    faults: bool = False,
) -> int:
    """Run the virtual Go2 until it is interrupted.

    Args:
        interface: Network interface to speak on.
        domain: DDS domain; 0, the real robots', only on lo.
        motors: YAML of the hidden motors instead of the one shipped.
        mount: Body held fixed, or hung on a sling that swings.
        on_silence: What the motors do when commands stop.
        truth: HDF5 file for what really happened, written at the end.
        wire: File for every command it receives, for tests.
        faults: Take faults from standard input, a line each (collect/virtual/faults.py).
    """
    from collect.virtual.robot import RobotOptions, run

    run(RobotOptions(interface, domain, motors, mount, on_silence, truth, wire, faults))
    return 0


def plan(config: Source, out: Path) -> int:
    """Turn a config into a plan file: simulated on the rigid body, checked, ready for the robot's computer.

    Args:
        config: YAML of the session (configs/collect).
        out: Plan file to write.
    """
    from collect.forecast import predicted
    from collect.plan import RATE, save
    from collect.plan import check as check_plan
    from collect.tables import plan_table

    if out.exists():
        raise UserError("the plan exists and is never overwritten", where=str(out), fix="choose another --out")
    made = predicted(config)
    Console().print(plan_table(made))
    check_plan(made)
    digest = save(made, out)
    print(f"plan {out}: {len(made) / RATE:.1f} s, sha256 {digest[:16]}…")
    return 0


def run(
    source: Source,
    interface: str,
    out: Path = Path("recordings"),
    domain: int | None = None,
    peer: Literal["robot", "simulator"] = "robot",
    session: str | None = None,
    acceptance: Path = Path("robot.yaml"),
    accept_jitter: float = 0.008,
) -> int:
    """Move a hung robot along a plan and seal the recording.

    Exit codes: 0 complete, 2 refused before motion, 3 stopped by a check, 4 by the operator, 5 not sealed, 6 the
    guard had to damp, or the robot was not seen still.

    Args:
        source: Plan file, or a config, which is planned first (needs mujoco).
        interface: Network interface wired to the robot; lo for the virtual Go2.
        out: Folder for the recording.
        domain: DDS domain; 0 by default, 1 on lo.
        peer: `simulator` for one that sends no tick, CRC, temperature or motor mode.
        session: Name of the recording; the plan's name and the time by default.
        acceptance: What `accept` has measured on this robot; the virtual Go2 on lo and simulators need none.
        accept_jitter: Seconds the loop may be late before it stops, up to 0.015; noted in the recording.
    """
    from collect import session as sessions
    from collect.forecast import predicted
    from collect.motion import Options
    from collect.plan import load

    options = Options(interface, out, domain, peer, session, acceptance, accept_jitter)
    made = predicted(source) if source.suffix in (".yaml", ".yml") else load(source)
    return sessions.run(made, options)


def guard(interface: str, domain: int | None = None, silence: float = 0.05) -> int:
    """On the robot's own computer: damp when the PC or the cable dies while the robot moves.

    Start it before the session, end it with Ctrl-C after. Having damped once it answers every stiff command with
    damping until it is started anew.

    Args:
        interface: Network interface that the commands come in by.
        domain: DDS domain; 0 by default, 1 on lo.
        silence: Seconds without a command after which it damps.
    """
    from collect import onboard
    from collect.link import default_domain

    onboard.run(interface, default_domain(interface) if domain is None else domain, silence)
    return 0


def accept(
    interface: str,
    out: Path = Path("robot.yaml"),
    domain: int | None = None,
    again: bool = False,
    only: tuple[str, ...] = (),
) -> int:
    """Measure once per robot and firmware what sessions must know; supervised, a hand on the power switch.

    Every step says what it will do and waits for your `yes`. Exit codes as those of `run`.

    Args:
        interface: Network interface wired to the robot; lo for the virtual Go2.
        out: Results; sessions on a robot demand them.
        domain: DDS domain; 0 by default, 1 on lo.
        again: Measure anew what this file holds; the old one is kept under another name.
        only: Only these measurements: HW-1 to HW-9, range.
    """
    from collect.accept import Options
    from collect.accept import run as measure_all

    return measure_all(Options(interface, out, domain, again, only))


def check(recordings: Sources = (), list: bool = False) -> int:  # the flag is called --list
    """Verify sealed recordings, or list the checks that refuse or stop a session.

    Args:
        recordings: Files or folders to verify.
        list: Print the safety checks instead.
    """
    from collect.recording import find, read, sha256_of
    from collect.tables import checks_tables

    if list:
        Console().print(*checks_tables())
        return 0
    if not recordings:
        raise UserError("nothing to check", where="python -m collect check", fix="name recordings, or use --list")
    for path in find([*recordings]):
        print(f"ok {path}: {len(read(path))} rows, sha256 {sha256_of(path)[:16]}…")
    return 0


def show(
    recordings: Sources,
    figure: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Tell what recordings are worth: a verdict with its reasons, and the figures it rests on.

    Exit code 1 when one of them should be repeated.

    Args:
        recordings: Files or folders.
        figure: Draw the recording, only one, into this file: .png, .svg or .pdf.
        json_file: Write the figures to this file too.
    """
    from collect.quality import assess
    from collect.recording import find, read
    from collect.tables import quality_report
    from collect.verdict import judge

    paths = find([*recordings])
    draw = _drawing(figure, len(paths)) if figure is not None else None
    figures, spoilt = {}, False
    for path in paths:
        recording = read(path)
        quality = assess(recording)
        verdict = judge(quality)
        Console().print(quality_report(recording.session, quality, verdict))
        if draw is not None:
            draw(recording, quality, verdict, figure)
            print(f"figure {figure}")
        figures[recording.session] = {"verdict": dataclasses.asdict(verdict)} | dataclasses.asdict(quality)
        spoilt = spoilt or verdict.word == "repeat it"
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if spoilt else 0


def recover(journals: Sources, out: Path | None = None) -> int:
    """Make valid recordings of interrupted sessions.

    A journal is removed once its recording is proven to hold all of its rows. Exit codes: 0 complete, 3 rows were
    damaged and dropped, 1 nothing could be recovered.

    Args:
        journals: The *.journal files they left, or the folders that hold them.
        out: Folder for the recordings; that of the journal by default.
    """
    from collect.salvage import NothingLeftError, find
    from collect.sealing import seal

    codes = {0}
    for path in find([*journals]):
        try:
            sealed = seal(path, out)
        except NothingLeftError as error:
            print(f"error: {error}", file=sys.stderr)
            codes.add(1)
            continue
        kept = "" if sealed.complete else f"; {path} is kept"
        print(f"recovered {sealed}{kept}")
        codes.add(0 if sealed.complete else 3)
    return 1 if 1 in codes else max(codes)


def convert(
    sources: Sources,
    layout: Literal["katari16", "orl", "dls", "csv"],
    out: Path,
    kp: tuple[float, ...] | None = None,
    kd: tuple[float, ...] | None = None,
    start: Annotated[float | None, tyro.conf.arg(name="from")] = None,
    stop: Annotated[float | None, tyro.conf.arg(name="to")] = None,
) -> int:
    """Turn logs made by others into recordings.

    Args:
        sources: Logs; an ORL source is its folder.
        layout: How they are laid out.
        out: Folder for the recordings, which keep the sources' names.
        kp: Position gains where the log does not tell: 1, 3 (hip, thigh, calf) or 12 values.
        kd: Velocity gains likewise.
        start: Leave out what comes before, in seconds from the first row.
        stop: Leave out what comes after.
    """
    from collect.convert import convert as convert_log

    if not sources:
        raise UserError("no source named", where="python -m collect convert", fix="name one or more logs")
    for source in sources:
        print(f"converted {convert_log(source, layout, out, kp, kd, start, stop)}")
    return 0


def _drawing(figure: Path, recordings: int) -> Callable[..., None]:
    """What draws the page, once it is known that it can."""
    if recordings != 1:
        raise UserError(
            f"a figure shows one recording, {recordings} were named",
            where=f"--figure {figure}",
            fix="call it once for each",
        )
    try:
        from collect.figure import check_path, draw
    except ImportError as error:
        raise UserError(
            f"a figure needs {error.name}",
            where=f"--figure {figure}",
            fix="pip install -c constraints.txt '.[sim]', or show the recording at a desk",
        ) from error
    check_path(figure)
    return draw


VERBS: dict[str, Callable[..., Any]] = {
    "robot": robot,
    "plan": plan,
    "run": run,
    "guard": guard,
    "accept": accept,
    "check": check,
    "show": show,
    "recover": recover,
    "convert": convert,
}

if __name__ == "__main__":
    with exit_on_user_error():
        try:
            code = tyro.extras.subcommand_cli_from_dict(VERBS, prog="python -m collect", description=__doc__)
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)
