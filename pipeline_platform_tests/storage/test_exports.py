"""Exports: files that any reader opens, that change only with their rows, and a descriptor that tells the truth."""

import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow.dataset as dataset
import pyarrow.parquet as parquet
import pytest

from pipeline_platform.schemas.catalog import published_tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake, arrow_schema
from pipeline_platform_tests.storage.conftest import DAY, NEXT, VISITS, visits

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
