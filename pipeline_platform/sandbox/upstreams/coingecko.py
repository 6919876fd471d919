"""CoinGecko as the sandbox shows it: candles, price series and trending coins, all from one price per coin and minute.

Wire format: https://docs.coingecko.com/reference/coins-id-ohlc, /coins-id-market-chart-range, /trending-search.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline_platform.sandbox.cast import SYMBOLS
from pipeline_platform.sandbox.recordings import Recording, Replay
from pipeline_platform.sandbox.world import World

KEY = "sandbox-coingecko-key"
CURRENCIES = {"usd": 1.0, "eur": 0.92, "gbp": 0.79}
CANDLES = {"1": 30, "7": 240, "14": 240, "30": 240, "90": 5760, "180": 5760, "365": 5760}
"""`days` of /ohlc -> minutes of a candle."""
FREE_HISTORY = timedelta(days=365)
MALFORMED_SHARE = 0.003
Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """An error answer: its status and its body in one of CoinGecko's shapes."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class Market:
    """Prices of the world in the shapes of CoinGecko.

    Args:
        world: gives prices, time and flaws.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._price = lru_cache(maxsize=200_000)(world.price)

    def price(self, coin: str, at: datetime, currency: str) -> float:
        """Price of the minute of `at`, to six significant digits after the first."""
        return float(f"{self._price(coin, at.replace(second=0, microsecond=0)) * CURRENCIES[currency]:.7g}")

    def chart_moment(self, coin: str, slot: datetime, step: timedelta) -> datetime:
        """When the point of `slot` was taken: some minutes after it began, as in the real series."""
        if step >= timedelta(days=1):
            return slot
        rng = self.world.rng("coingecko-point", coin, slot.isoformat())
        return slot + timedelta(milliseconds=rng.randrange(int(step.total_seconds() * 100)))

    def candle(self, coin: str, currency: str, opened: datetime, span: timedelta) -> list[Any] | None:
        """`[close in epoch ms, open, high, low, close]`, None before it has begun."""
        now = self.world.now()
        step = min(span / 8, timedelta(minutes=30)) if span <= timedelta(hours=4) else timedelta(hours=4)
        moments = [opened + step * place for place in range(int(span / step))] + [opened + span - timedelta(minutes=1)]
        if span == timedelta(hours=4):
            hours = (opened + timedelta(hours=hour) for hour in range(4))
            moments += [self.chart_moment(coin, hour, timedelta(hours=1)) for hour in hours]
        prices = [self.price(coin, moment, currency) for moment in sorted(moments) if moment <= now]
        if not prices:
            return None
        values: list[Any] = [prices[0], max(prices), min(prices), prices[-1]]
        interval = {30: "30m", 240: "4h", 5760: "4d"}[int(span / timedelta(minutes=1))]
        bar_id = f"coingecko:{coin}:{currency}:{interval}:{opened:%Y-%m-%dT%H:%MZ}"
        return [milliseconds(opened + span), *self._flawed_candle(bar_id, opened.date(), values)]

    def _flawed_candle(self, bar_id: str, day: date, values: list[Any]) -> list[Any]:
        rule = self._rule(bar_id)
        if rule is None:
            return values
        self.world.plant("coingecko", bar_id, rule, day)
        first, high, low, last = values
        if rule == "ohlc_low":
            return [first, high, max(first, last) * 1.02, last]
        if rule == "ohlc_high":
            return [first, min(first, last) * 0.98, low, last]
        if rule == "price_positive":
            return [-first, -low, -high, -last]
        return [first, high, low, "n/a"]

    def point(self, coin: str, currency: str, moment: datetime, step: timedelta) -> tuple[Any, Any, Any]:
        """Price, market capitalisation (null now and then) and volume at `moment`."""
        price: Any = self.price(coin, moment, currency)
        rng = self.world.rng("coingecko-volume", coin, int(moment.timestamp() // 3600))
        supply = self.world.rng("coingecko-supply", coin).uniform(2e11, 8e11) / self._price(
            coin, datetime(2026, 1, 1, tzinfo=UTC)
        )
        cap = None if rng.random() < 0.02 else price * supply
        volume = price * supply * rng.uniform(0.02, 0.05)
        if step == timedelta(hours=1):
            price = self._flawed_price(coin, currency, moment, price)
        return price, cap, volume

    def _flawed_price(self, coin: str, currency: str, moment: datetime, price: float) -> Any:
        bar_id = f"coingecko:{coin}:{currency}:1h:{moment:%Y-%m-%dT%H:00Z}"
        rule = self._rule(bar_id)
        if rule is None:
            return price
        # A point has no open, high or low whose order could be wrong.
        planted = "malformed" if rule == "malformed" else "price_positive"
        self.world.plant("coingecko", bar_id, planted, moment.date())
        return str(price) if planted == "malformed" else -price

    def _rule(self, bar_id: str) -> str | None:
        if self.world.rng("coingecko-malformed", bar_id).random() < MALFORMED_SHARE:
            return "malformed"
        return self.world.flaw("market_bars", bar_id)


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def floor(moment: datetime, span: timedelta) -> datetime:
    """`moment` on the grid of `span`, counted from 1970."""
    seconds = span.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def answering(request: Request, body: Any) -> Response:
    """A cacheable answer with a weak ETag, 304 where the client has it."""
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = {"ETag": f'W/"{blake2b(content, digest_size=16).hexdigest()}"', "Cache-Control": "public, max-age=30"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def guarded(handler: Callable[[Request], Any]) -> Handler:
    """`handler` behind the check of the key, with its errors as answers."""

    async def answer(request: Request) -> Response:
        try:
            _check_key(request)
            return answering(request, handler(request))
        except ApiError as error:
            return JSONResponse(error.body, status_code=error.status)

    return answer


def _is_pro(request: Request) -> bool:
    return request.headers.get("x-cg-pro-api-key") == KEY


def _check_key(request: Request) -> None:
    if not _is_pro(request) and request.headers.get("x-cg-demo-api-key") != KEY:
        message = "API Key Missing. Please make sure you're using the right authentication method."
        raise ApiError(401, {"status": {"error_code": 10002, "error_message": message}})


def _parameter(request: Request, name: str, form: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise ApiError(422, {"error": f"Missing parameter {name}"})
    if not re.fullmatch(form, value):
        raise ApiError(422, {"error": f"Invalid {name}"})
    return value


def _check_history(request: Request, start: datetime, now: datetime) -> None:
    # A minute of grace: the client computed its start before this moment.
    if _is_pro(request) or start >= now - FREE_HISTORY - timedelta(minutes=1):
        return
    status = {
        "timestamp": now.isoformat(timespec="milliseconds"),
        "error_code": 10012,
        "error_message": "Your request exceeds the allowed time range. Public API users are limited to querying "
        "historical data within the past 365 days.",
    }
    raise ApiError(401, {"error": {"status": status}})


def routes(world: World) -> list[Route]:
    """The endpoints of CoinGecko that the platform asks for."""
    market = Market(world)

    def coin_and_currency(request: Request) -> tuple[str, str]:
        coin, currency = request.path_params["coin"], _parameter(request, "vs_currency", r"[a-z]+")
        if coin not in world.coins:
            raise ApiError(404, {"error": "coin not found"})
        if currency not in CURRENCIES:
            raise ApiError(400, {"error": "invalid vs_currency"})
        return coin, currency

    def ohlc(request: Request) -> Any:
        coin, currency = coin_and_currency(request)
        days = _parameter(request, "days", "1|7|14|30|90|180|365|max")
        now = world.now()
        reach = FREE_HISTORY * 2 if days == "max" else timedelta(days=int(days))
        _check_history(request, now - reach, now)
        span = timedelta(minutes=CANDLES.get(days, 5760))
        opened, candles = floor(now - reach, span) + span, []
        while candle := market.candle(coin, currency, opened, span):
            candles.append(candle)
            opened += span
        return candles

    def market_chart_range(request: Request) -> Any:
        coin, currency = coin_and_currency(request)
        now = world.now()
        start, end = (
            datetime.fromtimestamp(int(_parameter(request, name, r"\d{1,11}")), UTC) for name in ("from", "to")
        )
        _check_history(request, start, now)
        wide = end - start
        step = timedelta(minutes=5) if wide <= timedelta(days=1) else timedelta(hours=1)
        step = timedelta(days=1) if wide > timedelta(days=90) else step
        moments, slot = [], floor(start, step)
        while slot <= min(end, now):
            moments.append(market.chart_moment(coin, slot, step))
            slot += step
        moments = [moment for moment in moments if start <= moment <= min(end, now)]
        if end >= now:
            moments.append(now)
        points = [(milliseconds(moment), *market.point(coin, currency, moment, step)) for moment in moments]
        return {
            "prices": [[at, price] for at, price, _, _ in points],
            "market_caps": [[at, cap] for at, _, cap, _ in points],
            "total_volumes": [[at, volume] for at, _, _, volume in points],
        }

    def trending(_request: Request) -> Any:
        now = world.now()
        rng = world.rng("coingecko-trending", now.date(), now.hour)
        coins = rng.sample(world.coins, len(world.coins))
        bitcoin = market.price("bitcoin", now, "usd")
        return {"coins": [_trending_coin(market, coin, rank, bitcoin) for rank, coin in enumerate(coins)], "nfts": []}

    return [
        Route("/coins/{coin}/ohlc", guarded(ohlc)),
        Route("/coins/{coin}/market_chart/range", guarded(market_chart_range)),
        Route("/search/trending", guarded(trending)),
    ]


def _trending_coin(market: Market, coin: str, rank: int, bitcoin: float) -> dict[str, Any]:
    price = market.price(coin, market.world.now(), "usd")
    return {
        "item": {
            "id": coin,
            "coin_id": market.world.coins.index(coin) + 1,
            "name": coin.title(),
            "symbol": SYMBOLS[coin].upper(),
            "market_cap_rank": market.world.coins.index(coin) + 1,
            "slug": coin,
            "price_btc": price / bitcoin,
            "score": rank,
            "data": {"price": price, "price_btc": str(price / bitcoin), "total_volume": f"${price * 1e6:,.0f}"},
        }
    }


def watch(world: World, base: str) -> dict[str, Any]:  # noqa: ARG001 - every upstream has this signature
    """Settings that make the source watch the coins of the world."""
    return {"coins": world.coins, "currency": "usd", "api_key": KEY}


def error_body() -> dict[str, Any]:
    """An error that comes with status 200."""
    return {"status": 500, "error": "Internal Server Error"}


def replay(recordings: list[Recording]) -> Replay:
    """Serve recorded candles and price series, each as a coin of its own (`bitcoin-039/myr`), and a trending list."""
    served: dict[tuple[str, str], Recording] = {}
    coins: list[str] = []
    trending: list[Recording] = []
    unused: dict[str, str] = {}
    for recording in recordings:
        path = urlsplit(recording.url or recording.endpoint).path
        found = re.search(r"/coins/([^/]+)(?:/(ohlc|market_chart)(?:/range)?)?$", path)
        if path.endswith("/search/trending"):
            trending.append(recording)
        elif found and (found[2] or recording.status >= 400):
            coin = f"{found[1].strip('{}')}-{recording.file.split('/')[-1][:3]}"
            for kind in (found[2],) if found[2] else ("ohlc", "market_chart"):
                served[coin, kind] = recording
            currency = re.search(r"vs_currency=(\w+)", recording.url)
            coins.append(f"{coin}/{currency[1]}" if currency else coin)
        else:
            unused[recording.file] = f"endpoint not in use: {path or recording.endpoint}"
    unused |= {
        recording.file: "there is one list of trending coins at a time; a newer recording of it is served"
        for recording in trending[:-1]
    }

    async def answer(request: Request) -> Response:
        recording = served.get((request.path_params["coin"], request.path_params["kind"]))
        if recording is None:
            # The coin was recorded at the other endpoint; here nothing is known of it.
            return JSONResponse([] if request.path_params["kind"] == "ohlc" else {"prices": []})
        return as_recorded(recording)

    async def trending_list(_request: Request) -> Response:
        return as_recorded(trending[-1]) if trending else JSONResponse({"coins": []})

    return Replay(
        routes=[
            Route("/coins/{coin}/{kind:str}", answer),
            Route("/coins/{coin}/{kind:str}/range", answer),
            Route("/search/trending", trending_list),
        ],
        # All of history, as recordings are years old.
        watch={"coins": coins, "currency": "usd", "pro_api_key": KEY},
        unused=unused,
    )


def as_recorded(recording: Recording) -> Response:
    """The recorded status, headers and body."""
    headers = {"content-type": "application/json", **recording.headers}
    return Response(recording.body, status_code=recording.status, headers=headers)
