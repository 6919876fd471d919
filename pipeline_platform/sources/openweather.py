"""OpenWeatherMap: the current weather of watched places and their forecast for five days in steps of three hours."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from pipeline_platform.sources.base import (
    Budget,
    Credential,
    Fetch,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

UNITS = "metric"
BLOCKED_SECONDS = 600.0
"""Pause after a block of the account, which the upstream lifts without saying when."""
LATEST_STAMP = 4_102_444_800
"""Midnight of 2100-01-01 in epoch seconds."""

KEY_HELP = (
    "A free key: https://home.openweathermap.org/users/sign_up, then PIPELINE_OPENWEATHER__API_KEY=... "
    "A new key needs up to two hours until it works."
)


class Place(BaseModel):
    """A watched place by coordinates: degrees north and east."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


def _place(name: str, lat: float, lon: float) -> Place:
    return Place(name=name, lat=lat, lon=lon)


class OpenWeatherSettings(SourceSettings):
    """Settings of OpenWeatherMap."""

    api_key: SecretStr | None = Field(None, description="API key; a new one works within two hours.")
    places: list[Place | str] = Field(
        [
            _place("Berlin", 52.52, 13.405),
            _place("London", 51.5074, -0.1278),
            _place("New York", 40.7128, -74.006),
            _place("Singapore", 1.3521, 103.8198),
            _place("Sydney", -33.8688, 151.2093),
        ],
        description='Places: {"name": "Berlin", "lat": 52.52, "lon": 13.405}, or "City,CC" looked up by the upstream.',
    )

    @field_validator("places")
    @classmethod
    def _distinct(cls, places: list[Place | str]) -> list[Place | str]:
        names = [_name(place) for place in places]
        if not all(name.strip() for name in names):
            raise ValueError('a place needs a name: "City,CC" or {"name": ..., "lat": ..., "lon": ...}')
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"places are told apart by name, these come twice: {', '.join(sorted(twice))}")
        return places


def _name(place: Place | str) -> str:
    return place if isinstance(place, str) else place.name


def diagnose(response: "Response") -> SourceError | None:
    """Read `cod` and `message`, which say more than the status; None when the usual reading of the status is right."""
    try:
        body = response.json()
    except Malformed:
        return None
    if not isinstance(body, Mapping):
        return None
    # An int in some answers and a string in others, in errors too.
    text = str(body.get("cod", response.status))
    code = int(text) if text.isdigit() else response.status
    if code < 400 and response.status < 400:
        return None
    return _verdict(response.status, max(code, response.status), str(body.get("message", "no reason given")))


def _verdict(status: int, code: int, message: str) -> SourceError | None:
    if code == 401:
        return Permanent(f"OpenWeatherMap does not accept the key: {message} {KEY_HELP}", status=status)
    if code == 404:
        return Permanent(
            f"OpenWeatherMap does not know the place ({message}): write it as 'City,CC' in "
            "PIPELINE_OPENWEATHER__PLACES, or give its coordinates",
            status=status,
        )
    if code == 429 and "blocked" in message.lower():
        return QuotaExhausted(
            f"OpenWeatherMap blocked the account for asking too often: {message}",
            status=status,
            wait_seconds=BLOCKED_SECONDS,
        )
    if code == 429:
        return None if status == 429 else Transient(f"OpenWeatherMap's rate limit is reached: {message}", status=status)
    if status >= 500:
        return None
    if code >= 500:
        return Transient(f"OpenWeatherMap answered {code}: {message}", status=status)
    return Permanent(
        f"OpenWeatherMap refused the request with {code}: {message}. Check PIPELINE_OPENWEATHER__PLACES", status=status
    )


def _ask(fetch: Fetch[OpenWeatherSettings], path: str, target: str) -> tuple["Response", Mapping[str, Any]]:
    settings = fetch.settings
    if settings.api_key is None:
        raise Permanent(f"OpenWeatherMap needs an API key. {KEY_HELP}")
    place = next((place for place in settings.places if _name(place) == target), target)
    where = {"q": place} if isinstance(place, str) else {"lat": place.lat, "lon": place.lon}
    params = {**where, "units": UNITS, "appid": settings.api_key.get_secret_value()}
    response = fetch.client.get(path, params=params)
    body = response.json()
    if not isinstance(body, Mapping):
        raise Malformed(f"OpenWeatherMap's /{path} of {target} is no object but {type(body).__name__}")
    return response, body


def _record(payload: dict[str, Any], identify: Callable[[Any], tuple[str, datetime]]) -> Record:
    """A record; one too broken to tell its place or time is kept without, quarantine says why."""
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


def _moment(seconds: Any) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"a time must be a number of seconds, not {seconds!r}")
    if not 0 <= seconds < LATEST_STAMP:
        raise ValueError(f"{seconds!r} is no time in seconds between 1970 and 2100")
    return datetime.fromtimestamp(seconds, UTC)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a measured value must be a number, not {value!r}")
    return float(value)


def _word(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a name must be a text, not {value!r}")
    return value or None


def _part(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object `name` of `parent`, empty where it is absent or null."""
    part = parent.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise TypeError(f"{name} must be an object, not {part!r}")
    return part


def _amount(weather: Mapping[str, Any], name: str, period: str) -> float | None:
    """Millimetres of rain or snow in `period` (`1h`, `3h`): 0 when absent, null when given for another period only."""
    fall = weather.get(name)
    if not fall:
        return 0.0
    if isinstance(fall, Mapping):
        return _number(fall.get(period))
    return _number(fall)


def _visibility(weather: Mapping[str, Any]) -> float | None:
    """Metres; old answers wrap them as `{"distance": 1000}`."""
    value = weather.get("visibility")
    return _number(value.get("distance") if isinstance(value, Mapping) else value)


def _coordinates(coord: Mapping[str, Any]) -> tuple[float, float]:
    lat, lon = _number(coord["lat"]), _number(coord["lon"])
    if lat is None or lon is None:
        raise ValueError(f"no coordinates in {coord!r}")
    return lat, lon


def _spot(coord: Mapping[str, Any]) -> str:
    """`52.52,13.41`: a place to about a kilometre, as the upstream rounds coordinates in its own ways."""
    lat, lon = _coordinates(coord)
    return f"{round(lat, 2) + 0.0:.2f},{round(lon, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0


def _weather(payload: Mapping[str, Any], coord: Mapping[str, Any], weather: Mapping[str, Any]) -> dict[str, Any]:
    lat, lon = _coordinates(coord)
    main, wind = _part(weather, "main"), _part(weather, "wind")
    # The first condition is the primary one.
    conditions = weather.get("weather")
    condition = _part({"condition": conditions[0]}, "condition") if conditions else {}
    code = _number(condition.get("id"))
    return {
        "location": payload["place"],
        "lat": lat,
        "lon": lon,
        "temperature_c": _number(main["temp"]),
        "feels_like_c": _number(main.get("feels_like")),
        "pressure_hpa": _number(main.get("pressure")),
        "humidity_pct": _number(main.get("humidity")),
        "wind_speed_mps": _number(wind.get("speed")),
        "wind_gust_mps": _number(wind.get("gust")),
        "wind_direction_deg": _number(wind.get("deg")),
        "clouds_pct": _number(_part(weather, "clouds").get("all")),
        "visibility_m": _visibility(weather),
        "condition": _word(condition.get("main")),
        "condition_code": None if code is None else int(code),
    }


def fetch_current(fetch: Fetch[OpenWeatherSettings], target: str) -> Iterator[Page]:
    """One page with one record: the newest observation of the place, which may repeat between fetches."""
    response, body = _ask(fetch, "data/2.5/weather", target)
    if "main" not in body and "dt" not in body:
        raise Malformed(f"OpenWeatherMap's answer for {target} is no observation: it has neither main nor dt")
    payload = {"place": target, "units": UNITS, "observation": body}
    yield Page.of(response, [_record(payload, identify_current)])


def identify_current(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and time of an observation."""
    observation = payload["observation"]
    observed = _moment(observation["dt"])
    return f"openweather:{_spot(observation['coord'])}:{observed:%Y-%m-%dT%H:%M:%SZ}", observed


def parse_current(payload: Mapping[str, Any]) -> dict[str, Any]:
    """An observation in SI and metric units."""
    observation = payload["observation"]
    observation_id, observed = identify_current(payload)
    return {
        "observation_id": observation_id,
        **_weather(payload, observation["coord"], observation),
        "country": _word(_part(observation, "sys").get("country")),
        "observed_at": observed,
        "rain_1h_mm": _amount(observation, "rain", "1h"),
        "snow_1h_mm": _amount(observation, "snow", "1h"),
    }


def fetch_forecast(fetch: Fetch[OpenWeatherSettings], target: str) -> Iterator[Page]:
    """One page with a record per step. Forecasts are issued, for us, in the hour in which we received them."""
    response, body = _ask(fetch, "data/2.5/forecast", target)
    if not isinstance(body.get("list"), list):
        raise Malformed(f"OpenWeatherMap's forecast of {target} has no list of steps")
    issued = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    head = {"place": target, "units": UNITS, "issued_at": issued, "city": body.get("city")}
    yield Page.of(response, [_record({**head, "step": step}, identify_forecast) for step in body["list"]])


def identify_forecast(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of a step (place, issue, validity) and the time of issue."""
    issued, valid = datetime.fromisoformat(payload["issued_at"]), _moment(payload["step"]["dt"])
    spot = _spot(payload["city"]["coord"])
    return f"openweather:{spot}:{issued:%Y-%m-%dT%HZ}:{valid:%Y-%m-%dT%H:%MZ}", issued


def parse_forecast(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A step of a forecast in SI and metric units."""
    step, city = payload["step"], payload["city"]
    forecast_id, issued = identify_forecast(payload)
    return {
        "forecast_id": forecast_id,
        **_weather(payload, city["coord"], step),
        "country": _word(city.get("country")),
        "issued_at": issued,
        "valid_at": _moment(step["dt"]),
        "rain_3h_mm": _amount(step, "rain", "3h"),
        "snow_3h_mm": _amount(step, "snow", "3h"),
        "precipitation_probability": _number(step.get("pop")),
    }


def _watched(settings: OpenWeatherSettings) -> Sequence[str]:
    return [_name(place) for place in settings.places]


SOURCE = Source(
    name="openweather",
    title="OpenWeatherMap",
    domain="weather",
    homepage="https://openweathermap.org",
    api_docs="https://openweathermap.org/current",
    licence="CC BY-SA 4.0 (data), ODbL (database)",
    terms="Show 'Weather data provided by OpenWeather' with a link to https://openweathermap.org. "
    "Nothing has to be deleted afterwards.",
    base_url="https://api.openweathermap.org",
    credentials=(Credential("api_key", KEY_HELP),),
    budget=Budget(requests=60, per_seconds=60.0, daily=32_000),
    cadence="*/30 * * * *",
    settings=OpenWeatherSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="openweather_current",
            kind="weather_observations",
            description="Measured weather of the watched places.",
            history="now_only",
            lookback_days=1,
            targets=_watched,
            fetch=fetch_current,
            identify=identify_current,
            parse=parse_current,
            sample=Sample(
                "Berlin",
                [
                    {
                        "place": "Berlin",
                        "units": "metric",
                        "observation": {
                            "coord": {"lon": 13.405, "lat": 52.52},
                            "weather": [{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}],
                            "base": "stations",
                            "main": {"temp": 6.4, "feels_like": 3.2, "pressure": 1009, "humidity": 87},
                            "visibility": 9000,
                            "wind": {"speed": 4.6, "deg": 240, "gust": 8.1},
                            "rain": {"1h": 0.38},
                            "clouds": {"all": 90},
                            "dt": 1795341600,
                            "sys": {"country": "DE", "sunrise": 1795329600, "sunset": 1795359600},
                            "timezone": 3600,
                            "id": 2950159,
                            "name": "Berlin",
                            "cod": 200,
                        },
                    }
                ],
            ),
        ),
        Stream(
            name="openweather_forecast",
            kind="weather_forecasts",
            description="Forecast of the watched places for five days in steps of three hours, as issued each hour.",
            history="now_only",
            lookback_days=1,
            targets=_watched,
            fetch=fetch_forecast,
            identify=identify_forecast,
            parse=parse_forecast,
            sample=Sample(
                "Berlin",
                [
                    {
                        "place": "Berlin",
                        "units": "metric",
                        "issued_at": "2026-11-22T10:00:00Z",
                        "city": {
                            "id": 2950159,
                            "name": "Berlin",
                            "coord": {"lat": 52.52, "lon": 13.405},
                            "country": "DE",
                        },
                        "step": {
                            "dt": 1795348800,
                            "main": {"temp": 7.1, "feels_like": 4.4, "pressure": 1010, "humidity": 81},
                            "weather": [{"id": 804, "main": "Clouds", "description": "overcast clouds", "icon": "04d"}],
                            "clouds": {"all": 96},
                            "wind": {"speed": 4.1, "deg": 233, "gust": 7.7},
                            "visibility": 10000,
                            "pop": 0.12,
                            "sys": {"pod": "d"},
                            "dt_txt": "2026-11-22 12:00:00",
                        },
                    }
                ],
            ),
        ),
    ),
)
