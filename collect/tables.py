"""What the verbs print: tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Column, Table

from collect.forecast import allowed, forecast
from collect.joints import KINDS
from collect.plan import MARGIN, Plan


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
            "" if row.segment == name else row.segment,
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
