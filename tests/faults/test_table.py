"""The table of promises: a broken promise is a row that says no, whenever its test fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import report

pytestmark = pytest.mark.slow

TESTS = """
import pytest
from promises import record

def test_is_kept(record_property):
    first, second = record(record_property, "S1", "5 ms"), record(record_property, "S2", "6 ms", "again")
    second("2.0 ms")
    first("1.0 ms", 3.0)

@pytest.mark.parametrize("passes", [True, False])
def test_is_broken_once(passes, record_property):
    measured = record(record_property, "S3", "7 ms", "once")
    assert passes
    measured("1.5 ms")

def test_never_began(absent):
    pass

TRIES = []

@pytest.mark.flaky(reruns=2, only_rerun=["stood still"])
def test_is_repeated(record_property):
    measured = record(record_property, "S4", "8 ms")
    TRIES.append(1)
    measured(f"{len(TRIES)}.0 ms")
    assert len(TRIES) == 2, "stood still"

def test_is_skipped(record_property):
    record(record_property, "S5", "9 ms")
    pytest.skip("no right")
"""


def test_each_promise_has_its_row(tmp_path):
    """A failure is a "**no**" under its promise, or a row of its own before there was one; repetitions are counted."""
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    path = os.pathsep.join((str(Path(report.__file__).parent), str(report.ROOT)))
    subprocess.run(
        [*command, f"--junitxml={tmp_path / 'found.xml'}", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert report.lines(report.rows(tmp_path / "found.xml"), {"S1": (1, 2)}) == [
        "| S1 | is kept | 1 | 5 ms |  | 1.0 ms (stood still for 3.0) | yes | 1 of 3 |\n",
        "| S2 | again | 1 | 6 ms |  | 2.0 ms | yes | – |\n",
        "| S3 | once | 2 | 7 ms |  | 1.5 ms | **no** | – |\n",
        "| S4 | is repeated | 1 + 1 | 8 ms |  | 2.0 ms | yes | – |\n",
        "| – | never began | 1 |  |  |  | **no** | – |\n",
    ]
