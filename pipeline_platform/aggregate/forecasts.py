"""Forecasts of what other aggregates tell: how much is said, in what mood, what assets cost, how warm it is.

Missing periods: an hour or day without documents has 0 of them; a day without a mood, a price or a temperature is a
gap. Short gaps are bridged in a straight line, a longer one cuts off what lies before it. Where exchanges close on
weekends, only the days on which they trade are periods.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.aggregate import prophet
from pipeline_platform.aggregate.forecasting import BOUNDS, Forecast, Plan, Score, forecast_series
from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.schemas.aggregated.forecasts import FORECASTS
from pipeline_platform.schemas.aggregated.measures import EVERY

HISTORY_DAYS = 56
"""Days that a forecast is made from, its own included."""

HOURLY_DAYS = 28
"""Days that hourly forecasts are made from."""

BRIDGED_DAYS = 3
"""Gaps of at most so many days are bridged."""

STALE_DAYS = 7
"""A series whose last period is older than this is not forecast."""

SERIES_AT_MOST = 1000
"""Series of a day, unless a setting says otherwise: about 0.1 s each."""

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)

HOURLY_VOLUME = Plan(season=24, horizon=24, origins=8, stride=12, least=72, weekly=168, low=0.0)
DAILY_VOLUME = Plan(season=7, horizon=7, origins=14, stride=1, least=21, arima=True, low=0.0)
DAILY_MOOD = Plan(season=7, horizon=7, origins=14, stride=1, least=21, arima=True, low=-1.0, high=1.0)
DAILY_CLOSE = Plan(season=1, horizon=5, origins=21, stride=1, least=21, logs=True)
DAILY_TEMPERATURE = Plan(season=1, horizon=5, origins=21, stride=1, least=21, arima=True)


@dataclass(frozen=True, slots=True)
class Series:
    """A series up to the day of issue.

    Attributes:
        measure, subject, step, unit: as in the table.
        values: of consecutive periods, none missing.
        issued_at: end of the last period.
        valid_at: starts of the periods to forecast.
        observed: periods that were not bridged.
        plan: how it is forecast.
    """

    measure: str
    subject: str
    step: str
    unit: str | None
    values: np.ndarray
    issued_at: pd.Timestamp
    valid_at: pd.DatetimeIndex
    observed: int
    plan: Plan

    @property
    def name(self) -> str:
        """Measure, subject and step, which no other series shares."""
        return f"{self.measure}:{self.subject}:{self.step}"


def _known_until(hours: pd.DataFrame, day: date) -> pd.Timestamp:
    """End of the last whole hour of `day`: the hour of the last document is whole only if it is the last of the day."""
    end = pd.Timestamp(day, tz="UTC") + DAY
    today = hours[(hours["event_date"] == day).to_numpy(dtype=bool)]
    last = pd.Timestamp(today["hour"].max()) if len(today) else end
    return end if last >= end - HOUR else last


def _volumes(hours: pd.DataFrame, day: date) -> Iterator[Series]:
    """Documents per hour and per day of every source, from its first document on."""
    until = _known_until(hours, day)
    known = hours[(hours["hour"] < until).to_numpy(dtype=bool)]
    for source, rows in known.groupby("source"):
        counts = rows.groupby("hour")["canonical_documents"].sum().astype("float64")
        first = pd.Timestamp(counts.index.min())
        start = max(first, until.ceil("D") - HOURLY_DAYS * DAY)
        grid = pd.date_range(start, until, freq="h", inclusive="left")
        values = counts.reindex(grid, fill_value=0.0).to_numpy()
        if len(values):
            ahead = pd.date_range(until, periods=HOURLY_VOLUME.horizon, freq="h")
            yield Series(
                "canonical_documents", str(source), "1h", "documents", values, until, ahead, len(values), HOURLY_VOLUME
            )
        # The first day may have begun before its first document was seen, the last may not have ended.
        whole = pd.date_range(first.ceil("D"), until.floor("D"), freq="D", inclusive="left")
        if len(whole):
            daily = counts.groupby(pd.DatetimeIndex(counts.index).floor("D")).sum().reindex(whole, fill_value=0.0)
            ahead = pd.date_range(whole[-1] + DAY, periods=DAILY_VOLUME.horizon, freq="D")
            yield Series(
                "canonical_documents",
                str(source),
                "1d",
                "documents",
                daily.to_numpy(),
                whole[-1] + DAY,
                ahead,
                len(whole),
                DAILY_VOLUME,
            )


def _moods(hours: pd.DataFrame, day: date) -> Iterator[Series]:
    """Mean sentiment per whole day of every source."""
    until = _known_until(hours, day).floor("D")
    known = hours[(hours["hour"] < until).to_numpy(dtype=bool)]
    scored = known["scored_documents"].astype("float64")
    known = known.assign(scored=scored, total=known["mean_sentiment"].astype("float64").fillna(0) * scored)
    sums = known.sort_values("hour", kind="stable").groupby(["source", "event_date"])[["scored", "total"]].sum()
    means = (sums["total"] / sums["scored"].where(sums["scored"] > 0)).clip(-1, 1).rename("value").reset_index()
    for source, rows in means.groupby("source"):
        yield from _gapped(rows, ("mean_sentiment", str(source), None), DAILY_MOOD, until)


def _closes(market: pd.DataFrame, day: date) -> Iterator[Series]:
    """Close per day of every asset."""
    rows = market.assign(value=market["close"].astype("float64"))
    for (source, symbol, currency), asset in rows.groupby(["source", "symbol", "currency"]):
        subject = f"{source}:{symbol}:{currency}"
        yield from _gapped(asset, ("close", subject, str(currency)), DAILY_CLOSE, pd.Timestamp(day, tz="UTC") + DAY)


def _temperatures(weather: pd.DataFrame, day: date) -> Iterator[Series]:
    """Mean temperature per day of every place."""
    rows = weather.assign(value=weather["temperature_mean_c"].astype("float64"))
    for (source, place), days in rows.groupby(["source", "place"]):
        what = ("temperature_mean_c", f"{source}:{place}", "°C")
        yield from _gapped(days, what, DAILY_TEMPERATURE, pd.Timestamp(day, tz="UTC") + DAY)


def _gapped(rows: pd.DataFrame, what: tuple[str, str, str | None], plan: Plan, until: pd.Timestamp) -> Iterator[Series]:
    """The series of days that may be missing, none if the last one is stale.

    Args:
        rows: `event_date` and `value`, one row per day.
        what: measure, subject, unit.
        plan: how it is forecast.
        until: end of the last day that can be known.
    """
    known = rows.dropna(subset="value")
    dates = pd.DatetimeIndex(pd.to_datetime(known["event_date"])).tz_localize("UTC")
    values = pd.Series(known["value"].to_numpy(dtype="float64"), index=dates).sort_index()
    values = values[values.index < until]
    if values.empty or until - values.index[-1] > STALE_DAYS * DAY:
        return
    closes = what[0] == "close" and values.index[-1] - values.index[0] >= STALE_DAYS * DAY
    step = "B" if closes and (pd.DatetimeIndex(values.index).dayofweek < 5).all() else "D"
    grid = values.reindex(pd.date_range(values.index[0], values.index[-1], freq=step))
    missing = grid.isna().to_numpy()
    position = np.arange(len(grid))
    since_known = position - np.maximum.accumulate(np.where(missing, 0, position))
    cut = int(np.flatnonzero(since_known > BRIDGED_DAYS)[-1]) + 1 if (since_known > BRIDGED_DAYS).any() else 0
    kept = grid.iloc[cut:].dropna()
    bridged = grid.loc[kept.index[0] :].interpolate()
    ahead = pd.date_range(bridged.index[-1], periods=plan.horizon + 1, freq=step)[1:]
    yield Series(what[0], what[1], "1d", what[2], bridged.to_numpy(), bridged.index[-1] + DAY, ahead, len(kept), plan)


def _chosen(found: Sequence[Series], at_most: int) -> list[Series]:
    """The `at_most` series that most is known of, by name where that is equal, in the order of their names."""
    longest = sorted(found, key=lambda one: (-one.observed, one.name))[:at_most]
    return sorted(longest, key=lambda one: one.name)


def _rows(series: Series, told: Forecast, day: date) -> Iterator[dict[str, Any]]:
    def scaled(score: Score | None) -> float | None:
        return None if score is None or np.isnan(told.scale) else score.mae / told.scale

    score = told.score
    shared = {
        "measure": series.measure,
        "subject": series.subject,
        "step": series.step,
        "unit": series.unit,
        "issued_at": series.issued_at,
        "model": told.model,
        "is_naive": told.model == told.naive_model,
        "mase": scaled(score),
        "smape": score.smape if score and (series.plan.low >= 0 or series.plan.logs) else None,
        "naive_model": told.naive_model,
        "naive_mase": scaled(told.naive_score),
        "coverage_80": score.coverage[0] if score else None,
        "coverage_95": score.coverage[1] if score else None,
        "tested_forecasts": score.tested if score else 0,
        "history": series.observed,
        "event_date": day,
    }
    for ahead, (moment, band) in enumerate(zip(series.valid_at, told.bands.tolist(), strict=True), start=1):
        ends = {name: None if np.isnan(end) else end for name, end in zip(BOUNDS, band[1:], strict=True)}
        yield {
            "forecast_id": f"{series.name}:{day}:{ahead:02}",
            "valid_at": moment,
            "horizon": ahead,
            "forecast": band[0],
            **ends,
            **shared,
        }


def _window(frame: pd.DataFrame, day: date) -> pd.DataFrame:
    first = day - timedelta(days=HISTORY_DAYS - 1)
    return frame[((frame["event_date"] >= first) & (frame["event_date"] <= day)).to_numpy(dtype=bool)]


def forecasts(
    days: Sequence[date],
    hours: pd.DataFrame,
    market: pd.DataFrame,
    weather: pd.DataFrame,
    forecast_series_at_most: int = SERIES_AT_MOST,
    forecast_with_prophet: bool = False,
) -> pd.DataFrame:
    """Forecasts of every series that has a period in the week up to a day.

    Args:
        days: days to issue forecasts on.
        hours: rows of `aggregated/sentiment_hourly` from `HISTORY_DAYS - 1` before the first day.
        market: rows of `aggregated/market_daily`, likewise.
        weather: rows of `aggregated/weather_daily`, likewise.
        forecast_series_at_most: series of a day; of more, those are taken that most is known of.
        forecast_with_prophet: whether Prophet is tried too.

    Returns:
        Rows of `aggregated/forecasts`; the `attrs` tell how many series which model forecasts, and how many were left
        out.
    """
    with_prophet = forecast_with_prophet and prophet.is_usable()
    whole = hours[(hours["channel"] == EVERY).to_numpy(dtype=bool)]
    rows: list[dict[str, Any]] = []
    left_out = 0
    for day in days:
        said, prices, warmth = (_window(frame, day) for frame in (whole, market, weather))
        found = [*_volumes(said, day), *_moods(said, day), *_closes(prices, day), *_temperatures(warmth, day)]
        chosen = _chosen(found, forecast_series_at_most)
        left_out += len(found) - len(chosen)
        for series in chosen:
            told = forecast_series(series.values, replace(series.plan, prophet=with_prophet))
            rows += _rows(series, told, day)
    result = shaped(FORECASTS, FORECASTS.frame(rows))
    used = result.drop_duplicates(["event_date", "measure", "subject", "step"])["model"].value_counts()
    result.attrs["notes"] = {
        "series by model": {str(model): int(series) for model, series in sorted(used.items())},
        f"series left out beyond {forecast_series_at_most}": left_out,
    }
    return result
