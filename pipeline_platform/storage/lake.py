"""The lake: every table as a Delta table partitioned by `event_date`, on disk or on S3.

Two ways to write: `merge` for raw tables (a record is never lost, a newer capture replaces an older one) and `replace`
for everything downstream (the rows of a span of days become exactly these rows). Both are one atomic commit, both
commit nothing when nothing changed, and both repeat themselves when another writer committed in between.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import orjson
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.dataset as dataset
import pyarrow.fs as fs
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.object_store import SCHEME, S3Access

log = logging.getLogger(__name__)

AMBIENT = S3Access()
"""Access as the environment gives it."""
REDATED_DAYS = 30
"""A feed may move the date of an entry it showed before; within this many days the move is seen and followed."""


class LakeError(Exception):
    """The lake cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Merged:
    """What a merge did, in records."""

    inserted: int
    updated: int
    unchanged: int


_until_alone = retry(
    retry=retry_if_exception_type(CommitFailedError),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    stop=stop_after_attempt(20),
    reraise=True,
)


class Lake:
    """The tables under one location.

    Args:
        location: a folder or an object store URL (`s3://bucket/prefix`).
        mode: `demo` or `live`; the first use marks the lake with it, and a lake is never opened in the other mode.
        access: access to the object store.

    Raises:
        LakeError: the lake holds data of the other mode, or its object store cannot be used.
    """

    def __init__(self, location: str, *, mode: str, access: S3Access = AMBIENT) -> None:
        self.location = location.rstrip("/")
        self.mode = mode
        self._options = access.options() if self.location.startswith(SCHEME) else None
        with _object_store_errors(self.location, access):
            self._files, self._root = _place(self.location, access)
            self._refuse_other_mode(access)

    @staticmethod
    def mode_at(location: str, access: S3Access = AMBIENT) -> str | None:
        """The mode of the lake at `location`; None when there is none yet.

        Raises:
            LakeError: its object store cannot be used.
        """
        with _object_store_errors(location, access):
            files, root = _place(location.rstrip("/"), access)
            marker = f"{root}/lake.json"
            if files.get_file_info(marker).type != fs.FileType.File:
                return None
            with files.open_input_stream(marker) as stream:
                return str(orjson.loads(stream.read())["mode"])

    def _refuse_other_mode(self, access: S3Access) -> None:
        held = self.mode_at(self.location, access)
        if held is None:
            self._files.create_dir(self._root, recursive=True)
            with self._files.open_output_stream(f"{self._root}/lake.json") as stream:
                stream.write(orjson.dumps({"mode": self.mode}))
        elif held != self.mode:
            raise LakeError(
                f"the lake at {self.location} holds {held} data and PIPELINE_MODE is {self.mode}; sandbox rows "
                f"and real rows never mix. Set PIPELINE_MODE={held}, or PIPELINE_HOME to another folder "
                "(PIPELINE_LAKE_URL to another place)."
            )

    def address(self, table: Table) -> str:
        """Where a table lies."""
        return f"{self.location}/{table.path}"

    def open(self, table: Table) -> DeltaTable | None:
        """The Delta table, None when it was never written."""
        try:
            return DeltaTable(self.address(table), storage_options=self._options)
        except TableNotFoundError:
            return None

    def version(self, table: Table) -> int | None:
        """Version of the newest commit, None when the table was never written."""
        opened = self.open(table)
        return None if opened is None else opened.version()

    def read(
        self, table: Table, first: date | None = None, last: date | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        """Rows with `first <= event_date <= last` in the types of the schema; no rows when there is no table.

        Columns that the stored table does not have yet are null.
        """
        return self.read_arrow(table, first, last, columns).to_pandas(types_mapper=pd.ArrowDtype)

    def read_arrow(
        self, table: Table, first: date | None = None, last: date | None = None, columns: list[str] | None = None
    ) -> arrow.Table:
        """As `read`, in Arrow."""
        return self.snapshot(table).read_arrow(first, last, columns)

    def snapshot(self, table: Table) -> "Snapshot":
        """The table as it stands now, to be read in parts."""
        return Snapshot(self, table)

    def rows(
        self, opened: DeltaTable, table: Table, columns: list[str], filters: list[tuple[str, str, Any]]
    ) -> arrow.Table:
        """Columns of the days of an opened table; those that it does not have yet are null.

        Args:
            opened: the table at a version.
            table: the same.
            columns: what is read.
            filters: bounds of `event_date`.
        """
        held = {field.name for field in opened.schema().fields}
        rows = self.dataset(opened, table, filters).to_table(columns=[name for name in columns if name in held])
        for name in columns:
            if name not in held:
                rows = rows.append_column(name, arrow.nulls(rows.num_rows))
        return rows

    def dataset(
        self, opened: DeltaTable, table: Table, filters: list[tuple[str, str, Any]], encoded: Collection[str] = ()
    ) -> dataset.Dataset:
        """The files of the days of an opened table, which hold nothing but these days.

        Args:
            opened: the table at a version.
            table: the same.
            filters: bounds of `event_date`.
            encoded: columns of texts that come as numbers and a dictionary.
        """
        # Not through the Python file system that deltalake would hand over: Arrow's reading threads may still let go of
        # its files when the interpreter ends, and a process that read and ended at once was aborted, one time in four.
        files = fs.SubTreeFileSystem(f"{self._root}/{table.path}", self._files)
        # Only the files of the days: a data set of all others costs far more than a day does.
        return opened.to_pyarrow_dataset(
            file_pruning_predicate=filters or None,
            filesystem=files,
            parquet_read_options=dataset.ParquetReadOptions(dictionary_columns=set(encoded)),
        )

    def merge(self, table: Table, frame: pd.DataFrame) -> Merged:
        """Add the records of a raw table that are new, replace those whose payload changed, leave the others.

        Args:
            table: a raw table, keyed by `record_id`.
            frame: rows in its schema; of several captures of one record the newest counts.
        """
        if frame.empty:
            return Merged(0, 0, 0)
        newest = frame.sort_values("fetched_at", kind="stable").drop_duplicates("record_id", keep="last")
        return self._merge(table, to_arrow(table, newest))

    @_until_alone
    def _merge(self, table: Table, rows: arrow.Table) -> Merged:
        opened = self._open_or_create(table)
        days = compute.min_max(rows["event_date"])
        first = days["min"].as_py() - timedelta(days=REDATED_DAYS)
        last = days["max"].as_py() + timedelta(days=REDATED_DAYS)
        known = self.rows(opened, table, ["record_id", "payload_hash"], _between(first, last))
        same = compute.is_in(_identity(rows), _identity(known))
        changed = rows.filter(compute.invert(same))
        if changed.num_rows == 0:
            return Merged(0, 0, rows.num_rows)
        updated = compute.sum(compute.is_in(changed["record_id"], known["record_id"].combine_chunks())).as_py()
        (
            opened.merge(
                changed,
                predicate=f"t.record_id = s.record_id AND t.event_date >= '{first}' AND t.event_date <= '{last}'",
                source_alias="s",
                target_alias="t",
            )
            .when_matched_update(_newer_capture(table), predicate="s.fetched_at >= t.fetched_at")
            .when_not_matched_insert_all()
            .execute()
        )
        return Merged(changed.num_rows - updated, updated, rows.num_rows - changed.num_rows)

    def replace(self, table: Table, frame: pd.DataFrame, first: date, last: date) -> bool:
        """Make `frame` the rows of the days `first` to `last`; False when they already are.

        Raises:
            LakeError: a row lies outside the days.
        """
        rows = to_arrow(table, frame.sort_values(list(table.key), kind="stable"))
        if rows.num_rows:
            days = compute.min_max(rows["event_date"])
            if days["min"].as_py() < first or days["max"].as_py() > last:
                raise LakeError(
                    f"{table.path}: rows of {days['min']}..{days['max']} were handed over for {first}..{last}"
                )
        return self._replace(table, rows, first, last)

    @_until_alone
    def _replace(self, table: Table, rows: arrow.Table, first: date, last: date) -> bool:
        opened = self._open_or_create(table)
        order = [("event_date", "ascending"), *((column, "ascending") for column in table.key)]
        present = self.rows(opened, table, rows.schema.names, _between(first, last))
        if present.num_rows == rows.num_rows and present.select(rows.schema.names).cast(rows.schema).sort_by(
            order
        ).equals(rows.sort_by(order)):
            return False
        write_deltalake(
            opened,
            rows,
            mode="overwrite",
            schema_mode="merge",  # a column that is new in this release joins the table, null on the other days
            predicate=f"event_date >= '{first}' AND event_date <= '{last}'",
        )
        return True

    def _open_or_create(self, table: Table) -> DeltaTable:
        return DeltaTable.create(
            self.address(table),
            schema=arrow_schema(table),
            mode="ignore",
            partition_by=["event_date"],
            name=table.path,
            description=table.description,
            storage_options=self._options,
            # Who loses the race to make it looks again; delta-rs would commit its creation on top of the other one.
            commit_properties=CommitProperties(max_commit_retries=0),
        )

    def summarise(self, tables: list[Table], first: date, last: date) -> pd.DataFrame:
        """Rows of each table per day: columns `layer, name, event_date, rows`."""
        parts = []
        for table in tables:
            days = self.read_arrow(table, first, last, ["event_date"])
            counted = days.group_by("event_date").aggregate([([], "count_all")]).to_pandas()
            parts.append(counted.rename(columns={"count_all": "rows"}).assign(layer=table.layer, name=table.name))
        return pd.concat(parts, ignore_index=True)[["layer", "name", "event_date", "rows"]] if parts else pd.DataFrame()


class Snapshot:
    """A table at one version, however much is committed meanwhile. What files there are is asked once.

    Args:
        lake: where it lies.
        table: the table.
    """

    def __init__(self, lake: Lake, table: Table) -> None:
        self._lake = lake
        self._table = table
        self._opened = lake.open(table)

    def read_arrow(
        self, first: date | None = None, last: date | None = None, columns: list[str] | None = None
    ) -> arrow.Table:
        """As `Lake.read_arrow`."""
        schema = arrow_schema(self._table, columns)
        rows = (
            None
            if self._opened is None
            else self._lake.rows(self._opened, self._table, schema.names, _between(first, last))
        )
        # No rows may come in no chunk at all, and such columns pandas can neither merge nor concatenate.
        return rows.select(schema.names).cast(schema) if rows else schema.empty_table()

    def counted(
        self, keys: Sequence[str], where: compute.Expression, first: date | None = None, last: date | None = None
    ) -> arrow.Table:
        """How many rows with `first <= event_date <= last` there are, as `rows`, per combination of `keys` that occurs.

        Texts are read as codes, at a fifth of the cost.

        Args:
            keys: columns.
            where: which rows are counted.
            first: first day.
            last: last day.
        """
        schema = arrow_schema(self._table, list(keys)).append(arrow.field("rows", arrow.int64()))
        if self._opened is None:
            return schema.empty_table()
        texts = [field.name for field in schema if arrow.types.is_string(field.type)]
        files = self._lake.dataset(self._opened, self._table, _between(first, last), texts)
        rows = files.to_table(columns=list(keys), filter=where).unify_dictionaries()
        counted = rows.group_by(list(keys)).aggregate([([], "count_all")])
        return counted.select([*keys, "count_all"]).rename_columns(schema.names).cast(schema)

    @cached_property
    def rows_by_day(self) -> Counter[date]:
        """How many rows each day has, as the log of the table tells it: no file is opened for it."""
        if self._opened is None:
            return Counter()
        files = arrow.table(self._opened.get_add_actions(flatten=True)).select(["partition.event_date", "num_records"])
        counted = files.group_by("partition.event_date").aggregate([("num_records", "sum")])
        rows = counted["num_records_sum"].fill_null(0)  # other writers need not tell
        return Counter(dict(zip(counted["partition.event_date"].to_pylist(), rows.to_pylist(), strict=True)))


def _place(location: str, access: S3Access) -> tuple[fs.FileSystem, str]:
    if location.startswith(SCHEME):
        return access.files(location)
    if "://" in location:
        files, root = fs.FileSystem.from_uri(location)
        return files, str(root)
    return fs.LocalFileSystem(), location


@contextmanager
def _object_store_errors(location: str, access: S3Access) -> Iterator[None]:
    """Errors of the object store in words that say what to do; those of a disk stay as they are."""
    try:
        yield
    except OSError as error:
        if not location.startswith(SCHEME):
            raise
        raise LakeError(f"the lake at {location}: {access.explained(location, error)}") from error


def _newer_capture(table: Table) -> dict[str, str]:
    """What a newer capture brings. One without a date of its own was dated by its receipt: the first date stays."""
    undated = "s.event_time = s.fetched_at"
    return {
        name: f"CASE WHEN {undated} THEN t.{name} ELSE s.{name} END"
        if name in ("event_time", "event_date")
        else f"s.{name}"
        for name in table.columns
    }


def _between(first: date | None, last: date | None) -> list[tuple[str, str, Any]]:
    bounds: list[tuple[str, str, Any]] = []
    if first is not None:
        bounds.append(("event_date", ">=", first))
    if last is not None:
        bounds.append(("event_date", "<=", last))
    return bounds


def _identity(rows: arrow.Table) -> arrow.Array:
    """Record id and payload hash in one string, so that membership is one hash look-up."""
    return compute.binary_join_element_wise(
        rows["record_id"].cast(arrow.string()).combine_chunks(),
        rows["payload_hash"].cast(arrow.string()).combine_chunks(),
        " ",
    )


def arrow_schema(table: Table, columns: list[str] | None = None) -> arrow.Schema:
    """Arrow schema of a table, with the description and unit of each column as field metadata."""
    fields = []
    for name in columns or table.columns:
        column = table.schema.columns[name]
        metadata = {"description": column.description or "", **(column.metadata or {})}
        fields.append(arrow.field(name, column.dtype.type.pyarrow_dtype, nullable=True, metadata=metadata))
    return arrow.schema(fields)


def to_arrow(table: Table, frame: pd.DataFrame) -> arrow.Table:
    """`frame` as Arrow in the types of `table`.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit its column.
    """
    return arrow.Table.from_pandas(frame[table.columns], schema=arrow_schema(table), preserve_index=False)
