"""From recordings to rows: unbroken stretches, lawful windows, and parts that never share a moment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import DELAY, changed, motor, recording, series

from collect.channels import GAP, LATE, REPEATED
from collect.errors import UserError
from collect.recording import blank, write
from identify import split
from identify.batches import pieces
from identify.dataset import inputs, load
from identify.dataset import series as prepare
from identify.delay import LONGEST, delayed_pd, find_delay
from identify.features import Features, at
from identify.laws import Commands
from identify.runs import Assignment
from identify.settings import LSTMShape, MLPShape, Split, TrainConfig

FEATURES = Features(0.002, (0.0, 0.002, 0.010))


class TestStretches:
    def test_a_stretch_ends_at_a_gap_a_hole_in_time_and_a_segments_end(self) -> None:
        """Four causes make five stretches; a late row makes none."""
        original = recording(segments=("a", "b"))
        flags, time = original.flags.copy(), original.time.copy()
        flags[300], flags[350], flags[360] = GAP, LATE, REPEATED
        time[700:] += 0.01
        segment = original.segment.copy()
        segment[1500:1600] = -1
        data = prepare(changed(original, flags=flags, time=time, segment=segment), where="x")
        assert [(rows.start, rows.stop) for rows in data.stretches] == [
            (0, 300),
            (300, 700),
            (700, 1000),
            (1000, 1500),
            (1600, 2000),
        ]
        assert data.repeated.nonzero()[0].tolist() == [360]

    def test_a_row_without_its_past_is_not_used(self) -> None:
        """10 ms of look-back are five rows at 500 Hz, in every stretch."""
        data = series(segments=("a", "b"))
        assert np.flatnonzero(~data.with_past(0.010)).tolist() == [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003, 1004]

    def test_no_window_reaches_across_a_stretch(self) -> None:
        """What lies beyond a border never shows in an input."""
        original = recording(segments=("a", "b"))
        poisoned = changed(original, q=np.where(original.segment[:, None] == 0, 1e6, original.q).astype("f4"))
        data, clean = prepare(poisoned, where="x"), prepare(original, where="x")
        rows = data.segment == 1
        np.testing.assert_array_equal(inputs(FEATURES, data, rows), inputs(FEATURES, clean, rows))

    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_that_a_stretch_gives_depends_on_another(self, seed: int) -> None:
        """Gaps, holes and segments at random: a stretch alone in its log gives the same rows, labels and counts."""
        chance = np.random.default_rng(seed)
        original = recording(segments=("a", "b", "c"), seconds=3.0)
        flags, segment = original.flags.copy(), original.segment.copy()
        time = original.time + 0.05 * np.cumsum(chance.random(1500) < 0.004)
        flags[chance.random(1500) < 0.004] |= GAP
        segment[chance.integers(1400) :][: chance.integers(100)] = -1
        whole = prepare(changed(original, flags=flags, time=time, segment=segment), where="x")
        assert len(whole.stretches) > 3
        features = (FEATURES, Features(0.005, (0.0, 0.005), target_hold=0.02))
        usable, shape, none = whole.with_past(0.025), LSTMShape(span=0.5, warm_up=0.1), np.zeros(1500, bool)
        outside = [*np.flatnonzero(~np.isin(np.arange(1500), np.concatenate([np.r_[s] for s in whole.stretches])))]
        assert not usable[outside].any()
        for rows in whole.stretches:
            inside = none.copy()
            inside[rows] = True
            wild = {n: np.where(inside[:, None], getattr(whole, n), 1e6) for n in ("q", "dq", "q_target", "torque")}
            alone, kept = dataclasses.replace(whole, **wild), inside & usable
            for one in features:
                np.testing.assert_array_equal(inputs(one, alone, kept), inputs(one, whole, kept))
            np.testing.assert_array_equal(delayed_pd(alone, 0.02)[inside], delayed_pd(whole, 0.02)[inside])
            if kept.sum() > 5:  # fewer may lie between two calls
                mine, every = (
                    pieces(Features(0.005), shape, [data], [kept], 8, torch.device("cpu")) for data in (alone, whole)
                )
                for name in ("x", "y", "counts"):
                    assert torch.equal(getattr(mine, name), getattr(every, name))

    def test_inputs_are_the_terms_of_the_law_at_their_lags(self) -> None:
        """Row 50, joint 7, by hand."""
        data = series(kp=30.0, kd=1.5)
        rows = np.zeros(len(data.time), dtype=bool)
        rows[50] = True
        error = [30.0 * (data.q_target[k, 7] - data.q[k, 7]) for k in (50, 49, 45)]
        speed = [1.5 * data.dq[k, 7] for k in (50, 49, 45)]
        np.testing.assert_allclose(inputs(FEATURES, data, rows)[0, 7], error + speed, rtol=1e-4)


class TestSending:
    @pytest.mark.parametrize("age", [0.0003, 0.0015])
    def test_a_delay_counts_from_when_commands_were_sent(self, age: float) -> None:
        """The same motor, its commands on the way at one moment between two states or at another."""
        original = recording()
        q_target = motor(original.time - age, kp=25.0, kd=2.0)["q_target"].astype("f4")
        aged = changed(original, q_target=q_target, command_age=np.full(len(original), age, "f4"))
        data = prepare(aged, where="x")
        delay, _ = find_delay([data], [data.with_past(LONGEST)])
        assert delay == pytest.approx(DELAY, abs=5e-5)
        told = Commands(data.time, data.q_target, data.kp, data.kd, data.time, data.sent)  # as a replay is told
        np.testing.assert_allclose(told.target(DELAY)[10:], at(data.sent, data.q_target, data.time - DELAY)[10:])

    def test_a_command_that_is_held_is_as_good_as_sent_again(self) -> None:
        """Sent .5 ms before row 1 and in force to row 3; a log that says nothing sends with its rows."""
        original = recording()
        age = np.full(len(original), 0.001, "f4")
        age[1:4] = [0.0005, 0.0025, 0.0045]
        held = prepare(changed(original, command_age=age), where="x").sent
        np.testing.assert_allclose(held[:5], [-0.001, 0.0015, 0.002, 0.004, 0.007], atol=1e-8)
        assert (np.diff(held) > 0.0).all()
        np.testing.assert_array_equal(prepare(original, where="x").sent, original.time)


class TestLoading:
    def test_folders_and_files_are_read(self, tmp_path: Path) -> None:
        """In the order given."""
        for name in ("b", "a"):
            write(recording(name), tmp_path / f"{name}.h5")
        assert [one.name for one in load([tmp_path])] == ["a", "b"]
        assert [one.name for one in load([tmp_path / "b.h5"])] == ["b"]

    def test_two_recordings_of_one_name_are_refused(self, tmp_path: Path) -> None:
        """Tables use the name as their key."""
        for folder in ("x", "y"):
            write(recording("same"), tmp_path / folder / "same.h5")
        with pytest.raises(UserError, match="two recordings are called same"):
            load([tmp_path / "x", tmp_path / "y"])

    @pytest.mark.parametrize("channel", ["dq", "tau_est"])
    def test_a_recording_without_velocity_or_torque_is_refused(self, channel: str) -> None:
        """Position-only logs cannot train a torque."""
        with pytest.raises(UserError, match=f"holds no {channel}"):
            prepare(changed(recording(), **{channel: blank(2000, 12)}), where="x")

    def test_missing_empty_and_damaged_paths_are_refused(self, tmp_path: Path) -> None:
        """One line, no traceback."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "bad.h5").write_bytes(b"not HDF5")
        for path in (tmp_path / "none.h5", tmp_path / "empty", tmp_path / "bad.h5"):
            with pytest.raises(UserError):
                load([path])


def parts_of(data: list, shares: Split, left_out: float = 0.0) -> list[np.ndarray]:
    assignments = split.assign(data, shares)
    return [split.rows(one, assignments, shares, left_out) for one in data]


class TestSplit:
    def test_with_seven_recordings_whole_recordings_are_held_out(self) -> None:
        """Each recording lies in one part; all three parts exist."""
        data = [series(f"r{i}", seconds=0.2) for i in range(7)]
        parts = [set(part.tolist()) for part in parts_of(data, Split())]
        assert all(len(part) == 1 for part in parts)
        assert sorted(part.pop() for part in parts) == [0, 0, 0, 0, 0, 1, 2]

    def test_with_seven_segments_whole_segments_are_held_out(self) -> None:
        """Ten segments: 6 or 7 train, and no segment is in two parts."""
        data = series(segments=tuple("abcdefghij"))
        (part,) = parts_of([data], Split())
        each = [set(part[data.segment == i].tolist()) for i in range(10)]
        assert all(len(one) == 1 for one in each)
        assert sorted(one.pop() for one in each) == [0] * 6 + [1, 1, 2, 2]

    @pytest.mark.parametrize("count", [7, 8, 13, 20, 40])
    def test_the_shares_are_70_15_15(self, count: int) -> None:
        """To the nearest whole segment."""
        parts = [one.part for one in split.assign([series(segments=tuple(f"s{i}" for i in range(count)))], Split())]
        assert parts.count("validation") == parts.count("test") == max(1, round(0.15 * count))

    def test_a_repeat_goes_with_what_it_repeats(self) -> None:
        """Otherwise the test would be the training over again."""
        names = tuple(f"s{i}{suffix}" for i in range(7) for suffix in ("", "_repeat"))
        parts = {one.segment: one.part for one in split.assign([series(segments=names)], Split())}
        assert all(parts[f"s{i}"] == parts[f"s{i}_repeat"] for i in range(7))
        assert len(set(parts.values())) == 3

    def test_few_recordings_are_cut_into_contiguous_blocks(self) -> None:
        """Cycles of 4 s: 2.8 s train, 0.6 s validation, 0.6 s test."""
        (part,) = parts_of([series(seconds=8.0)], Split())
        borders = np.flatnonzero(np.diff(part)) + 1
        np.testing.assert_allclose(borders / 500.0, [2.8, 3.4, 4.0, 6.8, 7.4], atol=0.0021)
        assert [part[i] for i in (0, *borders)] == [0, 1, 2, 0, 1, 2]

    def test_no_window_of_one_part_holds_a_row_of_another(self) -> None:
        """A look-back of 50 ms from any row stays within rows of its own part or of none."""
        data = series(seconds=9.0)
        (part,) = parts_of([data], Split(), left_out=0.05)
        for row in np.flatnonzero(part != split.OUT):
            window = part[(data.time >= data.time[row] - 0.05 + 1e-6) & (np.arange(len(part)) <= row)]
            assert set(window.tolist()) <= {part[row], split.OUT}
        assert {0, 1, 2, split.OUT} == set(part.tolist())

    def test_a_row_without_a_past_of_its_own_belongs_to_no_part(self) -> None:
        """The first 50 ms of every stretch, whose past would be made up."""
        (part,) = parts_of([series(segments=tuple("abcdefg"), seconds=7.0)], Split(), left_out=0.05)
        assert np.flatnonzero(part == split.OUT).tolist() == [500 * i + k for i in range(7) for k in range(25)]

    def test_segments_can_be_held_out_by_name(self) -> None:
        """An amplitude, a gain or a leg that is unseen; the rest is train and validation."""
        data = series(segments=("small", "large_a", "large_b", "middle"), seconds=16.0)
        (part,) = parts_of([data], Split(hold_out=("large_*",)))
        held = (data.segment == 1) | (data.segment == 2)
        assert set(part[held].tolist()) == {split.TEST}
        assert set(part[~held].tolist()) == {split.TRAIN, split.VALIDATION}

    @pytest.mark.parametrize(
        ("pattern", "message"), [("huge", "no segment is called 'huge'"), ("*", "nothing is left")]
    )
    def test_holding_out_nothing_or_everything_is_refused(self, pattern: str, message: str) -> None:
        """With the names there are."""
        with pytest.raises(UserError, match=message):
            split.assign([series()], Split(hold_out=(pattern,)))

    def test_rows_between_segments_belong_to_no_part(self) -> None:
        """Ramps and pauses neither train nor judge."""
        original = recording(seconds=1.0)
        segment = original.segment.copy()
        segment[200:300] = -1
        data = prepare(changed(original, segment=segment), where="x")
        part = split.rows(data, [Assignment("synthetic", "chirp", "train")], Split(), 0.0)
        assert set(part[200:300].tolist()) == {split.OUT}
        assert set(part[:200].tolist()) == {split.TRAIN}

    def test_the_gap_is_the_look_back_or_the_time_a_state_needs(self) -> None:
        """Longest lag of the MLP, warm-up of the LSTM."""
        assert split.gap(TrainConfig(FEATURES, mlp=MLPShape())) == 0.010
        assert split.gap(TrainConfig(Features(0.005), lstm=LSTMShape(warm_up=0.3))) == 0.3
