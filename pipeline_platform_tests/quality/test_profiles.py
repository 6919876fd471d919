"""Profiles: what a table holds on a day."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pandas as pd
import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.quality.profiles import Profiled, fingerprint, profiles
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import PROFILES
from pipeline_platform.storage.lake import to_arrow

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
DOCUMENTS = tables()["cleaned/hackernews_stories"]
BARS = tables()["cleaned/yahoo_bars"]


def moment(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def document(number: int, day: date = DAY, **more: Any) -> dict[str, Any]:
    return {
        "document_id": f"hackernews:{number}",
        "kind": "story",
        "title": "A title",
        "created_at": moment(day),
        "is_deleted": False,
        "is_adult": False,
        "content_hash": f"hash {number}",
        "source": "hackernews",
        "stream": "hackernews_stories",
        "fetched_at": moment(day, 14),
        "event_date": day,
        **more,
    }


def profiled(rows: list[dict[str, Any]], *days: date, table: Any = DOCUMENTS, **more: Any) -> pd.DataFrame:
    result = profiles([(Profiled(table, **more), to_arrow(table, table.frame(rows)))], days or (DAY,))
    PROFILES.schema.validate(result)
    return result


def line(result: pd.DataFrame, column: str, day: date = DAY) -> dict[str, Any]:
    (found,) = result[((result["column"] == column) & (result["event_date"] == day)).to_numpy(dtype=bool)].to_dict(
        "records"
    )
    return {name: value for name, value in found.items() if value is not None and value is not pd.NA}


def test_numbers_are_told_by_range_quantiles_mean_and_deviation() -> None:
    score = line(profiled([document(n, score=n if n < 5 else None) for n in range(6)]), "score")
    assert (score["rows"], score["nulls"], score["completeness"], score["distinct"]) == (6, 1, pytest.approx(5 / 6), 5)
    assert (score["minimum"], score["p25"], score["median"], score["maximum"]) == (0, 1, 2, 4)
    assert (score["p05"], score["mean"]) == (pytest.approx(0.2), 2)
    assert score["deviation"] == pytest.approx(2**0.5)


def test_the_whole_table_is_told_by_keys_rules_copies_lags_and_hours() -> None:
    rows = [document(n) for n in range(8)]
    rows[1] |= {"content_hash": "hash 0"}
    rows[2] |= {"replies": -1}
    rows[3] |= {"title": " ", "text": None}
    rows[4] |= {"fetched_at": moment(DAY, 12) + timedelta(days=3)}
    rows[5] |= {"document_id": "hackernews:0"}
    whole = line(profiled(rows, on_time_s=86_400.0), "*")
    assert (whole["rows"], whole["distinct"], whole["duplicates"], whole["violations"]) == (8, 7, 1, 1)
    assert (whole["uniqueness"], whole["validity"], whole["consistency"]) == (7 / 8, 7 / 8, 7 / 8)
    assert (whole["on_time"], whole["lag_median_s"]) == (7 / 8, 7200)
    assert whole["hours"][12] == 8
    assert sum(whole["hours"]) == 8
    assert line(profiled(rows), "replies")["violations"] == 1


@pytest.mark.parametrize("path", tables())
def test_every_table_can_be_profiled(path: str) -> None:
    table = tables()[path]
    nothing = dict.fromkeys(table.columns)
    result = profiled([{**nothing, "event_date": DAY}] * 2, table=table)
    assert len(result) == len(table.columns)
    assert line(result, "*")["uniqueness"] == 0.5


def test_a_day_without_rows_is_told_with_none() -> None:
    result = profiled([document(1)], DAY, NEXT)
    assert line(result, "*", NEXT) == {"table": DOCUMENTS.path, "column": "*", "rows": 0, "event_date": NEXT}
    assert set(result["event_date"]) == {DAY, NEXT}
    assert len(profiled([])) == 1


def test_categories_are_the_frequent_values_and_never_what_people_wrote() -> None:
    rows = [document(n, channel="show" if n < 6 else "ask" if n < 9 else "rare", author_id="p1") for n in range(10)]
    result = profiled(rows)
    channel = line(result, "channel")
    assert (list(channel["categories"]), list(channel["category_shares"])) == (["show", "ask"], [0.6, 0.3])
    assert list(line(result, "is_deleted")["categories"]) == ["false"]
    for column in ("title", "author_id", "document_id"):
        assert "categories" not in line(result, column)
    assert "A title" not in result.to_json(default_handler=str)
    assert (line(result, "title")["mean_length"], line(result, "title")["max_length"]) == (7, 7)


def test_numbers_that_are_none_do_not_disturb() -> None:
    rows = [
        {
            "bar_id": f"yahoo:{n}",
            "symbol": "A",
            "asset_class": "equity",
            "interval": "1d",
            "opened_at": moment(DAY),
            "close": value,
            "currency": "USD",
            "source": "yahoo",
            "stream": "yahoo_bars",
            "fetched_at": moment(DAY, 14),
            "event_date": DAY,
        }
        for n, value in enumerate([1.0, float("inf"), float("nan"), 3.0])
    ]
    close = line(profiled(rows, table=BARS), "close")
    assert (close["minimum"], close["maximum"], close["mean"]) == (1, 3, 2)


def test_a_changed_column_changes_the_fingerprint_and_new_fields_are_told() -> None:
    whole = line(profiled([document(1)], new_fields={DAY: ["badge"]}), "*")
    assert list(whole["new_fields"]) == ["badge"]
    first = arrow.schema([("a", arrow.int64())])
    assert fingerprint(first) != fingerprint(arrow.schema([("a", arrow.string())]))
    assert fingerprint(first) == fingerprint(arrow.schema([("a", arrow.int64())]))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.sampled_from([DAY, NEXT]),
            "score": st.none() | st.integers(-(2**40), 2**40),
            "channel": st.none() | st.sampled_from(["a", "b", "ü" * 70, ""]),
            "title": st.none() | st.text(max_size=5),
        }
    ),
    max_size=40,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_any_order_and_any_range_give_the_same(some: list[dict[str, Any]], random: Random) -> None:
    rows = [document(n, row.pop("day"), **row) for n, row in enumerate(dict(one) for one in some)]
    together = profiled(rows, DAY, NEXT)
    shuffled = profiled(random.sample(rows, len(rows)), DAY, NEXT)
    pd.testing.assert_frame_equal(together, shuffled, check_exact=True)
    apart = [profiled([row for row in rows if row["event_date"] == day], day) for day in (DAY, NEXT)]
    pd.testing.assert_frame_equal(together, pd.concat(apart, ignore_index=True), check_exact=True)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quantiles_are_those_of_pandas(values: list[float]) -> None:
    rows = [document(n, score=int(value)) for n, value in enumerate(values)]
    found, theirs = line(profiled(rows), "score"), pd.Series([int(value) for value in values])
    for name, share in {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}.items():
        assert found[name] == pytest.approx(theirs.quantile(share), abs=1e-6)
    assert found["deviation"] == pytest.approx(theirs.std(ddof=0), abs=1e-6)
