"""Plots of the aggregates of markets, weather, developers and sources."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from pipeline_platform.defs.plots import MOST_BARS, bar_plot, heat_plot, line_plot, together
from pipeline_platform.defs.plotted import Plot, cells, greatest, on, only, percent, span, totals, values
from pipeline_platform.quality.outages import FEWEST, TOLD, missing_by_table, shortfalls
from pipeline_platform.schemas.catalog import tables


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
                told=lambda value: f"{value:z.0f}",
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


def source_daily(rows: pd.DataFrame, day: date, profiles: pd.DataFrame) -> Plot:
    """How much of the usual every source brought, what the tables lacked on the same days, what became of the last."""
    names = sorted(rows["source"].dropna().unique())
    today = on(rows, day)
    parts = {
        name: {source: value for source in names for value in [_sum(today, source, column)] if value is not None}
        for name, column in (("cleaned", "cleaned_rows"), ("in quarantine", "quarantined_rows"))
    }
    found = shortfalls(profiles, tables(), span(day), datetime.now(UTC))
    is_raw = found["table"].str.startswith("raw/").to_numpy(dtype=bool)
    raw = found[is_raw].groupby(["source", "event_date"])[["rows", "usual"]].sum(min_count=1)
    raw = (raw["rows"] / raw["usual"].where(raw["usual"] >= FEWEST)).rename("share").reset_index()
    # Tables of one source lack what it lacks, and that less is rejected is no loss.
    is_joined = ~found["table"].str.startswith(("raw/", "cleaned/", "quarantine/")).to_numpy(dtype=bool)
    joined = missing_by_table(found[is_joined])
    lacking = [path for path in tables() if path in set(joined["table"])]
    return together(
        [
            heat_plot(
                cells(raw, "source", "share", names),
                span(day),
                title="Records received, in % of what is usual for the day",
                palette="Reds_r",
                limits=(0, 1),
                told=lambda share: percent(share) if share < 1 - TOLD else "",
                most=len(names),
            ),
            heat_plot(
                cells(joined, "table", "missing", lacking),
                span(day),
                title="Rows that tables lack, in % of the usual ones",
                palette="Reds",
                limits=(0, 0.6),
                told=lambda share: percent(share) if share > TOLD else "",
            ),
            bar_plot(
                parts, title="What became of the records of the last day", unit="rows", stacked=True, most=len(names)
            ),
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
