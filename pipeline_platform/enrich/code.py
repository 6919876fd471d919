"""The version of the components' code, so that what older code said is not taken for what this code says."""

import hashlib
from functools import cache
from pathlib import Path

from pipeline_platform import __version__

DIGITS = 12


@cache
def code_digest() -> str:
    """Version of the package, and SHA-256 of the files of this room: code, and the weights of what is shipped."""
    room = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(room.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(room)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:DIGITS]}"
