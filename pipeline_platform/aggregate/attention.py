"""What is written about a thing beside what happens to it: assets with their prices, places with their weather.

A row tells what is known when its day is over; nothing of it looks at a later day.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, previous, shaped
from pipeline_platform.aggregate.indicators import PREVIOUS_CLOSE_DAYS
from pipeline_platform.aggregate.weather import PLACE, normal
from pipeline_platform.schemas.aggregated.attention import MARKET_SENTIMENT_DAILY, WEATHER_SENTIMENT_DAILY
from pipeline_platform.schemas.table import Table

MENTION_DAYS = 28
"""Days before a day whose mentions are the usual number."""

MENTION_DAYS_NEEDED = 7
"""With fewer of them on which anything was read, nothing is usual."""

PREFERRED_CURRENCY = "USD"
COUNTS = ["documents", "canonical_documents", "scored_documents", "reach"]
LISTING = ["source", "symbol", "currency"]


def _mentions(rows: pd.DataFrame, subjects: pd.DataFrame, key: str) -> pd.DataFrame:
    """`rows`, a row per `key` and day, with the measures of documents and `mentions_z`.

    A day on which documents were read, but none about the subject, has 0 of them.
    """
    read = np.unique(pd.to_datetime(subjects["event_date"]).to_numpy(dtype="datetime64[D]"))
    days = pd.to_datetime(rows["event_date"]).to_numpy(dtype="datetime64[D]")
    rows = rows.assign(**{name: rows[name].astype("Int64") for name in COUNTS})
    rows.loc[np.isin(days, read), COUNTS] = rows.loc[np.isin(days, read), COUNTS].fillna(0)
    counts = rows["canonical_documents"].astype("float64").fillna(0)
    known = np.searchsorted(read, days) - np.searchsorted(read, days - np.timedelta64(MENTION_DAYS, "D"))
    span = np.maximum(known, 2)
    held = rows.assign(counted=counts, squared=counts**2, moment=days.astype("datetime64[ns]"))
    mean, variance = np.zeros(len(rows)), np.zeros(len(rows))
    if len(rows):
        windows = held.set_index("moment").groupby(key)[["counted", "squared"]]
        sums = windows.rolling(f"{MENTION_DAYS}D", closed="left", min_periods=0).sum()
        mean = sums["counted"].to_numpy() / span
        variance = np.maximum(sums["squared"].to_numpy() - span * mean**2, 0) / (span - 1)
    # Counts vary at least as those of Poisson do: what was never named before is not infinitely unusual.
    spread = np.sqrt(np.maximum(variance, np.maximum(mean, 1 / MENTION_DAYS)))
    z: pd.Series = ((counts - mean) / spread).where(known >= MENTION_DAYS_NEEDED)
    return rows.assign(mentions_z=z.where(rows["canonical_documents"].notna().to_numpy(dtype=bool)))


def _beside(
    table: Table, days: Sequence[date], subjects: pd.DataFrame, kind: str, key: str, facts: pd.DataFrame
) -> pd.DataFrame:
    """Documents about subjects of `kind`, beside `facts`, a row per `key` and day."""
    about = subjects[(subjects["kind"] == kind).to_numpy(dtype=bool, na_value=False)]
    about = about.drop(columns=["kind", "sources"], errors="ignore").rename(columns={"subject": key})
    joined = about.merge(facts, how="outer", on=["event_date", key])
    joined = joined.sort_values([key, "event_date"], kind="stable", ignore_index=True)
    return shaped(table, on_days(_mentions(joined, subjects, key), days))


def market_sentiment_daily(days: Sequence[date], subjects: pd.DataFrame, market: pd.DataFrame) -> pd.DataFrame:
    """Documents about an asset beside its price, per day.

    Of several listings of an asset one is taken whole: one with a return before one without, then US dollars before
    other currencies, then the alphabetically first source, symbol and currency.

    Args:
        days: days to give rows for.
        subjects: rows of `aggregated/subject_daily` from `MENTION_DAYS` before the first day.
        market: rows of `aggregated/market_daily` from `PREVIOUS_CLOSE_DAYS` before the first day.

    Returns:
        Rows of `aggregated/market_sentiment_daily`, for assets with a document or a price that day.
    """
    listed = market.sort_values([*LISTING, "event_date"], kind="stable")
    listed = listed.assign(
        previous_daily_return=previous(listed, LISTING, ["daily_return"], PREVIOUS_CLOSE_DAYS)["daily_return"],
        unknown=listed["daily_return"].isna(),
        foreign=listed["currency"] != PREFERRED_CURRENCY,
    )
    chosen = listed.sort_values(["event_date", "asset", "unknown", "foreign", *LISTING], kind="stable")
    chosen = on_days(chosen.drop_duplicates(["event_date", "asset"]), days)
    return _beside(MARKET_SENTIMENT_DAILY, days, subjects, "asset", "asset", chosen)


def weather_sentiment_daily(days: Sequence[date], subjects: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Documents about a place beside its weather, per day.

    Of several sources the one with the most observed hours is taken whole, the alphabetically first of equals.

    Args:
        days: days to give rows for.
        subjects: rows of `aggregated/subject_daily` from `MENTION_DAYS` before the first day.
        weather: rows of `aggregated/weather_daily` from `NORMAL_DAYS` before the first day.

    Returns:
        Rows of `aggregated/weather_sentiment_daily`, for places with a document or an observation that day. Anomalies
        compare a source with its own preceding days.
    """
    rows = weather.astype({"temperature_mean_c": "float64", "rain_mm": "float64"})
    rows = rows.sort_values([*PLACE, "event_date"], kind="stable", ignore_index=True)
    rows = rows.assign(
        temperature_anomaly_c=rows["temperature_mean_c"] - normal(rows, "temperature_mean_c"),
        rain_anomaly_mm=rows["rain_mm"] - normal(rows, "rain_mm"),
    )
    chosen = rows.sort_values(["hours_observed", "source"], ascending=[False, True], kind="stable")
    chosen = on_days(chosen.drop_duplicates(["event_date", "place"]), days)
    return _beside(WEATHER_SENTIMENT_DAILY, days, subjects, "place", "place", chosen)
