"""Verdicts on stored rows, day by day."""

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest

from pipeline_platform.clean.rules import SchemaCheckError
from pipeline_platform.quality.verdict import (
    FEW_RECORDS,
    SAMPLE_ROWS,
    UNIQUE_KEY,
    WHOLLY_REJECTED,
    verdicts,
    without_survivors,
)
from pipeline_platform.schemas.columns import at_least, day, integer, not_blank, text
from pipeline_platform.schemas.table import Table, schema_of

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
TABLE = Table(
    layer="aggregated",
    name="visits",
    description="Visits per place and day.",
    schema=schema_of(
        "aggregated/visits",
        {
            "place": text("Place.", not_blank()),
            "visits": integer("Visits.", at_least(0, "visits_not_negative"), nullable=False),
            "guests": integer("Guests."),
            "event_date": day(),
        },
        pa.Check(
            lambda frame: (frame["guests"] <= frame["visits"]).fillna(True),
            name="guests_within_visits",
            error="guests must not exceed visits",
        ),
        key=("place",),
    ),
    key=("place",),
)


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {"visits": 1, "event_date": DAY}
    return TABLE.frame([{"place": f"place {number}", **usual, **row} for number, row in enumerate(rows)])


def test_sound_rows_pass_on_every_day() -> None:
    found = verdicts(TABLE, frame({}, {}, {"event_date": NEXT}), [DAY, NEXT])
    assert [(verdict.day, verdict.rows, verdict.passed) for verdict in found] == [(DAY, 2, True), (NEXT, 1, True)]


def test_days_without_rows_are_told_and_pass() -> None:
    days = [DAY, NEXT]
    assert [(verdict.rows, verdict.passed) for verdict in verdicts(TABLE, TABLE.empty(), days)] == [(0, True)] * 2


def test_only_the_day_of_a_broken_row_fails_and_says_why() -> None:
    good, bad = verdicts(TABLE, frame({}, {"visits": -3, "event_date": NEXT}), [DAY, NEXT])
    assert good.passed
    assert not bad.passed
    assert bad.broken == {"visits_not_negative": 1}
    (sample,) = bad.samples
    assert sample["place"] == "place 1"
    assert sample["rule"] == "visits_not_negative"
    assert "visits = -3" in sample["reason"]


def test_every_broken_rule_of_a_row_counts() -> None:
    (found,) = verdicts(TABLE, frame({"place": " ", "visits": -1, "guests": 4}, {"visits": None}), [DAY])
    assert found.broken == {"not_blank": 1, "visits_not_negative": 1, "guests_within_visits": 1, "not_null": 1}


def test_few_samples_are_kept_of_many_violations() -> None:
    (found,) = verdicts(TABLE, frame(*({"visits": -1} for _ in range(50))), [DAY])
    assert found.broken == {"visits_not_negative": 50}
    assert len(found.samples) == SAMPLE_ROWS


def test_a_key_that_stands_twice_breaks_the_contract_across_days_too() -> None:
    good, bad = verdicts(TABLE, frame({"place": "pier"}, {"place": "pier", "event_date": NEXT}), [DAY, NEXT])
    assert good.passed
    assert bad.broken == {UNIQUE_KEY: 1}
    assert bad.samples[0]["place"] == "pier"


def test_the_index_of_the_frame_does_not_matter() -> None:
    rows = frame({}, {"visits": -1}, {})
    shuffled = rows.set_index(pd.Index([7, 7, 3]))
    (found,) = verdicts(TABLE, shuffled, [DAY])
    assert found.broken == {"visits_not_negative": 1}
    assert found.samples[0]["place"] == "place 1"


@pytest.mark.parametrize(
    "spoil", [lambda rows: rows.drop(columns="guests"), lambda rows: rows.assign(guests=rows["guests"].astype(str))]
)
def test_a_frame_of_other_columns_or_types_is_an_error(spoil: Any) -> None:
    with pytest.raises(SchemaCheckError):
        verdicts(TABLE, spoil(frame({"guests": 1})), [DAY])


def test_a_day_of_which_nothing_is_left_is_bad() -> None:
    judged = verdicts(TABLE, frame({}), [DAY, NEXT, NEXT + timedelta(days=1)])
    assert without_survivors(judged, {DAY: 4, NEXT: FEW_RECORDS}) == [NEXT]
    assert [verdict.passed for verdict in judged] == [True, False, True]
    assert judged[1].broken == {WHOLLY_REJECTED: 1}
    reason = f"none of the {FEW_RECORDS} raw records of 2026-11-21 passed; see the quarantine"
    assert reason in judged[1].samples[0]["reason"]


def test_a_few_bad_records_are_no_wholly_bad_day_unless_nothing_else_came() -> None:
    minutes_after_midnight = verdicts(TABLE, frame({}), [DAY, NEXT])
    assert without_survivors(minutes_after_midnight, {DAY: 4, NEXT: 1}) == []
    nothing_at_all = verdicts(TABLE, TABLE.empty(), [DAY, NEXT])
    assert without_survivors(nothing_at_all, {NEXT: 1}) == [NEXT]
