"""From nothing to a verified bundle: the real verbs, in order, over real DDS between real processes."""

from __future__ import annotations

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT, recorded, verb
from place import at_the_robot, reached

from collect import recording
from collect.channels import LATE
from collect.errors import UserError
from collect.joints import KINDS
from collect.link import free_domain
from collect.pace import GRID_ROWS
from identify.baselines import NAMES as BASELINES
from identify.runs import load
from identify.trial import trial
from identify.truth import against

pytestmark = pytest.mark.dds

SESSION = """
name: learn
rest: 0.2
segments:
  - {name: small, kind: chirp, duration: 6, amplitude: [0.06], f0: 0.3, f1: [8], law: linear, kp: [25], kd: [0.5]}
  - {name: medium, kind: chirp, duration: 6, amplitude: [0.14], f0: 0.3, f1: [7], law: linear, kp: [25], kd: [0.5]}
  - {name: large, kind: chirp, duration: 6, amplitude: [0.22], f0: 0.3, f1: [5], law: linear, kp: [25], kd: [0.5]}
  - {name: stairs, kind: staircase, duration: 6, amplitude: [0.14], f0: 0.3, f1: [5], law: linear, kp: [25], kd: [0.5]}
"""
UNSEEN = """
name: unseen
rest: 0.2
segments:
  - {name: x, kind: chirp, duration: 5, amplitude: [0.18], f0: 0.2, f1: [6], kp: [25], kd: [0.5]}
  - {name: x_repeat, kind: chirp, duration: 5, amplitude: [0.18], f0: 0.2, f1: [6], kp: [25], kd: [0.5]}
"""
# The shipped nets, hurried: larger steps, fewer of them, and their average.
HURRY = {
    "mlp": {
        "learning_rate: 8e-4": "learning_rate: 3e-3\n  final_rate: 0.05\n  averaging: 0.98\n  epochs: 8",
        "batch: 4096": "batch: 512",
    },
    "lstm": {"learning_rate: 1e-3": "learning_rate: 3e-3", "epochs: 30": "epochs: 12"},
}


def done(*arguments: object) -> str:
    """Run a verb that must succeed; what it printed."""
    result = verb(*arguments)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder of a whole pipeline: plan, recordings, truth, runs, JSON of their judges, bundles, report."""
    out = tmp_path_factory.mktemp("pipeline")
    (out / "learn.yaml").write_text(SESSION)
    (out / "unseen.yaml").write_text(UNSEEN)
    done("collect", "plan", out / "learn.yaml", "--out", out / "learn.plan")
    with free_domain() as domain:
        collected(out, domain)
    with pytest.MonkeyPatch.context() as environment, ThreadPoolExecutor(len(HURRY)) as pool:
        environment.setenv("OMP_NUM_THREADS", "1")  # a core for each net
        list(pool.map(partial(identified, out), HURRY))
    report = ("--out", out / "report.html", "--truth", out / "truth.h5")
    done("identify", "report", out / "mlp", out / "lstm", "--data", unseen(out), *report)
    return out


def collected(out: Path, domain: int) -> None:
    """Two sessions with one virtual Go2."""
    command = at_the_robot("robot", domain, "--truth", str(out / "truth.h5"))
    robot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert robot.stdout is not None
        assert "ready" in robot.stdout.readline()
        for name, source in (("learn", out / "learn.plan"), ("unseen", out / "unseen.yaml")):
            session = recorded(name, source, out / "recordings", *reached(domain, out))
            assert session.returncode == 0, session.stderr
            assert "Warning" not in session.stderr
    finally:
        robot.send_signal(signal.SIGTERM)
        assert robot.wait(20) == 0


def identified(out: Path, kind: str) -> None:
    """Train a net and have it judged, exported and verified."""
    text = (ROOT / "configs" / "identify" / f"{kind}.yaml").read_text()
    for shipped, hurried in HURRY[kind].items():
        assert shipped in text
        text = text.replace(shipped, hurried)
    (out / f"{kind}.yaml").write_text(text)
    done("identify", "train", out / f"{kind}.yaml", "--data", learned(out), "--out", out / kind)
    done("identify", "evaluate", out / kind, "--data", unseen(out), "--json", out / f"{kind}_torque.json")
    done("identify", "replay", out / kind, unseen(out), "--json", out / f"{kind}_replay.json")
    done("deploy", "export", out / kind, "--for", "isaaclab", "--kp", 25, "--kd", 0.5, "--out", out / f"{kind}_lab")
    done("deploy", "verify", out / f"{kind}_lab", "--json", out / f"{kind}_proof.json")


def learned(out: Path) -> Path:
    return out / "recordings" / "learn.h5"


def unseen(out: Path) -> Path:
    return out / "recordings" / "unseen.h5"


def test_recordings_hold_every_tick_once(made):
    """500 Hz for the whole session by the robot's own clock, and sealed: nothing else is left in the folder."""
    for path in (learned(made), unseen(made)):
        session = recording.read(path)
        assert session.rate == 500.0
        assert (np.diff(session.tick.astype(int)) == 2).all()
        assert session.attributes["state"] == "complete"
    names = sorted(path.name for path in (made / "recordings").iterdir())
    assert names == ["learn.h5", "learn.sha256", "unseen.h5", "unseen.sha256"]


def test_recordings_are_what_the_robot_really_did(made):
    """Against the truth of the virtual Go2, tick by tick.

    Where a machine stood still a row's command is right again when its tick grid is; until then it is not judged.
    """
    with h5py.File(made / "truth.h5") as file:
        truth, offset = file["rows"][()], np.array(file.attrs["encoder_offset"])
    for path in (learned(made), unseen(made)):
        session = recording.read(path)
        real = truth[np.searchsorted(truth["tick"], session.tick)]
        assert (real["tick"] == session.tick).all()
        assert np.abs(session.q - real["q"] - offset).max() < 2e-4
        assert np.sqrt(np.mean((session.tau_est - real["tau_motor"]) ** 2)) < 0.1
        within = slice(20, -20)
        same = np.isclose(session.q_target, real["target_received"], atol=1e-6).all(axis=1)
        late = np.cumsum((session.flags & LATE) > 0)
        calm = (late == np.r_[np.zeros(2 * GRID_ROWS, int), late[: -2 * GRID_ROWS]])[within]
        assert calm.mean() > 0.1
        assert calm.sum() > 1000
        assert same[within][calm].mean() > 0.97


@pytest.mark.parametrize("kind", ["mlp", "lstm"])
def test_both_nets_beat_delayed_pd_on_an_amplitude_they_have_not_seen(made, kind):
    """In the JSON that outsiders read: torque RMSE per kind of joint, and R², by recording and predictor."""
    table = json.loads((made / f"{kind}_torque.json").read_text())["torque_rmse"]["unseen"]
    assert set(table) == {*BASELINES, kind}
    for joint in KINDS:
        assert table[kind][joint] < table["delayed_pd"][joint] < table["ideal_pd"][joint]
    assert table[kind]["r2"] > table["delayed_pd"]["r2"]


@pytest.mark.parametrize("kind", ["mlp", "lstm"])
def test_commands_alone_move_the_body_nearly_as_the_robot_moved(made, kind):
    """In mrad, by recording and predictor; a replay that diverged would be off by hundreds."""
    table = json.loads((made / f"{kind}_replay.json").read_text())["replay_rmse_mrad"]["unseen"]
    assert set(table) == {*BASELINES, kind}
    assert all(0.1 < table[predictor][joint] < 60.0 for predictor in table for joint in KINDS)


@pytest.mark.parametrize("kind", ["mlp", "lstm"])
def test_the_export_behaves_as_the_net(made, kind):
    """Isaac Lab's call sequence on the exported file; one file for a net without joint identity."""
    proof = json.loads((made / f"{kind}_proof.json").read_text())
    assert proof["max_abs_error"] < 1e-4
    assert all(proof["checks"].values())
    assert len(list((made / f"{kind}_lab").glob("*.pt"))) == 1


def test_the_report_shows_both_nets_and_the_floor(made):
    """One file that needs nothing beside it."""
    page = (made / "report.html").read_text()
    for words in ("MLP", "LSTM", "delayed PD", "noise floor", "times the noise floor", "data:image/png"):
        assert words in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_the_reports_last_table_knows_the_truth(made):
    """Nets come nearer to the motors than delayed PD does; the delay that was fitted is nearly the hidden one."""
    trials = [trial(load(made / kind), recording.read(unseen(made))) for kind in ("mlp", "lstm")]
    truth = against(trials, made / "truth.h5")
    rmse = {one.name: one.rmse for one in truth.rows}
    for kind in ("mlp", "lstm"):
        assert np.sum(rmse[kind]) < np.sum(rmse["delayed_pd"]) < np.sum(rmse["ideal_pd"])
    assert max(rmse["tau_est"]) < 0.1
    fitted, hidden = truth.delay
    assert fitted == pytest.approx(hidden, abs=2e-3)
    assert "Recovered against true" in (made / "report.html").read_text()
    with pytest.raises(UserError, match="not the truth"):
        against(trials, unseen(made))


def test_nothing_is_overwritten(made):
    """Neither recording, plan, run, bundle nor report."""
    again = [
        ("collect", "plan", made / "learn.yaml", "--out", made / "learn.plan"),
        ("identify", "train", made / "mlp.yaml", "--data", learned(made), "--out", made / "mlp"),
        ("deploy", "export", made / "mlp", "--for", "isaaclab", "--kp", 25, "--kd", 0.5, "--out", made / "mlp_lab"),
        ("identify", "report", made / "mlp", "--data", unseen(made), "--out", made / "report.html"),
    ]
    for arguments in again:
        refused = verb(*arguments)
        assert refused.returncode == 2, arguments
        assert "never overwritten" in refused.stderr
