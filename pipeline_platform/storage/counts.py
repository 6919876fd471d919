"""Counting what the tables of a layer hold, without loading them."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import pyarrow as arrow

from pipeline_platform.schemas.columns import DAY, INTEGER, STAMP, TEXT
from pipeline_platform.schemas.kinds import KINDS
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
_SCHEMA = arrow.schema([(name, dtype.pyarrow_dtype) for name, dtype in _TYPES.items()])
_KEYS = ["source", "stream", "event_date"]
_EVENT_TIMES = ("event_time", *dict.fromkeys(kind.event_time for kind in KINDS.values()))


def layer_counts(lake: Lake, tables: Sequence[Table], first: date, last: date) -> pd.DataFrame:
    """Rows per source, stream and day over `tables`.

    Returns:
        Columns `source, stream, event_date, rows, newest_event` (null where a table has no event time) and
        `newest_fetch`.
    """
    parts = [_counted(lake, table, first, last).select(_SCHEMA.names).cast(_SCHEMA) for table in tables]
    return arrow.concat_tables([_SCHEMA.empty_table(), *parts]).to_pandas(types_mapper=pd.ArrowDtype)


def no_counts() -> pd.DataFrame:
    """What `layer_counts` gives for no tables."""
    return _SCHEMA.empty_table().to_pandas(types_mapper=pd.ArrowDtype)


def _counted(lake: Lake, table: Table, first: date, last: date) -> arrow.Table:
    event_time = next((name for name in _EVENT_TIMES if name in table.columns), None)
    columns = [*_KEYS, "fetched_at", *([event_time] if event_time else [])]
    rows = lake.read_arrow(table, first, last, columns)
    newest = rows[event_time] if event_time else arrow.nulls(rows.num_rows, STAMP.pyarrow_dtype)
    grouped = rows.select([*_KEYS, "fetched_at"]).append_column("newest_event", newest).group_by(_KEYS)
    counted = grouped.aggregate([([], "count_all"), ("newest_event", "max"), ("fetched_at", "max")])
    names = {"count_all": "rows", "newest_event_max": "newest_event", "fetched_at_max": "newest_fetch"}
    return counted.rename_columns([names.get(name, name) for name in counted.column_names])
