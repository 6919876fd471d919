"""Whether sources agree: what several of them tell of one asset or place, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.sources import SOURCE_AGREEMENT


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure that sources are held against each other by.

    Attributes:
        column: of `market_daily` or `weather_daily`.
        tolerance: spread up to which sources agree: a share of the highest value if `relative`, else in the unit.
    """

    column: str
    tolerance: float
    relative: bool = False


CLOSE = Measure("close", 0.02, relative=True)
"""Exchanges close at other moments, and crypto never does: two per cent apart is no contradiction."""

WEATHER: tuple[tuple[Measure, str], ...] = (
    (Measure("temperature_mean_c", 3.0), "°C"),
    (Measure("rain_mm", 10.0), "mm"),
    (Measure("wind_speed_max_mps", 8.0), "m/s"),
)
"""Stations and models tell of other spots and hours; further apart than this, one of them is wrong."""


def _agreement(told: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Rows for each subject of which at least two sources tell; `told` has subject, unit, source, value, event_date."""
    # A source that lists an asset twice tells of it by its alphabetically first symbol.
    told = told.drop_duplicates(["event_date", "subject", "unit", "source"]).sort_values("source", kind="stable")
    subject = ["event_date", "subject", "unit"]
    several = told[told.groupby(subject)["source"].transform("size") > 1].reset_index(drop=True)
    groups = several.groupby(subject)
    low, high = (several.loc[rows] for rows in (groups["value"].idxmin(), groups["value"].idxmax()))
    found = pd.DataFrame(
        {
            "sources": groups["source"].agg(list),
            "lowest": low.set_index(subject)["value"],
            "lowest_source": low.set_index(subject)["source"],
            "highest": high.set_index(subject)["value"],
            "highest_source": high.set_index(subject)["source"],
        }
    ).reset_index()
    spread = found["highest"] - found["lowest"]
    tolerance = measure.tolerance * (found["highest"].abs() if measure.relative else 1.0)
    return found.assign(
        measure=measure.column, spread=spread, tolerance=tolerance, is_conflict=(spread > tolerance).astype(bool)
    )


def _told(rows: pd.DataFrame, subject: str, unit: pd.Series | str, measure: Measure) -> pd.DataFrame:
    value = rows[measure.column].astype("float64")
    source = rows["source"].astype(object)  # Arrow texts cannot be gathered into lists
    columns = {"event_date": rows["event_date"], "subject": rows[subject], "source": source}
    return pd.DataFrame({**columns, "unit": unit, "value": value}).dropna(subset="value")


def source_agreement(days: Sequence[date], market: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The closes and the weather of which several sources tell.

    Args:
        days: days to give rows for.
        market: rows of `aggregated/market_daily`.
        weather: rows of `aggregated/weather_daily`.

    Returns:
        Rows of `aggregated/source_agreement`.
    """
    prices = on_days(market, days).sort_values(["source", "symbol"], kind="stable")
    places = on_days(weather, days).sort_values(["source", "place"], kind="stable")
    parts = [
        _agreement(_told(prices, "asset", prices["currency"], CLOSE), CLOSE),
        *(_agreement(_told(places, "place", unit, measure), measure) for measure, unit in WEATHER),
    ]
    filled = [part for part in parts if len(part)]
    return shaped(SOURCE_AGREEMENT, pd.concat(filled)) if filled else SOURCE_AGREEMENT.empty()
