"""Whether an export is what its descriptor says: what is missing, changed or surplus."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pyarrow as arrow
import pyarrow.parquet as parquet

from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.datapackage import (
    DESCRIPTOR,
    DataFile,
    DescriptorError,
    descriptor,
    digest,
    files_in,
    read_descriptor,
)
from pipeline_platform.storage.files import is_draft, locked
from pipeline_platform.storage.lake import arrow_schema

AGAIN = "export its day again"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where an export and its descriptor differ.

    Attributes:
        table: name of the table.
        problem: the file is listed and missing, or changed, or there and not listed; or the descriptor is wrong.
        path: of the file, in the folder of the table.
        words: what is wrong and what to do.
    """

    table: str
    problem: Literal["missing", "changed", "surplus", "descriptor"]
    path: str
    words: str


def mismatches(target: Path, table: Table, mode: str, days: Sequence[date] | None = None) -> list[Mismatch]:
    """Hold the files of a table against its descriptor.

    Args:
        target: folder of the table, which exists.
        table: the table.
        mode: of the lake it was exported from.
        days: days whose files are read; of the others only those whose size or time says that they changed after they
            were described. All files by default.

    Returns:
        What differs, the descriptor first and then by path; nothing when all is well.
    """
    with locked(target, shared=True):
        try:
            package = read_descriptor(target)
            files = files_in(package)
        except DescriptorError as error:
            return [Mismatch(table.name, "descriptor", DESCRIPTOR, f"it {error}; export a day of the table again")]
        found = [
            Mismatch(table.name, "descriptor", DESCRIPTOR, words)
            for words in _wrong_words(package, descriptor(table, files, mode))
        ]
        return [*found, *_wrong_files(target, table, files, days)]


def _wrong_words(held: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What a descriptor says beside or against what its files and the table give."""
    wrong = _differing(held, expected, {"created", "resources"})
    wrong += [f"resources.{name}" for name in _differing(held["resources"][0], expected["resources"][0], set())]
    said = f"{', '.join(f'`{name}`' for name in wrong)}: not what its files and this release give"
    return [f"{said}; export a day of the table again"] if wrong else []


def _differing(held: Mapping[str, Any], expected: Mapping[str, Any], but: set[str]) -> list[str]:
    return sorted(name for name in (held.keys() | expected.keys()) - but if held.get(name) != expected.get(name))


def _wrong_files(
    target: Path, table: Table, files: Sequence[DataFile], days: Sequence[date] | None
) -> Iterator[Mismatch]:
    listed = {file.path: file for file in files}
    present = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir()} - {DESCRIPTOR}
    described_at = (target / DESCRIPTOR).stat().st_mtime_ns
    asked = None if days is None else {day.isoformat() for day in days}
    for path in sorted(present | set(listed)):
        if path not in present:
            yield Mismatch(table.name, "missing", path, f"listed and not there; {AGAIN}")
        elif path not in listed:
            yield Mismatch(table.name, "surplus", path, f"not listed; {_remedy(path)}")
        else:
            state = (target / path).stat()
            looked_at = asked is None or listed[path].day in asked or state.st_mtime_ns >= described_at
            words = _wrong(target / path, listed[path], table, state.st_size, looked_at=looked_at)
            if words:
                yield Mismatch(table.name, "changed", path, f"{words}; {AGAIN}")


def _remedy(path: str) -> str:
    if is_draft(Path(path)):
        return "it was left by an export that was ended, and the next one removes it"
    return f"{AGAIN}, which removes or lists it" if path.endswith(".parquet") else "take it away"


def _wrong(path: Path, file: DataFile, table: Table, size: int, *, looked_at: bool) -> str:
    """What is wrong with a file; nothing when it is as described."""
    if size != file.bytes:
        return f"{size:,} bytes instead of {file.bytes:,}"
    if not looked_at:
        return ""
    try:
        if digest(path) != file.hash:
            return "another content of the same size"
        with parquet.ParquetFile(path) as opened:
            rows, schema = opened.metadata.num_rows, opened.schema_arrow
    except (OSError, arrow.ArrowInvalid) as error:
        return f"cannot be read: {error}"
    if rows != file.rows:
        return f"{rows:,} rows instead of {file.rows:,}"
    expected = arrow_schema(table, [name for name in table.columns if name != "event_date"])
    return "" if schema.equals(expected) else "columns of another release"
