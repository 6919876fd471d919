"""Conventions of exchanges that sources share: which moment stands for a trading day, local times, hundredths.

A daily bar opens at midnight UTC of the date that the trading day has at its exchange. Its session opens at another
hour on each exchange, and some upstreams name only the date; so this is the one choice by which every source has the
same day at the same moment, and the day of trading is the day of the partition.
"""

from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

HUNDREDTHS = {"GBp": "GBP", "GBX": "GBP", "ILA": "ILS", "ZAc": "ZAR", "ZAX": "ZAR"}
"""Codes of prices in hundredths of a currency, pence for pounds -> the ISO 4217 code of the currency."""


def day_moment(day: date) -> datetime:
    """The moment that stands for the trading day `day`: its midnight in UTC."""
    return datetime.combine(day, time(), UTC)


def local_day(stamp: Any, zone: Any) -> date:
    """The date of an epoch second in the time zone called `zone`; raises ValueError where there is none."""
    return moment_of(stamp).astimezone(_zone(zone)).date()


def moment_of(stamp: Any) -> datetime:
    """An epoch second as UTC; raises ValueError for what is no second between 1900 and 2100."""
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not -2_208_988_800 <= stamp < 4_102_444_800:
        raise ValueError(f"no time in epoch seconds: {stamp!r}")
    return datetime.fromtimestamp(stamp, UTC)


def utc_of(local: datetime, zone: Any) -> datetime:
    """A local time without offset in the time zone called `zone`, as UTC; raises ValueError where there is none."""
    if local.tzinfo is not None or not 1900 <= local.year < 2100:
        raise ValueError(f"no local time: {local.isoformat()}")
    return local.replace(tzinfo=_zone(zone)).astimezone(UTC)


def in_units(currency: Any) -> tuple[str, int]:
    """The ISO 4217 code of `currency`, and by what to divide its prices: 100 for pence and their like, else 1."""
    if not isinstance(currency, str) or not currency.strip():
        raise ValueError(f"no currency: {currency!r}")
    if currency in HUNDREDTHS:
        return HUNDREDTHS[currency], 100
    return currency.upper(), 1


def _zone(name: Any) -> ZoneInfo:
    if not isinstance(name, str):
        raise ValueError(f"no time zone: {name!r}")
    return _zone_named(name)


@cache
def _zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error
