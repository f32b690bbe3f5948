"""docs/checks.md is the tables of checks themselves; `python tests/test_docs.py` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from collect import readiness, safety  # noqa: E402

CHECKS = ROOT / "docs" / "checks.md"


def checks() -> str:
    """Both tables as Markdown."""
    text = (
        "# What refuses a session and what stops it\n\nThe tables that the collector evaluates "
        "(`python -m collect check --list`), in their order.\n\n"
        "## Before anything moves\n\nA refusal is `error: CODE what was measured`, where, and how to fix it; exit "
        "code 2. A note is told and nothing else. Last of all a damping frame of the guard's must be seen on the wire "
        "(P14).\n\n| code | looks at | when | reaction | what to do |\n|---|---|---|---|---|\n"
    )
    for check in readiness.CHECKS:
        text += f"| {check.code} | {check.subject} | {check.trigger} | {check.reaction} | {check.fix} |\n".replace(
            "`|`", "or"
        )
    text += (
        "\n## While the robot moves\n\nA stop is `STOP CODE what was measured (limit: …)`, exit code 3 (operator: 4). "
        "`damp`: damping at once, latched, until the robot is seen still. `return`: home along a ramp first.\n\n"
        "| code | when | reaction | needs |\n|---|---|---|---|\n"
    )
    for stop in safety.CHECKS:
        text += f"| {stop.code} | {stop.trigger} | {stop.reaction} | {stop.needs} |\n"
    return text


def test_the_documentation_prints_the_tables():
    """Word for word."""
    assert CHECKS.read_text() == checks(), "run python tests/test_docs.py"


if __name__ == "__main__":
    CHECKS.write_text(checks())
