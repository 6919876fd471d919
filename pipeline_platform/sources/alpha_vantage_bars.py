"""The bars of Alpha Vantage: one payload per bar, and those as canonical rows.

A payload is the bar as received (`"1. open": "227.4900"`; every value is a string) with what the answer says once, or
what was asked for: `symbol`, `asset_class`, `currency`, `interval` (`1d`, or `30min`), `time_zone` and `date`. The
numbers before the names differ between functions, so fields are found by name.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from pipeline_platform.sources.exchanges import day_moment, in_units, utc_of

INTERVALS = {"1min": "1m", "5min": "5m", "15min": "15m", "30min": "30m", "60min": "1h"}
"""Interval as the upstream names it -> as the platform does."""
VOLUME_UNITS = {"equity": "shares", "fund": "shares", "crypto": "coins", "currency": "currency"}
"""Asset class -> what its volume counts; rates come without one."""
UNKNOWN = ("None", "-")
"""What stands for a missing number."""


def identify_daily(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and opening of a daily bar: midnight UTC of the date that the upstream gives."""
    opened = day_moment(date.fromisoformat(payload["date"]))
    return f"{_prefix(payload)}:1d:{opened:%Y-%m-%d}", opened


def parse_daily(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A daily bar; only the adjusted series has an adjusted close."""
    bar_id, opened = identify_daily(payload)
    if payload["interval"] != "1d":
        raise ValueError(f"a daily bar has the interval 1d, not {payload['interval']!r}")
    return {**_bar(payload, bar_id, opened), "interval": "1d", "adjusted_close": _price(payload, "adjusted close")}


def identify_intraday(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and opening of a bar within a day.

    The upstream does not say whether a stamp begins or ends its bar. It begins it: the last bar of extended trading,
    which ends at 20:00, is stamped 19:55, and the newest bar of a coin has a stamp in the past and little volume.
    """
    opened = utc_of(datetime.fromisoformat(payload["date"]), payload["time_zone"])
    return f"{_prefix(payload)}:{INTERVALS[payload['interval']]}:{opened:%Y-%m-%dT%H:%MZ}", opened


def parse_intraday(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A bar within a day."""
    bar_id, opened = identify_intraday(payload)
    return {**_bar(payload, bar_id, opened), "interval": INTERVALS[payload["interval"]]}


def _prefix(payload: Mapping[str, Any]) -> str:
    symbol, currency = payload["symbol"], payload["currency"]
    if not isinstance(symbol, str):
        raise TypeError(f"a symbol is text, not {symbol!r}")
    return f"alpha_vantage:{symbol}:{in_units(currency)[0].lower()}"


def _bar(payload: Mapping[str, Any], bar_id: str, opened: datetime) -> dict[str, Any]:
    volume = _number(payload, "volume")
    return {
        "bar_id": bar_id,
        "symbol": payload["symbol"],
        "asset_class": payload["asset_class"],
        "opened_at": opened,
        "currency": in_units(payload["currency"])[0],
        **{name: _price(payload, name) for name in ("open", "high", "low", "close")},
        "volume": volume,
        "volume_unit": None if volume is None else VOLUME_UNITS[payload["asset_class"]],
    }


def _price(payload: Mapping[str, Any], name: str) -> float | None:
    number = _number(payload, name)
    return None if number is None else number / in_units(payload["currency"])[1]


def _number(payload: Mapping[str, Any], name: str) -> float | None:
    """The field `name`, in the currency of the bar where an old answer gives two; None where it is missing."""
    key = next((key for key in payload if _tells(key, name, payload["currency"])), None)
    if key is None:
        return None
    value = payload[key]
    if not isinstance(value, str):
        raise TypeError(f"{key!r} must be a string, not {value!r}")
    if value in UNKNOWN:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{key!r} is no number: {value!r}")
    return number


def _tells(key: str, name: str, currency: Any) -> bool:
    found = _named(name).fullmatch(key)
    return found is not None and found["currency"] in (None, currency)


@cache
def _named(name: str) -> re.Pattern[str]:
    return re.compile(rf"\d+[ab]?\. {re.escape(name)}(?: \((?P<currency>\w+)\))?")
