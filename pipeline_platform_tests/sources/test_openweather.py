"""OpenWeatherMap: what is asked for, odd but legal answers, errors that hide in the body."""

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis

from pipeline_platform.clean.payloads import UNREADABLE
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.sources import openweather
from pipeline_platform.sources.base import Fetch, Page, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient

NOW = datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)
TODAY = Window(NOW.replace(hour=0, minute=0, second=0), NOW.replace(hour=0, minute=0, second=0) + timedelta(days=1))
STREAMS = {stream.name: stream for stream in openweather.SOURCE.streams}
CURRENT, FORECAST, PAST = (STREAMS[f"openweather_{name}"] for name in ("current", "forecast", "history"))
KEY = "0123456789abcdef"


@pytest.fixture
def ask(redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path) -> Callable[..., list[Page]]:
    """Fetch a stream from a server that gives one answer."""

    def fetch(answer: Any, stream: Any = CURRENT, target: str = "Berlin", status: int = 200, **settings: Any) -> Any:
        upstream.seen.clear()
        upstream.script.clear()
        upstream.reply("" if answer is None else json.dumps(answer), status)
        options = openweather.OpenWeatherSettings(**{"base_url": upstream.url, "api_key": KEY, **settings})
        with SourceClient(openweather.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
            return list(stream.fetch(Fetch(client, options, TODAY, NOW), target))

    return fetch


def query(request: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query))


def observation(**changes: Any) -> dict[str, Any]:
    """The body of the sample with some fields replaced, without those that are set to `...`."""
    body = {**deepcopy(CURRENT.sample.payloads[0]["observation"]), **changes}
    return {name: value for name, value in body.items() if value is not ...}


def parsed(**changes: Any) -> dict[str, Any]:
    return CURRENT.parse({"place": "Berlin", "units": "metric", "observation": observation(**changes)})


def step(**changes: Any) -> dict[str, Any]:
    payload = deepcopy(FORECAST.sample.payloads[0])
    payload["step"].update(changes)
    return payload


@pytest.mark.parametrize("stream", openweather.SOURCE.streams, ids=lambda stream: stream.name)
def test_samples_become_rows_of_their_kind(stream: Any) -> None:
    kind = KINDS[stream.kind]
    for payload in stream.sample.payloads:
        record_id, moment = stream.identify(payload)
        row = stream.parse(payload)
        assert row[kind.key] == record_id
        assert row[kind.event_time] == moment
        assert set(row) <= set(kind.columns)


def test_a_place_is_asked_for_by_coordinates_in_metric_units(ask: Any, upstream: Any) -> None:
    (page,) = ask(observation())
    assert query(upstream.seen[0]) == {"lat": "52.52", "lon": "13.405", "units": "metric", "appid": KEY}
    assert KEY not in str(page.request)
    (record,) = page.records
    assert record.record_id == "openweather:52.52,13.40:2026-11-22T10:00:00Z"
    assert record.event_time == NOW.replace(minute=0, second=0)
    assert record.payload == {"place": "Berlin", "units": "metric", "observation": observation()}


def test_a_place_may_be_a_name(ask: Any, upstream: Any) -> None:
    (page,) = ask(observation(), target="Bergen,NO", places=["Bergen,NO"])
    assert query(upstream.seen[0])["q"] == "Bergen,NO"
    assert CURRENT.parse(page.records[0].payload)["location"] == "Bergen,NO"


def test_forecast_steps_are_issued_in_the_hour_of_receipt(ask: Any) -> None:
    steps = [step(dt=1795348800 + 10800 * number)["step"] for number in range(40)]
    city = FORECAST.sample.payloads[0]["city"]
    (page,) = ask({"cod": "200", "message": 0, "cnt": 40, "list": steps, "city": city}, FORECAST)
    assert len({record.record_id for record in page.records}) == 40
    assert page.records[0].record_id == "openweather:52.52,13.40:2026-11-22T10Z:2026-11-22T12:00Z"
    row = FORECAST.parse(page.records[39].payload)
    assert row["issued_at"] == page.records[39].event_time == NOW.replace(minute=0, second=0)
    assert row["valid_at"] == datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(hours=3 * 39)
    assert row["precipitation_probability"] == 0.12


def test_an_empty_forecast_is_no_error_but_one_without_a_list_is(ask: Any) -> None:
    (page,) = ask({"cod": "200", "message": 0, "cnt": 0, "list": [], "city": {}}, FORECAST)
    assert page.records == []
    with pytest.raises(Malformed, match="no list of steps"):
        ask({"cod": "200", "city": {}}, FORECAST)
    with pytest.raises(Malformed, match="no object"):
        ask([observation()])
    with pytest.raises(Malformed, match="no observation"):
        ask({"error": "the upstream could not answer"})


@pytest.mark.parametrize(
    ("rain", "millimetres"),
    [
        (..., 0.0),
        (None, 0.0),
        ({}, 0.0),
        ({"1h": 1.27}, 1.27),
        ({"1h": 0.17, "3h": 0.81}, 0.17),
        (0.4, 0.4),
        ({"3h": 2.0}, None),
    ],
)
def test_rain_of_the_hour(rain: Any, millimetres: float | None) -> None:
    assert parsed(rain=rain)["rain_1h_mm"] == millimetres
    assert parsed(snow=rain)["snow_1h_mm"] == millimetres


def test_rain_of_three_hours() -> None:
    assert FORECAST.parse(step())["rain_3h_mm"] == 0.0
    assert FORECAST.parse(step(rain={"3h": 5}))["rain_3h_mm"] == 5.0
    assert FORECAST.parse(step(snow={"1h": 1.3}))["snow_3h_mm"] is None


def test_what_old_and_remote_stations_leave_out() -> None:
    row = parsed(
        wind=None, clouds=..., visibility={"distance": 1000}, sys=..., weather=[], main={"temp": -3}, name="", id=0
    )
    assert row["visibility_m"] == 1000.0
    assert row["temperature_c"] == -3.0
    absent = ("wind_speed_mps", "wind_gust_mps", "clouds_pct", "country", "condition", "condition_code", "humidity_pct")
    assert [row[name] for name in absent] == [None] * len(absent)


def test_the_first_condition_is_the_primary_one() -> None:
    row = parsed(weather=[{"id": 615, "main": "Snow"}, {"id": 500, "main": "Rain"}])
    assert (row["condition"], row["condition_code"]) == ("Snow", 615)


def test_places_at_the_equator_have_one_id() -> None:
    payload = {"place": "x", "observation": observation(coord={"lat": -0.001, "lon": 0.001})}
    assert CURRENT.identify(payload)[0].startswith("openweather:0.00,0.00:")


@pytest.mark.parametrize(
    "changes",
    [{"coord": ...}, {"coord": {"lat": 1}}, {"coord": "x"}, {"dt": ...}, {"dt": "now"}, {"dt": 1e99}, {"dt": -5}],
)
def test_an_observation_without_place_or_time_is_kept_for_quarantine(ask: Any, changes: dict[str, Any]) -> None:
    (page,) = ask(observation(**changes))
    (record,) = page.records
    assert (record.record_id, record.event_time) == (None, None)
    with pytest.raises((KeyError, TypeError, ValueError)):
        CURRENT.parse(record.payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"main": ...},
        {"main": "n/a"},
        {"main": {"temp": "warm"}},
        {"wind": [1]},
        {"weather": ["Rain"]},
        {"weather": [{"main": 7}]},
        {"weather": {"main": "Rain"}},
        {"rain": {"1h": "much"}},
        {"sys": {"country": 49}},
    ],
)
def test_wrong_types_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parsed(**changes)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"cod": 401, "message": "Invalid API key."}, Permanent, "two hours"),
        (404, {"cod": "404", "message": "city not found"}, Permanent, "PIPELINE_OPENWEATHER__PLACES"),
        (200, {"cod": "404", "message": "city not found"}, Permanent, "PIPELINE_OPENWEATHER__PLACES"),
        (400, {"cod": "400", "message": "wrong latitude"}, Permanent, "wrong latitude"),
        (429, {"cod": 429, "message": "Your account is temporary blocked"}, QuotaExhausted, "blocked"),
        (429, {"cod": 429, "message": "slow down"}, Transient, "slow down"),
        (200, {"cod": 500, "message": "Internal server error"}, Transient, "500"),
        (500, {"cod": 500, "message": "Internal server error"}, Transient, "500"),
        (404, None, Permanent, "404"),
    ],
)
def test_errors_say_what_to_do(ask: Any, status: int, body: Any, kind: type[SourceError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        ask(body, status=status)
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


def test_a_blocked_account_is_left_alone_for_a_while(ask: Any, clock: Any) -> None:
    with pytest.raises(QuotaExhausted) as caught:
        ask({"cod": 429, "message": "Your account is temporary blocked"}, status=429)
    assert caught.value.resets_at == clock.now() + timedelta(seconds=openweather.BLOCKED_SECONDS)


def test_without_a_key_it_says_how_to_get_one(ask: Any, upstream: Any) -> None:
    with pytest.raises(Permanent, match="A free key: https://"):
        ask(observation(), api_key=None)
    assert upstream.seen == []


@pytest.mark.parametrize(
    "places",
    [
        [""],
        [{"name": "Berlin", "lat": 91, "lon": 0}],
        [{"name": "Berlin", "lat": 1, "lon": 181}],
        [{"name": "Berlin", "lat": 1}],
        ["Berlin", {"name": "Berlin", "lat": 52.5, "lon": 13.4}],
    ],
)
def test_settings_refuse_what_is_no_place(places: list[Any]) -> None:
    with pytest.raises(ValidationError):
        openweather.OpenWeatherSettings(places=places)


# --- the past ---

LISBON = {"name": "Lisbon", "lat": 38.7078, "lon": -9.1366, "country": "PT"}
DAY = timedelta(days=1)


def past_settings(**changes: Any) -> openweather.OpenWeatherSettings:
    return openweather.OpenWeatherSettings(**{"history_places": [LISBON], "history_hours": [0, 6, 10], **changes})


def told(seconds: int = 1795327200, **changes: Any) -> dict[str, Any]:
    moment = {**deepcopy(PAST.sample.payloads[0]["moment"]), "dt": seconds, **changes}
    return {name: value for name, value in moment.items() if value is not ...}


def of_lisbon(**blocks: Any) -> dict[str, Any]:
    return {"lat": 38.7078, "lon": -9.1366, "timezone": "Europe/Lisbon", "timezone_offset": 0, **blocks}


@pytest.fixture
def ask_past(ask: Any) -> Callable[..., list[Page]]:
    def fetch(answer: Any, status: int = 200, **settings: Any) -> Any:
        return ask(answer, PAST, "Lisbon", status, **{"history_places": [LISBON], "history_hours": [10], **settings})

    return fetch


@pytest.mark.parametrize(
    ("start", "days", "moments"),
    [
        (0, 1, ["22T10"]),
        (-1, 1, ["21T00", "21T06", "21T10"]),
        (-1, 2, ["21T00", "21T06", "21T10", "22T10"]),
        (-2, 1, ["20T00", "20T06", "20T10"]),
        (1, 1, []),
    ],
)
def test_of_today_only_what_just_passed_is_asked_for(start: int, days: int, moments: list[str]) -> None:
    window = Window(TODAY.start + start * DAY, TODAY.start + (start + days) * DAY)
    fetch = Fetch(None, past_settings(), window, NOW)  # type: ignore[arg-type] # nothing is sent
    assert [f"{moment:%dT%H}" for moment in openweather.past_moments(fetch)] == moments


def test_a_year_of_hours_is_no_endless_pagination() -> None:
    year = Window(TODAY.start - 365 * DAY, TODAY.start)
    fetch = Fetch(None, past_settings(history_hours=list(range(24))), year, NOW)  # type: ignore[arg-type]
    assert callable(PAST.max_pages)
    assert PAST.max_pages(fetch) == 365 * 24


def test_the_past_is_off_until_places_are_named() -> None:
    assert list(PAST.targets(openweather.OpenWeatherSettings())) == []
    assert list(PAST.targets(past_settings())) == ["Lisbon"]


def test_a_moment_of_the_past_is_a_request(ask_past: Any, upstream: Any) -> None:
    (page,) = ask_past(of_lisbon(data=[told()]))
    asked = query(upstream.seen[0])
    assert upstream.seen[0].path.startswith("/data/3.0/onecall/timemachine?")
    assert asked == {"lat": "38.7078", "lon": "-9.1366", "dt": "1795341600", "units": "metric", "appid": KEY}
    (record,) = page.records
    assert record.record_id == "openweather:38.71,-9.14:2026-11-22T06:00:00Z"
    row = PAST.parse(record.payload)
    assert (row["location"], row["country"], row["temperature_c"]) == ("Lisbon", "PT", 4.8)
    assert (row["rain_1h_mm"], row["snow_1h_mm"], row["wind_gust_mps"]) == (0.0, 0.0, None)


def test_rain_and_snow_of_the_past() -> None:
    payload = {**PAST.sample.payloads[0], "moment": told(rain={"1h": 0.4}, snow={"3h": 2})}
    row = PAST.parse(payload)
    assert (row["rain_1h_mm"], row["snow_1h_mm"]) == (0.4, None)


def test_old_answers_tell_the_hours_of_a_day(ask_past: Any) -> None:
    hours = [told(1795305600 + 3600 * number) for number in range(24)]
    (page,) = ask_past(of_lisbon(current=told(1795327200), hourly=hours))
    assert len({record.record_id for record in page.records}) == len(page.records) == 24
    (page,) = ask_past(of_lisbon(current=told(1795327500), hourly=hours))
    assert len(page.records) == 25


def test_a_moment_that_nobody_knows_is_no_error_but_an_answer_without_data_is(ask_past: Any) -> None:
    (page,) = ask_past(of_lisbon(data=[]))
    assert page.records == []
    with pytest.raises(Malformed, match="no list of data"):
        ask_past(of_lisbon())
    (page,) = ask_past(of_lisbon(data=["n/a", told(dt=...)]))
    assert [record.record_id for record in page.records] == [None, None]


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "Please note that using One Call 3.0 requires a separate subscription", "subscription of its own"),
        (401, "Invalid API key.", "two hours"),
        (400, "requested time is out of allowed range of 5 days back", "HISTORY_PLACES"),
    ],
)
def test_a_refused_past_says_what_to_do(ask_past: Any, status: int, message: str, words: str) -> None:
    with pytest.raises(Permanent, match=words):
        ask_past({"cod": status, "message": message}, status)


def test_no_more_of_the_past_is_asked_for_than_was_allowed(
    redis_client: Redis, upstream: Any, clock: Any, tmp_path: Path
) -> None:
    upstream.reply(json.dumps(of_lisbon(data=[])))
    options = past_settings(base_url=upstream.url, api_key=KEY, history_daily_requests=2, history_hours=[1, 2, 3])
    yesterday = Window(TODAY.start - DAY, TODAY.start)
    with SourceClient(openweather.SOURCE, options, redis=redis_client, cache_path=tmp_path, clock=clock) as client:
        with pytest.raises(QuotaExhausted, match="all 2 requests of the day for history"):
            list(PAST.fetch(Fetch(client, options, yesterday, NOW), "Lisbon"))
        assert len(upstream.seen) == 2
        upstream.script.clear()
        upstream.reply(json.dumps(observation()))
        assert list(CURRENT.fetch(Fetch(client, options, TODAY, NOW), "Berlin")), "the rest is not held up"


@pytest.mark.parametrize(
    "settings",
    [
        {"history_hours": []},
        {"history_hours": [24]},
        {"history_places": ["Lisbon,PT"]},
        {"history_places": [LISBON, LISBON]},
        {"history_daily_requests": 0},
    ],
)
def test_settings_of_the_past_refuse_what_is_wrong(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        openweather.OpenWeatherSettings(**settings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("dt", "coord", "lat", "lon", "main", "temp", "weather", "id", "rain", "wind", "visibility", "list")
OBJECTS = JSON | st.dictionaries(st.sampled_from(NAMES), JSON | st.dictionaries(st.sampled_from(NAMES), JSON))
PARTS = ("place", "observation", "issued_at", "city", "step", "answer", "moment")


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, OBJECTS)))
def test_nothing_but_what_quarantine_catches_is_raised(payload: Any) -> None:
    for stream in openweather.SOURCE.streams:
        for read in (stream.identify, stream.parse):
            with suppress(*UNREADABLE):
                read(payload)
