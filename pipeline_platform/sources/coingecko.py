"""CoinGecko: candles, hourly prices with market capitalisation and volume, and the list of trending coins.

Every bar says the interval that the upstream really gave, read from the spacing of the answer, because the upstream
chooses the granularity by the age of what is asked for.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator, model_validator

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
from pipeline_platform.sources.coingecko_bars import (
    CANDLE_FIELDS,
    PRICE_FIELDS,
    identify_candle,
    identify_price,
    interval_of,
    joined,
    parse_candle,
    parse_price,
)
from pipeline_platform.sources.errors import Malformed, Permanent, SourceError, Transient

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

BASE_URL = "https://api.coingecko.com/api/v3"
PRO_URL = "https://pro-api.coingecko.com/api/v3"

FREE_HISTORY = timedelta(days=365)
CANDLE_REACH = ((1, "30m"), (7, "4h"), (14, "4h"), (30, "4h"), (90, "4d"), (180, "4d"), (365, "4d"))
"""Values of `days` that /ohlc accepts, with the candle length each gives."""
HOURLY_SHORTEST, HOURLY_LONGEST = timedelta(days=2), timedelta(days=89)
"""Spans that /market_chart/range surely answers hour by hour; a day comes in 5 minutes, more than 90 days in days."""
DEFAULT_WAIT = 60.0
"""Seconds after a rate limit that names no wait: the budget is counted by the minute."""

KEY_HELP = "A free Demo key: https://www.coingecko.com/en/developers/dashboard, then PIPELINE_COINGECKO__API_KEY=..."
ADVICE = {
    10002: f"CoinGecko wants an API key. {KEY_HELP}",
    10005: "this CoinGecko plan does not include the endpoint: upgrade, or remove what asks for it",
    10010: "this is a Pro key: put it into PIPELINE_COINGECKO__PRO_API_KEY and unset PIPELINE_COINGECKO__API_KEY",
    10011: "this is a Demo key: put it into PIPELINE_COINGECKO__API_KEY and unset PIPELINE_COINGECKO__PRO_API_KEY",
    10012: "CoinGecko gives free users the last 365 days: choose later days, or set PIPELINE_COINGECKO__PRO_API_KEY",
}
UNKNOWN_COIN = (
    "CoinGecko does not know this coin: PIPELINE_COINGECKO__COINS takes ids of /coins/list such as 'bitcoin', "
    "not symbols such as 'btc'"
)


class CoinGeckoSettings(SourceSettings):
    """Settings of CoinGecko."""

    api_key: SecretStr | None = Field(None, description="Demo API key; without one the public limit of your IP holds.")
    pro_api_key: SecretStr | None = Field(None, description="Key of a paid plan: its own host, and all of history.")
    coins: list[str] = Field(
        ["bitcoin", "ethereum", "solana", "ripple", "dogecoin"],
        description="Coins by API id, `bitcoin`; with a currency of its own, `bitcoin/eur`.",
    )
    currency: str = Field("usd", min_length=1, description="Currency of coins that name none.")

    @model_validator(mode="before")
    @classmethod
    def _pro_host(cls, values: Any) -> Any:
        # A paid key works on the paid host alone.
        if isinstance(values, Mapping) and values.get("pro_api_key") and not values.get("base_url"):
            return {**values, "base_url": PRO_URL}
        return values

    @field_validator("coins")
    @classmethod
    def _ids(cls, coins: list[str]) -> list[str]:
        for coin in coins:
            coin_id, slash, currency = coin.partition("/")
            if not coin_id.strip() or (slash and not currency.strip()):
                raise ValueError(f"{coin!r} is no coin: write an API id such as 'bitcoin', or 'bitcoin/eur'")
        return list(dict.fromkeys(coin.strip().lower() for coin in coins))

    @field_validator("currency")
    @classmethod
    def _lower(cls, currency: str) -> str:
        return currency.strip().lower()


def diagnose(response: "Response") -> SourceError | None:
    """Read CoinGecko's four error shapes; None when the usual reading of the status is right."""
    try:
        body = response.json()
    except Malformed:
        return None
    if body == {}:
        return Permanent(UNKNOWN_COIN, status=response.status)
    code, message = _error(body)
    if code is None and message is None:
        return None
    return _verdict(response, code if code is not None else response.status, message or "no reason given")


def _error(body: Any) -> tuple[int | None, str | None]:
    if not isinstance(body, Mapping):
        return None, None
    error, status = body.get("error"), body.get("status")
    if isinstance(error, Mapping) and isinstance(error.get("status"), Mapping):
        status = error["status"]
    if isinstance(status, Mapping):
        return _code(status.get("error_code")), str(status.get("error_message"))
    return _code(status), error if isinstance(error, str) else None


def _code(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _verdict(response: "Response", code: int, message: str) -> SourceError | None:
    status = response.status
    if status >= 500:
        return None
    if code in ADVICE:
        return Permanent(f"{ADVICE[code]} (code {code}: {message})", status=status)
    if code == 429:
        wait = None if "retry-after" in response.headers else DEFAULT_WAIT
        return Transient(f"CoinGecko's rate limit is reached: {message}", status=status, wait_seconds=wait)
    if code == 404 or "coin not found" in message.lower():
        return Permanent(f"{UNKNOWN_COIN} ({message})", status=status)
    if code == 408 or 500 <= code < 600:
        return Transient(f"CoinGecko answered {code}: {message}", status=status)
    return Permanent(f"CoinGecko refused the request with {code}: {message}", status=status)


def _get(fetch: Fetch[CoinGeckoSettings], path: str, params: Mapping[str, Any], conditional: bool = True) -> "Response":
    settings = fetch.settings
    headers = {}
    if settings.pro_api_key is not None:
        headers["x-cg-pro-api-key"] = settings.pro_api_key.get_secret_value()
    elif settings.api_key is not None:
        headers["x-cg-demo-api-key"] = settings.api_key.get_secret_value()
    return fetch.client.get(path, params=params, headers=headers, conditional=conditional)


def _within_reach(fetch: Fetch[CoinGeckoSettings]) -> None:
    earliest = fetch.now - FREE_HISTORY
    if fetch.settings.pro_api_key is None and fetch.window.start < earliest:
        raise Permanent(
            f"CoinGecko gives the last 365 days without a paid plan: {fetch.window.start:%Y-%m-%d} is too early, "
            f"choose a day from {earliest + timedelta(days=1):%Y-%m-%d} on, or set PIPELINE_COINGECKO__PRO_API_KEY"
        )


def _coin(fetch: Fetch[CoinGeckoSettings], target: str) -> tuple[str, str]:
    coin, _, currency = target.partition("/")
    return coin, currency or fetch.settings.currency


def _records(
    payloads: list[dict[str, Any]],
    identify: Callable[[Any], tuple[str, datetime]],
    within: Window | None = None,
) -> list[Record]:
    """Records that happened `within`; a payload too broken to tell its time is kept, quarantine says why."""
    records = []
    for payload in payloads:
        try:
            record_id, moment = identify(payload)
        except (KeyError, TypeError, ValueError):
            records.append(Record(None, None, payload))
            continue
        if within is None or moment in within:
            records.append(Record(record_id, moment, payload))
    return records


def candle_days(distance: timedelta) -> tuple[str, str]:
    """`days` of /ohlc that reaches back `distance`, and the candle length it gives."""
    for days, interval in CANDLE_REACH:
        if distance <= timedelta(days=days):
            return str(days), interval
    return "max", "4d"


def fetch_candles(fetch: Fetch[CoinGeckoSettings], target: str) -> Iterator[Page]:
    """One page: the candles of a coin that open in the window. The candle of the present changes until it closes."""
    _within_reach(fetch)
    coin, currency = _coin(fetch, target)
    days, expected = candle_days(fetch.now - fetch.window.start)
    response = _get(fetch, f"coins/{quote(coin, safe='')}/ohlc", {"vs_currency": currency, "days": days})
    candles = response.json()
    if not isinstance(candles, list):
        raise Malformed(f"CoinGecko's /ohlc of {target} is no list but {type(candles).__name__}")
    interval = interval_of(candles, expected)
    payloads = [{"coin": coin, "currency": currency, "interval": interval, "candle": candle} for candle in candles]
    yield Page.of(response, _records(payloads, identify_candle, fetch.window))


def _spans(fetch: Fetch[CoinGeckoSettings]) -> Iterator[tuple[datetime, datetime]]:
    start, end = fetch.window.start, min(fetch.window.end, fetch.now)
    while start < end:
        yield start, min(start + HOURLY_LONGEST, end)
        start += HOURLY_LONGEST


def fetch_prices(fetch: Fetch[CoinGeckoSettings], target: str) -> Iterator[Page]:
    """The hourly prices of a coin in the window, a page per 89 days: the longest span that comes in hours."""
    _within_reach(fetch)
    coin, currency = _coin(fetch, target)
    for start, end in _spans(fetch):
        until = min(max(end, start + HOURLY_SHORTEST), fetch.now)
        since = min(start, until - HOURLY_SHORTEST)
        params = {"vs_currency": currency, "from": int(since.timestamp()), "to": math.ceil(until.timestamp())}
        # Every request names another second, so an answer kept for a conditional request is never asked for again.
        response = _get(fetch, f"coins/{quote(coin, safe='')}/market_chart/range", params, conditional=False)
        body = response.json()
        if not isinstance(body, Mapping) or not isinstance(body.get("prices"), list):
            raise Malformed(f"CoinGecko's /market_chart/range of {target} has no list of prices")
        payloads = joined(coin, currency, body, ends_now=until >= fetch.now)
        yield Page.of(response, _records(payloads, identify_price, Window(start, end)))


def fetch_trending(fetch: Fetch[CoinGeckoSettings], target: str) -> Iterator[Page]:
    """One page: the most searched coins of the last 24 hours, in their order."""
    response = _get(fetch, "search/trending", {})
    body = response.json()
    if not isinstance(body, Mapping) or not isinstance(body.get(target), list):
        raise Malformed(f"CoinGecko's /search/trending has no list of {target}")
    # To the hour, as the list is renewed slowly: asking twice in an hour changes nothing.
    observed = f"{fetch.now.astimezone(UTC):%Y-%m-%dT%H:00:00Z}"
    payloads = [
        {"list": target, "observed_at": observed, "rank": rank, "entry": entry}
        for rank, entry in enumerate(body[target], start=1)
    ]
    yield Page.of(response, _records(payloads, identify_trend))


def identify_trend(payload: Mapping[str, Any]) -> tuple[str, datetime]:
    """Id (one per coin and day) and observation of a trending coin."""
    observed = datetime.fromisoformat(payload["observed_at"])
    return f"coingecko:trending:{payload['list']}:{observed:%Y-%m-%d}:{payload['entry']['item']['id']}", observed


def parse_trend(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A trending coin; CoinGecko gives an order and no strength, so the volume stays null."""
    trend_id, observed = identify_trend(payload)
    item = payload["entry"]["item"]
    return {
        "trend_id": trend_id,
        "list_name": payload["list"],
        "rank": payload["rank"],
        "name": item["name"],
        "url": f"https://www.coingecko.com/en/coins/{quote(str(item.get('slug') or item['id']), safe='')}",
        "observed_at": observed,
    }


def _watched(settings: CoinGeckoSettings) -> Sequence[str]:
    return settings.coins


def _lists(_settings: CoinGeckoSettings) -> Sequence[str]:
    return ("coins",)


_BITCOIN = {"coin": "bitcoin", "currency": "usd"}
_SOLANA = {"item": {"id": "solana", "coin_id": 4128, "name": "Solana", "symbol": "SOL", "slug": "solana", "score": 0}}

SOURCE = Source(
    name="coingecko",
    title="CoinGecko",
    domain="market",
    homepage="https://www.coingecko.com",
    api_docs="https://docs.coingecko.com/reference/introduction",
    licence="CoinGecko API Terms of Service",
    terms="Show 'Data provided by CoinGecko' with a link. Free plans forbid selling or redistributing the raw data. "
    "Nothing has to be deleted afterwards.",
    base_url=BASE_URL,
    credentials=(
        Credential("api_key", KEY_HELP, required=False),
        Credential("pro_api_key", "A paid plan: https://www.coingecko.com/en/api/pricing", required=False),
    ),
    budget=Budget(requests=30, per_seconds=60.0),
    cadence="10 * * * *",
    settings=CoinGeckoSettings,
    diagnose=diagnose,
    streams=(
        Stream(
            name="coingecko_ohlc",
            kind="market_bars",
            description="Candles of the watched coins: 30 minutes for the last day, 4 hours for 30 days, else 4 days.",
            history="replayable",
            lookback_days=2,
            targets=_watched,
            fetch=fetch_candles,
            identify=identify_candle,
            parse=parse_candle,
            fields=CANDLE_FIELDS,
            sample=Sample(
                "bitcoin",
                [
                    {**_BITCOIN, "interval": "4h", "candle": [1795334400000, 91250, 91800.5, 90990.25, 91410]},
                    {**_BITCOIN, "interval": "4h", "candle": [1795348800000, 91410, 92040, 91388.75, 91975.5]},
                ],
            ),
        ),
        Stream(
            name="coingecko_prices",
            kind="market_bars",
            description="Hourly price, market capitalisation and rolling 24-hour volume of the watched coins.",
            history="replayable",
            lookback_days=2,
            targets=_watched,
            fetch=fetch_prices,
            identify=identify_price,
            parse=parse_price,
            fields=PRICE_FIELDS,
            sample=Sample(
                "bitcoin",
                [
                    {**_BITCOIN, "interval": "1h", "points": [[1795341603120, 91432.18, 1820311540222.4, 38211004512]]},
                    {**_BITCOIN, "interval": "1h", "points": [[1795345208455, 91377, None, 38190552310.7]]},
                ],
            ),
        ),
        Stream(
            name="coingecko_trending",
            kind="trending",
            description="The most searched coins of the last 24 hours.",
            history="now_only",
            lookback_days=1,
            targets=_lists,
            fetch=fetch_trending,
            identify=identify_trend,
            parse=parse_trend,
            fields={
                "trend_id": "list | observed_at | entry.item.id",
                "list_name": "list",
                "rank": "rank",
                "name": "entry.item.name",
                "url": "entry.item.slug",
                "observed_at": "observed_at",
            },
            sample=Sample(
                "coins", [{"list": "coins", "observed_at": "2026-11-22T10:00:00Z", "rank": 1, "entry": _SOLANA}]
            ),
        ),
    ),
)
