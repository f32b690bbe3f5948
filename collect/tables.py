"""What the verbs print: tables for a terminal."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from collect.forecast import allowed, forecast
from collect.joints import KINDS
from collect.plan import MARGIN, Plan
from collect.quality import Quality
from collect.safety import CHECKS
from collect.verdict import COLORS, Verdict


def plan_table(plan: Plan) -> Table:
    """Predicted motion of every segment, what exceeds its limit in red, the limits below."""
    table = Table(
        Column("segment", no_wrap=True),
        Column("s", justify="right"),
        "joints",
        *(Column(f"{name}\n{unit}", justify="right") for name, unit in _COLUMNS),
        box=box.SIMPLE_HEAD,
        title=f"{plan.name}: predicted motion on the rigid body",
        caption=f"The worst joint of each kind. Limits leave a margin of {MARGIN}; travel counts from the posture.",
    )
    name = ""
    for row in forecast(plan):
        speed, torque = allowed(row.kind)
        table.add_row(
            Text("" if row.segment == name else row.segment),
            "" if row.segment == name else f"{row.duration:.1f}",
            row.kind,
            f"{row.travel:.2f}",
            _marked(row.room, 1.0, f"{row.room:.0%}"),
            _marked(row.speed, speed, f"{row.speed:.1f}"),
            _marked(row.torque, torque, f"{row.torque:.1f}"),
            f"{row.rms:.1f}",
            end_section=row.kind == KINDS[-1],
        )
        name = row.segment
    for kind in KINDS:
        speed, torque = allowed(kind)
        table.add_row("" if kind != KINDS[0] else "allowed", "", kind, "", "100%", f"{speed:.1f}", f"{torque:.1f}", "")
    return table


_COLUMNS = (("travel", "rad"), ("of room", ""), ("speed", "rad/s"), ("torque", "Nm"), ("rms torque", "Nm"))


def _marked(value: float, limit: float, text: str) -> str:
    return text if value <= limit else f"[bold red]{text}[/]"


def checks_tables() -> tuple[Table, Table]:
    """What refuses a session, and what stops it."""
    before, during = (
        Table("code", "looks at", "when", "reaction", "needs", "what to do", title=title)
        for title in ("before motion", "in motion")
    )
    for check in CHECKS:
        table = during if check.stage == "motion" else before
        table.add_row(check.code, check.subject, check.trigger, check.reaction, check.needs, check.fix)
    return before, during


def quality_report(name: str, quality: Quality, verdict: Verdict) -> RenderableType:
    """The verdict on a recording with its reasons, then the figures that it rests on."""
    head = Text.assemble((name, "bold"), ": ", (verdict.word, f"bold {COLORS[verdict.word]}"))
    reasons = [
        Text(f"  {'✗' if reason.spoils else '!'} {reason.text}", style="red" if reason.spoils else "")
        for reason in verdict.reasons
    ]
    return Group(head, *reasons, *(Text(f"  {line}", style="dim") for line in _facts(quality)), _by_kind(quality))


def _facts(quality: Quality) -> list[str]:
    timing, fixture = quality.timing, quality.fixture
    known = 1e3 * np.array([delay for delay in quality.delay.values() if delay is not None])
    return [
        f"{quality.rows} rows, {timing.duration:.1f} s at {timing.rate:.1f} Hz; {timing.missing_ticks} ticks missing, "
        f"{timing.repeated_states:.1%} of the states repeated",
        f"arrivals: 99 % within ± {1e3 * timing.jitter:.2f} ms, worst {1e3 * timing.worst:.1f} ms",
        f"delay from command to torque: {np.median(known):.1f} ms ({known.min():.1f} to {known.max():.1f})"
        if len(known)
        else "delay from command to torque: cannot be told",
        f"body: {fixture.rate:.3f} rad/s rms ({fixture.share:.1%} of the joints'), tilted by {fixture.tilt:.3f} rad"
        if fixture
        else "body: no IMU recorded",
    ]


def _by_kind(quality: Quality) -> Table:
    """What joints of each kind did."""
    table = Table("", *(Column(kind, justify="right") for kind in KINDS), box=box.SIMPLE_HEAD)
    seen, load, floor = quality.coverage, quality.load, quality.repeatability
    rows = {
        "error, 99 % below [rad]": [_number(seen[kind].error, ".2f") for kind in KINDS],
        "speed, 99 % below [rad/s]": [_number(seen[kind].speed, ".1f") for kind in KINDS],
        "torque, 99 % below [Nm]": [_number(seen[kind].torque, ".1f") for kind in KINDS],
        "peak speed, of the limit": [_number(load[kind].speed, ".0%") for kind in KINDS],
        "peak torque, of the limit": [_number(load[kind].torque, ".0%") for kind in KINDS],
        "rows at the torque-speed envelope": [_number(load[kind].saturated, ".2%") for kind in KINDS],
        "frequency, 5 % and 95 % [Hz]": [
            f"{_number(seen[kind].lowest, '.1f')} – {_number(seen[kind].highest, '.1f')}" for kind in KINDS
        ],
        "amplitudes at a frequency, ratio": [_number(seen[kind].amplitudes, ".1f") for kind in KINDS],
        "error-speed box visited": [_number(seen[kind].filled, ".0%") for kind in KINDS],
    }
    if floor is not None:
        rows["torque not repeated, rms [Nm]"] = [_number(floor[kind].torque, ".3f") for kind in KINDS]
        rows["position not repeated, rms [mrad]"] = [f"{1e3 * floor[kind].position:.2f}" for kind in KINDS]
    for name, cells in rows.items():
        table.add_row(Text(name), *cells)
    return table


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
