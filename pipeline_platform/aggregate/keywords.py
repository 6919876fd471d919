"""Keywords by day: what documents were about that those of the weeks before were not.

What is counted are the phrases in `keywords` of `enriched/documents`. They are there already, know the stop words of
thirty languages, and tell more than single words; no text is split again.

The score is TF-IDF as scikit-learn's `TfidfTransformer(sublinear_tf=True, smooth_idf=True)` has it, with the day as the
document: (1 + ln d) (ln((1 + n) / (1 + f)) + 1). The corpus of n documents, f of them with the keyword, is that of the
days before (inverse document frequency: Spärck Jones 1972; logarithm of counts: Manning, Raghavan & Schütze,
Introduction to Information Retrieval, 2008, 6.4.1).
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.sums import SUMS, kept_canonical, measured, with_means
from pipeline_platform.schemas.aggregated.topics import KEYWORD_DAILY
from pipeline_platform.schemas.columns import DAY, INTEGER, TEXT, days_of

CORPUS_DAYS = 14
"""Days before a day that its keywords are held against: every weekday twice."""

MAX_KEYWORDS = 200
"""Keywords of a day: what a person looks through, the best third of those that occur twice on a day of the demo."""

MIN_DOCUMENTS = 2
"""Canonical documents of a day that a keyword needs: most phrases occur once and never again."""

_COUNTS = arrow.schema(
    [("event_date", DAY.pyarrow_dtype), ("keyword", TEXT.pyarrow_dtype), ("documents", INTEGER.pyarrow_dtype)]
)


def keyword_counts(documents: pd.DataFrame) -> pd.DataFrame:
    """How many canonical documents of a day have which keyword, which is all that later days need of them.

    Args:
        documents: `is_canonical`, `is_deleted`, `keywords` and `event_date` of rows of `enriched/documents`.

    Returns:
        `event_date`, `keyword` and `documents`, day by day; the row of a day without a keyword tells how many documents
        there are.
    """
    parts = [_counted(day, rows) for day, rows in _by_day(documents, kept_canonical(documents))]
    return arrow.concat_tables([_COUNTS.empty_table(), *parts]).to_pandas(types_mapper=pd.ArrowDtype)


def _counted(day: date, rows: pd.DataFrame) -> arrow.Table:
    counted = _said(rows)[1].drop_null().value_counts()
    words = arrow.chunked_array([arrow.nulls(1, arrow.string()), counted.field("values")])
    counts = arrow.chunked_array([arrow.array([len(rows)]), counted.field("counts")])
    return arrow.table([arrow.repeat(arrow.scalar(day), len(words)), words, counts], schema=_COUNTS)


def keyword_daily(days: Sequence[date], documents: pd.DataFrame, corpus: pd.DataFrame) -> pd.DataFrame:
    """The keywords of each day with the highest TF-IDF, with volume and sentiment of the documents that have them.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents`; the keywords of a document are distinct.
        corpus: what `keyword_counts` gives for each day from `CORPUS_DAYS` before the first.

    Returns:
        Rows of `aggregated/keyword_daily`.
    """
    rows = on_days(documents, days)
    known = _Corpus(corpus)
    there = ~rows["is_deleted"].to_numpy(dtype=bool)
    parts = [_with_measures(known.best(day), of_day) for day, of_day in _by_day(rows, there)]
    found = [part for part in parts if len(part)]
    return shaped(KEYWORD_DAILY, with_means(pd.concat(found, ignore_index=True))) if found else KEYWORD_DAILY.empty()


def _by_day(rows: pd.DataFrame, chosen: np.ndarray) -> Iterator[tuple[date, pd.DataFrame]]:
    """The chosen rows of each day that has some, in order of the days."""
    dates = days_of(rows["event_date"])
    for day in np.unique(dates[chosen]):
        yield day.astype(object), rows[chosen & (dates == day)]


def _said(rows: pd.DataFrame) -> tuple[np.ndarray, arrow.Array]:
    """Position of the document of each keyword, and the keywords."""
    lists = arrow.array(rows["keywords"])
    lists = lists.combine_chunks() if isinstance(lists, arrow.ChunkedArray) else lists
    return np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0)), pc.list_flatten(lists)


class _Corpus:
    """What is known of days.

    Args:
        counts: as `keyword_counts` gives them, of any days.
    """

    def __init__(self, counts: pd.DataFrame) -> None:
        self._words = arrow.chunked_array(arrow.array(counts["keyword"]))
        self._counts = counts["documents"].to_numpy(dtype=np.int64)
        self._days = days_of(counts["event_date"])
        self._totals = np.flatnonzero(counts["keyword"].isna())

    def best(self, day: date) -> pd.DataFrame:
        """The best keywords of a day, best first: `keyword, rank, tf_idf, earlier_documents, first_seen, is_new`."""
        today, first = np.datetime64(day), np.datetime64(day - timedelta(days=CORPUS_DAYS))
        before = (self._days >= first) & (self._days < today)
        often = (self._days == today) & (self._counts >= MIN_DOCUMENTS)
        often[self._totals] = False
        places = np.flatnonzero(often)
        counts, words = self._counts[places], self._words.take(arrow.array(places)).combine_chunks()
        total = int(self._counts[self._totals][before[self._totals]].sum())
        # Of all days at once, since to cut the days out would be to copy their words.
        which = pc.index_in(self._words, value_set=words).fill_null(-1).to_numpy()
        seen = np.flatnonzero((which >= 0) & before)
        earlier = np.bincount(which[seen], self._counts[seen], len(words)).astype(np.int64)
        since = np.full(len(words), today)
        np.minimum.at(since, which[seen], self._days[seen])
        score = (1 + np.log(counts)) * (np.log((1 + total) / (1 + earlier)) + 1)
        # Of those that can be among the best; words are compared for few only.
        least = np.partition(score, -MAX_KEYWORDS)[-MAX_KEYWORDS] if len(score) > MAX_KEYWORDS else 0
        likely = np.flatnonzero(score >= least)
        names = words.take(arrow.array(likely)).to_numpy(zero_copy_only=False)
        order = np.lexsort((names, -counts[likely], -score[likely]))[:MAX_KEYWORDS]
        chosen = likely[order]
        return pd.DataFrame(
            {
                "keyword": names[order],
                "rank": np.arange(1, len(chosen) + 1),
                "tf_idf": score[chosen],
                "earlier_documents": earlier[chosen],
                "first_seen": since[chosen].astype(object),
                "is_new": earlier[chosen] == 0 if total else None,
                "event_date": day,
            }
        )


def _with_measures(chosen: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The keywords with the sums of the documents of the day that have them."""
    counted = measured(rows).join(rows[["source"]])
    counted = counted[counted["documents"] > 0]
    positions, words = _said(rows.loc[counted.index])
    which = pc.index_in(words, value_set=arrow.array(chosen["keyword"], arrow.string()))
    wanted = pc.is_valid(which).to_numpy(zero_copy_only=False)
    having = counted.iloc[positions[wanted]].assign(place=which.drop_null().to_numpy())
    groups = having.groupby("place")
    return chosen.join(groups[SUMS].sum()).assign(sources=groups["source"].nunique())
