"""An interrupted session that is sealed again and again, and a system that refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sessions import header, log

from collect.journal import Journal

ROWS = 20


class Left:
    """What an interrupted session left on the disk and in memory; can be put back as often as it is needed."""

    def __init__(self, folder: Path) -> None:
        """Of the twenty rows the last five are in memory only."""
        self.path, self.folder = folder / "s.journal", folder
        made = Journal(self.path, ROWS, header())
        log(made, 15)
        made._save()
        log(made, ROWS - 15)
        self.ring = made._ring
        self._kept = {path: path.read_bytes() for path in (self.path, self.ring)}
        made.close()
        self.put_back()

    def put_back(self) -> None:
        """As it was, and nothing else in the folder."""
        for path in self.folder.iterdir():
            path.unlink()
        for path, content in self._kept.items():
            path.write_bytes(content)

    def is_whole(self) -> bool:
        """Whether all of it is still there."""
        return all(path.exists() and path.read_bytes() == content for path, content in self._kept.items())


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    """A session that was interrupted."""
    (tmp_path / "left").mkdir()
    made = Left(tmp_path / "left")
    yield made
    made.ring.unlink(missing_ok=True)


def refusing(call: str, error: int, monkeypatch: Any, after: int = 0) -> None:
    """From its `after`th use on, a call of the system's is answered with an error."""
    real, used = getattr(os, call), iter(range(after))

    def refused(*arguments: Any, **more: Any) -> Any:
        if next(used, None) is None:
            raise OSError(error, os.strerror(error))
        return real(*arguments, **more)

    monkeypatch.setattr(os, call, refused)
