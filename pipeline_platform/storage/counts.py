"""Counting what the tables of a layer hold, without loading them."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import pyarrow as arrow

from pipeline_platform.schemas.columns import DAY, INTEGER, STAMP, TEXT
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.lake import Lake

_TYPES = {
    "source": TEXT,
    "stream": TEXT,
    "event_date": DAY,
    "rows": INTEGER,
    "newest_event": STAMP,
    "newest_fetch": STAMP,
}
_KEYS = ["source", "stream", "event_date"]
_EVENT_TIMES = ("event_time", "created_at", "opened_at", "observed_at", "issued_at", "occurred_at")


def layer_counts(lake: Lake, tables: Sequence[Table], first: date, last: date) -> pd.DataFrame:
    """Rows per source, stream and day over `tables`.

    Returns:
        Columns `source, stream, event_date, rows, newest_event` (null where a table has no event time) and
        `newest_fetch`.
    """
    schema = arrow.schema([(name, dtype.pyarrow_dtype) for name, dtype in _TYPES.items()])
    parts = [_counted(lake, table, first, last).select(schema.names).cast(schema) for table in tables]
    return arrow.concat_tables([schema.empty_table(), *parts]).to_pandas(types_mapper=pd.ArrowDtype)


def _counted(lake: Lake, table: Table, first: date, last: date) -> arrow.Table:
    event_time = next((name for name in _EVENT_TIMES if name in table.columns), None)
    columns = [*_KEYS, "fetched_at", *([event_time] if event_time else [])]
    rows = lake.read_arrow(table, first, last, columns)
    newest = rows[event_time] if event_time else arrow.nulls(rows.num_rows, STAMP.pyarrow_dtype)
    grouped = rows.select([*_KEYS, "fetched_at"]).append_column("newest_event", newest).group_by(_KEYS)
    counted = grouped.aggregate([([], "count_all"), ("newest_event", "max"), ("fetched_at", "max")])
    names = {"count_all": "rows", "newest_event_max": "newest_event", "fetched_at_max": "newest_fetch"}
    return counted.rename_columns([names.get(name, name) for name in counted.column_names])
