"""`make faults`: all counts of the fault suite, all mutants, and the table promise × bound × measured × result.

Writes docs/faults.md. Quiet machine, an hour and a half on two cores.
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
from dataclasses import dataclass
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
ELSEWHERE = ("tests/test_preflight.py", "tests/test_plan.py", "tests/test_config.py", "tests/test_session.py")
"""Tests of promises that stand beside the others of their subject."""
IGNORED = shutil.ignore_patterns(".git", ".venv*", "demo", "runs", "__pycache__", ".*cache")
Mutant = tuple[str, str, str, str, str]
"""Promise, file, text, replacement, test: a node or arguments of pytest."""
HEAD = """# Promises, faults, and what was measured

Made by `make faults` ({version}). Each fault is injected into a running session with the virtual Go2: real DDS, real
processes. Times are from the event to the first damping frame that the robot received, which looks every 2 ms: bounds
hold up to 3 ms for that. A core that a hypervisor gives to somebody else for some ms delays everything: processes above
all others note when that happened ("stood still"), and a promise is kept if it is kept without that time. Where the
machine made a session stop by another check than the one that is judged, or refuse to begin, the test is repeated, at
most four times: runs "+ n". Sessions are allowed 15 ms of lateness (`--accept-jitter 0.015`) but where L12 is judged.
The last column: with its check or means taken away, the test fails.

| promise | fault | runs | bound | median | worst | kept | mutants seen red |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Run:
    """One test of a promise, from its last attempt."""

    measured: str
    """In words, empty where it failed before."""
    still: float
    """Of that, the machine at a standstill [ms]."""
    passed: bool
    repeated: int
    """Attempts before it that the machine spoiled."""


def main() -> int:
    """Run everything, write the table; 1 when a promise was broken or a mutant survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants-only", action="store_true", help="print which mutants survive and write nothing")
    parser.add_argument("--measured", action="store_true", help=f"take {RESULTS.name} as it is, run only the mutants")
    options = parser.parse_args()
    if options.mutants_only:
        return int(any(survived for _, survived in _mutants().values()))
    code = 0
    if not options.measured:
        RESULTS.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pytest", "tests/faults", *ELSEWHERE]
        command += [f"--junitxml={RESULTS}", "-o", "junit_family=xunit1"]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {"FAULTS": "full"}, check=False).returncode
    found, killed = rows(RESULTS), _mutants()
    TABLE.write_text(HEAD.format(version=_version()) + "".join(lines(found, killed)))
    Console().print(f"wrote {TABLE.relative_to(ROOT)}")
    broken = any(not run.passed for runs in found.values() for run in runs)
    return int(code != 0 or broken or any(survived for _, survived in killed.values()))


def rows(results: Path) -> dict[tuple[str, str, str], list[Run]]:
    """(promise, fault, bound) → its runs, from pytest's JUnit XML.

    A test that failed before it noted any promise has a row of its own; one that was skipped has none.
    """
    attempts: dict[tuple[str, str], list[ElementTree.Element]] = defaultdict(list)
    for case in ElementTree.parse(results).iter("testcase"):
        attempts[case.get("classname", ""), case.get("name", "")].append(case)
    found: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for (_, name), cases in attempts.items():
        *repeated, case = cases  # pytest-rerunfailures leaves no failure in those that it repeats
        if case.find("skipped") is not None:
            continue
        passed = case.find("failure") is None and case.find("error") is None
        name = name.split("[")[0].removeprefix("test_").replace("_", " ")
        noted = _noted(case, name) or ({} if passed else {("–", name, ""): ("", 0.0)})
        for row, (measured, still) in noted.items():
            found[row].append(Run(measured, still, passed, len(repeated)))
    return found


def _noted(case: ElementTree.Element, name: str) -> dict[tuple[str, str, str], tuple[str, float]]:
    """Promises that a test noted, each with what was measured last and the standstill in it [ms]."""
    notes: list[dict[str, str]] = []
    for item in case.iter("property"):
        if item.get("name") == "promise":
            notes.append({})
        if notes:
            notes[-1][item.get("name", "")] = item.get("value", "")
    return {
        (one["promise"], one.get("what") or name, one.get("bound", "")): (
            one.get("measured", ""),
            float(one.get("still", 0.0)),
        )
        for one in notes
    }


def lines(found: dict[tuple[str, str, str], list[Run]], killed: dict[str, tuple[int, int]]) -> list[str]:
    """The table's, by promise; `killed` as `_mutants` gives it."""
    made = []
    for promise, what, bound in sorted(
        found, key=lambda row: (row[0][0], int("".join(filter(str.isdigit, row[0])) or 0))
    ):
        runs = found[promise, what, bound]
        largest = max(runs, key=lambda run: _leading(run.measured))
        times = sorted((run.measured for run in runs if re.fullmatch(r"[\d.]+ ms", run.measured)), key=_leading)
        median = times[len(times) // 2] if len(times) > 1 else ""
        worst = largest.measured + (f" (stood still for {largest.still:.1f})" if largest.still else "")
        kept = "yes" if all(run.passed for run in runs) else "**no**"
        repeated = sum(run.repeated for run in runs)
        count = f"{len(runs)} + {repeated}" if repeated else f"{len(runs)}"
        red, survived = killed.get(promise, (0, 0))
        mutants = f"{red} of {red + survived}" if red + survived else "–"
        worst = _nowhere(worst.replace("|", "or").strip())
        made.append(f"| {promise} | {what} | {count} | {bound} | {median} | {worst} | {kept} | {mutants} |\n")
    return made


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
        environment = os.environ | {"FAULTS": "variants"}
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"the mutant's test did not run: {test}\n{done.stdout[-2000:]}")
        return done.returncode == 1


def _version() -> str:
    done = subprocess.run(["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"at {done.stdout.strip()}" if done.returncode == 0 else "outside of git"


if __name__ == "__main__":
    sys.exit(main())
