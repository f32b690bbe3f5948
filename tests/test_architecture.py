"""The folders are the pipeline, heavy packages live in few files, and files stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("collect", "identify", "deploy")
MAY_USE = {"collect": {"collect"}, "identify": {"identify", "collect"}, "deploy": set(STAGES)}
ONLY_IN = {
    "unitree_sdk2py": {"collect/messages.py"},
    "cyclonedds": {"collect/messages.py", "collect/link.py", "collect/switcher.py", "collect/virtual/robot.py"},
    "mujoco": {"collect/body.py", "collect/bodies.py"},
    "optuna": {"identify/search.py"},
}
NEVER = {"pickle", "joblib", "dill", "cloudpickle"}
SWALLOWS = "RecurrentThread"
"""The SDK's thread, which goes on after any exception while the robot keeps its last command."""
SOURCES = sorted(path for stage in STAGES for path in (ROOT / stage).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Top-level packages a file imports anywhere; naming an exception class of one does not use it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not all(alias.name.endswith("Error") for alias in node.names):
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_keeps_its_place(path):
    """Imports run deploy → identify → collect; heavy packages stay where they belong; nothing unpickles or swallows."""
    name = str(path.relative_to(ROOT))
    used = imports(path)
    assert used & set(STAGES) <= MAY_USE[path.relative_to(ROOT).parts[0]]
    assert not used & NEVER
    assert SWALLOWS not in path.read_text()
    for package, files in ONLY_IN.items():
        assert package not in used or name in files, f"{package} in {name}"
    assert len(path.read_text().splitlines()) <= 300, "one concept per file"


def test_the_robots_computer_needs_no_heavy_package():
    """Everything `collect run PLAN` imports comes without mujoco, torch, pandas, scikit-learn, scipy, matplotlib."""
    script = (
        "import sys, collect.session, collect.plan, collect.sealing, collect.quality, collect.__main__\n"
        "heavy = {'mujoco', 'torch', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] == "collect"], ids=lambda p: p.name)
def test_collect_is_valid_python_3_10(path):
    """The robot's own Python."""
    ast.parse(path.read_text(), feature_version=(3, 10))
