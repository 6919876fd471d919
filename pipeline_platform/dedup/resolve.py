"""Columns that deduplication adds: under which one name the sources' own names of a thing are known."""

from collections.abc import Callable

import pandas as pd

from pipeline_platform.dedup import assets, places
from pipeline_platform.settings import Settings
from pipeline_platform.sources.base import Kind

Resolve = Callable[[pd.DataFrame, Settings], pd.Series]
"""`(rows, settings) -> a value per row`; the columns are declared in `schemas/deduplicated.py`."""


def _place(rows: pd.DataFrame, settings: Settings) -> pd.Series:
    return places.place_keys(rows, places.registry(settings.places))


def _asset(rows: pd.DataFrame, settings: Settings) -> pd.Series:
    return assets.asset_keys(rows, assets.registry(settings.symbols))


RESOLVED: dict[Kind, tuple[str, Resolve]] = {
    "market_bars": ("asset", _asset),
    "weather_observations": ("place", _place),
    "weather_forecasts": ("place", _place),
}
"""Kind to the column that is added, and how it is filled."""


def resolve(kind: Kind, rows: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """`rows` with the column that its kind gets, where it gets one."""
    if kind not in RESOLVED:
        return rows
    column, fill = RESOLVED[kind]
    return rows.assign(**{column: fill(rows, settings)})
