"""Open-loop replay: a recording's commands alone move the rigid body through a predictor, and the robot judges.

The body starts where the robot was at the start of each segment and never sees the measured motion of the legs again.
Its base is fixed; where an IMU has logged how it moved, that acts on the joints too (`identify.base_motion`). All
segments of all recordings move side by side (`identify.drive`). Beside a predictor of tau_est, which knows neither, act
the armature and friction that others identified; a predictor that was fitted to tau_joint carries its friction itself
and moves the rotor that its label holds; what `identify fit` found brings its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from collect.body import ARMATURE, DRY, VISCOUS
from collect.errors import UserError
from collect.joints import BY_KIND, N_JOINTS, Kind
from collect.recording import Recording, find, read
from identify import base_motion, baselines, fitted_torque, parameters
from identify.baselines import NAMES as BASELINES
from identify.dataset import ROTOR, Label, kd_in_force, sampling, sent, series, stretches
from identify.drive import PHYSICS, Start, drive
from identify.evaluate import Judgement, Score, judge
from identify.features import Array, at
from identify.laws import Commands, Maker, ideal, laws
from identify.metrics import errors, noise_floor
from identify.parameters import Fitted
from identify.runs import Run

OTHERS = {"armature": ARMATURE, "viscous": VISCOUS, "dry": DRY}
"""What IIT DLS identified on a Go2."""


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

    @property
    def rmse_by_joint(self) -> list[float]:
        """The same of each joint, SDK order [mrad]."""
        return [float(value) for value in 1e3 * np.sqrt(np.square(self.q_replayed - self.q).mean(0))]


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


def chosen(runs: Sequence[Run], recording: Recording) -> tuple[list[slice], str]:
    """The stretches to replay, those that none of the runs has seen or else all, and in words which.

    Without a run it is all.
    """
    parts = [rows for rows in stretches(recording) if all(rows in unseen(run, recording) for run in runs)]
    words = "not seen in training" if parts else "of a recording it was trained on, which this cannot judge"
    words = words if runs else "of motion"
    parts = parts or list(stretches(recording))
    seconds = sum(float(recording.clock[part.stop - 1] - recording.clock[part.start]) for part in parts)
    starts = "" if len(parts) == 1 else f", {len(parts)} measured starts"
    walked = "\nthe robot stood on the ground: a fixed base cannot judge it" if _walked(recording) else ""
    swung = "\nits base moves as the IMU says" if base_motion.known(recording) else ""
    return parts, f"{seconds:.1f} s {words}{starts}{swung}{walked}"


def _walked(recording: Recording) -> bool:
    return bool(recording.attributes.get("layout") == "orl")  # the one layout that was not recorded in the air


@dataclass(frozen=True, eq=False)
class Predictor:
    """A law of motion and the body that it moves."""

    name: str
    """In tables."""
    make: Maker
    """Its law for given commands."""
    beside: Mapping[str, Array]
    """Armature, viscous and dry friction of the body, shape (12,) each."""
    physics: float
    """Physics step, of which the law's own step is a multiple [s]."""


def predictors(runs: Sequence[Run], fitted: Fitted | None = None) -> list[Predictor]:
    """The baselines of the first run, then the net of each; of several runs each net is called by its folder too.

    Without a run the one that needs none. What was fitted, if it is given, acts beside nets of tau_est.
    """
    found = [] if runs else [Predictor("ideal_pd", ideal, OTHERS, PHYSICS)]
    for run in runs:
        step = run.features.step
        physics = step / np.ceil(step / PHYSICS - 1e-9)
        own = [Predictor(name, make, beside(run, name), physics) for name, make in laws(run).items()]
        found += own[:-1] if run is runs[0] else []
        found.append(replace(own[-1], name=called(run, runs), beside=beside(run, run.kind, fitted)))
    return [one for one in found if one.name in BASELINES] + [one for one in found if one.name not in BASELINES]


def parametric(fitted: Fitted) -> Predictor:
    """What `identify fit` found, with friction and armature of its own."""
    p = fitted.parameters
    return Predictor("parametric", parameters.law(p), parameters.beside(p), PHYSICS)


def called(run: Run, runs: Sequence[Run]) -> str:
    """What the net of one of some runs is called in their table."""
    return run.kind if len(runs) == 1 else f"{run.kind} ({run.name})"


def replay(runs: Sequence[Run], recordings: Sequence[Recording], fitted: Fitted | None = None) -> Iterator[Replay]:
    """Replay the chosen stretches of recordings with every predictor of some runs, the nets last; see `load`, `chosen`.

    Args:
        runs: whose predictors are replayed; without any it is ideal PD.
        recordings: of different names.
        fitted: what `identify fit` found: a predictor of its own, before the nets, and the body of those of tau_est.
    """
    courses = [course(recording, chosen(runs, recording)[0]) for recording in recordings]
    own = predictors(runs, fitted)
    plain, more = len(own) - len(runs), [parametric(fitted)] if fitted else []
    for predictor in (*own[:plain], *more, *own[plain:]):
        yield from replayed(predictor, courses)


@dataclass(frozen=True, eq=False)
class Course:
    """What is replayed of a recording, and what all predictors need to know of it; arrays (N, 12)."""

    recording: Recording
    parts: Sequence[slice]
    """Its stretches that are replayed."""
    sampled: Array
    """When its joints were sampled (`identify.dataset.sampling`) [s]."""
    sent: Array
    """When its commands were sent, shape (N,) (`identify.dataset.sent`) [s]."""
    kd: Array
    """That motors closed (`identify.dataset.kd_in_force`) [Nm·s/rad]."""
    base: Array | None
    """What the base's motion asked of the joints (`identify.base_motion`) [Nm]; None of a fixed one."""


def course(recording: Recording, parts: Sequence[slice]) -> Course:
    """What replaying some stretches of a recording needs, found once for all predictors."""
    sampled = sampling(recording)
    base = base_motion.torque(recording, sampled)
    return Course(recording, parts, sampled, sent(recording), kd_in_force(recording), base)


def replayed(predictor: Predictor, courses: Sequence[Course]) -> Iterator[Replay]:
    """Replay stretches of recordings side by side with one predictor."""
    starts = [_start(one, rows, predictor.physics) for one in courses for rows in one.parts]
    motions = iter(drive(starts, predictor.make, predictor.beside))
    for one in courses:
        recording, sizes = one.recording, [rows.stop - rows.start for rows in one.parts]
        moved = [at(told.steps, q, one.sampled[rows]) for rows, (told, q) in zip(one.parts, motions, strict=False)]
        yield Replay(
            recording=recording.session,
            predictor=predictor.name,
            time=np.concatenate([recording.clock[rows] for rows in one.parts]),
            q=np.concatenate([recording.q[rows].astype(float) for rows in one.parts]),
            q_replayed=np.concatenate(moved),
            starts=tuple(int(start) for start in np.cumsum([0, *sizes[:-1]])),
        )


def _start(one: Course, rows: slice, physics: float) -> Start:
    recording, time = one.recording, one.recording.clock[rows]
    steps = time[0] + np.arange(int(np.ceil((time[-1] - time[0]) / physics - 1e-9)) + 1) * physics
    q_target, kp = (getattr(recording, name)[rows].astype(float) for name in ("q_target", "kp"))
    # A log without velocities is taken to start at rest.
    dq = np.zeros(N_JOINTS) if "dq" in recording.missing else recording.dq[rows.start].astype(float)
    base = None if one.base is None else at(time, one.base[rows], steps + 0.5 * physics)
    commands = Commands(time, q_target, kp, one.kd[rows], steps, one.sent[rows])
    return Start(commands, recording.q[rows.start].astype(float), dq, base)


def torque(run: Run | None, recording: Recording, fitted: Fitted | None = None) -> Judgement | None:
    """Torque along the measured motion of the chosen stretches; None where velocity or torque is not recorded.

    Args:
        run: whose label is the torque; without one it is tau_joint, which needs no sensor, and beside what was fitted
            there is ideal PD.
        recording: whose motion it is.
        fitted: what `identify fit` found; it comes before the net.
    """
    label = run.facts.label if run else "tau_joint"
    if _unlabelled(label, recording):
        return None
    data = series(recording, where=recording.session, label=label)
    rows = np.zeros(len(recording), dtype=bool)
    for part in chosen([run] if run else [], recording)[0]:
        rows[part] = True
    rows &= data.with_past(run.features.look_back if run else 0.0)
    if not rows.any():
        return None

    def score(name: str, predicted: Array) -> Score:
        return Score(data.name, name, errors(data.torque[rows], predicted[rows]))

    mine = [score("parametric", fitted_torque.along(fitted.parameters, data, label))] if fitted else []
    if run is None:
        scores = (score("ideal_pd", baselines.ideal_pd(data)), *mine)
        return Judgement(data.name, "the replayed rows", scores, noise_floor(data))
    found = judge(run, data, rows, "the replayed rows")
    return replace(found, scores=(*found.scores[:-1], *mine, found.scores[-1]))


def unlabelled(run: Run, recording: Recording) -> bool:
    """Whether the torque that a run learned is not known of a recording."""
    return _unlabelled(run.facts.label, recording)


def _unlabelled(label: Label, recording: Recording) -> bool:
    return _walked(recording) if label == "tau_joint" else bool({"dq", "tau_est"} & set(recording.missing))


def beside(run: Run, predictor: str, fitted: Fitted | None = None) -> Mapping[str, Array]:
    """Armature, viscous and dry friction of the body that a predictor moves, shape (12,) each.

    Those of others beside what predicts tau_est, or of a net that does those that were fitted, if they are given.
    """
    if run.facts.label == "tau_joint" and predictor not in ("ideal_pd", "delayed_pd", "limited_pd"):
        return {"armature": ROTOR, "viscous": np.zeros(N_JOINTS), "dry": np.zeros(N_JOINTS)}
    return parameters.body(fitted.parameters) if fitted and predictor == run.kind else OTHERS
