"""Documents by topic and day: topics of the fixed taxonomy, and those that were discovered."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.sums import kept_canonical, measured, with_means
from pipeline_platform.aggregate.text import sums_by_day
from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.schemas.aggregated.topics import DISCOVERED, TAXONOMY, TOPIC_DAILY
from pipeline_platform.schemas.columns import TEXT, days_of


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
    counted = kept_canonical(rows)
    given, taxonomy = pd.factorize(rows["topic"].array)
    known = np.flatnonzero(given >= 0)
    members, ids = _assigned(rows, on_days(assignments, days))
    found, discovered = pd.factorize(ids.array)
    sums, topics_of = sums_by_day(
        rows,
        np.concatenate([known, members]),
        np.concatenate([given[known], len(taxonomy) + found]),
        len(taxonomy) + len(discovered),
        _with_emotions(rows, counted),
    )
    names = pd.concat([pd.Series(taxonomy, dtype=TEXT), pd.Series(discovered, dtype=TEXT)], ignore_index=True)
    sums = sums.assign(
        topic=names.take(topics_of).array, scheme=np.where(topics_of < len(taxonomy), TAXONOMY, DISCOVERED)
    )
    labels = on_days(topics, days)[["event_date", "topic_id", "label"]].rename(columns={"topic_id": "topic"})
    of_taxonomy = sums[sums["scheme"] == TAXONOMY]
    of_discovered = sums[sums["scheme"] == DISCOVERED].merge(labels, on=["event_date", "topic"])
    sums = pd.concat([of_taxonomy.assign(label=of_taxonomy["topic"]), of_discovered], ignore_index=True)
    total = sums["event_date"].map(pd.Series(counted, index=rows["event_date"].array).groupby(level=0).sum())
    emotional = sums[list(EMOTIONS)].sum(axis=1)
    shares = sums[list(EMOTIONS)].div(emotional.where(emotional > 0), axis=0).add_suffix("_share")
    return shaped(
        TOPIC_DAILY,
        with_means(sums)
        .assign(share_of_documents=sums["canonical_documents"] / total.where(total > 0), emotional_documents=emotional)
        .join(shares),
    )


def _with_emotions(rows: pd.DataFrame, counted: np.ndarray) -> pd.DataFrame:
    """What is added up of documents, and 1 in the column of the emotion of each one that counts, else 0."""
    emotion = compute.index_in(arrow.array(rows["emotion"]), arrow.array(EMOTIONS, arrow.string()))
    codes = emotion.fill_null(-1).to_numpy(zero_copy_only=False)
    felt = {name: ((codes == code) & counted).astype("int64") for code, name in enumerate(EMOTIONS)}
    return measured(rows).assign(**felt)


def _assigned(rows: pd.DataFrame, assignments: pd.DataFrame) -> tuple[np.ndarray, pd.Series]:
    """Position of the document of each assignment, and the topic; less those whose document is not there that day."""
    ids = arrow.chunked_array(arrow.array(rows["document_id"]))
    places = compute.index_in(arrow.array(assignments["document_id"]), value_set=ids)
    positions = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    there = np.flatnonzero(positions >= 0)
    same = days_of(rows["event_date"])[positions[there]] == days_of(assignments["event_date"])[there]
    return positions[there[same]], assignments["topic_id"].take(there[same]).reset_index(drop=True)
