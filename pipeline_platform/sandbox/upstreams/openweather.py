"""OpenWeatherMap as the sandbox shows it: current weather, forecast and past moments of any place.

Wire format: https://openweathermap.org/current, https://openweathermap.org/forecast5 and
https://openweathermap.org/api/one-call-3.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.cast import Place
from pipeline_platform.sandbox.climate import Sky, place_at, sky
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.weather import spot

KEY = "sandbox-openweather-key"
TIME_MACHINE = "/data/3.0/onecall/timemachine"
GRID = timedelta(minutes=10)
STEP = timedelta(hours=3)
STEPS = 40
MALFORMED_SHARE = 0.005
WRONG_LATITUDE = 123.45
AHEAD = timedelta(days=4)
"""How far into the future the time machine goes."""

SKIES = (
    (0.25, 800, "Clear", "clear sky", "01"),
    (0.45, 802, "Clouds", "scattered clouds", "03"),
    (0.72, 804, "Clouds", "overcast clouds", "04"),
    (1.0, 500, "Rain", "light rain", "10"),
)
"""Cloudiness up to which a sky holds, condition code, group, description, icon."""
SNOW = (600, "Snow", "light snow", "13")


def _condition(air: Sky, at: datetime, place: Place) -> list[dict[str, Any]]:
    code, group, words, icon = next(row[1:] for row in SKIES if air.clouds / 100 <= row[0])
    if group == "Rain" and air.snows:
        code, group, words, icon = SNOW
    by_day = 6 <= (at.hour + place.lon / 15) % 24 < 18
    return [{"id": code, "main": group, "description": words, "icon": icon + ("d" if by_day else "n")}]


def _degrees(celsius: float, units: str) -> float:
    if units == "metric":
        return celsius
    return round(celsius * 9 / 5 + 32, 2) if units == "imperial" else round(celsius + 273.15, 2)


def _body(air: Sky, at: datetime, place: Place, units: str, period: str) -> dict[str, Any]:
    """What observation and forecast step share. Rain and snow are absent when dry, gusts in light wind."""
    hours = int(period[0])
    speed = round(air.wind * 2.237, 2) if units == "imperial" else air.wind
    body: dict[str, Any] = {
        "dt": int(at.timestamp()),
        "main": {
            "temp": _degrees(air.celsius, units),
            "feels_like": _degrees(round(air.celsius - 0.5 * air.wind, 2), units),
            "pressure": air.pressure,
            "humidity": air.humidity,
        },
        "weather": _condition(air, at, place),
        "clouds": {"all": air.clouds},
        "wind": {"speed": speed, "deg": air.direction},
        "visibility": 10000 if air.fall == 0 else 7000,
    }
    if air.wind > 4:
        body["wind"]["gust"] = round(speed * 1.7, 2)
    if air.fall > 0:
        body["snow" if air.snows else "rain"] = {period: round(air.fall * hours, 2)}
    return body


def _rule(world: World, kind: str, key: str) -> str | None:
    if world.rng("openweather-malformed", key).random() < MALFORMED_SHARE:
        return "malformed"
    return world.flaw(kind, key)


def _break(body: dict[str, Any], rule: str) -> None:
    if rule == "percent":
        body["main"]["humidity"] = 140
    elif rule == "temperature_plausible":
        body["main"]["temp"] = 999.9
    elif rule == "probability":
        body["pop"] = 1.7
    elif rule == "malformed":
        body["main"] = "n/a"


def current(world: World, place: Place, units: str) -> dict[str, Any]:
    """The answer of /data/2.5/weather: the observation of the last full ten minutes."""
    now = world.now()
    at = datetime.fromtimestamp(now.timestamp() // GRID.total_seconds() * GRID.total_seconds(), UTC)
    body = {
        "coord": {"lon": place.lon, "lat": place.lat},
        "base": "stations",
        **_body(sky(world, place, at), at, place, units, "1h"),
        "sys": {"type": 2, "id": 2000000, "country": place.country},
        "timezone": round(place.lon / 15) * 3600,
        "id": _city_id(world, place),
        "name": place.name,
        "cod": 200,
    }
    rule = _rule(world, "weather_observations", f"{place.name}:{at.isoformat()}")
    if rule:
        _break(body, rule)
        if rule == "latitude_in_range":
            body["coord"] = {"lon": place.lon, "lat": WRONG_LATITUDE}
        _plant(world, place, at, rule)
    return body


def _plant(world: World, place: Place, at: datetime, rule: str) -> None:
    where = spot(WRONG_LATITUDE if rule == "latitude_in_range" else place.lat, place.lon)
    world.plant("openweather", f"openweather:{where}:{at:%Y-%m-%dT%H:%M:%SZ}", rule, at.date())


def past(world: World, place: Place, units: str, at: datetime) -> dict[str, Any]:
    """The answer of /data/3.0/onecall/timemachine: one moment, its fields beside each other."""
    body = _body(sky(world, place, at), at, place, units, "1h")
    rule = _rule(world, "weather_observations", f"{place.name}:{at.isoformat()}")
    if rule:
        _break(body, rule)
        _plant(world, place, at, rule)
    main = body.pop("main")
    main = main if isinstance(main, dict) else {"temp": main}
    wind, clouds = body.pop("wind"), body.pop("clouds")["all"]
    told = {**body, **main, "clouds": clouds, **{f"wind_{name}": value for name, value in wind.items()}}
    return {
        "lat": WRONG_LATITUDE if rule == "latitude_in_range" else place.lat,
        "lon": place.lon,
        "timezone": "Etc/UTC",
        "timezone_offset": 0,
        "data": [told],
    }


def forecast(world: World, place: Place, units: str) -> dict[str, Any]:
    """The answer of /data/2.5/forecast: forty steps of three hours from the next one on."""
    now = world.now()
    first = datetime.fromtimestamp((now.timestamp() // STEP.total_seconds() + 1) * STEP.total_seconds(), UTC)
    return {
        "cod": "200",
        "message": 0,
        "cnt": STEPS,
        "list": [_step(world, place, units, first + STEP * number, now) for number in range(STEPS)],
        "city": {
            "id": _city_id(world, place),
            "name": place.name,
            "coord": {"lat": place.lat, "lon": place.lon},
            "country": place.country,
            "population": 1000000,
            "timezone": round(place.lon / 15) * 3600,
        },
    }


def _step(world: World, place: Place, units: str, at: datetime, now: datetime) -> dict[str, Any]:
    body = _body(sky(world, place, at), at, place, units, "3h")
    body["pop"] = round(min(1.0, body["clouds"]["all"] / 100 * (1 if "rain" in body or "snow" in body else 0.3)), 2)
    body["sys"] = {"pod": body["weather"][0]["icon"][-1]}
    body["dt_txt"] = f"{at:%Y-%m-%d %H:%M:%S}"
    rule = _rule(world, "weather_forecasts", f"{place.name}:{at.isoformat()}")
    if rule:
        _break(body, rule)
        record_id = f"openweather:{spot(place.lat, place.lon)}:{now:%Y-%m-%dT%HZ}:{at:%Y-%m-%dT%H:%MZ}"
        world.plant("openweather", record_id, rule, now.date())
    return body


def _city_id(world: World, place: Place) -> int:
    return world.rng("city-id", place.name).randrange(100_000, 9_999_999) if place.name else 0


def _refusal(code: int, message: str) -> JSONResponse:
    """An error; its `cod` is an int for the key and a string otherwise, as the real API has it."""
    return JSONResponse({"cod": code if code == 401 else str(code), "message": message}, status_code=code)


def _wanted(world: World, request: Request) -> Place | JSONResponse:
    query = request.query_params
    if query.get("appid") != KEY:
        more = "Please see https://openweathermap.org/faq#error401 for more info."
        return _refusal(401, f"Invalid API key. {more}")
    if "q" in query:
        name, _, country = query["q"].lower().partition(",")
        for place in world.places:
            if place.name.lower() == name.strip() and place.country.lower().startswith(country.strip()):
                return place
        return _refusal(404, "city not found")
    if "lat" not in query or "lon" not in query:
        return _refusal(400, "Nothing to geocode")
    return _place_at(world, query["lat"], query["lon"])


def _place_at(world: World, lat: str, lon: str) -> Place | JSONResponse:
    found = {}
    for name, text, limit in (("latitude", lat, 90), ("longitude", lon, 180)):
        number = float(text) if re.fullmatch(r"-?\d{1,3}(\.\d{1,12})?", text) else math.inf
        if abs(number) > limit:
            return _refusal(400, f"wrong {name}")
        found[name] = round(number, 4)
    # Far from every city the real API gives a nameless place without a country, too.
    return place_at(world, found["latitude"], found["longitude"])


def _asked(world: World, dt: str) -> datetime | JSONResponse:
    if not re.fullmatch(r"\d{1,10}", dt):
        return _refusal(400, "wrong dt")
    at = datetime.fromtimestamp(int(dt), UTC)
    return at if at <= world.now() + AHEAD else _refusal(400, "requested time is out of allowed range")


def routes(world: World) -> list[Route]:
    """The endpoints of OpenWeatherMap that the platform asks for."""

    def showing(answer: Callable[[World, Place, str], dict[str, Any]]) -> Callable[[Request], Any]:
        async def handler(request: Request) -> Response:
            place = _wanted(world, request)
            if isinstance(place, Response):
                return place
            return JSONResponse(answer(world, place, request.query_params.get("units", "standard")))

        return handler

    async def time_machine(request: Request) -> Response:
        place = _wanted(world, request)
        if isinstance(place, Response):
            return place
        at = _asked(world, request.query_params.get("dt", ""))
        if isinstance(at, Response):
            return at
        return JSONResponse(past(world, place, request.query_params.get("units", "standard"), at))

    return [
        Route("/data/2.5/weather", showing(current)),
        Route("/data/2.5/forecast", showing(forecast)),
        Route(TIME_MACHINE, time_machine),
    ]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch the places of the world, and the past of two of them."""
    places = [{"name": place.name, "lat": place.lat, "lon": place.lon} for place in world.places]
    past_places = [{**shown, "country": place.country} for shown, place in zip(places, world.places, strict=True)][:2]
    return {"places": places, "history_places": past_places, "history_hours": list(range(24)), "api_key": KEY}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"cod": 500, "message": "Internal server error"}


def replay(recordings: list[Recording]) -> Replay:
    """Serve recorded observations and forecasts as places (`London-030`), one of each to a place while they last.

    An answer about the past is given for every moment, of a place of its own (`past-016`) whose latitude is its number.
    """
    found: dict[str, list[Recording]] = {"weather": [], "forecast": [], "timemachine": []}
    unused: dict[str, str] = {}
    for recording in recordings:
        kind = _kind(recording)
        if kind in found:
            found[kind].append(recording)
        else:
            unused[recording.file] = kind
    served: dict[tuple[str, str], Recording] = {}
    places: list[str] = []
    for observation, prognosis in zip_longest(found["weather"], found["forecast"]):
        numbers = [recording.file.split("/")[-1][:3] for recording in (observation, prognosis) if recording]
        place = f"{_city(observation or prognosis)}-{'-'.join(numbers)}"
        places.append(place)
        served |= {
            (kind, place): recording
            for kind, recording in (("weather", observation), ("forecast", prognosis))
            if recording
        }

    told = {f"{int(recording.file.split('/')[-1][:3]) / 100:.2f}": recording for recording in found["timemachine"]}

    async def time_machine(request: Request) -> Response:
        recording = told.get(f"{float(request.query_params.get('lat', '0')):.2f}")
        return _as_recorded(recording) if recording else _refusal(400, "wrong latitude")

    async def answer(request: Request) -> Response:
        kind = request.path_params["kind"]
        recording = served.get((kind, request.query_params.get("q", "")))
        if recording is None:
            # More of one sort was recorded than of the other; a forecast may be empty, an observation may not.
            empty = JSONResponse({"cod": "200", "message": 0, "cnt": 0, "list": [], "city": {}})
            return empty if kind == "forecast" else _refusal(404, "city not found")
        return _as_recorded(recording)

    watch = {
        "places": places,
        "history_places": [{"name": f"past-{float(lat) * 100:03.0f}", "lat": float(lat), "lon": 0} for lat in told],
        "history_hours": [0],
        "history_daily_requests": 1_000_000,
        "api_key": KEY,
    }
    return Replay([Route("/data/2.5/{kind}", answer), Route(TIME_MACHINE, time_machine)], watch, unused)


def _as_recorded(recording: Recording) -> Response:
    headers = {"content-type": "application/json", **recording.headers}
    return Response(recording.body, status_code=_status(recording), headers=headers)


def _json(recording: Recording) -> Any:
    try:
        return json.loads(recording.body)
    except ValueError:
        return None


def _status(recording: Recording) -> int:
    """The recorded status; that of an error of which only the body is known is its `cod`."""
    body = _json(recording)
    if recording.status == 200 and isinstance(body, dict) and set(body) == {"cod", "message"}:
        return int(body["cod"])
    return recording.status


def _city(recording: Recording) -> str:
    body = _json(recording)
    body = body if isinstance(body, dict) else {}
    city = body.get("city") or body
    return (isinstance(city, dict) and city.get("name")) or "nowhere"


def _kind(recording: Recording) -> str:
    """`weather`, `forecast` or `timemachine` for what the source asks for, otherwise why it is not served."""
    path = urlsplit(recording.url or recording.endpoint).path if recording.kind != "raw" else ""
    if path == TIME_MACHINE:
        return "timemachine"
    if path in ("/data/2.5/weather", "/data/2.5/forecast"):
        if "units=imperial" in recording.url:
            return "recorded in imperial units: the source asks for metric, and 53.6 °F would pass for 53.6 °C"
        return path.rsplit("/", 1)[-1]
    if path or recording.body.lstrip().startswith(b"<"):
        return f"endpoint not in use: {path or recording.endpoint}"
    return _kind_of_body(recording)


def _is_past_day(body: dict[str, Any]) -> bool:
    """Whether it is an answer of the old time machine: the hours of a day from midnight UTC on, and no forecast."""
    hours = body.get("hourly")
    if not isinstance(hours, list) or not hours or {"daily", "minutely"} & set(body):
        return False
    return hours[0].get("dt", 1) % 86400 == 0 and not any("pop" in hour for hour in hours)


def _kind_of_body(recording: Recording) -> str:
    """As `_kind`, for a raw body, whose endpoint only its shape tells."""
    body = _json(recording)
    if body is None and recording.endpoint.startswith("FiveDay"):
        return "forecast"
    if isinstance(body, dict):
        if {"lat", "lon", "data"} <= set(body) or _is_past_day(body):
            return "timemachine"
        steps = body.get("list")
        if {"base", "main"} <= set(body) or set(body) == {"cod", "message"}:
            return "weather"
        if "city" in body and not (isinstance(steps, list) and steps and "temp" in steps[0]):
            return "forecast"
    return f"endpoint not in use: {recording.endpoint}"
