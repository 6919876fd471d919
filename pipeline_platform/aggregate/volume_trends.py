"""Moving averages, exponential smoothing and what is usual, hour by hour."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.aggregate.hourly import (
    BEFORE,
    HOURS_A_DAY,
    HOURS_A_WEEK,
    Hours,
    baseline_names,
    hours_of,
    usual,
)
from pipeline_platform.schemas.aggregated.trends import VOLUME_TRENDS

HALF_LIFE_HOURS = 12


def _moving_mean(sums: np.ndarray, weights: np.ndarray, hours: int) -> np.ndarray:
    """Sums over the last `hours` by weights over them, for the hours of the day; NaN where there is no weight."""

    def moving(values: np.ndarray) -> np.ndarray:
        running = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        return running[:, BEFORE + 1 :] - running[:, BEFORE + 1 - hours : -hours]

    weight = moving(weights)
    return np.divide(moving(sums), weight, out=np.full(weight.shape, np.nan), where=weight > 0.5)


def _smoothed(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Exponentially weighted mean (Brown 1956, corrected for the start), for the hours of the day."""
    age = BEFORE + np.arange(HOURS_A_DAY) - np.arange(sums.shape[1])[:, None]
    fading = np.where(age >= 0, 0.5 ** (age / HALF_LIFE_HOURS), 0.0)
    weight = weights @ fading
    return np.divide(sums @ fading, weight, out=np.full(weight.shape, np.nan), where=weight > 0)


def _day(hours: Hours) -> pd.DataFrame:
    """The rows of one day."""
    usually = usual(hours)
    of_day = hours.counts[:, BEFORE:]
    known, counts = np.isfinite(hours.counts).astype("float64"), np.nan_to_num(hours.counts)
    subject, hour = np.nonzero(np.isfinite(of_day))
    at = (subject, hour)
    told = hours.subjects[subject]
    return pd.DataFrame(
        {
            "hour": pd.Timestamp(hours.day, tz="UTC") + pd.to_timedelta(hour, unit="h"),
            "source": told.get_level_values("source"),
            "channel": told.get_level_values("channel"),
            "canonical_documents": of_day[at].astype("int64"),
            "mean_24h": _moving_mean(counts, known, HOURS_A_DAY)[at],
            "mean_7d": _moving_mean(counts, known, HOURS_A_WEEK)[at],
            "smoothed": _smoothed(counts, known)[at],
            "usual": usually.median[at],
            "usual_at_most": usually.fence[at],
            "z_score": usually.z_scores(of_day)[at],
            "baseline": baseline_names(usually.kind[at]),
            "baseline_size": usually.size[at],
            "mean_sentiment_24h": np.clip(_moving_mean(hours.total, hours.scored, HOURS_A_DAY)[at], -1, 1),
            "smoothed_sentiment": np.clip(_smoothed(hours.total, hours.scored)[at], -1, 1),
            "event_date": hours.day,
        }
    )


def volume_trends(days: Sequence[date], hourly: pd.DataFrame) -> pd.DataFrame:
    """Trends of every channel, every source and all together.

    Args:
        days: days to give rows for.
        hourly: rows of `aggregated/sentiment_hourly` from `hourly.BEFORE_DAYS` before the first day.

    Returns:
        Rows of `aggregated/volume_trends`.
    """
    parts = [part for part in (_day(hours_of(day, hourly)) for day in days) if len(part)]
    return shaped(VOLUME_TRENDS, pd.concat(parts)) if parts else VOLUME_TRENDS.empty()
