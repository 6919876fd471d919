"""Documents hour by hour, of every channel, every source and all together, and what is usual for an hour.

What is usual is told by the hours that are most alike: the same hour of the same weekday in the four weeks before,
with the hour before and after it; with less history the same hour of the seven days before, likewise; with still less
the preceding hours.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.surprise import NORMAL_MAD, dispersion
from pipeline_platform.schemas.aggregated.trends import BASELINES

BEFORE_DAYS = 28
"""Days before a day that tell what is usual on it."""

HOURS_A_DAY, HOURS_A_WEEK = 24, 168
BEFORE = BEFORE_DAYS * HOURS_A_DAY

AROUND = np.array([-1, 0, 1])
SAME_WEEKDAY = (-HOURS_A_WEEK * np.arange(1, 5)[:, None] + AROUND).ravel()
SAME_HOUR = (-HOURS_A_DAY * np.arange(1, 8)[:, None] + AROUND).ravel()
PRECEDING = -np.arange(1, HOURS_A_WEEK + 1)
ALIKE = ((SAME_WEEKDAY, 9), (SAME_HOUR, 9), (PRECEDING, 24))
"""Hours compared with, relative to an hour, and how many of them must be known, in the order of `BASELINES`."""

ENOUGH_HOURS = 72
"""With so many hours before the day, all of them tell the dispersion, else those that are compared with."""

FENCE = 3.0
"""Interquartile ranges above the upper quartile from which a value is far out (Tukey 1977)."""

HOURLY_COLUMNS = (
    "hour",
    "source",
    "channel",
    "canonical_documents",
    "scored_documents",
    "mean_sentiment",
    "event_date",
)
"""What is read of `aggregated/sentiment_hourly`."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of a day and of `BEFORE_DAYS` before it; rows are subjects, columns hours.

    Attributes:
        day: the day.
        subjects: index of source and channel, sorted.
        counts: documents; NaN before the first document of the subject and after what is known.
        scored, total: scored documents, and the sum of their sentiment.
        first: number of the hour of the first document.
        until: number of hours that are known; the last ones are those of the day.
    """

    day: date
    subjects: pd.MultiIndex
    counts: np.ndarray
    scored: np.ndarray
    total: np.ndarray
    first: np.ndarray
    until: int

    def moment(self, hour: int) -> pd.Timestamp:
        """Start of the hour of this number."""
        return pd.Timestamp(self.day, tz="UTC") + pd.Timedelta(hours=int(hour) - BEFORE)

    def names(self) -> list[str]:
        """`source/channel` of every subject."""
        return [f"{source}/{channel}" for source, channel in self.subjects]


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for every subject (rows) in every hour of the day (columns); NaN where too little is known.

    Attributes:
        median, spread: median and 1.4826 MAD of the hours compared with.
        fence: the upper quartile and three interquartile ranges.
        documents: documents in these hours, those far out counted up to a fence.
        dispersion: how many times more the hours of the subject vary than Poisson counts.
        size: how many hours they are.
        kind: number of the baseline in `BASELINES`, -1 for none.
    """

    median: np.ndarray
    spread: np.ndarray
    fence: np.ndarray
    documents: np.ndarray
    dispersion: np.ndarray
    size: np.ndarray
    kind: np.ndarray

    def z_scores(self, counts: np.ndarray) -> np.ndarray:
        """Robust z-scores (Iglewicz & Hoaglin 1993). Counts of quiet hours vary at least as Poisson counts do."""
        return (counts - self.median) / np.maximum(self.spread, np.sqrt(np.maximum(self.median, 1.0)))


def hours_of(day: date, hourly: pd.DataFrame) -> Hours:
    """The hours of `day` and before it, from rows of `aggregated/sentiment_hourly`.

    The hour of the last document of the day is known only if it is the last of the day: it may not have ended.
    """
    first_day = day - timedelta(days=BEFORE_DAYS)
    inside = ((hourly["event_date"] >= first_day) & (hourly["event_date"] <= day)).to_numpy(dtype=bool)
    rows = hourly[inside]
    start = pd.Timestamp(first_day, tz="UTC")
    hour = ((pd.DatetimeIndex(pd.to_datetime(rows["hour"], utc=True)) - start) // pd.Timedelta(hours=1)).to_numpy()
    last = int(hour.max()) if len(hour) else 0
    until = last if BEFORE <= last < BEFORE + HOURS_A_DAY - 1 else BEFORE + HOURS_A_DAY
    pairs = pd.MultiIndex.from_arrays(
        [rows["source"].to_numpy(dtype=object), rows["channel"].to_numpy(dtype=object)], names=["source", "channel"]
    )
    subjects = pairs.unique().sort_values()
    at = (subjects.get_indexer(pairs), hour)
    shape = (len(subjects), BEFORE + HOURS_A_DAY)
    counts, scored, total = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    counts[at] = rows["canonical_documents"].to_numpy(dtype="float64", na_value=0)
    scored[at] = rows["scored_documents"].to_numpy(dtype="float64", na_value=0)
    total[at] = rows["mean_sentiment"].to_numpy(dtype="float64", na_value=0) * scored[at]
    first = np.where(counts.any(axis=1), (counts > 0).argmax(axis=1), shape[1])
    counts[:, until:] = np.nan
    counts[np.arange(shape[1]) < first[:, None]] = np.nan
    return Hours(day, subjects, counts, scored, total, first, until)


def usual(hours: Hours) -> Usual:
    """What is usual for the hours of the day."""
    shape = (len(hours.subjects), HOURS_A_DAY)
    parts = {name: np.full(shape, np.nan) for name in ("median", "spread", "fence", "documents", "dispersion")}
    size, kind = np.zeros(shape, dtype="int64"), np.full(shape, -1, dtype="int64")
    for number, (alike, least) in enumerate(ALIKE):
        for hour in range(hours.until - BEFORE):
            columns = BEFORE + hour + alike
            values = hours.counts[:, columns[columns >= 0]]
            known = np.isfinite(values).sum(axis=1)
            chosen = np.flatnonzero((kind[:, hour] < 0) & (known >= least))
            if not len(chosen):
                continue
            told = _summary(values[chosen])
            for name, column in parts.items():
                column[chosen, hour] = told[name]
            size[chosen, hour] = known[chosen]
            kind[chosen, hour] = number
    longer = hours.first <= BEFORE - ENOUGH_HOURS
    parts["dispersion"][longer] = _dispersion(hours.counts[longer, :BEFORE])[:, None]
    return Usual(**parts, size=size, kind=kind)


def _dispersion(counts: np.ndarray) -> np.ndarray:
    """Dispersion around the mean of the hour of the day: a dozen hours tell too little of it."""
    by_day = counts.reshape(len(counts), BEFORE_DAYS, HOURS_A_DAY)
    known = np.isfinite(by_day)
    means = np.nansum(by_day, axis=1) / np.maximum(known.sum(axis=1), 1)
    expected = np.broadcast_to(means[:, None, :], by_day.shape).reshape(counts.shape)
    return dispersion(counts, expected, parameters=HOURS_A_DAY)


def _summary(values: np.ndarray) -> dict[str, np.ndarray]:
    low, median, high = np.nanpercentile(values, [25, 50, 75], axis=1)
    width = high - low
    # In quiet channels all quartiles are 0; a fence there would cut off every document.
    bound = high + FENCE * np.maximum(width, np.sqrt(np.maximum(median, 1.0)))
    held = np.minimum(values, bound[:, None])
    mean = np.nanmean(held, axis=1)
    return {
        "median": median,
        "spread": NORMAL_MAD * np.nanmedian(np.abs(values - median[:, None]), axis=1),
        "fence": high + FENCE * width,
        "documents": np.nansum(held, axis=1),
        "dispersion": dispersion(held, np.broadcast_to(mean[:, None], held.shape)),
    }


def baseline_names(kind: np.ndarray) -> list[str | None]:
    """The names of `Usual.kind`."""
    return [BASELINES[number] if number >= 0 else None for number in kind]
