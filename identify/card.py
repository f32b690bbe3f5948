"""A dataset card: what is in a set of recordings, by hash, and what is wrong with it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from collect.joints import KINDS, NAMES
from identify.lint import Entry, Set


def card(found: Set, title: str) -> str:
    """The card of a set."""
    return "\n".join(_lines(found, title)) + "\n"


def _lines(found: Set, title: str) -> Iterator[str]:
    seconds = sum(one.quality.timing.duration for one in found.train)
    yield f"# Dataset card: {title}"
    yield ""
    yield f"{len(found.train)} recordings to train on, {seconds:.1f} s; {len(found.unseen)} that judge."
    yield "Units are SI, joints FR FL RR RL × hip thigh calf; extents are what 99 % of the rows stay below."
    yield from _section("To train on", found.train)
    if found.unseen:
        yield from _section("To judge", found.unseen)
    yield from ["", "## Findings", ""]
    for finding in found.findings:
        yield f"- **{'mend' if finding.spoils else 'note'}** {_escaped(finding.where)}: {_escaped(finding.text)}"
    if not found.findings:
        yield "None."
    yield from ["", "## Covered by joint, all recordings to train on", ""]
    yield "| joint | travel [rad] | error [rad] | speed [rad/s] | torque [Nm] |"
    yield "|---|---|---|---|---|"
    columns = [_most(found.train, channel) for channel in ("travel", "error", "dq", "tau_est")]
    for joint, name in enumerate(NAMES):
        yield f"| {name} | {' | '.join(_number(column[joint]) for column in columns)} |"
    yield from ["", f"## Power above {0.5 / found.step:g} Hz, half the rate of a step of {1e3 * found.step:g} ms", ""]
    yield "Hip / thigh / calf [%]: what a net called so cannot tell from slow motion."
    yield from ["", "| recording | kp·e | kd·dq | torque |", "|---|---|---|---|"]
    for one in (*found.train, *found.unseen):
        yield f"| {_escaped(one.name)} | {' | '.join(_percent(shares) for shares in one.above.values())} |"
    yield from [
        "",
        "## Gains",
        "",
        "| kp [Nm/rad] | kd [Nm·s/rad] | to train on [s] | to judge [s] |",
        "|---|---|---|---|",
    ]
    for kp, kd in sorted({pair for one in (*found.train, *found.unseen) for pair in one.gains}):
        held = [sum(one.gains.get((kp, kd), 0.0) for one in part) for part in (found.train, found.unseen)]
        yield f"| {kp:g} | {kd:g} | {held[0]:.1f} | {held[1]:.1f} |"


def _section(heading: str, entries: Sequence[Entry]) -> Iterator[str]:
    yield from ["", f"## {heading}", ""]
    yield "| recording | from | robot | s | Hz | gaps | repeated | age, mean and most [ms] | to Hz | verdict |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for one in entries:
        timing, attributes = one.quality.timing, one.recording.attributes
        highest = max(one.quality.coverage[kind].highest or 0.0 for kind in KINDS)
        yield (
            f"| {_escaped(one.name)} | {_escaped(attributes.get('origin', 'collect'))} "
            f"| {_escaped(attributes.get('robot', '')) or 'not said'} | {timing.duration:.1f} | {timing.nominal:g} "
            f"| {one.gaps} | {timing.repeated_states:.1%} | {1e3 * one.age[0]:.1f}, {1e3 * one.age[1]:.1f} "
            f"| {highest:.1f} | {one.verdict.word} |"
        )
    yield from ["", "| recording | SHA-256 of the content |", "|---|---|"]
    yield from (f"| {_escaped(one.name)} | `{one.sha256}` |" for one in entries)


def _most(entries: Sequence[Entry], channel: str) -> np.ndarray:
    every = np.stack([one.extent(channel) for one in entries])
    return np.where(np.isfinite(every).any(0), np.nan_to_num(every, nan=0.0).max(0), np.nan)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "not recorded"


def _percent(shares: Sequence[float]) -> str:
    known = np.isfinite(shares).all()
    return " / ".join(f"{100.0 * share:.2f}" for share in shares) if known else "not known"


def _escaped(text: object) -> str:
    """A stranger's words in a cell of a table."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|" else letter for letter in plain)
