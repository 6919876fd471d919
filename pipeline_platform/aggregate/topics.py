"""Documents by topic and day: topics of the fixed taxonomy, and those that were discovered."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.sums import SUMS, measured, with_means
from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.schemas.aggregated.topics import DISCOVERED, TAXONOMY, TOPIC_DAILY


def topic_daily(
    days: Sequence[date], documents: pd.DataFrame, assignments: pd.DataFrame, topics: pd.DataFrame
) -> pd.DataFrame:
    """Volume, sentiment and emotions of the documents about each topic, per day.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`.
        assignments: rows of `enriched/document_topics`.
        topics: rows of `enriched/topics`, for the labels.

    Returns:
        Rows of `aggregated/topic_daily`.
    """
    rows = on_days(documents, days)
    counted = measured(rows).join(rows[["document_id", "event_date", "source", "topic", "emotion"]])
    counted = counted[counted["documents"] > 0]
    of_day = counted.groupby("event_date")["canonical_documents"].sum()
    fixed = counted.dropna(subset="topic")
    found = counted.drop(columns="topic").merge(
        on_days(assignments, days)[["document_id", "event_date", "topic_id"]], on=["document_id", "event_date"]
    )
    labels = on_days(topics, days)[["event_date", "topic_id", "label"]].rename(columns={"topic_id": "topic"})
    taxonomy, discovered = _by_topic(fixed), _by_topic(found.rename(columns={"topic_id": "topic"}))
    sums = pd.concat(
        [
            taxonomy.assign(scheme=TAXONOMY, label=taxonomy["topic"]),
            discovered.merge(labels, on=["event_date", "topic"]).assign(scheme=DISCOVERED),
        ],
        ignore_index=True,
    )
    total = sums["event_date"].map(of_day)
    return shaped(
        TOPIC_DAILY, with_means(sums).assign(share_of_documents=sums["canonical_documents"] / total.where(total > 0))
    )


def _by_topic(documents: pd.DataFrame) -> pd.DataFrame:
    """Sums, sources and shares of emotions per `event_date` and `topic`."""
    keys = ["event_date", "topic"]
    groups = documents.groupby(keys)
    sums = groups[SUMS].sum().assign(sources=groups["source"].nunique())
    counting = documents[(documents["canonical_documents"] > 0) & documents["emotion"].notna()]
    felt = counting.pivot_table(index=keys, columns="emotion", aggfunc="size", fill_value=0)
    felt = felt.reindex(index=sums.index, columns=list(EMOTIONS), fill_value=0).astype("int64")
    emotional = felt.sum(axis=1)
    shares = felt.div(emotional.where(emotional > 0), axis=0).add_suffix("_share")
    return sums.assign(emotional_documents=emotional).join(shares).reset_index()
