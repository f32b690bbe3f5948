"""The second training of a net of joint torque: through the replay (`identify.unrolled`), on the error of the motion.

    loss = mean((q_replayed − q)² / SCALE²)

Where it is asked for, a push must be forgotten under more damping than was recorded as well (`identify.contraction`).
It starts from the net that the one-step training found. Its length is fixed, as the cosine that the step size follows
needs: validation is watched and does not stop it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collect.errors import UserError
from identify import contraction
from identify.dataset import Series
from identify.models import MLP, build
from identify.runs import write_bytes, write_tensors
from identify.settings import Through, TrainConfig
from identify.unrolled import Pieces, Surrogate, Track, pieces, tracks, windows

SCALE = 0.005
"""Error at which the loss is one [rad]: about what one-step training leaves."""
_WATCHED = 0.5
"""Length of the validation pieces [s]: a run of validation rows holds little more."""


@dataclass(frozen=True)
class Pass:
    """What one pass over the training pieces achieved."""

    number: int
    """From 1."""
    train: float
    """Position error while training, rms [mrad]."""
    validation: float
    """Of the validation rows' pieces, rms [mrad]; NaN where none is long enough."""
    left: float = 0.0
    """Share of a push that was left beyond the recorded kd, rms; 0 where that was not asked for."""


def learn(
    config: TrainConfig,
    data: Sequence[Series],
    training: Sequence[NDArray[np.bool_]],
    validation: Sequence[NDArray[np.bool_]],
    out: Path,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[Pass], None],
) -> None:
    """Train the best.pt of a run folder on, from through.pt if there is one; the last pass's net is the best.

    through.pt and through.csv are on disk after every pass.

    Args:
        config: its `through` says how.
        data: the recordings.
        training: of each, the rows to learn from.
        validation: of each, the rows that only judge.
        out: the run folder.
        seed: of every random number.
        device: where the pieces and the net shall be.
        report: called after every pass.

    Raises:
        UserError: when no run of training rows is as long as a piece, or the motion diverges.
    """
    how, model = config.through or Through(), build(config)
    if not isinstance(model, MLP):
        raise TypeError("only an MLP is trained through the replay")
    model.load_state_dict(torch.load(out / "best.pt", weights_only=True))
    model.to(device)
    surrogate, length = Surrogate(config.features, model), round(how.piece / config.features.step)
    learned, watched = (
        [track for one, kept in zip(data, rows, strict=True) for track in tracks(config.features, one, kept)]
        for rows in (training, validation)
    )
    weights = [*model.parameters(), *([model.line.requires_grad_(True)] if model.residual else [])]
    optimizer = torch.optim.Adam(weights)
    done: list[Pass] = []
    if (out / "through.pt").is_file():
        done = _restore(out / "through.pt", model, optimizer, device)
    while len(done) < how.epochs:
        number = len(done) + 1
        # As in one-step training a resumed pass draws what an uninterrupted one would.
        draw = np.random.default_rng((seed, number))
        offset = int(draw.integers(0, length // 2))
        optimizer.param_groups[0]["lr"] = how.learning_rate * _share((number - 1) / how.epochs)
        served = pieces(learned, surrogate.past, length, offset, device)
        if served is None:
            fix = "shorten through.piece, or give longer recordings"
            raise UserError("no training rows are as long as a piece", where="the training", fix=fix)
        squares, left = _pass(surrogate, served, how, optimizer, weights, draw)
        done.append(Pass(number, 1e3 * squares**0.5, 1e3 * _judge(surrogate, watched) ** 0.5, left**0.5))
        if not (np.isfinite(squares + left) and all(bool(one.isfinite().all()) for one in weights)):
            raise UserError("the motion has diverged", where="the training", fix="lower through.learning_rate")
        _save(out, model, optimizer, done)
        report(done[-1])
    write_tensors(out / "best.pt", {name: value.detach().cpu() for name, value in model.state_dict().items()})


def _pass(
    surrogate: Surrogate,
    served: Pieces,
    how: Through,
    optimizer: torch.optim.Adam,
    weights: list[Tensor],
    draw: np.random.Generator,
) -> tuple[float, float]:
    """One pass over all pieces side by side, a step of the optimiser for each window.

    Returns:
        Mean squared error [rad²], and what was left of pushes.
    """
    window = round(how.window / surrogate.features.step)
    state, total, calls = surrogate.start(served), np.zeros(2), len(served.q) - 1 - surrogate.past
    for part in windows(surrogate.past, len(served.q) - 1, window):
        moved, state = surrogate.move(served, state, part)
        error = moved - served.q[part.start + 1 : part.stop + 1]
        optimizer.zero_grad()
        left = contraction.left(surrogate, served, how.stable_to, draw)
        ((error / SCALE).square().mean() + torch.log1p(left)).backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        state = state.detached()
        total += len(part) * np.array([float(error.detach().square().mean()), float(left.detach())])
    return float(total[0] / calls), float(total[1] / calls)


@torch.no_grad()
def _judge(surrogate: Surrogate, watched: Sequence[Track]) -> float:
    """Mean squared error over pieces of validation rows, where there are runs of them that long [rad²]."""
    length, device = round(_WATCHED / surrogate.features.step), surrogate.identity.device
    served = pieces(watched, surrogate.past, length, 0, device)
    if served is None:
        return float("nan")
    calls = range(surrogate.past, len(served.q) - 1)
    moved, _ = surrogate.move(served, surrogate.start(served), calls)
    return float((moved - served.q[calls.start + 1 :]).square().mean())


def _share(passed: float) -> float:
    """Of the step size, along half a cosine from all of it to a fiftieth."""
    return 0.02 + 0.98 * 0.5 * (1.0 + cos(pi * passed))


def _save(out: Path, model: MLP, optimizer: torch.optim.Adam, done: Sequence[Pass]) -> None:
    history = [list(vars(one).values()) for one in done]
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": history}
    write_tensors(out / "through.pt", content)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["pass", "train_rmse_mrad", "validation_rmse_mrad", "push_left"])
    writer.writerows(history)
    write_bytes(out / "through.csv", text.getvalue().encode())


def _restore(path: Path, model: MLP, optimizer: torch.optim.Adam, device: torch.device) -> list[Pass]:
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(content["model"])
        optimizer.load_state_dict(content["optimizer"])
        return [Pass(*row) for row in content["done"]]
    except Exception as error:
        raise UserError("cannot go on from through.pt", where=str(path), fix="start another run") from error
