"""OpenWeatherMap: from a payload to its id, its time and its row, for observations, forecast steps and past moments.

Wire formats: https://openweathermap.org/current, https://openweathermap.org/forecast5 and
https://openweathermap.org/api/one-call-3 (`timemachine`). All are asked for in metric units.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pipeline_platform.sources.base import Record
from pipeline_platform.sources.weather import coordinates, moment, number, spot, word


def _fields(coord: str, weather: str) -> dict[str, str]:
    return {
        "location": "place",
        "lat": f"{coord}.lat",
        "lon": f"{coord}.lon",
        "temperature_c": f"{weather}.main.temp",
        "feels_like_c": f"{weather}.main.feels_like",
        "pressure_hpa": f"{weather}.main.pressure",
        "humidity_pct": f"{weather}.main.humidity",
        "wind_speed_mps": f"{weather}.wind.speed",
        "wind_gust_mps": f"{weather}.wind.gust",
        "wind_direction_deg": f"{weather}.wind.deg",
        "clouds_pct": f"{weather}.clouds.all",
        "visibility_m": f"{weather}.visibility",
        "condition": f"{weather}.weather[].main (of the first)",
        "condition_code": f"{weather}.weather[].id (of the first)",
    }


CURRENT_FIELDS = _fields("observation.coord", "observation")
FORECAST_FIELDS = _fields("city.coord", "step")
PAST_FIELDS = {
    "observation_id": "(computed) answer.lat | answer.lon | moment.dt",
    "location": "place",
    "country": "country (of the watched place)",
    "lat": "answer.lat",
    "lon": "answer.lon",
    "temperature_c": "moment.temp",
    "feels_like_c": "moment.feels_like",
    "pressure_hpa": "moment.pressure",
    "humidity_pct": "moment.humidity",
    "wind_speed_mps": "moment.wind_speed",
    "wind_gust_mps": "moment.wind_gust",
    "wind_direction_deg": "moment.wind_deg",
    "clouds_pct": "moment.clouds",
    "visibility_m": "moment.visibility",
    "condition": "moment.weather[].main (of the first)",
    "condition_code": "moment.weather[].id (of the first)",
    "observed_at": "moment.dt",
    "rain_1h_mm": "moment.rain (0 when absent)",
    "snow_1h_mm": "moment.snow (0 when absent)",
}


def record(payload: dict[str, Any], identify: Callable[[Any], tuple[str, datetime]]) -> Record:
    """A record; one too broken to tell its place or time is kept without, quarantine says why."""
    try:
        return Record(*identify(payload), payload)
    except (KeyError, TypeError, ValueError):
        return Record(None, None, payload)


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
        return number(fall.get(period))
    return number(fall)


def _visibility(weather: Mapping[str, Any]) -> float | None:
    """Metres; old answers wrap them as `{"distance": 1000}`."""
    value = weather.get("visibility")
    return number(value.get("distance") if isinstance(value, Mapping) else value)


def _condition(weather: Mapping[str, Any]) -> dict[str, Any]:
    # The first condition is the primary one.
    conditions = weather.get("weather")
    condition = _part({"condition": conditions[0]}, "condition") if conditions else {}
    code = number(condition.get("id"))
    return {"condition": word(condition.get("main")), "condition_code": None if code is None else int(code)}


def _weather(payload: Mapping[str, Any], coord: Mapping[str, Any], weather: Mapping[str, Any]) -> dict[str, Any]:
    lat, lon = coordinates(coord)
    main, wind = _part(weather, "main"), _part(weather, "wind")
    return {
        "location": payload["place"],
        "lat": lat,
        "lon": lon,
        "temperature_c": number(main["temp"]),
        "feels_like_c": number(main.get("feels_like")),
        "pressure_hpa": number(main.get("pressure")),
        "humidity_pct": number(main.get("humidity")),
        "wind_speed_mps": number(wind.get("speed")),
        "wind_gust_mps": number(wind.get("gust")),
        "wind_direction_deg": number(wind.get("deg")),
        "clouds_pct": number(_part(weather, "clouds").get("all")),
        "visibility_m": _visibility(weather),
        **_condition(weather),
    }


def identify_current(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and time of an observation."""
    observation = payload["observation"]
    return _observed(observation["coord"], observation["dt"])


def _observed(coord: Mapping[str, Any], seconds: Any) -> tuple[str, datetime]:
    observed = moment(seconds)
    return f"openweather:{spot(*coordinates(coord))}:{observed:%Y-%m-%dT%H:%M:%SZ}", observed


def parse_current(payload: Mapping[str, Any]) -> dict[str, Any]:
    """An observation in SI and metric units."""
    observation = payload["observation"]
    observation_id, observed = identify_current(payload)
    return {
        "observation_id": observation_id,
        **_weather(payload, observation["coord"], observation),
        "country": word(_part(observation, "sys").get("country")),
        "observed_at": observed,
        "rain_1h_mm": _amount(observation, "rain", "1h"),
        "snow_1h_mm": _amount(observation, "snow", "1h"),
    }


def identify_forecast(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of a step (place, issue, validity) and the time of issue."""
    issued, valid = datetime.fromisoformat(payload["issued_at"]), moment(payload["step"]["dt"])
    where = spot(*coordinates(payload["city"]["coord"]))
    return f"openweather:{where}:{issued:%Y-%m-%dT%HZ}:{valid:%Y-%m-%dT%H:%MZ}", issued


def parse_forecast(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A step of a forecast in SI and metric units."""
    step, city = payload["step"], payload["city"]
    forecast_id, issued = identify_forecast(payload)
    return {
        "forecast_id": forecast_id,
        **_weather(payload, city["coord"], step),
        "country": word(city.get("country")),
        "issued_at": issued,
        "valid_at": moment(step["dt"]),
        "rain_3h_mm": _amount(step, "rain", "3h"),
        "snow_3h_mm": _amount(step, "snow", "3h"),
        "precipitation_probability": number(step.get("pop")),
    }


def identify_past(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of a past moment, that of an observation of the moment, and its time."""
    return _observed(payload["answer"], payload["moment"]["dt"])


def parse_past(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A past moment in SI and metric units; rain and snow are absent when there was none."""
    past, (lat, lon) = payload["moment"], coordinates(payload["answer"])
    observation_id, observed = identify_past(payload)
    return {
        "observation_id": observation_id,
        "location": payload["place"],
        "country": word(payload.get("country")),
        "lat": lat,
        "lon": lon,
        "temperature_c": number(past["temp"]),
        "feels_like_c": number(past.get("feels_like")),
        "pressure_hpa": number(past.get("pressure")),
        "humidity_pct": number(past.get("humidity")),
        "wind_speed_mps": number(past.get("wind_speed")),
        "wind_gust_mps": number(past.get("wind_gust")),
        "wind_direction_deg": number(past.get("wind_deg")),
        "clouds_pct": number(past.get("clouds")),
        "visibility_m": number(past.get("visibility")),
        **_condition(past),
        "observed_at": observed,
        "rain_1h_mm": _amount(past, "rain", "1h"),
        "snow_1h_mm": _amount(past, "snow", "1h"),
    }
