"""What is wrong with a set of recordings to learn from, and with those that are to judge it.

Each is judged for itself by `collect.verdict`; here is what only shows when they lie side by side: rates that differ,
joints that never move, the same rows twice, gains and motions of which nothing was shown; and what a net that is called
at the simulator's step cannot see, or is told otherwise than the motors were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from collect.channels import GAP
from collect.coverage import SMALLEST
from collect.joints import BY_KIND, KINDS, N_JOINTS, NAMES, Kind
from collect.quality import Quality, assess
from collect.recording import Recording
from collect.verdict import Verdict, judge
from identify import aliasing, held
from identify.dataset import sampling, stretches

_SHARED = 0.01
"""Share of equal rows from which on two recordings hold the same motion; at rest a few rows may agree by chance."""
_BEYOND = 1.1
"""How far beyond what was trained on a motion may go without a word."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or that one should know."""

    spoils: bool
    """Whether figures from this set cannot be trusted until it is mended."""
    where: str
    """Of which recordings."""
    text: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One recording of the set; arrays have shape (12,), NaN where it was not recorded."""

    recording: Recording
    quality: Quality
    verdict: Verdict
    age: tuple[float, float]
    """Mean and largest age of a joint's sample in a row [s]; 0 where joints are sampled with their row."""
    gaps: int
    """Rows after one."""
    above: Mapping[str, tuple[float, ...]]
    """Share of power above half the rate of the net's calls, see `identify.aliasing`."""

    @property
    def name(self) -> str:
        """Of the session."""
        return self.recording.session

    @cached_property
    def sha256(self) -> str:
        """Of its content."""
        return self.recording.content_sha256()

    @property
    def moving(self) -> NDArray[np.bool_]:
        """Rows within segments, shape (N,)."""
        return self.recording.segment >= 0

    @cached_property
    def gains(self) -> dict[tuple[float, float], float]:
        """Seconds of each pair kp, kd, a joint's mean."""
        both = np.stack([self.recording.kp[self.moving], self.recording.kd[self.moving]], axis=-1).reshape(-1, 2)
        pairs, counts = np.unique(both.round(4), axis=0, return_counts=True)
        return {
            (float(kp), float(kd)): float(count) / N_JOINTS / self.recording.rate
            for (kp, kd), count in zip(pairs, counts, strict=True)
        }

    def extent(self, channel: str) -> NDArray[np.float64]:
        """What each joint stayed below in 99 % of the rows: error [rad], travel [rad], dq [rad/s] or tau_est [Nm]."""
        one, rows = self.recording, self.moving
        if channel == "travel":
            low, high = np.percentile(one.q[rows].astype(float), (0.5, 99.5), axis=0)
            return np.asarray(high - low)
        values = one.q_target - one.q if channel == "error" else getattr(one, channel)
        return np.asarray(np.percentile(np.abs(values[rows].astype(float)), 99, axis=0))

    @cached_property
    def rows(self) -> NDArray[np.void]:
        """Every different row of targets and states within segments, as bytes, sorted."""
        channels = ("q", "q_target", "dq", "tau_est")
        wide = np.concatenate([getattr(self.recording, name)[self.moving] for name in channels], axis=1)
        flat = np.ascontiguousarray(wide, dtype=np.float32)
        return np.unique(flat.view(np.dtype((np.void, flat.itemsize * flat.shape[1]))).ravel())


@dataclass(frozen=True, eq=False)
class Set:
    """Recordings to train on, those that judge, and what was found."""

    train: tuple[Entry, ...]
    unseen: tuple[Entry, ...]
    step: float
    """At which the simulator will call the net [s]."""
    findings: tuple[Finding, ...]
    """What spoils first."""


def lint(
    train: Sequence[Recording],
    unseen: Sequence[Recording] = (),
    report: Callable[[str], None] = lambda name: None,
    *,
    step: float = 0.005,
    hold: float = 0.0,
) -> Set:
    """Look through a set.

    Args:
        train: recordings to train on.
        unseen: recordings that judge; none of their rows may be among the others'.
        report: called after each recording with its name.
        step: at which the simulator will call the net [s].
        hold: the `Features.target_hold` of the net [s].
    """
    entries: list[Entry] = []
    for one in (*train, *unseen):
        entries.append(_entry(one, step))
        report(one.session)
    mine, theirs = tuple(entries[: len(train)]), tuple(entries[len(train) :])
    found = [*_each(entries), *_twice(mine, theirs), *_unlike(mine), *_still(mine), *_beyond(mine, theirs)]
    found += [*_aliased(entries, step), *_held(entries, hold)]
    return Set(mine, theirs, step, tuple(sorted(found, key=lambda finding: not finding.spoils)))


def _entry(recording: Recording, step: float) -> Entry:
    quality = assess(recording)
    ages = (recording.clock[:, None] - sampling(recording))[_within(recording)]
    return Entry(
        recording,
        quality,
        judge(quality),
        (float(ages.mean()), float(ages.max())) if len(ages) else (0.0, 0.0),
        int(((recording.flags & GAP) > 0).sum()),
        aliasing.above(recording, step),
    )


def _within(recording: Recording) -> NDArray[np.bool_]:
    rows = np.zeros(len(recording), dtype=bool)
    for stretch in stretches(recording):
        rows[stretch] = True
    return rows


def _each(entries: Sequence[Entry]) -> Iterator[Finding]:
    """What is wrong with a recording alone."""
    for one in entries:
        for reason in one.verdict.reasons:
            yield Finding(reason.spoils, one.name, reason.text)


def _twice(train: Sequence[Entry], unseen: Sequence[Entry]) -> Iterator[Finding]:
    """The same rows in two recordings: whatever judges on them has been learned by heart."""
    pairs = [(one, other, False) for one, other in combinations(train, 2)]
    pairs += [(one, other, True) for one in unseen for other in train]
    for one, other, judges in pairs:
        where = f"{one.name}, {other.name}"
        what = "judges and trains" if judges else "trains twice"
        if one.sha256 == other.sha256:
            yield Finding(True, where, f"the same content {what}")
            continue
        share = len(np.intersect1d(one.rows, other.rows, assume_unique=True)) / min(len(one.rows), len(other.rows))
        if share > _SHARED:
            yield Finding(True, where, f"{share:.0%} of the shorter one's rows are in both: the same motion {what}")


def _unlike(train: Sequence[Entry]) -> Iterator[Finding]:
    """What differs between recordings that are learned together."""
    rates = sorted({one.recording.rate for one in train})
    if len(rates) > 1:
        words = _listed([f"{rate:g}" for rate in rates])
        yield Finding(False, "the set", f"rates of {words} Hz: a step below {1e3 / rates[0]:g} ms is made up")
    for channel in ("dq", "tau_est"):
        lacking = [one.name for one in train if channel in one.recording.missing]
        if lacking:
            label = "only label tau_joint can be learned from it" if channel == "tau_est" else "its label is tau_joint"
            yield Finding(False, ", ".join(lacking), f"no {channel} recorded: {label}")


def _still(train: Sequence[Entry]) -> Iterator[Finding]:
    """Joints of which there is nothing to learn."""
    travel = np.max([one.extent("travel") for one in train], axis=0)
    if still := [NAMES[joint] for joint in np.flatnonzero(travel < SMALLEST)]:
        yield Finding(True, "the set", f"{_listed(still)} move in no recording: nothing is learned of them")


def _beyond(train: Sequence[Entry], unseen: Sequence[Entry]) -> Iterator[Finding]:
    """Where what judges asks for what was not shown: a figure of extrapolation, not of the net."""
    known = [pair for one in train for pair in one.gains]
    low, high = np.min(known, axis=0), np.max(known, axis=0)
    for one in unseen:
        for pair in one.gains:
            for name, value, least, most in zip(("kp", "kd"), pair, low, high, strict=True):
                if not 0.999 * least <= value <= 1.001 * most:
                    text = f"{name} {value:g} lies outside of the trained {least:g} to {most:g}"
                    yield Finding(False, one.name, text)
        for kind in KINDS:
            for what, unit, value, most in _reach(train, one, kind):
                if value > _BEYOND * most:
                    text = f"{kind} {what} to {value:.2g} {unit}, trained to {most:.2g}"
                    yield Finding(False, one.name, text)


def _reach(train: Sequence[Entry], one: Entry, kind: Kind) -> Iterator[tuple[str, str, float, float]]:
    highest = [entry.quality.coverage[kind].highest or 0.0 for entry in (one, *train)]
    yield "frequencies", "Hz", highest[0], max(highest[1:])
    for channel, what, unit in (("error", "errors", "rad"), ("dq", "speeds", "rad/s"), ("tau_est", "torques", "Nm")):
        found = [float(np.nan_to_num(entry.extent(channel)[BY_KIND[kind]].max())) for entry in (one, *train)]
        if all(found):
            yield what, unit, found[0], max(found[1:])


def _aliased(entries: Sequence[Entry], step: float) -> Iterator[Finding]:
    """What folds down into slow motion at the simulator's step."""
    for one in entries:
        for signal, shares in one.above.items():
            for kind, share in zip(KINDS, shares, strict=True):
                if share > aliasing.LIMIT:
                    folded = f"a net called every {1e3 * step:g} ms takes it for slow motion"
                    text = f"{share:.0%} of the power of {kind} {signal} lies above {0.5 / step:g} Hz: {folded}"
                    yield Finding(False, one.name, text)


def _held(entries: Sequence[Entry], hold: float) -> Iterator[Finding]:
    """Targets that a net would see as a policy's and that the motors did not get so."""
    for one in entries if hold else ():
        log = one.recording
        q_target, kp = log.q_target.astype(float), log.kp.astype(float)
        if words := held.warning(log.clock, q_target, kp, tuple(stretches(log)), hold):
            yield Finding(False, one.name, words)


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
