"""What a search may try, and the training that a choice stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from collect.config import require
from identify.dataset import Label
from identify.features import Features, possible
from identify.settings import Kind, LSTMShape, MLPShape, Split, StatelessShape, TrainConfig, Training


@dataclass(frozen=True)
class Space:
    """What is tried: one of each list; the learning rate from a range."""

    kind: tuple[Kind, ...] = ("mlp",)
    """Nets."""
    lags: tuple[int, ...] = (3,)
    """How many lags, one step apart; a net with a state has one."""
    position_rate: tuple[bool, ...] = (False,)
    """Whether kp·dq is seen too."""
    velocity: tuple[bool, ...] = (False,)
    """Whether dq is seen too."""
    identity: tuple[Literal["none", "kind", "joint"], ...] = ("none",)
    """What a net is told of whose torque it is."""
    hidden: tuple[int, ...] = (100,)
    """Units per layer."""
    layers: tuple[int, ...] = (4,)
    """Layers."""
    residual: tuple[bool, ...] = (False,)
    """Of an MLP: whether it learns only what a straight line leaves."""
    batch: tuple[int, ...] = (2048,)
    """Samples per step."""
    pieces: tuple[int, ...] = (8,)
    """Of a net with a state: pieces side by side."""
    learning_rate: tuple[float, float] = (3e-4, 2e-2)
    """Lowest and highest, drawn evenly in the logarithm."""

    def __post_init__(self) -> None:
        counts = ("lags", "hidden", "layers", "batch", "pieces")
        require(
            lambda: all(getattr(self, name) for name in vars(self)) or "a list of what is tried must not be empty",
            lambda: (
                all(count >= 1 for name in counts for count in getattr(self, name))
                or "numbers of lags, units, layers, samples and pieces start at 1"
            ),
            lambda: (
                0.0 < self.learning_rate[0] <= self.learning_rate[1] <= 1.0
                or "learning_rate is a range within 0 to 1, lowest first"
            ),
        )


@dataclass(frozen=True)
class SearchConfig:
    """A search: what is tried, and what is the same in all trials."""

    step: float
    """Time between two calls of the net [s]."""
    space: Space
    """What is tried."""
    training: Training = field(default_factory=lambda: Training(epochs=10, final_rate=0.02))
    """How every net is fitted, but for its learning rate and batch."""
    split: Split = field(default_factory=lambda: Split(train=0.85, validation=0.15))
    """On which rows."""
    label: Label = "tau_est"
    """The torque to be learned."""
    seeds: int = 1
    """Trainings of each trial, from seeds 0, 1, …; their mean counts."""

    def __post_init__(self) -> None:
        require(
            lambda: 1 <= self.seeds <= 20 or f"seeds must be from 1 to 20, got {self.seeds}",
            lambda: possible(self.step),
        )

    @property
    def look_back(self) -> float:
        """What any of the nets looks back over [s]."""
        stateful = {"lstm", "gru"} & {*self.space.kind}
        return max((max(self.space.lags) - 1) * self.step, LSTMShape().warm_up if stateful else 0.0)


def chosen(config: SearchConfig, one: Callable[[str, tuple[Any, ...]], Any], rate: float) -> TrainConfig:
    """The training that a choice stands for.

    Args:
        config: what there is to choose from.
        one: takes one of a list, given its name and what it holds; asked only for what matters to the net.
        rate: the learning rate.
    """
    space = config.space
    kind: Kind = one("kind", space.kind)
    hidden, layers = one("hidden", space.hidden), one("layers", space.layers)
    stateful = kind in ("lstm", "gru")
    batch = one("pieces", space.pieces) if stateful else one("batch", space.batch)
    features = Features(config.step)
    if not stateful:
        told = one("identity", space.identity)
        features = Features(
            config.step,
            tuple(round(k * config.step, 9) for k in range(one("lags", space.lags))),
            position_rate=one("position_rate", space.position_rate),
            velocity=one("velocity", space.velocity),
            kind_identity=told == "kind",
            joint_identity=told == "joint",
        )
    return TrainConfig(
        features,
        mlp=MLPShape(hidden, layers, one("residual", space.residual)) if kind == "mlp" else None,
        lstm=LSTMShape(hidden, layers) if kind == "lstm" else None,
        gru=LSTMShape(hidden, layers) if kind == "gru" else None,
        stateless_lstm=StatelessShape(hidden, layers) if kind == "stateless_lstm" else None,
        label=config.label,
        training=replace(config.training, learning_rate=rate, batch=batch),
        split=config.split,
    )
