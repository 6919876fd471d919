"""Plots of the aggregates that hold domains side by side."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.defs.plots import bar_plot, heat_plot, point_plot
from pipeline_platform.defs.plotted import Plot, greatest, on, only, span
from pipeline_platform.schemas.aggregated.measures import EVERY


def _points(rows: pd.DataFrame, name: str, across: str, up: str) -> dict[str, tuple[float, float, float]]:
    known = rows.dropna(subset=[name, across, up])
    weights = known["canonical_documents"].fillna(0)
    return {
        str(label): (float(x), float(y), float(weight))
        for label, x, y, weight in zip(known[name], known[across], known[up], weights, strict=True)
    }


def market_sentiment_daily(rows: pd.DataFrame, day: date) -> Plot:
    """Sentiment about assets against their return, on the last day on which both are known."""
    both = rows.dropna(subset=["daily_return", "mean_sentiment"])
    last = max(both["event_date"], default=day)
    today = on(both, last).assign(percent=lambda known: known["daily_return"] * 100)
    return point_plot(
        _points(today, "asset", "percent", "mean_sentiment"),
        title=f"Assets on {last}: return and sentiment, area by documents",
        across="return, %",
        up="mean sentiment",
    )


def weather_sentiment_daily(rows: pd.DataFrame, day: date) -> Plot:
    """Sentiment in places against how warm they were for the time, on the last day on which both are known."""
    both = rows.dropna(subset=["temperature_anomaly_c", "mean_sentiment"])
    last = max(both["event_date"], default=day)
    return point_plot(
        _points(on(both, last), "place", "temperature_anomaly_c", "mean_sentiment"),
        title=f"Places on {last}: temperature and sentiment, area by documents",
        across="temperature less the mean of the days before, K",
        up="mean sentiment",
    )


SHORT = {
    EVERY: "all",
    "canonical_documents": "documents",
    "mean_sentiment": "sentiment",
    "mean_temperature_c": "temperature",
    "temperature_mean_c": "temperature",
    "temperature_anomaly_c": "anomaly",
    "rain_mm": "rain",
    "rain_anomaly_mm": "rain anomaly",
    "daily_return": "return",
    "crypto_mean_return": "return",
}
"""Names of series in labels, which have little room."""


WIDE = {
    "canonical_documents": "documents",
    "mean_sentiment": "mean sentiment",
    "crypto_mean_return": "crypto return",
    "mean_temperature_c": "temperature, °C",
    "temperature_anomaly_c": "temperature anomaly, K",
    "commits": "commits",
    "stars_gained": "stars gained",
}


def cross_domain_daily(rows: pd.DataFrame, day: date) -> Plot:
    """The measures of all domains side by side, each against its own mean over the days shown."""
    days = rows["event_date"].tolist()
    cells = {}
    for column, name in WIDE.items():
        values = rows[column].astype("float64").to_numpy(dtype=float, na_value=np.nan)
        known = values[np.isfinite(values)]
        spread = known.std() if len(known) > 1 else 0.0
        apart = (values - known.mean()) / (spread or 1.0) if len(known) else values
        cells[name] = dict(zip(days, apart.tolist(), strict=True))
    return heat_plot(
        cells,
        span(day),
        title="Every domain: standard deviations from its mean over these days",
        palette="PuOr_r",
        limits=(-2.5, 2.5),
        told=lambda value: f"{value:+.1f}",
    )


def correlations(rows: pd.DataFrame, day: date) -> Plot:
    """The strongest pairs by lag; without enough days for any, for how many days pairs are known."""
    today = on(rows, day)
    longest = today["window_days"].max()
    today = only(today, window_days=longest)
    parts = [today[name].astype(object).replace(SHORT) for name in ("subject", "first", "second")]
    named = today.assign(pair=parts[0] + ": " + parts[1] + " ~ " + parts[2])
    strength = named["spearman"].astype("float64").abs()
    shown = list(greatest(strength.groupby(named["pair"]).max()))
    if not shown:
        common = greatest(named["n"].astype("float64").groupby(named["pair"]).max())
        return bar_plot({"n": common}, title="Days in common; coefficients need 20", unit="days")
    cells: dict[str, dict[Any, float | None]] = {pair: {} for pair in shown}
    for pair, lag, value in zip(named["pair"], named["lag_days"], named["spearman"], strict=True):
        if pair in cells and pd.notna(value) and pd.notna(lag):
            cells[pair][f"{lag:+d}"] = float(value)
    lags = [f"{lag:+d}" for lag in sorted(set(named["lag_days"].dropna()))]
    return heat_plot(
        cells,
        lags,
        title=f"Rank correlation over {longest} days, by days that documents lead",
        palette="RdBu",
        limits=(-1, 1),
        told=lambda value: f"{value:+.2f}",
    )
