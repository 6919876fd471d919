"""Aggregates of observed weather: one row per place and UTC day."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.weather import WEATHER_DAILY

PLACE = ["source", "place"]
PLACE_DAY = ["event_date", *PLACE]
NORMAL_DAYS = 14
"""Days before a day that its weather is compared with."""

NORMAL_DAYS_NEEDED = 2
"""With fewer of them there is no anomaly."""

MEASURES = ["temperature_c", "humidity_pct", "wind_speed_mps", "rain_1h_mm", "snow_1h_mm"]


def _dominant(observations: pd.DataFrame) -> pd.Series:
    """The most frequent condition per place and day, the alphabetically first of equals."""
    counts = observations.groupby([*PLACE_DAY, "condition"], dropna=False).size().reset_index(name="times")
    counts = counts.dropna(subset="condition").sort_values(["times", "condition"], ascending=[False, True])
    return counts.groupby(PLACE_DAY)["condition"].first()


def _first(observations: pd.DataFrame, column: str) -> pd.Series:
    """The alphabetically first value of `column` per place and day."""
    return observations.dropna(subset=column).sort_values(column).groupby(PLACE_DAY)[column].first()


def normal(daily: pd.DataFrame, column: str) -> np.ndarray:
    """Mean of `column` over the `NORMAL_DAYS` before each row, of the place as its source tells it.

    Args:
        daily: rows of `aggregated/weather_daily`, sorted by `PLACE` and day.
        column: of floats.
    """
    if not len(daily):
        return np.empty(0)
    dated = daily.assign(moment=pd.to_datetime(daily["event_date"])).set_index("moment").groupby(PLACE)
    # Rows are sorted by place, so that the means come in their order.
    return dated[column].rolling(f"{NORMAL_DAYS}D", closed="left", min_periods=NORMAL_DAYS_NEEDED).mean().to_numpy()


def weather_daily(days: Sequence[date], observations: pd.DataFrame) -> pd.DataFrame:
    """Temperature, rain and main condition per place and day.

    Args:
        days: days to give rows for.
        observations: rows of `deduplicated/weather_observations`.

    Returns:
        Rows of `aggregated/weather_daily`. Rain and snow add up the mean hourly amount of every observed clock hour.
    """
    rows = on_days(observations, days).sort_values("observation_id", kind="stable")
    rows = rows.astype(dict.fromkeys(MEASURES, "float64")).assign(hour=rows["observed_at"].dt.floor("h"))
    places = rows.groupby(PLACE_DAY)
    hourly = rows.groupby([*PLACE_DAY, "hour"])[["rain_1h_mm", "snow_1h_mm"]].mean()
    amounts = hourly.groupby(PLACE_DAY)[["rain_1h_mm", "snow_1h_mm"]].sum(min_count=1)
    temperature = places["temperature_c"]
    daily = pd.DataFrame(
        {
            "location": _first(rows, "location"),
            "country": _first(rows, "country"),
            "temperature_min_c": temperature.min(),
            # A mean of equal floats may differ from them by the last bit.
            "temperature_mean_c": temperature.mean().clip(temperature.min(), temperature.max()),
            "temperature_max_c": temperature.max(),
            "humidity_mean_pct": places["humidity_pct"].mean().clip(0, 100),
            "wind_speed_max_mps": places["wind_speed_mps"].max(),
            "rain_mm": amounts["rain_1h_mm"],
            "snow_mm": amounts["snow_1h_mm"],
            "observations": places.size(),
            "hours_observed": places["hour"].nunique(),
            "condition": _dominant(rows),
        }
    )
    return shaped(WEATHER_DAILY, daily.reset_index())
