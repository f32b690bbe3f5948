"""What a training can be told: the YAML files in configs/identify are these classes written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from identify.dataset import Label
from identify.features import Features

Kind = Literal["mlp", "lstm"]


@dataclass(frozen=True)
class MLPShape:
    """A feed-forward net on the lagged inputs."""

    hidden: int = 100
    """Units per layer."""
    layers: int = 4
    """Hidden layers, softsign between them."""
    residual: bool = False
    """Whether the layers learn only what the straight line through the same inputs leaves."""

    def __post_init__(self) -> None:
        if not (0 < self.hidden <= 4096 and 0 < self.layers <= 32):
            raise ValueError("an MLP has 1 to 32 layers of 1 to 4096 units")


@dataclass(frozen=True)
class LSTMShape:
    """A recurrent net on kp·e and kd·dq of this step; its past is in its state."""

    hidden: int = 64
    """Units per layer."""
    layers: int = 2
    """Stacked LSTM layers; Newton's ONNX reader takes one only."""
    dropout: float = 0.1
    """Share of the units switched off between layers and before the head, while training only."""
    head: int = 32
    """Units between the LSTM and the torque."""
    window: float = 0.25
    """Time through which gradients flow back; the state is carried on from window to window [s]."""
    span: float = 4.0
    """Length of the pieces a stretch is cut into, trained side by side [s]."""
    warm_up: float = 0.2
    """Time at a piece's cold start that lets the state settle and does not count in the loss [s]."""

    def __post_init__(self) -> None:
        if not (0 < self.hidden <= 4096 and 0 < self.layers <= 8 and 0 < self.head <= 4096):
            raise ValueError("an LSTM has 1 to 8 layers of 1 to 4096 units and a head of 1 to 4096")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")
        if not (0.0 < self.window <= self.span and 0.0 <= self.warm_up < self.span):
            raise ValueError("window and warm_up must fit into span")


@dataclass(frozen=True)
class Training:
    """How the net is fitted (Adam, mean squared error)."""

    learning_rate: float = 8e-4
    """Step size of Adam at the first epoch."""
    final_rate: float = 1.0
    """Share of `learning_rate` left at the last epoch, reached along half a cosine; 1 keeps it constant."""
    batch: int = 4096
    """MLP: samples per step. LSTM: pieces (one joint each) side by side."""
    epochs: int = 300
    """Passes over the training rows at most."""
    patience: int = 10
    """Epochs without a better validation loss before it stops."""
    balanced: bool = False
    """Whether every recording counts alike, however few of the rows are its own."""

    def __post_init__(self) -> None:
        if not 0.0 < self.learning_rate <= 1.0 or not 0.0 < self.final_rate <= 1.0:
            raise ValueError("learning_rate and final_rate must be above 0 and at most 1")
        if min(self.batch, self.epochs, self.patience) < 1:
            raise ValueError("batch, epochs and patience must be at least 1")


@dataclass(frozen=True)
class Split:
    """Which rows train, which stop the training and which only judge it."""

    train: float = 0.7
    """Share that trains; what `train` and `validation` leave is the test."""
    validation: float = 0.15
    """Share that decides when to stop and which epoch is best."""
    hold_out: tuple[str, ...] = ()
    """Names of segments that are the test (`*` stands for anything); then train and validation share the rest."""
    cycle: float = 4.0
    """With few recordings and segments: each is cut into cycles of this length, each cycle into the three parts [s]."""

    def __post_init__(self) -> None:
        if not (0.0 < self.train < 1.0 and 0.0 < self.validation < 1.0 and self.train + self.validation <= 1.0):
            raise ValueError("train and validation must be above 0 and together at most 1")
        if not self.cycle >= 0.5:
            raise ValueError(f"cycle must be at least 0.5 s, got {self.cycle}")


@dataclass(frozen=True)
class TrainConfig:
    """One training: exactly one of `mlp` and `lstm` is given."""

    features: Features
    """What the net sees."""
    mlp: MLPShape | None = None
    """Train an MLP of this shape."""
    lstm: LSTMShape | None = None
    """Train an LSTM of this shape."""
    label: Label = "tau_est"
    """The torque it learns: what the motor reports, or what moved the joint, its friction included (tau_joint)."""
    training: Training = field(default_factory=Training)
    """How it is fitted."""
    split: Split = field(default_factory=Split)
    """On which rows."""

    def __post_init__(self) -> None:
        if (self.mlp is None) == (self.lstm is None):
            raise ValueError("give exactly one of mlp and lstm")
        if self.lstm and self.features != Features(self.features.step):
            raise ValueError("an LSTM sees kp·e and kd·dq of this step alone: lags [0] and nothing more")

    @property
    def kind(self) -> Kind:
        """`mlp` or `lstm`, which is also the net's name among the predictors."""
        return "mlp" if self.mlp else "lstm"
