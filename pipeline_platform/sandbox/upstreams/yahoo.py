"""Yahoo Finance as the sandbox shows it: charts with events, and quotes behind a cookie and a crumb.

Nobody documents the wire format; it follows answers of v8/finance/chart and v7/finance/quote. Prices carry the noise of
single precision, and times without trade have null in every list, as there.
"""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox import exchange
from pipeline_platform.sandbox.exchange import COIN, FUND, NEW_YORK, OPENS, RATE, Bar
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import World

COOKIE, CRUMB = "A3=d=sandbox&S=AQABQUAY", "Qu4yCrumb.x"
NO_TRADE_SHARE = 0.01
DAYS_SHOWN = 30
"""Days of a chart that names no period."""
COOKIE_PAGE = "quote/AAPL"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What stands behind a symbol: Yahoo's type and time zone, an asset of the exchanges, and its multiple."""

    kind: str
    asset: str
    zone: str = "America/New_York"
    multiple: float = 1.0


DAILY_FUND = "QUAYX"
"""A money market fund that is worth 1, every day of the week, and pays its interest daily."""
DAILY_INTEREST = 0.0001
GAINS_DAY, GAINS = 15, 0.0025
"""Day of the month on which it distributes capital gains, and how much."""


def instruments(world: World) -> dict[str, Instrument]:
    """What can be asked for, by symbol."""
    shares = {share: Instrument("ETF" if share == FUND else "EQUITY", share) for share in world.stocks}
    return {
        **shares,
        "^GSPC": Instrument("INDEX", FUND, multiple=10.0),
        "EURUSD=X": Instrument("CURRENCY", RATE, "Europe/London"),
        "BTC-USD": Instrument("CRYPTOCURRENCY", COIN, "UTC"),
        DAILY_FUND: Instrument("MUTUALFUND", DAILY_FUND),
    }


class ApiError(Exception):
    """An error answer: its status, the envelope of its endpoint, and its code and words."""

    def __init__(self, status: int, envelope: str, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {envelope: {"result": None, "error": {"code": code, "description": description}}}


def single(number: float) -> float:
    """`number` in single precision, as Yahoo keeps prices: 75.0875 becomes 75.0875015258789."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


class Market:
    """The instruments of the world in the shapes of Yahoo.

    Args:
        world: gives prices, time and flaws.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.instruments = instruments(world)

    def sound(self, symbol: str, day: date) -> Bar | None:
        """The bar of a day before anything is broken."""
        instrument = self.instruments[symbol]
        if symbol == DAILY_FUND:
            opened = datetime.combine(day, OPENS, NEW_YORK).astimezone(UTC)
            return Bar(opened, 1.0, 1.0, 1.0, 1.0, 0) if opened <= self.world.now() else None
        found = exchange.daily(self.world, instrument.asset, day)
        return found and found.times(instrument.multiple)

    def bar(self, symbol: str, day: date) -> tuple[int, list[Any]] | None:
        """Stamp, and open, high, low, close, volume and adjusted close, of a day; nulls where nobody traded."""
        found = self.sound(symbol, day)
        if found is None:
            return None
        stamp = self._stamp(symbol, found, day)
        if self.world.rng("yahoo-no-trade", symbol, day).random() < NO_TRADE_SHARE:
            return stamp, [None] * 6
        instrument = self.instruments[symbol]
        factor = exchange.adjustment(self.world, instrument.asset, day) if instrument.asset in self.world.stocks else 1
        adjusted = single(round(found.close * factor, 4))
        bar_id = f"yahoo:{symbol}:usd:1d:{day}"
        if rule := self.world.flaw("market_bars", bar_id):
            self.world.plant("yahoo", bar_id, rule, day)
            found = found.breaking(rule)
        prices = [single(value) for value in (found.open, found.high, found.low, found.close)]
        volume = 0 if instrument.kind in ("CURRENCY", "INDEX", "MUTUALFUND") else found.volume
        return stamp, [*prices, volume, adjusted]

    def _stamp(self, symbol: str, bar: Bar, day: date) -> int:
        # The bar of the present has the stamp of its latest trade.
        span = None if symbol == DAILY_FUND else exchange.session(self.instruments[symbol].asset, day)
        now = self.world.now()
        return int((now if span and now < span[1] else bar.opened).timestamp())

    def events(self, symbol: str, day: date) -> list[tuple[str, int, dict[str, Any]]]:
        """Sort, stamp and values of what is paid or split on a day."""
        found = self.sound(symbol, day)
        if found is None:
            return []
        stamp = int(found.opened.timestamp())
        asset = self.instruments[symbol].asset
        happened: list[tuple[str, int, dict[str, Any]]] = []
        paid = exchange.dividend(self.world, asset, day) if symbol in self.world.stocks else None
        if symbol == DAILY_FUND:
            paid = DAILY_INTEREST
            if day.day == GAINS_DAY:
                happened.append(("capitalGains", stamp, self._payment(symbol, "capital_gain", day, GAINS, stamp)))
        if paid:
            happened.append(("dividends", stamp, self._payment(symbol, "dividend", day, paid, stamp)))
        if ratio := exchange.SPLITS.get((symbol, day)):
            after, before = ratio
            split = {"date": stamp, "numerator": after, "denominator": before, "splitRatio": f"{after}:{before}"}
            happened.append(("splits", stamp, split))
        return happened

    def _payment(self, symbol: str, kind: str, day: date, amount: float, stamp: int) -> dict[str, Any]:
        action_id = f"yahoo:{symbol}:{kind}:{day}"
        if rule := self.world.flaw("market_actions", action_id):
            self.world.plant("yahoo", action_id, rule, day)
            amount = -amount
        return {"amount": amount, "date": stamp}

    def latest(self, symbol: str) -> tuple[date, Bar]:
        """The newest trading day that has begun, and its bar."""
        day = self.world.now().date()
        while (found := self.sound(symbol, day)) is None:
            day -= timedelta(days=1)
        return day, found

    def quote(self, symbol: str) -> dict[str, Any]:
        """The quote of a symbol as it is now."""
        day, found = self.latest(symbol)
        instrument = self.instruments[symbol]
        latest: float = found.close
        bar_id = f"yahoo:{symbol}:usd:1d:{day}:quote"
        if self.world.flaw("market_bars", bar_id):
            # A quote has no open, high or low whose order could be wrong.
            self.world.plant("yahoo", bar_id, "price_positive", day)
            latest = -latest
        span = None if symbol == DAILY_FUND else exchange.session(instrument.asset, day)
        traded = min(self.world.now(), span[1] - timedelta(seconds=1)) if span else found.opened
        shown: dict[str, Any] = {
            "language": "en-US",
            "region": "US",
            "quoteType": instrument.kind,
            "symbol": symbol,
            "shortName": symbol,
            "currency": "USD",
            "exchangeTimezoneName": instrument.zone,
            "marketState": "REGULAR" if span and self.world.now() < span[1] else "CLOSED",
            "regularMarketTime": int(traded.timestamp()),
            "regularMarketPrice": latest,
            "regularMarketOpen": found.open,
            "regularMarketDayHigh": found.high,
            "regularMarketDayLow": found.low,
            "regularMarketVolume": found.volume,
            "priceHint": 2,
        }
        if instrument.kind in ("EQUITY", "ETF", "CRYPTOCURRENCY"):
            shown["marketCap"] = int(found.close * self.world.rng("yahoo-supply", symbol).randrange(10**8, 10**10))
        return shown


def _period(request: Request, world: World) -> tuple[datetime, datetime]:
    now = world.now()
    times = []
    for name, otherwise in (("period1", now - timedelta(days=DAYS_SHOWN)), ("period2", now)):
        text = request.query_params.get(name, str(int(otherwise.timestamp())))
        if not re.fullmatch(r"-?\d{1,11}", text):
            raise ApiError(400, "chart", "Bad Request", f"Invalid value for {name}")
        times.append(datetime.fromtimestamp(int(text), UTC))
    if times[1] <= times[0]:
        raise ApiError(400, "chart", "Bad Request", "Invalid input - start date cannot be after end date.")
    return times[0], times[1]


def _chart(market: Market, request: Request) -> dict[str, Any]:
    symbol, interval = request.path_params["symbol"], request.query_params.get("interval", "1d")
    if symbol not in market.instruments:
        raise ApiError(404, "chart", "Not Found", "No data found, symbol may be delisted")
    if interval != "1d":
        raise ApiError(422, "chart", "Unprocessable Entity", f"Invalid input - interval={interval} is not supported")
    start, end = _period(request, market.world)
    first, last = market.world.days
    day, final = max(start.date() - timedelta(days=1), first), min(end.date() + timedelta(days=1), last)
    bars, events = [], []
    while day <= final:
        if (bar := market.bar(symbol, day)) and start.timestamp() <= bar[0] < end.timestamp():
            bars.append(bar)
        events += [event for event in market.events(symbol, day) if start.timestamp() <= event[1] < end.timestamp()]
        day += timedelta(days=1)
    instrument = market.instruments[symbol]
    result: dict[str, Any] = {
        "meta": {
            "currency": "USD",
            "symbol": symbol,
            "instrumentType": instrument.kind,
            "regularMarketTime": int(market.world.now().timestamp()),
            "exchangeTimezoneName": instrument.zone,
            "regularMarketPrice": market.latest(symbol)[1].close,
            "priceHint": 2,
            "dataGranularity": interval,
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
        },
        "indicators": {"quote": [{}]},
    }
    wanted = set(re.split(r"[|,]", request.query_params.get("events", "")))
    for sort, word in (("dividends", "div"), ("splits", "split"), ("capitalGains", "capitalGain")):
        found = {str(stamp): values for name, stamp, values in events if name == sort and word in wanted}
        if found:
            result.setdefault("events", {})[sort] = found
    if bars:
        names = ("open", "high", "low", "close", "volume", "adjclose")
        columns = dict(zip(names, map(list, zip(*(values for _, values in bars), strict=True)), strict=True))
        result["timestamp"] = [stamp for stamp, _ in bars]
        result["indicators"] = {"adjclose": [{"adjclose": columns.pop("adjclose")}], "quote": [columns]}
    return {"chart": {"result": [result], "error": None}}


def _quotes(market: Market, request: Request) -> dict[str, Any]:
    if COOKIE not in request.headers.get("cookie", "") or request.query_params.get("crumb") != CRUMB:
        raise ApiError(401, "finance", "Unauthorized", "Invalid Crumb")
    symbols = request.query_params.get("symbols", "").split(",")
    known = [market.quote(symbol) for symbol in symbols if symbol in market.instruments]
    return {"quoteResponse": {"result": known, "error": None}}


async def _page(_request: Request) -> Response:
    answer = HTMLResponse("<!DOCTYPE html><html><head><title>Quote</title></head><body></body></html>")
    answer.headers.append("Set-Cookie", "A1=d=other; Domain=.yahoo.com; Path=/; Secure; HttpOnly")
    answer.headers.append("Set-Cookie", f"{COOKIE}; Domain=.yahoo.com; Path=/; Secure; HttpOnly")
    return answer


def routes(world: World) -> list[Route]:
    """The endpoints of Yahoo that the platform asks for."""
    market = Market(world)

    async def chart(request: Request) -> Response:
        try:
            return JSONResponse(_chart(market, request))
        except ApiError as error:
            return JSONResponse(error.body, error.status)

    async def quotes(request: Request) -> Response:
        try:
            return JSONResponse(_quotes(market, request))
        except ApiError as error:
            return JSONResponse(error.body, error.status)

    async def crumb(request: Request) -> Response:
        if COOKIE not in request.headers.get("cookie", ""):
            return JSONResponse(ApiError(401, "finance", "Unauthorized", "Invalid Cookie").body, 401)
        return PlainTextResponse(CRUMB)

    return [
        Route("/v8/finance/chart/{symbol}", chart),
        Route("/v7/finance/quote", quotes),
        Route("/v1/test/getcrumb", crumb),
        Route("/quote/{symbol}", _page),
    ]


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch the instruments of the world."""
    return {"symbols": list(instruments(world)), "cookie_page": COOKIE_PAGE}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return ApiError(200, "chart", "Internal Server Error", "The backend did not answer").body


def replay(recordings: list[Recording]) -> Replay:
    """Serve recorded charts and quotes as symbols (`AAPL-002-049`), one of each to a symbol while they last."""
    found: dict[str, list[Recording]] = {"chart": [], "quote": []}
    unused: dict[str, str] = {}
    crumb = CRUMB
    for recording in recordings:
        kind = _kind(recording)
        if kind == "crumb":
            crumb = recording.body.decode()
        elif kind in found:
            found[kind].append(recording)
        else:
            unused[recording.file] = kind
    served: dict[tuple[str, str], Recording] = {}
    symbols: list[str] = []
    for pair in zip_longest(found["chart"], found["quote"]):
        present = [recording for recording in pair if recording]
        numbers = [recording.file.split("/")[1][:3] for recording in present]
        symbol = "-".join([_symbol(present[0]), *numbers])
        symbols.append(symbol)
        served |= {(kind, symbol): one for kind, one in zip(("chart", "quote"), pair, strict=True) if one}

    async def chart(request: Request) -> Response:
        recording = served.get(("chart", request.path_params["symbol"]))
        # More quotes may have been recorded than charts.
        missing = ApiError(404, "chart", "Not Found", "No data found, symbol may be delisted")
        return _as_recorded(recording) if recording else JSONResponse(missing.body, missing.status)

    async def quotes(request: Request) -> Response:
        recording = served.get(("quote", request.query_params.get("symbols", "")))
        return _as_recorded(recording) if recording else JSONResponse({"quoteResponse": {"result": [], "error": None}})

    async def getcrumb(_request: Request) -> Response:
        return PlainTextResponse(crumb)

    return Replay(
        routes=[
            Route("/v8/finance/chart/{symbol}", chart),
            Route("/v7/finance/quote", quotes),
            Route("/v1/test/getcrumb", getcrumb),
            Route("/quote/{symbol}", _page),
        ],
        watch={"symbols": symbols, "cookie_page": COOKIE_PAGE},
        unused=unused,
    )


def _as_recorded(recording: Recording) -> Response:
    headers = {"content-type": "application/json", **recording.headers}
    return Response(recording.body, status_code=recording.status, headers=headers)


def _symbol(recording: Recording) -> str:
    """The symbol that a recorded request was for, in capitals."""
    path, query = urlsplit(recording.url).path, parse_qs(urlsplit(recording.url).query)
    return re.sub(r"[^A-Z0-9.^=]", "", query.get("symbols", [path.rsplit("/", 1)[-1]])[0].upper()) or "NONE"


def _kind(recording: Recording) -> str:
    """`chart`, `quote` or `crumb` for what the source asks for, otherwise why it is not served."""
    address = urlsplit(recording.url)
    if address.path.startswith("/v8/finance/chart/"):
        interval = parse_qs(address.query).get("interval", ["1d"])[0]
        return "chart" if interval == "1d" else f"recorded in bars of {interval}: the source asks for days"
    if address.path == "/v7/finance/quote":
        return "quote"
    if address.path == "/v1/test/getcrumb":
        return "crumb"
    if recording.file.endswith(".csv"):
        return "a table that another program made of charts, not an answer of Yahoo"
    if "consent" in recording.url.lower() or address.path.startswith("/quote/"):
        return "a page of the web site: its cookies are not in the recording"
    return f"endpoint not in use: {address.path or recording.endpoint}"
