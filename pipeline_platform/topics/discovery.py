"""`enriched/topics` and `enriched/document_topics`."""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.schemas.columns import days_of
from pipeline_platform.schemas.topics import DOCUMENT_TOPICS, EMBEDDING, LDA, TOPICS
from pipeline_platform.topics import embedding, lda
from pipeline_platform.topics.corpus import coherence, counted, readable, sample, texts_of
from pipeline_platform.topics.embedding import EmbeddingError, embed
from pipeline_platform.topics.fits import Fit, topics_for
from pipeline_platform.topics.identity import MEMORY_DAYS, Identity, Known, identified

log = logging.getLogger(__name__)

WINDOW_DAYS = 7
"""Days whose documents are looked at: every weekday once."""

KEPT_WORDS = 200
"""Words of a topic that are kept. By them 93 % of short texts are about the same topic first as by all 2,000 words; by
the first 50 it is 68 % (texts of `benchmarks/topics.py`)."""

LABEL_WORDS = 5
COHERENT_WORDS = 10

MIN_SHARE = 0.1
"""A topic of less than this part of the documents that an average one has is dropped: its place in the search of the
next day starts from chance again, and may find what is new."""

VERSION = "1"
"""Changes whenever the same documents give other topics."""


def discovered(
    days: Sequence[date], documents: pd.DataFrame, earlier: pd.DataFrame, model: str | None = None
) -> pd.DataFrame:
    """Topics of each day, found in the documents of the week that ends on it.

    Days are worked through in order, since the ids of a day follow from those of the days before. A day with too few
    documents has no topics, nor has any day if `model` cannot be used, which is logged.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents` from `WINDOW_DAYS - 1` before the first day.
        earlier: rows of `enriched/topics` of the `MEMORY_DAYS` before the first day.
        model: embedding model; LDA on counts of words without one.

    Returns:
        Rows of `enriched/topics`.
    """
    found = earlier[list(TOPICS.columns)]
    made = []
    rows = readable(documents)
    dates = days_of(rows["event_date"])
    for day in sorted(days):
        inside = (dates > np.datetime64(day - timedelta(days=WINDOW_DAYS))) & (dates <= np.datetime64(day))
        try:
            topics = _of_day(day, rows[inside], found, model)
        except EmbeddingError as error:
            log.error("%s There are no topics for %s.", error, day)
            topics = TOPICS.empty()
        made.append(topics)
        found = pd.concat([found, topics], ignore_index=True)
    result = pd.concat(made, ignore_index=True) if made else TOPICS.empty()
    return result.sort_values(list(TOPICS.key), kind="stable", ignore_index=True)


def _of_day(day: date, documents: pd.DataFrame, earlier: pd.DataFrame, model: str | None) -> pd.DataFrame:
    chosen = sample(documents)
    number = topics_for(len(chosen))
    texts = texts_of(chosen)
    words = counted(texts) if number else None
    if words is None:
        return TOPICS.empty()
    method = EMBEDDING if model else LDA
    known = _known(day, earlier, method)
    fit = embedding.fit(texts, words, number, model) if model else lda.fit(words, number, known)
    tops = [_first(weights, KEPT_WORDS) for weights in fit.weights]
    least = MIN_SHARE * len(chosen) / number
    kept = [topic for topic, top in enumerate(tops) if fit.documents[topic] >= least and top.size]
    # The greatest first: the order of a fit means nothing.
    kept.sort(key=lambda topic: (-fit.documents[topic], list(fit.vocabulary[tops[topic]])))
    tops = [tops[topic] for topic in kept]
    weights = [
        dict(zip(fit.vocabulary[top].tolist(), fit.weights[topic][top].tolist(), strict=True))
        for topic, top in zip(kept, tops, strict=True)
    ]
    identities = identified(day, weights, known)
    agreed = coherence(words, [top[:COHERENT_WORDS] for top in tops])
    return TOPICS.frame(
        [
            _row(fit, topic, identities[place], weights[place])
            | {"coherence": agreed[place], "sampled_documents": len(chosen), "method": method, "event_date": day}
            for place, topic in enumerate(kept)
        ]
    )


def _first(weights: np.ndarray, limit: int) -> np.ndarray:
    """Positions of the greatest weights above 0, greatest first; the vocabulary is sorted, which settles ties."""
    order = np.argsort(-weights, kind="stable")[:limit]
    return order[weights[order] > 0]


def _known(day: date, topics: pd.DataFrame, method: str) -> list[Known]:
    """The topics of the days before `day` as they were last, newest and greatest first.

    Of the same method, as the weights of another mean something else.
    """
    dates = days_of(topics["event_date"])
    recent = (dates >= np.datetime64(day - timedelta(days=MEMORY_DAYS))) & (dates < np.datetime64(day))
    rows = topics[recent & (topics["method"] == method).to_numpy(dtype=bool)]
    ordered = rows.sort_values(["event_date", "documents", "topic_id"], ascending=[False, False, True], kind="stable")
    last = ordered.drop_duplicates("topic_id")
    return [
        Known(topic_id, when, dict(zip(words, weights, strict=True)))
        for topic_id, when, words, weights in last[["topic_id", "event_date", "words", "weights"]].to_numpy(
            dtype=object
        )
    ]


def _row(fit: Fit, topic: int, identity: Identity, weights: dict[str, float]) -> dict[str, Any]:
    words = list(weights)
    return {
        "topic_id": identity.topic_id,
        "label": ", ".join(words[:LABEL_WORDS]),
        "words": words,
        "weights": list(weights.values()),
        "documents": int(fit.documents[topic]),
        "matched_day": identity.continues.day if identity.continues else None,
        "similarity": identity.similarity,
        "model": fit.model,
        "centroid": None if fit.centroids is None else fit.centroids[topic].tolist(),
    }


def assigned(
    days: Sequence[date], documents: pd.DataFrame, topics: pd.DataFrame, model: str | None = None
) -> pd.DataFrame:
    """The topic that each document is about most.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents` of the days.
        topics: rows of `enriched/topics` of the days.
        model: embedding model, as for `discovered`.

    Returns:
        Rows of `enriched/document_topics`.
    """
    rows = readable(documents)
    parts = [_assigned(rows[_on(rows, day)], topics[_on(topics, day)], model) for day in sorted(days)]
    result = pd.concat(parts, ignore_index=True) if parts else DOCUMENT_TOPICS.empty()
    return result.sort_values(["event_date", "document_id"], kind="stable", ignore_index=True)


def _on(frame: pd.DataFrame, day: date) -> np.ndarray:
    return (frame["event_date"] == day).to_numpy(dtype=bool)


def _assigned(documents: pd.DataFrame, topics: pd.DataFrame, model: str | None) -> pd.DataFrame:
    if documents.empty or topics.empty:
        return DOCUMENT_TOPICS.empty()
    topics = topics.sort_values("topic_id", kind="stable")
    texts = texts_of(documents)
    weights: np.ndarray
    if topics["centroid"].notna().all():
        try:
            if not topics["model"].str.startswith(f"{model} (").all():
                raise EmbeddingError(f"These topics are of another model than {model}: run enriched/topics again.")
            weights = embed(texts, model or "") @ np.array(topics["centroid"].tolist()).T
        except EmbeddingError as error:
            log.error("%s Documents have no topics.", error)
            return DOCUMENT_TOPICS.empty()
        known = np.arange(len(texts))
    else:
        weights = _shares(texts, topics)
        known = np.flatnonzero(weights.sum(axis=1))
    best = weights.argmax(axis=1)[known]
    found = documents.iloc[known]
    return pd.DataFrame(
        {
            "document_id": pd.array(
                found["document_id"], dtype=DOCUMENT_TOPICS.schema.columns["document_id"].dtype.type
            ),
            "topic_id": topics["topic_id"].take(best).array,
            "weight": pd.array(
                np.clip(weights[known].max(axis=1, initial=-1), -1, 1),
                dtype=DOCUMENT_TOPICS.schema.columns["weight"].dtype.type,
            ),
            "event_date": found["event_date"].array,
        }
    )


def _shares(texts: list[str], topics: pd.DataFrame) -> np.ndarray:
    """Shares of topics in texts, by the words that the topics keep; zeros for texts without any of them."""
    told = [
        dict(zip(words, weights, strict=True)) for words, weights in topics[["words", "weights"]].to_numpy(dtype=object)
    ]
    vocabulary = sorted({word for topic in told for word in topic})
    counts = counted(texts, vocabulary)
    if counts is None:
        return np.zeros((len(texts), len(told)))
    return lda.shares(counts.counts, lda.probabilities(vocabulary, told))
