"""Open-loop replay: a recording's commands alone move the rigid body through a predictor, and the robot judges.

The fixed-base body starts where the robot was at the start of each segment and never sees the measured motion
again. Beside a predictor of tau_est, which knows neither, act the armature and friction that others identified; a
predictor that was fitted to tau_joint carries its friction itself and moves the rotor that its label holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from collect.body import ARMATURE, DRY, VISCOUS, Body
from collect.errors import UserError
from collect.joints import BY_KIND, KINDS, N_JOINTS, TORQUE, Kind
from collect.recording import Recording, find, read
from identify.dataset import ROTOR, sampling, series, stretches
from identify.evaluate import Judgement, judge
from identify.features import Array, at
from identify.laws import Commands, Law, laws
from identify.runs import Run

PHYSICS = 0.001
"""Longest physics step [s]."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One predictor on one recording; only the rows that were replayed."""

    recording: str
    """Its name."""
    predictor: str
    """Its name."""
    time: Array
    """Shape (N,) [s]."""
    q: Array
    """What the robot did, shape (N, 12) [rad]."""
    q_replayed: Array
    """What the body did, shape (N, 12) [rad]."""
    starts: tuple[int, ...]
    """Rows at which the body was put where the robot was."""

    def rmse_mrad(self, kind: Kind) -> float:
        """Position error over the four joints of a kind and all rows, root mean square [mrad]."""
        return float(1e3 * np.sqrt(np.mean(np.square((self.q_replayed - self.q)[:, BY_KIND[kind]]))))


def load(paths: Iterable[Path]) -> list[Recording]:
    """The recordings in files and folders; torque and velocity may be missing.

    Raises:
        UserError: for paths without recordings, two of one name, or one without positions, commands or segments.
    """
    found: dict[str, Recording] = {}
    for path in find(list(paths)):
        recording = read(path)
        for name in ("q", "q_target", "kp", "kd"):
            if name in recording.missing:
                raise UserError(f"the recording holds no {name}", where=str(path), fix="replay needs it: convert again")
        if not any(True for _ in stretches(recording)):
            raise UserError("the recording holds no segment", where=str(path), fix="give one in which joints moved")
        if found.setdefault(recording.session, recording) is not recording:
            what = f"two recordings are called {recording.session}"
            raise UserError(what, where=str(path), fix="rename one, tables use the name")
    return list(found.values())


def unseen(run: Run, recording: Recording) -> list[slice]:
    """The stretches of which a run has seen no row: all of a new recording, of a known one the test segments."""
    digest = recording.content_sha256()
    known = [source.name for source in run.facts.sources if source.sha256 == digest]
    tests = {one.segment for one in run.facts.split if one.recording in known and one.part == "test"}
    names = [name.decode(errors="replace") for name in recording.segments["name"]]
    return [rows for rows in stretches(recording) if not known or names[int(recording.segment[rows.start])] in tests]


def chosen(run: Run, recording: Recording) -> tuple[list[slice], str]:
    """The stretches to replay, those the run has not seen or else all, and in words which."""
    parts = unseen(run, recording)
    words = "not seen in training" if parts else "of a recording it was trained on, which this cannot judge"
    parts = parts or list(stretches(recording))
    seconds = sum(float(recording.clock[part.stop - 1] - recording.clock[part.start]) for part in parts)
    starts = "" if len(parts) == 1 else f", {len(parts)} measured starts"
    walked = "\nthe robot stood on the ground: a fixed base cannot judge it" if _walked(recording) else ""
    return parts, f"{seconds:.1f} s {words}{starts}{walked}"


def _walked(recording: Recording) -> bool:
    return bool(recording.attributes.get("layout") == "orl")  # the one layout that was not recorded in the air


def replay(run: Run, recording: Recording) -> Iterator[Replay]:
    """Replay the chosen stretches of a recording with every predictor of a run, the net last; see `load`, `chosen`."""
    parts, _ = chosen(run, recording)
    sizes = [part.stop - part.start for part in parts]
    starts = tuple(int(start) for start in np.cumsum([0, *sizes[:-1]]))
    time = np.concatenate([recording.clock[part] for part in parts])
    q = np.concatenate([recording.q[part].astype(float) for part in parts])
    when = sampling(recording)
    for predictor, law in laws(run).items():
        body = beside(run, predictor)
        moved = np.concatenate([_move(recording, part, law, run.features.step, when[part], body) for part in parts])
        yield Replay(recording.session, predictor, time, q, moved, starts)


@torch.inference_mode()
def _move(
    recording: Recording,
    rows: slice,
    law_for: Callable[[Commands], Law],
    step: float,
    sampled: Array,
    beside: Mapping[str, Array],
) -> Array:
    """The body's motion when the joints of one stretch were sampled, shape (rows, 12) [rad]."""
    time = recording.clock[rows]
    physics = step / np.ceil(step / PHYSICS - 1e-9)
    when = time[0] + np.arange(int(np.ceil((time[-1] - time[0]) / physics - 1e-9)) + 1) * physics
    q_target, kp, kd = (getattr(recording, name)[rows].astype(float) for name in ("q_target", "kp", "kd"))
    law = law_for(Commands(time, q_target, kp, kd, when))
    inertia, viscous, dry = (beside[name] for name in ("armature", "viscous", "dry"))
    body = Body(timestep=physics, armature=inertia, viscous=viscous, dry=dry)
    # A log without velocities is taken to start at rest.
    dq = np.zeros(N_JOINTS) if "dq" in recording.missing else recording.dq[rows.start].astype(float)
    body.reset(recording.q[rows.start].astype(float), dq)
    moved = np.empty((len(when), N_JOINTS))
    for m in range(len(when)):
        moved[m] = body.q
        # A simulator clips an actuator at its effort limit too; without it a bad predictor would diverge.
        body.step(np.clip(law(m, body.q, body.dq), -TORQUE, TORQUE))
    return at(when, moved, sampled)


def torque(run: Run, recording: Recording) -> Judgement | None:
    """Torque along the measured motion of the chosen stretches; None where velocity or torque is not recorded."""
    if unlabelled(run, recording):
        return None
    data = series(recording, where=recording.session, label=run.facts.label)
    rows = np.zeros(len(recording), dtype=bool)
    for part in chosen(run, recording)[0]:
        rows[part] = True
    rows &= data.with_past(run.features.look_back)
    return judge(run, data, rows, "the replayed rows") if rows.any() else None


def unlabelled(run: Run, recording: Recording) -> bool:
    """Whether the torque that a run learned is not known of a recording."""
    if run.facts.label == "tau_joint":
        return _walked(recording)
    return bool({"dq", "tau_est"} & set(recording.missing))


def beside(run: Run, predictor: str) -> Mapping[str, Array]:
    """Armature, viscous and dry friction of the body that a predictor moves, shape (12,) each."""
    if run.facts.label == "tau_joint" and predictor not in ("ideal_pd", "delayed_pd", "limited_pd"):
        return {"armature": ROTOR, "viscous": np.zeros(N_JOINTS), "dry": np.zeros(N_JOINTS)}
    return {"armature": ARMATURE, "viscous": VISCOUS, "dry": DRY}


def repeatability_mrad(recording: Recording) -> Mapping[Kind, float] | None:
    """What the robot itself does not repeat: difference of q of repeated segments over √2, rms [mrad].

    A segment called `X_repeat` repeats X; each of the two holds half of the difference's variance. None without one.
    """
    table = {name.decode(): slice(int(a), int(b)) for name, a, b in recording.segments[["name", "start", "stop"]]}
    repeats = {name.removesuffix("_repeat"): rows for name, rows in table.items() if name.endswith("_repeat")}
    differences = [_difference(recording, table[name], again) for name, again in repeats.items() if name in table]
    if not differences:
        return None
    both = 1e3 * np.concatenate(differences) / np.sqrt(2.0)
    return {kind: float(np.sqrt(np.mean(np.square(both[:, BY_KIND[kind]])))) for kind in KINDS}


def _difference(recording: Recording, first: slice, again: slice) -> Array:
    """The repeat's q less the original's at the same time since its start, shape (rows, 12) [rad]."""
    since, later = (recording.clock[rows] - recording.clock[rows.start] for rows in (first, again))
    kept = since <= later[-1]
    return at(later, recording.q[again].astype(float), since[kept]) - recording.q[first][kept]


def table(replays: Iterable[Replay]) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE per kind of joint [mrad], by recording and predictor, for JSON."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in replays:
        found.setdefault(one.recording, {})[one.predictor] = {kind: one.rmse_mrad(kind) for kind in KINDS}
    return found
