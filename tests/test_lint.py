"""The lint of a set: what only shows when recordings lie side by side, and a card that says what they are."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic import changed, recording

from collect.channels import GAP, REPEATED
from collect.joints import NAMES
from collect.recording import Recording, blank, write
from identify.card import card
from identify.lint import Set, lint

ROOT = Path(__file__).resolve().parents[1]


def said(found: Set, text: str) -> list[tuple[bool, str]]:
    """Whether it spoils, and of what, for every finding with these words."""
    return [(one.spoils, one.where) for one in found.findings if text in one.text]


def part(one: Recording, name: str, rows: slice) -> Recording:
    """Some of its rows, as somebody may have cut them out before they were converted again."""
    segments = one.segments[:1].copy()
    segments["start"], segments["stop"] = 0, len(range(*rows.indices(len(one))))
    cut = {
        field.name: value[rows]
        for field in dataclasses.fields(one)
        if isinstance(value := getattr(one, field.name), np.ndarray) and field.name != "segments"
    }
    return changed(one, session=name, segments=segments, **cut)


@pytest.fixture(scope="module")
def good() -> Recording:
    return recording("a", seconds=6.0, noise=0.05)


class TestTheSameTwice:
    def test_a_renamed_copy_judges_what_it_trained(self, good: Recording) -> None:
        """Found by its content."""
        found = lint([good], [changed(good, session="other")])
        assert said(found, "the same content judges and trains") == [(True, "other, a")]

    def test_a_piece_of_it_is_found_as_well(self, good: Recording) -> None:
        """By its rows; a recording of its own is not."""
        fresh = recording("fresh", seconds=4.0, noise=0.05, scale=0.15)
        found = lint([good], [part(good, "piece", slice(500, 1500)), fresh])
        assert said(found, "same motion judges and trains") == [(True, "piece, a")]
        assert "100%" in next(one.text for one in found.findings if "same motion" in one.text)

    def test_twice_among_those_to_train_on(self, good: Recording) -> None:
        """It counts twice, and may lie on both sides of a split."""
        found = lint([good, changed(good, session="b")])
        assert said(found, "the same content trains twice") == [(True, "a, b")]


class TestSideBySide:
    def test_rates_that_differ(self, good: Recording) -> None:
        """And below which step rows are made up."""
        slow = changed(part(good, "slow", slice(None, None, 4)), rate=125.0)
        assert said(lint([good, slow]), "125 and 500 Hz: a step below 8 ms") == [(False, "the set")]
        assert not said(lint([good]), "Hz: a step")

    def test_a_joint_that_moves_nowhere(self, good: Recording) -> None:
        """Nothing is learned of it; that it moves in one recording is enough."""
        still = NAMES.index("RL_calf")
        q = good.q.copy()
        q[:, still] = 0.3
        assert said(lint([changed(good, q=q)]), "RL_calf move in no recording") == [(True, "the set")]
        assert not said(lint([changed(good, q=q), recording("b", seconds=4.0)]), "move in no recording")

    def test_a_log_without_torque(self, good: Recording) -> None:
        """Says which label is left."""
        found = lint([changed(good, tau_est=blank(len(good), 12))])
        assert said(found, "no tau_est recorded: only label tau_joint") == [(False, "a")]

    def test_what_lies_above_half_the_rate_of_the_net(self, good: Recording) -> None:
        """A tone of 120 Hz with a tenth of the torque's power, in the calves: at 2 ms it is told apart, at 5 ms not."""
        tone = np.sin(2.0 * np.pi * 120.0 * good.time)[:, None] * np.isin(np.arange(12) % 3, 2)
        loud = good.tau_est.std(0) * np.sqrt(2.0 / 9.0) * tone
        found = lint([hummed := changed(good, tau_est=(good.tau_est + loud).astype("f4"))])
        assert said(found, "10% of the power of calf torque lies above 100 Hz") == [(False, "a")]
        assert len(said(found, "takes it for slow motion")) == 1
        assert not said(lint([hummed], step=0.002), "takes it for slow motion")
        assert not said(lint([good]), "takes it for slow motion")

    def test_targets_that_motors_did_not_get_so(self, good: Recording) -> None:
        """Held for 20 ms a smooth log's are others; a staircase's are those it has."""
        stairs = changed(good, session="stairs", q_target=good.q_target[np.arange(3000) // 10 * 10])
        assert said(lint([good, stairs], hold=0.02), "are no steps of 20 ms") == [(False, "a")]
        assert not said(lint([good, stairs]), "are no steps")

    def test_gains_and_motion_that_were_not_shown(self, good: Recording) -> None:
        """What judges is told apart from what was trained."""
        found = lint([good], [recording("b", seconds=4.0, kd=5.0, scale=0.4)])
        assert said(found, "kd 5 lies outside of the trained 2 to 2") == [(False, "b")]
        assert [where for _, where in said(found, "hip speeds to")] == ["b"]
        assert not said(lint([recording("b", seconds=4.0, scale=0.4)], [good]), "hip speeds to")


class TestCard:
    def test_it_says_what_the_recordings_are(self, good: Recording) -> None:
        """Hashes, gaps, repeated rows, gains by second, every joint."""
        flags = good.flags.copy()
        flags[100] |= GAP
        flags[200] |= REPEATED
        gappy = changed(good, flags=flags)
        text = card(lint([gappy], [recording("b", seconds=4.0, kd=1.5)]), "mine")
        assert text.startswith("# Dataset card: mine\n")
        assert f"`{gappy.content_sha256()}`" in text
        (row,) = (line for line in text.splitlines() if line.startswith("| a | collect"))
        assert [cell.strip() for cell in row.split("|")[4:7]] == ["6.0", "500", "1"]
        assert "| 25 | 1.5 | 0.0 | 4.0 |" in text
        assert "## Power above 100 Hz, half the rate of a step of 5 ms" in text
        assert "| b | 0.00 / 0.00 / 0.00 | 0.00 / 0.00 / 0.00 | 0.00 / 0.00 / 0.00 |" in text
        assert all(f"| {name} |" in text for name in NAMES)
        assert text == card(lint([gappy], [recording("b", seconds=4.0, kd=1.5)]), "mine")

    def test_what_strangers_wrote_stays_words(self, good: Recording) -> None:
        """No link, no row of a table, no HTML."""
        found = lint([changed(good, attributes={"origin": "x | <script> [y](z)\n# heading"})])
        text = card(found, "mine")
        assert r"x \| \<script\> \[y\](z) \# heading" in text
        assert "<script>" not in text


@pytest.mark.slow
def test_as_a_user_types_it(good: Recording, tmp_path: Path) -> None:
    """Exit code 1 where something must be mended; the card is never overwritten."""
    write(good, tmp_path / "a.h5")
    write(changed(good, session="b"), tmp_path / "b.h5")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "identify", "lint", *arguments, "--card", "card.md"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("a.h5", "--unseen", "b.h5")
    assert done.returncode == 1, done.stderr
    assert "mend  b, a: the same content judges and trains" in done.stdout
    assert (tmp_path / "card.md").read_text().startswith("# Dataset card: card")
    done = run("a.h5")
    assert done.returncode == 2
    assert "never overwritten" in done.stderr
