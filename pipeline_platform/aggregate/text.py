"""Aggregates of documents: sentiment per hour and channel, entities per day.

Measures are over canonical documents, so that a copied story counts once; the plain count stands beside. Documents that
the upstream says are removed are left out.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.aggregated.text import ENTITY_DAILY, SENTIMENT_HOURLY
from pipeline_platform.schemas.columns import TEXT

UNCOUNTED_ENTITIES = ("MENTION",)
"""Names of accounts are personal and not published in aggregates."""

SUMS = [
    "documents",
    "canonical_documents",
    "scored_documents",
    "sentiment",
    "positive",
    "negative",
    "reach",
    "weighted",
]


def reach(documents: pd.DataFrame) -> pd.Series:
    """How far a document got: 1 + score + replies; a negative or unknown score and unknown replies count as 0."""
    numbers = documents[["score", "replies"]].astype("float64").fillna(0).clip(lower=0)
    return 1 + numbers["score"] + numbers["replies"]


def measured(documents: pd.DataFrame) -> pd.DataFrame:
    """Rows of `enriched/documents` that are not removed, with the numbers of `SUMS` that text aggregates add up."""
    kept = documents[~documents["is_deleted"].to_numpy(dtype=bool)].sort_values("document_id", kind="stable")
    canonical = kept["is_canonical"].to_numpy(dtype=bool)
    scored = canonical & kept["sentiment"].notna().to_numpy(dtype=bool)
    sentiment = np.where(scored, kept["sentiment"].to_numpy(dtype="float64", na_value=np.nan), 0.0)
    label = kept["sentiment_label"]
    weight = np.where(scored, reach(kept), 0.0)
    return pd.DataFrame(
        {
            "document_id": kept["document_id"],
            "event_date": kept["event_date"],
            "source": kept["source"],
            "channel": kept["channel"],
            "documents": 1,
            "canonical_documents": canonical.astype("int64"),
            "scored_documents": scored.astype("int64"),
            "sentiment": sentiment,
            "positive": (scored & (label == "positive").to_numpy(dtype=bool, na_value=False)).astype("int64"),
            "negative": (scored & (label == "negative").to_numpy(dtype=bool, na_value=False)).astype("int64"),
            "reach": weight,
            "weighted": weight * sentiment,
        },
        index=kept.index,
    )


def with_means(sums: pd.DataFrame) -> pd.DataFrame:
    """Sums of `SUMS` with the means and shares that follow from them, null where nothing is scored."""
    scored = sums["scored_documents"].where(sums["scored_documents"] > 0)
    weight = sums["reach"].where(sums["reach"] > 0)
    return sums.assign(
        # A sum of floats may leave the range by the last bit.
        mean_sentiment=(sums["sentiment"] / scored).clip(-1, 1),
        positive_share=sums["positive"] / scored,
        negative_share=sums["negative"] / scored,
        reach_weighted_sentiment=(sums["weighted"] / weight).clip(-1, 1),
    )


def sentiment_hourly(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """Volume and sentiment per hour for every channel, every source and all together.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`; `event_date` is the UTC day of `created_at`.

    Returns:
        Rows of `aggregated/sentiment_hourly`.
    """
    rows = on_days(documents, days)
    hours = measured(rows).assign(hour=rows["created_at"].dt.floor("h"))
    finest = hours.groupby(["event_date", "hour", "source", "channel"], dropna=False, as_index=False)[SUMS].sum()
    sources = finest.groupby(["event_date", "hour", "source"], as_index=False)[SUMS].sum()
    total = sources.groupby(["event_date", "hour"], as_index=False)[SUMS].sum()
    sums = pd.concat(
        [
            finest[finest["channel"].notna().to_numpy(dtype=bool)],
            sources.assign(channel=EVERY),
            total.assign(source=EVERY, channel=EVERY),
        ],
        ignore_index=True,
    )
    return shaped(SENTIMENT_HOURLY, with_means(sums))


def exploded(documents: pd.DataFrame) -> pd.DataFrame:
    """One row per document and entity, with `entity_type` and `entity`, less `UNCOUNTED_ENTITIES`."""
    named = documents.explode("entities", ignore_index=True).dropna(subset="entities")
    parts = named["entities"].astype(TEXT).str.extract(r"(?s)^(?P<entity_type>[^:]*):(?P<entity>.*)$")
    named = named.assign(entity_type=parts["entity_type"], entity=parts["entity"])
    return named[~named["entity_type"].isin(UNCOUNTED_ENTITIES).to_numpy(dtype=bool)]


def entity_daily(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """Volume and sentiment of the documents that name an entity, per day.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`.

    Returns:
        Rows of `aggregated/entity_daily`.
    """
    rows = on_days(documents, days)
    named = exploded(measured(rows).assign(entities=rows["entities"]))
    groups = named.groupby(["event_date", "entity_type", "entity"], as_index=False)
    sums = groups[SUMS].sum().assign(sources=groups["source"].nunique()["source"])
    return shaped(ENTITY_DAILY, with_means(sums))
