"""Alpha Vantage: bars of shares, funds, currencies and coins, by day and within the day.

Prices of daily bars are as traded: unlike Yahoo's they are not adjusted for later splits. Bars within a day are those
of regular trading, so that all of them lie on the day of their session in UTC too. `alpha_vantage_plan` says how a
watch list shares 25 requests a day.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline_platform.sources.alpha_vantage_bars import (
    identify_daily,
    identify_intraday,
    parse_daily,
    parse_intraday,
)
from pipeline_platform.sources.alpha_vantage_errors import KEY_HELP, diagnose
from pipeline_platform.sources.alpha_vantage_plan import FREE_REQUESTS, Plan
from pipeline_platform.sources.base import (
    Budget,
    Credential,
    Fetch,
    Page,
    Record,
    Sample,
    Source,
    SourceSettings,
    Stream,
    Window,
)
from pipeline_platform.sources.errors import Malformed, NotDue, Permanent

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

PAID_ONLY = (
    "Alpha Vantage gives {what} to paid plans only: with one set PIPELINE_ALPHA_VANTAGE__PREMIUM=true, without one "
    "{instead}"
)
NEW_YORK = ZoneInfo("America/New_York")
COMPACT_BARS = 100
"""Bars of a compact answer."""
COMPACT_REACH = timedelta(days=COMPACT_BARS - 1)
"""How far back a compact daily answer surely reaches, also for a coin that is traded every day."""
TRADING_MINUTES = {"crypto": 1440, "currency": 1440, "equity": 390, "fund": 390}

DAILY = {"currency": "FX_DAILY", "crypto": "DIGITAL_CURRENCY_DAILY"}
INTRADAY = {"currency": "FX_INTRADAY", "crypto": "CRYPTO_INTRADAY"}
"""Function by asset class; shares and funds have `TIME_SERIES_…`."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What a target stands for: symbol, class, and currency of its prices (GBX for pence)."""

    symbol: str
    asset_class: str
    currency: str

    @property
    def asked(self) -> dict[str, str]:
        """The parameters that name it."""
        if self.asset_class == "currency":
            return {"from_symbol": self.symbol.split("/")[0], "to_symbol": self.currency}
        if self.asset_class == "crypto":
            return {"symbol": self.symbol.split("/")[0], "market": self.currency}
        return {"symbol": self.symbol}


class AlphaVantageSettings(SourceSettings):
    """Settings of Alpha Vantage."""

    api_key: SecretStr | None = Field(None, description="API key.")
    premium: bool = Field(
        False,
        description="A paid plan: adjusted closes, all of history, bars within the day. Set requests_per_day with it.",
    )
    symbols: list[str] = Field(
        ["AAPL", "MSFT", "NVDA", "TSLA"],
        description="Shares; prices outside of the USA with their currency: `TSCO.LON/GBX`.",
    )
    funds: list[str] = Field(["SPY"], description="Exchange-traded funds, as `symbols`.")
    currencies: list[str] = Field(["EUR/USD"], description="Exchange rates, `EUR/USD`.")
    crypto: list[str] = Field(["BTC/USD"], description="Coins with the currency of their price, `BTC/USD`.")
    intraday: list[str] = Field(
        [], description="Those of the lists above to have within the day too; needs a paid plan."
    )
    interval: Literal["1min", "5min", "15min", "30min", "60min"] = Field(
        "30min", description="Length of bars within a day; an answer holds 100."
    )

    @field_validator("symbols", "funds", "currencies", "crypto", "intraday")
    @classmethod
    def _clean(cls, entries: list[str]) -> list[str]:
        cleaned = list(dict.fromkeys(entry.strip().upper() for entry in entries))
        for entry in cleaned:
            if not re.fullmatch(r"[A-Z0-9.^=-]+(/[A-Z]{3,5})?", entry):
                raise ValueError(f"{entry!r} is no symbol: write 'AAPL', 'TSCO.LON/GBX', 'EUR/USD'")
        return cleaned

    @field_validator("symbols", "funds")
    @classmethod
    def _with_currency(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            # One letter is a class of shares, BRK.B; more are an exchange, whose currency the upstream does not tell.
            if re.fullmatch(r".+\.[A-Z]{2,}", entry):
                raise ValueError(f"{entry!r} is traded abroad: write its currency too, such as '{entry}/EUR'")
        return entries

    @field_validator("currencies", "crypto")
    @classmethod
    def _pairs(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            if "/" not in entry:
                raise ValueError(f"{entry!r} has no price: write it with a currency, '{entry}/USD'")
        return entries

    @model_validator(mode="after")
    def _known(self) -> "AlphaVantageSettings":
        entries = [*self.symbols, *self.funds, *self.currencies, *self.crypto]
        if twice := sorted({entry for entry in entries if entries.count(entry) > 1}):
            raise ValueError(f"{', '.join(twice)}: watched in two lists of PIPELINE_ALPHA_VANTAGE__*, keep one")
        if unknown := sorted(set(self.intraday) - set(entries)):
            names = "SYMBOLS, FUNDS, CURRENCIES or CRYPTO"
            raise ValueError(f"PIPELINE_ALPHA_VANTAGE__INTRADAY: {', '.join(unknown)} must stand in {names} too")
        return self


def assets_of(settings: AlphaVantageSettings) -> dict[str, Asset]:
    """Every watched entry, and what it stands for."""
    lists = {"equity": settings.symbols, "fund": settings.funds}
    assets = {}
    for asset_class, entries in lists.items():
        for entry in entries:
            symbol, _, currency = entry.partition("/")
            assets[entry] = Asset(symbol, asset_class, currency or "USD")
    for asset_class, entries in (("currency", settings.currencies), ("crypto", settings.crypto)):
        # With its currency in the name: a coin may be called as a share is.
        assets |= {entry: Asset(entry, asset_class, entry.partition("/")[2]) for entry in entries}
    return assets


def _plan(settings: AlphaVantageSettings) -> Plan:
    series = [("daily", entry) for entry in assets_of(settings)]
    if settings.premium:
        series += [("intraday", entry) for entry in settings.intraday]
    return Plan(series, settings.requests_per_day or FREE_REQUESTS)


def _turn(fetch: Fetch[AlphaVantageSettings], stream: str, target: str) -> tuple[Asset, datetime]:
    """What a target stands for, and since when its bars are wanted; raises NotDue when it is not its turn."""
    asset, plan, today = assets_of(fetch.settings).get(target), _plan(fetch.settings), fetch.now.date()
    if asset is None:
        raise Permanent(f"{target} is not watched any more: it stands in no list of PIPELINE_ALPHA_VANTAGE__*")
    if not plan.is_due(stream, target, today):
        turn = plan.next_turn(stream, target, today)
        raise NotDue(
            f"{target} has its turn on {turn}: {plan.planned} requests a day do not reach for all that is watched. "
            "Its next answer covers the days until then; watch less, or set PIPELINE_ALPHA_VANTAGE__REQUESTS_PER_DAY"
        )
    return asset, fetch.window.start - timedelta(days=plan.days_between)


def _ask(
    fetch: Fetch[AlphaVantageSettings], target: str, params: Mapping[str, Any]
) -> tuple["Response", str | None, str, Mapping[str, Any]]:
    """The answer, the time zone that it names, the interval of its bars, and those by time."""
    if fetch.settings.api_key is None:
        raise Permanent(f"Alpha Vantage needs an API key. {KEY_HELP}")
    response = fetch.client.get("query", params={**params, "apikey": fetch.settings.api_key.get_secret_value()})
    body = response.json()
    meta = body.get("Meta Data") if isinstance(body, Mapping) else None
    if not isinstance(meta, Mapping):
        raise Malformed(f"Alpha Vantage's answer for {target} has no 'Meta Data'")
    name, series = next((item for item in body.items() if item[0].startswith("Time Series")), ("", None))
    if not isinstance(series, Mapping):
        raise Malformed(f"Alpha Vantage's answer for {target} has no time series")
    zone = next((value for name, value in meta.items() if name.endswith(". Time Zone")), None)
    interval = re.search(r"\((\d+min)\)", name)
    return response, zone, interval[1] if interval else "1d", series


def _payloads(asset: Asset, interval: str, zone: str | None, series: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    head = {"symbol": asset.symbol, "asset_class": asset.asset_class, "currency": asset.currency, "interval": interval}
    for stamp, bar in series.items():
        values = bar if isinstance(bar, Mapping) else {"bar": bar}
        yield {**head, "time_zone": zone, "date": stamp, **values}


def _within(payloads: Iterator[dict[str, Any]], identify: Any, target: str, window: Window) -> list[Record]:
    """Records in the window; raises Permanent where the upstream's history begins after it."""
    records: list[Record] = []
    moments: list[datetime] = []
    for payload in payloads:
        try:
            record_id, moment = identify(payload)
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, payload))  # too broken to tell: kept, and quarantine says why
            continue
        moments.append(moment)
        if moment in window:
            records.append(Record(record_id, moment, payload))
    if not records and moments and min(moments) >= window.end:
        raise Permanent(f"Alpha Vantage's answer for {target} begins with {min(moments):%Y-%m-%d}: choose later days")
    return records


def fetch_daily(fetch: Fetch[AlphaVantageSettings], target: str) -> Iterator[Page]:
    """One page: the daily bars in the window, and those since the last turn of the target; today's still changes."""
    asset, since = _turn(fetch, "daily", target)
    function = "TIME_SERIES_DAILY_ADJUSTED" if fetch.settings.premium else "TIME_SERIES_DAILY"
    size = "compact" if since >= fetch.now - COMPACT_REACH else "full"
    if size == "full" and not fetch.settings.premium and asset.asset_class in ("equity", "fund"):
        first = fetch.now - COMPACT_REACH + timedelta(days=1)
        raise Permanent(PAID_ONLY.format(what="all of history", instead=f"choose days from {first:%Y-%m-%d} on"))
    params = {
        "function": DAILY.get(asset.asset_class, function),
        **asset.asked,
        "outputsize": None if asset.asset_class == "crypto" else size,
    }
    response, zone, given, series = _ask(fetch, target, params)
    window = Window(since, fetch.window.end)
    yield Page.of(response, _within(_payloads(asset, given, zone, series), identify_daily, target, window))


def fetch_intraday(fetch: Fetch[AlphaVantageSettings], target: str) -> Iterator[Page]:
    """The bars within the days of the window: one page of the newest, or for earlier days of shares one per month."""
    if not fetch.settings.premium:
        # Known beforehand: a refusal would cost one of the requests of the day.
        instead = "set PIPELINE_ALPHA_VANTAGE__INTRADAY=[]"
        raise Permanent(PAID_ONLY.format(what="bars within the day", instead=instead))
    asset, since = _turn(fetch, "intraday", target)
    interval = fetch.settings.interval
    minutes = int(interval.removesuffix("min"))
    days_held = COMPACT_BARS // -(-TRADING_MINUTES[asset.asset_class] // minutes)
    window = Window(since, fetch.window.end)
    spans: list[dict[str, str]] = [{"outputsize": "full"}]
    if (fetch.now.date() - since.date()).days < days_held:
        spans = [{"outputsize": "compact"}]
    elif asset.asset_class in ("equity", "fund"):
        spans = [{"month": month, "outputsize": "full"} for month in months_of(window, fetch.now)]
    for span in spans:
        of_shares = {"extended_hours": "false", "adjusted": "false"} if asset.asset_class in ("equity", "fund") else {}
        function = INTRADAY.get(asset.asset_class, "TIME_SERIES_INTRADAY")
        params = {"function": function, **asset.asked, "interval": interval, **of_shares, **span}
        response, zone, given, series = _ask(fetch, target, params)
        yield Page.of(response, _within(_payloads(asset, given, zone, series), identify_intraday, target, window))


def months_of(window: Window, now: datetime) -> list[str]:
    """The months of New York, `2026-11`, that a window touches and that have begun."""
    day = window.start.astimezone(NEW_YORK).date().replace(day=1)
    last = min(window.end - timedelta(microseconds=1), now).astimezone(NEW_YORK).date()
    months = []
    while day <= last:
        months.append(f"{day:%Y-%m}")
        day = (day + timedelta(days=31)).replace(day=1)
    return months


def _watched(settings: AlphaVantageSettings) -> Sequence[str]:
    return list(assets_of(settings))


def _watched_intraday(settings: AlphaVantageSettings) -> Sequence[str]:
    return settings.intraday


_APPLE = {"symbol": "AAPL", "asset_class": "equity", "currency": "USD"}
_PRICES = {"1. open": "227.1000", "2. high": "229.9400", "3. low": "226.3050", "4. close": "229.4100"}
_FIELDS = {
    "bar_id": "(symbol, currency, interval and time)",
    "symbol": "symbol",
    "asset_class": "asset_class (list of the watch lists that has it)",
    "interval": "interval",
    "opened_at": "date | time_zone",
    "open": "1. open",
    "high": "2. high",
    "low": "3. low",
    "close": "4. close",
    "currency": "currency (as watched; prices in pence become pounds)",
}

SOURCE = Source(
    name="alpha_vantage",
    title="Alpha Vantage",
    domain="market",
    homepage="https://www.alphavantage.co",
    api_docs="https://www.alphavantage.co/documentation/",
    licence="Alpha Vantage Terms of Service",
    terms="A free key is for personal, non-commercial use; redistributing prices of an exchange needs its licence. "
    "Nothing has to be deleted afterwards.",
    base_url="https://www.alphavantage.co",
    credentials=(Credential("api_key", KEY_HELP),),
    budget=Budget(requests=5, per_seconds=60.0, daily=FREE_REQUESTS),
    # Once a day, when New York has closed, in summer and in winter.
    cadence="40 22 * * *",
    settings=AlphaVantageSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="alpha_vantage_daily",
            kind="market_bars",
            description="Daily bars of the watched shares, funds, exchange rates and coins, as traded.",
            history="replayable",
            lookback_days=7,
            targets=_watched,
            fetch=fetch_daily,
            identify=identify_daily,
            parse=parse_daily,
            fields={
                **_FIELDS,
                "opened_at": "date (midnight UTC of the trading day)",
                "volume": "5. volume | 6. volume",
                "volume_unit": "asset_class (shares, of coins coins)",
                "adjusted_close": "5. adjusted close",
            },
            sample=Sample(
                "AAPL",
                [
                    {
                        **_APPLE, "interval": "1d", "time_zone": "US/Eastern", "date": "2026-11-19",
                        **_PRICES, "5. volume": "41200330",
                    },
                    {
                        **_APPLE, "interval": "1d", "time_zone": "US/Eastern", "date": "2026-11-20",
                        **_PRICES, "5. adjusted close": "229.4100", "6. volume": "38100917",
                        "7. dividend amount": "0.0000", "8. split coefficient": "1.0",
                    },
                ],
            ),
        ),
        Stream(
            name="alpha_vantage_intraday",
            kind="market_bars",
            description="Bars within the day of the watched entries that are to have them, regular trading only.",
            history="replayable",
            lookback_days=3,
            # A window of twenty years has a page per month.
            max_pages=300,
            targets=_watched_intraday,
            opt_in="intraday",
            fetch=fetch_intraday,
            identify=identify_intraday,
            parse=parse_intraday,
            fields={**_FIELDS, "volume": "5. volume", "volume_unit": "asset_class (shares, of coins coins)"},
            sample=Sample(
                "AAPL",
                [
                    {
                        **_APPLE, "interval": "30min", "time_zone": "US/Eastern", "date": "2026-11-20 15:30:00",
                        **_PRICES, "5. volume": "1200330",
                    },
                ],
            ),
        ),
    ),
)  # fmt: skip
