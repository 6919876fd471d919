"""Files that a reader never sees by half."""

import os
from pathlib import Path


def replace_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, in place of what is there; its folder is made.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
