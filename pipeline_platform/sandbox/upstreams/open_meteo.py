"""Open-Meteo as the sandbox shows it: the weather of the world in arrays, at the cells of its models.

Wire format: https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/historical-weather-api.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.cast import Place
from pipeline_platform.sandbox.climate import Sky, place_at, sky
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import FIRST_DAY, World
from pipeline_platform.sources.weather import spot

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
FORECAST_DAYS = 16
PAST_DAYS = 92
ARCHIVE_LAG = timedelta(days=5)
"""What is younger is null in the archive."""
CELLS = {"forecast": 0.02, "archive": 0.1}
"""Degrees between the cells of the models."""
MALFORMED_SHARE = 0.005

UNITS = {
    "temperature_2m": "°C",
    "apparent_temperature": "°C",
    "relative_humidity_2m": "%",
    "pressure_msl": "hPa",
    "wind_speed_10m": "m/s",
    "wind_gusts_10m": "m/s",
    "wind_direction_10m": "°",
    "cloud_cover": "%",
    "weather_code": "wmo code",
    "visibility": "m",
    "rain": "mm",
    "showers": "mm",
    "snowfall": "cm",
    "precipitation_probability": "%",
}
"""Every variable that is known here, in the units that `wind_speed_unit=ms` and the other defaults give."""
FORECAST_ONLY = frozenset({"visibility", "showers", "precipitation_probability"})
FALLING = frozenset({"rain", "showers", "snowfall"})


class ApiError(Exception):
    """A refusal: the text of `reason`."""


@dataclass(frozen=True)
class Asked:
    """Place, cell and time of a request.

    Attributes:
        place: of the world.
        lat, lon: centre of the cell.
        archive: whether the archive is asked.
        now: of the world.
    """

    place: Place
    lat: float
    lon: float
    archive: bool
    now: datetime


def weather(world: World, asked: Asked, at: datetime, step: timedelta) -> dict[str, Any]:
    """Every variable at `at`; what falls is the sum of the `step` that ends there."""
    air = sky(world, asked.place, at)
    rng = world.rng("open-meteo", asked.place.lat, asked.place.lon, int(at.timestamp()))
    celsius = round(air.celsius + rng.uniform(-0.3, 0.3), 1)
    fall = round(air.fall * (step / HOUR), 2)
    shower = round(fall / 4, 2)
    values = {
        "temperature_2m": celsius,
        "apparent_temperature": round(celsius - 0.5 * air.wind, 1),
        "relative_humidity_2m": min(100, max(0, air.humidity + rng.choice((-1, 0, 1)))),
        "pressure_msl": round(air.pressure + rng.uniform(-0.5, 0.5), 1),
        "wind_speed_10m": round(max(0.0, air.wind + rng.uniform(-0.2, 0.2)), 2),
        "wind_gusts_10m": round(air.wind * 1.7, 1),
        "wind_direction_10m": air.direction,
        "cloud_cover": air.clouds,
        "weather_code": _code(air),
        "visibility": 24140.0 if air.fall == 0 else 7000.0,
        "rain": 0.0 if air.snows else round(fall - shower, 2),
        "showers": 0.0 if air.snows else shower,
        "snowfall": round(fall * 0.7, 2) if air.snows else 0.0,
        "precipitation_probability": round(air.clouds * (1 if air.fall else 0.3)),
    }
    if asked.archive:
        values["rain"] = round(values["rain"] + values["showers"], 2)
    return values


def _code(air: Sky) -> int:
    if air.fall > 0:
        return 71 if air.snows else 61
    return 0 if air.clouds <= 25 else 2 if air.clouds <= 45 else 3


def _observed(world: World, asked: Asked, at: datetime, step: timedelta) -> dict[str, Any]:
    """`weather`, broken on purpose now and then; the same whichever way the moment is asked for."""
    values = weather(world, asked, at, step)
    record_id = f"open_meteo:{spot(asked.place.lat, asked.place.lon)}:{at:%Y-%m-%dT%H:%MZ}"
    rule = _rule(world, "weather_observations", record_id)
    # A moment has no coordinates of its own.
    rule = "temperature_plausible" if rule == "latitude_in_range" else rule
    if rule:
        _break(values, rule)
        world.plant("open_meteo", record_id, rule, at.date())
    return values


def _rule(world: World, kind: str, record_id: str) -> str | None:
    if world.rng("open-meteo-malformed", record_id).random() < MALFORMED_SHARE:
        return "malformed"
    return world.flaw(kind, record_id)


def _break(values: dict[str, Any], rule: str) -> None:
    if rule == "percent":
        values["relative_humidity_2m"] = 140
    elif rule == "temperature_plausible":
        values["temperature_2m"] = 999.9
    elif rule == "probability":
        values["precipitation_probability"] = 170
    elif rule == "malformed":
        values["temperature_2m"] = "n/a"


def _foreseen(world: World, asked: Asked, at: datetime) -> dict[str, Any]:
    """`weather` of an hour to come; broken ones are ends of the steps of three hours that forecasts are read in."""
    values = weather(world, asked, at, HOUR)
    if at.hour % 3 or at <= asked.now:
        return values
    where = spot(asked.place.lat, asked.place.lon)
    rule = _rule(world, "weather_forecasts", f"{where}:{at.isoformat()}")
    if rule:
        _break(values, rule)
        record_id = f"open_meteo:{where}:{asked.now:%Y-%m-%dT%HZ}:{at:%Y-%m-%dT%H:%MZ}"
        world.plant("open_meteo", record_id, rule, asked.now.date())
    return values


def _variables(request: Request, block: str, known: frozenset[str]) -> list[str]:
    names = [name for name in request.query_params.get(block, "").split(",") if name]
    for name in names:
        if name not in known:
            raise ApiError(f"Data corrupted at path ''. Cannot initialize variable from invalid String value {name}.")
    return names


def _number(request: Request, name: str, limit: float) -> float:
    text = request.query_params.get(name, "")
    if not re.fullmatch(r"-?\d{1,3}(\.\d{1,12})?", text):
        raise ApiError(f"Value of type 'Float' required for key '{name}'.")
    if abs(float(text)) > limit:
        raise ApiError(f"{name.capitalize()} must be in range of -{limit:.0f} to {limit:.0f}°. Given: {float(text)}.")
    return float(text)


def _asked(world: World, request: Request, archive: bool) -> Asked:
    lat, lon = _number(request, "latitude", 90), _number(request, "longitude", 180)
    cell = CELLS["archive" if archive else "forecast"]
    place = place_at(world, round(lat, 4), round(lon, 4))
    centre = round(round(lat / cell) * cell, 4), round(round(lon / cell) * cell, 4)
    return Asked(place, *centre, archive, world.now())


def _day(request: Request, name: str, first: date, last: date) -> date:
    text = request.query_params.get(name, "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ApiError(f"Invalid date format for parameter '{name}'. Expected 'YYYY-MM-DD'.") from None
    if not first <= day <= last:
        raise ApiError(f"Parameter '{name}' is out of allowed range from {first} to {last}")
    return day


def _span(request: Request, asked: Asked) -> tuple[date, date]:
    """First and last day of the hours asked for."""
    today = asked.now.date()
    if asked.archive:
        first, last = FIRST_DAY, today
    else:
        first, last = today - timedelta(days=PAST_DAYS), today + timedelta(days=FORECAST_DAYS - 1)
    if asked.archive or "start_date" in request.query_params:
        start, end = _day(request, "start_date", first, last), _day(request, "end_date", first, last)
        if end < start:
            raise ApiError("End-date must be larger or equals than start-date")
        return start, end
    days = int(request.query_params.get("forecast_days", "7"))
    if not 0 <= days <= FORECAST_DAYS:
        raise ApiError(f"Forecast days is invalid. Allowed range 0 to {FORECAST_DAYS}. Given {days}.")
    past = int(request.query_params.get("past_days", "0"))
    return today - timedelta(days=past), today + timedelta(days=days - 1)


def _hours(first: date, last: date) -> Iterator[datetime]:
    at = datetime.combine(first, time(), UTC)
    while at.date() <= last:
        yield at
        at += HOUR


def _arrays(
    names: Sequence[str], moments: Sequence[datetime], value: Callable[[datetime], dict[str, Any]]
) -> dict[str, Any]:
    rows = [value(at) for at in moments]
    return {
        "time": [int(at.timestamp()) for at in moments],
        **{name: [row.get(name) for row in rows] for name in names},
    }


def _answer(world: World, request: Request, archive: bool) -> dict[str, Any]:
    asked = _asked(world, request, archive)
    known = frozenset(UNITS) - FORECAST_ONLY if archive else frozenset(UNITS)
    answer: dict[str, Any] = {
        "latitude": asked.lat,
        "longitude": asked.lon,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 38.0,
    }
    quarter = datetime.fromtimestamp(asked.now.timestamp() // 900 * 900, UTC)
    if names := _variables(request, "current", known):
        now = _observed(world, asked, quarter, QUARTER)
        answer["current_units"] = {"time": "unixtime", "interval": "seconds", **_units(names)}
        answer["current"] = {"time": int(quarter.timestamp()), "interval": 900, **{name: now[name] for name in names}}
    if names := _variables(request, "minutely_15", known & FALLING):
        back = int(request.query_params.get("past_minutely_15", "0"))
        ahead = int(request.query_params.get("forecast_minutely_15", "96"))
        moments = [quarter + number * QUARTER for number in range(-back, ahead)]
        answer["minutely_15_units"] = {"time": "unixtime", **_units(names)}
        answer["minutely_15"] = _arrays(names, moments, lambda at: weather(world, asked, at, QUARTER))
    if names := _variables(request, "hourly", known):
        answer["hourly_units"] = {"time": "unixtime", **_units(names)}
        answer["hourly"] = _arrays(names, list(_hours(*_span(request, asked))), _hour_of(world, asked))
    return answer


def _hour_of(world: World, asked: Asked) -> Callable[[datetime], dict[str, Any]]:
    def hour(at: datetime) -> dict[str, Any]:
        if asked.archive and at > asked.now - ARCHIVE_LAG:
            return {}
        return _observed(world, asked, at, HOUR) if at <= asked.now else _foreseen(world, asked, at)

    return hour


def _units(names: Sequence[str]) -> dict[str, str]:
    return {name: UNITS[name] for name in names}


def _refusal(reason: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": True, "reason": reason}, status_code=status)


def routes(world: World) -> list[Route]:
    """The endpoints of Open-Meteo that the platform asks for; only in the units and the time format that it asks."""

    def showing(archive: bool) -> Callable[[Request], Any]:
        async def handler(request: Request) -> Response:
            wanted = {"timezone": "GMT", "timeformat": "unixtime", "wind_speed_unit": "ms"}
            if any(request.query_params.get(name) != value for name, value in wanted.items()):
                return _refusal("the sandbox knows GMT, unixtime and m/s alone", 501)
            try:
                return JSONResponse(_answer(world, request, archive))
            except ApiError as error:
                return _refusal(str(error))

        return handler

    return [Route("/v1/forecast", showing(False)), Route("/v1/archive", showing(True))]


def watch(world: World, base: str) -> dict[str, Any]:
    """Settings that make the source watch the places of the world."""
    places = [
        {"name": place.name, "lat": place.lat, "lon": place.lon, "country": place.country} for place in world.places
    ]
    return {"places": places, "archive_url": base}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"error": True, "reason": "Unexpected error while streaming data"}


def replay(recordings: list[Recording]) -> Replay:
    """Nothing of Open-Meteo was recorded, so nothing is watched."""
    unused = {recording.file: "no endpoint of Open-Meteo is replayed" for recording in recordings}
    return Replay(routes=[], watch={"places": []}, unused=unused)
