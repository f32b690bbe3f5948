"""One training, from recordings to a run folder that explains itself."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from collect.config import dump
from collect.config import load as load_config
from collect.errors import UserError
from collect.joints import BY_KIND
from collect.recording import sha256_of
from identify import baselines, split, through
from identify.batches import Pieces, Samples, pieces, samples
from identify.dataset import Series
from identify.fit import Epoch, fit
from identify.runs import Facts, Gains, Ranges, Run, Source, load, read_facts, write_bytes, write_facts
from identify.settings import TrainConfig


def train(
    config: TrainConfig,
    data: Sequence[Series],
    out: Path,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
    report: Callable[[Epoch], None] = lambda epoch: None,
    report_pass: Callable[[through.Pass], None] = lambda one: None,
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
        report_pass: called after every pass through the replay, if the configuration asks for them.

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
            label=config.label,
            seed=seed,
            sources=tuple(Source(one.name, one.sha256) for one in data),
            split=assignments,
            gains=_gains(data, training),
            baselines=baselines.fit(config.features, data, training),
            kd_in_steps=any((one.kd != one.kd_commanded).any() for one in data),
            versions=(f"python {platform.python_version()}", f"torch {torch.__version__}", f"numpy {np.__version__}"),
        )
        _create(config, facts, out)
    target = torch.device(device)
    learned, watched = (serve(config, data, rows, target) for rows in (training, validation))
    if not (out / "through.pt").is_file():
        fit(config, learned, watched, out, seed=seed, device=target, report=report)
    if config.through:
        through.learn(config, data, training, validation, out, seed=seed, device=target, report=report_pass)
    write_facts(out, dataclasses.replace(read_facts(out), best_sha256=sha256_of(out / "best.pt")))
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

    return Gains(kp=ranges("kp"), kd=ranges("kd_commanded"))


def serve(
    config: TrainConfig, data: Sequence[Series], rows: Sequence[np.ndarray], device: torch.device
) -> Samples | Pieces:
    """The chosen rows of all recordings, as the configured net learns from them."""
    training = config.training
    if config.recurrent:
        return pieces(config.features, config.recurrent, data, rows, training.batch, device, balanced=training.balanced)
    return samples(config.features, data, rows, training.batch, device, balanced=training.balanced)
