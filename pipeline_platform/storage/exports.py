"""Exports: published tables as Parquet data sets that any reader opens, each with a descriptor of its files.

`<exports>/<table>/event_date=YYYY-MM-DD/part-0.parquet`, `part-1.parquet` and so on for a day of many rows, and
`<exports>/<table>/datapackage.json`. A file is replaced whole, and only when it differs.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import orjson
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.datapackage import (
    DESCRIPTOR,
    DataFile,
    DescriptorError,
    data_file,
    descriptor,
    files_in,
    look_at,
    part_path,
    paths_in,
    read_descriptor,
)
from pipeline_platform.storage.files import is_draft, locked, whole
from pipeline_platform.storage.lake import Lake

FILE_ROWS = 1_000_000
"""Rows of a file at most: some hundred megabytes of documents, some ten of anything else."""
ROW_GROUP_ROWS = 125_000
"""Rows that are read together: enough for a reader to be busy with, few enough for several readers at once."""
CHUNK_DAYS = 7
"""Days that are held in memory at once."""
PARTITION = "event_date"


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        folder: of the table.
        rows: of the days that were exported.
        files, bytes: of all days.
        changed: files that were written or removed.
        version: of the data, None when there are none.
    """

    folder: Path
    rows: int
    files: int
    bytes: int
    changed: int
    version: str | None


def export_days(
    lake: Lake, table: Table, folder: Path, days: Sequence[date], *, file_rows: int = FILE_ROWS
) -> Exported:
    """Bring the files of `days` in line with the table, and the descriptor with the files.

    Files of other days are not looked at: what the descriptor says of them stays. Several exports of a table wait for
    each other.

    Args:
        lake: where the table is.
        table: a published table.
        folder: folder of all exports; the table gets a folder of its own in it.
        days: days to export; the files of a day without rows are removed.
        file_rows: rows of a file at most.

    Raises:
        OSError: the disk is full or the folder cannot be written; files of earlier exports stay whole.
    """
    target = folder / table.name
    rows = changed = 0
    for at in range(0, len(days), CHUNK_DAYS):
        some = days[at : at + CHUNK_DAYS]
        if not target.exists() and not lake.read_arrow(table, some[0], some[-1], [PARTITION]).num_rows:
            continue
        target.mkdir(parents=True, exist_ok=True)
        with locked(target):
            held = sorted_by_key(lake.read_arrow(table, some[0], some[-1]), table)
            rows += held.num_rows
            changed += _write_days(lake, table, target, some, held, file_rows)
    if not target.exists():
        return Exported(target, 0, 0, 0, 0, None)
    package = read_descriptor(target)
    files = files_in(package)
    return Exported(target, rows, len(files), sum(file.bytes for file in files), changed, package["version"])


def sorted_by_key(rows: arrow.Table, table: Table) -> arrow.Table:
    """`rows` in the order of the key."""
    return rows.sort_by([(column, "ascending") for column in table.key])


def write_parquet(rows: arrow.Table, table: Table, file: BinaryIO | arrow.NativeFile) -> None:
    """Write rows of `table`, sorted by its key, with descriptions and units in the metadata of file and fields.

    Readers that show no metadata of fields (DuckDB) find them in the metadata of the file, as JSON under `columns`.
    """
    order = [(column, "ascending") for column in table.key if column in rows.schema.names]
    schema = rows.schema.with_metadata(
        {
            "title": table.name.replace("_", " ").capitalize(),
            "description": table.description,
            "key": orjson.dumps(table.key),
            "columns": orjson.dumps({field.name: _as_text(field.metadata) for field in rows.schema}),
        }
    )
    parquet.write_table(
        rows.replace_schema_metadata(schema.metadata),
        file,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        sorting_columns=parquet.SortingColumn.from_ordering(schema, order),
    )


def _as_text(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def _write_days(lake: Lake, table: Table, target: Path, days: Sequence[date], rows: arrow.Table, file_rows: int) -> int:
    """Files written or removed."""
    for left in filter(is_draft, target.rglob(".*")):
        left.unlink(missing_ok=True)
    files = []
    changed = 0
    # All is on the disk before any of it takes its place: a disk that is full leaves the export as it was.
    with ExitStack() as drafts:
        for day in days:
            of_day = rows.filter(compute.equal(rows[PARTITION], day)).drop_columns(PARTITION)
            for number, start in enumerate(range(0, of_day.num_rows, file_rows)):
                some = of_day.slice(start, file_rows)
                content = _content(some, table)
                files.append(data_file(part_path(day, number), content, some, table))
                changed += _draft(drafts, target / files[-1].path, content)
        _describe(drafts, table, target, [*_described(table, target, days), *files], lake.mode)
    paths = {target / file.path for file in files}
    return changed + sum(_remove_others(target / f"{PARTITION}={day}", paths) for day in days)


def _described(table: Table, target: Path, days: Sequence[date]) -> list[DataFile]:
    """The files of other days, as the descriptor has them; as they are, when it cannot be believed."""
    asked = {day.isoformat() for day in days}
    try:
        files = files_in(read_descriptor(target))
    except DescriptorError:
        files = []
        for path in paths_in(target):
            # One that is no whole Parquet file stays out, and so is surplus to whoever checks.
            with suppress(OSError, arrow.ArrowInvalid):
                files.append(look_at(target, path, table))
    return [file for file in files if file.day not in asked]


def _content(rows: arrow.Table, table: Table) -> memoryview:
    buffer = arrow.BufferOutputStream()
    write_parquet(rows, table, buffer)
    return memoryview(buffer.getvalue()).cast("B")


def _draft(drafts: ExitStack, path: Path, content: bytes | memoryview) -> bool:
    """Write what is to take the place of `path`; False when it is there already."""
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    file = drafts.enter_context(whole(path))
    file.write(content)
    file.flush()
    return True


def _remove_others(folder: Path, paths: set[Path]) -> int:
    """Remove the files of a day that are no longer part of it, and the folder if nothing is left."""
    others = [path for path in folder.glob("*.parquet") if path not in paths]
    for path in others:
        path.unlink()
    # Where a file is left, of ours or of somebody else, so is the folder.
    with suppress(OSError):
        folder.rmdir()
    return len(others)


def _describe(drafts: ExitStack, table: Table, target: Path, files: Sequence[DataFile], mode: str) -> None:
    """Write the descriptor, unless what is there says the same: so `created` is when the data became what they are."""
    package = descriptor(table, files, mode)
    with suppress(DescriptorError):
        held = read_descriptor(target)
        created = held.pop("created", None)
        if held == package and created:
            return
    package["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    _draft(drafts, target / DESCRIPTOR, orjson.dumps(package, option=orjson.OPT_INDENT_2))
