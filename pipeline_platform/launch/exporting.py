"""Writing one table to one file, for `pipeline-platform export`."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as arrow
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.schemas.table import Table

CHUNK_ROWS = 50_000


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


def write_table(rows: arrow.Table, fmt: str, output: Path | None) -> None:
    """Write `rows` as `parquet`, `csv` or `json` (one object per line) to `output`, or to stdout.

    A file appears whole or not at all.

    Raises:
        ExportError: it cannot be written.
    """
    if output is None:
        _write(rows, fmt, sys.stdout.buffer)
        return
    draft = output.with_name(f".{output.name}.part")
    try:
        with draft.open("wb") as file:
            _write(rows, fmt, file)
        draft.replace(output)
    except OSError as error:
        raise ExportError(f"{output} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _write(rows: arrow.Table, fmt: str, file: BinaryIO) -> None:
    if fmt == "parquet":
        parquet.write_table(rows, file, compression="zstd")
    elif fmt == "csv":
        csv.write_csv(_flat(rows), file)
    else:
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            text = (
                rows.slice(start, CHUNK_ROWS)
                .to_pandas(types_mapper=None)
                .to_json(orient="records", lines=True, date_format="iso", date_unit="us", force_ascii=False)
            )
            file.write(text.encode() if text.endswith("\n") else f"{text}\n".encode())


def _flat(rows: arrow.Table) -> arrow.Table:
    """CSV has no lists: they become text with `|` between the items."""
    import pyarrow.compute as compute

    for index, field in enumerate(rows.schema):
        if arrow.types.is_list(field.type):
            joined = compute.binary_join(rows[field.name], "|")
            rows = rows.set_column(index, arrow.field(field.name, arrow.string()), joined)
    return rows
