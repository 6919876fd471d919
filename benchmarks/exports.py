"""Exporting a day of a table that already holds two months, beside one that holds nothing and a plain Parquet file."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as parquet

from benchmarks.documents import DAY, stream_named
from benchmarks.measure import BenchmarkError, Figure, compared, race
from benchmarks.validation import sound_documents
from pipeline_platform.schemas.catalog import cleaned_table
from pipeline_platform.storage.datapackage import DESCRIPTOR, digest
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.verification import mismatches

SCALE = 50_000
DAYS_HELD = 60
"""Days that are exported already."""

TABLE = cleaned_table(*stream_named("reddit_comments"))


def _export(lake: Lake, folder: Path, changed: int) -> None:
    done = export_days(lake, TABLE, folder, [DAY])
    if done.changed != changed:
        raise BenchmarkError(f"{done.changed} files were written instead of {changed}")


def _export_new(lake: Lake, folder: Path) -> None:
    (folder / TABLE.name / f"event_date={DAY}" / "part-0.parquet").unlink(missing_ok=True)
    _export(lake, folder, changed=1)


def _fill(lake: Lake, folder: Path) -> None:
    """Export the day, and let it have been exported as the days before it too."""
    target = export_days(lake, TABLE, folder, [DAY]).folder
    for number in range(1, DAYS_HELD):
        shutil.copytree(target / f"event_date={DAY}", target / f"event_date={DAY - timedelta(days=number)}")
    (target / DESCRIPTOR).unlink()
    if export_days(lake, TABLE, folder, [DAY]).files != DAYS_HELD:
        raise BenchmarkError("the files of the other days were not described")


def _verify(target: Path, mode: str) -> None:
    if mismatches(target, TABLE, mode):
        raise BenchmarkError("the export is not as described")


def run(scale: int, rounds: int) -> list[Figure]:
    """Export and verify `scale` documents a day."""
    with tempfile.TemporaryDirectory() as place:
        long, short = Path(place) / "long", Path(place) / "short"
        lake = Lake(f"{place}/lake", mode="demo")
        lake.replace(TABLE, sound_documents(TABLE, scale), DAY, DAY)
        _fill(lake, long)
        target = long / TABLE.name
        files = sorted(target.glob("*/*.parquet"))
        new, same, verified = "export a day", "export a day that is the same", "verify all files"
        alone, plain, hashed = (
            "the same with no other day",
            "read the day, write a plain Parquet file",
            "hash all files",
        )
        seconds = race(
            {
                new: lambda: _export_new(lake, long),
                same: lambda: _export(lake, long, changed=0),
                alone: lambda: _export_new(lake, short),
                plain: lambda: parquet.write_table(
                    lake.read_arrow(TABLE, DAY, DAY), f"{place}/plain", compression="zstd"
                ),
                verified: lambda: _verify(target, lake.mode),
                hashed: lambda: [digest(path) for path in files],
            },
            rounds,
        )
    return [
        compared(f"{ours}, {DAYS_HELD} days of {scale:,} documents", seconds, ours, theirs)
        for ours, theirs in ((new, alone), (new, plain), (same, plain), (verified, hashed))
    ]
