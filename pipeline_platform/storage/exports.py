"""Exports: published tables as Parquet data sets that any reader opens, each with a data package descriptor.

`<exports>/<table>/event_date=YYYY-MM-DD/part-0.parquet` and `<exports>/<table>/datapackage.json`
(Data Package v2, https://datapackage.org/standard/data-package/). A file is replaced whole, and only when it differs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.files import replace_whole
from pipeline_platform.storage.lake import Lake

_FIELD_TYPES = {
    "string": "string",
    "double": "number",
    "int64": "integer",
    "bool": "boolean",
    "timestamp": "datetime",
    "date32": "date",
    "list": "list",
}


@dataclass(frozen=True)
class Exported:
    """What an export did."""

    folder: Path
    rows: int
    files: int
    changed: int


def export_days(lake: Lake, table: Table, folder: Path, days: Sequence[date]) -> Exported:
    """Bring the files of `days` in line with the table.

    Args:
        lake: where the table is.
        table: a published table.
        folder: folder of all exports; the table gets a folder of its own in it.
        days: days to export; the file of a day without rows is removed.

    Raises:
        OSError: the disk is full or the folder cannot be written; files of earlier exports stay whole.
    """
    target = folder / table.name
    rows = lake.read_arrow(table, days[0], days[-1])
    rows = rows.sort_by([(column, "ascending") for column in table.key])
    changed = sum(
        _write_day(target, day, rows.filter(compute.equal(rows["event_date"], day)).drop_columns("event_date"))
        for day in days
    )
    files = sorted(target.glob("event_date=*/*.parquet"))
    if files or target.exists():
        _replace_if_different(target / "datapackage.json", _descriptor(table, target, files))
    return Exported(target, rows.num_rows, len(files), changed)


def _write_day(target: Path, day: date, rows: arrow.Table) -> bool:
    path = target / f"event_date={day}" / "part-0.parquet"
    if rows.num_rows == 0:
        if not path.exists():
            return False
        path.unlink()
        path.parent.rmdir()
        return True
    buffer = arrow.BufferOutputStream()
    parquet.write_table(rows, buffer, compression="zstd")
    return _replace_if_different(path, buffer.getvalue().to_pybytes())


def _replace_if_different(path: Path, content: bytes) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    replace_whole(path, content)
    return True


def _descriptor(table: Table, target: Path, files: Sequence[Path]) -> bytes:
    package: dict[str, Any] = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": table.name.replace("_", "-"),
        "title": table.name.replace("_", " ").capitalize(),
        "description": table.description,
        "resources": [
            {
                "name": table.name.replace("_", "-"),
                "path": [str(file.relative_to(target)) for file in files],
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "bytes": sum(file.stat().st_size for file in files),
                "hash": f"sha256:{_digest(files)}",
                "schema": {"fields": _fields(table), "primaryKey": list(table.key)},
            }
        ],
    }
    return orjson.dumps(package, option=orjson.OPT_INDENT_2)


def _fields(table: Table) -> list[dict[str, Any]]:
    fields = []
    for name, column in table.schema.columns.items():
        kind = str(column.dtype.type.pyarrow_dtype).partition("[")[0].partition("<")[0]
        field = {
            "name": name,
            "type": _FIELD_TYPES[kind],
            "description": column.description,
            "constraints": {"required": not column.nullable},
        }
        unit = (column.metadata or {}).get("unit")
        fields.append({**field, "unit": unit} if unit else field)
    return fields


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
