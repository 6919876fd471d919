"""The bars of CoinGecko: its candles and price series as payloads, one per bar, and those as canonical rows.

A payload is a small dict with the numbers as received: `{"coin", "currency", "interval", "candle"}` for /ohlc,
`{"coin", "currency", "interval", "points"}` for /market_chart. Times of the upstream are epoch milliseconds.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

INTERVALS = {
    "5m": timedelta(minutes=5),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "4d": timedelta(days=4),
}
_BAR_FIELDS = {
    "symbol": "coin",
    "asset_class": "(always crypto)",
    "interval": "interval",
    "currency": "currency",
}
CANDLE_FIELDS = {
    "bar_id": "coin | currency | interval | candle",
    **_BAR_FIELDS,
    "opened_at": "candle (its close, less the interval)",
    **dict.fromkeys(("open", "high", "low", "close"), "candle"),
}
PRICE_FIELDS = {
    "bar_id": "coin | currency | interval | points",
    **_BAR_FIELDS,
    "opened_at": "points (of the first, on the grid of the interval)",
    **dict.fromkeys(("close", "market_cap", "volume"), "points (of the last)"),
    "volume_unit": "(always currency)",
}
LATEST_STAMP = 4_102_444_800_000
"""Midnight of 2100-01-01 in epoch milliseconds."""


def stamp_of(item: Any) -> float | None:
    """The epoch milliseconds that head a candle or a point, None where there are none between 1970 and 2100."""
    stamp = item[0] if isinstance(item, list) and item else None
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 <= stamp < LATEST_STAMP:
        return None
    return stamp


def _moment(item: Any) -> datetime:
    stamp = stamp_of(item)
    if stamp is None:
        raise ValueError(f"a candle or point must start with its time in epoch milliseconds, not {item!r}")
    return datetime.fromtimestamp(stamp / 1000, UTC)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a price, volume or capitalisation must be a number, not {value!r}")
    return float(value)


def interval_of(items: Sequence[Any], otherwise: str) -> str:
    """The interval nearest to the spacing of the stamps that head `items`; the last gap counts only if it is alone."""
    stamps = sorted({stamp for stamp in map(stamp_of, items) if stamp is not None})
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    if not gaps:
        return otherwise
    # Without the last gap: the newest point is "now" and stands off the grid.
    usual = median(gaps[:-1] or gaps)
    return min(INTERVALS, key=lambda name: abs(math.log(usual / (INTERVALS[name].total_seconds() * 1000))))


def _bar_id(payload: Mapping[str, Any], opened: datetime) -> str:
    return f"coingecko:{payload['coin']}:{payload['currency']}:{payload['interval']}:{opened:%Y-%m-%dT%H:%MZ}"


def _bar(payload: Mapping[str, Any], bar_id: str, opened: datetime | None, **values: float | None) -> dict[str, Any]:
    return {
        "bar_id": bar_id,
        "symbol": payload["coin"],
        "asset_class": "crypto",
        "interval": payload["interval"],
        "opened_at": opened,
        "currency": payload["currency"].upper(),
        **values,
    }


def identify_candle(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and opening of a candle; the upstream stamps it with its close."""
    opened = _moment(payload["candle"]) - INTERVALS[payload["interval"]]
    return _bar_id(payload, opened), opened


def parse_candle(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A candle as a market bar; /ohlc has no volume."""
    bar_id, opened = identify_candle(payload)
    if len(payload["candle"]) != 5:
        raise ValueError(f"a candle must be [time, open, high, low, close], not {payload['candle']!r}")
    _, first, high, low, last = payload["candle"]
    values = {"open": _number(first), "high": _number(high), "low": _number(low), "close": _number(last)}
    return _bar(payload, bar_id, opened, **values)


def joined(coin: str, currency: str, body: Mapping[str, Any], ends_now: bool) -> list[dict[str, Any]]:
    """A payload per bar: its points `[ms, price, market cap, volume]`, joined by stamp and grouped on the grid.

    The point of the present is left out where its bar has one already, or every fetch would change that bar.
    """
    interval = interval_of(body["prices"], "1h")
    grid = INTERVALS[interval] // timedelta(milliseconds=1)
    caps, volumes = _by_stamp(body.get("market_caps")), _by_stamp(body.get("total_volumes"))
    bars: dict[float, list[Any]] = {}
    broken: list[list[Any]] = []
    for place, point in enumerate(body["prices"], start=1):
        stamp = stamp_of(point)
        if stamp is None:
            broken.append([point])
            continue
        points = bars.setdefault(stamp // grid, [])
        if points and ends_now and place == len(body["prices"]):
            continue
        points.append([*point, caps.get(stamp), volumes.get(stamp)])
    head = {"coin": coin, "currency": currency, "interval": interval}
    return [{**head, "points": points} for points in (*bars.values(), *broken)]


def _by_stamp(series: Any) -> dict[float, Any]:
    points = series if isinstance(series, list) else []
    return {stamp: point[1] for point in points if (stamp := stamp_of(point)) is not None and len(point) == 2}


def identify_price(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and opening of a bar of points: the stamp of the first, snapped to the grid of the interval."""
    span = INTERVALS[payload["interval"]].total_seconds()
    seconds = _moment(payload["points"][0]).timestamp()
    opened = datetime.fromtimestamp(seconds // span * span, UTC)
    return _bar_id(payload, opened), opened


def parse_price(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A bar of points as a market bar: the last point is the close; points are samples, so no open, high or low."""
    bar_id, opened = identify_price(payload)
    if len(payload["points"][-1]) != 4:
        raise ValueError(f"a point must be [time, price, market cap, volume], not {payload['points'][-1]!r}")
    _, price, cap, volume = payload["points"][-1]
    values = {"close": _number(price), "market_cap": _number(cap), "volume": _number(volume)}
    # What was traded in 24 hours, of all coins in the currency that was asked for.
    unit = None if values["volume"] is None else "currency"
    return {**_bar(payload, bar_id, opened, **values), "volume_unit": unit}
