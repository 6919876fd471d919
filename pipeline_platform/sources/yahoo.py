"""Yahoo Finance: daily bars, dividends and splits, and quotes, from the endpoints of its own web site.

Yahoo documents none of them and owes nobody an answer. This source says who it is: a browser's User-Agent, which other
programs borrow, is not used, so Yahoo may refuse it with a 429. A quote needs a cookie and a crumb (a word that goes
with the cookie); both are asked for once per fetch and live no longer than its client. Where Yahoo wants consent to its
cookies first, as in the EU, no quotes come: a program cannot consent for a person.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from pydantic import Field, field_validator

from pipeline_platform.sources.base import (
    Budget,
    Fetch,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
)
from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.yahoo_records import (
    actions_of,
    bars_of,
    chart_of,
    identify_action,
    identify_bar,
    identify_quote,
    parse_action,
    parse_bar,
    parse_quote,
)

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response, SourceClient

REFUSAL_PAUSE = 3600.0
"""Seconds for which Yahoo is left alone after a refusal; it names no time, and asking on prolongs it."""
ENVELOPES = ("chart", "quoteResponse", "finance")
"""Objects that hold a result or an error."""
_EVER = datetime(1900, 1, 1, tzinfo=UTC)
MARGIN = timedelta(days=1)
"""A trading day begins up to a day before or after the same date in UTC."""

UNKNOWN_SYMBOL = (
    "Yahoo knows no such symbol: PIPELINE_YAHOO__SYMBOLS takes Yahoo's own, such as 'AAPL', '^GSPC', 'EURUSD=X', "
    "'BTC-USD', 'GC=F'"
)
REFUSED = (
    "Yahoo refuses to answer (429 Too Many Requests), as it does to programs that do not pose as a browser; wait some "
    "hours, lower PIPELINE_YAHOO__REQUESTS_PER_MINUTE, or set PIPELINE_YAHOO__ENABLED=false"
)
NO_QUOTES = "set PIPELINE_YAHOO__QUOTES=false to go without quotes; bars and actions need no cookie"
CONSENT = f"Yahoo asks for consent to its cookies, which a program cannot give: {NO_QUOTES}"


class YahooSettings(SourceSettings):
    """Settings of Yahoo Finance."""

    symbols: list[str] = Field(
        ["AAPL", "MSFT", "NVDA", "TSLA", "SPY", "^GSPC", "EURUSD=X", "BTC-USD", "GC=F"],
        description="Symbols as Yahoo writes them: shares, funds, `^` indices, `=X` rates, `-USD` coins, `=F` futures.",
    )
    quotes: bool = Field(True, description="Fetch quotes (market capitalisation) too, which need a cookie of Yahoo.")
    cookie_page: str = Field(
        "https://finance.yahoo.com/quote/AAPL", min_length=1, description="Page that gives the cookie for quotes."
    )

    @field_validator("symbols")
    @classmethod
    def _clean(cls, symbols: list[str]) -> list[str]:
        for symbol in symbols:
            if not re.fullmatch(r"[A-Za-z0-9.^=_-]+", symbol.strip()):
                raise ValueError(f"{symbol!r} is no symbol of Yahoo: write 'AAPL', '^GSPC' or 'EURUSD=X'")
        return list(dict.fromkeys(symbol.strip().upper() for symbol in symbols))


def diagnose(response: "Response") -> SourceError | None:
    """Read refusals, the page of consent and the errors inside of an envelope; None where the status says it all."""
    text = response.content[:200].strip().lower()
    if text.startswith((b"too many requests", b"edge: too many requests")):
        # Also with status 200, in the place of a crumb.
        wait = None if "retry-after" in response.headers else REFUSAL_PAUSE
        return QuotaExhausted(REFUSED, status=response.status, wait_seconds=wait)
    if re.match(r"https://(consent|guce)\.yahoo\.com/", response.url):
        return Permanent(CONSENT, status=response.status)
    if not text.startswith(b"{"):
        return None
    body = response.json()
    for name in ENVELOPES if isinstance(body, Mapping) else ():
        held = body.get(name)
        error = held.get("error") if isinstance(held, Mapping) else None
        if isinstance(error, Mapping):
            return _verdict(response.status, str(error.get("code")), str(error.get("description")))
    return None


def _verdict(status: int, code: str, description: str) -> SourceError:
    said = f"{code}: {description}"
    if code == "Not Found":
        return Permanent(f"{UNKNOWN_SYMBOL} ({said})", status=status)
    if code == "Unauthorized" or status == 401:
        return Permanent(f"Yahoo does not accept the crumb: {NO_QUOTES} ({said})", status=401)
    if code == "Too Many Requests" or status == 429:
        return QuotaExhausted(f"{REFUSED} ({said})", status=status, wait_seconds=REFUSAL_PAUSE)
    if status >= 500 or code == "Internal Server Error":
        return Transient(f"Yahoo failed: {said}", status=status)
    return Permanent(f"Yahoo refused the request: {said}", status=status)


def _records(
    payloads: Iterable[Any], identify: Callable[[Any], tuple[str, datetime]], start: datetime, end: datetime
) -> list[Record]:
    """Records in `[start, end)`; a payload too broken to tell its time is kept, quarantine says why."""
    records = []
    for payload in payloads:
        try:
            record_id, moment = identify(payload)
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, payload))
            continue
        if start <= moment < end:
            records.append(Record(record_id, moment, payload))
    return records


def _in_window(
    payloads: Iterator[dict[str, Any]], identify: Callable[[Any], tuple[str, datetime]], fetch: Fetch[YahooSettings]
) -> list[Record]:
    # A session of Sydney begins before midnight in UTC, and its day after: a later fetch brings it.
    return _records(payloads, identify, fetch.window.start, min(fetch.window.end, fetch.now))


def _chart(fetch: Fetch[YahooSettings], symbol: str, events: str | None) -> tuple["Response", Mapping[str, Any]]:
    params = {
        "interval": "1d",
        "period1": int((fetch.window.start - MARGIN).timestamp()),
        "period2": int((fetch.window.end + MARGIN).timestamp()),
        "includePrePost": "false",
        "events": events,
    }
    response = fetch.client.get(f"v8/finance/chart/{quote(symbol, safe='')}", params=params)
    return response, chart_of(response.json(), symbol)


def fetch_bars(fetch: Fetch[YahooSettings], target: str) -> Iterator[Page]:
    """One page: the bars of the trading days in the window; today's changes until its session closes."""
    response, result = _chart(fetch, target, None)
    yield Page.of(response, _in_window(bars_of(result, target), identify_bar, fetch))


def fetch_actions(fetch: Fetch[YahooSettings], target: str) -> Iterator[Page]:
    """One page: dividends, splits and distributions of capital gains in the window."""
    response, result = _chart(fetch, target, "div|split|capitalGain")
    yield Page.of(response, _in_window(actions_of(result, target), identify_action, fetch))


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a quote needs: the cookie as a header, and the crumb that goes with it."""

    cookie: str
    crumb: str


_passes: "WeakKeyDictionary[SourceClient, _Pass]" = WeakKeyDictionary()
"""The pass of each client: the client keeps no cookies, and asking for them before each quote doubles the requests."""


def _pass_for(fetch: Fetch[YahooSettings]) -> _Pass:
    client = fetch.client
    if client not in _passes:
        page = client.get(fetch.settings.cookie_page, headers={"accept": "text/html"}, conditional=False)
        cookies = [cookie.partition(";")[0] for cookie in page.headers.get_list("set-cookie")]
        if not cookies:
            raise Permanent(f"Yahoo gave no cookie for quotes: {NO_QUOTES}", status=page.status)
        headers = {"accept": "text/plain", "cookie": "; ".join(cookies)}
        crumb = client.get("v1/test/getcrumb", headers=headers, conditional=False).text.strip()
        # Short, and of one word: what else comes is a page or a message.
        if not re.fullmatch(r"[^\s<>{}]{5,40}", crumb):
            raise Malformed("Yahoo gave something else than a crumb")
        _passes[client] = _Pass(headers["cookie"], crumb)
    return _passes[client]


def _ask_quote(fetch: Fetch[YahooSettings], symbol: str) -> "Response":
    held = _pass_for(fetch)
    params = {"symbols": symbol, "crumb": held.crumb}
    return fetch.client.get("v7/finance/quote", params=params, headers={"cookie": held.cookie}, conditional=False)


def fetch_quotes(fetch: Fetch[YahooSettings], target: str) -> Iterator[Page]:
    """One page: the quote of a symbol as it is now, whatever the window."""
    try:
        response = _ask_quote(fetch, target)
    except Permanent as error:
        if error.status != 401 or _passes.pop(fetch.client, None) is None:
            raise
        # Crumbs end without a word; a new one is worth one try.
        response = _ask_quote(fetch, target)
    body = response.json()
    held = body.get("quoteResponse") if isinstance(body, Mapping) else None
    quotes = held.get("result") if isinstance(held, Mapping) else None
    if not isinstance(quotes, list):
        raise Malformed(f"Yahoo's quote of {target} has no result")
    if not quotes:
        raise Permanent(UNKNOWN_SYMBOL)
    yield Page.of(response, _records(quotes, identify_quote, _EVER, fetch.now))


def _watched(settings: YahooSettings) -> Sequence[str]:
    return settings.symbols


def _quoted(settings: YahooSettings) -> Sequence[str]:
    return settings.symbols if settings.quotes else []


_CHART = {"symbol": "AAPL", "currency": "USD", "type": "EQUITY", "time_zone": "America/New_York"}
_CURRENCY = "currency (hundredths such as GBp become their currency)"

SOURCE = Source(
    name="yahoo",
    title="Yahoo Finance",
    domain="market",
    homepage="https://finance.yahoo.com",
    api_docs="https://legal.yahoo.com/us/en/yahoo/terms/otos/index.html",
    licence="Yahoo Terms of Service",
    terms="No documented API: personal use only, no redistribution, and it may change or refuse without notice. "
    "Nothing has to be deleted afterwards.",
    base_url="https://query2.finance.yahoo.com",
    credentials=(),
    # Unpublished; people who ask for long keep to a request every two seconds and 360 an hour.
    budget=Budget(requests=30, per_seconds=60.0),
    cadence="25 */4 * * *",
    settings=YahooSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="yahoo_bars",
            kind="market_bars",
            description="Daily bars of the watched symbols, adjusted for splits; the adjusted close for dividends too.",
            history="replayable",
            lookback_days=7,
            targets=_watched,
            fetch=fetch_bars,
            identify=identify_bar,
            parse=parse_bar,
            fields={
                "bar_id": "(symbol, currency and trading day)",
                "symbol": "symbol",
                "asset_class": "type",
                "interval": "interval",
                "opened_at": "timestamp | time_zone (midnight UTC of the trading day)",
                "open": "open",
                "high": "high",
                "low": "low",
                "close": "close",
                "volume": "volume",
                "volume_unit": "type (shares, of futures contracts, of coins their currency)",
                "currency": _CURRENCY,
                "adjusted_close": "adjclose",
            },
            sample=Sample(
                "AAPL",
                [
                    {
                        **_CHART, "interval": "1d", "timestamp": 1795185000, "open": 227.10000610351562,
                        "high": 229.94000244140625, "low": 226.3000030517578, "close": 229.41000366210938,
                        "volume": 38100917, "adjclose": 229.1699981689453,
                    },
                ],
            ),
        ),
        Stream(
            name="yahoo_actions",
            kind="market_actions",
            description="Dividends, splits and distributions of capital gains of the watched symbols, by ex-date.",
            history="replayable",
            # They are entered and mended late, and are few.
            lookback_days=31,
            targets=_watched,
            fetch=fetch_actions,
            identify=identify_action,
            parse=parse_action,
            fields={
                "action_id": "(symbol, type and day)",
                "symbol": "symbol",
                "action_type": "action",
                "amount": "amount",
                "ratio": "numerator | denominator",
                "currency": _CURRENCY,
                "occurred_at": "date | time_zone",
            },
            sample=Sample(
                "AAPL",
                [
                    {**_CHART, "action": "dividends", "amount": 0.26, "date": 1794321000},
                    {
                        **_CHART, "action": "splits", "date": 1794407400, "numerator": 4, "denominator": 1,
                        "splitRatio": "4:1",
                    },
                ],
            ),
        ),
        Stream(
            name="yahoo_quotes",
            kind="market_bars",
            description="Latest price and market capitalisation of the watched symbols, one per trading day.",
            history="now_only",
            lookback_days=1,
            targets=_quoted,
            fetch=fetch_quotes,
            identify=identify_quote,
            parse=parse_quote,
            fields={
                "bar_id": "(symbol, currency and trading day)",
                "symbol": "symbol",
                "asset_class": "quoteType",
                "interval": "(always 1d)",
                "opened_at": "regularMarketTime | exchangeTimezoneName (midnight UTC of the trading day)",
                "close": "regularMarketPrice",
                "currency": _CURRENCY,
                "market_cap": "marketCap",
            },
            sample=Sample(
                "AAPL",
                [
                    {
                        "symbol": "AAPL", "quoteType": "EQUITY", "currency": "USD", "regularMarketPrice": 229.41,
                        "regularMarketTime": 1795208402, "exchangeTimezoneName": "America/New_York",
                        "marketCap": 3406738350080,
                    },
                ],
            ),
        ),
    ),
)  # fmt: skip
