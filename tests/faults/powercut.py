"""A disk that loses its power: pages written since it last confirmed survive or not, each by itself."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

PAGE = 4096
SURVIVES = 0.6
"""Probability of a page that was written and not confirmed."""


class Disk:
    """Listens to what this process writes to one file and has the disk confirm."""

    def __init__(self, path: Path, monkeypatch: Any) -> None:
        self._path = path
        self.writes: list[tuple[float, int, bytes]] = []
        self.confirmed: list[tuple[float, int]] = []
        """When, and how many of the writes."""
        self.folders: set[Path] = set()
        """Whose names are confirmed."""
        pwrite = os.pwrite

        def listened(file: int, data: Any, place: int) -> int:
            if self._names(file) == path:
                self.writes.append((time.monotonic(), place, bytes(data)))
            return pwrite(file, data, place)

        monkeypatch.setattr(os, "pwrite", listened)
        for call in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, call, self._listen(getattr(os, call)))

    def _listen(self, call: Any) -> Any:
        def listened(file: int) -> None:
            name, count = self._names(file), len(self.writes)
            call(file)
            if name == self._path:
                self.confirmed.append((time.monotonic(), count))
            self.folders.add(name)

        return listened

    @staticmethod
    def _names(file: int) -> Path:
        return Path(f"/proc/self/fd/{file}").readlink()

    def cut(self, moment: float, rng: np.random.Generator | None) -> bytes:
        """What the file holds when the power goes at `moment`; without `rng` no unconfirmed page survives."""
        sure = max((count for at, count in self.confirmed if at <= moment), default=0)
        disk = bytearray(self._path.stat().st_size)
        for _, place, data in self.writes[:sure]:
            disk[place : place + len(data)] = data
        cache = bytearray(disk)
        for at, place, data in self.writes[sure:]:
            if at <= moment:
                cache[place : place + len(data)] = data
        for place in range(0, len(disk), PAGE):
            if rng is not None and rng.random() < SURVIVES:
                disk[place : place + PAGE] = cache[place : place + PAGE]
        return bytes(disk)
