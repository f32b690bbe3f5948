"""A run folder: one training, with all that is needed to use, judge and repeat it.

config.yaml    what was asked for (identify.settings)
run.json       what it was done with: data, split, gains, baselines, versions (`Facts`)
best.pt        the net with the lowest validation loss: a dict of tensors, nothing else
last.pt        where `--resume` goes on: net, optimiser, counters
history.csv    loss of every epoch
through.*      of a training through the replay: where --resume goes on, loss of every pass (identify.through)
metrics.json   torque errors of every predictor on the run's own three parts
report.html    all of this for people, with figures (identify.report)
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from collect.config import load as load_config
from collect.config import parse
from collect.errors import UserError
from collect.joints import Kind as JointKind
from collect.recording import sha256_of
from identify.dataset import Label
from identify.features import Features
from identify.models import Model, build
from identify.settings import Kind, TrainConfig

Part = Literal["train", "validation", "test", "blocks"]
"""Whole segments go to one part; `blocks` means cut into cycles, see `identify.split`."""


@dataclass(frozen=True)
class Source:
    """One recording that a run was trained on."""

    name: str
    """Name of the recording."""
    sha256: str
    """Its content's SHA-256 (`Recording.content_sha256`)."""


@dataclass(frozen=True)
class Assignment:
    """The part that one segment of one recording belongs to."""

    recording: str
    segment: str
    part: Part


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value per kind of joint."""

    hip: tuple[float, float]
    thigh: tuple[float, float]
    calf: tuple[float, float]

    def of(self, kind: JointKind) -> tuple[float, float]:
        """The range of one kind of joint."""
        found: tuple[float, float] = getattr(self, kind)
        return found


@dataclass(frozen=True)
class Gains:
    """Gains seen in training; outside them the net extrapolates."""

    kp: Ranges
    """[Nm/rad]"""
    kd: Ranges
    """[Nm·s/rad]"""


@dataclass(frozen=True)
class Friction:
    """Of `friction_pd`; tuples hold twelve joints in SDK order."""

    delay: float
    """Its own, for gains and friction shift the best one [s]."""
    spring: tuple[float, ...]
    """Share of kp·(q_target(t − d) − q) that arrives, a."""
    damper: tuple[float, ...]
    """Share of kd·dq that arrives, b."""
    viscous: tuple[float, ...]
    """v [Nm·s/rad]"""
    dry: tuple[float, ...]
    """c [Nm]"""
    offset: tuple[float, ...]
    """o [Nm]"""


@dataclass(frozen=True)
class Baselines:
    """What was fitted for the baselines, on the training rows alone (`identify.baselines`)."""

    delay: float
    """Of `delayed_pd`: age of the q_target that the motor follows [s]."""
    delay_interval: tuple[float, float]
    """In which the delay lies with 95 % confidence (`identify.delay`) [s]."""
    friction: Friction
    """Of `friction_pd`."""
    weights: tuple[float, ...]
    """Of `linear`: one per column of the net's input [1, with joint identity Nm]."""
    offset: float
    """Of `linear` [Nm]."""

    @property
    def delay_in_words(self) -> str:
        """With its confidence interval, for people."""
        low, high = self.delay_interval
        return f"{1e3 * self.delay:.2f} ms (95 %: {1e3 * low:.2f} to {1e3 * high:.2f})"


@dataclass(frozen=True)
class Facts:
    """run.json: what a training was done with."""

    kind: Kind
    """Which net."""
    label: Label
    """The torque it predicts."""
    seed: int
    """Of every random number."""
    sources: tuple[Source, ...]
    """The recordings."""
    split: tuple[Assignment, ...]
    """Which segment went where."""
    gains: Gains
    """Gains among the training rows."""
    baselines: Baselines
    """Fitted on the training rows."""
    versions: tuple[str, ...]
    """Python and packages, as `name version`."""
    best_sha256: str | None = None
    """Of best.pt; None while the training is unfinished."""
    kd_in_steps: bool = False
    """Whether motors that it learned from make less of a commanded kd (`identify.gains`): it sees what is in force."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training, ready to predict."""

    path: Path
    """Its folder."""
    kind: Kind
    """Which net, which is also its name among the predictors."""
    config: TrainConfig
    """What was asked for."""
    facts: Facts
    """What it was done with."""
    model: Model
    """The best net, on the CPU, in eval mode."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def features(self) -> Features:
        """What the net sees."""
        return self.config.features

    @property
    def gains(self) -> Gains:
        """Gains it was trained on."""
        return self.facts.gains

    @property
    def baselines(self) -> Baselines:
        """Fitted baselines."""
        return self.facts.baselines


def load(path: Path | str) -> Run:
    """Open a finished run; the net's hash is checked before it is read.

    Raises:
        UserError: when it is not a run, unfinished, or best.pt is not the file that training wrote.
    """
    path = Path(path)
    facts = read_facts(path)
    config = load_config(path / "config.yaml", TrainConfig)
    if facts.best_sha256 is None:
        raise UserError(
            "the training of this run did not finish", where=str(path), fix="go on with `identify train … --resume`"
        )
    best = path / "best.pt"
    if not best.is_file() or sha256_of(best) != facts.best_sha256:
        raise UserError("best.pt is not the net this run trained", where=str(best), fix="copy the run again")
    model = build(config)
    try:
        model.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    except (RuntimeError, KeyError) as error:
        raise UserError(
            f"best.pt does not fit config.yaml: {error}", where=str(best), fix="copy the run again"
        ) from error
    return Run(path.resolve(), facts.kind, config, facts, model.eval())


def read_facts(path: Path) -> Facts:
    """run.json of a run folder, also of an unfinished one.

    Raises:
        UserError: when there is none or it is damaged.
    """
    file = path / "run.json"
    if not file.is_file():
        raise UserError("not a run: it has no run.json", where=str(path), fix="give the folder that train wrote")
    return load_config(file, Facts)  # JSON is YAML


def write_facts(path: Path, facts: Facts) -> None:
    """Write run.json atomically."""
    text = json.dumps(dataclasses.asdict(facts), indent=1)
    parse(text, Facts, where="run.json")  # what cannot be read back is not written
    write_bytes(path / "run.json", text.encode() + b"\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file atomically: whoever reads it finds the old content or the new, never half."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """Save tensors and plain values atomically, readable with `weights_only=True`."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
