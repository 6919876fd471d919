"""Every table of the lake, by path. Raw and cleaned tables follow from `SOURCES`, quarantine from the kinds."""

from functools import cache

import pandera.pandas as pa

from pipeline_platform.schemas.columns import day, flag, not_blank, stamp, text, texts
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.sources.base import Kind, Source, Stream
from pipeline_platform.sources.registry import all_streams

RAW_COLUMNS: dict[str, pa.Column] = {
    "record_id": text("Readable id of the record, unique in the table.", not_blank()),
    "source": text("Source."),
    "stream": text("Stream."),
    "event_time": stamp("When it happened; the time of receipt where the upstream gives none to be believed."),
    "fetched_at": stamp("When this capture was received."),
    "run_id": text("Dagster run that received it."),
    "request": text("JSON of the request, without secrets."),
    "payload": text("JSON of the item as received."),
    "payload_hash": text("SHA-256 of `payload`."),
    "is_sandbox": flag("It came from the sandbox, not from the real upstream."),
    "event_date": day(),
}

QUARANTINE_COLUMNS: dict[str, pa.Column] = {
    "record_id": text("Id of the raw record.", not_blank()),
    "source": text("Source."),
    "stream": text("Stream; the raw table is `raw/<stream>`."),
    "rule": text("First rule it broke.", not_blank()),
    "rules": texts("Every rule it broke."),
    "reason": text("What is wrong, in words, with the value."),
    "payload": text("JSON of the item as received."),
    "fetched_at": stamp("When the capture was received."),
    "event_date": day(),
}


def raw_table(source: Source, stream: Stream) -> Table:
    """The raw table of a stream."""
    return Table(
        layer="raw",
        name=stream.name,
        description=f"{stream.description} Every record ever seen, newest capture, as received.",
        schema=schema_of(f"raw/{stream.name}", RAW_COLUMNS, key=("record_id",)),
        key=("record_id",),
        kinds=frozenset({"python", "deltalake"}),
        tags={"source": source.name, "domain": source.domain},
    )


def cleaned_table(source: Source, stream: Stream) -> Table:
    """The cleaned table of a stream, in the schema of its kind."""
    kind = KINDS[stream.kind]
    return Table(
        layer="cleaned",
        name=stream.name,
        description=f"{stream.description} In the canonical schema of {stream.kind}.",
        schema=schema_of(f"cleaned/{stream.name}", kind.columns, *kind.rules, key=(kind.key,)),
        key=(kind.key,),
        tags={"source": source.name, "domain": source.domain, "kind": stream.kind},
    )


def quarantine_table(kind: str) -> Table:
    """The rejected rows of a kind."""
    return Table(
        layer="quarantine",
        name=kind,
        description=f"Records that did not become {kind}: rule, reason and the payload.",
        schema=schema_of(f"quarantine/{kind}", QUARANTINE_COLUMNS, key=("stream", "record_id")),
        key=("stream", "record_id"),
        tags={"kind": kind},
    )


def kinds_in_use() -> list[Kind]:
    """Kinds that at least one registered stream delivers, in the order of `KINDS`."""
    used = {stream.kind for _, stream in all_streams()}
    return [kind for kind in KINDS if kind in used]


@cache
def tables() -> dict[str, Table]:
    """Every table by path, upstream first."""
    from pipeline_platform.schemas.aggregated import AGGREGATED
    from pipeline_platform.schemas.deduplicated import deduplicated_tables, signatures_table
    from pipeline_platform.schemas.enriched import ENRICHED
    from pipeline_platform.schemas.quality import QUALITY

    streams = all_streams()
    every = [
        *(raw_table(source, stream) for source, stream in streams),
        *(cleaned_table(source, stream) for source, stream in streams),
        *(quarantine_table(kind) for kind in kinds_in_use()),
        signatures_table(),
        *deduplicated_tables(),
        *ENRICHED,
        *AGGREGATED,
        *QUALITY,
    ]
    return {table.path: table for table in every}


def published_tables() -> list[Table]:
    """Tables that are exported, by unique name."""
    return [table for table in tables().values() if table.published]
