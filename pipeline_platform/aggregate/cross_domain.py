"""Aggregates across domains: one wide row per day."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.aggregate.weather import PLACE, normal
from pipeline_platform.schemas.aggregated.cross_domain import CROSS_DOMAIN_DAILY
from pipeline_platform.schemas.aggregated.measures import EVERY


def _text(hours: pd.DataFrame) -> pd.DataFrame:
    every = hours[(hours["source"] == EVERY) & (hours["channel"] == EVERY)]
    every = every.sort_values("hour", kind="stable")
    scored = every["scored_documents"].astype("float64")
    every = every.assign(scored=scored, total=every["mean_sentiment"].astype("float64").fillna(0) * scored)
    sums = every.groupby("event_date")[["documents", "canonical_documents", "scored", "total"]].sum()
    mean = (sums["total"] / sums["scored"].where(sums["scored"] > 0)).clip(-1, 1)
    return sums[["documents", "canonical_documents"]].assign(mean_sentiment=mean)


def _crypto(market: pd.DataFrame) -> pd.DataFrame:
    known = market[(market["asset_class"] == "crypto") & market["daily_return"].notna()]
    known = known.assign(daily_return=known["daily_return"].astype("float64"))
    known = known.sort_values(["source", "symbol", "currency"], kind="stable")
    assets = known.groupby(["event_date", "symbol"])["daily_return"].mean().groupby("event_date")
    return pd.DataFrame({"crypto_assets": assets.size(), "crypto_mean_return": assets.mean()})


def _weather(weather: pd.DataFrame) -> pd.DataFrame:
    rows = weather.assign(
        mean=weather["temperature_mean_c"].astype("float64"), rain=weather["rain_mm"].astype("float64")
    )
    rows = rows.sort_values([*PLACE, "event_date"], kind="stable")
    rows = rows.assign(anomaly=rows["mean"].to_numpy() - normal(rows, "mean"))
    # A place that several sources watch counts once.
    days = rows.groupby(["event_date", "place"])[["mean", "anomaly", "rain"]].mean().groupby("event_date")
    return pd.DataFrame(
        {
            "places": days.size(),
            "mean_temperature_c": days["mean"].mean(),
            "temperature_anomaly_c": days["anomaly"].mean(),
            "mean_rain_mm": days["rain"].mean(),
        }
    )


def _developer(activity: pd.DataFrame) -> pd.DataFrame:
    days = activity.assign(stars_gained=activity["stars_gained"].astype("Int64")).groupby("event_date")
    return pd.DataFrame(
        {
            "repositories": days.size(),
            "commits": days["commits"].sum(),
            "stars_gained": days["stars_gained"].sum(min_count=1),
        }
    )


def cross_domain_daily(
    days: Sequence[date],
    sentiment: pd.DataFrame,
    market: pd.DataFrame,
    weather: pd.DataFrame,
    developer: pd.DataFrame,
) -> pd.DataFrame:
    """The main measure of every domain per day.

    Args:
        days: days to give rows for; a day without a row in any input has none.
        sentiment: rows of `aggregated/sentiment_hourly`.
        market: rows of `aggregated/market_daily`.
        weather: rows of `aggregated/weather_daily` from `NORMAL_DAYS` before the first day.
        developer: rows of `aggregated/developer_activity_daily`.

    Returns:
        Rows of `aggregated/cross_domain_daily`. The anomaly compares each place with its own preceding days, over
        the places that have enough of them.
    """
    parts = [_text(sentiment), _crypto(market), _weather(weather), _developer(developer)]
    wide = pd.concat([part.astype("Float64") for part in parts], axis=1, names=["event_date"])
    return shaped(CROSS_DOMAIN_DAILY, on_days(wide.rename_axis("event_date").reset_index(), days))
