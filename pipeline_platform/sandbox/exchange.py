"""The exchanges of the synthetic world, on which Alpha Vantage and Yahoo report: trading days, bars, dividends, splits.

Both upstreams show the same bars, so that what they say of one share and day can be compared. What differs on purpose
follows from `disagreement`. There are no holidays. Prices are those after all splits.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pipeline_platform.sandbox.world import World

NEW_YORK = ZoneInfo("America/New_York")
OPENS, CLOSES = time(9, 30), time(16, 0)
"""Hours of trading in New York."""

SAMPLES = timedelta(hours=1)
"""Spacing of the prices of which a bar of a day is made."""

RATE = "EUR/USD"
RATE_LEVEL = 1.08
COIN = "bitcoin"
FUND = "SPY"

DISAGREEMENT_SHARE, DISAGREEMENT = 0.02, 1.01
SPLITS = {("NVDA", date(2024, 6, 10)): (10, 1), ("AAPL", date(2020, 8, 31)): (4, 1)}
"""Share and first day after the split -> shares after and before."""

DIVIDEND_MONTHS = (2, 5, 8, 11)
DIVIDEND_YIELD = 0.004
"""Share of the price that is paid each quarter."""

Hours = Literal["session", "weekdays", "always"]


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices in USD and volume of a span of trading that began at `opened` (UTC)."""

    opened: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int

    def times(self, factor: float) -> "Bar":
        """The bar with all prices times `factor`."""
        first, high, low, last = (round(one * factor, 4) for one in (self.open, self.high, self.low, self.close))
        return Bar(self.opened, first, high, low, last, self.volume)

    def breaking(self, rule: str) -> "Bar":
        """The bar made to break `rule` of the market bars, and no other."""
        first, high, low, last = self.open, self.high, self.low, self.close
        if rule == "ohlc_low":
            low = round(max(first, last) * 1.02, 4)
            high = max(high, low)
        elif rule == "ohlc_high":
            high = round(min(first, last) * 0.98, 4)
            low = min(low, high)
        elif rule == "price_positive":
            first, high, low, last = -first, -low, -high, -last
        return Bar(self.opened, first, high, low, last, self.volume)


def hours_of(asset: str) -> Hours:
    """When `asset` is traded: in the sessions of New York, on weekdays all around the clock, or always."""
    return {RATE: "weekdays", COIN: "always"}.get(asset, "session")  # type: ignore[return-value]


def session(asset: str, day: date) -> tuple[datetime, datetime] | None:
    """First and last moment of trading of `asset` on `day`, in UTC; None on a day without trading."""
    hours = hours_of(asset)
    if hours != "always" and day.weekday() >= 5:
        return None
    if hours == "session":
        opens, closes = (datetime.combine(day, moment, NEW_YORK) for moment in (OPENS, CLOSES))
        return opens.astimezone(UTC), closes.astimezone(UTC)
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def daily(world: World, asset: str, day: date) -> Bar | None:
    """The bar of a trading day as far as it has come; None on a day without trading, and before its session."""
    span = session(asset, day)
    return bar(world, asset, *span, step=SAMPLES) if span else None


def intraday(world: World, asset: str, day: date, length: timedelta) -> Iterator[Bar]:
    """The bars of `length` of a trading day, as far as it has come."""
    if (span := session(asset, day)) is None:
        return
    opened, closes = span
    while opened < closes and (found := bar(world, asset, opened, min(opened + length, closes), step=length)):
        yield found
        opened += length


def bar(world: World, asset: str, start: datetime, end: datetime, step: timedelta) -> Bar | None:
    """The bar of `[start, end)`, made of a price each `step` and the last one; None before it begins."""
    now = world.now()
    moments = [start + step * place for place in range(math.ceil((end - start) / step))]
    prices = [price(world, asset, moment) for moment in (*moments, end - timedelta(minutes=1)) if moment <= now]
    if not prices:
        return None
    whole = world.rng("exchange-volume", asset, start.isoformat(), step).randrange(10**6, 10**8)
    share = min(1.0, (now - start) / (end - start)) * ((end - start) / timedelta(days=1))
    return Bar(start, prices[0], max(prices), min(prices), prices[-1], int(whole * share))


@lru_cache(maxsize=500_000)
def price(world: World, asset: str, moment: datetime) -> float:
    """The price in USD: cents for shares and coins, 1/10,000 for rates."""
    if asset != RATE:
        return round(world.price(asset, moment), 2)
    days = moment.timestamp() / 86400
    phases = world.rng("exchange-rate", asset)
    waves = sum(
        height * math.sin(2 * math.pi * (days / period + phases.random()))
        for period, height in ((400, 0.05), (23, 0.01), (1.7, 0.002))
    )
    return round(RATE_LEVEL * math.exp(waves), 4)


def disagreement(world: World, asset: str, day: date) -> float:
    """By how much Alpha Vantage tells other prices of a share's day than Yahoo: 1, and now and then 1.01."""
    differs = hours_of(asset) == "session" and _rng(world, "disagreement", asset, day).random() < DISAGREEMENT_SHARE
    return DISAGREEMENT if differs else 1.0


def dividend(world: World, share: str, day: date) -> float | None:
    """What `share` pays in USD to those who held it before `day`; None on other days."""
    if day.month not in DIVIDEND_MONTHS or _ex_date(world, share, day.year, day.month) != day:
        return None
    before = datetime.combine(day - timedelta(days=1), CLOSES, NEW_YORK).astimezone(UTC)
    return round(price(world, share, before) * DIVIDEND_YIELD, 2)


def adjustment(world: World, share: str, day: date) -> float:
    """What to multiply a close of `day` by to have it adjusted for the dividends paid since."""
    today, factor = world.now().date(), 1.0
    for year in range(day.year, today.year + 1):
        for month in DIVIDEND_MONTHS:
            if day < _ex_date(world, share, year, month) <= today:
                factor *= 1 - DIVIDEND_YIELD
    return factor


def _ex_date(world: World, share: str, year: int, month: int) -> date:
    paid = date(year, month, _rng(world, "dividend", share, year, month).randint(3, 25))
    return paid + timedelta(days=max(0, 7 - paid.weekday()) if paid.weekday() >= 5 else 0)


def _rng(world: World, *parts: object) -> random.Random:
    return world.rng("exchange", *parts)
