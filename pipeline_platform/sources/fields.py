"""Field tables: which fields of a payload a stream uses, and which ones nobody looks at yet.

A path names a place in a JSON payload: `data.title`, `entities.urls[].url` for all items of a list.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_WORDS = re.compile(r"\([^()]*\)")


def paths_of(origin: str) -> list[str]:
    """The paths in a value of `Stream.fields`: `data.url | data.link (without fragment)` names two."""
    return [path for part in _WORDS.sub("", origin).split("|") if (path := part.strip())]


def leaves(payload: Any, path: str = "") -> Iterator[str]:
    """The path of every value in `payload` that is no object or list, and of those that are empty or null.

    The items of a list share a path, so one may come several times.
    """
    if isinstance(payload, Mapping) and payload:
        for name, value in payload.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(payload, list) and payload:
        for item in payload:
            yield from leaves(item, f"{path}[]")
    else:
        yield path


class FieldTable:
    """The mapped fields of a stream.

    Args:
        fields: as in `Stream.fields`.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.mapped = frozenset(path for origin in fields.values() for path in paths_of(origin))
        self._known: dict[str, bool] = {}

    def covers(self, path: str) -> bool:
        """Whether a column comes from `path` or from something above it."""
        if path not in self._known:
            self._known[path] = any(above in self.mapped for above in _above(path))
        return self._known[path]

    def unmapped(self, payloads: Iterable[Any]) -> Counter[str]:
        """How many of `payloads` have each field that no column comes from."""
        found: Counter[str] = Counter()
        for payload in payloads:
            found.update(path for path in set(leaves(payload)) if not self.covers(path))
        return found


def _above(path: str) -> Iterator[str]:
    """`path`, and every path above it."""
    yield path
    for place in range(len(path) - 1, 0, -1):
        if path[place] == "." or path[place : place + 2] == "[]":
            yield path[:place]
