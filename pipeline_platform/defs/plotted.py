"""What a plot of an aggregate shows: which rows it reads, and how the few are chosen that it has room for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from pipeline_platform.aggregate.registry import Input
from pipeline_platform.defs.plots import MOST_BARS

DAYS_BEFORE = 13
Plot = dg.MarkdownMetadataValue


@dataclass(frozen=True, slots=True)
class AggregatePlot:
    """How an aggregate is drawn.

    Attributes:
        draw: `(rows, day, **frames)` to the plot: rows of the table up to `day`, the last of the run.
        columns: columns of the table that are drawn.
        days_before: days of the table before `day` that are drawn; what was stored of them is read, as far as the run
            did not make them anew.
        frames: other rows that are drawn, by parameter of `draw`; they are read for the last day.
    """

    draw: Callable[..., Plot]
    columns: tuple[str, ...]
    days_before: int = 0
    frames: Mapping[str, Input] = field(default_factory=dict)

    def of(self, table: str, made: pd.DataFrame, days: Sequence[date], read: Callable[[Input], pd.DataFrame]) -> Plot:
        """The plot of a run.

        Args:
            table: path of the table.
            made: the rows that the run made.
            days: its days, in order.
            read: gives the rows of an input for the last of them.
        """
        columns, day = (*self.columns, "event_date"), days[-1]
        rows = made[list(columns)]
        first = day - timedelta(days=self.days_before)
        if first < days[0]:
            stored = read(Input(table, self.days_before, columns))
            rows = pd.concat([stored[_days_where(stored, before=days[0])], rows], ignore_index=True)
        rows = rows[_days_where(rows, since=first)].reset_index(drop=True)
        return self.draw(rows, day, **{name: read(one) for name, one in self.frames.items()})


def _days_where(rows: pd.DataFrame, *, since: date = date.min, before: date = date.max) -> np.ndarray:
    days = rows["event_date"].to_numpy(dtype="datetime64[D]")
    return (days >= np.datetime64(since)) & (days < np.datetime64(before))


def on(rows: pd.DataFrame, day: date) -> pd.DataFrame:
    """The rows of a day."""
    return rows[_days_where(rows, since=day, before=day + timedelta(days=1))]


def only(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that have these values in these columns; null is no value."""
    kept = np.ones(len(rows), dtype=bool)
    for name, value in values.items():
        kept &= rows[name].eq(value).to_numpy(dtype=bool, na_value=False)
    return rows[kept]


def span(day: date, before: int = DAYS_BEFORE) -> list[date]:
    """The days up to `day`, in order."""
    return [day - timedelta(days=ago) for ago in range(before, -1, -1)]


def greatest(values: pd.Series, most: int = MOST_BARS) -> dict[str, float]:
    """The greatest values by label, alphabetical where equal; what has none is left out."""
    known = values.dropna().astype("float64")
    ranked = sorted(zip(known.index.tolist(), known.tolist(), strict=True), key=lambda item: (-item[1], str(item[0])))
    return {str(label): value for label, value in ranked[:most]}


def totals(rows: pd.DataFrame, label: str, value: str) -> pd.Series:
    """Sums of a column by label; null where all of it is."""
    return rows[value].astype("float64").groupby(rows[label].astype(object)).sum(min_count=1)


def cells(rows: pd.DataFrame, label: str, value: str, shown: Sequence[str]) -> dict[str, dict[Any, float]]:
    """Values by day, by label; of several rows of a label and day the last."""
    known = rows[rows[value].notna().to_numpy(dtype=bool) & rows[label].isin(list(shown)).to_numpy(dtype=bool)]
    cells: dict[str, dict[Any, float]] = {name: {} for name in shown}
    for name, day, number in zip(known[label], known["event_date"], known[value], strict=True):
        cells[str(name)][day] = float(number)
    return cells


def values(column: pd.Series) -> list[float | None]:
    """A column as plain numbers, None for null."""
    return [None if pd.isna(value) else float(value) for value in column]


def percent(share: float) -> str:
    """A share in whole percents."""
    return f"{share:.0%}"
