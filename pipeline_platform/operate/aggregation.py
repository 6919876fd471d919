"""Aggregates from the tables: what each of them reads, and when."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

ROWS_AT_ONCE = 400_000
"""Rows that are read together, where one day does not have more: what a call costs, however few rows it is given, is
paid once for them."""

A_DAY = timedelta(days=1)


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
    turns = inputs.turns(days) if aggregate.in_turns else [days]
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
        self._kept: dict[str, dict[date, pd.DataFrame]] = {}

    def turns(self, days: Sequence[date]) -> list[list[date]]:
        """`days` in spans to compute together, in order: as few as `ROWS_AT_ONCE` allows, none for no day."""
        return self._spans({one.table for one in self._inputs.values()}, days)

    def frames(self, days: Sequence[date]) -> dict[str, pd.DataFrame]:
        """The frames for `days`, by parameter; of several calls no later one asks for earlier days."""
        return {name: self._frame(name, one, days) for name, one in self._inputs.items()}

    def _spans(self, paths: Iterable[str], days: Sequence[date]) -> list[list[date]]:
        sizes = sum((self._snapshot(path).rows_by_day for path in paths), Counter[date]())
        spans: list[list[date]] = []
        held = 0
        for day in days:
            held += sizes[day]
            if not spans or held > ROWS_AT_ONCE:
                spans.append([])
                held = sizes[day]
            spans[-1].append(day)
        return spans

    def _frame(self, name: str, one: Input, days: Sequence[date]) -> pd.DataFrame:
        first, last = days[0] - timedelta(days=one.days_before), days[-1]
        if one.table == FETCHES:
            begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + A_DAY))
            return fetch_log(self._stores.warehouse.fetch_days(begin, end))
        if one.table.endswith("/*"):
            return layer_counts(self._stores.lake, tables_of(one), first, last)
        if one.counted is not None:
            return _frame(self._snapshot(one.table).counted(one.columns or (), one.counted, first, last))
        if one.kept is None:
            return _frame(self._read(one, first, last))
        # By the last day of what was read together.
        parts = {end: part for end, part in self._kept.get(name, {}).items() if end >= first}
        unread = max(parts, default=first - A_DAY) + A_DAY
        for span in self._spans([one.table], [unread + number * A_DAY for number in range((last - unread).days + 1)]):
            parts[span[-1]] = one.kept(_frame(self._read(one, span[0], span[-1])))
        self._kept[name] = parts
        kept = pd.concat(parts.values(), ignore_index=True)
        return kept[(kept["event_date"] >= first).to_numpy(dtype=bool)].reset_index(drop=True)

    def _read(self, one: Input, first: date, last: date) -> arrow.Table:
        return self._snapshot(one.table).read_arrow(first, last, list(one.columns) if one.columns else None)

    def _snapshot(self, path: str) -> Snapshot:
        if path not in self._snapshots:
            self._snapshots[path] = self._stores.lake.snapshot(tables()[path])
        return self._snapshots[path]


def _frame(rows: arrow.Table) -> pd.DataFrame:
    return rows.to_pandas(types_mapper=pd.ArrowDtype)
