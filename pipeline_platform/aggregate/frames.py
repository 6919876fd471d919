"""What aggregates do with frames: take the rows of days and the rows before, give a result the shape of its table."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.schemas.table import Table


def on_days(frame: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    """The rows of `frame` whose `event_date` is one of `days`."""
    asked = frame["event_date"].isin(list(days)).to_numpy(dtype=bool)
    return frame if asked.all() else frame[asked]


def previous(rows: pd.DataFrame, keys: Sequence[str], columns: Sequence[str], days: int) -> pd.DataFrame:
    """`columns` of the row before each, null where that one lies more than `days` back or does not exist.

    Args:
        rows: in the order of `event_date` within each of `keys`.
        keys: columns that tell whose rows follow one another.
        columns: what is wanted of the row before.
        days: how far back it may lie.
    """
    before = rows.groupby(list(keys))[["event_date", *columns]].shift(1)
    gap = pd.to_datetime(rows["event_date"]) - pd.to_datetime(before["event_date"])
    recent = gap <= pd.Timedelta(days=days)
    return pd.DataFrame({name: before[name].where(recent) for name in columns})


def shaped(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the columns and types of `table`, sorted by its key; NaN becomes null."""
    ordered = frame.sort_values(list(table.key), kind="stable", na_position="first")
    return pd.DataFrame(
        {name: pd.array(ordered[name], dtype=column.dtype.type) for name, column in table.schema.columns.items()}
    )
