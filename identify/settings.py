"""What a training can be told: the YAML files in configs/identify are these classes written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from collect.config import require
from identify.dataset import Label
from identify.features import Features

Kind = Literal["mlp", "lstm", "gru", "stateless_lstm"]
NETS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class MLPShape:
    """A feed-forward net on the lagged inputs."""

    hidden: int = 100
    """Units per layer."""
    layers: int = 4
    """Hidden layers, softsign between them."""
    residual: bool = False
    """Whether the layers learn only what the straight line through the same inputs leaves."""
    per_kind: bool = False
    """Whether hips, thighs and calves have layers of their own; which of them it is, the features must tell."""

    def __post_init__(self) -> None:
        if not (0 < self.hidden <= 4096 and 0 < self.layers <= 32):
            raise ValueError("an MLP has 1 to 32 layers of 1 to 4096 units")


@dataclass(frozen=True)
class LSTMShape:
    """A recurrent net, LSTM or GRU, on kp·e and kd·dq of this step; its past is in its state."""

    hidden: int = 64
    """Units per layer."""
    layers: int = 2
    """Stacked layers; Newton's ONNX reader takes one only."""
    dropout: float = 0.1
    """Share of the units switched off between layers and before the head, while training only."""
    head: int = 32
    """Units between them and the torque."""
    window: float = 0.25
    """Time through which gradients flow back; the state is carried on from window to window [s]."""
    span: float = 4.0
    """Length of the pieces a stretch is cut into, trained side by side [s]."""
    warm_up: float = 0.2
    """Time at a piece's cold start that lets the state settle and does not count in the loss [s]."""

    def __post_init__(self) -> None:
        require(
            lambda: (
                (0 < self.hidden <= 4096 and 0 < self.layers <= 8 and 0 < self.head <= 4096)
                or "a recurrent net has 1 to 8 layers of 1 to 4096 units and a head of 1 to 4096"
            ),
            lambda: 0.0 <= self.dropout < 1.0 or f"dropout must be from 0 to below 1, got {self.dropout}",
            lambda: (
                (0.0 < self.window <= self.span and 0.0 <= self.warm_up < self.span)
                or "window and warm_up must fit into span"
            ),
        )


@dataclass(frozen=True)
class StatelessShape:
    """An LSTM asked once, from rest, with all lags at a time: for comparison with what others call an LSTM."""

    hidden: int = 64
    """Units per layer."""
    layers: int = 2
    """Stacked layers."""
    dropout: float = 0.1
    """Share of the units switched off between layers and before the head, while training only."""
    head: int = 32
    """Units between them and the torque."""

    def __post_init__(self) -> None:
        LSTMShape(self.hidden, self.layers, self.dropout, self.head)


@dataclass(frozen=True)
class Training:
    """How the net is fitted (Adam, mean squared error)."""

    learning_rate: float = 8e-4
    """Step size of Adam at the first epoch."""
    final_rate: float = 1.0
    """Share of `learning_rate` left at the last epoch, reached along half a cosine; 1 keeps it constant."""
    batch: int = 4096
    """Samples per step; of a net with a state pieces (one joint each) side by side."""
    epochs: int = 300
    """Passes over the training rows at most."""
    patience: int = 10
    """Epochs without a better validation loss before it stops."""
    balanced: bool = False
    """Whether every recording counts alike, however few of the rows are its own."""
    averaging: float = 0.0
    """Share of the running average of the weights that a step keeps; the average is what is judged and kept, 0 none.

    Steps are noisy where few pieces share one; their average is not (Polyak and Juditsky 1992,
    doi:10.1137/0330046).
    """

    def __post_init__(self) -> None:
        require(
            lambda: (
                (0.0 < self.learning_rate <= 1.0 and 0.0 < self.final_rate <= 1.0)
                or "learning_rate and final_rate must be above 0 and at most 1"
            ),
            lambda: min(self.batch, self.epochs, self.patience) >= 1 or "batch, epochs and patience must be at least 1",
            lambda: 0.0 <= self.averaging < 1.0 or f"averaging must be from 0 to below 1, got {self.averaging}",
        )


PUSH_HORIZON = 0.2
"""How long a push may take to be forgotten: a motion and its pushed twin run so long, the second
half is judged [s]."""
LEAST_KD = 2.0
"""With less damping a push is not forgotten by then: of its speed exp(−kd·t / inertia) is left, 1 % here after .1 s of
.04 kg·m², the most about a joint of a leg that hangs [Nm·s/rad]."""


@dataclass(frozen=True)
class Through:
    """A second training of a net of joint torque, through the replay: on the motion, many steps long."""

    epochs: int = 60
    """Passes over the training pieces."""
    learning_rate: float = 1e-3
    """Step size of Adam at the first pass; it falls to a fiftieth along half a cosine."""
    piece: float = 1.0
    """Length of the pieces that are moved side by side, each from its measured state [s]."""
    window: float = 0.2
    """Time through which gradients flow back; the state is carried on from window to window [s]."""
    stable_to: float = 0.0
    """Up to which kd, above the recorded, a push must be forgotten too (`identify.contraction`); 0 asks for nothing
    [Nm·s/rad]."""

    def __post_init__(self) -> None:
        require(
            lambda: (
                (self.epochs >= 1 and 0.0 < self.learning_rate <= 1.0)
                or "epochs must be at least 1, learning_rate above 0 and at most 1"
            ),
            lambda: 0.0 < self.window <= self.piece or "window must be above 0 and fit into piece",
            lambda: (
                self.stable_to == 0.0
                or (LEAST_KD <= self.stable_to <= 100.0 and self.piece >= PUSH_HORIZON)
                or f"stable_to must be 0, or {LEAST_KD:g} to 100 Nm·s/rad with pieces of at least {PUSH_HORIZON:g} s: "
                "a push is not forgotten with less damping, or sooner"
            ),
        )


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
        require(
            lambda: (
                (0.0 < self.train < 1.0 and 0.0 < self.validation < 1.0 and self.train + self.validation <= 1.0)
                or "train and validation must be above 0 and together at most 1"
            ),
            lambda: self.cycle >= 0.5 or f"cycle must be at least 0.5 s, got {self.cycle}",
        )


@dataclass(frozen=True)
class TrainConfig:
    """One training: exactly one of `mlp`, `lstm`, `gru` and `stateless_lstm` is given."""

    features: Features
    """What the net sees."""
    mlp: MLPShape | None = None
    """Train an MLP of this shape."""
    lstm: LSTMShape | None = None
    """Train an LSTM of this shape."""
    gru: LSTMShape | None = None
    """Train a GRU of this shape; no simulator calls one."""
    stateless_lstm: StatelessShape | None = None
    """Train an LSTM without memory of this shape, for comparison; no simulator calls one."""
    label: Label = "tau_est"
    """The torque it learns: what the motor reports, or what moved the joint, its friction included (tau_joint)."""
    training: Training = field(default_factory=Training)
    """How it is fitted."""
    split: Split = field(default_factory=Split)
    """On which rows."""
    through: Through | None = None
    """Train on through the replay afterwards."""

    def __post_init__(self) -> None:
        require(
            lambda: (
                sum(getattr(self, kind) is not None for kind in NETS) == 1 or f"give exactly one of {', '.join(NETS)}"
            ),
            lambda: (
                self.recurrent is None
                or self.features == Features(self.features.step, target_hold=self.features.target_hold)
                or f"a {self.kind} sees kp·e and kd·dq of this step alone: lags [0] and nothing more"
            ),
            lambda: (
                not (self.mlp and self.mlp.per_kind and not self.features.identity.shape[1])
                or "mlp.per_kind needs features.kind_identity or features.joint_identity"
            ),
            lambda: (
                not (self.through and (self.mlp is None or self.label != "tau_joint" or self._odd))
                or "through needs an mlp, label tau_joint, and lags that are multiples of the step"
            ),
        )

    @property
    def _odd(self) -> bool:
        """Whether a lag is no multiple of the step."""
        step = self.features.step
        return any(abs(lag / step - round(lag / step)) > 1e-6 for lag in self.features.lags)

    @property
    def kind(self) -> Kind:
        """Which net it is, which is also its name among the predictors."""
        return next(kind for kind in NETS if getattr(self, kind) is not None)

    @property
    def recurrent(self) -> LSTMShape | None:
        """The shape of a net whose past is in its state; None of one that sees its past."""
        return self.lstm or self.gru
