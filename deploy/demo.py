"""`make demo`: the whole pipeline on the virtual Go2, every step a command that can be typed by hand."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collect.errors import UserError, exit_on_user_error
from collect.link import free_domain

ROOT = Path(__file__).resolve().parent.parent
COLLECT, IDENTIFY = ROOT / "configs" / "collect", ROOT / "configs" / "identify"
GAINS = ("--kp", "25", "--kd", "0.5")
"""What most Go2 policies run at (unitree_rl_lab), and what most of the demo's session was recorded at."""


def run(out: Path) -> None:
    """Collect, train, judge, replay, export and verify; everything lands in `out`, a folder of this checkout.

    Raises:
        UserError: when `out` exists or a step fails; the step has said why.
    """
    if out.exists():
        raise UserError("the demo's folder exists and is never overwritten", where=str(out), fix="choose another")
    out.mkdir(parents=True)
    truth = out / "truth.h5"
    with free_domain() as domain, _virtual_go2("--domain", str(domain), "--truth", str(truth)):
        where = ("--interface", "lo", "--domain", str(domain), "--out", out / "recordings", "--accept-jitter", "0.015")
        _step("collect: chirps of several amplitudes and gains, over DDS")
        _verb("collect", "run", COLLECT / "demo.yaml", *where, "--session", "demo")
        _step("collect: a session that the nets will never see")
        _verb("collect", "run", COLLECT / "demo_unseen.yaml", *where, "--session", "unseen")
    train, unseen = out / "recordings" / "demo.h5", out / "recordings" / "unseen.h5"
    _verb("collect", "check", train, unseen)
    runs = {kind: out / "runs" / kind for kind in ("mlp", "lstm")}
    for kind, folder in runs.items():
        _step(f"identify: train the {kind.upper()}, fit the baselines")
        _verb("identify", "train", IDENTIFY / f"{kind}.yaml", "--data", train, "--out", folder)
    for kind, folder in runs.items():
        _step(f"identify: the {kind.upper()} on the unseen session: torque, then motion from the commands alone")
        _verb("identify", "evaluate", folder, "--data", unseen)
        _verb("identify", "replay", folder, unseen)
    for kind, folder in runs.items():
        _step(f"deploy: the {kind.upper()} for Isaac Lab, and proof that it behaves there as here")
        bundle = out / "bundles" / kind
        _verb("deploy", "export", folder, "--for", "isaaclab", *GAINS, "--out", bundle)
        _verb("deploy", "verify", bundle)
    _step("identify: the report")
    report = ("--out", out / "report.html", "--figure", out / "torque.png", "--truth", truth)
    _verb("identify", "report", *runs.values(), "--data", unseen, *report)


@contextmanager
def _virtual_go2(*arguments: str) -> Iterator[None]:
    """A virtual Go2 in a process of its own, ended on every way out."""
    command = [sys.executable, "-m", "collect", "robot", *arguments]
    robot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        if "ready" not in (robot.stdout.readline() if robot.stdout else ""):
            raise UserError("the virtual Go2 did not start", where=" ".join(command[1:]), fix="see its message above")
        yield
    finally:
        robot.terminate()
        robot.wait()
        if robot.stdout:
            robot.stdout.close()


def _step(words: str) -> None:
    sys.stdout.write(f"\n\033[1m{words}\033[0m\n" if sys.stdout.isatty() else f"\n{words}\n")
    sys.stdout.flush()


def _verb(*arguments: str | Path) -> None:
    """Run a verb as a user does."""
    words = [str(part.relative_to(ROOT)) if isinstance(part, Path) else part for part in arguments]
    sys.stdout.write(f"$ python -m {' '.join(words)}\n")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise UserError(f"the step ended with exit code {done.returncode}", where=words[0], fix="see its message above")


if __name__ == "__main__":
    start, folder = time.monotonic(), ROOT / "demo" / time.strftime("%Y%m%d-%H%M%S")
    with exit_on_user_error():
        run(folder)
    sys.stdout.write(f"\ndone in {time.monotonic() - start:.0f} s; open {folder / 'report.html'}\n")
