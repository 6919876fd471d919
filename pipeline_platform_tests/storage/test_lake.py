"""The lake: merging raw records, replacing days, modes that never mix."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as arrow
import pytest
from deltalake import DeltaTable

from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import schema_of
from pipeline_platform.storage.counts import layer_counts
from pipeline_platform.storage.lake import REDATED_DAYS, Lake, LakeError, Merged, arrow_schema
from pipeline_platform_tests.storage.conftest import DAY, NEXT, RAW, VISITS, noon, raw_frame, record, visits

ROOT = Path(__file__).parents[2]
Stored = Callable[..., dict[str, Any]]


# --- merging ---


def test_the_same_records_twice_change_nothing(lake: Lake, stored: Stored) -> None:
    rows = raw_frame(record(1), record(2, NEXT))
    assert lake.merge(RAW, rows) == Merged(inserted=2, updated=0, unchanged=0)
    version = lake.version(RAW)
    assert lake.merge(RAW, rows) == Merged(inserted=0, updated=0, unchanged=2)
    again = raw_frame(record(1, fetched=5), record(2, NEXT, fetched=5))
    assert lake.merge(RAW, again) == Merged(inserted=0, updated=0, unchanged=2)
    assert lake.version(RAW) == version
    assert stored() == {"town:1": "fair", "town:2": "fair"}


def test_nothing_to_merge_makes_no_table(lake: Lake) -> None:
    assert lake.merge(RAW, RAW.empty()) == Merged(0, 0, 0)
    assert lake.version(RAW) is None
    assert lake.read(RAW).dtypes.to_dict() == RAW.empty().dtypes.to_dict()


def test_a_newer_capture_replaces_and_an_older_one_does_not(lake: Lake, stored: Stored) -> None:
    lake.merge(RAW, raw_frame(record(1, text="second", fetched=2)))
    assert lake.merge(RAW, raw_frame(record(1, text="third", fetched=3))).updated == 1
    assert stored() == {"town:1": "third"}
    lake.merge(RAW, raw_frame(record(1, text="first", fetched=1)))
    assert stored() == {"town:1": "third"}


def test_of_several_captures_in_one_batch_the_newest_counts(lake: Lake, stored: Stored) -> None:
    captures = [record(1, text=text, fetched=fetched) for fetched, text in ((2, "newest"), (1, "middle"), (0, "old"))]
    assert lake.merge(RAW, raw_frame(*captures)) == Merged(1, 0, 0)
    assert stored() == {"town:1": "newest"}


def test_a_record_that_vanished_upstream_stays(lake: Lake, stored: Stored) -> None:
    lake.merge(RAW, raw_frame(record(1), record(2)))
    lake.merge(RAW, raw_frame(record(2, text="edited", fetched=1)))
    assert stored() == {"town:1": "fair", "town:2": "edited"}


@pytest.mark.parametrize("moved", [-REDATED_DAYS, -1, 1, REDATED_DAYS])
def test_a_record_whose_day_moved_is_there_once(lake: Lake, stored: Stored, moved: int) -> None:
    later = DAY + timedelta(days=moved)
    lake.merge(RAW, raw_frame(record(1), record(2)))
    newer = record(1, later, text="moved", fetched_at=noon(DAY) + timedelta(days=40))
    assert lake.merge(RAW, raw_frame(newer)) == Merged(inserted=0, updated=1, unchanged=0)
    assert stored(DAY) == {"town:2": "fair"}
    assert stored(later) == {"town:1": "moved"}


def test_an_undated_record_keeps_the_day_it_was_first_seen(lake: Lake, stored: Stored) -> None:
    seen, again = noon(DAY), noon(NEXT)
    lake.merge(RAW, raw_frame(record(1, DAY, event_time=seen, fetched_at=seen)))
    lake.merge(RAW, raw_frame(record(1, NEXT, text="edited", event_time=again, fetched_at=again)))
    assert stored(DAY) == {"town:1": "edited"}
    assert stored(NEXT) == {}
    (row,) = lake.read(RAW).to_dict("records")
    assert (row["event_time"], row["fetched_at"]) == (seen, again)


def test_old_versions_can_be_read(lake: Lake) -> None:
    lake.merge(RAW, raw_frame(record(1)))
    lake.merge(RAW, raw_frame(record(2)))
    opened = lake.open(RAW)
    assert opened is not None
    opened.load_as_version(opened.version() - 1)
    assert opened.to_pyarrow_table()["record_id"].to_pylist() == ["town:1"]


# --- replacing ---


def test_the_rows_of_days_become_exactly_those_given(lake: Lake) -> None:
    assert lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    assert lake.replace(VISITS, visits(("pier", 7, DAY)), DAY, DAY)
    pd.testing.assert_frame_equal(
        lake.read(VISITS).sort_values(["event_date", "place"], ignore_index=True),
        visits(("pier", 7, DAY), ("pier", 4, NEXT)),
    )
    assert lake.replace(VISITS, VISITS.empty(), NEXT, NEXT)
    assert lake.read(VISITS)["event_date"].tolist() == [DAY]


def test_equal_rows_in_any_order_are_no_new_version(lake: Lake) -> None:
    rows = visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT))
    assert lake.replace(VISITS, rows, DAY, NEXT)
    version = lake.version(VISITS)
    assert not lake.replace(VISITS, rows.iloc[::-1].reset_index(drop=True), DAY, NEXT)
    assert not lake.replace(VISITS, rows[rows["event_date"] == DAY], DAY, DAY)
    assert lake.version(VISITS) == version
    assert lake.replace(VISITS, rows.assign(visits=rows["visits"] + 1), DAY, NEXT)


def test_an_empty_day_leaves_a_table_that_says_its_columns(lake: Lake) -> None:
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    assert lake.version(VISITS) == 0
    opened = lake.open(VISITS)
    assert opened is not None
    assert [field.name for field in opened.schema().fields] == VISITS.columns
    assert opened.metadata().partition_columns == ["event_date"]
    assert opened.metadata().description == VISITS.description


def test_tables_without_rows_can_be_joined(lake: Lake) -> None:
    lake.replace(VISITS, VISITS.empty(), DAY, DAY)
    nothing = lake.read(VISITS, DAY, DAY)
    assert nothing.merge(nothing, how="outer", on=["event_date", *VISITS.key]).empty


def test_rows_of_other_days_are_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match=f"aggregated/visits: rows of {DAY}..{NEXT} were handed over for {DAY}..{DAY}"):
        lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, DAY)
    assert lake.version(VISITS) is None


def test_values_that_do_not_fit_are_refused_and_change_nothing(lake: Lake) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, DAY)
    with pytest.raises(arrow.ArrowInvalid):
        lake.replace(VISITS, visits(("pier", 3, DAY)).assign(visits=["many"]), DAY, DAY)
    assert lake.read(VISITS)["visits"].tolist() == [3]


def test_any_engine_reads_columns_with_their_description(lake: Lake) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, DAY)
    found = DeltaTable(lake.address(VISITS)).to_pyarrow_table()
    assert found.select(VISITS.columns).to_pylist() == [
        {"place": "pier", "visits": 3, "guides": ["Ada", "Bo"], "event_date": DAY}
    ]
    assert arrow_schema(VISITS).field("visits").metadata == {b"description": b"Visits.", b"unit": b"visits"}


def test_days_and_columns_can_be_chosen(lake: Lake) -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]
    lake.replace(VISITS, visits(*(("pier", number, on) for number, on in enumerate(days))), days[0], days[-1])
    chosen = lake.read(VISITS, days[1], days[2], ["visits"])
    assert chosen.columns.tolist() == ["visits"]
    assert sorted(chosen["visits"]) == [1, 2]
    assert lake.read(VISITS, days[3])["visits"].tolist() == [3]
    assert lake.read(VISITS, None, days[0])["visits"].tolist() == [0]
    assert lake.read(VISITS, date(2020, 1, 1), date(2020, 1, 2)).empty


def test_a_snapshot_tells_the_rows_of_days_and_stays_as_it_was(lake: Lake) -> None:
    assert not lake.snapshot(VISITS).rows_by_day
    lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    snapshot = lake.snapshot(VISITS)
    lake.replace(VISITS, visits(("pier", 3, DAY)), DAY, NEXT)
    assert snapshot.rows_by_day == {DAY: 2, NEXT: 1}
    assert lake.snapshot(VISITS).rows_by_day == {DAY: 1}


def test_rows_are_summed_up_by_table_and_by_layer(lake: Lake) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("tower", 5, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    found = lake.summarise([VISITS, RAW], DAY, NEXT)
    assert {(row.name_, row.event_date): row.rows for row in found.rename(columns={"name": "name_"}).itertuples()} == {
        ("visits", DAY): 2,
        ("visits", NEXT): 1,
    }
    lake.merge(RAW, raw_frame(record(1), record(2, fetched=3)))
    (counted,) = layer_counts(lake, [RAW], DAY, NEXT).to_dict("records")
    assert (counted["source"], counted["stream"], counted["rows"]) == ("town", "town_posts", 2)
    assert (counted["newest_event"], counted["newest_fetch"]) == (noon(DAY), noon(NEXT) + timedelta(hours=3))


def test_a_process_that_reads_and_ends_at_once_ends_in_peace(lake: Lake) -> None:
    lake.replace(VISITS, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    script = (
        "import sys; from pipeline_platform.storage.lake import Lake;"
        "from pipeline_platform_tests.storage.conftest import VISITS;"
        f"rows = Lake({lake.location!r}, mode={lake.mode!r}).read_arrow(VISITS); sys.exit(10 + rows.num_rows)"
    )
    started = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) for _ in range(8)]
    assert {process.wait(120) for process in started} == {12}


# --- modes ---


def test_a_lake_is_never_opened_in_the_other_mode(tmp_path: Path) -> None:
    place = str(tmp_path / "lake")
    Lake(place, mode="demo").merge(RAW, raw_frame(record(1)))
    Lake(f"{place}/", mode="demo")
    with pytest.raises(LakeError, match=r"holds demo data and PIPELINE_MODE is live.*Set PIPELINE_MODE=demo"):
        Lake(place, mode="live")


def test_every_table_has_a_place_of_its_own(lake: Lake) -> None:
    places = {lake.address(table) for table in tables().values()}
    assert len(places) == len(tables())


def test_a_column_that_a_release_adds_joins_a_table_that_is_there(lake: Lake) -> None:
    columns = {name: column for name, column in VISITS.schema.columns.items() if name != "guides"}
    before = replace(VISITS, schema=schema_of("aggregated/visits", columns, key=VISITS.key))
    lake.replace(before, visits(("pier", 3, DAY), ("pier", 4, NEXT)), DAY, NEXT)
    assert lake.read(VISITS)["guides"].isna().all()
    named = VISITS.frame([{"place": "pier", "visits": 5, "guides": ["Ann"], "event_date": DAY}])
    assert lake.replace(VISITS, named, DAY, DAY)
    kept = lake.read(VISITS).sort_values("event_date")
    assert kept["visits"].tolist() == [5, 4]
    assert list(kept["guides"].iloc[0]) == ["Ann"]
    assert kept["guides"].isna().tolist() == [False, True]
