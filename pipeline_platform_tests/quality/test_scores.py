"""Scores: parts, weights, thresholds."""

from datetime import date, timedelta
from typing import Any

import pytest

from pipeline_platform.quality.scores import UnknownTableError, quality_scores, thresholds
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import PARTS, PROFILES, SCORES

DAY = date(2026, 11, 20)
CLEANED, RAW = "cleaned/rss_articles", "raw/rss_articles"
PERFECT = {"completeness": 1.0, "uniqueness": 1.0, "validity": 1.0, "consistency": 1.0, "on_time": 1.0}


def whole(table: str, rows: int, day: date = DAY, **more: Any) -> dict[str, Any]:
    return {"table": table, "column": "*", "rows": rows, "event_date": day, **(PERFECT if rows else {}), **more}


def column(table: str, name: str, completeness: float, day: date = DAY) -> dict[str, Any]:
    return {"table": table, "column": name, "rows": 10, "completeness": completeness, "event_date": day}


def scored(*lines: dict[str, Any], limit: float = 0.9) -> dict[str, dict[str, Any]]:
    known = {path: tables()[path] for path in (RAW, CLEANED)}
    result = quality_scores([DAY], PROFILES.frame(list(lines)), known, dict.fromkeys(known, limit))
    SCORES.schema.validate(result)
    return {row["table"]: row for row in result.to_dict("records")}


def test_weights_sum_to_one() -> None:
    assert sum(PARTS.values()) == pytest.approx(1)


def test_a_perfect_table_scores_1() -> None:
    row = scored(whole(RAW, 10), column(RAW, "record_id", 1.0))[RAW]
    assert row["score"] == 1
    assert row["weakest"] is None
    assert row["is_enough"]


def test_the_score_is_the_weighted_mean_of_the_parts_and_says_so() -> None:
    row = scored(whole(RAW, 10, validity=0.5, on_time=0.5), column(RAW, "record_id", 1.0))[RAW]
    assert row["score"] == pytest.approx(1 - 0.5 * (PARTS["validity"] + PARTS["timeliness"]))
    assert row["weakest"] == "validity"
    assert "validity 0.500 x 0.30" in row["explanation"]
    assert not row["is_enough"]


@pytest.mark.parametrize("on_time", [None, 0.0], ids=["no time", "fetched afterwards"])
def test_what_cannot_be_measured_is_left_out(on_time: float | None) -> None:
    row = scored(whole(RAW, 10, validity=0.5, on_time=on_time), column(RAW, "record_id", 1.0))[RAW]
    assert row["score"] == pytest.approx(1 - 0.5 * PARTS["validity"] / 0.9)
    assert row["timeliness"] is None


def test_rejected_records_count_against_a_cleaned_table() -> None:
    rows = scored(whole(RAW, 10), whole(CLEANED, 6))
    assert rows[CLEANED]["validity"] == pytest.approx(0.6)
    assert rows[RAW]["validity"] == 1


def test_nothing_received_is_no_score_and_all_rejected_is_0() -> None:
    nothing = scored(whole(RAW, 0), whole(CLEANED, 0))
    assert nothing[CLEANED]["score"] is None
    assert nothing[CLEANED]["is_enough"]
    assert scored(whole(RAW, 9), whole(CLEANED, 0))[CLEANED]["score"] == 0


def test_completeness_is_held_against_what_is_usual_for_the_column() -> None:
    before = [DAY - timedelta(days=n) for n in range(1, 11)]
    history = [column(CLEANED, "title", 0.8, day) for day in before]
    history += [column(CLEANED, "views", 0.0, day) for day in before]
    required = column(CLEANED, "document_id", 1.0)
    lines = [whole(CLEANED, 10), required, column(CLEANED, "title", 0.4), column(CLEANED, "views", 0.0)]
    assert scored(*lines, *history)[CLEANED]["completeness"] == pytest.approx((1 + 0.5) / 2)
    assert scored(*lines)[CLEANED]["completeness"] == 1, "without a history only what is required counts"


def test_a_threshold_may_be_set_per_table() -> None:
    assert thresholds(0.9, {RAW: 0.5}, [RAW, CLEANED]) == {RAW: 0.5, CLEANED: 0.9}
    with pytest.raises(UnknownTableError, match="raw/nothing"):
        thresholds(0.9, {"raw/nothing": 0.5}, [RAW])
