"""OpenWeatherMap: current weather of watched places, their forecast for five days, and past moments where paid for.

A past moment (One Call 3.0, `timemachine`) is one request for one place; 1,000 a day are free, those beyond are billed.
So the stream is off until its places are named, counts its requests apart, and asks for a moment of today only in the
fetches soon after it. What a fetch missed, a backfill of that day brings.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr, field_validator

from pipeline_platform.sources.base import (
    Allowance,
    Budget,
    Credential,
    Fetch,
    Page,
    Sample,
    Source,
    SourceSettings,
    Stream,
    Window,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.openweather_records import (
    CURRENT_FIELDS,
    FORECAST_FIELDS,
    PAST_FIELDS,
    identify_current,
    identify_forecast,
    identify_past,
    parse_current,
    parse_forecast,
    parse_past,
    record,
)
from pipeline_platform.sources.weather import DEFAULT_PLACES, WatchedPlace, check_names

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

UNITS = "metric"
BLOCKED_SECONDS = 600.0
"""Pause after a block of the account, which the upstream lifts without saying when."""
FRESH = timedelta(minutes=90)
"""How long after a moment of today it is asked for: three fetches of the usual cadence."""

KEY_HELP = (
    "A free key: https://home.openweathermap.org/users/sign_up, then PIPELINE_OPENWEATHER__API_KEY=... "
    "A new key needs up to two hours until it works."
)
HISTORY_HELP = (
    "The past needs a subscription of its own: 'One Call by Call' at https://openweathermap.org/price. Take one, or "
    "unset PIPELINE_OPENWEATHER__HISTORY_PLACES"
)
PLACE_FORM = '"City,CC" or {"name": ..., "lat": ..., "lon": ...}'


class OpenWeatherSettings(SourceSettings):
    """Settings of OpenWeatherMap."""

    api_key: SecretStr | None = Field(None, description="API key; a new one works within two hours.")
    places: list[WatchedPlace | str] = Field(
        list(DEFAULT_PLACES),
        description='Places: {"name": "Berlin", "lat": 52.52, "lon": 13.405}, or "City,CC" looked up by the upstream.',
    )
    history_places: list[WatchedPlace] = Field(
        [],
        description='Places whose past is fetched, {"name": "Berlin", "lat": 52.52, "lon": 13.405, "country": "DE"}: '
        "every place and hour is a request, billed beyond 1,000 a day. None by default.",
    )
    history_hours: list[int] = Field([0, 6, 12, 18], description="Hours of the UTC day to fetch the past of.")
    history_daily_requests: int = Field(1000, ge=1, description="Requests for the past a UTC day; more are not sent.")

    @field_validator("places")
    @classmethod
    def _distinct(cls, places: list[WatchedPlace | str]) -> list[WatchedPlace | str]:
        check_names([_name(place) for place in places], PLACE_FORM)
        return places

    @field_validator("history_places")
    @classmethod
    def _distinct_past(cls, places: list[WatchedPlace]) -> list[WatchedPlace]:
        check_names([place.name for place in places], PLACE_FORM)
        return places

    @field_validator("history_hours")
    @classmethod
    def _of_a_day(cls, hours: list[int]) -> list[int]:
        if not hours or not set(hours) <= set(range(24)):
            raise ValueError("name at least one hour from 0 to 23, as [0, 6, 12, 18]")
        return sorted(set(hours))


def _name(place: WatchedPlace | str) -> str:
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
    if code == 401 and "subscription" in message.lower():
        return Permanent(f"{HISTORY_HELP}. It answered: {message}", status=status)
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
        f"OpenWeatherMap refused the request with {code}: {message}. Check PIPELINE_OPENWEATHER__PLACES and "
        "PIPELINE_OPENWEATHER__HISTORY_PLACES",
        status=status,
    )


def _ask(
    fetch: Fetch[OpenWeatherSettings], path: str, params: Mapping[str, Any], allowance: Allowance | None = None
) -> tuple["Response", Mapping[str, Any]]:
    if fetch.settings.api_key is None:
        raise Permanent(f"OpenWeatherMap needs an API key. {KEY_HELP}")
    everything = {**params, "units": UNITS, "appid": fetch.settings.api_key.get_secret_value()}
    response = fetch.client.get(path, params=everything, allowance=allowance)
    body = response.json()
    if not isinstance(body, Mapping):
        raise Malformed(f"OpenWeatherMap's /{path} is no object but {type(body).__name__}")
    return response, body


def _where(fetch: Fetch[OpenWeatherSettings], target: str) -> dict[str, Any]:
    place = next((place for place in fetch.settings.places if _name(place) == target), target)
    return {"q": place} if isinstance(place, str) else {"lat": place.lat, "lon": place.lon}


def fetch_current(fetch: Fetch[OpenWeatherSettings], target: str) -> Iterator[Page]:
    """One page with one record: the newest observation of the place, which may repeat between fetches."""
    response, body = _ask(fetch, "data/2.5/weather", _where(fetch, target))
    if "main" not in body and "dt" not in body:
        raise Malformed(f"OpenWeatherMap's answer for {target} is no observation: it has neither main nor dt")
    payload = {"place": target, "units": UNITS, "observation": body}
    yield Page.of(response, [record(payload, identify_current)])


def fetch_forecast(fetch: Fetch[OpenWeatherSettings], target: str) -> Iterator[Page]:
    """One page with a record per step. Forecasts are issued, for us, in the hour in which we received them."""
    response, body = _ask(fetch, "data/2.5/forecast", _where(fetch, target))
    if not isinstance(body.get("list"), list):
        raise Malformed(f"OpenWeatherMap's forecast of {target} has no list of steps")
    issued = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    head = {"place": target, "units": UNITS, "issued_at": issued, "city": body.get("city")}
    yield Page.of(response, [record({**head, "step": step}, identify_forecast) for step in body["list"]])


def past_moments(fetch: Fetch[OpenWeatherSettings]) -> Iterator[datetime]:
    """The moments to ask for: those of past days of the window, and of today those that just passed."""
    today = datetime.combine(fetch.now.astimezone(UTC).date(), time(), UTC)
    day = datetime.combine(fetch.window.start.astimezone(UTC).date(), time(), UTC)
    while day < fetch.window.end and day <= today:
        for hour in fetch.settings.history_hours:
            moment = day + timedelta(hours=hour)
            if moment in fetch.window and moment <= fetch.now and (day < today or fetch.now - moment < FRESH):
                yield moment
        day += timedelta(days=1)


def fetch_past(fetch: Fetch[OpenWeatherSettings], target: str) -> Iterator[Page]:
    """A page per moment, oldest first. Old answers tell the hours of the day too (`current`, `hourly` for `data`).

    A year is more than the requests of a day: what they did not reach is owed, and the next day goes on from there.
    """
    place = next(place for place in fetch.settings.history_places if place.name == target)
    allowance = Allowance("history", fetch.settings.history_daily_requests)
    for moment in past_moments(fetch):
        params = {"lat": place.lat, "lon": place.lon, "dt": int(moment.timestamp())}
        response, body = _ask(fetch, "data/3.0/onecall/timemachine", params, allowance)
        head = {"place": target, "country": place.country, "units": UNITS}
        answer = {name: value for name, value in body.items() if name not in ("data", "current", "hourly")}
        payloads = [{**head, "answer": answer, "moment": told} for told in _told(body, target)]
        left = Window(moment + timedelta(seconds=1), fetch.window.end)
        yield Page.of(response, [record(payload, identify_past) for payload in payloads], left)


def _told(body: Mapping[str, Any], target: str) -> list[Any]:
    told = body.get("data", body.get("hourly"))
    if not isinstance(told, list):
        raise Malformed(f"OpenWeatherMap's past of {target} has no list of data")
    asked = body.get("current")
    return told if asked is None or _stamp(asked) in map(_stamp, told) else [*told, asked]


def _stamp(told: Any) -> Any:
    return told.get("dt") if isinstance(told, Mapping) else None


def _watched(settings: OpenWeatherSettings) -> Sequence[str]:
    return [_name(place) for place in settings.places]


def _past_watched(settings: OpenWeatherSettings) -> Sequence[str]:
    return [place.name for place in settings.history_places]


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
    concurrency=4,
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
            fields={
                "observation_id": "(computed) observation.coord | observation.dt",
                **CURRENT_FIELDS,
                "country": "observation.sys.country",
                "observed_at": "observation.dt",
                "rain_1h_mm": "observation.rain (0 when absent)",
                "snow_1h_mm": "observation.snow (0 when absent)",
            },
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
            fields={
                "forecast_id": "(computed) city.coord | issued_at | step.dt",
                **FORECAST_FIELDS,
                "country": "city.country",
                "issued_at": "issued_at (hour of receipt)",
                "valid_at": "step.dt",
                "rain_3h_mm": "step.rain (0 when absent)",
                "snow_3h_mm": "step.snow (0 when absent)",
                "precipitation_probability": "step.pop",
            },
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
        Stream(
            name="openweather_history",
            kind="weather_observations",
            description="Weather of past moments of chosen places; off until PIPELINE_OPENWEATHER__HISTORY_PLACES "
            "names some, as it needs a subscription and is billed by the request.",
            history="replayable",
            lookback_days=1,
            targets=_past_watched,
            fetch=fetch_past,
            identify=identify_past,
            parse=parse_past,
            opt_in="history_places",
            max_pages=lambda fetch: len(list(past_moments(fetch))),
            fields=PAST_FIELDS,
            sample=Sample(
                "Berlin",
                [
                    {
                        "place": "Berlin",
                        "country": "DE",
                        "units": "metric",
                        "answer": {"lat": 52.52, "lon": 13.405, "timezone": "Europe/Berlin", "timezone_offset": 3600},
                        "moment": {
                            "dt": 1795327200,
                            "temp": 4.8,
                            "feels_like": 1.9,
                            "pressure": 1011,
                            "humidity": 90,
                            "clouds": 75,
                            "visibility": 10000,
                            "wind_speed": 3.6,
                            "wind_deg": 250,
                            "weather": [{"id": 803, "main": "Clouds", "description": "broken clouds", "icon": "04n"}],
                        },
                    }
                ],
            ),
        ),
    ),
)
