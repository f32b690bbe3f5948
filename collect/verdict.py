"""Good, usable with a warning, or to be repeated: what the figures of a recording mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from collect.quality import Quality

Word = Literal["good", "usable with a warning", "repeat it"]
COLORS: dict[Word, str] = {"good": "#2a9160", "usable with a warning": "#d9822b", "repeat it": "#c0392b"}
"""In the terminal and on the page."""

RATE_OFF = 0.01
"""A rate further from its nominal is another rate [1]."""
FLAGGED = 0.01
"""Share of rows after gaps or dropped states, and of repeated states, that spoils a recording of ours; the loggers of
others poll without synchronisation and repeat 0.4 to 17.5 % of the states, which only warns [1]."""
LATE_ROWS = 0.01
"""Share of late rows that is worth a word: the robot's clock keeps the time, but commands came late too [1]."""
SATURATED, SPOILT = 0.01, 0.10
"""Share of rows at the torque-speed envelope: worth a word, and more than a model of the motor can take [1]."""
FIXTURE, SWINGING = 0.05, 0.30
"""Angular velocity of the body against the joints': worth a word, and a fixture that does not hold [1]."""
SHORT = 5.0
"""Less motion than this teaches little [s]."""
FILLED = 0.5
"""Share of the error-speed box that a sweep through the resonance fills easily [1]."""
HIGHEST = 4.0
"""A policy at 50 Hz excites its joints to beyond this [Hz]."""
AMPLITUDES = 2.0
"""Largest to smallest amplitude at a frequency; a single sweep has 1.0 to 1.7 [1]."""
UNREPEATED = 0.10
"""Share of the torque that may differ when a segment is done again [1]."""
DELAY_SPREAD, DELAY_MOST = 0.004, 0.015
"""Delays of one robot's motors lie nearer together, and lower [s]."""
HOT = 75
"""From here on a motor's magnets and friction are no longer those of the morning [°C]."""


@dataclass(frozen=True)
class Reason:
    """One finding."""

    spoils: bool
    """Whether it alone is cause to repeat the recording."""
    text: str


@dataclass(frozen=True)
class Verdict:
    """What to do with a recording."""

    word: Word
    reasons: tuple[Reason, ...]
    """What spoils it first."""


def judge(quality: Quality) -> Verdict:
    """The verdict on a recording."""
    found = [*_timing(quality), *_signals(quality), *_excitation(quality), *_robot(quality)]
    spoilt = [reason for reason in found if reason.spoils]
    word: Word = "repeat it" if spoilt else "usable with a warning" if found else "good"
    return Verdict(word, (*spoilt, *(reason for reason in found if not reason.spoils)))


def _timing(quality: Quality) -> Iterator[Reason]:
    timing, ours = quality.timing, not quality.foreign
    if not abs(timing.rate / timing.nominal - 1.0) <= RATE_OFF:
        yield Reason(ours, f"rows came at {timing.rate:.1f} Hz, not at {timing.nominal:.0f}")
    if timing.missing_ticks:
        share = timing.missing_ticks / quality.rows
        yield Reason(share > FLAGGED, f"{timing.missing_ticks} ticks of the robot are missing ({share:.1%})")
    if timing.repeated_ticks:
        yield Reason(True, f"the robot's clock stands still or goes back in {timing.repeated_ticks} rows")
    if timing.flagged:
        yield Reason(
            ours and timing.flagged > FLAGGED, f"{timing.flagged:.2%} of the rows follow a gap or a dropped state"
        )
    if timing.repeated_states > 1e-3:
        yield Reason(
            ours and timing.repeated_states > FLAGGED,
            f"{timing.repeated_states:.1%} of the rows repeat the state before them",
        )
    if timing.late > LATE_ROWS:
        yield Reason(
            False,
            f"{timing.late:.1%} of the rows came more than 1 ms off, the worst by {1e3 * timing.worst:.1f} ms",
        )


def _signals(quality: Quality) -> Iterator[Reason]:
    if quality.stuck:
        more = f" and {len(quality.stuck) - 3} more" if len(quality.stuck) > 3 else ""
        yield Reason(True, f"{', '.join(quality.stuck[:3])}{more} never change although the target moves")
    if quality.blank:
        yield Reason(True, f"{quality.blank} rows are all zero")
    for kind, load in quality.load.items():
        if load.saturated is not None and load.saturated > SATURATED:
            yield Reason(
                load.saturated > SPOILT,
                f"{load.saturated:.1%} of the rows have a {kind} at its torque-speed envelope",
            )
    absent = [
        word
        for word, value in (("speed", quality.load["hip"].speed), ("torque", quality.load["hip"].torque))
        if value is None
    ]
    if absent:
        yield Reason(False, f"no {' and no '.join(absent)} recorded")
    if quality.not_servo:
        yield Reason(True, f"in {quality.not_servo} rows a motor was not in servo mode")


def _excitation(quality: Quality) -> Iterator[Reason]:
    moving = quality.rows / quality.timing.nominal
    if moving < SHORT:
        yield Reason(False, f"only {moving:.1f} s long")
    seen = quality.coverage
    highest = {kind: value for kind in seen if (value := seen[kind].highest) is not None}
    if still := [kind for kind in seen if kind not in highest]:
        yield Reason(True, f"{_listed(still)} joints do not move")
    if slow := {kind: value for kind, value in highest.items() if value < HIGHEST}:
        yield Reason(False, f"{_listed(slow)} joints move at {max(slow.values()):.1f} Hz at most")
    if alike := [kind for kind in highest if (ratio := seen[kind].amplitudes) is not None and ratio < AMPLITUDES]:
        yield Reason(False, f"{_listed(alike)} joints move with one amplitude at each frequency")
    if thin := {kind: filled for kind in seen if (filled := seen[kind].filled) is not None and filled < FILLED}:
        share = f"{min(thin.values()):.0%}"
        yield Reason(False, f"{_listed(thin)} joints visit {share} of the errors and speeds between their extremes")


def _robot(quality: Quality) -> Iterator[Reason]:
    if quality.state != "complete":
        yield Reason(False, f"{quality.state}: {quality.stop_reason or 'not ended by its session'}")
    fixture = quality.fixture
    if fixture is not None and fixture.share > FIXTURE:
        yield Reason(
            fixture.share > SWINGING,
            f"the body turned at {fixture.rate:.2f} rad/s rms, {fixture.share:.0%} of what the joints did: "
            "hold it better",
        )
    known = np.array([delay for delay in quality.delay.values() if delay is not None])
    if len(known) and (np.ptp(known) > DELAY_SPREAD or known.max() > DELAY_MOST):
        yield Reason(False, f"delays from {1e3 * known.min():.1f} to {1e3 * known.max():.1f} ms")
    for kind, floor in (quality.repeatability or {}).items():
        if floor.share is not None and floor.share > UNREPEATED:
            yield Reason(False, f"done again, the {kind} torque differs by {floor.share:.0%}")
    if quality.hottest is not None and quality.hottest >= HOT:
        yield Reason(False, f"a motor was at {quality.hottest} °C")
    if quality.lost:
        yield Reason(False, f"the motor bus lost {quality.lost} packets")


def _listed(kinds: Iterable[str]) -> str:
    """`hip, thigh and calf`."""
    *most, last = kinds
    return f"{', '.join(most)} and {last}" if most else last
