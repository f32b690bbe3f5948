"""Verbs that read recordings, and make them of what others left."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from collect.errors import UserError

Sources = Annotated[tuple[Path, ...], tyro.conf.Positional]


def check(recordings: Sources = (), list: bool = False) -> int:  # the flag is called --list
    """Verify sealed recordings, or list the checks that refuse or stop a session.

    Args:
        recordings: Files or folders to verify.
        list: Print the safety checks instead.
    """
    from collect.recording import find, read, sha256_of
    from collect.tables import checks_tables

    if list:
        Console().print(*checks_tables())
        return 0
    if not recordings:
        raise UserError("nothing to check", where="python -m collect check", fix="name recordings, or use --list")
    for path in find([*recordings]):
        print(f"ok {path}: {len(read(path))} rows, sha256 {sha256_of(path)[:16]}…")
    return 0


def show(
    recordings: Sources,
    figure: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Tell what recordings are worth: a verdict with its reasons, and the figures it rests on.

    Exit code 1 when one of them should be repeated.

    Args:
        recordings: Files or folders.
        figure: Draw the recording, only one, into this file: .png, .svg or .pdf.
        json_file: Write the figures to this file too.
    """
    from collect.quality import assess
    from collect.recording import find, read
    from collect.tables import quality_report
    from collect.verdict import judge

    paths = find([*recordings])
    draw = _drawing(figure, len(paths)) if figure is not None else None
    figures, spoilt = {}, False
    for path in paths:
        recording = read(path)
        quality = assess(recording)
        verdict = judge(quality)
        Console().print(quality_report(recording.session, quality, verdict))
        if draw is not None:
            draw(recording, quality, verdict, figure)
            print(f"figure {figure}")
        figures[recording.session] = {"verdict": dataclasses.asdict(verdict)} | dataclasses.asdict(quality)
        spoilt = spoilt or verdict.word == "repeat it"
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if spoilt else 0


def recover(journals: Sources, out: Path | None = None) -> int:
    """Make valid recordings of interrupted sessions, and of *.h5 files that their writer did not close.

    A journal is removed once its recording is proven to hold all of its rows; an unclosed NAME.h5 stays as it is beside
    its NAME-recovered.h5. Exit codes: 0 complete, 3 rows were damaged and dropped, 1 nothing could be recovered.

    Args:
        journals: The *.journal files they left, or the folders that hold them; unclosed *.h5 files.
        out: Folder for the recordings; that of the journal or file by default.
    """
    from collect import unclosed
    from collect.salvage import NothingLeftError, find
    from collect.sealing import seal

    codes = {0}
    for path in find([*journals]):
        try:
            live = path.suffix == unclosed.SUFFIX
            sealed = unclosed.recover(path, out) if live else seal(path, out)
        except NothingLeftError as error:
            print(f"error: {error}", file=sys.stderr)
            codes.add(1)
            continue
        kept = f"; {path} is kept" if live or not sealed.complete else ""
        print(f"recovered {sealed}{kept}")
        codes.add(0 if sealed.complete else 3)
    return 1 if 1 in codes else max(codes)


def convert(
    sources: Sources,
    layout: Literal["katari16", "orl", "dls", "csv"],
    out: Path,
    kp: tuple[float, ...] | None = None,
    kd: tuple[float, ...] | None = None,
    start: Annotated[float | None, tyro.conf.arg(name="from")] = None,
    stop: Annotated[float | None, tyro.conf.arg(name="to")] = None,
    columns: Path | None = None,
) -> int:
    """Turn logs made by others into recordings.

    Args:
        sources: Logs; an ORL source is its folder.
        layout: How they are laid out.
        out: Folder for the recordings, which keep the sources' names.
        kp: Position gains where the log does not tell: 1, 3 (hip, thigh, calf) or 12 values.
        kd: Velocity gains likewise.
        start: Leave out what comes before, in seconds from the first row.
        stop: Leave out what comes after.
        columns: Of a CSV log a YAML file that says which column is what (configs/collect/columns.yaml).
    """
    from collect.columns import Columns
    from collect.config import load
    from collect.convert import convert as convert_log

    if not sources:
        raise UserError("no source named", where="python -m collect convert", fix="name one or more logs")
    named = load(columns, Columns) if columns else None
    for source in sources:
        print(f"converted {convert_log(source, layout, out, kp, kd, start, stop, named)}")
    return 0


def _drawing(figure: Path, recordings: int) -> Callable[..., None]:
    """What draws the page, once it is known that it can."""
    if recordings != 1:
        raise UserError(
            f"a figure shows one recording, {recordings} were named",
            where=f"--figure {figure}",
            fix="call it once for each",
        )
    try:
        from collect.figure import check_path, draw
    except ImportError as error:
        raise UserError(
            f"a figure needs {error.name}",
            where=f"--figure {figure}",
            fix="pip install -c constraints.txt '.[sim]', or show the recording at a desk",
        ) from error
    check_path(figure)
    return draw
