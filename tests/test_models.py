"""The nets: their sizes, their contract with Isaac Lab, and their scaling inside."""

from __future__ import annotations

import pytest
import torch

from collect.joints import JOINTS, KINDS
from identify.features import Features
from identify.models import GRU, LSTM, MLP, Softsign, StatelessLSTM, build
from identify.settings import LSTMShape, MLPShape, StatelessShape, TrainConfig

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # Isaac Lab loads nothing newer

FEATURES = Features(0.005, (0.0, 0.005, 0.010))


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_mlp_is_six_by_four_hundred() -> None:
    """6·100+100 + 3·(100·100+100) + 100+1 parameters, one torque per row."""
    model = build(TrainConfig(FEATURES, mlp=MLPShape()))
    assert isinstance(model, MLP)
    assert parameters(model) == 700 + 3 * 10100 + 101
    assert model(torch.zeros(5, 6)).shape == (5, 1)


def test_the_lstm_is_two_by_sixty_four_with_a_head() -> None:
    """2 inputs, two layers, 64 → 32 → 1, and the names that Isaac Lab reads its sizes from."""
    model = build(TrainConfig(Features(0.005), lstm=LSTMShape()))
    assert isinstance(model, LSTM)
    lstm = 4 * 64 * (2 + 64 + 2) + 4 * 64 * (64 + 64 + 2)
    assert parameters(model) == lstm + 64 * 32 + 32 + 33
    assert len(model.lstm.state_dict()) // 4 == 2
    assert model.lstm.state_dict()["weight_hh_l0"].shape[1] == 64


def test_carrying_the_state_equals_one_long_call() -> None:
    """In eval mode, step by step and all at once are the same function."""
    torch.manual_seed(0)
    model = LSTM(LSTMShape(hidden=8, head=4)).eval()
    x = torch.randn(3, 7, 2)
    whole, _ = model(x, model.rest(3))
    state, steps = model.rest(3), []
    for k in range(7):
        torque, state = model(x[:, k : k + 1], state)
        steps.append(torque)
    torch.testing.assert_close(torch.cat(steps, 1), whole)


def test_a_gru_carries_its_state_as_well() -> None:
    """One state instead of two, otherwise called alike."""
    torch.manual_seed(0)
    model = build(TrainConfig(Features(0.005), gru=LSTMShape(hidden=8, head=4))).eval()
    assert isinstance(model, GRU)
    x = torch.randn(3, 7, 2)
    whole, _ = model(x, model.rest(3))
    first, state = model(x[:, :4], model.rest(3))
    last, _ = model(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, last], 1), whole)
    assert not torch.allclose(model(x[:, 4:], model.rest(3))[0], last)


def test_a_stateless_lstm_is_one_call_of_an_lstm_from_rest() -> None:
    """All columns at a time, and no row knows of another."""
    torch.manual_seed(0)
    model = build(TrainConfig(FEATURES, stateless_lstm=StatelessShape(hidden=8, head=4))).eval()
    assert isinstance(model, StatelessLSTM)
    assert model.lstm.weight_ih_l0.shape == (4 * 8, 6)
    x, rest = torch.randn(5, 6), torch.zeros(2, 5, 8)
    hidden, _ = model.lstm(x[:, None], (rest, rest))
    torch.testing.assert_close(model(x), model.head(hidden[:, 0]))
    torch.testing.assert_close(model(x.flip(0)).flip(0), model(x))


@pytest.mark.parametrize("told", ["kind_identity", "joint_identity"])
def test_layers_per_kind_serve_their_own_kind_alone(told: str) -> None:
    """With the hips' layers silenced, hips are silent and nobody else hears of it; a script answers alike."""
    torch.manual_seed(0)
    features = Features(0.005, **{told: True})
    model = build(TrainConfig(features, mlp=MLPShape(8, 2, per_kind=True))).eval()
    seen = torch.cat([torch.randn(12, 2), torch.from_numpy(features.identity)], dim=1)
    before = model(seen)
    for parameter in model.net.nets[KINDS.index("hip")].parameters():
        torch.nn.init.zeros_(parameter)
    after, hip = model(seen), torch.tensor([joint.kind == "hip" for joint in JOINTS])
    assert (after[hip] == 0.0).all()
    assert (before[hip] != 0.0).all()
    torch.testing.assert_close(after[~hip], before[~hip])
    torch.testing.assert_close(torch.jit.script(model)(seen), after)


def test_dropout_works_in_training_and_is_off_in_eval() -> None:
    """Two calls in training differ, two in eval do not."""
    model, x = LSTM(LSTMShape(dropout=0.5)), torch.randn(4, 3, 2)
    assert not torch.equal(model.train()(x, model.rest(4))[0], model(x, model.rest(4))[0])
    assert torch.equal(model.eval()(x, model.rest(4))[0], model(x, model.rest(4))[0])


@pytest.mark.parametrize("model", [MLP(2, MLPShape(8, 1)), LSTM(LSTMShape(8))])
def test_scales_live_inside_and_are_saved(model: MLP | LSTM) -> None:
    """Inputs ten times larger under a scale ten times larger give the same torque, times the output's scale."""
    model.eval()

    def call(x: torch.Tensor) -> torch.Tensor:
        return model(x) if isinstance(model, MLP) else model(x[:, None], model.rest(len(x)))[0][:, 0]

    x = torch.randn(5, 2)
    plain = call(x)
    model.input_scale.fill_(10.0)
    model.output_scale.fill_(3.0)
    torch.testing.assert_close(call(10.0 * x), 3.0 * plain)
    assert {"input_scale", "output_scale"} <= model.state_dict().keys()


def test_both_nets_can_be_scripted() -> None:
    """TorchScript answers like the net itself."""
    mlp, lstm = MLP(6, MLPShape(8, 2)).eval(), LSTM(LSTMShape(8)).eval()
    x, seen = torch.randn(4, 6), torch.randn(4, 1, 2)
    torch.testing.assert_close(torch.jit.script(mlp)(x), mlp(x))
    torch.testing.assert_close(torch.jit.script(lstm)(seen, lstm.rest(4))[0], lstm(seen, lstm.rest(4))[0])


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, "exactly one"),
        ({"mlp": MLPShape(), "lstm": LSTMShape()}, "exactly one"),
        ({"lstm": LSTMShape()}, "of this step alone"),
        ({"gru": LSTMShape()}, "a gru sees .* of this step alone"),
        ({"gru": LSTMShape(), "stateless_lstm": StatelessShape()}, "exactly one"),
        ({"mlp": MLPShape(per_kind=True)}, "per_kind needs"),
    ],
)
def test_a_configuration_describes_one_net(shapes: dict, message: str) -> None:
    """None, both, or an LSTM with lags is a mistake."""
    with pytest.raises(ValueError, match=message):
        TrainConfig(FEATURES, **shapes)


def test_the_softsign_is_torchs_with_the_same_slope() -> None:
    """Values, gradients and what a script makes of it."""
    x = torch.linspace(-5.0, 5.0, 101, dtype=torch.float64, requires_grad=True)
    usual = torch.nn.functional.softsign(x)
    torch.testing.assert_close(Softsign()(x), usual)
    torch.testing.assert_close(torch.autograd.grad(Softsign()(x).sum(), x), torch.autograd.grad(usual.sum(), x))
    torch.testing.assert_close(torch.jit.script(Softsign())(x), usual)
