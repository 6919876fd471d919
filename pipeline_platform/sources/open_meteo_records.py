"""Open-Meteo: from an answer to its hours, and from a payload to its id, its time and its row.

Wire format: https://open-meteo.com/en/docs. An answer holds an array per variable beside the array `time`; null stands
for what is not known. What fell is the sum of the hour (or quarter of an hour) that ends at its time.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline_platform.sources.base import Record
from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.weather import coordinates, moment, number, spot, word

UNITS = {
    "time": "unixtime",
    "temperature_2m": "°C",
    "apparent_temperature": "°C",
    "pressure_msl": "hPa",
    "wind_speed_10m": "m/s",
    "wind_gusts_10m": "m/s",
    "rain": "mm",
    "showers": "mm",
    "snowfall": "cm",
    "visibility": "m",
}
"""What was asked for; an answer in other units would be read wrong."""

WATER_OF_SNOW = 10 / 7
"""Millimetres of water in a centimetre of fresh snow, as the upstream counts: 7 cm of snow are 10 mm of water."""

CONDITIONS = {
    **dict.fromkeys((0, 1), "Clear"),
    **dict.fromkeys((2, 3), "Clouds"),
    **dict.fromkeys((45, 48), "Fog"),
    **dict.fromkeys((51, 53, 55, 56, 57), "Drizzle"),
    **dict.fromkeys((61, 63, 65, 66, 67, 80, 81, 82), "Rain"),
    **dict.fromkeys((71, 73, 75, 77, 85, 86), "Snow"),
    **dict.fromkeys((95, 96, 99), "Thunderstorm"),
}
"""Weather interpretation codes (WMO table 4677, as far as the upstream uses it) -> words of the kind."""


def _fields(weather: str) -> dict[str, str]:
    return {
        "location": "place.name",
        "country": "place.country (of the watched place)",
        "lat": "latitude",
        "lon": "longitude",
        "temperature_c": f"{weather}.temperature_2m",
        "feels_like_c": f"{weather}.apparent_temperature",
        "pressure_hpa": f"{weather}.pressure_msl",
        "humidity_pct": f"{weather}.relative_humidity_2m",
        "wind_speed_mps": f"{weather}.wind_speed_10m",
        "wind_gust_mps": f"{weather}.wind_gusts_10m",
        "wind_direction_deg": f"{weather}.wind_direction_10m",
        "clouds_pct": f"{weather}.cloud_cover",
        "visibility_m": f"{weather}.visibility",
        "condition": f"{weather}.weather_code (in words)",
        "condition_code": f"{weather}.weather_code",
    }


OBSERVATION_FIELDS = {
    "observation_id": "(computed) place.lat | place.lon | weather.time",
    **_fields("weather"),
    "observed_at": "weather.time",
    "rain_1h_mm": "fell[].time | fell[].rain | fell[].showers (of the hour)",
    "snow_1h_mm": "fell[].snowfall (of the hour, as water)",
}
FORECAST_FIELDS = {
    "forecast_id": "(computed) place.lat | place.lon | issued_at | hours[].time",
    **_fields("hours[]"),
    "issued_at": "issued_at (hour of receipt)",
    "valid_at": "hours[].time (of the last)",
    "rain_3h_mm": "hours[].rain | hours[].showers (summed)",
    "snow_3h_mm": "hours[].snowfall (summed, as water)",
    "precipitation_probability": "hours[].precipitation_probability (greatest of the three)",
}


def unit_problem(body: Mapping[str, Any]) -> str | None:
    """What is told in another unit than it was asked for; None when all is well."""
    for block in ("current_units", "hourly_units", "minutely_15_units"):
        units = body.get(block)
        if units is None:
            continue
        if not isinstance(units, Mapping):
            return f"{block} is no object"
        for name, unit in units.items():
            if name in UNITS and unit != UNITS[name]:
                return f"{name} in {unit!r} and not in {UNITS[name]!r}"
    return None


def rows_of(body: Mapping[str, Any], block: str) -> list[dict[str, Any]]:
    """The arrays of `block`, as one object per time.

    Raises:
        Malformed: the block is not there, or its arrays are of unequal length.
    """
    arrays = body.get(block)
    if not isinstance(arrays, Mapping) or not isinstance(arrays.get("time"), list):
        raise Malformed(f"Open-Meteo's answer has no {block} with times")
    length = len(arrays["time"])
    for name, values in arrays.items():
        if not isinstance(values, list) or len(values) != length:
            raise Malformed(f"Open-Meteo's {block}.{name} is no list of {length} values")
    return [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]


def is_told(row: Mapping[str, Any]) -> bool:
    """Whether anything is known of the time of `row`."""
    return any(value is not None for name, value in row.items() if name != "time")


def stamps_of(rows: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Rows by their time; those whose time is no whole number are left out, as no step can be made of them."""
    return {row["time"]: row for row in rows if isinstance(row["time"], int)}


def record(payload: dict[str, Any], identify: Callable[[Any], tuple[str, datetime]]) -> Record:
    """A record; one too broken to tell its place or time is kept without, quarantine says why."""
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


def _weather(payload: Mapping[str, Any], weather: Mapping[str, Any]) -> dict[str, Any]:
    lat, lon = coordinates({"lat": payload["latitude"], "lon": payload["longitude"]})
    code = number(weather.get("weather_code"))
    return {
        "location": payload["place"]["name"],
        "country": word(payload["place"].get("country")),
        "lat": lat,
        "lon": lon,
        "temperature_c": number(weather["temperature_2m"]),
        "feels_like_c": number(weather.get("apparent_temperature")),
        "pressure_hpa": number(weather.get("pressure_msl")),
        "humidity_pct": number(weather.get("relative_humidity_2m")),
        "wind_speed_mps": number(weather.get("wind_speed_10m")),
        "wind_gust_mps": number(weather.get("wind_gusts_10m")),
        "wind_direction_deg": number(weather.get("wind_direction_10m")),
        "clouds_pct": number(weather.get("cloud_cover")),
        "visibility_m": number(weather.get("visibility")),
        "condition": None if code is None else CONDITIONS.get(int(code)),
        "condition_code": None if code is None else int(code),
    }


def _sum(rows: Sequence[Mapping[str, Any]], *names: str) -> float | None:
    """The sum of `names` over `rows`; null where one of them is, or where there is no row.

    The archive knows no `showers`, as its `rain` holds them: a name that is in no row at all adds nothing.
    """
    values = [number(row[name]) for row in rows for name in names if name in row]
    known = [value for value in values if value is not None]
    return round(sum(known), 4) if known and len(known) == len(values) else None


def _water(centimetres: float | None) -> float | None:
    return None if centimetres is None else round(centimetres * WATER_OF_SNOW, 4)


def identify_observation(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of an observation, by the watched place as the cells of models differ, and its time."""
    observed = moment(payload["weather"]["time"])
    return f"open_meteo:{spot(*coordinates(payload['place']))}:{observed:%Y-%m-%dT%H:%MZ}", observed


def _of_the_hour(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows that make up the hour before an observation; none when a quarter of it is missing."""
    rows = payload["fell"]
    if payload["dataset"] != "current":
        return list(rows)
    end = payload["weather"]["time"]
    quarters = [row for row in rows if end - 3600 < row["time"] <= end]
    return quarters if len(quarters) == 4 else []


def parse_observation(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The weather of a moment in SI and metric units."""
    observation_id, observed = identify_observation(payload)
    rows = _of_the_hour(payload)
    return {
        "observation_id": observation_id,
        **_weather(payload, payload["weather"]),
        "observed_at": observed,
        "rain_1h_mm": _sum(rows, "rain", "showers"),
        "snow_1h_mm": _water(_sum(rows, "snowfall")),
    }


def identify_forecast(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of a step (place, issue, validity) and the time of issue."""
    issued, valid = datetime.fromisoformat(payload["issued_at"]), moment(payload["hours"][-1]["time"])
    where = spot(*coordinates(payload["place"]))
    return f"open_meteo:{where}:{issued:%Y-%m-%dT%HZ}:{valid:%Y-%m-%dT%H:%MZ}", issued


def parse_forecast(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A step of a forecast in SI and metric units; its weather is that of its last hour."""
    forecast_id, issued = identify_forecast(payload)
    hours = payload["hours"]
    chances = [number(hour.get("precipitation_probability")) for hour in hours]
    known = [chance for chance in chances if chance is not None]
    return {
        "forecast_id": forecast_id,
        **_weather(payload, hours[-1]),
        "issued_at": issued,
        "valid_at": moment(hours[-1]["time"]),
        "rain_3h_mm": _sum(hours, "rain", "showers"),
        "snow_3h_mm": _water(_sum(hours, "snowfall")),
        "precipitation_probability": max(known) / 100 if known and len(known) == len(chances) else None,
    }
