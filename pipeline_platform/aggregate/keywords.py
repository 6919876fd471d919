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
from pipeline_platform.aggregate.sums import SUMS, measured, with_means
from pipeline_platform.schemas.aggregated.topics import KEYWORD_DAILY
from pipeline_platform.schemas.columns import days_of

CORPUS_DAYS = 14
"""Days before a day that its keywords are held against: every weekday twice."""

MAX_KEYWORDS = 200
"""Keywords of a day: what a person looks through, the best third of those that occur twice on a day of the demo."""

MIN_DOCUMENTS = 2
"""Canonical documents of a day that a keyword needs: most phrases occur once and never again."""


def keyword_daily(days: Sequence[date], documents: pd.DataFrame) -> pd.DataFrame:
    """The keywords of each day with the highest TF-IDF, with volume and sentiment of the documents that have them.

    Args:
        days: days to give rows for.
        documents: rows of `enriched/documents` from `CORPUS_DAYS` before the first day; the keywords of a document are
            distinct.

    Returns:
        Rows of `aggregated/keyword_daily`.
    """
    rows = documents[~documents["is_deleted"].to_numpy(dtype=bool)]
    corpus = _Corpus(rows.loc[rows["is_canonical"].to_numpy(dtype=bool), ["event_date", "keywords"]])
    parts = [_with_measures(corpus.best(day), of_day) for day, of_day in _by_day(on_days(rows, days))]
    found = [part for part in parts if len(part)]
    return shaped(KEYWORD_DAILY, with_means(pd.concat(found, ignore_index=True))) if found else KEYWORD_DAILY.empty()


def _by_day(rows: pd.DataFrame) -> Iterator[tuple[date, pd.DataFrame]]:
    """The rows of each day there is, in order of the days."""
    dates = days_of(rows["event_date"])
    order = np.argsort(dates, kind="stable")
    different, begins = np.unique(dates[order], return_index=True)
    for day, places in zip(different, np.split(order, begins[1:]), strict=False):
        yield day.astype(object), rows.iloc[places]


def _said(rows: pd.DataFrame) -> tuple[np.ndarray, arrow.Array]:
    """Position of the document of each keyword, and the keywords."""
    lists = arrow.array(rows["keywords"])
    lists = lists.combine_chunks() if isinstance(lists, arrow.ChunkedArray) else lists
    return np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0)), pc.list_flatten(lists)


class _Corpus:
    """How many canonical documents of which day have which keyword.

    Counts stand sorted by keyword and day, and are added up, so that those of a span of days are one difference.

    Args:
        documents: canonical documents.
    """

    def __init__(self, documents: pd.DataFrame) -> None:
        self._documents: dict[date, int] = {}
        self._places: dict[date, slice] = {}
        words, counts, days = [arrow.array([], arrow.string())], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        length = 0
        for day, rows in _by_day(documents):
            found = _said(rows)[1].drop_null().value_counts()
            self._documents[day] = len(rows)
            self._places[day] = slice(length, length + len(found))
            length += len(found)
            words.append(found.field("values").cast(arrow.string()))
            counts.append(found.field("counts").to_numpy())
            days.append(np.full(len(found), day.toordinal()))
        encoded = arrow.chunked_array(words).combine_chunks().dictionary_encode()
        self._words, self._codes = encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
        self._counts = np.concatenate(counts)
        keys = self._key(self._codes, np.concatenate(days))
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._before = np.concatenate([[0], np.cumsum(self._counts[order])])

    @staticmethod
    def _key(codes: np.ndarray, day: np.ndarray | int) -> np.ndarray:
        return codes * (date.max.toordinal() + 1) + day

    def best(self, day: date) -> pd.DataFrame:
        """The best keywords of a day, best first: `keyword, rank, tf_idf, earlier_documents, first_seen, is_new`."""
        place = self._places.get(day, slice(0, 0))
        often = self._counts[place] >= MIN_DOCUMENTS
        codes, counts = self._codes[place][often], self._counts[place][often]
        first = day - timedelta(days=CORPUS_DAYS)
        total = sum(count for other, count in self._documents.items() if first <= other < day)
        begin = np.searchsorted(self._keys, self._key(codes, first.toordinal()))
        end = np.searchsorted(self._keys, self._key(codes, day.toordinal()))
        earlier = self._before[end] - self._before[begin]
        score = (1 + np.log(counts)) * (np.log((1 + total) / (1 + earlier)) + 1)
        # Of those that can be among the best; words are compared for few only.
        least = np.partition(score, -MAX_KEYWORDS)[-MAX_KEYWORDS] if len(score) > MAX_KEYWORDS else 0
        likely = np.flatnonzero(score >= least)
        words = self._words.take(arrow.array(codes[likely])).to_numpy(zero_copy_only=False)
        order = np.lexsort((words, -counts[likely], -score[likely]))[:MAX_KEYWORDS]
        chosen = likely[order]
        seen = self._keys[begin[chosen]] - self._key(codes[chosen], 0)
        return pd.DataFrame(
            {
                "keyword": words[order],
                "rank": np.arange(1, len(chosen) + 1),
                "tf_idf": score[chosen],
                "earlier_documents": earlier[chosen],
                "first_seen": [date.fromordinal(one) for one in seen.tolist()],
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
