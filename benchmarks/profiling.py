"""Profiling a table: beside pandas' `describe`, and DuckDB's `SUMMARIZE`, which estimates instead of counting."""

from datetime import timedelta

import duckdb

from benchmarks.documents import DAY, stream_named
from benchmarks.measure import BenchmarkError, Figure, compared, race
from benchmarks.validation import sound_documents
from pipeline_platform.quality.profiles import Profiled, profiles
from pipeline_platform.quality.verdict import verdicts
from pipeline_platform.schemas.catalog import cleaned_table
from pipeline_platform.storage.lake import to_arrow

SCALE = 500_000


def run(scale: int, rounds: int) -> list[Figure]:
    """Profile `scale` documents of one day."""
    table = cleaned_table(*stream_named("reddit_comments"))
    frame = sound_documents(table, scale)
    rows = to_arrow(table, frame)

    def ours() -> None:
        result = profiles([(Profiled(table, timedelta(days=3).total_seconds()), rows)], [DAY])
        if len(result) != len(table.columns) or result["rows"].max() != scale:
            raise BenchmarkError("a column is missing in the profile")

    def summarize() -> None:
        with duckdb.connect() as connection:
            connection.register("documents", rows)
            connection.execute("set threads = 2")
            connection.sql("summarize documents").fetchall()

    def describe() -> None:
        (verdict,) = verdicts(table, frame, [DAY])
        if len(frame.describe(include="all").columns) != len(table.columns) or not verdict.passed:
            raise BenchmarkError("the rows should be sound")

    mine, pandas, other = "quality/profiles", "contract check and pandas describe", "DuckDB summarize, no rules"
    seconds = race({mine: ours, pandas: describe, other: summarize}, rounds)
    what = f"profile of {scale:,} documents, {len(table.columns)} columns, rules judged"
    return [compared(what, seconds, mine, theirs, per=scale, unit="rows/s") for theirs in (pandas, other)]
