"""Files that a crash, a full disk or a power cut cannot leave half-written under their name."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collect.errors import UserError

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def reserve(path: Path, size: int, mode: int = 0o644) -> int:
    """A new file with its space on the disk, locked while it is open; nothing is left where that fails.

    Raises:
        OSError: when it exists, also as a link, or there is no room.
    """
    file = os.open(path, _NEW, mode)
    try:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        os.posix_fallocate(file, 0, size)
    except OSError:
        os.close(file)
        path.unlink()
        raise
    return file


def write_at(file: int, data: bytes | memoryview, place: int) -> None:
    """All of `data` from byte `place` on, however many calls it takes.

    Raises:
        OSError: from the disk.
    """
    while len(data) > 0:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder.

    Raises:
        OSError: from the disk.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def publish(content: bytes | memoryview, path: Path, prove: Callable[[Path], None]) -> str:
    """Give content its final name once it is on the disk, has been read back and is proven.

    `NAME.sha256` is written beside it the same way. Whatever interrupts this, the name holds nothing or everything.

    Args:
        content: what the file is to hold.
        path: the final name; its folder is made if need be.
        prove: is given the file under another name and raises when it is not good.

    Returns:
        SHA-256 of the file.

    Raises:
        UserError: when `path` exists, also as a link, or the file read back differs; whatever `prove` raises.
        OSError: from the disk.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    part = _write_part(path, content)
    try:
        prove(part)
        digest = sha256_of(part)
        if digest != hashlib.sha256(content).hexdigest():
            raise UserError("the file read back differs from what was written", where=str(part), fix="check the disk")
        sidecar_of(path).unlink(missing_ok=True)  # of a file that is no longer there
        _name(part, path)
    finally:
        part.unlink(missing_ok=True)
    write_sidecar(path, digest)
    return digest


def refuse_existing(path: Path) -> None:
    """Nothing is ever overwritten.

    Raises:
        UserError: when there is something of that name, also a link that leads nowhere.
    """
    if os.path.lexists(path):
        raise UserError(
            "the recording exists and is never overwritten", where=str(path), fix="choose another name or folder"
        )


def sidecar_of(path: Path) -> Path:
    """Where a file's SHA-256 stands."""
    return path.with_suffix(".sha256")


def write_sidecar(path: Path, digest: str) -> None:
    """Write down a file's SHA-256 beside it, all at once, and have the disk keep both names.

    Raises:
        OSError: from the disk.
    """
    sidecar = sidecar_of(path)
    part = _write_part(sidecar, f"{digest}  {path.name}\n".encode())
    try:
        part.replace(sidecar)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def _write_part(path: Path, content: bytes | memoryview) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    file = os.open(part, _NEW, 0o644)
    try:
        write_at(file, content, 0)
        os.fsync(file)
    except OSError:
        part.unlink()
        raise
    finally:
        os.close(file)
    return part


def _name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)  # atomic, and fails where rename would overwrite
    except FileExistsError:
        refuse_existing(path)
    except OSError:  # a file system without hard links (exFAT on a stick)
        refuse_existing(path)
        part.rename(path)


def sweep(path: Path) -> None:
    """Remove what processes that are no more left of files that were to have this name."""
    for name in (path.name, sidecar_of(path).name):
        for part in path.parent.glob(f".{name}.*.part"):
            number = part.name.split(".")[-2]
            if not number.isdigit() or not Path(f"/proc/{number}").exists() or int(number) == os.getpid():
                part.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:  # Python 3.10, the robot's own, has no hashlib.file_digest
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
