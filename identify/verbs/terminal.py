"""What the verbs of `python -m identify` share: their arguments, a progress bar, tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from collect.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from identify.evaluate import Judgement

Config = Annotated[Path, tyro.conf.Positional]
Run = Annotated[Path, tyro.conf.Positional]
Runs = Annotated[tuple[Path, ...], tyro.conf.Positional]
Recordings = Annotated[tuple[Path, ...], tyro.conf.Positional]
JsonFile = Annotated[Path | None, tyro.conf.arg(name="json")]
Device = Literal["auto", "cpu", "cuda"]
Label = Literal["tau_est", "tau_joint"]
"""As `identify.dataset.Label`, whose import takes a second."""


def on_device(device: Device) -> str:
    """The device a flag means.

    Raises:
        UserError: when it is CUDA and there is none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no CUDA device", where="--device cuda", fix="use --device auto or cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def progress() -> Progress:
    """A progress bar on standard error; its tasks have a `note`."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def show(table: Table) -> None:
    """Print a table no narrower than its figures: in a narrower terminal lines break, and no digit is left out."""
    console = Console()
    anywhere = console.options.update(max_width=1000)
    console.width = max(console.width, console.measure(table, options=anywhere).minimum)
    console.print(table)


def print_judgements(judgements: Sequence[Judgement], *, per_joint: bool = False) -> None:
    """A table by kind of joint for each recording, and one by joint if asked for."""
    from identify import tables

    for judgement in judgements:
        show(tables.by_kind(judgement))
        if per_joint:
            show(tables.by_joint(judgement))


def write_json(path: Path, content: object) -> None:
    """Write what --json asks for.

    Raises:
        UserError: when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check --json") from error


def write_new(path: Path, text: str) -> None:
    """Write a file that is never overwritten; that it is there already with the same content is well.

    Raises:
        UserError: when it holds something else, or cannot be written.
    """
    try:
        if path.exists() and path.read_text() == text:
            return
        with path.open("x") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError("the file exists and is never overwritten", where=str(path), fix="move it away") from error
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(path), fix="check the path") from error
