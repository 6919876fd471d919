"""Exports against their descriptors: whatever happens to a file or to the descriptor is found and named."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from pipeline_platform.schemas.columns import text
from pipeline_platform.schemas.table import schema_of
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.verification import mismatches
from pipeline_platform_tests.storage.conftest import DAY, NEXT, VISITS, visits

FIRST, SECOND = (f"event_date={day}/part-0.parquet" for day in (DAY, NEXT))
Found = list[tuple[str, str]]


@pytest.fixture
def target(lake: Lake, tmp_path: Path) -> Path:
    """An export of two days."""
    lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    return export_days(lake, VISITS, tmp_path / "exports", [DAY, NEXT]).folder


def found(target: Path, *, only_second_day: bool = False, mode: str = "demo") -> Found:
    return [(one.problem, one.path) for one in mismatches(target, VISITS, mode, [NEXT] if only_second_day else None)]


def cut_off(target: Path) -> Found:
    os.truncate(target / FIRST, 100)
    return [("changed", FIRST)]


def other_bytes(target: Path) -> Found:
    content = bytearray((target / FIRST).read_bytes())
    content[50] ^= 1
    (target / FIRST).write_bytes(content)
    return [("changed", FIRST)]


def deleted(target: Path) -> Found:
    (target / FIRST).unlink()
    return [("missing", FIRST)]


def another_part(target: Path) -> Found:
    extra = FIRST.replace("part-0", "part-1")
    (target / extra).write_bytes((target / FIRST).read_bytes())
    return [("surplus", extra)]


def a_draft(target: Path) -> Found:
    draft = FIRST.replace("part-0.parquet", ".part-0.parquet.4194305")
    (target / draft).touch()
    return [("surplus", draft)]


def swapped(target: Path) -> Found:
    first, second = (target / FIRST).read_bytes(), (target / SECOND).read_bytes()
    (target / FIRST).write_bytes(second)
    (target / SECOND).write_bytes(first)
    return [("changed", FIRST), ("changed", SECOND)]


def everything_lost(target: Path) -> Found:
    for path in (FIRST, SECOND):
        (target / path).unlink()
    return [("missing", FIRST), ("missing", SECOND)]


def no_descriptor(target: Path) -> Found:
    (target / "datapackage.json").unlink()
    return [("descriptor", "datapackage.json")]


def descriptor_cut_off(target: Path) -> Found:
    os.truncate(target / "datapackage.json", 500)
    return [("descriptor", "datapackage.json")]


def edited(change: Callable[[dict], None]) -> Callable[[Path], Found]:  # type: ignore[type-arg]
    def edit(target: Path) -> Found:
        path = target / "datapackage.json"
        package = orjson.loads(path.read_bytes())
        change(package)
        path.write_bytes(orjson.dumps(package))
        return [("descriptor", "datapackage.json")]

    return edit


EDITS = {
    "hash": edited(lambda package: package["resources"][0]["files"][0].update(hash="sha256:0")),
    "rows of a file": edited(lambda package: package["resources"][0]["files"][0].update(rows=7)),
    "rows": edited(lambda package: package["resources"][0].update(rows=7)),
    "path": edited(lambda package: package["resources"][0]["path"].pop()),
    "file taken out": edited(lambda package: package["resources"][0]["files"].pop()),
    "file elsewhere": edited(lambda package: package["resources"][0]["files"][0].update(path="../../secret")),
    "files of another form": edited(lambda package: package["resources"][0].update(files=["a"])),
    "no resource": edited(lambda package: package.update(resources=[])),
    "type of a column": edited(lambda package: package["resources"][0]["schema"]["fields"][0].update(type="integer")),
    "description": edited(lambda package: package.update(description="Something else.")),
    "licence": edited(lambda package: package.update(licenses=[{"title": "CC0", "path": "https://example.org"}])),
    "mode": edited(lambda package: package.update(mode="live")),
    "something added": edited(lambda package: package.update(author="somebody")),
}
DAMAGES = {
    damage.__name__: damage
    for damage in (
        cut_off,
        other_bytes,
        deleted,
        another_part,
        a_draft,
        swapped,
        everything_lost,
        no_descriptor,
        descriptor_cut_off,
    )
} | EDITS


@pytest.mark.parametrize("only_second_day", [False, True], ids=["every file", "files of a day"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_found_and_mended(
    damage: Callable[[Path], Found], only_second_day: bool, target: Path, lake: Lake
) -> None:
    assert found(target, only_second_day=only_second_day) == []
    expected = damage(target)
    assert found(target, only_second_day=only_second_day) == expected
    export_days(lake, VISITS, target.parent, [DAY, NEXT])
    mended = found(target)
    assert mended == []


def test_what_a_file_hides_behind_its_old_time_is_found_by_reading_all(target: Path) -> None:
    old = (target / FIRST).stat()
    other_bytes(target)
    os.utime(target / FIRST, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert found(target, only_second_day=True) == []
    assert found(target) == [("changed", FIRST)]


def test_words_say_what_to_do(target: Path) -> None:
    cut_off(target)
    (one,) = mismatches(target, VISITS, "demo")
    assert one.table == "visits"
    assert one.words.startswith("100 bytes instead of ")
    assert one.words.endswith("export its day again")


def test_files_of_a_release_with_other_columns_are_named(target: Path, lake: Lake) -> None:
    columns = {**VISITS.schema.columns, "weather": text("Weather.", nullable=True)}
    newer = replace(VISITS, schema=schema_of("aggregated/visits", columns, key=VISITS.key))
    problems = [one.path for one in mismatches(target, newer, "demo")]
    assert problems == ["datapackage.json", FIRST, SECOND]
    export_days(lake, newer, target.parent, [NEXT])
    (one,) = mismatches(target, newer, "demo")
    assert (one.path, one.words) == (FIRST, "columns of another release; export its day again")
    export_days(lake, newer, target.parent, [DAY])
    assert mismatches(target, newer, "demo") == []


def test_an_empty_export_is_as_described(target: Path, lake: Lake) -> None:
    lake.replace(VISITS, VISITS.empty(), DAY, NEXT)
    export_days(lake, VISITS, target.parent, [DAY, NEXT])
    assert found(target) == []
