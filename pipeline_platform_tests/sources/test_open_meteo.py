"""Open-Meteo: what is asked of which host, sums of what fell, hours that nobody knows, errors that hide in the body."""

import contextlib
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.sources import open_meteo
from pipeline_platform.sources.base import Fetch, Page, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.open_meteo_records import CONDITIONS, rows_of

NOW = datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)
TODAY = Window(MIDNIGHT, MIDNIGHT + timedelta(days=1))
STREAMS = {stream.name: stream for stream in open_meteo.SOURCE.streams}
CURRENT, HISTORY, FORECAST = (STREAMS[f"open_meteo_{name}"] for name in ("current", "history", "forecast"))
CELL = {"latitude": 52.52, "longitude": 13.419998, "elevation": 38.0, "generationtime_ms": 0.2}
VALUES = {
    "temperature_2m": 5.0,
    "relative_humidity_2m": 80,
    "weather_code": 3,
    "rain": 0.2,
    "showers": 0.1,
    "snowfall": 0.7,
    "precipitation_probability": 40,
}


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Callable[..., list[Page]]:
    """Fetch a stream from a server that gives one answer."""

    def fetch(
        answer: Any,
        stream: Any = CURRENT,
        status: int = 200,
        window: Window = TODAY,
        now: datetime = NOW,
        **headers: str,
    ) -> Any:
        upstream.seen.clear()
        upstream.script.clear()
        upstream.reply(json.dumps(answer), status, **headers)
        settings = open_meteo.OpenMeteoSettings(base_url=upstream.url, archive_url=f"{upstream.url}/archive/")
        with SourceClient(open_meteo.SOURCE, settings, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            return list(stream.fetch(Fetch(client, settings, window, now), "Berlin"))

    return fetch


def hourly(first: datetime, hours: int, **arrays: list[Any]) -> dict[str, Any]:
    """An answer with `hours` hours from `first` on, all alike but for `arrays`."""
    times = [int((first + timedelta(hours=number)).timestamp()) for number in range(hours)]
    return {**CELL, "hourly": {"time": times, **{name: [value] * hours for name, value in VALUES.items()}, **arrays}}


def query(request: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query))


def observation(**changes: Any) -> dict[str, Any]:
    payload = deepcopy(HISTORY.sample.payloads[0])
    payload["weather"].update(changes)
    return {**payload, "fell": [payload["weather"]]}


# --- what is asked ---


def test_units_and_time_are_asked_for(ask: Any, upstream: Any) -> None:
    ask({**CELL, "current": {"time": int(NOW.timestamp()), **VALUES}, "minutely_15": {"time": []}})
    asked = query(upstream.seen[0])
    assert {name: asked[name] for name in ("latitude", "longitude", "timezone", "timeformat", "wind_speed_unit")} == {
        "latitude": "52.52",
        "longitude": "13.405",
        "timezone": "GMT",
        "timeformat": "unixtime",
        "wind_speed_unit": "ms",
    }
    assert upstream.seen[0].path.startswith("/v1/forecast?")


@pytest.mark.parametrize(
    ("back", "length", "requests"),
    [
        (0, 1, [("v1/forecast", "2026-11-22", "2026-11-22")]),
        (6, 1, [("v1/forecast", "2026-11-16", "2026-11-16")]),
        (7, 1, [("archive/v1/archive", "2026-11-15", "2026-11-15")]),
        (
            8,
            9,
            [("archive/v1/archive", "2026-11-14", "2026-11-15"), ("v1/forecast", "2026-11-16", "2026-11-22")],
        ),
        (
            30,
            20,
            [("archive/v1/archive", "2026-10-23", "2026-11-05"), ("archive/v1/archive", "2026-11-06", "2026-11-11")],
        ),
        (-1, 1, []),
    ],
)
def test_days_of_the_last_week_are_not_asked_of_the_archive(
    ask: Any, upstream: Any, back: int, length: int, requests: list[tuple[str, str, str]]
) -> None:
    start = MIDNIGHT - timedelta(days=back)
    ask(hourly(MIDNIGHT, 1), HISTORY, window=Window(start, start + timedelta(days=length)))
    asked = [
        (urlsplit(seen.path).path[1:], query(seen)["start_date"], query(seen)["end_date"]) for seen in upstream.seen
    ]
    assert asked == requests
    for seen in upstream.seen:
        assert ("showers" in query(seen)["hourly"]) == seen.path.startswith("/v1/forecast")


def test_a_scheduled_fetch_reaches_days_of_the_archive() -> None:
    assert HISTORY.lookback_days > open_meteo.ARCHIVE_AFTER.days + 1


# --- hours of the past ---


def test_hours_to_come_and_hours_that_nobody_knows_are_no_records(ask: Any) -> None:
    answer = hourly(MIDNIGHT, 24)
    answer["hourly"] = {
        name: values if name == "time" else [*values[:2], None, *values[3:]]
        for name, values in answer["hourly"].items()
    }
    (page,) = ask(answer, HISTORY)
    hours = [record.event_time.hour for record in page.records]
    assert hours == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert page.records[-1].record_id == "open_meteo:52.52,13.40:2026-11-22T10:00Z"
    assert page.records[0].payload["dataset"] == "forecast"


def test_an_hour_with_a_gap_is_a_record_and_the_gap_is_null(ask: Any) -> None:
    (page,) = ask(hourly(MIDNIGHT, 1, relative_humidity_2m=[None], showers=[None]), HISTORY)
    row = HISTORY.parse(page.records[0].payload)
    assert (row["humidity_pct"], row["rain_1h_mm"], row["snow_1h_mm"]) == (None, None, 1.0)
    assert (row["condition"], row["condition_code"], row["lon"], row["country"]) == ("Clouds", 3, 13.419998, "DE")


def test_rain_of_the_archive_holds_the_showers() -> None:
    assert HISTORY.parse(observation(rain=0.6))["rain_1h_mm"] == 0.6
    assert HISTORY.parse(observation(rain=0.6, showers=0.3))["rain_1h_mm"] == 0.9
    assert HISTORY.parse(observation(rain=None))["rain_1h_mm"] is None


@pytest.mark.parametrize(
    ("code", "condition"),
    [
        (0, "Clear"),
        (2, "Clouds"),
        (48, "Fog"),
        (55, "Drizzle"),
        (82, "Rain"),
        (77, "Snow"),
        (99, "Thunderstorm"),
        (4, None),
    ],
)
def test_conditions(code: int, condition: str | None) -> None:
    row = HISTORY.parse(observation(weather_code=code))
    assert (row["condition"], row["condition_code"]) == (condition, code)
    assert HISTORY.parse(observation(weather_code=None))["condition"] is None


def test_every_code_of_the_documentation_has_a_word() -> None:
    assert len(CONDITIONS) == 28


# --- the present ---


def quarters(*ends: int) -> dict[str, Any]:
    return {"time": list(ends), "rain": [0.1] * len(ends), "showers": [0.2] * len(ends), "snowfall": [0.07] * len(ends)}


@pytest.mark.parametrize(("ends", "rain"), [((0, 900, 1800, 2700, 3600), 1.2), ((900, 1800, 2700), None), ((), None)])
def test_rain_of_the_hour_is_the_sum_of_its_four_quarters(ask: Any, ends: tuple[int, ...], rain: float | None) -> None:
    start = int(MIDNIGHT.timestamp())
    current = {"time": start + 3600, "interval": 900, **VALUES}
    (page,) = ask({**CELL, "current": current, "minutely_15": quarters(*(start + end for end in ends))})
    row = CURRENT.parse(page.records[0].payload)
    assert row["rain_1h_mm"] == (None if rain is None else pytest.approx(rain))
    assert row["snow_1h_mm"] == (None if rain is None else pytest.approx(0.4))
    assert row["observed_at"] == MIDNIGHT + timedelta(hours=1)


# --- forecast ---


@pytest.mark.parametrize(
    ("clock_time", "first"), [("00:00", "03:00"), ("02:59", "03:00"), ("03:00", "06:00"), ("23:10", "00:00")]
)
def test_forecast_has_forty_steps_of_three_hours(ask: Any, clock_time: str, first: str) -> None:
    hour, minute = map(int, clock_time.split(":"))
    now = MIDNIGHT + timedelta(hours=hour, minutes=minute)
    (page,) = ask(hourly(MIDNIGHT, 24 * open_meteo.FORECAST_DAYS), FORECAST, now=now)
    rows = [FORECAST.parse(record.payload) for record in page.records]
    assert len(rows) == len({row["forecast_id"] for row in rows}) == 40
    assert f"{rows[0]['valid_at']:%H:%M}" == first
    assert rows[39]["valid_at"] - rows[0]["valid_at"] == timedelta(hours=117)
    assert {row["issued_at"] for row in rows} == {now.replace(minute=0)}
    assert page.records[0].event_time == now.replace(minute=0)


def test_a_step_sums_what_falls_and_takes_the_greatest_chance(ask: Any) -> None:
    arrays = {"rain": [9.0, 1.0, 2.0, 3.0], "showers": [0.0] * 4, "snowfall": [0.0, 0.7, 0.0, 0.7]}
    (page,) = ask(hourly(MIDNIGHT, 4, **arrays, precipitation_probability=[99, 10, 80, 30]), FORECAST, now=MIDNIGHT)
    (record,) = page.records
    assert record.record_id == "open_meteo:52.52,13.40:2026-11-22T00Z:2026-11-22T03:00Z"
    row = FORECAST.parse(record.payload)
    assert (row["rain_3h_mm"], row["snow_3h_mm"], row["precipitation_probability"]) == (6.0, 2.0, 0.8)


def test_a_step_with_a_gap_has_no_sum(ask: Any) -> None:
    arrays = {"rain": [0.0, None, 2.0, 3.0], "precipitation_probability": [1, 2, None, 3]}
    (page,) = ask(hourly(MIDNIGHT, 4, **arrays), FORECAST, now=MIDNIGHT)
    row = FORECAST.parse(page.records[0].payload)
    assert (row["rain_3h_mm"], row["precipitation_probability"], row["temperature_c"]) == (None, None, 5.0)


# --- what is no answer ---


@pytest.mark.parametrize(
    ("stream", "answer", "words"),
    [
        (CURRENT, [1], "no object"),
        (CURRENT, {**CELL}, "no current weather"),
        (CURRENT, {"current": {"time": 1}}, "no minutely_15"),
        (HISTORY, {**CELL}, "no hourly"),
        (HISTORY, {"hourly": {"time": [1, 2], "rain": [1]}}, r"hourly\.rain is no list of 2"),
        (HISTORY, {"hourly": {"time": [1], "rain": None}}, r"hourly\.rain is no list"),
        (FORECAST, {"hourly": {"rain": [1]}}, "no hourly with times"),
        (HISTORY, {"hourly_units": {"wind_speed_10m": "km/h"}, "hourly": {"time": []}}, "wind_speed_10m in 'km/h'"),
        (CURRENT, {"current_units": {"time": "iso8601"}}, "time in 'iso8601'"),
    ],
)
def test_what_is_not_the_promised_shape_is_malformed(ask: Any, stream: Any, answer: Any, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        ask(answer, stream)


@pytest.mark.parametrize("changes", [{"time": None}, {"time": "now"}, {"time": -1}, {"time": True}])
def test_an_hour_without_a_time_is_kept_for_quarantine(ask: Any, changes: dict[str, Any]) -> None:
    (page,) = ask(hourly(MIDNIGHT, 1, time=[changes["time"]]), HISTORY)
    (record,) = page.records
    assert (record.record_id, record.event_time) == (None, None)
    with pytest.raises((KeyError, TypeError, ValueError)):
        HISTORY.parse(record.payload)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "Latitude must be in range of -90 to 90°. Given: 91.0.", Permanent),
        (429, "Minutely API request limit exceeded. Please try again in one minute.", Transient),
        (429, "Hourly API request limit exceeded. Please try again in the next hour.", QuotaExhausted),
        (429, "Daily API request limit exceeded. Please try again tomorrow.", QuotaExhausted),
        (429, "Too many concurrent requests", Transient),
        (200, "Unexpected error while streaming data", Transient),
        (503, "The service is temporarily unavailable.", Transient),
    ],
)
def test_errors_are_told_apart_by_their_reason(ask: Any, status: int, reason: str, kind: type[SourceError]) -> None:
    with pytest.raises(kind, match=reason.split(".")[0]) as caught:
        ask({"error": True, "reason": reason}, status=status)
    assert type(caught.value) is kind


@pytest.mark.parametrize(("period", "seconds"), [("Hourly", 40 * 60 + 60), ("Daily", 13 * 3600 + 40 * 60 + 60)])
def test_a_spent_limit_is_waited_for_until_its_counter_is_cleared(
    ask: Any, clock: Any, period: str, seconds: int
) -> None:
    at = format_datetime(MIDNIGHT + timedelta(hours=10, minutes=20), usegmt=True)
    body = {"error": True, "reason": f"{period} API request limit exceeded."}

    with pytest.raises(QuotaExhausted) as caught:
        ask(body, status=429, Date=at)
    # The test server sends a date of its own first, so both may be read.
    wait = (caught.value.resets_at - clock.now()).total_seconds()
    assert 60 < wait <= open_meteo.WAITS[period.lower()] + 60
    assert open_meteo._until_next(_dated(at), open_meteo.WAITS[period.lower()]) == seconds


class _dated:  # noqa: N801
    def __init__(self, date: str | None) -> None:
        self.headers = {} if date is None else {"date": date}


def test_without_a_date_the_whole_period_is_waited_for() -> None:
    assert open_meteo._until_next(_dated(None), 3600.0) == 3600.0
    assert open_meteo._until_next(_dated("soon"), 3600.0) == 3600.0


@pytest.mark.parametrize(
    "settings",
    [
        {"places": [{"name": "Berlin", "lat": 91, "lon": 0}]},
        {"places": [{"name": "Berlin", "lat": 1, "lon": 0, "country": "Germany"}]},
        {"places": [{"name": "Berlin", "lat": 1, "lon": 0}, {"name": "Berlin", "lat": 2, "lon": 0}]},
        {"places": [{"name": " ", "lat": 1, "lon": 0}]},
        {"archive_url": "archive-api.open-meteo.com"},
    ],
)
def test_settings_refuse_what_is_wrong(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        open_meteo.OpenMeteoSettings(**settings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.dictionaries(st.sampled_from(["time", "rain", "name", "lat", "lon", *VALUES]), JSON)
        for name in ("place", "weather", "fell", "hours", "latitude", "longitude", "dataset", "issued_at")
    },
)


@given(JSON | PARTS)
def test_nothing_but_what_quarantine_catches_is_raised(payload: Any) -> None:
    for stream in open_meteo.SOURCE.streams:
        for read in (stream.identify, stream.parse):
            with contextlib.suppress(UNREADABLE):
                read(payload)
    with contextlib.suppress(Malformed):
        rows_of(payload if isinstance(payload, dict) else {}, "hourly")
