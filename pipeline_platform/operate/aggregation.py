"""Aggregates from the tables: what each of them reads, and when."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pyarrow as arrow

from pipeline_platform.aggregate.registry import FETCHES, Aggregate, Input
from pipeline_platform.aggregate.sources import fetch_log
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.counts import layer_counts
from pipeline_platform.storage.lake import Snapshot
from pipeline_platform.storage.stores import Stores

SIDE_BY_SIDE = 2
"""Turns that are computed at a time."""


def tables_of(one: Input) -> list[Table]:
    """The table of an input, or all tables of its layer; none for the log of fetches."""
    if one.table.endswith("/*"):
        return [table for table in tables().values() if table.layer == one.table.removesuffix("/*")]
    return [tables()[one.table]] if one.table in tables() else []


def computed(
    stores: Stores, aggregate: Aggregate, days: Sequence[date], options: Mapping[str, Any]
) -> Iterator[pd.DataFrame]:
    """The rows of `days`, a frame for each turn of the aggregate.

    Turns are read one after the other and computed side by side, since most of it is done outside of Python; so a few
    turns are held at a time.

    Args:
        stores: where the tables lie.
        aggregate: what to compute.
        days: days to give rows for, in order.
        options: the settings it takes.
    """
    inputs = Inputs(stores, aggregate.inputs)
    turns = aggregate.turns(days)
    if len(turns) == 1:
        yield aggregate.compute(turns[0], **inputs.frames(turns[0]), **options)
        return
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        working: deque[Future[pd.DataFrame]] = deque()
        coming = reader.submit(inputs.frames, turns[0])
        for turn, following in pairwise([*turns, None]):
            frames = coming.result()
            if following is not None:
                coming = reader.submit(inputs.frames, following)
            working.append(workers.submit(aggregate.compute, turn, **frames, **options))
            if len(working) == SIDE_BY_SIDE:
                yield working.popleft().result()
        while working:
            yield working.popleft().result()


class Inputs:
    """The frames that an aggregate is given, turn after turn, all from one version of each table.

    Args:
        stores: where the tables lie.
        inputs: input by parameter.
    """

    def __init__(self, stores: Stores, inputs: Mapping[str, Input]) -> None:
        self._stores = stores
        self._inputs = inputs
        self._snapshots: dict[str, Snapshot] = {}
        self._kept: dict[tuple[str, date], pd.DataFrame] = {}

    def frames(self, days: Sequence[date]) -> dict[str, pd.DataFrame]:
        """The frames for `days`, by parameter."""
        return {name: self._frame(name, one, days) for name, one in self._inputs.items()}

    def _frame(self, name: str, one: Input, days: Sequence[date]) -> pd.DataFrame:
        first, last = days[0] - timedelta(days=one.days_before), days[-1]
        if one.table == FETCHES:
            begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
            return fetch_log(self._stores.warehouse.fetch_days(begin, end))
        if one.table.endswith("/*"):
            return layer_counts(self._stores.lake, tables_of(one), first, last)
        if one.kept is None:
            return _frame(self._read(one, first, last))
        for place in [place for place in self._kept if place[0] == name and place[1] < first]:
            del self._kept[place]
        for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
            if (name, day) not in self._kept:
                self._kept[name, day] = one.kept(_frame(self._read(one, day, day)))
        return pd.concat([part for (of, _), part in self._kept.items() if of == name], ignore_index=True)

    def _read(self, one: Input, first: date, last: date) -> arrow.Table:
        if one.table not in self._snapshots:
            (table,) = tables_of(one)
            self._snapshots[one.table] = self._stores.lake.snapshot(table)
        return self._snapshots[one.table].read_arrow(first, last, list(one.columns) if one.columns else None)


def _frame(rows: arrow.Table) -> pd.DataFrame:
    return rows.to_pandas(types_mapper=pd.ArrowDtype)
