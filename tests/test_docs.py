"""docs/checks.md is the table of checks itself; `python tests/test_docs.py` writes it anew."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from collect.safety import CHECKS as TABLE  # noqa: E402
from collect.safety import IN_MOTION  # noqa: E402
from collect.tables import checks_tables  # noqa: E402

CHECKS = ROOT / "docs" / "checks.md"


def checks() -> str:
    """The table as Markdown, in its two halves."""
    text = (
        "# What refuses a session and what stops it\n\nThe table that the collector evaluates "
        "(`python -m collect check --list`), in its order.\n\n"
        "## Before anything moves\n\nA refusal is `error: CODE what was measured`, where, and how to fix it; exit "
        "code 2. A note is told and nothing else.\n\n"
        "| code | looks at | when | reaction | what to do |\n|---|---|---|---|---|\n"
    )
    for check in (check for check in TABLE if check.stage != "motion"):
        text += f"| {check.code} | {check.subject} | {check.trigger} | {check.reaction} | {check.fix} |\n".replace(
            "`|`", "or"
        )
    text += (
        "\n## While the robot moves\n\nA stop is `STOP CODE what was measured (limit: …)`, exit code 3 (operator: 4). "
        "`damp`: damping at once, latched, until the robot is seen still. `return`: home along a ramp first.\n\n"
        "| code | looks at | when | reaction | needs | what to do |\n|---|---|---|---|---|---|\n"
    )
    for stop in IN_MOTION:
        text += f"| {stop.code} | {stop.subject} | {stop.trigger} | {stop.reaction} | {stop.needs} | {stop.fix} |\n"
    return text


def test_the_documentation_prints_the_table():
    """Word for word."""
    assert CHECKS.read_text() == checks(), "run python tests/test_docs.py"


def test_the_terminal_prints_the_table():
    """`check --list`: of every check its code, subject, trigger, reaction and what to do."""
    wide = Console(width=1000, file=io.StringIO(), record=True)
    wide.print(*checks_tables())
    lines = wide.export_text().splitlines()
    for check in TABLE:
        cells = (check.code, check.subject, check.trigger, check.reaction, check.needs, check.fix)
        assert any([cell.strip() for cell in line.strip("│").split("│")] == [*cells] for line in lines), check.name


def test_readme_quotes_the_table_of_promises():
    """Rows of docs/faults.md stand in the README as they are there."""
    table = (ROOT / "docs" / "faults.md").read_text().splitlines()
    _, _, quoted = (ROOT / "README.md").read_text().partition(f"\n{next(line for line in table if line[:1] == '|')}\n")
    rows = quoted.partition("\n\n")[0].splitlines()
    assert len(rows) > 5
    assert set(rows) <= set(table)


if __name__ == "__main__":
    CHECKS.write_text(checks())
