"""Both weather upstreams of the sandbox show one world: the same weather, apart from small errors of measurement."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.upstreams import open_meteo as open_meteo_upstream
from pipeline_platform.sandbox.upstreams.openweather import KEY
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources import open_meteo, openweather
from pipeline_platform.sources.open_meteo_records import UNITS, rows_of

NOW = datetime(2026, 11, 22, 10, 27, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)
UNITS_ASKED = {"timezone": "GMT", "timeformat": "unixtime", "wind_speed_unit": "ms"}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, now=lambda: NOW)


@pytest.fixture(scope="module")
def web(world: World) -> Iterator[httpx.Client]:
    app = build_app(world, sources=(openweather.SOURCE, open_meteo.SOURCE))
    with running(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def meteo(web: httpx.Client, path: str = "forecast", **query: Any) -> httpx.Response:
    return web.get(f"/open_meteo/v1/{path}", params={"latitude": 52.5244, "longitude": 13.4105, **UNITS_ASKED, **query})


def past(web: httpx.Client, at: datetime, lat: float, lon: float) -> dict[str, Any]:
    query = {"lat": lat, "lon": lon, "dt": int(at.timestamp()), "units": "metric", "appid": KEY}
    answer: dict[str, Any] = web.get("/openweather/data/3.0/onecall/timemachine", params=query).json()
    return answer["data"][0]


def test_the_past_is_the_same_in_both(web: httpx.Client, world: World) -> None:
    compared = 0
    for place in world.places:
        names = "temperature_2m,relative_humidity_2m,rain,showers,snowfall,wind_speed_10m"
        days = {"start_date": "2026-11-20", "end_date": "2026-11-20"}
        hours = rows_of(meteo(web, latitude=place.lat, longitude=place.lon, hourly=names, **days).json(), "hourly")
        for hour in hours[::6]:
            other = past(web, datetime.fromtimestamp(hour["time"], UTC), place.lat, place.lon)
            values = (hour["temperature_2m"], other["temp"], hour["relative_humidity_2m"], other["humidity"])
            if any(value in ("n/a", 999.9, 140) for value in values):
                continue  # broken on purpose
            assert hour["temperature_2m"] == pytest.approx(other["temp"], abs=0.4)
            assert hour["relative_humidity_2m"] == pytest.approx(other["humidity"], abs=1)
            assert hour["wind_speed_10m"] == pytest.approx(other["wind_speed"], abs=0.3)
            rain, snow = other.get("rain", {}).get("1h", 0), other.get("snow", {}).get("1h", 0)
            assert hour["rain"] + hour["showers"] == pytest.approx(rain, abs=0.02)
            assert hour["snowfall"] / 0.7 == pytest.approx(snow, abs=0.02)
            compared += 1
    assert compared > 20


def test_the_archive_lags_and_its_cells_are_coarser(web: httpx.Client) -> None:
    query = {"hourly": "temperature_2m", "start_date": "2026-11-10", "end_date": "2026-11-22"}
    archived, recent = meteo(web, "archive", **query).json(), meteo(web, **query).json()
    last = max(row["time"] for row in rows_of(archived, "hourly") if row["temperature_2m"] is not None)
    assert datetime.fromtimestamp(last, UTC) == HOUR - timedelta(days=5)
    assert None not in recent["hourly"]["temperature_2m"]
    assert (archived["latitude"], recent["latitude"]) == (52.5, 52.52)
    shared = zip(archived["hourly"]["temperature_2m"], recent["hourly"]["temperature_2m"], strict=True)
    assert all(one in (other, None) for one, other in shared)


def test_the_present_is_a_quarter_of_an_hour(web: httpx.Client) -> None:
    body = meteo(web, current="rain", minutely_15="rain", past_minutely_15=4, forecast_minutely_15=1).json()
    assert body["current"]["interval"] == 900
    assert body["current"]["time"] == int((HOUR + timedelta(minutes=15)).timestamp())
    assert body["minutely_15"]["time"][-1] == body["current"]["time"]
    assert len(body["minutely_15"]["time"]) == 5
    assert body["minutely_15_units"]["rain"] == body["current_units"]["rain"] == UNITS["rain"]


@pytest.mark.parametrize(
    ("path", "query", "status", "reason"),
    [
        ("forecast", {"latitude": 91}, 400, "Latitude must be in range of -90 to 90°. Given: 91.0."),
        ("forecast", {"longitude": "east"}, 400, "required for key 'longitude'"),
        ("forecast", {"hourly": "mood"}, 400, "invalid String value mood"),
        ("archive", {"hourly": "showers"}, 400, "invalid String value showers"),
        ("archive", {"hourly": "rain"}, 400, "Invalid date format for parameter 'start_date'"),
        ("forecast", {"hourly": "rain", "start_date": "2026-01-01", "end_date": "2026-01-02"}, 400, "out of allowed"),
        ("archive", {"hourly": "rain", "start_date": "2026-11-03", "end_date": "2026-11-02"}, 400, "larger or equal"),
        ("forecast", {"hourly": "rain", "forecast_days": 17}, 400, "Forecast days is invalid"),
        ("forecast", {"hourly": "rain", "wind_speed_unit": "kmh"}, 501, "m/s alone"),
    ],
)
def test_errors_look_as_the_real_ones(
    web: httpx.Client, path: str, query: dict[str, Any], status: int, reason: str
) -> None:
    answer = meteo(web, path, **query)
    assert answer.status_code == status
    assert answer.json()["error"] is True
    assert reason in answer.json()["reason"]


def test_the_time_machine_goes_four_days_ahead(web: httpx.Client) -> None:
    def ask(**query: Any) -> httpx.Response:
        place = {"lat": 52.5244, "lon": 13.4105, "units": "metric", "appid": KEY}
        return web.get("/openweather/data/3.0/onecall/timemachine", params={**place, **query})

    assert ask(dt=int((NOW + timedelta(days=3)).timestamp())).status_code == 200
    refused = ask(dt=int((NOW + timedelta(days=5)).timestamp()))
    assert (refused.status_code, refused.json()["cod"]) == (400, "400")
    assert ask(dt="soon").json()["message"] == "wrong dt"
    assert ask(dt=1, appid="no").json()["cod"] == 401


def test_nothing_was_recorded_of_open_meteo() -> None:
    replay = open_meteo_upstream.replay([])
    assert open_meteo.SOURCE.settings(**replay.watch).places == []  # type: ignore[attr-defined]
    assert (replay.routes, replay.unused) == ([], {})
