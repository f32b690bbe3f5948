"""The loop of a training: epochs until patience runs out, each of them safe on disk before the next."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, isfinite, pi, sqrt
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from collect.errors import UserError
from identify.batches import Pieces, Samples
from identify.models import MLP, Model, build
from identify.runs import write_bytes, write_tensors
from identify.settings import TrainConfig, Training


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows achieved."""

    number: int
    """From 1."""
    train: float
    """RMSE while training, dropout on [Nm]."""
    validation: float
    """RMSE on the validation rows [Nm]."""
    best: float
    """Lowest validation RMSE so far [Nm]."""
    stale: int
    """Epochs since then."""


@dataclass
class _State:
    """What a resumed training needs besides the net."""

    optimizer: torch.optim.Adam
    average: AveragedModel | None
    """Of the net's weights over the last steps, where the configuration asks for it."""
    history: list[Epoch]


def fit(
    config: TrainConfig,
    training: Samples | Pieces,
    validation: Samples | Pieces,
    out: Path,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[Epoch], None],
) -> None:
    """Train a net in a run folder, from last.pt on if there is one, until patience or epochs run out.

    best.pt, last.pt and history.csv are on disk after every epoch.

    Args:
        config: what to train and how.
        training: what it learns from.
        validation: what says which epoch is best and when to stop.
        out: the run folder.
        seed: of every random number.
        device: where the data is and the net shall be.
        report: called after every epoch.

    Raises:
        UserError: when last.pt cannot be read or the loss is no longer finite.
    """
    torch.manual_seed(seed)
    model = build(config).to(device)
    _scale(model, training)
    if isinstance(model, MLP) and isinstance(training, Samples) and config.mlp and config.mlp.residual:
        _draw_line(model, training)
    state = _State(adam(model, config.training), averaged(model, config.training), [])
    kept = state.average.module if state.average else model
    if (out / "last.pt").is_file():
        _restore(out / "last.pt", model, state, device)
    while not _finished(config.training, state.history):
        number = len(state.history) + 1
        # Every epoch has its own random numbers, so that a resumed one draws what an uninterrupted one would.
        torch.manual_seed(seed * 1_000_003 + number)
        order = torch.Generator().manual_seed(seed * 1_000_003 + number)
        _set_rate(state.optimizer, config.training, number)
        loss = learn(model.train(), training, state.optimizer, order, state.average)
        epoch = _judged(state.history, loss, validate(kept, validation))
        state.history.append(epoch)
        if epoch.stale == 0:
            write_tensors(out / "best.pt", {name: value.cpu() for name, value in kept.state_dict().items()})
        _save(out, model, state)
        report(epoch)


def _finished(training: Training, history: list[Epoch]) -> bool:
    return bool(history) and (len(history) >= training.epochs or history[-1].stale >= training.patience)


def _scale(model: Model, training: Samples | Pieces) -> None:
    """Set the scales to the root mean square of what the training rows hold; a joint's identity keeps 1."""
    x, y = training.x, training.y
    if isinstance(training, Pieces):
        x, y = x[training.counts > 0], y[training.counts > 0]
    identity = (x.amin(0) == 0.0) & (x.amax(0) == 1.0)
    scale = x.square().mean(0).sqrt()
    model.input_scale.copy_(torch.where(identity | (scale == 0.0), torch.ones_like(scale), scale))
    rms = y.square().mean().sqrt()
    model.output_scale.copy_(torch.where(rms == 0.0, torch.ones_like(rms), rms))


def _draw_line(model: MLP, training: Samples) -> None:
    """Set the line to the least squares of the training rows, in the net's own scales and in double precision."""
    width = training.x.shape[1]
    gram = torch.zeros(width, width, dtype=torch.float64, device=training.x.device)
    moment = gram.new_zeros(width, 1)
    for x, y, weight in zip(*(all_.split(1 << 16) for all_ in (training.x, training.y, training.weight)), strict=True):
        scaled = (x / model.input_scale).double()
        gram += scaled.T @ (scaled * weight)
        moment += scaled.T @ (y / model.output_scale * weight).double()
    # Neighbouring lags say nearly the same: a millionth of ridge keeps their weights from growing against each other.
    ridge = 1e-6 * gram.diagonal().mean() * torch.eye(width, dtype=torch.float64, device=gram.device)
    model.line.copy_(torch.linalg.solve(gram + ridge, moment))


def adam(model: nn.Module, training: Training) -> torch.optim.Adam:
    """The optimiser; fused, for small nets spend much of a step in it."""
    return torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)


def averaged(model: nn.Module, training: Training) -> AveragedModel | None:
    """The running average of a net's weights, where a training asks for it."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(training.averaging)) if training.averaging else None


def _set_rate(optimizer: torch.optim.Adam, training: Training, number: int) -> None:
    share = 0.5 * (1.0 + cos(pi * (number - 1) / max(1, training.epochs - 1)))
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate * (training.final_rate + (1.0 - training.final_rate) * share)


def learn(
    model: Any,
    training: Any,
    optimizer: torch.optim.Adam,
    order: torch.Generator,
    average: AveragedModel | None = None,
) -> float:
    """One pass over samples or pieces, a step of the optimiser for each batch; returns its RMSE [Nm]."""
    total, count = torch.zeros((), device=model.output_scale.device), 0.0
    for loss, values in training.losses(model, order):
        if values > 0:
            optimizer.zero_grad()
            (loss / values / model.output_scale.square()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if average:
                average.update_parameters(model)
            total += loss.detach()
            count += float(values)
    return _rmse(float(total), count)


@torch.no_grad()
def validate(model: Any, validation: Any) -> float:
    """RMSE of a net, dropout off, on samples or pieces [Nm].

    Raises:
        UserError: when it is not finite: the training has diverged.
    """
    model.eval()
    losses = [(float(loss), float(values)) for loss, values in validation.losses(model, None)]
    return _rmse(sum(loss for loss, _ in losses), sum(values for _, values in losses))


def _rmse(total: float, count: float) -> float:
    if not isfinite(total):
        fix = "lower training.learning_rate; --resume starts from the last sound epoch"
        raise UserError("the loss is not finite, the training has diverged", where="the training", fix=fix)
    return sqrt(total / count)


def _judged(history: list[Epoch], train: float, validation: float) -> Epoch:
    number = len(history) + 1
    if not history or validation < history[-1].best:
        return Epoch(number, train, validation, validation, 0)
    return Epoch(number, train, validation, history[-1].best, history[-1].stale + 1)


def _save(out: Path, model: nn.Module, state: _State) -> None:
    history = [list(vars(epoch).values()) for epoch in state.history]
    content = {"model": model.state_dict(), "optimizer": state.optimizer.state_dict(), "history": history}
    if state.average:
        content["average"] = state.average.state_dict()
    write_tensors(out / "last.pt", content)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "train_rmse_nm", "validation_rmse_nm", "best_rmse_nm", "stale"])
    writer.writerows(history)
    write_bytes(out / "history.csv", text.getvalue().encode())


def _restore(last: Path, model: nn.Module, state: _State, device: torch.device) -> None:
    try:
        content = torch.load(last, map_location=device, weights_only=True)
        model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        if state.average:
            state.average.load_state_dict(content["average"])
        state.history.extend(Epoch(*row) for row in content["history"])
    except Exception as error:
        raise UserError("cannot go on from last.pt", where=str(last), fix="start another run") from error
