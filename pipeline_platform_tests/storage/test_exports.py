"""Exports: files that any reader opens, that change only with their rows, and a descriptor that tells the truth."""

import hashlib
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import polars as pl
import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest

from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage import exports
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake, arrow_schema
from pipeline_platform_tests.storage.conftest import (
    DAY,
    EVERY_TYPE,
    EVERY_TYPE_ROWS,
    NEXT,
    VISITS,
    visits,
)

TYPES = {"string", "number", "integer", "boolean", "datetime", "date", "list", "object", "array", "any"}
"""Field types of Data Package v2 that we could use: https://datapackage.org/standard/table-schema/#field-types."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exports"


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_days_become_files_that_a_dataset_reads_as_one_table(lake: Lake, folder: Path) -> None:
    rows = visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT))
    lake.replace(VISITS, rows, DAY, NEXT)
    done = export_days(lake, VISITS, folder, [DAY, NEXT])
    assert (done.folder, done.rows, done.files, done.changed) == (folder / "visits", 3, 2, 2)
    assert set(files(folder)) == {
        "visits/datapackage.json",
        f"visits/event_date={DAY}/part-0.parquet",
        f"visits/event_date={NEXT}/part-0.parquet",
    }
    read = dataset.dataset(folder / "visits", partitioning="hive", exclude_invalid_files=True).to_table()
    assert sorted((row["event_date"], row["place"], row["visits"]) for row in read.to_pylist()) == [
        (str(DAY), "pier", 3),
        (str(DAY), "tower", 5),
        (str(NEXT), "pier", 4),
    ]
    alone = parquet.read_table(folder / f"visits/event_date={DAY}/part-0.parquet", partitioning=None)
    assert alone.schema.field("visits").metadata[b"unit"] == b"visits"


@pytest.fixture
def exported(lake: Lake, folder: Path) -> Path:
    """The folder of a table with a column of every type."""
    lake.replace(EVERY_TYPE, EVERY_TYPE.frame(EVERY_TYPE_ROWS[::-1]), DAY, NEXT)
    return export_days(lake, EVERY_TYPE, folder, [DAY, NEXT]).folder


def same(rows: list[dict[str, Any]]) -> bool:
    """Every value is the one in the lake, in every bit."""
    return [{name: repr(row[name]) for name in EVERY_TYPE.columns} for row in rows] == [
        {name: repr(row[name]) for name in EVERY_TYPE.columns} for row in EVERY_TYPE_ROWS
    ]


def test_duckdb_reads_every_value_in_its_type(exported: Path) -> None:
    # As text, since DuckDB gives times in the zone of the machine.
    read = duckdb.sql(
        "select * replace (epoch_us(seen_at) as seen_at) "
        f"from read_parquet('{exported}/*/*.parquet', hive_partitioning = true)"
    )
    rows = [dict(zip(read.columns, row, strict=True)) for row in read.fetchall()]
    for row, expected in zip(rows, EVERY_TYPE_ROWS, strict=True):
        moment: datetime | None = expected["seen_at"]
        assert row["seen_at"] == (None if moment is None else pd.Timestamp(moment).value // 1_000)
        row["seen_at"] = moment
    assert same(rows)
    described = duckdb.sql(f"describe select * from read_parquet('{exported}/*/*.parquet', hive_partitioning = true)")
    assert {name: kind for name, kind, *_ in described.fetchall()} == {
        "name": "VARCHAR",
        "number": "BIGINT",
        "share": "DOUBLE",
        "grade": "VARCHAR",
        "is_new": "BOOLEAN",
        "seen_at": "TIMESTAMP WITH TIME ZONE",
        "tags": "VARCHAR[]",
        "weights": "DOUBLE[]",
        "event_date": "DATE",
    }


def test_polars_reads_every_value_in_its_type(exported: Path) -> None:
    read = pl.read_parquet(exported / "*/*.parquet", hive_partitioning=True)
    assert read.schema["seen_at"] == pl.Datetime("us", "UTC")
    assert read.schema["number"] == pl.Int64
    rows = read.to_dicts()
    for row, expected in zip(rows, EVERY_TYPE_ROWS, strict=True):
        assert row["seen_at"] == expected["seen_at"]
        row["seen_at"] = expected["seen_at"]
    assert same(rows)


def test_pandas_reads_every_value_in_its_type(exported: Path) -> None:
    read = pd.read_parquet(exported, dtype_backend="pyarrow", ignore_prefixes=["datapackage"])
    assert str(read.dtypes["number"]) == "int64[pyarrow]"
    assert str(read.dtypes["seen_at"]) == "timestamp[us, tz=UTC][pyarrow]"
    for row, expected in zip(read.to_dict("records"), EVERY_TYPE_ROWS, strict=True):
        for name in ("name", "number", "share", "grade", "is_new"):
            assert (expected[name] is None and pd.isna(row[name])) or repr(row[name]) == repr(expected[name])
        assert (expected["seen_at"] is None and pd.isna(row["seen_at"])) or row["seen_at"] == expected["seen_at"]
        for name in ("tags", "weights"):
            listed = None if expected[name] is None else list(row[name])
            assert repr(listed) == repr(expected[name])
        assert row["event_date"] == str(expected["event_date"])


def test_files_say_what_they_hold(exported: Path) -> None:
    part = exported / f"event_date={DAY}/part-0.parquet"
    held = duckdb.sql(f"select decode(key), decode(value) from parquet_kv_metadata('{part}')").fetchall()
    metadata = dict(held)
    assert metadata["description"] == EVERY_TYPE.description
    assert orjson.loads(metadata["key"]) == ["name"]
    assert orjson.loads(metadata["columns"])["number"] == {"description": "Number.", "unit": "pieces"}
    written = parquet.read_metadata(part)
    assert written.row_group(0).column(0).compression == "ZSTD"
    assert [column.column_index for column in written.row_group(0).sorting_columns] == [0]


def test_a_day_of_many_rows_becomes_several_files(lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROW_GROUP_ROWS", 2)
    places = [f"place {number:02}" for number in range(23)]
    lake.replace(VISITS, visits(*((place, 1, DAY) for place in reversed(places))), DAY, DAY)
    assert export_days(lake, VISITS, folder, [DAY], file_rows=2).files == 12
    paths = resource_of(folder, VISITS)["path"]
    assert paths == [f"event_date={DAY}/part-{number}.parquet" for number in range(12)], "10 comes after 9"
    parts = [pl.read_parquet(folder / "visits" / path)["place"].to_list() for path in paths]
    assert [place for part in parts for place in part] == places
    assert {len(part) for part in parts[:-1]} == {2}

    done = export_days(lake, VISITS, folder, [DAY], file_rows=20)
    assert (done.files, done.changed) == (2, 12), "ten are surplus, two have other rows"
    assert len(list((folder / "visits").rglob("*.parquet"))) == 2
    groups = parquet.read_metadata(folder / "visits" / paths[0])
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [2] * 10


def test_files_change_only_with_their_rows(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    before = files(folder)
    assert export_days(lake, VISITS, folder, [DAY, NEXT]).changed == 0
    assert files(folder) == before

    lake.replace(VISITS, visits(("tower", 5, DAY), ("pier", 3, DAY)), DAY, DAY)
    lake.replace(VISITS, visits(("pier", 9, NEXT)), NEXT, NEXT)
    assert export_days(lake, VISITS, folder, [DAY, NEXT]).changed == 1
    after = files(folder)
    assert {name for name in after if after[name] != before[name]} == {
        "visits/datapackage.json",
        f"visits/event_date={NEXT}/part-0.parquet",
    }


def test_a_day_that_lost_its_rows_loses_its_file(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    done = export_days(lake, VISITS, folder, [DAY])
    assert (done.rows, done.files, done.changed) == (0, 1, 1)
    assert not (folder / f"visits/event_date={DAY}").exists()
    assert resource_of(folder, VISITS)["path"] == [f"event_date={NEXT}/part-0.parquet"]


def test_other_days_are_left_alone(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY])
    assert not (folder / f"visits/event_date={NEXT}").exists()
    export_days(lake, VISITS, folder, [NEXT])
    assert len(resource_of(folder, VISITS)["path"]) == 2


def test_nothing_to_export_leaves_nothing(lake: Lake, folder: Path) -> None:
    done = export_days(lake, VISITS, folder, [DAY, NEXT, NEXT + timedelta(days=1)])
    assert (done.rows, done.files, done.changed) == (0, 0, 0)
    assert not folder.exists()


def resource_of(folder: Path, table: Table) -> dict[str, Any]:
    (resource,) = orjson.loads((folder / table.name / "datapackage.json").read_bytes())["resources"]
    return dict(resource)


def test_the_descriptor_tells_what_lies_beside_it(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    package = orjson.loads((folder / "visits/datapackage.json").read_bytes())
    assert package["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    resource = resource_of(folder, VISITS)
    contents = [(folder / "visits" / path).read_bytes() for path in resource["path"]]
    assert resource["files"] == [
        {
            "path": path,
            "bytes": len(content),
            "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "rows": 1,
            "sources": [],
        }
        for path, content in zip(resource["path"], contents, strict=True)
    ]
    assert (resource["bytes"], resource["rows"]) == (sum(map(len, contents)), 2)


@pytest.mark.parametrize("table", published_tables(), ids=lambda table: table.name)
def test_every_published_table_has_a_valid_descriptor(table: Table, lake: Lake, folder: Path) -> None:
    row = dict.fromkeys(table.columns) | {"event_date": DAY}
    lake.replace(table, table.frame([row]), DAY, DAY)
    export_days(lake, table, folder, [DAY])
    package = orjson.loads((folder / table.name / "datapackage.json").read_bytes())
    resource = resource_of(folder, table)
    for named in (package, resource):
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", named["name"])
    assert package["title"]
    assert package["description"] == table.description
    fields = resource["schema"]["fields"]
    assert [field["name"] for field in fields] == table.columns
    assert {field["type"] for field in fields} <= TYPES
    assert all(field["description"] for field in fields)
    assert set(resource["schema"]["primaryKey"]) <= set(table.columns)
    read = dataset.dataset(folder / table.name, partitioning="hive", exclude_invalid_files=True).to_table()
    assert set(read.column_names) == set(arrow_schema(table).names)


def package_of(folder: Path, table: Table) -> dict[str, Any]:
    return dict(orjson.loads((folder / table.name / "datapackage.json").read_bytes()))


def test_equal_content_has_an_equal_version(tmp_path: Path) -> None:
    rows = visits(("pier", 3, DAY), ("tower", 5, NEXT))
    packages = []
    for name, spans in (("at once", [(DAY, NEXT)]), ("day by day", [(NEXT, NEXT), (DAY, DAY)])):
        lake = Lake(str(tmp_path / name), mode="demo")
        for first, last in spans:
            within = rows["event_date"].between(first, last).to_numpy(dtype=bool)
            lake.replace(VISITS, rows[within].iloc[::-1], first, last)
            export_days(lake, VISITS, tmp_path / f"{name} exported", sorted({first, last}))
        packages.append(package_of(tmp_path / f"{name} exported", VISITS))
    for package in packages:
        del package["created"]
    assert packages[0] == packages[1]
    assert re.fullmatch(r"1\.0\.0\+[0-9a-f]{16}", packages[0]["version"])


def test_a_version_keeps_the_moment_it_was_created(lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        """A clock that gains a year whenever it is looked at."""

        year_now = 2026

        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            cls.year_now += 1
            return cls(cls.year_now, 1, 1, tzinfo=tz)

    monkeypatch.setattr(exports, "datetime", Later)

    def exported(visitors: int, *days: date) -> tuple[str, str]:
        lake.replace(VISITS, visits(*(("pier", visitors, day) for day in days)), days[0], days[-1])
        export_days(lake, VISITS, folder, days)
        package = package_of(folder, VISITS)
        return package["version"], package["created"][:4]

    first = exported(3, DAY, NEXT)
    assert exported(3, DAY, NEXT) == first
    other = exported(4, NEXT)
    assert other[0] != first[0]
    assert other[1] > first[1]
    assert exported(3, NEXT)[0] == first[0], "the same data again"


def test_a_daily_export_reads_no_file_of_another_day(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    before = resource_of(folder, VISITS)["files"]
    other = folder / f"visits/event_date={DAY}/part-0.parquet"
    other.write_bytes(b"damaged")
    lake.replace(VISITS, visits(("pier", 5, NEXT)), NEXT, NEXT)
    export_days(lake, VISITS, folder, [NEXT])
    assert resource_of(folder, VISITS)["files"][0] == before[0], "what is damaged is not declared sound"
    assert export_days(lake, VISITS, folder, [DAY]).changed == 1
    assert resource_of(folder, VISITS)["files"][0] == before[0]


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b'{"resources": [{"path": ["a"]}]}', None])
def test_a_descriptor_that_is_lost_is_written_anew(content: bytes | None, lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    export_days(lake, VISITS, folder, [DAY, NEXT])
    before = package_of(folder, VISITS)
    path = folder / "visits/datapackage.json"
    path.unlink() if content is None else path.write_bytes(content)
    assert export_days(lake, VISITS, folder, [NEXT]).changed == 0
    assert {**package_of(folder, VISITS), "created": ""} == {**before, "created": ""}


def test_a_table_that_lost_all_rows_is_described_as_empty(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, DAY)
    export_days(lake, VISITS, folder, [DAY])
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    assert export_days(lake, VISITS, folder, [DAY]).files == 0
    resource = resource_of(folder, VISITS)
    assert resource["data"] == []
    assert "path" not in resource


def test_an_emptied_day_leaves_what_others_put_there(lake: Lake, folder: Path) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, DAY)
    export_days(lake, VISITS, folder, [DAY])
    day = folder / f"visits/event_date={DAY}"
    (day / ".part-0.parquet.4194305").touch()
    (day / "notes.txt").touch()
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    export_days(lake, VISITS, folder, [DAY])
    assert [path.name for path in day.iterdir()] == ["notes.txt"]


def test_the_descriptor_names_the_sources_of_the_rows_and_their_terms(lake: Lake, folder: Path) -> None:
    bars = tables()["deduplicated/market_bars"]
    for day, source in ((DAY, "yahoo"), (NEXT, "coingecko")):
        row = {"bar_id": f"{source}:1", "source": source, "event_date": day}
        lake.replace(bars, bars.frame([row]), day, day)
        export_days(lake, bars, folder, [day])
    package = package_of(folder, bars)
    assert [source["name"] for source in package["sources"]] == ["coingecko", "yahoo"]
    assert all(source["licence"] and source["terms"] and source["path"] for source in package["sources"])
    assert [licence["title"] for licence in package["licenses"]] == [one["licence"] for one in package["sources"]]
    assert [file["sources"] for file in resource_of(folder, bars)["files"]] == [["yahoo"], ["coingecko"]]
    assert package["mode"] == "demo"


def test_rows_made_from_several_sources_are_under_the_terms_of_all_they_may_be_from(lake: Lake, folder: Path) -> None:
    agreement = tables()["aggregated/source_agreement"]
    lake.replace(agreement, agreement.frame([{"subject": "bitcoin", "event_date": DAY}]), DAY, DAY)
    export_days(lake, agreement, folder, [DAY])
    named = [source["name"] for source in package_of(folder, agreement)["sources"]]
    assert named == ["coingecko", "alpha_vantage", "yahoo", "openweather", "open_meteo"]


def test_fields_tell_constraints_units_and_rules(exported: Path) -> None:
    (resource,) = orjson.loads((exported / "datapackage.json").read_bytes())["resources"]
    fields = {field["name"]: field for field in resource["schema"]["fields"]}
    assert fields["name"]["constraints"] == {"required": True, "unique": True}
    assert fields["number"]["unit"] == "pieces"
    assert fields["share"]["constraints"] == {"required": False, "minimum": -1, "maximum": 1}
    assert fields["share"]["rules"] == ["must lie in [-1, 1]"]
    assert fields["grade"]["constraints"]["enum"] == ["good", "bad"]
    assert fields["weights"]["type"] == "array"
    assert fields["weights"]["constraints"]["jsonSchema"] == {"type": "array", "items": {"type": "number"}}
