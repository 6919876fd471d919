"""What Yahoo's chart and quote tell, as one payload per bar, action or quote, and those as canonical rows.

A bar or action has, beside its own values as received, what the chart says once: `symbol`, `currency`, `type` (Yahoo's
instrumentType) and `time_zone` of the exchange. A quote is the object as received.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from pipeline_platform.sources.errors import Malformed
from pipeline_platform.sources.exchanges import day_moment, in_units, local_day, moment_of

ASSET_CLASSES = {
    "EQUITY": "equity",
    "ETF": "fund",
    "MUTUALFUND": "fund",
    "INDEX": "index",
    "CURRENCY": "currency",
    "CRYPTOCURRENCY": "crypto",
    "FUTURE": "commodity",
}
"""Type of an instrument -> asset class; futures on indices and currencies pass for commodities."""

VOLUME_UNITS = {**dict.fromkeys(ASSET_CLASSES, "shares"), **dict.fromkeys(("CURRENCY", "CRYPTOCURRENCY"), "currency")}
VOLUME_UNITS["FUTURE"] = "contracts"
"""Type -> what its volume counts: of coins the value, and not the coins."""

UNCOUNTED = ("INDEX", "CURRENCY", "MUTUALFUND")
"""Types whose volume nobody counts: a zero there means unknown."""

ACTIONS = {"dividends": "dividend", "splits": "split", "capitalGains": "capital_gain"}
"""Events of a chart -> type of the action; earnings are no action on the share."""

PRICES = ("open", "high", "low", "close")


def chart_of(body: Any, symbol: str) -> Mapping[str, Any]:
    """The one result of a chart; raises Malformed where there is none."""
    chart = body.get("chart") if isinstance(body, Mapping) else None
    results = chart.get("result") if isinstance(chart, Mapping) else None
    result = results[0] if isinstance(results, list) and results else None
    if not isinstance(result, Mapping) or not isinstance(result.get("meta"), Mapping):
        raise Malformed(f"Yahoo's chart of {symbol} has no result")
    return result


def _head(result: Mapping[str, Any]) -> dict[str, Any]:
    meta = result["meta"]
    return {
        "symbol": meta.get("symbol"),
        "currency": meta.get("currency"),
        "type": meta.get("instrumentType"),
        "time_zone": meta.get("exchangeTimezoneName"),
    }


def bars_of(result: Mapping[str, Any], symbol: str) -> Iterator[dict[str, Any]]:
    """A payload per trading day.

    A time for which all values are null is left out: the upstream says by it that there was no trade. No times at all
    mean that the span has no trading day. Today's bar is stamped with the latest trade and may come beside one that is
    stamped with the opening; the later one tells more.
    """
    interval = result["meta"].get("dataGranularity")
    if interval != "1d":
        raise Malformed(f"Yahoo's chart of {symbol} has bars of {interval}, where 1d was asked for")
    stamps = result.get("timestamp") or []
    series = _series(result, symbol, stamps)
    head = {**_head(result), "interval": interval}
    bars: dict[Any, dict[str, Any]] = {}
    for place, stamp in enumerate(stamps):
        values = {name: column[place] for name, column in series.items()}
        if any(value is not None for value in values.values()):
            payload = {**head, "timestamp": stamp, **values}
            bars[_day_or_place(payload, place)] = payload
    yield from bars.values()


def _day_or_place(payload: Mapping[str, Any], place: int) -> Any:
    try:
        return local_day(payload["timestamp"], payload["time_zone"])
    except ValueError:
        return place


def _series(result: Mapping[str, Any], symbol: str, stamps: Any) -> dict[str, list[Any]]:
    indicators = result.get("indicators")
    if not isinstance(stamps, list) or not isinstance(indicators, Mapping):
        raise Malformed(f"Yahoo's chart of {symbol} has no lists of times and values")
    series: dict[str, list[Any]] = {}
    for indicator in ("quote", "adjclose"):
        found = indicators.get(indicator)
        columns = found[0] if isinstance(found, list) and found else None
        for name, column in columns.items() if isinstance(columns, Mapping) else ():
            # What does not stand beside its time cannot be told apart from what stands beside another.
            if not isinstance(column, list) or len(column) != len(stamps):
                raise Malformed(f"Yahoo's chart of {symbol} has another number of {name} than of times")
            series[name] = column
    if stamps and not series:
        raise Malformed(f"Yahoo's chart of {symbol} has times without values")
    return series


def actions_of(result: Mapping[str, Any], symbol: str) -> Iterator[dict[str, Any]]:
    """A payload per dividend, split and distribution of capital gains."""
    events = result.get("events") or {}
    if not isinstance(events, Mapping):
        raise Malformed(f"Yahoo's chart of {symbol} has events that are no object")
    for name in ACTIONS:
        found = events.get(name) or {}
        if not isinstance(found, Mapping):
            raise Malformed(f"Yahoo's chart of {symbol} has {name} that are no object")
        for event in found.values():
            values = event if isinstance(event, Mapping) else {"event": event}
            yield {**_head(result), "action": name, **values}


def identify_bar(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id and opening of a daily bar: midnight UTC of the date that its stamp has at the exchange."""
    day = local_day(payload["timestamp"], payload["time_zone"])
    return _bar_id(payload["symbol"], payload["currency"], day), day_moment(day)


def _bar_id(symbol: Any, currency: Any, day: date) -> str:
    return f"yahoo:{_symbol(symbol)}:{in_units(currency)[0].lower()}:1d:{day}"


def _symbol(symbol: Any) -> str:
    if not isinstance(symbol, str) or not symbol:
        raise TypeError(f"a symbol is text, not {symbol!r}")
    return symbol


def parse_bar(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A daily bar, adjusted for splits; `adjusted_close` also for the dividends that were known at the fetch."""
    bar_id, opened = identify_bar(payload)
    currency, divisor = in_units(payload["currency"])
    volume = _volume(payload.get("volume"), payload["type"])
    return {
        "bar_id": bar_id,
        "symbol": payload["symbol"],
        "asset_class": ASSET_CLASSES[payload["type"]],
        "interval": payload["interval"],
        "opened_at": opened,
        "currency": currency,
        **{name: price(payload[name], divisor) for name in PRICES},
        "volume": volume,
        "volume_unit": None if volume is None else VOLUME_UNITS[payload["type"]],
        "adjusted_close": price(payload.get("adjclose"), divisor),
    }


def _volume(value: Any, instrument: str) -> float | None:
    volume = _number(value)
    return None if volume == 0 and instrument in UNCOUNTED else volume


def identify_action(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id of an action by its date at the exchange, and the first moment of trading with it."""
    day = local_day(payload["date"], payload["time_zone"])
    kind = ACTIONS[payload["action"]]
    return f"yahoo:{_symbol(payload['symbol'])}:{kind}:{day}", moment_of(payload["date"])


def parse_action(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A dividend or distribution with its amount, or a split with its ratio."""
    action_id, occurred = identify_action(payload)
    row: dict[str, Any] = {
        "action_id": action_id,
        "symbol": payload["symbol"],
        "action_type": ACTIONS[payload["action"]],
        "occurred_at": occurred,
    }
    if payload["action"] == "splits":
        after, before = _number(payload["numerator"]), _number(payload["denominator"])
        if after is None or not before:
            raise ValueError(f"a split of {payload['numerator']!r} shares for {payload['denominator']!r}")
        return {**row, "ratio": after / before}
    currency, divisor = in_units(payload["currency"])
    amount = price(payload["amount"], divisor)
    if amount is None:
        raise ValueError("a payment without an amount")
    return {**row, "amount": amount, "currency": currency}


def identify_quote(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id (one per symbol and trading day) and the day of the latest trade."""
    day = local_day(payload["regularMarketTime"], payload["exchangeTimezoneName"])
    return f"{_bar_id(payload['symbol'], payload['currency'], day)}:quote", day_moment(day)


def parse_quote(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A quote as a bar of its trading day that has the latest price and the market capitalisation, and no more.

    Open, high, low and volume are in the bar of the chart: told twice, the volume of a day would count double.
    """
    bar_id, opened = identify_quote(payload)
    currency, divisor = in_units(payload["currency"])
    return {
        "bar_id": bar_id,
        "symbol": payload["symbol"],
        "asset_class": ASSET_CLASSES[payload["quoteType"]],
        "interval": "1d",
        "opened_at": opened,
        "currency": currency,
        "close": price(payload["regularMarketPrice"], divisor),
        # In the currency itself, where prices are in hundredths too.
        "market_cap": _number(payload.get("marketCap")),
    }


def price(value: Any, divisor: int = 1) -> float | None:
    """A price without the noise of single precision (75.0875015258789 was 75.0875), in units of its currency."""
    number = _number(value)
    if number is None:
        return None
    for digits in range(6, 10):
        shorter = float(f"{number:.{digits}g}")
        if _single(shorter) == number:
            return shorter / divisor
    return number / divisor


def _single(number: float) -> float | None:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return None


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a price, volume or amount must be a number, not {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"no number: {value!r}")
    return number
