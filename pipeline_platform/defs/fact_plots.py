"""Plots of the aggregates of markets, weather, developers and sources."""

from datetime import date

import numpy as np
import pandas as pd

from pipeline_platform.defs.plots import MOST_BARS, bar_plot, heat_plot, line_plot, together
from pipeline_platform.defs.plotted import Plot, cells, greatest, on, only, span, totals, values


def market_daily(rows: pd.DataFrame, day: date) -> Plot:
    """The listing of the greatest turnover with its averages, and the greatest moves of the day."""
    joined = rows["source"].astype(object) + ":" + rows["symbol"].astype(object)
    named = rows.assign(listing=joined + ":" + rows["currency"].astype(object))
    today = on(named, day)
    turnover = today.assign(turnover=today["close"].astype("float64") * today["volume"].astype("float64"))
    traded = greatest(totals(turnover, "listing", "turnover"), 1)
    name = next(iter(traded or greatest(totals(today, "listing", "close"), 1)), "")
    mine = only(named, listing=name).sort_values("event_date")
    averages = {"close": "close", "mean of 7 days": "sma_7", "of 20 days": "sma_20", "of 50 days": "sma_50"}
    lines = {told: values(mine[column]) for told, column in averages.items() if mine[column].notna().any()}
    moves = totals(today, "listing", "daily_return").dropna() * 100
    furthest = sorted(moves.index, key=lambda one: (-abs(moves[one]), one))[:MOST_BARS]
    return together(
        [
            line_plot(mine["event_date"].tolist(), lines, title=f"{name or 'Price'}, of the greatest turnover"),
            bar_plot(
                {"return": {one: float(moves[one]) for one in sorted(furthest, key=lambda one: (-moves[one], one))}},
                title="Greatest moves of the last day",
                unit="%",
            ),
        ]
    )


def weather_daily(rows: pd.DataFrame, day: date) -> Plot:
    """Mean temperature and rain of the places over the days; of several sources the one with most observations."""
    best = rows.sort_values(["observations", "source"], ascending=[True, False], kind="stable")
    shown = list(greatest(totals(on(rows, day), "place", "observations")))
    return together(
        [
            heat_plot(
                cells(best, "place", "temperature_mean_c", sorted(shown)),
                span(day),
                title="Mean temperature, °C",
                palette="coolwarm",
                limits=(-10, 35),
                told=lambda value: f"{value:.0f}",
            ),
            heat_plot(
                cells(best, "place", "rain_mm", sorted(shown)),
                span(day),
                title="Rain, mm",
                palette="Blues",
                limits=(0, 20),
            ),
        ]
    )


def developer_activity_daily(rows: pd.DataFrame, day: date) -> Plot:
    """What happened in the busiest repositories of the day."""
    today = on(rows, day)
    shown = greatest(totals(today, "repository", "activity"))
    told = {
        "commits": ["commits"],
        "pull requests": ["pull_requests_opened", "pull_requests_closed"],
        "issues": ["issues_opened", "issues_closed"],
        "releases": ["releases"],
    }
    found = {
        name: today[columns].astype("float64").sum(axis=1).groupby(today["repository"].astype(object)).sum()
        for name, columns in told.items()
    }
    return bar_plot(
        {name: {one: float(events[one]) for one in shown} for name, events in found.items()},
        title="Events of the busiest repositories on the last day",
        unit="events",
        stacked=True,
    )


def source_daily(rows: pd.DataFrame, day: date) -> Plot:
    """What every source brought on the days, and what became of it on the last."""
    received = rows.groupby([rows["source"].astype(object), rows["event_date"]])["raw_records"].sum(min_count=1)
    names = sorted(rows["source"].dropna().unique())
    today = on(rows, day)
    parts = {
        name: {source: value for source in names for value in [_sum(today, source, column)] if value is not None}
        for name, column in (("cleaned", "cleaned_rows"), ("in quarantine", "quarantined_rows"))
    }
    return together(
        [
            heat_plot(
                cells(received.reset_index(), "source", "raw_records", names),
                span(day),
                title="Records received, by the day they happened",
                palette="Blues",
                most=len(names),
            ),
            bar_plot(parts, title="What became of those of the last day", unit="rows", stacked=True, most=len(names)),
        ]
    )


def _sum(rows: pd.DataFrame, source: str, column: str) -> float | None:
    found = only(rows, source=source)[column].sum(min_count=1)
    return None if pd.isna(found) else float(found)


def source_agreement(rows: pd.DataFrame, day: date) -> Plot:
    """Where the sources of the day lie furthest apart, in tolerances."""
    today = on(rows, day)
    tolerance = today["tolerance"].astype("float64")
    apart = (today["spread"].astype("float64") / tolerance.where(tolerance > 0)).to_numpy(dtype=float, na_value=np.nan)
    names = today["subject"].astype(object) + " " + today["measure"].astype(object)
    most = greatest(pd.Series(apart, index=names).groupby(level=0).max())
    return bar_plot(
        {
            "sources agree": {name: value if value <= 1 else 0.0 for name, value in most.items()},
            "conflict": {name: value for name, value in most.items() if value > 1},
        },
        title="Where sources lie furthest apart on the last day",
        unit="spread in tolerances",
        stacked=True,
    )
