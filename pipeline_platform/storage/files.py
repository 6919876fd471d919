"""Files that a reader never sees by half, folders that one process changes at a time, and the room there is."""

import fcntl
import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil

_DRAFT = re.compile(r"\..+\.(\d+)")
"""Name of a draft: a dot, the name of the file to be, a dot, the id of the process that writes it."""


def replace_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, in place of what is there; its folder is made.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as file:
        file.write(content)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when it is complete; drafts of killed writers are removed.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there stays.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if is_draft(left) and not psutil.pid_exists(int(left.name.rpartition(".")[2])):
            left.unlink(missing_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def standing(folder: Path) -> Path:
    """`folder` itself, or the nearest one above it where it is not made yet."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def free_bytes(folder: Path) -> int:
    """Free space of the disk that `folder` is on, or will be."""
    return shutil.disk_usage(standing(folder)).free


def is_draft(path: Path) -> bool:
    """Whether `path` is named like a file that is still being written."""
    return _DRAFT.fullmatch(path.name) is not None


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold `folder`, which exists, against other processes; with `shared`, only against those that change it."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
