"""Bursts: topics and entities that more documents are about than before, as a share of all that is said.

The share is compared, not the number: when more is said of everything, nothing bursts, and at night or when a source is
down nothing fades. Each is looked at in every hour of the day and in the whole day, and told once, where it is least
likely; that is paid for by multiplying its probability by the number of looks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.hourly import BEFORE, BEFORE_DAYS, HOURS_A_DAY, Hours
from pipeline_platform.aggregate.surprise import believed, dispersion, excess_probability, qn
from pipeline_platform.schemas.aggregated.measures import EVERY

LOOKS = HOURS_A_DAY + 1
STEADY = 5
"""Documents of a usual day from which counts are near enough to normal ones for Qn."""
ENOUGH_DAYS = 14
"""Fewer give too uncertain a Qn."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst of a topic or entity.

    Attributes:
        subject, day: what burst, and when.
        first, end: the hour or the day in which it is least likely.
        documents, expected: documents about it in that time, and how many were expected.
        p_value: probability under "as before", for all looks.
        days: days that it is compared with.
        first_seen: first day of these and `day` on which it was named.
    """

    subject: str
    day: date
    first: pd.Timestamp
    end: pd.Timestamp
    documents: float
    expected: float
    p_value: float
    days: int
    first_seen: date


def topic_bursts(
    hours: Hours, rows: pd.DataFrame, documents: pd.DataFrame, rate: float, least: int, factor: float
) -> list[Burst]:
    """Bursts of topics.

    Args:
        hours: hours of the day and before it.
        rows: canonical documents of the day with `subject` (the topic) and `moment`.
        documents: `topic`, `is_canonical`, `is_deleted`, `event_date` of the days before too.
        rate: share of the bursts that may be wrong.
        least: documents that a burst must have.
        factor: times as many as expected that they must be.
    """
    kept = documents["is_canonical"].to_numpy(dtype=bool) & ~documents["is_deleted"].to_numpy(dtype=bool)
    past = documents[kept].groupby(["topic", "event_date"]).size()
    return list(_bursts(hours, rows, past, rate, least, factor))


def entity_bursts(
    hours: Hours, rows: pd.DataFrame, entities: pd.DataFrame, rate: float, least: int, factor: float
) -> list[Burst]:
    """Bursts of entities; `entities` are rows of `aggregated/entity_daily`, the rest is as of `topic_bursts`."""
    subject = (entities["entity_type"] + ":" + entities["entity"]).to_numpy(dtype=object)
    past = entities.groupby([subject, "event_date"])["canonical_documents"].sum()
    return list(_bursts(hours, rows, past, rate, least, factor))


def _said(hours: Hours) -> np.ndarray:
    """Canonical documents of every hour, all sources together; 0 where nothing is known."""
    every = hours.subjects.get_indexer(pd.MultiIndex.from_tuples([(EVERY, EVERY)], names=["source", "channel"]))[0]
    return np.nan_to_num(hours.counts[every]) if every >= 0 else np.zeros(BEFORE + HOURS_A_DAY)


def _bursts(
    hours: Hours, rows: pd.DataFrame, past: pd.Series, rate: float, least: int, factor: float
) -> Iterator[Burst]:
    said = _said(hours)
    said_by_day = said.reshape(-1, HOURS_A_DAY).sum(axis=1)
    days = int((said_by_day[:-1] > 0).sum())
    start = pd.Timestamp(hours.day, tz="UTC")
    hour = ((pd.DatetimeIndex(pd.to_datetime(rows["moment"], utc=True)) - start) // pd.Timedelta(hours=1)).to_numpy()
    known = hour < hours.until - BEFORE
    subjects, codes = np.unique(rows["subject"].to_numpy(dtype=object)[known].astype(str), return_inverse=True)
    if not days or not len(subjects):
        return
    counts = np.zeros((len(subjects), LOOKS))
    np.add.at(counts, (codes, hour[known]), 1.0)
    counts[:, -1] = counts[:, :-1].sum(axis=1)
    looked = np.append(said[BEFORE:], said_by_day[-1])

    first_day = hours.day - timedelta(days=BEFORE_DAYS)
    before = _by_day(past, subjects, first_day)
    total, all_said = before.sum(axis=1), said_by_day[:-1].sum()
    spread = _spread(before, total[:, None] / all_said * said_by_day[None, :-1])
    told = excess_probability(counts, total[:, None], looked / (looked + all_said), spread[:, None])
    expected = total[:, None] / all_said * looked
    large = (counts >= least) & (counts >= factor * expected)
    best = np.where(large, told, np.inf).argmin(axis=1)
    at = (np.arange(len(subjects)), best)
    p_values = np.minimum(told[at] * LOOKS, 1.0)
    for place in np.flatnonzero(believed(p_values, rate) & large[at]):
        look = int(best[place])
        whole = look == HOURS_A_DAY
        first = start if whole else start + pd.Timedelta(hours=look)
        seen = np.flatnonzero(before[place])
        yield Burst(
            subject=str(subjects[place]),
            day=hours.day,
            first=first,
            end=first + pd.Timedelta(days=1 if whole else 0, hours=0 if whole else 1),
            documents=float(counts[place, look]),
            expected=float(expected[place, look]),
            p_value=float(p_values[place]),
            days=days,
            first_seen=first_day + timedelta(days=int(seen[0])) if len(seen) else hours.day,
        )


def _spread(before: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How many times more the documents of each subject (rows) vary from day to day than Poisson counts; at least 1.

    An earlier burst must not hide the next. So what is said every day is judged by Qn, which a few days cannot move;
    what comes in clumps has no usual days to judge it by, and its clumps count.
    """
    spread = dispersion(before, expected)
    days = expected.any(axis=0)
    if days.sum() >= ENOUGH_DAYS:
        steady = np.median(before[:, days], axis=1) >= STEADY
        usual = expected[np.ix_(steady, days)]
        spread[steady] = np.maximum(1.0, qn((before[np.ix_(steady, days)] - usual) / np.sqrt(usual)) ** 2)
    return spread


def _by_day(past: pd.Series, subjects: np.ndarray, first_day: date) -> np.ndarray:
    """Documents of each subject (rows) on each of the days before (columns), from counts by subject and day."""
    counts = np.zeros((len(subjects), BEFORE_DAYS))
    if past.empty:
        return counts
    place = pd.Index(subjects).get_indexer(past.index.get_level_values(0).astype(str))
    day = (pd.to_datetime(past.index.get_level_values(1)) - pd.Timestamp(first_day)) // pd.Timedelta(days=1)
    inside = (place >= 0) & (day >= 0) & (day < BEFORE_DAYS)
    counts[place[inside], np.asarray(day)[inside]] = past.to_numpy(dtype="float64")[inside]
    return counts
