"""One training, from recordings to a run folder: stopped early, resumed exactly, never half written."""

from __future__ import annotations

import csv
import io
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, isfinite, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from collect.config import dump
from collect.config import load as load_config
from collect.errors import UserError
from collect.joints import BY_KIND
from collect.recording import sha256_of
from identify import baselines, split
from identify.batches import Pieces, Samples, pieces, samples
from identify.dataset import Series
from identify.models import LSTM, MLP, build
from identify.runs import Facts, Gains, Ranges, Run, Source, load, read_facts, write_bytes, write_facts, write_tensors
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
    history: list[Epoch]


def train(
    config: TrainConfig,
    data: Sequence[Series],
    out: Path,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> Run:
    """Train one net.

    Args:
        config: what to train and how.
        data: the recordings; which rows train is decided by `identify.split`.
        out: the run folder; it must not exist unless `resume`.
        seed: of every random number.
        device: where.
        resume: go on where `out` stopped; on a CPU the result is that of an uninterrupted training, bit by bit.
        report: called after every epoch.

    Raises:
        UserError: when `out` exists, or cannot be resumed with this configuration, data and seed; when a
            part has no rows; when the loss is no longer finite.
    """
    assignments = split.assign(data, config.split)
    parts = [split.rows(one, assignments, config.split, split.gap(config)) for one in data]
    training, validation = ([part == which for part in parts] for which in (split.TRAIN, split.VALIDATION))
    for name, rows in (("training", training), ("validation", validation)):
        if not any(one.any() for one in rows):
            raise UserError(f"there are no {name} rows", where="the split", fix="give longer or more recordings")
    if resume:
        _check_resumable(config, data, out, seed)
    else:
        facts = Facts(
            kind=config.kind,
            label="tau_est",
            seed=seed,
            sources=tuple(Source(one.name, one.sha256) for one in data),
            split=assignments,
            gains=_gains(data, training),
            baselines=baselines.fit(config.features, data, training),
            versions=(f"python {platform.python_version()}", f"torch {torch.__version__}", f"numpy {np.__version__}"),
        )
        _create(config, facts, out)
    served = [_serve(config, data, rows, torch.device(device)) for rows in (training, validation)]
    _fit(config, served[0], served[1], out, seed, torch.device(device), report)
    facts = read_facts(out)
    write_facts(out, Facts(**(vars(facts) | {"best_sha256": sha256_of(out / "best.pt")})))
    return load(out)


def _create(config: TrainConfig, facts: Facts, out: Path) -> None:
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        fix = "choose another name, or go on with --resume"
        raise UserError("the run exists and is never overwritten", where=str(out), fix=fix) from None
    except OSError as error:
        raise UserError(f"cannot make the run: {error.strerror}", where=str(out), fix="check the path") from error
    write_bytes(out / "config.yaml", dump(config).encode())
    write_facts(out, facts)


def _check_resumable(config: TrainConfig, data: Sequence[Series], out: Path, seed: int) -> None:
    facts = read_facts(out)
    differs = {
        "the configuration": load_config(out / "config.yaml", TrainConfig) != config,
        "the data": facts.sources != tuple(Source(one.name, one.sha256) for one in data),
        "the seed": facts.seed != seed,
    }
    for what, different in differs.items():
        if different:
            fix = "resume with what the run was started with, or start another"
            raise UserError(f"{what} is not that of the run", where=str(out), fix=fix)


def _gains(data: Sequence[Series], training: Sequence[np.ndarray]) -> Gains:
    def ranges(name: str) -> Ranges:
        values = np.concatenate([getattr(one, name)[rows] for one, rows in zip(data, training, strict=True)])
        low, high = values.min(0), values.max(0)
        return Ranges(**{kind: (float(low[i].min()), float(high[i].max())) for kind, i in BY_KIND.items()})

    return Gains(kp=ranges("kp"), kd=ranges("kd"))


def _serve(
    config: TrainConfig, data: Sequence[Series], rows: Sequence[np.ndarray], device: torch.device
) -> Samples | Pieces:
    if config.lstm:
        return pieces(config.features, config.lstm, data, rows, config.training.batch, device)
    return samples(config.features, data, rows, config.training.batch, device)


def _fit(
    config: TrainConfig,
    training: Any,
    validation: Any,
    out: Path,
    seed: int,
    device: torch.device,
    report: Callable[[Epoch], None],
) -> None:
    """Epochs until patience runs out; best.pt and last.pt are on disk after each."""
    torch.manual_seed(seed)
    model = build(config).to(device)
    _scale(model, training)
    state = _State(torch.optim.Adam(model.parameters(), lr=config.training.learning_rate), [])
    if (out / "last.pt").is_file():
        _restore(out / "last.pt", model, state, device)
    while not _finished(config.training, state.history):
        number = len(state.history) + 1
        # Every epoch has its own random numbers, so that a resumed one draws what an uninterrupted one would.
        torch.manual_seed(seed * 1_000_003 + number)
        order = torch.Generator().manual_seed(seed * 1_000_003 + number)
        _set_rate(state.optimizer, config.training, number)
        loss = _learn(model.train(), training, state.optimizer, order)
        epoch = _judged(state.history, loss, validate(model, validation))
        state.history.append(epoch)
        if epoch.stale == 0:
            write_tensors(out / "best.pt", {name: value.cpu() for name, value in model.state_dict().items()})
        _save(out, model, state)
        report(epoch)


def _finished(training: Training, history: list[Epoch]) -> bool:
    return bool(history) and (len(history) >= training.epochs or history[-1].stale >= training.patience)


def _scale(model: MLP | LSTM, training: Samples | Pieces) -> None:
    """Set the scales to the root mean square of what the training rows hold; a joint's identity keeps 1."""
    x, y = training.x, training.y
    if isinstance(training, Pieces):
        x, y = x[training.counts > 0], y[training.counts > 0]
    identity = (x.amin(0) == 0.0) & (x.amax(0) == 1.0)
    scale = x.square().mean(0).sqrt()
    model.input_scale.copy_(torch.where(identity | (scale == 0.0), torch.ones_like(scale), scale))
    rms = y.square().mean().sqrt()
    model.output_scale.copy_(torch.where(rms == 0.0, torch.ones_like(rms), rms))


def _set_rate(optimizer: torch.optim.Adam, training: Training, number: int) -> None:
    share = 0.5 * (1.0 + cos(pi * (number - 1) / max(1, training.epochs - 1)))
    for group in optimizer.param_groups:
        group["lr"] = training.learning_rate * (training.final_rate + (1.0 - training.final_rate) * share)


def _learn(model: Any, training: Any, optimizer: torch.optim.Adam, order: torch.Generator) -> float:
    """One epoch; returns its RMSE [Nm]."""
    total, count = torch.zeros((), device=model.output_scale.device), 0.0
    for loss, values in training.losses(model, order):
        if values > 0:
            optimizer.zero_grad()
            (loss / values / model.output_scale.square()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
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
    return float(np.sqrt(total / count))


def _judged(history: list[Epoch], train: float, validation: float) -> Epoch:
    number = len(history) + 1
    if not history or validation < history[-1].best:
        return Epoch(number, train, validation, validation, 0)
    return Epoch(number, train, validation, history[-1].best, history[-1].stale + 1)


def _save(out: Path, model: nn.Module, state: _State) -> None:
    history = [list(vars(epoch).values()) for epoch in state.history]
    content = {"model": model.state_dict(), "optimizer": state.optimizer.state_dict(), "history": history}
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
        state.history.extend(Epoch(*row) for row in content["history"])
    except Exception as error:
        raise UserError("cannot go on from last.pt", where=str(last), fix="start another run") from error
