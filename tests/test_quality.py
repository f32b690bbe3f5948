"""What a recording is worth: figures that follow from what was put in, a verdict for each way to spoil it, a page."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, verb
from matplotlib.collections import PathCollection
from synthetic import changed, recording

from collect.channels import BAD_CRC, DROPPED, GAP, REPEATED, empty_segments
from collect.convert import convert
from collect.coverage import coverage, cycles, turning_points
from collect.errors import UserError
from collect.excitation import swell
from collect.figure import draw, page
from collect.joints import HANG, NAMES, SPEED, TORQUE
from collect.latency import delays
from collect.quality import assess, envelope
from collect.recording import read, write
from collect.repeatability import repeatability
from collect.verdict import judge

RATE = 500.0
DELAY = 0.006


def sweep(time: np.ndarray, amplitude: float) -> np.ndarray:
    """Of all joints from 0.5 to 10 Hz in 5 s, each in its own phase, from rest to rest."""
    t = np.clip(time, 0.0, 5.0)
    phase = 2.0 * np.pi * (0.5 * t + 0.95 * t**2)
    return amplitude * swell(t, 5.0)[:, None] * np.sin(phase[:, None] + np.arange(12))


def moved(time: np.ndarray, amplitude: float) -> np.ndarray:
    """A joint that resonates about 4 Hz: it lags and swings further the faster it is asked to, then gives up."""
    late = np.clip(time - 0.03, 0.0, 5.0)
    frequency = 0.5 + 1.9 * late
    share = 1.0 / np.sqrt((1.0 - (frequency / 4.0) ** 2) ** 2 + 0.5 * (frequency / 4.0) ** 2)
    return share[:, None] * sweep(late, amplitude)


def good(noise: float = 0.05, delay: float = DELAY):
    """A recording of ours without a flaw: three amplitudes, one repeated, a still body, a robot's clock."""
    rows = 2500
    t = np.arange(rows) / RATE
    kp, kd, pieces = 25.0, 1.0, []
    for amplitude in (0.3, 0.1, 0.3):
        q, dq = moved(t, amplitude), (moved(t + 1e-6, amplitude) - moved(t - 1e-6, amplitude)) / 2e-6
        tau = kp * (sweep(t - delay, amplitude) - q) - kd * dq
        pieces.append([HANG + sweep(t, amplitude), HANG + q, dq, tau])
    target, q, dq, tau = (np.concatenate(tables) for tables in zip(*pieces, strict=True))
    n = len(q)
    table = empty_segments(3)
    for number, name in enumerate((b"large", b"small", b"large_repeat")):
        table[number]["name"], table[number]["kind"], table[number]["joints"] = name, b"chirp", 1
        table[number]["start"], table[number]["stop"] = number * rows, (number + 1) * rows
    rng = np.random.default_rng(1)
    return changed(
        recording(seconds=n / RATE, kp=kp, kd=kd),
        session="good",
        tick=(1000 + 2 * np.arange(n)).astype(np.uint32),
        q_target=target.astype(np.float32),
        q=q.astype(np.float32),
        dq=dq.astype(np.float32),
        tau_est=(tau + noise * rng.standard_normal(tau.shape)).astype(np.float32),
        segment=np.repeat(np.arange(3), rows).astype(np.int16),
        segments=table,
        gyro=np.full((n, 3), 0.001, np.float32),
        rpy=np.zeros((n, 3), np.float32),
        temperature=np.full((n, 12), 40, np.uint8),
        lost=np.full((n, 12), 3, np.uint32),
        mode=np.ones((n, 12), np.uint8),
        attributes={"state": "complete"},
    )


GOOD = good()


def one_amplitude(one):
    """Only its two equal segments."""
    left = np.where(one.segment == 1, -1, one.segment).astype(np.int16)
    return changed(one, segments=one.segments[::2], segment=left)


def edited(name: str, where: object, value: object):
    """The good recording with some entries of one channel changed."""
    table = getattr(GOOD, name).copy()
    table[where] = value
    return changed(GOOD, **{name: table})


def foreign(one):
    """The same as if converted from somebody's log."""
    return changed(one, attributes={"origin": "elsewhere", "state": "complete"})


class TestDelay:
    """From the command to the torque, by joint."""

    @pytest.mark.parametrize("delay", [0.0013, 0.0052, 0.0073, 0.0218])
    def test_it_is_found_to_a_tenth_of_a_row(self, delay):
        """Through noise, and although the motor makes 2 % more torque than it was told."""
        one = good(noise=0.1, delay=delay)
        np.testing.assert_allclose(delays(changed(one, tau_est=1.02 * one.tau_est)), delay, atol=2e-4)

    def test_it_counts_from_the_sending_of_the_command(self):
        """The command in force at a row was sent before it, and the recording says when."""
        aged = changed(GOOD, command_age=np.full(len(GOOD), 0.0019, np.float32))
        np.testing.assert_allclose(delays(aged), DELAY + 0.0019, atol=1e-4)

    def test_repeated_states_do_not_bend_it(self):
        """One row in five is that of the row before, as in loggers that poll."""
        one = GOOD
        again = np.flatnonzero(np.arange(len(one)) % 5 == 4)
        tables = {name: getattr(one, name).copy() for name in ("q", "dq", "tau_est")}
        for table in tables.values():
            table[again] = table[again - 1]
        flags = np.where(np.isin(np.arange(len(one)), again), REPEATED, 0).astype(np.uint16)
        np.testing.assert_allclose(delays(changed(one, flags=flags, **tables)), DELAY, atol=1e-4)

    def test_what_cannot_be_told_is_not_invented(self):
        """A joint that stands still, torque that is noise, a delay out of reach, faint motion, no torque or speed."""
        one = GOOD
        target, q, dq, tau = (getattr(one, name).copy() for name in ("q_target", "q", "dq", "tau_est"))
        target[:, 0], q[:, 0], dq[:, 0] = 0.0, 0.0, 0.0
        tau[:, 0] = tau[:, 1] = np.random.default_rng(0).standard_normal(len(one))
        found = delays(changed(one, q_target=target, q=q, dq=dq, tau_est=tau))
        assert np.isnan(found[:2]).all()
        np.testing.assert_allclose(found[2:], DELAY, atol=1e-4)
        assert np.isnan(delays(good(delay=0.06))).all()
        weak = {
            name: 0.004 * (getattr(GOOD, name) - start) + start for name, start in (("q", HANG), ("q_target", HANG))
        }
        noise = np.random.default_rng(2).standard_normal(GOOD.q.shape)
        faint = changed(GOOD, dq=0.004 * GOOD.dq, tau_est=0.004 * GOOD.tau_est + 0.1 * noise, **weak)
        assert np.isnan(delays(faint)).all()
        for name in ("tau_est", "dq"):
            assert np.isnan(delays(changed(one, **{name: np.full_like(one.q, np.nan)}))).all()

    def test_real_logs_agree_with_what_others_measured(self, logs, tmp_path):
        """Go2s in the air and on the ground: 4 to 8 ms in every joint."""
        torque = logs / "katari16" / "torque"
        for name in ("9.0hz_p25d1.5", "5.0hz_p25d5.0", "2.0hz_p25d3.0"):
            found = 1e3 * delays(converted(torque / f"chirp_{name}_h0.30t0.35c0.60.pt", tmp_path))
            assert ((found > 4.0) & (found < 8.0)).all()
        walking = converted(logs / "orl" / "test_1", tmp_path, "orl", (35.0,), (0.5,), 5.0, 9.55)
        found = 1e3 * delays(walking)
        assert ((found > 4.5) & (found < 7.0)).all()


def converted(source: Path, out: Path, layout: str = "katari16", *options: object):
    """A real log as a recording."""
    return read(convert(source, layout, out, *options))


class TestCoverage:
    """What the motion has visited."""

    def test_turning_points_ignore_what_is_smaller_than_the_threshold(self):
        """A sine with ripple turns twice a period; a line never."""
        t = np.arange(0, 3, 0.002)
        q = 0.1 * np.sin(2 * np.pi * 2 * t) + 5e-4 * np.sin(2 * np.pi * 60 * t)
        turns = turning_points(q, 0.004)
        np.testing.assert_allclose(t[turns], 0.125 + 0.25 * np.arange(12), atol=0.005)
        assert not len(turning_points(t, 0.004))
        assert not len(turning_points(np.zeros(5), 0.004))
        assert not len(turning_points(np.zeros(0), 0.004))

    def test_half_cycles_have_their_frequency_and_amplitude(self):
        """Of a sine of 2 Hz and 0.1 rad, in all four legs."""
        t = np.arange(2500) / RATE
        one = recording(seconds=5.0)
        q = np.tile(0.1 * np.sin(2 * np.pi * 2 * t)[:, None], (1, 12)).astype(np.float32)
        moved = cycles(changed(one, q=q), "thigh")
        assert len(moved.frequency) == 4 * 19
        np.testing.assert_allclose(moved.frequency, 2.0, rtol=0.02)
        np.testing.assert_allclose(moved.amplitude, 0.1, rtol=0.01)
        seen = coverage(changed(one, q=q))["thigh"]
        assert seen.lowest == pytest.approx(2.0, rel=0.02)
        assert seen.amplitudes == pytest.approx(1.0, abs=0.01)

    def test_sweeps_fill_what_a_sine_does_not(self):
        """Two amplitudes are told from one; the box of errors and speeds from the ring that a sine draws in it."""
        seen = coverage(GOOD)["calf"]
        assert seen.lowest == pytest.approx(1.5, abs=0.3)
        assert seen.highest == pytest.approx(9.3, abs=0.3)
        assert seen.amplitudes == pytest.approx(3.5, abs=0.7)
        assert coverage(one_amplitude(GOOD))["calf"].amplitudes < 1.7
        t = np.arange(len(GOOD)) / RATE
        turn = 2 * np.pi * (3 * t[:, None] + np.arange(12) / 12)
        sine = {"q": np.sin(turn), "q_target": 1.5 * np.sin(turn + 0.5), "dq": 6 * np.pi * np.cos(turn)}
        ring = coverage(changed(GOOD, **{name: table.astype(np.float32) for name, table in sine.items()}))["calf"]
        assert ring.filled < 0.4 < 0.6 < seen.filled

    def test_errors_speeds_and_torques_are_percentiles(self):
        """Of the four joints of a kind; what is not recorded is None."""
        target = GOOD.q + np.float32(0.25)
        target[7] += 3.0
        one = changed(GOOD, q_target=target, dq=np.full_like(GOOD.q, -3.0))
        seen = coverage(changed(one, tau_est=np.full_like(GOOD.q, np.nan)))["hip"]
        assert seen.error == pytest.approx(0.25, abs=1e-6)
        assert seen.speed == pytest.approx(3.0)
        assert seen.torque is None

    def test_only_segments_count(self):
        """What happens between them is no excitation."""
        one = changed(GOOD, segment=np.full(len(GOOD), -1, np.int16), segments=empty_segments(0))
        seen = coverage(one)["hip"]
        assert (seen.error, seen.speed, seen.highest, seen.amplitudes) == (0.0, None, None, None)


class TestFigures:
    """The rest of the numbers."""

    def test_the_envelope_is_full_torque_then_falls_to_nothing(self):
        """When driving; braking it stays full. A hip, a calf."""
        hip, calf = [0], [2]
        assert envelope(np.array([[10.0]]), np.array([[1.0]]), hip) == pytest.approx(23.7)
        assert envelope(np.array([[-25.0]]), np.array([[1.0]]), hip) == pytest.approx(23.7)
        half = (0.45 + 1.0) / 2
        assert envelope(np.array([[30.1 * half]]), np.array([[1.0]]), hip) == pytest.approx(23.7 / 2)
        assert envelope(np.array([[-15.7 * half]]), np.array([[-1.0]]), calf) == pytest.approx(45.43 / 2)
        assert envelope(np.array([[16.0]]), np.array([[1.0]]), calf) == 0.0

    def test_saturated_rows_are_counted_and_peaks_are_shares_of_the_limits(self):
        """One leg's thigh at its limit in a twentieth of the rows."""
        tau = GOOD.tau_est.copy()
        tau[::20, 4] = 0.95 * TORQUE[4] * np.sign(-GOOD.dq[::20, 4])  # braking, so the full torque counts
        dq = GOOD.dq.copy()
        dq[7, 2] = 0.8 * SPEED[2]
        load = assess(changed(GOOD, tau_est=tau, dq=dq)).load
        assert load["thigh"].saturated == pytest.approx(0.05, abs=1e-3)
        assert load["hip"].saturated == 0.0
        assert load["thigh"].torque == pytest.approx(0.95)
        assert load["calf"].speed == pytest.approx(0.8)

    def test_missing_and_repeated_ticks_are_counted_across_the_clocks_wrap(self):
        """Two ticks left out, one given twice, the clock running over 2³²."""
        rows = np.delete(np.arange(7500), [100, 101, 3000])
        tick = (2**32 - 4000 + 2 * rows.astype(np.uint64)).astype(np.uint32)
        tick[5000] = tick[4999]
        short = {
            name: getattr(GOOD, name)[:7497]
            for name in (
                "time",
                "q",
                "dq",
                "tau_est",
                "q_target",
                "kp",
                "kd",
                "command_age",
                "flags",
                "segment",
                "gyro",
            )
        }
        rest = dict.fromkeys(("temperature", "lost", "mode")) | {"rpy": GOOD.rpy[:7497]}
        timing = assess(changed(GOOD, tick=tick, segments=empty_segments(0), **short, **rest)).timing
        assert timing.missing_ticks == 4  # the one after the tick that came twice counts too
        assert timing.repeated_ticks == 1
        assert timing.rate == pytest.approx(RATE, rel=1e-3)
        back = assess(edited("tick", slice(4000, None), GOOD.tick[4000:] - 10)).timing
        assert (back.missing_ticks, back.repeated_ticks) == (0, 1)

    def test_jitter_is_arrival_against_the_robots_clock(self):
        """A row 4 ms late is late once and early once; a skipped tick is not jitter."""
        one = edited("time", 3000, GOOD.time[3000] + 0.0019)
        timing = assess(one).timing
        assert timing.worst == pytest.approx(0.0019, abs=1e-6)
        assert timing.late == pytest.approx(2 / 7499, rel=1e-3)
        later = GOOD.time + 0.5 * (np.arange(len(GOOD)) >= 3000)
        timing = assess(changed(GOOD, time=later, tick=(1e3 * later + 1000.5).astype(np.uint32))).timing
        assert timing.worst < 1e-6

    def test_the_fixture_is_judged_against_the_joints(self):
        """Root mean square of the body's turning, as a share of theirs; tilt against the start."""
        dq, gyro = np.full_like(GOOD.dq, 2.0), np.zeros_like(GOOD.gyro)
        gyro[:, 1] = 0.1
        rpy = np.linspace([0.1, 0.2, 0.0], [0.1, 0.25, 3.0], len(GOOD)).astype(np.float32)
        fixture = assess(changed(GOOD, dq=dq, gyro=gyro, rpy=rpy)).fixture
        assert fixture.rate == pytest.approx(0.1)
        assert fixture.share == pytest.approx(0.05)
        assert fixture.tilt == pytest.approx(0.05, abs=1e-6)
        assert assess(changed(GOOD, gyro=np.full_like(gyro, np.nan))).fixture is None

    def test_the_noise_floor_is_what_differs_when_repeated(self):
        """Half of the difference's variance is each one's; without torque that of the position is left."""
        floor = repeatability(good(noise=0.2))
        assert floor["hip"].torque == pytest.approx(0.2, rel=0.03)
        assert floor["hip"].position < 1e-6
        assert 0.02 < floor["hip"].share < 0.2
        moved = GOOD.q.copy()
        moved[5000:, 2] += 0.004 * np.sqrt(2.0)
        blind = changed(GOOD, q=moved, tau_est=np.full_like(GOOD.q, np.nan))
        assert repeatability(blind)["calf"].position == pytest.approx(0.002, rel=1e-3)
        assert repeatability(blind)["calf"].torque is None
        assert repeatability(recording()) is None

    def test_a_segment_that_was_not_reached_is_no_repeat(self):
        """A session that was stopped."""
        table = GOOD.segments.copy()
        table[2]["start"] = table[2]["stop"] = 0
        assert repeatability(changed(GOOD, segments=table)) is None


N = len(GOOD)
SPOILT = {
    "at 400.0 Hz, not at 500": changed(GOOD, tick=(2.5 * np.arange(N)).astype(np.uint32)),
    "ticks of the robot are missing (2.0%)": changed(
        GOOD, tick=(2 * (np.arange(N) * 1.02).astype(int)).astype(np.uint32)
    ),
    "stands still or goes back in 1 rows": edited("tick", 7, int(GOOD.tick[6])),
    "3.00% of the rows follow a gap": edited("flags", slice(0, 225), GAP | DROPPED | BAD_CRC),
    "3.0% of the rows repeat the state": changed(
        GOOD, **{name: getattr(GOOD, name)[np.minimum(np.arange(N), 7274)] for name in ("q", "dq", "tau_est")}
    ),
    "20.0% of the rows have a thigh at its torque-speed envelope": edited("tau_est", (slice(0, 1500), 4), 23.7),
    "hip joints do not move": edited("q", (slice(None), [0, 3, 6, 9]), GOOD.q_target[:, [0, 3, 6, 9]] * 1e-4),
    "FR_thigh tau_est never change": edited("tau_est", (slice(None), 1), 0.5),
    "100 rows are all zero": edited("q", slice(7400, None), 0.0),
    "in 1 rows a motor was not in servo mode": edited("mode", (9, 2), 0),
    "the body turned at 3.00 rad/s rms": edited("gyro", (slice(None), 0), 3.0),
}
WARNED = {
    "1 ticks of the robot are missing": edited("tick", slice(4000, None), GOOD.tick[4000:] + 2),
    "0.40% of the rows follow a gap": edited("flags", slice(0, 30), GAP),
    "0.4% of the rows repeat the state": changed(
        GOOD, **{name: getattr(GOOD, name)[np.minimum(np.arange(N), 7469)] for name in ("q", "dq", "tau_est")}
    ),
    "2.7% of the rows came more than 1 ms off, the worst by 1.2 ms": edited(
        "time", slice(0, 2000, 20), GOOD.time[:2000:20] + 0.0012
    ),
    "5.0% of the rows have a calf at its torque-speed envelope": edited("tau_est", (slice(0, 375), 5), -45.0),
    "no torque recorded": edited("tau_est", slice(None), np.nan),
    "hip, thigh and calf joints move at 2.3 Hz at most": changed(
        GOOD, time=4 * GOOD.time, tick=4 * GOOD.tick, rate=125.0
    ),
    "joints move with one amplitude at each frequency": one_amplitude(GOOD),
    "calf joints visit": edited("q_target", (slice(None), [2, 5, 8, 11]), (GOOD.q + 0.05 * GOOD.dq)[:, [2, 5, 8, 11]]),
    "only 3.0 s long": recording(seconds=3.0),
    "stopped: L8 blocked": changed(GOOD, attributes={"state": "stopped", "stop_reason": "L8 blocked"}),
    "the body turned at 0.50 rad/s rms": edited("gyro", (slice(None), 0), 0.5),
    "delays from 6.0 to 12.0 ms": edited("q_target", (slice(None), 0), np.roll(GOOD.q_target[:, 0], -3)),
    "done again, the thigh torque differs by": edited("tau_est", (slice(5000, None), 4), GOOD.tau_est[5000:, 4] + 2.0),
    "a motor was at 78 °C": edited("temperature", (7, 7), 78),
    "the motor bus lost 4 packets": edited("lost", (slice(100, None), 7), 7),
}


class TestVerdict:
    """Good, usable with a warning, or to be repeated."""

    def test_a_flawless_recording_is_good(self):
        """The others below fail for their one change."""
        verdict = judge(assess(GOOD))
        assert verdict.word == "good", verdict.reasons
        assert verdict.reasons == ()

    @pytest.mark.parametrize("words", SPOILT)
    def test_a_spoilt_recording_is_to_be_repeated(self, words):
        """The reason that spoils it comes first."""
        verdict = judge(assess(SPOILT[words]))
        assert verdict.word == "repeat it"
        assert words in " / ".join(reason.text for reason in verdict.reasons if reason.spoils), verdict.reasons
        assert verdict.reasons[0].spoils

    @pytest.mark.parametrize("words", WARNED)
    def test_a_flaw_is_told(self, words):
        """And does not spoil it."""
        verdict = judge(assess(WARNED[words]))
        assert verdict.word == "usable with a warning", verdict.reasons
        assert words in " / ".join(reason.text for reason in verdict.reasons), verdict.reasons

    def test_what_a_short_recording_does_not_show_is_not_held_against_it(self):
        """Half a second has too few cycles to tell amplitudes."""
        texts = [reason.text for reason in judge(assess(recording(seconds=0.5))).reasons]
        assert "only 0.5 s long" in texts
        assert not any("amplitude" in text for text in texts)

    @pytest.mark.parametrize("words", ["3.0% of the rows repeat the state", "3.00% of the rows follow a gap"])
    def test_the_loggers_of_others_are_forgiven_their_polling(self, words):
        """What spoils a recording of ours warns on a converted log."""
        verdict = judge(assess(foreign(SPOILT[words])))
        assert verdict.word == "usable with a warning"
        assert words in verdict.reasons[0].text

    def test_real_logs_are_usable_with_their_flaws_told(self, logs, tmp_path):
        """A logger that repeated 17.5 % of the states, and one chirp of one amplitude."""
        verdict = judge(assess(converted(logs / "katari16/torque/chirp_9.0hz_p25d3.0_h0.30t0.35c0.60.pt", tmp_path)))
        assert verdict.word == "usable with a warning"
        texts = [reason.text for reason in verdict.reasons]
        assert "17.5% of the rows repeat the state before them" in texts
        assert "hip, thigh and calf joints move with one amplitude at each frequency" in texts
        blind = converted(logs / "katari16/position_only/chirp_2.0hz_p25d1.0_h0.30t0.35c0.60.pt", tmp_path)
        texts = [reason.text for reason in judge(assess(blind)).reasons]
        assert "no speed and no torque recorded" in texts
        assert "hip, thigh and calf joints move at 1.9 Hz at most" in texts


def drawn(one):
    """Its page, drawn without a warning of matplotlib's."""
    quality = assess(one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = page(one, quality, judge(quality))
        figure.canvas.draw()
    return figure


@pytest.mark.slow
class TestPage:
    """`show --figure`."""

    def test_it_shows_what_was_recorded(self):
        """Target and position of the leg that moves most, every half cycle, the verdict, units on every axis."""
        one = changed(GOOD, q=GOOD.q * np.where(np.arange(12) // 3 == 2, 1.1, 1.0).astype(np.float32))
        figure = drawn(one)
        axes = {panel.get_title(loc="left"): panel for panel in figure.axes}
        target, measured = axes["RR leg, told and done"].get_lines()
        rows = np.searchsorted(one.clock, measured.get_xdata())
        np.testing.assert_array_equal(measured.get_ydata(), one.q[rows, NAMES.index("RR_hip")])
        np.testing.assert_array_equal(target.get_ydata(), one.q_target[rows, NAMES.index("RR_hip")])
        points = [c for c in axes["every half cycle of the motion"].collections if isinstance(c, PathCollection)]
        expected = [len(cycles(one, kind).frequency) for kind in ("calf", "thigh", "hip")]
        assert [len(cloud.get_offsets()) for cloud in points] == expected
        texts = [text.get_text().strip() for panel in figure.subfigs for text in panel.texts]
        assert texts[:2] == ["good", "good"]  # its name and its verdict
        for panel in figure.axes:
            for label in (panel.get_xlabel(), panel.get_ylabel()):
                assert label in ("", "rows") or label.endswith("]"), label

    @pytest.mark.parametrize(
        "one",
        [
            changed(GOOD, dq=np.full_like(GOOD.q, np.nan), tau_est=np.full_like(GOOD.q, np.nan)),
            changed(GOOD, segment=np.full(N, -1, np.int16), segments=empty_segments(0)),
            edited("q", slice(None), 0.5),
            recording(seconds=0.02),
        ],
        ids=["no torque", "no segments", "no motion", "ten rows"],
    )
    def test_a_poor_recording_has_a_page_too(self, one):
        """Nothing to show is shown as such."""
        assert len(drawn(one).axes) == 10

    @pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
    def test_it_is_written_once(self, suffix, tmp_path):
        """In three formats, never over a file."""
        path = tmp_path / f"page{suffix}"
        quality = assess(GOOD)
        draw(GOOD, quality, judge(quality), path)
        head = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
        assert path.read_bytes().startswith(head)
        with pytest.raises(UserError, match="never overwritten"):
            draw(GOOD, quality, judge(quality), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One good recording and one to be repeated."""
    made = tmp_path_factory.mktemp("shown")
    write(GOOD, made / "good.h5")
    write(changed(SPOILT["100 rows are all zero"], session="spoilt"), made / "spoilt.h5")
    return made


@pytest.mark.slow
class TestVerb:
    """`python -m collect show`."""

    def test_the_verdict_is_told_and_is_the_exit_code(self, folder, tmp_path):
        """0 when all may be used, 1 when one must be repeated; figures as JSON that every parser reads."""
        done = verb("collect", "show", folder / "good.h5", "--figure", tmp_path / "p.png", "--json", tmp_path / "j")
        assert done.returncode == 0, done.stderr
        assert "good: good" in done.stdout
        assert "delay from command to torque: 6.0 ms" in done.stdout
        assert (tmp_path / "p.png").is_file()

        def refuse(constant: str):
            raise AssertionError(f"{constant} is not JSON")

        told = json.loads((tmp_path / "j").read_text(), parse_constant=refuse)
        assert told["good"]["verdict"]["word"] == "good"
        assert told["good"]["delay"]["FR_hip"] == pytest.approx(DELAY, abs=1e-4)
        done = verb("collect", "show", folder)
        assert done.returncode == 1
        assert "spoilt: repeat it" in done.stdout
        assert "✗ 100 rows are all zero" in done.stdout

    def test_a_figure_that_cannot_be_is_refused(self, folder, tmp_path):
        """Before anything is computed."""
        (tmp_path / "old.png").write_bytes(b"precious")
        for figure, recordings, words in (
            (tmp_path / "page.gif", folder / "good.h5", "not a figure's name"),
            (tmp_path / "old.png", folder / "good.h5", "never overwritten"),
            (tmp_path / "none" / "page.png", folder / "good.h5", "folder does not exist"),
            (tmp_path / "page.png", folder, "a figure shows one recording, 2 were named"),
        ):
            done = verb("collect", "show", recordings, "--figure", figure)
            assert done.returncode == 2
            assert words in done.stderr
            assert "Traceback" not in done.stderr
        assert (tmp_path / "old.png").read_bytes() == b"precious"

    def test_without_matplotlib_only_the_figure_is_refused(self, folder, tmp_path):
        """By the command that installs it."""
        (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('absent', name='matplotlib')\n")
        script = (
            "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
            "from pathlib import Path\nfrom collect.verbs.recordings import show\n"
            "from collect.errors import exit_on_user_error\n"
            "with exit_on_user_error(): show((Path(sys.argv[1]),), *map(Path, sys.argv[2:]))\n"
        )
        command = [sys.executable, "-c", script, str(tmp_path), str(folder / "good.h5")]
        plain = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert plain.returncode == 0, plain.stderr
        done = subprocess.run(
            [*command, str(tmp_path / "p.png")], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "a figure needs matplotlib" in done.stderr
        assert "'.[sim]'" in done.stderr
