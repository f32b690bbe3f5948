"""Real file systems of a test's own: small ones, and one that stands still."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *options: object) -> Iterator[Path]:
    """A file system at `folder`; skips where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", *options, folder], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def ext4(image: Path) -> Path:
    """An empty ext4 of 64 MB in a file."""
    with image.open("wb") as file:
        file.truncate(64 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", image], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mkfs.ext4")
    return image


def stalled(disk: Path, seconds: float) -> None:
    """Freeze a file system: for so long nothing that is written to it comes back."""
    folder = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, 0xC0045877, 0)  # FIFREEZE
        time.sleep(seconds)
    finally:
        fcntl.ioctl(folder, 0xC0045878, 0)  # FITHAW
        os.close(folder)
