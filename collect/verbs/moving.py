"""Verbs that move the robot, or stand in for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from collect.errors import UserError
from collect.limits import MAX_LATE

if TYPE_CHECKING:
    from collect.plan import Plan

Source = Annotated[Path | None, tyro.conf.Positional]
Gains = tuple[float, ...] | None


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


def plan(
    config: Source = None,
    *,
    out: Path,
    replay: Path | None = None,
    kp: Gains = None,
    kd: Gains = None,
) -> int:
    """Turn a config or a trajectory into a plan file: simulated on the rigid body, checked, ready for the robot.

    Args:
        config: YAML of the session (configs/collect).
        out: Plan file to write.
        replay: A recording or a CSV table to be played instead: columns time, q_target_0 … q_target_11, SDK order.
        kp: Position gains of the replay instead of its own: 1, 3 (hip, thigh, calf) or 12 values.
        kd: Velocity gains likewise.
    """
    from collect.plan import RATE, save
    from collect.plan import check as check_plan
    from collect.tables import plan_table

    if out.exists():
        raise UserError("the plan exists and is never overwritten", where=str(out), fix="choose another --out")
    made = _planned(config, replay, kp, kd)
    Console().print(plan_table(made))
    check_plan(made)
    digest = save(made, out)
    print(f"plan {out}: {len(made) / RATE:.1f} s, sha256 {digest[:16]}…")
    return 0


def run(
    source: Source = None,
    *,
    interface: str,
    out: Path = Path("recordings"),
    replay: Path | None = None,
    kp: Gains = None,
    kd: Gains = None,
    domain: int | None = None,
    peer: Literal["robot", "simulator"] = "robot",
    session: str | None = None,
    acceptance: Path = Path("robot.yaml"),
    accept_jitter: float = MAX_LATE,
) -> int:
    """Move a hung robot along a plan and seal the recording.

    Exit codes: 0 complete, 2 refused before motion, 3 stopped by a check, 4 by the operator, 5 not sealed, 6 the
    guard had to damp, or the robot was not seen still.

    Args:
        source: Plan file, or a config, which is planned first (needs mujoco).
        interface: Network interface wired to the robot; lo for the virtual Go2.
        out: Folder for the recording.
        replay: A recording or a CSV table to be played instead, planned first: columns time, q_target_0 … q_target_11.
        kp: Position gains of the replay instead of its own: 1, 3 (hip, thigh, calf) or 12 values.
        kd: Velocity gains likewise.
        domain: DDS domain; 0 by default, 1 on lo.
        peer: `simulator` for one that sends no tick, CRC, temperature or motor mode.
        session: Name of the recording; the plan's name and the time by default.
        acceptance: What `accept` has measured on this robot; simulators and what is on lo, not in domain 0, need none.
        accept_jitter: Seconds the loop may be late before it stops, up to 0.015, and more often in proportion; noted in
            the recording.
    """
    from collect import session as sessions
    from collect.link import Place
    from collect.motion import Options
    from collect.plan import load

    options = Options(Place.of(interface, domain), out, peer, session, acceptance, accept_jitter)
    ready = source is not None and replay is None and source.suffix not in (".yaml", ".yml")
    return sessions.run(load(source) if ready and source else _planned(source, replay, kp, kd), options)


def _planned(config: Path | None, replay: Path | None, kp: Gains, kd: Gains) -> Plan:
    """The plan of a config or a trajectory, with its predicted motion.

    Raises:
        UserError: when both or none are named, or gains beside a config, which has its own.
    """
    from collect import config as config_file
    from collect import trajectory
    from collect.forecast import predicted
    from collect.plan import PlanConfig, tabulate

    if config is None and replay is not None:
        return predicted(trajectory.load(replay, kp, kd), str(replay))
    if config is None or replay is not None:
        what = "a config and a trajectory" if config else "nothing to move along"
        raise UserError(what, where="python -m collect", fix="name either a config (or plan), or --replay FILE")
    if kp or kd:
        raise UserError("a config has gains of its own", where="--kp, --kd", fix="change them in the config")
    return predicted(tabulate(config_file.load(config, PlanConfig)), str(config))


def guard(interface: str, domain: int | None = None, silence: float = 0.05) -> int:
    """On the robot's own computer: damp when the PC or the cable dies while the robot moves.

    Start it before the session, end it with Ctrl-C after. Having damped once it answers every stiff command with
    damping until it is started anew.

    Args:
        interface: Network interface that the commands come in by.
        domain: DDS domain; 0 by default, 1 on lo.
        silence: Seconds without a command after which it damps, .02 to .1.
    """
    from collect import onboard
    from collect.link import Place

    onboard.run(Place.of(interface, domain), silence)
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
    from collect.link import Place

    return measure_all(Options(Place.of(interface, domain), out, again, only))
