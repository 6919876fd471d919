"""Which sources a table is made from, so that whoever passes it on knows whose terms hold for it."""

from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES

_INPUTS = {aggregate.table: [one.table for one in aggregate.inputs.values()] for aggregate in AGGREGATES}


def possible_sources(table: Table) -> list[Source]:
    """The sources that rows of `table` may come from, in registry order: those of every kind it is made from."""
    kinds = _kinds(table.path)
    return [source for source in SOURCES if any(stream.kind in kinds for stream in source.streams)]


def names_its_sources(table: Table) -> bool:
    """Whether the column `source` of its rows names all that the table is made from.

    So it is where every row, and every row that it is made from, has a source; `*` stands for several of those named
    in other rows.
    """
    return _names(table) and all(
        path in tables() and names_its_sources(tables()[path]) for path in _INPUTS.get(table.path, ())
    )


def _names(table: Table) -> bool:
    source = table.schema.columns.get("source")
    return source is not None and not source.nullable


def _kinds(path: str) -> set[str]:
    layer, _, name = path.partition("/")
    if layer == "aggregated":
        return {kind for one in _INPUTS.get(path, ()) for kind in _kinds(one)}
    if layer == "deduplicated":
        return {name}
    if layer == "enriched":
        return {"documents"}
    return set(KINDS)
