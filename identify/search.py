"""Which net and which inputs: Optuna over both, on the validation part of the recordings to train on.

A study is a file, one JSON line for each thing that happened (Optuna's journal): interrupted it is gone on with, and
any number of processes may work on one at a time. A trial's random numbers depend on its number and the seed alone.
All trials are judged on the same rows, those that the widest inputs leave; the test part is not looked at.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import TrialState

from collect.config import dump, parse
from collect.errors import UserError
from identify import split
from identify.dataset import Series
from identify.fit import Epoch, fit
from identify.settings import TrainConfig
from identify.space import SearchConfig, chosen
from identify.train import serve

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Found:
    """The best trial of a study."""

    number: int
    """Of the trial, from 0."""
    validation: float
    """RMSE on the validation rows, mean over the seeds [Nm]."""
    config: TrainConfig
    """What was trained."""
    ended: int
    """Trials that have ended, pruned and failed ones among them."""


def search(
    config: SearchConfig,
    data: Sequence[Series],
    study_file: Path,
    trials: int,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    report: Callable[[int, float | None], None] = lambda ended, best: None,
) -> Found:
    """Try until a study holds so many trials that have ended, other processes' among them.

    Args:
        config: what to try.
        data: the recordings to train on.
        study_file: the journal; made if there is none.
        trials: how many in all.
        seed: of every random number.
        device: where to train.
        report: called after every trial with how many have ended and the lowest error so far [Nm].

    Raises:
        UserError: when there are no rows, the study is of another search or is none, or no trial came to an end.
    """
    assigned = split.assign(data, config.split)
    parts = [split.rows(one, assigned, config.split, config.look_back) for one in data]
    rows = [[part == which for part in parts] for which in (split.TRAIN, split.VALIDATION)]
    if not all(any(one.any() for one in part) for part in rows):
        fix = "give longer or more recordings, or fewer lags"
        raise UserError("there are no rows to train on or to validate by", where="the split", fix=fix)
    study = _open(config, data, study_file, seed)
    while (ended := len(study.get_trials(deepcopy=False, states=_ENDED))) < trials:
        trial = study.ask()
        study.sampler = optuna.samplers.TPESampler(seed=seed * 1_000_003 + trial.number, multivariate=False)
        try:
            study.tell(trial, _error(trial, config, data, rows, torch.device(device)))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except UserError as error:  # diverged: it says nothing of the others
            trial.set_user_attr("refused", str(error))
            study.tell(trial, state=TrialState.FAIL)
        report(ended + 1, _best(study))
    if _best(study) is None:
        fix = "lower space.learning_rate; begin another study"
        raise UserError("no training of this study came to an end", where=str(study_file), fix=fix)
    best = study.best_trial
    found = parse(best.user_attrs["config"], TrainConfig, where=str(study_file))
    return Found(best.number, float(best.value or 0.0), found, ended)


def _open(config: SearchConfig, data: Sequence[Series], study_file: Path, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    held = ", ".join(sorted(one.sha256 for one in data))
    identity = {"search": dump(config), "data": hashlib.sha256(held.encode()).hexdigest(), "seed": seed}
    try:
        _mend(study_file)
        storage = JournalStorage(JournalFileBackend(str(study_file)))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=config.training.epochs // 3)
        study = optuna.create_study(storage=storage, study_name="search", load_if_exists=True, pruner=pruner)
        known = study.user_attrs
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("cannot open the study", where=str(study_file), fix="choose another --study") from error
    for name, value in identity.items():
        if name not in known:
            study.set_user_attr(name, value)
        elif known[name] != value:
            fix = "go on with what it was begun with, or choose another --study"
            raise UserError(f"the study was begun with another --{name}", where=str(study_file), fix=fix)
    return study


def _mend(study_file: Path) -> None:
    """Cut off a line that a killed process left half written: whatever came behind it could not be read."""
    lock = JournalFileSymlinkLock(str(study_file))
    if study_file.is_file() and lock.acquire():
        try:
            content = study_file.read_bytes()
            if content and not content.endswith(b"\n"):
                os.truncate(study_file, content.rfind(b"\n") + 1)
        finally:
            lock.release()


def _best(study: optuna.Study) -> float | None:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min((one.value for one in done if one.value is not None), default=None)


def _error(
    trial: optuna.Trial,
    config: SearchConfig,
    data: Sequence[Series],
    rows: Sequence[Sequence[NDArray[np.bool_]]],
    device: torch.device,
) -> float:
    """Validation RMSE of what a trial suggests, mean over the seeds [Nm]."""
    rate = trial.suggest_float("learning_rate", *config.space.learning_rate, log=True)
    tried = chosen(config, trial.suggest_categorical, rate)
    trial.set_user_attr("config", dump(tried))
    learned, watched = (serve(tried, data, part, device) for part in rows)
    best = [float("inf")] * config.seeds
    for seed in range(config.seeds):

        def note(epoch: Epoch, seed: int = seed) -> None:
            best[seed] = epoch.best
            if seed == 0:
                trial.report(epoch.best, epoch.number)
                if trial.should_prune():
                    raise optuna.TrialPruned

        with tempfile.TemporaryDirectory() as folder:
            fit(tried, learned, watched, Path(folder), seed=seed, device=device, report=note)
    return float(np.mean(best))
