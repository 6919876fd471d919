"""The page of field tables: for every column of every stream, the fields of the upstream it comes from."""

import re
from collections.abc import Sequence

from pipeline_platform.launch.markdown import grid
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.sources.base import Source, Stream


def fields_page(sources: Sequence[Source]) -> str:
    """A section per source, a table per stream; streams of one field table share it."""
    parts = [
        "# Fields",
        "Which field of an upstream becomes which column, with type and unit. Paths are those of the payload in "
        "`raw/<stream>`: `a.b` is a field of an object, `a[].b` a field of every item of a list; a path stands for all "
        "below it. Words in parentheses say what is computed. Fields that are not here stay in the payload; how many "
        "records have them is metadata of the raw asset, and a field that an upstream sends for the first time is "
        "logged as a warning.",
    ]
    for source in sources:
        parts.append(f"## {source.title}")
        alike: dict[tuple[tuple[str, str], ...], list[Stream]] = {}
        for stream in source.streams:
            alike.setdefault(tuple(stream.fields.items()), []).append(stream)
        for streams in alike.values():
            names = ", ".join(f"`{stream.name}`" for stream in streams)
            parts += [f"{names} ({streams[0].kind}):", _table(streams[0])]
    return "\n\n".join(parts) + "\n"


def _table(stream: Stream) -> str:
    columns = KINDS[stream.kind].columns
    rows = []
    for given, origin in stream.fields.items():
        # The author becomes a pseudonym on the way.
        name = "author_id" if given == "author" else given
        unit = (columns[name].metadata or {}).get("unit", "")
        rows.append((_shown(origin), f"`{name}`", str(columns[name].dtype.type.pyarrow_dtype), unit))
    return grid(("Upstream", "Column", "Type", "Unit"), rows)


def _shown(origin: str) -> str:
    """`url | link (without fragment)` with its paths in code."""
    pieces = (piece.strip() for piece in re.findall(r"\([^()]*\)|[^|()]+", origin))
    return " ".join(piece if piece.startswith("(") else f"`{piece}`" for piece in pieces if piece)
