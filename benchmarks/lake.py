"""Writing a hundred thousand raw records: merge of new, known and partly changed ones, and replacing a day."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from deltalake import DeltaTable

from benchmarks.documents import DAY, raw_records, stream_named
from benchmarks.measure import BenchmarkError, Figure, compared, race
from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.storage.lake import Lake, Merged, arrow_schema, to_arrow

SCALE = 100_000
DISTINCT = 20_000
CHANGED_SHARE = 100
"""One record in so many is changed."""

TABLE = raw_table(*stream_named("reddit_comments"))
PARQUET = "plain Parquet file"
DELTA_MERGE = "deltalake's MERGE of all rows"


def _records(count: int) -> pd.DataFrame:
    """`count` raw records of one day."""
    some = raw_records(min(count, DISTINCT) * 3)[TABLE.name].head(DISTINCT)
    many = pd.concat([some] * (count // len(some) + 1), ignore_index=True).head(count)
    numbers = pd.Series(range(count), dtype="int64[pyarrow]").astype("string[pyarrow]")
    return many.assign(record_id=many["record_id"].str.cat(numbers.astype(many["record_id"].dtype), sep="-"))


def _changed(records: pd.DataFrame) -> pd.DataFrame:
    """A later capture of the records in which one in a hundred has another payload."""
    later = records.assign(fetched_at=records["fetched_at"] + timedelta(hours=1))
    which = pd.Series(range(len(records))) % CHANGED_SHARE == 0
    later.loc[which, "payload_hash"] = later.loc[which, "payload_hash"].str.slice(0, 56) + "changed!"
    return later


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _merge_all(path: Path, rows: arrow.Table) -> None:
    """What one would write with deltalake alone."""
    opened = DeltaTable.create(str(path), schema=arrow_schema(TABLE), mode="ignore", partition_by=["event_date"])
    (
        opened.merge(rows, predicate="t.record_id = s.record_id", source_alias="s", target_alias="t")
        .when_matched_update_all(predicate="s.payload_hash != t.payload_hash")
        .when_not_matched_insert_all()
        .execute()
    )


def _merges(folder: Path, records: pd.DataFrame, later: pd.DataFrame, rounds: int) -> list[Figure]:
    """Every kind of merge, each onto the same table."""
    empty, full, working = folder / "empty", folder / "full", folder / "working"
    for one, rows in ((empty, None), (full, records)):
        lake = Lake(str(one), mode="demo")
        if rows is not None:
            lake.merge(TABLE, rows)
            _merge_all(one / "deltalake", to_arrow(TABLE, rows))
    count, changed = len(records), len(range(0, len(records), CHANGED_SHARE))
    cases = {
        "new": (empty, records, Merged(count, 0, 0)),
        "known": (full, records, Merged(0, 0, count)),
        "1 % changed": (full, later, Merged(0, changed, count - changed)),
    }
    figures = []
    for name, (start, frame, expected) in cases.items():
        figures += _one_merge(f"merge {count:,} records, {name}", start, working, frame, expected, rounds)
    return figures


def _one_merge(
    what: str, start: Path, working: Path, frame: pd.DataFrame, expected: Merged, rounds: int
) -> list[Figure]:
    rows = to_arrow(TABLE, frame)

    def fresh() -> None:
        shutil.rmtree(working, ignore_errors=True)
        shutil.copytree(start, working)

    def merge() -> None:
        done = Lake(str(working), mode="demo").merge(TABLE, frame)
        if done != expected:
            raise BenchmarkError(f"{what}: {done} instead of {expected}")

    ours = "merge"
    contestants: dict[str, Callable[[], object]] = {
        ours: merge,
        DELTA_MERGE: lambda: _merge_all(working / "deltalake", rows),
        PARQUET: lambda: parquet.write_table(rows, working / "rows.parquet"),
    }
    seconds = race(contestants, rounds, before=fresh)
    return [compared(what, seconds, ours, DELTA_MERGE), compared(what, seconds, ours, PARQUET)]


def _replaces(folder: Path, records: pd.DataFrame, later: pd.DataFrame, rounds: int) -> list[Figure]:
    """Replacing a day by other rows, and by the rows it has."""
    lake = Lake(str(folder / "replaced"), mode="demo")
    rows = to_arrow(TABLE, records)
    turns = [0]

    def other_rows() -> None:
        turns[0] += 1
        if not lake.replace(TABLE, later if turns[0] % 2 else records, DAY, DAY):
            raise BenchmarkError("a day that differs was not replaced")

    def same_rows() -> None:
        if lake.replace(TABLE, later if turns[0] % 2 else records, DAY, DAY):
            raise BenchmarkError("a day that is the same was replaced")

    other, same = "other rows", "the same rows"
    contestants: dict[str, Callable[[], object]] = {
        other: other_rows,
        same: same_rows,
        PARQUET: lambda: parquet.write_table(rows, folder / "rows.parquet"),
    }
    seconds = race(contestants, rounds)
    return [
        compared(f"replace a day of {len(records):,} rows by {name}", seconds, name, PARQUET) for name in (other, same)
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """Merge and replace `scale` records."""
    records = _records(scale)
    later = _changed(records)
    with _folder() as folder:
        return [*_merges(folder, records, later, rounds), *_replaces(folder, records, later, rounds)]
