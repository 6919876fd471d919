"""What a model is made of, as one hash: models may be trained again under the same name."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def files_of(folder: Path) -> tuple[Path, ...]:
    """Every file of a folder and of those in it, in the order of their paths; none if there is no such folder."""
    return tuple(sorted(filter(Path.is_file, folder.rglob("*"))))


def content_hash(files: Iterable[Path]) -> str:
    """SHA-256 of the content of files, one after the other; each set of files is read once in a process."""
    return _hash_of(tuple(files))


@cache
def _hash_of(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
