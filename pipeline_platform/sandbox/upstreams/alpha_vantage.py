"""Alpha Vantage as the sandbox shows it: the bars of the exchanges of the world, and errors with status 200.

Wire format: https://www.alphavantage.co/documentation/. A free key has 25 requests a day, the last 100 days and no
adjusted closes or bars within the day; a premium key has no such limits.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox import exchange
from pipeline_platform.sandbox.exchange import COIN, FUND, NEW_YORK, RATE, Bar
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import World

FREE_KEY, PREMIUM_KEY = "SANDBOXFREEKEY25", "SANDBOXPREMIUMKEY"
FREE_REQUESTS = 25
COMPACT = 100
COIN_DAYS = 350
"""Days that DIGITAL_CURRENCY_DAILY goes back."""
MALFORMED_SHARE = 0.003
SYMBOLS = {"EUR/USD": RATE, "BTC/USD": COIN}
SITE = "https://www.alphavantage.co"


class ApiError(Exception):
    """An error answer: the name of its one field and its text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.body = {name: text}


def invalid_call(function: str) -> ApiError:
    """What an unknown function, symbol or parameter gets."""
    return ApiError(
        "Error Message",
        f"Invalid API call. Please retry or visit the documentation ({SITE}/documentation/) for {function}.",
    )


def premium_only() -> ApiError:
    """What a free key gets for a premium function."""
    return ApiError(
        "Information",
        "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans "
        f"at {SITE}/premium/ to instantly unlock all premium endpoints",
    )


class Market:
    """The series of the world in the shapes of Alpha Vantage.

    Args:
        world: gives prices, time and flaws.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def daily(self, symbol: str, days: list[date], adjusted: bool) -> dict[str, Any]:
        """Bars by date, newest first."""
        asset = SYMBOLS.get(symbol, symbol)
        series: dict[str, Any] = {}
        for day in reversed(days):
            if (bar := exchange.daily(self.world, asset, day)) is None:
                continue
            bar = bar.times(exchange.disagreement(self.world, asset, day))
            factor = exchange.adjustment(self.world, asset, day) if adjusted else None
            series[day.isoformat()] = self._shown(f"alpha_vantage:{symbol}:usd:1d:{day}", day, asset, bar, factor)
        return series

    def intraday(self, symbol: str, days: list[date], minutes: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Bars by local time, newest first."""
        asset = SYMBOLS.get(symbol, symbol)
        zone = NEW_YORK if exchange.hours_of(asset) == "session" else UTC
        interval = "1h" if minutes == 60 else f"{minutes}m"
        for day in reversed(days):
            for bar in reversed(list(exchange.intraday(self.world, asset, day, timedelta(minutes=minutes)))):
                bar_id = f"alpha_vantage:{symbol}:usd:{interval}:{bar.opened:%Y-%m-%dT%H:%MZ}"
                local = bar.opened.astimezone(zone)
                yield f"{local:%Y-%m-%d %H:%M:%S}", self._shown(bar_id, bar.opened.date(), asset, bar, None)

    def _shown(self, bar_id: str, day: date, asset: str, bar: Bar, factor: float | None) -> dict[str, Any]:
        rule = self._rule(bar_id)
        if rule is not None:
            self.world.plant("alpha_vantage", bar_id, rule, day)
            bar = bar.breaking(rule)
        prices = (bar.open, bar.high, bar.low, bar.close)
        values = [f"{value:.4f}" for value in prices]
        names = ["open", "high", "low", "close"]
        if factor is not None:
            names.append("adjusted close")
            # The adjusted close of a broken bar is sound, so that it breaks one rule.
            values.append(f"{abs(bar.close) * factor:.4f}")
        if asset != RATE:
            names.append("volume")
            values.append(f"{bar.volume / 1000:.8f}" if asset == COIN else str(bar.volume))
        if factor is not None:
            names += ["dividend amount", "split coefficient"]
            values += [f"{exchange.dividend(self.world, asset, day) or 0:.4f}", "1.0"]
        shown = {f"{number}. {name}": value for number, (name, value) in enumerate(zip(names, values, strict=True), 1)}
        if rule == "malformed":
            shown["4. close"] = "n/a"
        return shown

    def _rule(self, bar_id: str) -> str | None:
        if self.world.rng("alpha-vantage-malformed", bar_id).random() < MALFORMED_SHARE:
            return "malformed"
        return self.world.flaw("market_bars", bar_id)


def _asked(request: Request, world: World, function: str) -> str:
    """The symbol that a request asks for, as the platform watches it."""
    query = request.query_params
    if function.startswith("FX_"):
        symbol = f"{query.get('from_symbol')}/{query.get('to_symbol')}"
    elif function.startswith(("DIGITAL_", "CRYPTO_")):
        symbol = f"{query.get('symbol')}/{query.get('market')}"
    else:
        symbol = query.get("symbol", "")
    wanted = [name for name in SYMBOLS if function.startswith("FX_") == (name == "EUR/USD")]
    if symbol not in (world.stocks if function.startswith("TIME_") else wanted):
        raise invalid_call(function)
    return symbol


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _daily(market: Market, function: str, symbol: str, full: bool) -> dict[str, Any]:
    world = market.world
    coin, rate = function == "DIGITAL_CURRENCY_DAILY", function == "FX_DAILY"
    first, today = world.days
    reach = COIN_DAYS - 1 if coin else (today - first).days if full else 2 * COMPACT
    days = _days(today - timedelta(days=reach), today)
    if not (coin or full):
        days = [day for day in days if exchange.session(SYMBOLS.get(symbol, symbol), day)][-COMPACT - 1 :]
    series = market.daily(symbol, days, adjusted=function == "TIME_SERIES_DAILY_ADJUSTED")
    if not (coin or full):
        series = dict(list(series.items())[:COMPACT])
    refreshed, size = next(iter(series), ""), "Full size" if full else "Compact"
    if coin:
        code, currency = symbol.split("/")
        meta = _numbered(
            ("Information", "Daily Prices and Volumes for Digital Currency"),
            ("Digital Currency Code", code),
            ("Digital Currency Name", "Bitcoin"),
            ("Market Code", currency),
            ("Market Name", "United States Dollar"),
            ("Last Refreshed", f"{refreshed} 00:00:00"),
            ("Time Zone", "UTC"),
        )
        return {"Meta Data": meta, "Time Series (Digital Currency Daily)": series}
    if rate:
        code, currency = symbol.split("/")
        meta = _numbered(
            ("Information", "Forex Daily Prices (open, high, low, close)"),
            ("From Symbol", code),
            ("To Symbol", currency),
            ("Output Size", size),
            ("Last Refreshed", f"{world.now():%Y-%m-%d %H:%M}:00"),
            ("Time Zone", "UTC"),
        )
        return {"Meta Data": meta, "Time Series FX (Daily)": series}
    information = "Daily Prices (open, high, low, close) and Volumes"
    if function == "TIME_SERIES_DAILY_ADJUSTED":
        information = "Daily Time Series with Splits and Dividend Events"
    meta = _numbered(
        ("Information", information),
        ("Symbol", symbol),
        ("Last Refreshed", refreshed),
        ("Output Size", size),
        ("Time Zone", "US/Eastern"),
    )
    return {"Meta Data": meta, "Time Series (Daily)": series}


def _numbered(*fields: tuple[str, str]) -> dict[str, str]:
    return {f"{number}. {name}": value for number, (name, value) in enumerate(fields, 1)}


def _intraday(market: Market, request: Request, symbol: str, interval: str, full: bool) -> dict[str, Any]:
    today = market.world.days[1]
    days = _days(today - timedelta(days=30 if full else 12), today)
    if month := request.query_params.get("month"):
        first = date.fromisoformat(f"{month}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        days = _days(first, min(last, today))
    bars = list(market.intraday(symbol, days, int(interval.removesuffix("min"))))
    series = dict(bars if full else bars[:COMPACT])
    meta = _numbered(
        ("Information", f"Intraday ({interval}) open, high, low, close prices and volume"),
        ("Symbol", symbol),
        ("Last Refreshed", next(iter(series), "")),
        ("Interval", interval),
        ("Output Size", "Full size" if full else "Compact"),
        ("Time Zone", "UTC" if symbol in SYMBOLS else "US/Eastern"),
    )
    kind = "Crypto" if symbol == "BTC/USD" else "FX " if symbol in SYMBOLS else ""
    return {"Meta Data": meta, f"Time Series {kind.strip()} ({interval})".replace("  ", " "): series}


def routes(world: World) -> list[Route]:
    """The one endpoint of Alpha Vantage."""
    market = Market(world)
    used: Counter[tuple[str, date]] = Counter()

    def answer(request: Request) -> dict[str, Any]:
        query = request.query_params
        key, function = query.get("apikey"), query.get("function", "")
        if key not in (FREE_KEY, PREMIUM_KEY):
            text = f"the parameter apikey is invalid or missing. Please claim your free API key on ({SITE}/support/"
            raise ApiError("Error Message", f"{text}#api-key). It should take less than 20 seconds.")
        used[key, world.now().date()] += 1
        if key == FREE_KEY and used[key, world.now().date()] > FREE_REQUESTS:
            raise ApiError(
                "Information",
                f"We have detected your API key as {key} and our standard API rate limit is {FREE_REQUESTS} requests "
                f"per day. Please subscribe to any of the premium plans at {SITE}/premium/ to instantly remove all "
                "daily rate limits.",
            )
        full = query.get("outputsize") == "full"
        if key == FREE_KEY and (full or function == "TIME_SERIES_DAILY_ADJUSTED" or function.endswith("_INTRADAY")):
            raise premium_only()
        if function in ("TIME_SERIES_DAILY", "TIME_SERIES_DAILY_ADJUSTED", "FX_DAILY", "DIGITAL_CURRENCY_DAILY"):
            return _daily(market, function, _asked(request, world, function), full)
        interval = query.get("interval", "")
        if function in ("TIME_SERIES_INTRADAY", "FX_INTRADAY", "CRYPTO_INTRADAY"):
            if not re.fullmatch("(1|5|15|30|60)min", interval):
                raise invalid_call(function)
            return _intraday(market, request, _asked(request, world, function), interval, full)
        raise ApiError("Error Message", f"This API function ({function}) does not exist.")

    async def query(request: Request) -> Response:
        try:
            return JSONResponse(answer(request))
        except ApiError as error:
            return JSONResponse(error.body)

    return [Route("/query", query)]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch what is traded in the world."""
    shares = [symbol for symbol in world.stocks if symbol != FUND]
    return {
        "symbols": shares,
        "funds": [FUND],
        "currencies": ["EUR/USD"],
        "crypto": ["BTC/USD"],
        "intraday": [*shares[:2], "BTC/USD"],
        "api_key": PREMIUM_KEY,
        "premium": True,
    }


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return invalid_call("TIME_SERIES_DAILY").body


CSV_SERIES = {
    "query?function=TIME_SERIES_INTRADAY": "Time Series (5min)",
    "query?function=intraday_5min_IBM": "Time Series (5min)",
    "query?function=daily_AMJ": "Time Series (Daily)",
    "query?function=DIGITAL_CURRENCY_DAILY": "Time Series (Digital Currency Daily)",
    "query?function=CRYPTO_INTRADAY": "Time Series Crypto (5min)",
}
"""Endpoint of a recording in CSV -> name of its series in JSON."""
LISTS = {
    r"Time Series FX \((Daily|\d+min)\)": "currencies",
    r"Time Series \(Digital Currency Daily\)|Time Series Crypto \(\d+min\)": "crypto",
    r"Time Series \((Daily|\d+min)\)": "symbols",
}
"""Name of a series that is in use -> the watch list that asks for it."""
ERRORS = ("Error Message", "Information", "Note")


def replay(recordings: list[Recording]) -> Replay:
    """Serve recorded series and errors, each to a symbol of its own (`S092`, `C118/USD`).

    Series recorded as CSV are served in the JSON form of their function, whose fields have the same names.
    """
    served: dict[str, tuple[str, dict[str, Any]]] = {}
    watched: dict[str, list[str]] = {"symbols": [], "currencies": [], "crypto": [], "intraday": []}
    unused: dict[str, str] = {}
    for recording in recordings:
        body = _body(recording)
        series = _series_of(body)
        if series is None:
            unused[recording.file] = f"function or form not in use: {recording.endpoint}"
            continue
        watch_list = next((name for form, name in LISTS.items() if re.fullmatch(form, series)), "symbols")
        code = f"{watch_list[0].upper()}{recording.file.split('/')[1][:3]}"
        entry = code if watch_list == "symbols" else f"{code}/{_currency(body)}"
        served[code] = (series, body)
        watched[watch_list].append(entry)
        if series.endswith("min)"):
            watched["intraday"].append(entry)

    async def query(request: Request) -> Response:
        asked = request.query_params.get("from_symbol") or request.query_params.get("symbol") or ""
        series, body = served.get(asked, ("", {}))
        if series not in ERRORS and ("INTRADAY" in request.query_params.get("function", "")) != series.endswith("min)"):
            body = invalid_call("this symbol").body  # it was recorded for the other stream
        return JSONResponse(body)

    return Replay(
        routes=[Route("/query", query)],
        # All of history, as recordings are years old.
        watch={**watched, "funds": [], "api_key": PREMIUM_KEY, "premium": True, "requests_per_day": 100_000},
        unused=unused,
    )


def _body(recording: Recording) -> dict[str, Any]:
    """The recorded answer, in JSON form; empty for what is no object."""
    if not recording.file.endswith(".csv"):
        body = json.loads(recording.body)
        return body if isinstance(body, dict) else {}
    if (series := CSV_SERIES.get(recording.endpoint)) is None:
        return {}
    rows = list(csv.DictReader(io.StringIO(recording.body.decode())))
    columns = [column for column in rows[0] if column != "timestamp"]
    bars = {
        row["timestamp"]: {f"{number}. {name}": row[name] for number, name in enumerate(columns, 1)} for row in rows
    }
    zone = "UTC" if "C" in series else "US/Eastern"  # of coins, the names of whose series say so
    return {"Meta Data": {"1. Time Zone": zone}, series: bars}


def _series_of(body: dict[str, Any]) -> str | None:
    """The field that holds a series in use, or an error; None where there is neither."""
    forms = "|".join(LISTS)
    return next((name for name in body if name in ERRORS or re.fullmatch(forms, name)), None)


def _currency(body: dict[str, Any]) -> str:
    meta = body["Meta Data"]
    return next((meta[name] for name in meta if name.endswith(("To Symbol", "Market Code"))), "USD")
