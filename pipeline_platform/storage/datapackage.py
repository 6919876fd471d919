"""The descriptor of an export: what lies in its folder, what the columns mean, whose terms hold for it.

A Data Package v2 (https://datapackage.org/standard/data-package/) with one resource of many files. What the standard
has no word for stands beside what it has: `files` with path, bytes, hash and rows of each file, `rows`, the `unit` and
the `rules` of a field, `licence` and `terms` of a source, the `mode` of the lake.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as parquet

from pipeline_platform.aggregate.origins import names_its_sources, possible_sources
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.registry import SOURCES

DESCRIPTOR = "datapackage.json"

LAYOUT = "1.0.0"
"""Version of what an export looks like; the hash of the content follows as build metadata (https://semver.org)."""

_PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
_PART = re.compile(r"event_date=(\d{4}-\d{2}-\d{2})/part-(\d+)\.parquet")
_FIELD_TYPES = {
    "string": "string",
    "double": "number",
    "int64": "integer",
    "bool": "boolean",
    "timestamp": "datetime",
    "date32": "date",
}
_CONSTRAINTS = {"min_value": "minimum", "max_value": "maximum", "allowed_values": "enum"}
_ALGORITHM = "sha256"
_SOURCE = "source"
_ALL = "*"


class DescriptorError(Exception):
    """A descriptor cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of an export.

    Attributes:
        path: in the folder of the table.
        bytes: its size.
        hash: `sha256:` and the digest of its content.
        rows: how many it holds.
        sources: those its rows name, sorted; empty where a row may be made from several.
    """

    path: str
    bytes: int
    hash: str
    rows: int
    sources: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The day it belongs to, `YYYY-MM-DD`."""
        return self.path.removeprefix("event_date=").partition("/")[0]


def part_path(day: object, number: int) -> str:
    """Path of a file in the folder of its table; `number` counts the files of a day from 0."""
    return f"event_date={day}/part-{number}.parquet"


def paths_in(target: Path) -> list[str]:
    """The data files in the folder of a table, in the order of days and parts."""
    found = (str(path.relative_to(target)) for path in target.glob("event_date=*/part-*.parquet"))
    return sorted((path for path in found if _PART.fullmatch(path)), key=_order)


def data_file(path: str, content: bytes | memoryview, rows: arrow.Table, table: Table) -> DataFile:
    """What is to be said of a file of this content, which are these rows."""
    content_hash = f"{_ALGORITHM}:{hashlib.new(_ALGORITHM, content).hexdigest()}"
    return DataFile(path, len(content), content_hash, rows.num_rows, _named(rows, table))


def look_at(target: Path, path: str, table: Table) -> DataFile:
    """What is to be said of the file at `path`, read from the disk.

    Raises:
        OSError: it cannot be read.
        pyarrow.ArrowInvalid: it is no whole Parquet file.
    """
    file = target / path
    with parquet.ParquetFile(file) as opened:
        rows = opened.read([name for name in opened.schema_arrow.names if name == _SOURCE])
        return DataFile(path, file.stat().st_size, digest(file), opened.metadata.num_rows, _named(rows, table))


def _named(rows: arrow.Table, table: Table) -> tuple[str, ...]:
    if _SOURCE not in rows.schema.names or not names_its_sources(table):
        return ()
    return tuple(sorted(set(rows[_SOURCE].unique().to_pylist()) - {_ALL, None}))


def digest(file: Path) -> str:
    """`sha256:` and the digest of the content of a file."""
    with file.open("rb") as opened:
        return f"{_ALGORITHM}:{hashlib.file_digest(opened, _ALGORITHM).hexdigest()}"


def descriptor(table: Table, files: Iterable[DataFile], mode: str) -> dict[str, Any]:
    """The descriptor of these files, without the moment it was `created`.

    Args:
        table: a published table.
        files: its data files; what there is to say of no file is said with empty `data`.
        mode: of the lake, `demo` or `live`.
    """
    files = sorted(files, key=lambda file: _order(file.path))
    fields = [_field(name, column, unique=table.key == (name,)) for name, column in table.schema.columns.items()]
    sources = _sources(table, files)
    place: dict[str, Any] = {"path": [file.path for file in files]} if files else {"data": []}
    name = table.name.replace("_", "-")
    return {
        "$schema": _PROFILE,
        "name": name,
        "title": table.name.replace("_", " ").capitalize(),
        "description": table.description,
        "version": _version(fields, files),
        "mode": mode,
        **({"licenses": [{"title": one["licence"], "path": one["path"]} for one in sources]} if sources else {}),
        "sources": sources,
        "resources": [
            {
                "name": name,
                "type": "table",
                **place,
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "bytes": sum(file.bytes for file in files),
                "rows": sum(file.rows for file in files),
                "schema": {"fields": fields, "primaryKey": list(table.key)},
                "files": [asdict(file) | {"sources": list(file.sources)} for file in files],
            }
        ],
    }


def read_descriptor(target: Path) -> dict[str, Any]:
    """The descriptor in the folder of a table.

    Raises:
        DescriptorError: there is none, or it cannot be read.
    """
    try:
        package = orjson.loads((target / DESCRIPTOR).read_bytes())
    except FileNotFoundError:
        raise DescriptorError("is missing") from None
    except OSError as error:
        raise DescriptorError(f"cannot be read: {error.strerror or error}") from None
    except orjson.JSONDecodeError as error:
        raise DescriptorError(f"is no JSON: {error}") from None
    if not isinstance(package, dict):
        raise DescriptorError("is no JSON object")
    return package


def files_in(package: Mapping[str, Any]) -> list[DataFile]:
    """The files that a descriptor lists.

    Raises:
        DescriptorError: it lists none in the way this module writes them, or was changed since.
    """
    try:
        (resource,) = package["resources"]
        files = [DataFile(**{**file, "sources": tuple(file["sources"])}) for file in resource["files"]]
        version = _version(resource["schema"]["fields"], files)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DescriptorError("lists its files in no known way") from None
    if package.get("version") != version:
        raise DescriptorError(f"was changed: its version is {package.get('version')}, its files are {version}")
    if any(not _PART.fullmatch(file.path) for file in files):
        raise DescriptorError("lists files of other names than part-0.parquet in event_date=YYYY-MM-DD")
    return files


def _order(path: str) -> tuple[str, int]:
    found = _PART.fullmatch(path)
    return (found[1], int(found[2])) if found else (path, 0)


def _version(fields: Sequence[Mapping[str, Any]], files: Sequence[DataFile]) -> str:
    """Layout, and a hash of names and types of the columns and of the content of the files: equal for equal content."""
    columns = [[field["name"], field["type"], field["constraints"].get("jsonSchema")] for field in fields]
    held = [[file.path, file.bytes, file.hash, file.rows, list(file.sources)] for file in files]
    return f"{LAYOUT}+{hashlib.sha256(orjson.dumps([columns, held])).hexdigest()[:16]}"


def _field(name: str, column: pa.Column, *, unique: bool) -> dict[str, Any]:
    dtype = column.dtype.type.pyarrow_dtype
    is_list = arrow.types.is_list(dtype)
    kind = _field_type(dtype.value_type if is_list else dtype)
    constraints: dict[str, Any] = {"required": not column.nullable, **({"unique": True} if unique else {})}
    if is_list:
        constraints["jsonSchema"] = {"type": "array", "items": {"type": kind}}
    else:
        for check in column.checks:
            told = {_CONSTRAINTS[key]: value for key, value in check.statistics.items() if key in _CONSTRAINTS}
            constraints |= told
    unit = (column.metadata or {}).get("unit")
    rules = [str(check.error) for check in column.checks]
    return {
        "name": name,
        # Not `list`, which the published profile does not know yet.
        "type": "array" if is_list else kind,
        "description": column.description,
        "constraints": constraints,
        **({"unit": unit} if unit else {}),
        **({"rules": rules} if rules else {}),
    }


def _field_type(dtype: arrow.DataType) -> str:
    return _FIELD_TYPES[str(dtype).partition("[")[0]]


def _sources(table: Table, files: Sequence[DataFile]) -> list[dict[str, str]]:
    """The sources in the rows with licence and terms; where rows do not name them, all they may come from."""
    names = {name for file in files for name in file.sources}
    found = [source for source in SOURCES if source.name in names]
    if not names_its_sources(table):
        found = possible_sources(table)
    return [
        {
            "name": source.name,
            "title": source.title,
            "path": source.homepage,
            "licence": source.licence,
            "terms": source.terms,
        }
        for source in found
    ]
