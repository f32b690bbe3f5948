"""`make faults`: all counts of the fault suite, all mutants, and the table promise × bound × measured × result.

Writes docs/faults.md. Quiet machine, an hour on two cores.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.progress import track

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TABLE = ROOT / "docs" / "faults.md"
MUTANTS = ("mutants_loop", "mutants_preflight", "mutants_recording")
RESULTS = ROOT / "build" / "faults.xml"
"""What the tests measured; kept, for it took most of the time."""
ELSEWHERE = ("tests/test_preflight.py", "tests/test_plan.py", "tests/test_config.py")
"""Tests of promises that stand beside the others of their subject."""
IGNORED = shutil.ignore_patterns(".git", ".venv*", "demo", "runs", "__pycache__", ".*cache")
Mutant = tuple[str, str, str, str, str]
"""Promise, file, text, replacement, test: a node or arguments of pytest."""
HEAD = """# Promises, faults, and what was measured

Made by `make faults` ({version}). Each fault is injected into a running session with the virtual Go2: real DDS, real
processes. Times are from the event to the first damping frame that the robot received, which looks every 2 ms: bounds
hold up to 3 ms for that. A core that a hypervisor gives to somebody else for some ms delays everything: processes above
all others note when that happened ("stood still"), and a promise is kept if it is kept without that time. The last
column: with its check or means taken away, the test fails.

| promise | fault | runs | bound | median | worst | kept | mutants seen red |
|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Run everything, write the table; 1 when a promise was broken or a mutant survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants-only", action="store_true", help="print which mutants survive and write nothing")
    options = parser.parse_args()
    if options.mutants_only:
        return int(any(survived for _, survived in _mutants().values()))
    RESULTS.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "tests/faults", *ELSEWHERE]
    command += [f"--junitxml={RESULTS}", "-o", "junit_family=xunit1"]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | {"FAULTS": "full"}, check=False).returncode
    rows = _rows(RESULTS)
    killed = _mutants()
    TABLE.write_text(HEAD.format(version=_version()) + "".join(_lines(rows, killed)))
    Console().print(f"wrote {TABLE.relative_to(ROOT)}")
    return int(code != 0 or any(survived for _, survived in killed.values()))


def _rows(results: Path) -> dict[tuple[str, str, str], list[tuple[str, float, bool]]]:
    """(promise, fault, bound) → what each run measured, of it at a standstill [ms], and whether it passed."""
    found: dict[tuple[str, str, str], list[tuple[str, float, bool]]] = defaultdict(list)
    for case in ElementTree.parse(results).iter("testcase"):
        noted = {item.get("name"): item.get("value") or "" for item in case.iter("property")}
        if "promise" not in noted:
            continue
        passed = case.find("failure") is None and case.find("error") is None
        what = noted.get("what") or (case.get("name") or "").split("[")[0].removeprefix("test_").replace("_", " ")
        found[noted["promise"], what, noted.get("bound", "")].append(
            (noted.get("measured", ""), float(noted.get("still", 0.0)), passed)
        )
    return found


def _lines(rows: dict, killed: dict[str, tuple[int, int]]) -> list[str]:
    lines = []
    for promise, what, bound in sorted(
        rows, key=lambda row: (row[0][0], int("".join(filter(str.isdigit, row[0])) or 0))
    ):
        runs = rows[promise, what, bound]
        worst, still, _ = max(runs, key=lambda run: _leading(run[0]))
        times = sorted((measured for measured, _, _ in runs if re.fullmatch(r"[\d.]+ ms", measured)), key=_leading)
        median = times[len(times) // 2] if len(times) > 1 else ""
        worst += f" (stood still for {still:.1f})" if still else ""
        kept = "yes" if all(passed for *_, passed in runs) else "**no**"
        red, survived = killed.get(promise, (0, 0))
        mutants = f"{red} of {red + survived}" if red + survived else "–"
        worst = _nowhere(worst.replace("|", "or").strip())
        lines.append(f"| {promise} | {what} | {len(runs)} | {bound} | {median} | {worst} | {kept} | {mutants} |\n")
    return lines


def _nowhere(text: str) -> str:
    """Without what is this machine's and of this moment: interfaces, paths, processes, addresses."""
    text = re.sub(r"; present: .*|: python \(pid .*\)| \(pid \d+\)", "", text)
    return re.sub(r"(/[\w.-]+)+/", "…/", text)


def _leading(text: str) -> float:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        return 0.0


def _mutants() -> dict[str, tuple[int, int]]:
    """Promise → mutants that were seen red, and that survived."""
    sys.path.insert(0, str(HERE))
    tables = [importlib.import_module(name).MUTANTS for name in MUTANTS if (HERE / f"{name}.py").exists()]
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for mutant in track([mutant for table in tables for mutant in table], "mutants", console=Console(stderr=True)):
        red, survived = counts[mutant[0]]
        dead = _is_red(mutant)
        counts[mutant[0]] = (red + dead, survived + (not dead))
        if not dead:
            Console(stderr=True).print(f"survived: {mutant[0]} {mutant[1]}: {mutant[2].strip()!r}", style="red")
    return dict(counts)


def _is_red(mutant: Mutant) -> bool:
    """Whether the test fails on a copy of the project with the replacement made."""
    _, file, text, replacement, test = mutant
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=IGNORED)
        source = (copy / file).read_text()
        if source.count(text) != 1:
            raise SystemExit(f"mutant of {file} no longer applies: {text!r} is there {source.count(text)} times")
        (copy / file).write_text(source.replace(text, replacement))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(test)]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"the mutant's test did not run: {test}\n{done.stdout[-2000:]}")
        return done.returncode == 1


def _version() -> str:
    done = subprocess.run(["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"at {done.stdout.strip()}" if done.returncode == 0 else "outside of git"


if __name__ == "__main__":
    sys.exit(main())
