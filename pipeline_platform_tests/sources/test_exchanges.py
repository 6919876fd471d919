"""Trading days, local times and prices in hundredths."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.sources.exchanges import HUNDREDTHS, day_moment, in_units, local_day, moment_of, utc_of


def epoch(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("stamp", "zone", "day"),
    [
        (epoch(2026, 11, 20, 14, 30), "America/New_York", date(2026, 11, 20)),
        (epoch(2026, 7, 20, 13, 30), "America/New_York", date(2026, 7, 20)),
        # The session of Sydney begins on the evening before, in UTC; a rate's day at midnight in London's summer too.
        (epoch(2026, 1, 6, 23, 0), "Australia/Sydney", date(2026, 1, 7)),
        (epoch(2026, 7, 6, 23, 0), "Europe/London", date(2026, 7, 7)),
        (epoch(2026, 1, 7, 0, 0), "Asia/Tokyo", date(2026, 1, 7)),
        (epoch(2026, 1, 7, 0, 0), "UTC", date(2026, 1, 7)),
        (-315619200, "UTC", date(1960, 1, 1)),
    ],
)
def test_a_trading_day_is_the_date_at_the_exchange(stamp: int, zone: str, day: date) -> None:
    assert local_day(stamp, zone) == day
    assert day_moment(day) == datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "moment"),
    [
        # Summer time ended on the 1st of November 2026, and began on the 8th of March.
        ("2026-10-30 09:30:00", datetime(2026, 10, 30, 13, 30, tzinfo=UTC)),
        ("2026-11-02 09:30:00", datetime(2026, 11, 2, 14, 30, tzinfo=UTC)),
        ("2026-03-06 15:30:00", datetime(2026, 3, 6, 20, 30, tzinfo=UTC)),
        ("2026-03-09 15:30:00", datetime(2026, 3, 9, 19, 30, tzinfo=UTC)),
        ("2018-04-11 15:30:00", datetime(2018, 4, 11, 19, 30, tzinfo=UTC)),
    ],
)
def test_local_times_of_new_york_follow_summer_time(local: str, moment: datetime) -> None:
    assert utc_of(datetime.fromisoformat(local), "US/Eastern") == moment


def test_prices_in_hundredths_are_told_from_prices_in_the_currency() -> None:
    assert in_units("USD") == ("USD", 1)
    assert in_units("usd") == ("USD", 1)
    assert in_units("GBP") == ("GBP", 1)
    assert in_units("GBp") == ("GBP", 100)
    assert {in_units(code)[1] for code in HUNDREDTHS} == {100}
    for wrong in (None, "", " ", 5):
        with pytest.raises(ValueError, match="no currency"):
            in_units(wrong)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()), st.one_of(st.integers(), st.text()))
def test_what_is_no_time_is_a_value_error(stamp: Any, zone: Any) -> None:
    latest = datetime(9999, 12, 31)  # noqa: DTZ001 - as an upstream without offsets writes it
    for attempt in (lambda: moment_of(stamp), lambda: local_day(stamp, zone), lambda: utc_of(latest, zone)):
        try:
            attempt()
        except ValueError:
            continue
