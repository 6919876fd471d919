"""What an outage takes away: measured where a table tells its sources, passed on where it does not."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.quality.outages import Effect, effects, missing_by_table, shortfalls
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import PROFILES

DAY = date(2026, 11, 20)
OVER = datetime(2026, 11, 21, 1, tzinfo=UTC)
RAW, CLEANED, DOCUMENTS, ENTITIES = (
    "raw/rss_articles",
    "cleaned/rss_articles",
    "enriched/documents",
    "aggregated/entity_daily",
)
BELOW: Mapping[str, list[str]] = {RAW: [CLEANED, DOCUMENTS, ENTITIES], CLEANED: [DOCUMENTS], DOCUMENTS: [ENTITIES]}
USUAL = {"rss": 100, "reddit": 300}


def profiles(length: int = 22, last: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Profiles of `length` days with the usual rows of two sources, and on the last day those of `last`."""
    rows = []
    for ago in range(length):
        day, now = DAY - timedelta(days=ago), (last if ago == 0 and last is not None else USUAL)
        total = sum(now.values())
        for path, held in ((RAW, now.get("rss", 0)), (CLEANED, now.get("rss", 0)), (DOCUMENTS, total), (ENTITIES, 40)):
            rows.append({"table": path, "column": "*", "rows": held, "event_date": day})
        rows.append(
            {
                "table": DOCUMENTS,
                "column": "source",
                "rows": total,
                "completeness": 1.0,
                "categories": list(now),
                "category_shares": [held / total if total else 0.0 for held in now.values()],
                "event_date": day,
            }
        )
    return PROFILES.frame(rows)


def of_day(held: pd.DataFrame, *, as_of: datetime = OVER, **more: object) -> list[Effect]:
    days = [DAY - timedelta(days=ago) for ago in range(13, -1, -1)]
    return effects(
        DAY,
        shortfalls(held, tables(), days, as_of),
        more.get("signs", {}),  # type: ignore[arg-type]
        {"rss": [RAW, CLEANED, DOCUMENTS, ENTITIES]},
        lambda path: BELOW.get(path, []),
        more.get("held_back", ()),  # type: ignore[arg-type]
    )


def test_an_outage_is_told_table_by_table() -> None:
    (effect,) = of_day(profiles(last={"reddit": 300}), held_back=[ENTITIES])
    assert effect.signs == ["far fewer records than usual"]
    assert (effect.received, effect.usual) == (0, 100)
    told = {one.table: (one.missing, one.measured, one.held_back) for one in effect.tables}
    assert told == {
        RAW: (1.0, True, False),
        CLEANED: (1.0, True, False),
        DOCUMENTS: (0.25, True, False),
        ENTITIES: (0.25, False, True),
    }
    assert [share for _, share in effect.history] == [*[1.0] * 13, 0.0]
    assert "0 of 100 usual records" in effect.in_words
    assert "lacks 25%" in effect.in_words


def test_a_usual_day_has_no_outage() -> None:
    assert of_day(profiles()) == []
    assert of_day(profiles(last={"rss": 60, "reddit": 300})) == [], "two thirds of the usual are no outage"


def test_a_failed_fetch_that_cost_nothing_is_told_as_that() -> None:
    (effect,) = of_day(profiles(), signs={"rss": ["1 of 4 fetches failed"]})
    assert [one.missing for one in effect.tables] == [0.0] * 4
    assert "lacks" not in effect.in_words


def test_nothing_is_claimed_where_too_little_is_known() -> None:
    assert of_day(profiles(length=3, last={"reddit": 300})) == []
    (effect,) = of_day(profiles(length=3, last={"reddit": 300}), signs={"rss": ["its fetch failed"]})
    assert effect.usual is None
    assert [one.missing for one in effect.tables] == [None] * 4
    (effect,) = of_day(PROFILES.empty(), signs={"rss": ["its fetch failed"]})
    assert len(effect.history) == 14


def test_a_day_that_is_not_over_is_held_against_its_part() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert of_day(profiles(last={"rss": 50, "reddit": 150}), as_of=noon) == []
    little = profiles(last={"rss": 10, "reddit": 150})
    assert of_day(little, as_of=noon) == [], "the rest may come at its own hour"
    (effect,) = of_day(little, as_of=noon, signs={"rss": ["its fetch failed"]})
    assert effect.usual == 50
    assert effect.tables[0].missing == pytest.approx(0.8)


def test_an_outage_last_week_does_not_excuse_the_one_of_today() -> None:
    held = profiles(last={"reddit": 300})
    week_ago = (held["event_date"] == DAY - timedelta(days=7)).to_numpy(dtype=bool)
    held.loc[week_ago & held["table"].isin([RAW, CLEANED]).to_numpy(dtype=bool), "rows"] = 0
    (effect,) = of_day(held)
    assert effect.usual == 100


def test_a_weekday_on_which_nothing_comes_is_no_outage() -> None:
    held = profiles(last={"reddit": 300})
    fridays = held["event_date"].isin([DAY - timedelta(days=7 * week) for week in range(4)]).to_numpy(dtype=bool)
    held.loc[fridays & held["table"].isin([RAW, CLEANED]).to_numpy(dtype=bool), "rows"] = 0
    assert of_day(held) == []


@given(st.integers(0, 400), st.integers(0, 900), st.randoms(use_true_random=False))
def test_shares_are_shares_whatever_the_order_of_rows(rss: int, reddit: int, dice: object) -> None:
    held = profiles(last={"rss": rss, "reddit": reddit})
    days = [DAY - timedelta(days=1), DAY]
    found = shortfalls(held, tables(), days, OVER)
    missing = missing_by_table(found)
    assert missing["missing"].between(0, 1).all()
    order = list(range(len(held)))
    dice.shuffle(order)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(shortfalls(held.iloc[order], tables(), days, OVER), found)
    alone = shortfalls(held, tables(), [DAY], OVER)
    last = found[(found["event_date"] == DAY).to_numpy(dtype=bool)].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, last)
