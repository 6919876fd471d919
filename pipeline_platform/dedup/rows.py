"""One row per key: of several captures of the same thing the newest stays."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as arrow


def dedup_rows(frame: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """`frame` with one row per `key`: the one of the newest `fetched_at`, of equally new ones the last stream by name.

    Rows keep their order; the index starts at 0.
    """
    captures = {name: arrow.array(frame[name]) for name in (*key, "fetched_at", "source", "stream")}
    captures["position"] = arrow.array(range(len(frame)), arrow.int64())
    table = arrow.table(captures)
    if len(table.group_by(list(key)).aggregate([])) == len(frame):
        return frame.reset_index(drop=True)
    order = [(name, "ascending") for name in ("fetched_at", "source", "stream")]
    newest = table.sort_by(order).group_by(list(key), use_threads=False).aggregate([("position", "last")])
    return frame.iloc[sorted(newest["position_last"].to_pylist())].reset_index(drop=True)
