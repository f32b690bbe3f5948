"""A net beside a session that runs: what it says window by window is what the recording says afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import numpy as np
import place
import pytest
from conftest import JITTER, ROOT, verb
from moved import delayed, moved, run

from collect import recording as recordings
from collect.channels import CHANNELS
from collect.errors import UserError
from collect.joints import KINDS
from collect.journal import Journal
from collect.sealing import describe
from identify import live
from identify.features import Features
from identify.replay import replay
from identify.settings import MLPShape, TrainConfig

DELAY = 0.0073
PLAIN = TrainConfig(features=Features(0.002), mlp=MLPShape(hidden=8, layers=1))


@pytest.fixture
def log(tmp_path):
    """A session's log that another thread fills with a robot's motion, some hundred times as fast; and that motion."""
    robot = moved(delayed(DELAY))
    header = {"session": "s", "rate": robot.rate, "missing": [], "segments": describe(robot.segments), "attributes": {}}
    log = Journal(tmp_path / "s.journal", len(robot) + 10, header)

    def fill():
        for k in range(len(robot)):
            for name in CHANNELS:
                values = getattr(robot, name)
                log.row[name] = 0 if values is None else values[k]
            log.row["tick"] = 2 * k
            log.append()
            if k % 100 == 0:
                time.sleep(0.01)
        log.close()

    yield log, robot, fill
    log.close = lambda: None


def test_each_window_is_judged_as_its_part_of_the_recording(log, tmp_path):
    """The body starts where the robot was; a law that is true moves it as the robot moved."""
    _, robot, fill = log
    true = run(tmp_path / "run", PLAIN, delay=DELAY)
    filling = threading.Thread(target=fill)
    filling.start()
    follower = live.find(tmp_path, 5.0)
    rows = [*live.windows(follower, 1.0)]
    filling.join()
    assert sum(map(len, rows)) == len(robot)
    assert {len(part) for part in rows[:-1]} == {round(robot.rate)}
    moments = [live.judge(true, follower.header, part, float(rows[0]["time"][0])) for part in rows if len(part) > 100]
    assert max(max(one.motion["delayed_pd"]) for one in moments) < 0.6
    whole = {one.predictor: one for one in replay([true], [robot])}
    assert max(max(one.motion["mlp"]) for one in moments) > 5.0
    assert whole["delayed_pd"].rmse_mrad("calf") < 0.6
    assert moments[-1].end == pytest.approx(robot.time[len(rows[0]) * len(moments) - 1] if len(rows) else 0, abs=1.0)


def test_no_session_is_said(tmp_path):
    """After the wait; a file that is none at once is an error too."""
    with pytest.raises(UserError, match="no session runs here"):
        live.find(tmp_path, 0.0)
    (tmp_path / "s.journal").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="neither of its two headers"):
        live.find(tmp_path / "s.journal", 0.0)


@pytest.mark.dds
def test_beside_a_session_on_the_virtual_go2(short_plan, domain, virtual_go2, tmp_path):
    """A process of its own; afterwards the sealed recording says the same of the same rows."""
    virtual_go2()
    run(tmp_path / "run", PLAIN, delay=0.004)
    follow = [sys.executable, "-m", "identify", "follow", str(tmp_path / "run"), str(tmp_path / "out"), "--window", "1"]
    (tmp_path / "out").mkdir()
    beside = subprocess.Popen(
        [*follow, "--json", str(tmp_path / "live.json")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done = verb("collect", *place.session(short_plan, domain, tmp_path / "out"), *JITTER, typed=place.OPERATOR)
    said, errors = beside.communicate(timeout=60)
    assert done.returncode == 0, done.stderr
    assert beside.returncode == 0, errors
    assert "against" in said
    windows = json.loads((tmp_path / "live.json").read_text())["windows"]
    sealed = recordings.read(tmp_path / "out" / "s.h5")
    assert sum(one["rows"] for one in windows) == pytest.approx(
        np.count_nonzero(sealed.segment >= 0), abs=2 * len(windows)
    )
    for one in windows:
        assert all(np.isfinite(one["motion"]["delayed_pd"]))
        assert len(one["torque"]["mlp"]) == len(KINDS)
