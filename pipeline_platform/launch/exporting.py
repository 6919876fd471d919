"""Writing one table to one file, for `pipeline-platform export`, and verifying exports, for `pipeline-platform verify`.

Nothing is lost on the way: whole numbers stay whole whether or not some are missing, decimals have as many digits as
give them back bit by bit, and what a format has no type for is text. In CSV a list is JSON in its cell and bytes are
base64, an empty text is `""` and a missing one nothing. In JSON lines times are text as well, bytes are base64, and
what is no number (NaN) is null.
"""

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import orjson
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.csv as csv

from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.exports import sorted_by_key, write_parquet
from pipeline_platform.storage.files import whole
from pipeline_platform.storage.verification import Mismatch, mismatches

CHUNK_ROWS = 50_000
ISO = "%Y-%m-%dT%H:%M:%SZ"


class ExportError(Exception):
    """The file cannot be written; the message says why."""


def find_table(name: str) -> Table:
    """The table called `layer/name`, or the published table called `name`.

    Raises:
        KeyError: no such table; the message lists the published ones.
    """
    for table in [*published_tables(), *tables().values()]:
        if name in (table.path, table.name if table.published else None):
            return table
    known = ", ".join(table.name for table in published_tables())
    raise KeyError(f"no table is called {name!r}; published: {known}; others as layer/name")


def write_table(rows: arrow.Table, table: Table, fmt: str, output: Path | None) -> None:
    """Write rows of `table` as `parquet`, `csv` or `json` (one object per line) to `output`, or to stdout.

    They are in the order of the key. A file appears whole or not at all.

    Raises:
        ExportError: it cannot be written.
    """
    rows = sorted_by_key(rows, table)
    if output is None:
        _write(rows, table, fmt, sys.stdout.buffer)
        return
    try:
        with whole(output) as file:
            _write(rows, table, fmt, file)
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror or error}") from None


def _write(rows: arrow.Table, table: Table, fmt: str, file: BinaryIO) -> None:
    if fmt == "parquet":
        write_parquet(rows, table, file)
    elif fmt == "csv":
        csv.write_csv(_in_cells(rows), file)
    else:
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            some = _in_json(rows.slice(start, CHUNK_ROWS))
            file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in some.to_pylist()))


def _in_cells(rows: arrow.Table) -> arrow.Table:
    """Columns that CSV has no form for, as text."""
    for index, field in enumerate(rows.schema):
        if arrow.types.is_list(field.type):
            texts = [None if one is None else orjson.dumps(one).decode() for one in rows[field.name].to_pylist()]
            rows = rows.set_column(index, field.name, arrow.array(texts, arrow.string()))
    return _without_bytes(rows)


def _in_json(rows: arrow.Table) -> arrow.Table:
    """Columns that JSON has no type for, as text; times always with microseconds."""
    for index, field in enumerate(rows.schema):
        if arrow.types.is_timestamp(field.type):
            rows = rows.set_column(index, field.name, compute.strftime(rows[field.name], ISO))
    return _without_bytes(rows)


def _without_bytes(rows: arrow.Table) -> arrow.Table:
    for index, field in enumerate(rows.schema):
        if arrow.types.is_binary(field.type):
            texts = [None if one is None else base64.b64encode(one).decode() for one in rows[field.name].to_pylist()]
            rows = rows.set_column(index, field.name, arrow.array(texts, arrow.string()))
    return rows


def verify_exports(settings: Settings, chosen: Sequence[Table]) -> tuple[int, list[Mismatch]]:
    """Hold the exports of the chosen tables, all by default, against their descriptors.

    Returns:
        How many tables were looked at, and what differs.

    Raises:
        SettingsError: there is no export to look at.
    """
    folder = settings.exports_path
    found = [table for table in chosen or published_tables() if (folder / table.name).is_dir()]
    missing = [table.name for table in chosen if table not in found]
    if missing or not found:
        raise SettingsError(
            f"there is no export of {', '.join(missing) or 'any table'} in {folder}: run `pipeline-platform run` "
            "first, or mend PIPELINE_HOME"
        )
    wrong = [one for table in found for one in mismatches(folder / table.name, table, settings.mode)]
    if not chosen:
        known = {table.name for table in published_tables()}
        strange = sorted(path.name for path in folder.iterdir() if path.name not in known)
        wrong += [Mismatch(name, "surplus", "", "no published table is called so; take it away") for name in strange]
    return len(found), wrong
