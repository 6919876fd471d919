"""Tables of the deduplicated layer: all sources of a kind together, every document with its cluster of copies."""

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.schemas.columns import between, day, flag, not_blank, one_of, packed, real, text
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.sources.base import Kind

METHODS = ("none", "exact", "url", "near")
"""How a copy was found: equal content hash, the same article address, or similar content; `none` for no copy."""

DEDUPLICATED_DOCUMENTS: dict[str, pa.Column] = {
    **KINDS["documents"].columns,
    "cluster_id": text("Id of the document that the copies of this one are copies of; its own id if it is none."),
    "is_canonical": flag("The document to count and to read: no copy of an earlier one."),
    "duplicate_of": text("The document this is a copy of, at most the look-back earlier.", not_blank(), nullable=True),
    "similarity": real(
        "Share of the content in common with `duplicate_of`; null when canonical or not measured.",
        between(0, 1, "similarity_in_range"),
        unit="ratio",
    ),
    "method": text("How the copy was found.", one_of(METHODS, "known_method")),
}


def _canonical_is_no_copy(frame: pd.DataFrame) -> pd.Series:
    own = (frame["cluster_id"] == frame["document_id"]) & frame["duplicate_of"].isna() & (frame["method"] == "none")
    copy = (frame["cluster_id"] == frame["duplicate_of"]).fillna(False) & (frame["method"] != "none")
    return own.where(frame["is_canonical"], copy & (frame["duplicate_of"] != frame["document_id"]))


PLACE = text(
    "Key of the place, `berlin-de`: of the registered place within 25 km, else from name and country.", not_blank()
)
ASSET = text("Key of the asset, `crypto:BTC`: of the registered symbol, else from class and symbol.", not_blank())
RESOLVED_COLUMNS: dict[Kind, dict[str, pa.Column]] = {
    "market_bars": {"asset": ASSET},
    "weather_observations": {"place": PLACE},
    "weather_forecasts": {"place": PLACE},
}
"""Columns beside those of the kind, under which the sources' own names of a thing are one; see `dedup/resolve.py`."""

CLUSTER_RULES = (
    pa.Check(
        _canonical_is_no_copy,
        name="cluster_consistent",
        error="is_canonical, cluster_id, duplicate_of and method must tell the same",
    ),
)


SIGNATURES: dict[str, pa.Column] = {
    "content_hash": text("Hash of the normalised content.", not_blank()),
    "band_keys": packed("25 MinHash band keys of 32 bits, little-endian; null for contents too short.", nullable=True),
    "version": text("Version of the way keys are made; those of another version are made again.", not_blank()),
    "event_date": day("UTC day on which a document has the content; the partition."),
}


def signatures_table() -> Table:
    """What near copies of documents are sought by, so that a day need not make again what the days before made."""
    return Table(
        layer="deduplicated",
        name="document_signatures",
        description="MinHash band keys of every content of a day, by which near copies are sought.",
        schema=schema_of("deduplicated/document_signatures", SIGNATURES, key=("event_date", "content_hash")),
        key=("event_date", "content_hash"),
        tags={"kind": "documents"},
    )


def deduplicated_table(kind: Kind) -> Table:
    """The table of a kind: documents with their clusters, everything else one row per key."""
    schema = KINDS[kind]
    documents = kind == "documents"
    told = "copies found and named" if documents else "newest capture per key"
    return Table(
        layer="deduplicated",
        name=kind,
        description=f"{schema.description} All sources together, {told}.",
        schema=schema_of(
            f"deduplicated/{kind}",
            DEDUPLICATED_DOCUMENTS if documents else {**schema.columns, **RESOLVED_COLUMNS.get(kind, {})},
            *schema.rules,
            *(CLUSTER_RULES if documents else ()),
            key=(schema.key,),
        ),
        key=(schema.key,),
        # The enriched documents have these columns and more, under the same name.
        published=not documents,
        tags={"kind": kind},
    )


def deduplicated_tables() -> list[Table]:
    """One table per kind that a registered stream delivers."""
    # The catalogue imports every source; whoever needs the columns alone gets them without.
    from pipeline_platform.schemas.catalog import kinds_in_use

    return [deduplicated_table(kind) for kind in KINDS if kind in kinds_in_use()]
