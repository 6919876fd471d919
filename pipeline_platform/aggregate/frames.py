"""What every aggregate does with frames: take the rows of its days, and give its result the shape of its table."""

from collections.abc import Sequence
from datetime import date

import pandas as pd

from pipeline_platform.schemas.table import Table


def on_days(frame: pd.DataFrame, days: Sequence[date]) -> pd.DataFrame:
    """The rows of `frame` whose `event_date` is one of `days`."""
    asked = frame["event_date"].isin(list(days)).to_numpy(dtype=bool)
    return frame if asked.all() else frame[asked]


def shaped(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the columns and types of `table`, sorted by its key; NaN becomes null."""
    ordered = frame.sort_values(list(table.key), kind="stable", na_position="first")
    return pd.DataFrame(
        {name: pd.array(ordered[name], dtype=column.dtype.type) for name, column in table.schema.columns.items()}
    )
