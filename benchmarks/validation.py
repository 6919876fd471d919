"""Checking a million rows of documents: the contract check of a table, Pandera alone, and the rules written by hand."""

import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

from benchmarks.documents import DAY, raw_records, stream_named
from benchmarks.measure import BenchmarkError, Figure, compared, race
from pipeline_platform.clean.cleaning import clean
from pipeline_platform.quality.verdict import verdicts
from pipeline_platform.schemas.catalog import cleaned_table
from pipeline_platform.schemas.kinds import CLOCK_SKEW, DOCUMENT_KINDS
from pipeline_platform.schemas.table import Table

SCALE = 1_000_000
TARGET_SECONDS = 1.0
DISTINCT = 10_000


def sound_documents(table: Table, rows: int) -> pd.DataFrame:
    """Sound documents, repeated with ids of their own until there are `rows`."""
    _, stream = stream_named(table.name)
    raw = raw_records(3 * DISTINCT)[table.name].head(DISTINCT)
    sound = arrow.Table.from_pandas(
        clean(raw, stream, table, lambda source, author: f"{source}{author}").rows, preserve_index=False
    )
    many = arrow.concat_tables([sound] * (rows // sound.num_rows + 1)).slice(0, rows)
    numbers = arrow.array(range(rows)).cast(arrow.string())
    ids = pc.binary_join_element_wise(many["document_id"].cast(arrow.string()), numbers, "-")
    many = many.set_column(many.schema.get_field_index("document_id"), "document_id", ids)
    return many.combine_chunks().to_pandas(types_mapper=pd.ArrowDtype)


def _by_hand(table: Table, frame: pd.DataFrame) -> int:
    """Violations of the same rules, in pyarrow and nothing else."""
    rows = arrow.Table.from_pandas(frame, preserve_index=False)
    broken = 0

    def count(failed: arrow.ChunkedArray) -> None:
        nonlocal broken
        broken += pc.sum(failed).as_py() or 0

    def blank(name: str) -> arrow.ChunkedArray:
        return pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(rows[name])), 0), True)

    for name, column in table.schema.columns.items():
        if not column.nullable:
            broken += rows[name].null_count
        if any(check.name == "not_blank" for check in column.checks):
            count(blank(name))
    for name in ("replies", "shares", "likes", "views"):
        count(pc.less(rows[name], 0))
    count(pc.invert(pc.is_in(rows["kind"], arrow.array(DOCUMENT_KINDS, rows["kind"].type))))
    count(pc.and_not(pc.and_(blank("title"), blank("text")), rows["is_deleted"]))
    count(pc.and_(pc.less(rows["score"], 0), pc.not_equal(rows["kind"], "comment")))
    latest = pc.add(rows["fetched_at"], arrow.scalar(CLOCK_SKEW.to_pytimedelta()))
    count(pc.greater(rows["created_at"], latest))
    return broken + rows.num_rows - pc.count_distinct(rows["document_id"]).as_py()


def run(scale: int, rounds: int) -> list[Figure]:
    """Validate `scale` rows."""
    table = cleaned_table(*stream_named("reddit_comments"))
    frame = sound_documents(table, scale)

    def contract() -> None:
        (verdict,) = verdicts(table, frame, [DAY])
        if not verdict.passed or verdict.rows != scale:
            raise BenchmarkError(f"the rows should be sound: {verdict}")

    def by_hand() -> None:
        if _by_hand(table, frame):
            raise BenchmarkError("the rows should be sound")

    ours, pandera, theirs = "contract check", "Pandera's validate", "pyarrow.compute by hand"
    contestants = {ours: contract, pandera: lambda: table.schema.validate(frame, lazy=True), theirs: by_hand}
    seconds = race(contestants, rounds)
    check = compared(f"contract check of {scale:,} documents", seconds, ours, theirs)
    return [
        check.aimed(f"< {TARGET_SECONDS:g} s", check.ours < TARGET_SECONDS),
        compared(f"Pandera's validate, {scale:,} documents", seconds, pandera, theirs),
    ]
