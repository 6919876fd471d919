"""What the weather sources share: watched places, and readers of numbers, times and coordinates in payloads."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

LATEST_STAMP = 4_102_444_800
"""Midnight of 2100-01-01 in epoch seconds."""


class WatchedPlace(BaseModel):
    """A watched place: its name, degrees north and east, and its country for upstreams that do not tell it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$")


def _place(name: str, lat: float, lon: float, country: str) -> WatchedPlace:
    return WatchedPlace(name=name, lat=lat, lon=lon, country=country)


DEFAULT_PLACES = (
    _place("Berlin", 52.52, 13.405, "DE"),
    _place("London", 51.5074, -0.1278, "GB"),
    _place("New York", 40.7128, -74.006, "US"),
    _place("Singapore", 1.3521, 103.8198, "SG"),
    _place("Sydney", -33.8688, 151.2093, "AU"),
)


def check_names(names: Sequence[str], form: str) -> None:
    """Refuse blank names and names that come twice; `form` shows how a place is written.

    Raises:
        ValueError: with the names, and what to write.
    """
    if not all(name.strip() for name in names):
        raise ValueError(f"a place needs a name: {form}")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"places are told apart by name, these come twice: {', '.join(sorted(twice))}")


def moment(seconds: Any) -> datetime:
    """A time of the payload, in epoch seconds, as aware UTC.

    Raises:
        TypeError, ValueError: it is no number, or none between 1970 and 2100.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"a time must be a number of seconds, not {seconds!r}")
    if not 0 <= seconds < LATEST_STAMP:
        raise ValueError(f"{seconds!r} is no time in seconds between 1970 and 2100")
    return datetime.fromtimestamp(seconds, UTC)


def number(value: Any) -> float | None:
    """A measured value; None stays None.

    Raises:
        TypeError: it is no number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a measured value must be a number, not {value!r}")
    return float(value)


def word(value: Any) -> str | None:
    """A name; None and the empty text become None.

    Raises:
        TypeError: it is no text.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a name must be a text, not {value!r}")
    return value or None


def coordinates(coord: Any) -> tuple[float, float]:
    """Degrees north and east of an object with `lat` and `lon`.

    Raises:
        KeyError, TypeError, ValueError: they are not there, or no numbers.
    """
    lat, lon = number(coord["lat"]), number(coord["lon"])
    if lat is None or lon is None:
        raise ValueError(f"no coordinates in {coord!r}")
    return lat, lon


def spot(lat: float, lon: float) -> str:
    """`52.52,13.41`: a place to about a kilometre, as upstreams round coordinates in their own ways."""
    return f"{round(lat, 2) + 0.0:.2f},{round(lon, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0
