"""Single files: what comes back from Parquet, CSV and JSON lines is what was in the lake, bit by bit."""

import csv
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.launch.exporting import ExportError, write_table
from pipeline_platform.storage.lake import arrow_schema, to_arrow
from pipeline_platform_tests.storage.conftest import DAY, EVERY_TYPE, EVERY_TYPE_ROWS, PACKED

REVERSED = to_arrow(EVERY_TYPE, EVERY_TYPE.frame(EVERY_TYPE_ROWS[::-1]))
A_PROCESS_THAT_ENDED = 2**22 + 1
"""Beyond the greatest process id that Linux gives."""


def same(value: Any, expected: Any) -> bool:
    """Equal in every bit: 0.0 is not -0.0."""
    return repr(value) == repr(expected)


def test_json_lines_give_back_every_value(tmp_path: Path) -> None:
    write_table(REVERSED, EVERY_TYPE, "json", tmp_path / "rows.json")
    read = [json.loads(line) for line in (tmp_path / "rows.json").read_text().splitlines()]
    for row, expected in zip(read, EVERY_TYPE_ROWS, strict=True):
        assert list(row) == EVERY_TYPE.columns
        moment = row.pop("seen_at")
        assert (moment and datetime.fromisoformat(moment)) == expected["seen_at"]
        assert row.pop("event_date") == str(expected["event_date"])
        assert all(same(row[name], expected[name]) for name in row)


def test_csv_gives_back_every_value(tmp_path: Path) -> None:
    write_table(REVERSED, EVERY_TYPE, "csv", tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    for row, expected in zip(read, EVERY_TYPE_ROWS, strict=True):
        assert row["name"] == expected["name"]
        assert row["number"] == ("" if expected["number"] is None else str(expected["number"]))
        assert same(float(row["share"]) if row["share"] else None, expected["share"])
        assert (datetime.fromisoformat(row["seen_at"]) if row["seen_at"] else None) == expected["seen_at"]
        for name in ("tags", "weights"):
            assert same(json.loads(row[name]) if row[name] else None, expected[name])


def test_duckdb_reads_the_csv_with_its_types_and_nulls(tmp_path: Path) -> None:
    write_table(REVERSED, EVERY_TYPE, "csv", tmp_path / "rows.csv")
    read = duckdb.sql(
        f"select number, grade, tags::json::varchar[], weights::json::double[] from read_csv('{tmp_path}/rows.csv', "
        "types={'number': 'BIGINT', 'grade': 'VARCHAR', 'tags': 'VARCHAR', 'weights': 'VARCHAR'}, "
        "allow_quoted_nulls=false)"
    ).fetchall()
    columns = ("number", "grade", "tags", "weights")
    assert same(read, [tuple(row[name] for name in columns) for row in EVERY_TYPE_ROWS])


def test_parquet_is_in_order_with_every_value_and_description(tmp_path: Path) -> None:
    write_table(REVERSED, EVERY_TYPE, "parquet", tmp_path / "rows.parquet")
    read = parquet.read_table(tmp_path / "rows.parquet")
    assert read.schema.equals(arrow_schema(EVERY_TYPE))
    assert read.schema.field("number").metadata == {b"description": b"Number.", b"unit": b"pieces"}
    assert same(
        pl.read_parquet(tmp_path / "rows.parquet").drop("seen_at").to_dicts(),
        [{name: value for name, value in row.items() if name != "seen_at"} for row in EVERY_TYPE_ROWS],
    )


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))))
def test_any_number_comes_back(tmp_path_factory: pytest.TempPathFactory, numbers: list[tuple[float, int]]) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    rows = [
        {"name": f"{at:06}", "share": share, "number": number, "weights": [share], "event_date": DAY}
        for at, (share, number) in enumerate(numbers)
    ]
    for fmt in ("csv", "json"):
        write_table(to_arrow(EVERY_TYPE, EVERY_TYPE.frame(rows)), EVERY_TYPE, fmt, folder / f"rows.{fmt}")
    lines = [json.loads(line) for line in (folder / "rows.json").read_text().splitlines()]
    assert same([(row["share"], row["number"]) for row in lines], numbers)
    with (folder / "rows.csv").open(newline="") as file:
        cells = [(float(row["share"]), int(row["number"]), json.loads(row["weights"])) for row in csv.DictReader(file)]
    assert same(cells, [(share, number, [share]) for share, number in numbers])


def test_bytes_are_base64_and_what_is_no_number_is_null(tmp_path: Path) -> None:
    bytes_ = to_arrow(PACKED, PACKED.frame([{"content": b"\x00\xff", "event_date": DAY}]))
    for fmt, expected in (("json", '{"content":"AP8=","event_date":"2026-11-20"}'), ("csv", '"AP8=",2026-11-20')):
        write_table(bytes_, PACKED, fmt, tmp_path / "bytes")
        assert (tmp_path / "bytes").read_text().splitlines()[-1] == expected
    odd = REVERSED.set_column(2, "share", arrow.array([np.nan, np.inf, 1.0]))
    write_table(odd, EVERY_TYPE, "json", tmp_path / "odd")
    assert [json.loads(line)["share"] for line in (tmp_path / "odd").read_text().splitlines()] == [1.0, None, None]


@pytest.mark.parametrize("fmt", ["parquet", "csv", "json"])
def test_no_rows_make_a_file_too(fmt: str, tmp_path: Path) -> None:
    write_table(arrow_schema(EVERY_TYPE).empty_table(), EVERY_TYPE, fmt, tmp_path / "rows")
    assert (tmp_path / "rows").exists()


def test_what_a_killed_export_left_is_taken_away_and_what_another_writes_is_not(tmp_path: Path) -> None:
    left, other = tmp_path / f".rows.csv.{A_PROCESS_THAT_ENDED}", tmp_path / f".rows.csv.{os.getppid()}"
    unlike = tmp_path / ".rows.csv.notes"
    for path in (left, other, unlike):
        path.touch()
    write_table(REVERSED, EVERY_TYPE, "csv", tmp_path / "rows.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([other.name, unlike.name, "rows.csv"])


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match="cannot be written: Is a directory"):
        write_table(REVERSED, EVERY_TYPE, "csv", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
