"""Every table keeps one contract; a table that a new source or kind brings is covered by being in the catalogue."""

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from pipeline_platform.quality.verdict import verdicts
from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.registry import all_streams
from pipeline_platform.storage.lake import Lake
from pipeline_platform_tests.contract.samples import cleaned_sample, sample_rows

if TYPE_CHECKING:
    from pipeline_platform_tests.conftest import Demo

TABLES = list(tables().values())
STREAMS = all_streams()
MAY_BE_EMPTY = (
    "quarantine/",
    "aggregated/trend_signals",
    "quality/anomalies",
    # Weeks lie on their Sundays, and the days of the demo need not hold one.
    "raw/github_contributions",
    "cleaned/github_contributions",
    "deduplicated/contributions",
)

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
every_stream = pytest.mark.parametrize(("source", "stream"), STREAMS, ids=[stream.name for _, stream in STREAMS])


def broken(table: Table, frame: "object", day: date) -> dict[str, int]:
    (verdict,) = verdicts(table, frame, [day])  # type: ignore[arg-type]
    return dict(verdict.broken)


@every_table
def test_an_empty_frame_keeps_the_contract(table: Table) -> None:
    empty = table.empty()
    assert list(empty.columns) == table.columns
    assert broken(table, empty, date(2026, 11, 20)) == {}


@every_table
def test_it_is_described(table: Table) -> None:
    assert table.description.endswith(".")
    assert table.owner.startswith("team:")
    assert table.kinds
    assert all(column.description for column in table.schema.columns.values())
    assert table.schema.strict, "a column that is not in the schema would pass unseen"


@every_table
def test_its_key_is_there(table: Table) -> None:
    assert set(table.key) <= set(table.columns)
    # A part of a longer key may be unknown (the country of a place), never all of it.
    assert not all(table.schema.columns[name].nullable for name in table.key)
    assert table.schema.unique == list(table.key)
    assert "event_date" in table.columns


def test_exported_names_are_unique() -> None:
    names = [table.name for table in published_tables()]
    assert len(names) == len(set(names))


@every_stream
def test_the_samples_keep_the_contract(source: Source, stream: Stream) -> None:
    raw, cleaned = sample_rows(source, stream), cleaned_sample(source, stream)
    for path, frame in ((f"raw/{stream.name}", raw), (f"cleaned/{stream.name}", cleaned.rows)):
        for day, rows in frame.groupby("event_date"):
            assert broken(tables()[path], rows, day) == {}
    assert len(cleaned.rows) == len(stream.sample.payloads)


@every_table
def test_it_is_an_asset_with_a_blocking_check_per_day(table: Table, definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    key = dg.AssetKey([table.layer, table.name])
    node = graph.get(key)
    assert node.group_name == table.layer
    assert node.owners == [table.owner]
    assert node.description == table.description
    assert node.kinds >= table.kinds
    assert node.partitions_def is not None
    assert node.freshness_policy is not None
    schema = node.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == table.columns
    spec = graph.get_check_spec(dg.AssetCheckKey(key, "contract"))
    assert spec.blocking
    assert spec.partitions_def is not None
    assert (node.automation_condition is None) == (table.layer == "raw"), "what is downstream of raw follows by itself"


@every_table
def test_the_demo_fills_it_and_keeps_the_contract(table: Table, demo: "Demo") -> None:
    first, last = (date.fromisoformat(demo.report[name]) for name in ("from", "to"))
    frame = Lake(str(demo.home / "lake"), mode="demo").read(table, first, last)
    days = sorted({*frame["event_date"], first})
    assert {rule: count for verdict in verdicts(table, frame, days) for rule, count in verdict.broken.items()} == {}
    assert len(frame) or table.path.startswith(MAY_BE_EMPTY)
    assert demo.report["rows"][table.path] == len(frame)


def test_every_raw_record_of_the_demo_is_cleaned_or_quarantined(demo: "Demo") -> None:
    rows = demo.report["rows"]
    layers = {layer: sum(n for path, n in rows.items() if path.startswith(f"{layer}/")) for layer in ("raw", "cleaned")}
    assert layers["raw"] == layers["cleaned"] + sum(demo.report["quarantined"].values())
    assert "unexplained" not in demo.report["quarantined"]
