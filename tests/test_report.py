"""The report: one page that stands alone, says who loses, and never replaces another."""

from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import verb
from moved import delayed, moved, run, straight
from synthetic import changed

from collect.errors import UserError
from collect.recording import Recording, write
from identify import figures, pictures, report
from identify.features import Features
from identify.runs import Assignment, Run
from identify.settings import LSTMShape, MLPShape, TrainConfig
from identify.trial import trial

pytestmark = pytest.mark.slow

LAGS = Features(0.002, (0.0, 0.006))
PLAIN = TrainConfig(LAGS, mlp=MLPShape(hidden=4, layers=1))
RECURRENT = TrainConfig(Features(0.002), lstm=LSTMShape(hidden=4, layers=1))
GOOD, BAD = (0.0, 1.0, -1.0, 0.0), (0.5, 0.0, 0.0, 0.0)
"""The motor's law 6 ms ago, and half of the present error."""


@pytest.fixture(scope="module")
def robot() -> Recording:
    """A motor 6 ms late, with noise where it repeats itself."""
    one = moved(delayed(0.006), "seen.v2", seconds=2.4, parts=("a", "a_repeat"))
    noise = np.random.default_rng(1).standard_normal((600, 12))
    tau, q = one.tau_est.copy(), one.q.copy()
    tau[600:], q[600:] = tau[:600] + 0.2 * np.sqrt(2.0) * noise, q[:600] + 0.002 * np.sqrt(2.0) * noise
    target, dq = one.q_target.copy(), one.dq.copy()
    target[600:], dq[600:] = target[:600], dq[:600]
    return changed(one, tau_est=tau, q=q, q_target=target, dq=dq)


def net(folder: Path, weights: tuple[float, ...], **options: object) -> Run:
    """An MLP that is a straight line, its baselines a motor without delay and half the present error."""
    return run(folder, PLAIN, weights=BAD, change=straight(weights), **options)


class Page(HTMLParser):
    """Text by the class of the element it stands in, and all that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text: dict[str, list[str]] = {}
        self.fetched: list[str] = []
        self._classes: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.fetched += [values[name] for name in ("src", "href") if name in values]
        if tag not in ("meta", "img"):
            self._classes.append(values.get("class") or "")

    def handle_endtag(self, tag):
        self._classes.pop()

    def handle_data(self, data):
        if data.strip():
            self.text.setdefault(self._classes[-1] if self._classes else "", []).append(data.strip())


def page(runs: list[Run], recordings: list[Recording]) -> str:
    return report.page(runs, recordings, report.tried(runs, recordings))


class TestPage:
    """What stands on it."""

    def test_it_stands_alone(self, robot: Recording, tmp_path: Path) -> None:
        """All five figures are inside: torque, response, motion, error over time, learning; nothing is fetched."""
        text = page([net(tmp_path / "good", GOOD)], [robot])
        fetched = Page(text).fetched
        assert "What the nets learned" in text
        assert len(fetched) == 5
        for address in fetched:
            kind, content = address.split(",", 1)
            assert kind == "data:image/png;base64"
            assert base64.b64decode(content, validate=True).startswith(b"\x89PNG")
        assert "<script" not in text

    def test_a_net_that_loses_is_said_so_in_red(self, robot: Recording, tmp_path: Path) -> None:
        """In words with the baseline's name, and in its figures; one that wins is not."""
        bad = Page(page([net(tmp_path / "bad", (0.1, 0.0, 0.0, 0.0))], [robot]))
        lost = [text for text in bad.text["loses"] if "bad on seen.v2" in text]
        assert len(lost) == 2
        assert "torque loses to ideal PD (hip, thigh, calf, R², overall)" in lost[0]
        assert "motion loses to ideal PD" in lost[1]
        assert len(bad.text["loses"]) == 1 + 2 + 8  # the legend, two sentences, all figures
        good = Page(page([net(tmp_path / "good", GOOD)], [robot]))
        assert good.text["loses"] == ["red"]
        assert any("torque beats every baseline" in text for text in good.text["wins"])

    def test_its_figures_are_those_of_the_trial(self, robot: Recording, tmp_path: Path) -> None:
        """Baselines, net, noise floor and repeatability in one table."""
        good = net(tmp_path / "good", GOOD)
        text = re.sub(r"\s*<[^>]+>\s*", "|", page([good], [robot]))
        figures_of_net = trial(good, robot).figures("mlp")
        formats = ("{:.3f}",) * 4 + ("{:.2f}",) + ("{:.1f}",) * 3
        line = "||".join(f.format(v) for f, v in zip(formats, figures_of_net, strict=True))
        assert f"MLP||{line}" in text
        assert re.search(r"noise floor\|\|0\.(19|20)\d\|\|0\.(19|20)\d", text)
        assert re.search(r"the robot again\|+(1\.9|2\.0|2\.1)\|", text)
        for words in ("armature", "FL_calf", "torch 2.13.0", robot.content_sha256(), good.facts.best_sha256):
            assert words in text

    def test_several_runs_stand_side_by_side(self, robot: Recording, tmp_path: Path) -> None:
        """Each with its own baselines, which were fitted on its own training rows."""
        runs = [net(tmp_path / "one", GOOD), run(tmp_path / "two", RECURRENT, delay=0.006)]
        text = page(runs, [robot])
        assert text.count("<td>delayed PD</td>") == 2
        for words in ("one (MLP, called every 2 ms)", "two (LSTM, called every 2 ms)"):
            assert words in text

    def test_names_are_text_and_nothing_else(self, robot: Recording, tmp_path: Path) -> None:
        """A recording's segment that looks like markup is shown, not obeyed."""
        split = (Assignment("<b>x</b>", "<script>alert(1)</script>", "train"),)
        text = page([net(tmp_path / "run", GOOD, split=split)], [robot])
        assert "<script>" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text

    def test_what_a_run_was_trained_on_is_not_shown_as_unseen(self, robot: Recording, tmp_path: Path) -> None:
        """Of segments in the training part there is neither torque nor motion; a test segment has both."""
        split = (Assignment("seen.v2", "a", "train"), Assignment("seen.v2", "a_repeat", "train"))
        seen = trial(net(tmp_path / "a", GOOD, trained_on=(robot,), split=split), robot)
        assert seen.torque is None
        assert seen.replays == ()
        assert pictures.front([seen]) is None
        text = page([seen.run], [robot])
        assert "no whole segment that the run has not seen" in text
        split = (split[0], dataclasses.replace(split[1], part="test"))
        held_out = trial(net(tmp_path / "b", GOOD, trained_on=(robot,), split=split), robot)
        assert held_out.torque is not None
        assert not held_out.torque.counted[:600].any()
        assert len(held_out.replays[0].time) == 600

    def test_a_position_only_recording_is_shown_in_motion(self, robot: Recording, tmp_path: Path) -> None:
        """Its torque is left out, not invented."""
        unknown = np.full_like(robot.dq, np.nan)
        blind = changed(robot, dq=unknown, tau_est=unknown)
        text = page([net(tmp_path / "run", GOOD)], [blind])
        assert len(Page(text).fetched) == 3
        assert "nan" not in re.sub(r"base64,[^\"]+", "", text)


class TestFigures:
    """Pure functions of data."""

    def test_axes_carry_units_and_curves_are_the_data(self) -> None:
        """Of the leg that was asked for."""
        time = np.arange(50) / 500
        values = np.arange(12) + time[:, None]
        figure = figures.leg(time, values, {"ideal_pd": values + 1.0, "lstm": values + 2.0}, name="RL")
        assert [axes.get_title() for axes in figure.axes] == ["RL hip", "RL thigh", "RL calf"]
        assert {axes.get_xlabel() for axes in figure.axes} == {"time [s]"}
        assert figure.axes[0].get_ylabel() == "torque [Nm]"
        drawn = [line.get_ydata() for line in figure.axes[2].lines]
        assert [line.get_label() for line in figure.axes[2].lines] == ["measured", "ideal PD", "LSTM"]
        for offset, curve in enumerate(drawn):
            assert curve == pytest.approx(values[:, 11] + offset)

    def test_errors_over_time_are_root_mean_squares_in_milliradian(self) -> None:
        """Of each kind of joint, half a second at a time."""
        time = np.arange(1000) / 500
        error = np.tile([0.001, 0.002, 0.003], 4) * np.where(time < 1.0, 1.0, 2.0)[:, None]
        figure = figures.errors(time, {"mlp": error})
        for axes, size in zip(figure.axes, (1.0, 2.0, 3.0), strict=True):
            assert axes.lines[0].get_ydata() == pytest.approx([size, size, 2 * size, 2 * size])
        assert figure.axes[0].get_ylabel() == "position error, rms [mrad]"

    def test_the_busiest_part_lies_within_the_chosen_rows(self) -> None:
        """Unbroken, as long as asked, and where the values vary most of all that may be shown."""
        time = np.arange(3000) / 500
        values = np.sin(60.0 * time)[:, None] * np.select([time < 2.0, time < 4.0], [1.0, 3.0], 9.0)[:, None]
        rows = time < 4.0
        rows[1500] = False
        part = figures.busiest(time, values, rows, 0.5)
        assert rows[part].all()
        assert time[part][0] >= 2.0
        assert time[part][-1] - time[part][0] == pytest.approx(0.5, abs=0.01)

    def test_two_nets_of_a_kind_have_two_colours(self, robot: Recording, tmp_path: Path) -> None:
        """And carry the names of their runs."""
        trials = [trial(net(tmp_path / name, GOOD), robot) for name in ("one", "two")]
        figure = pictures.front(trials)
        assert figure is not None
        lines = figure.axes[0].lines
        assert [line.get_label() for line in lines] == ["measured", "ideal PD", "MLP one", "MLP two"]
        assert len({line.get_color() for line in lines}) == 4


class TestVerb:
    """`python -m identify report`."""

    def test_it_writes_the_page_and_the_figure_and_replaces_neither(self, robot: Recording, tmp_path: Path) -> None:
        """1200 × 500 pixels; a second call is refused and changes nothing."""
        write(robot, tmp_path / "seen.v2.h5")
        net(tmp_path / "one", GOOD), run(tmp_path / "two", RECURRENT)
        out, picture = tmp_path / "new" / "report.html", tmp_path / "new" / "torque.png"
        command = ("identify", "report", tmp_path / "one", tmp_path / "two", "--data", tmp_path / "seen.v2.h5")
        done = verb(*command, "--out", out, "--figure", picture)
        assert done.returncode == 0, done.stderr
        png = picture.read_bytes()
        assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (1200, 500)
        before = out.read_bytes()
        again = verb(*command, "--out", out)
        assert again.returncode == 2
        assert "never overwritten" in again.stderr
        assert "Traceback" not in again.stderr
        assert out.read_bytes() == before

    def test_a_figure_that_exists_is_refused_before_anything_is_written(self, robot: Recording, tmp_path: Path) -> None:
        """The page too."""
        picture = tmp_path / "torque.png"
        picture.write_bytes(b"mine")
        with pytest.raises(UserError, match="never overwritten"):
            report.write([net(tmp_path / "run", GOOD)], [robot], tmp_path / "report.html", figure=picture)
        assert picture.read_bytes() == b"mine"
        assert not (tmp_path / "report.html").exists()

    def test_no_torque_means_no_figure(self, robot: Recording, tmp_path: Path) -> None:
        """Said, not drawn."""
        unknown = np.full_like(robot.dq, np.nan)
        blind = changed(robot, dq=unknown, tau_est=unknown)
        with pytest.raises(UserError, match="no torque to draw"):
            report.write([net(tmp_path / "run", GOOD)], [blind], tmp_path / "r.html", figure=tmp_path / "f.png")
        assert not list(tmp_path.glob("*.html"))

    def test_damaged_learning_curves_are_a_refusal(self, robot: Recording, tmp_path: Path) -> None:
        """With the file's name."""
        loaded = net(tmp_path / "run", GOOD)
        (loaded.path / "history.csv").write_text("epoch,loss\n1,x\n")
        with pytest.raises(UserError, match=r"history\.csv"):
            page([loaded], [robot])
