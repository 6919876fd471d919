"""Open-Meteo: current weather, hours of the past and forecast of watched places, from the models of weather services.

The past of a place comes from two hosts. The archive holds reanalyses (ERA5), which are complete after five days; the
forecast API holds the latest days from the short-term forecasts of its models. So days that are older than a week are
asked of the archive, later ones of the forecast API, and each hour says which. As a scheduled fetch asks for nine days
again, every hour is replaced by its reanalysis in the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from pipeline_platform.sources.base import (
    Budget,
    Fetch,
    Page,
    Sample,
    Source,
    SourceSettings,
    Stream,
    Window,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.open_meteo_records import (
    FORECAST_FIELDS,
    OBSERVATION_FIELDS,
    identify_forecast,
    identify_observation,
    is_told,
    parse_forecast,
    parse_observation,
    record,
    rows_of,
    stamps_of,
    unit_problem,
)
from pipeline_platform.sources.weather import DEFAULT_PLACES, WatchedPlace, check_names

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

INSTANT = (
    "temperature_2m",
    "relative_humidity_2m",
    "apparent_temperature",
    "pressure_msl",
    "wind_speed_10m",
    "wind_gusts_10m",
    "wind_direction_10m",
    "cloud_cover",
    "weather_code",
)
FALL = ("rain", "snowfall")
"""What fell: `rain` of the archive is all of it, that of the forecast API has `showers` beside it."""
FORECAST_FALL = ("rain", "showers", "snowfall")

CURRENT = (*INSTANT, "visibility")
ARCHIVED = (*INSTANT, *FALL)
RECENT = (*INSTANT, "visibility", *FORECAST_FALL)
FORECAST = (*RECENT, "precipitation_probability")

ARCHIVE_AFTER = timedelta(days=7)
"""Age from which on a day is asked of the archive."""
ARCHIVE_SPAN = timedelta(days=14)
"""Longest span of one request: a longer one counts as several."""
STEP, STEPS = timedelta(hours=3), 40
FORECAST_DAYS = 6
"""Today and the five days that forty steps of three hours reach into."""

WAITS = {"minutely": 60.0, "hourly": 3600.0, "daily": 86_400.0}
"""Seconds of the periods in which requests are counted; all of them end with the clock, in UTC."""


class OpenMeteoSettings(SourceSettings):
    """Settings of Open-Meteo."""

    places: list[WatchedPlace] = Field(
        list(DEFAULT_PLACES),
        description='Places: {"name": "Berlin", "lat": 52.52, "lon": 13.405, "country": "DE"}, country if known.',
    )
    archive_url: str = Field(
        "https://archive-api.open-meteo.com",
        pattern="^https?://",
        description="Address of the archive, which is another host than that of the forecast.",
    )

    @field_validator("places")
    @classmethod
    def _distinct(cls, places: list[WatchedPlace]) -> list[WatchedPlace]:
        check_names([place.name for place in places], '{"name": ..., "lat": ..., "lon": ...}')
        return places


def diagnose(response: "Response") -> SourceError | None:
    """Read `{"error": true, "reason": …}`; None when the usual reading of the status is right."""
    try:
        body = response.json()
    except Malformed:
        return None
    if not isinstance(body, Mapping) or body.get("error") is not True:
        return None
    return _verdict(response, str(body.get("reason", "no reason given")))


def _verdict(response: "Response", reason: str) -> SourceError | None:
    status, period = response.status, reason.split(" ")[0].lower()
    if "limit exceeded" in reason and period in WAITS:
        wait = _until_next(response, WAITS[period])
        kind = Transient if period == "minutely" else QuotaExhausted
        return kind(f"Open-Meteo's limit is reached: {reason}", status=status, wait_seconds=wait)
    if status == 429 or "concurrent" in reason.lower():
        return Transient(f"Open-Meteo is asked too often: {reason}", status=status)
    if status >= 500:
        return None
    if 400 <= status < 500:
        return Permanent(
            f"Open-Meteo refused the request: {reason}. Check PIPELINE_OPEN_METEO__PLACES and the days asked for",
            status=status,
        )
    return Transient(f"Open-Meteo answered an error with status {status}: {reason}", status=status)


def _until_next(response: "Response", period: float) -> float:
    """Seconds until a minute after the period ends, by the clock of the answer; counters are cleared in that minute."""
    try:
        now = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return period
    return period - now % period + 60.0


def _ask(
    fetch: Fetch[OpenMeteoSettings], place: WatchedPlace, address: str, params: Mapping[str, Any]
) -> tuple["Response", Mapping[str, Any]]:
    response = fetch.client.get(
        address,
        params={
            "latitude": place.lat,
            "longitude": place.lon,
            **params,
            "timezone": "GMT",
            "timeformat": "unixtime",
            "temperature_unit": "celsius",
            "wind_speed_unit": "ms",
            "precipitation_unit": "mm",
        },
    )
    body = response.json()
    if not isinstance(body, Mapping):
        raise Malformed(f"Open-Meteo's answer for {place.name} is no object but {type(body).__name__}")
    if problem := unit_problem(body):
        raise Malformed(f"Open-Meteo's answer for {place.name} is not in the units asked for: {problem}")
    return response, body


def _head(place: WatchedPlace, body: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """What all records of an answer share: the place that is watched, and the cell of the model that stands for it."""
    cell = {name: body.get(name) for name in ("latitude", "longitude", "elevation")}
    return {"place": place.model_dump(), "dataset": dataset, **cell}


def _place(fetch: Fetch[OpenMeteoSettings], target: str) -> WatchedPlace:
    return next(place for place in fetch.settings.places if place.name == target)


def fetch_current(fetch: Fetch[OpenMeteoSettings], target: str) -> Iterator[Page]:
    """One page with one record: the present quarter of an hour, and what fell in the four that ended with it.

    `current` tells what fell in a quarter of an hour, so the quarters are asked for beside it.
    """
    place = _place(fetch, target)
    quarters = {"minutely_15": ",".join(FORECAST_FALL), "past_minutely_15": 4, "forecast_minutely_15": 1}
    response, body = _ask(fetch, place, "v1/forecast", {"current": ",".join(CURRENT), **quarters})
    if not isinstance(body.get("current"), Mapping):
        raise Malformed(f"Open-Meteo's answer for {target} has no current weather")
    quarter_hours = rows_of(body, "minutely_15")
    payload = {**_head(place, body, "current"), "weather": body["current"], "fell": quarter_hours}
    yield Page.of(response, [record(payload, identify_observation)])


def _spans(fetch: Fetch[OpenMeteoSettings]) -> Iterator[tuple[str, date, date]]:
    """Data set, first and last day of every request, oldest first."""
    last = (min(fetch.window.end, fetch.now) - timedelta(microseconds=1)).date()
    seam = (fetch.now - ARCHIVE_AFTER).date()
    day = fetch.window.start.date()
    while day <= min(last, seam):
        until = min(day + ARCHIVE_SPAN - timedelta(days=1), last, seam)
        yield "archive", day, until
        day = until + timedelta(days=1)
    if day <= last:
        yield "forecast", day, last


def fetch_history(fetch: Fetch[OpenMeteoSettings], target: str) -> Iterator[Page]:
    """A page per request, a record per hour of the window that has passed; hours without any value are not there yet.

    The archive shows the days that no reanalysis covers yet as nulls.
    """
    place = _place(fetch, target)
    window = Window(fetch.window.start, min(fetch.window.end, fetch.now + timedelta(microseconds=1)))
    for dataset, first, last in _spans(fetch):
        days = {"start_date": first.isoformat(), "end_date": last.isoformat()}
        archived = dataset == "archive"
        address = f"{fetch.settings.archive_url.rstrip('/')}/v1/archive" if archived else "v1/forecast"
        variables = ",".join(ARCHIVED if archived else RECENT)
        response, body = _ask(fetch, place, address, {"hourly": variables, **days})
        head = _head(place, body, dataset)
        records = [
            record({**head, "weather": hour, "fell": [hour]}, identify_observation)
            for hour in rows_of(body, "hourly")
            if is_told(hour)
        ]
        yield Page.of(response, [one for one in records if one.event_time is None or one.event_time in window])


def fetch_forecast(fetch: Fetch[OpenMeteoSettings], target: str) -> Iterator[Page]:
    """One page with a record per step of three hours. Forecasts are issued, for us, in the hour of receipt."""
    place = _place(fetch, target)
    response, body = _ask(fetch, place, "v1/forecast", {"hourly": ",".join(FORECAST), "forecast_days": FORECAST_DAYS})
    hours = stamps_of(rows_of(body, "hourly"))
    head = {**_head(place, body, "forecast"), "issued_at": f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"}
    steps = [[hours.get(second) for second in three] for three in _steps(fetch.now)]
    told = [[hour for hour in three if hour] for three in steps]
    payloads = [{**head, "hours": three} for three in told if len(three) == 3 and is_told(three[-1])]
    yield Page.of(response, [record(payload, identify_forecast) for payload in payloads])


def _steps(now: datetime) -> Iterator[tuple[int, int, int]]:
    """The three hours, in epoch seconds, that each of the next forty full steps of the UTC day ends."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    first = midnight + ((now - midnight) // STEP + 1) * STEP
    for number in range(STEPS):
        end = int((first + number * STEP).timestamp())
        yield end - 7200, end - 3600, end


def _watched(settings: OpenMeteoSettings) -> Sequence[str]:
    return [place.name for place in settings.places]


_BERLIN = {
    "place": {"name": "Berlin", "lat": 52.52, "lon": 13.405, "country": "DE"},
    "latitude": 52.52,
    "longitude": 13.419998,
    "elevation": 38.0,
}
_AIR = {
    "temperature_2m": 6.1,
    "relative_humidity_2m": 88,
    "apparent_temperature": 3.0,
    "pressure_msl": 1008.6,
    "wind_speed_10m": 4.4,
    "wind_gusts_10m": 8.9,
    "wind_direction_10m": 242,
    "cloud_cover": 96,
    "weather_code": 61,
}
_DRY = {"rain": 0.0, "showers": 0.0, "snowfall": 0.0}

SOURCE = Source(
    name="open_meteo",
    title="Open-Meteo",
    domain="weather",
    homepage="https://open-meteo.com",
    api_docs="https://open-meteo.com/en/docs",
    licence="CC BY 4.0",
    terms="Show 'Weather data by Open-Meteo.com' with a link to https://open-meteo.com, and say if data were changed. "
    "Free without a key for non-commercial use. Nothing has to be deleted afterwards.",
    base_url="https://api.open-meteo.com",
    credentials=(),
    # 600 a minute, 5,000 an hour and 10,000 a day are free. A request for more than ten variables counts as one and a
    # half, so that 50 a minute keep to the hour as well.
    budget=Budget(requests=50, per_seconds=60.0, daily=6_000),
    cadence="20 * * * *",
    settings=OpenMeteoSettings,
    diagnose=diagnose,
    # One request at a time per address: further ones wait in a short queue there, or are refused.
    concurrency=1,
    streams=(
        Stream(
            name="open_meteo_current",
            kind="weather_observations",
            description="Weather of the present quarter of an hour at the watched places, as the models see it.",
            history="now_only",
            lookback_days=1,
            targets=_watched,
            fetch=fetch_current,
            identify=identify_observation,
            parse=parse_observation,
            fields=OBSERVATION_FIELDS,
            sample=Sample(
                "Berlin",
                [
                    {
                        **_BERLIN,
                        "dataset": "current",
                        "weather": {"time": 1795342500, "interval": 900, **_AIR, "visibility": 9240.0},
                        "fell": [
                            {"time": 1795338900 + 900 * number, "rain": 0.1 * number, "showers": 0.0, "snowfall": 0.0}
                            for number in range(5)
                        ],
                    }
                ],
            ),
        ),
        Stream(
            name="open_meteo_history",
            kind="weather_observations",
            description="Weather of past hours at the watched places: reanalysis, for the last week the models' own.",
            history="replayable",
            # So that every day is asked for again when its reanalysis is there.
            lookback_days=9,
            targets=_watched,
            fetch=fetch_history,
            identify=identify_observation,
            parse=parse_observation,
            # Every page is asked for by its days, so they end; this is more than a century.
            max_pages=3_000,
            fields=OBSERVATION_FIELDS,
            sample=Sample(
                "Berlin",
                [
                    {
                        **_BERLIN,
                        "dataset": "archive",
                        "weather": (hour := {"time": 1794679200, **_AIR, "rain": 0.6, "snowfall": 0.0}),
                        "fell": [hour],
                    }
                ],
            ),
        ),
        Stream(
            name="open_meteo_forecast",
            kind="weather_forecasts",
            description="Forecast of the watched places for five days in steps of three hours, as issued each hour.",
            history="now_only",
            lookback_days=1,
            targets=_watched,
            fetch=fetch_forecast,
            identify=identify_forecast,
            parse=parse_forecast,
            fields=FORECAST_FIELDS,
            sample=Sample(
                "Berlin",
                [
                    {
                        **_BERLIN,
                        "dataset": "forecast",
                        "issued_at": "2026-11-22T10:00:00Z",
                        "hours": [
                            {"time": seconds, **_AIR, **_DRY, "visibility": 24140.0, "precipitation_probability": 22}
                            for seconds in (1795341600, 1795345200, 1795348800)
                        ],
                    }
                ],
            ),
        ),
    ),
)
