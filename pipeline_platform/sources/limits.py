"""How often an upstream is asked: token bucket, daily quota, and the pause an upstream ordered, shared through Redis.

All of it is kept per source and address of the API, so that what the sandbox is asked does not use up the budget of
the real upstream.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import httpx
from pyrate_limiter import Rate, RedisStateStore, TokenBucket
from redis import Redis

from pipeline_platform.sources.base import Allowance, Source, SourceSettings
from pipeline_platform.sources.clock import SYSTEM_CLOCK, Clock
from pipeline_platform.sources.errors import QuotaExhausted
from pipeline_platform.sources.policy import BEARABLE_WAIT

# The share of a window that may be spent at once. What the burst can add is taken off the steady rate, so that no
# window of the upstream ever sees more than the budget.
BURST_SHARE = 0.1
# A request that was slow on its way comes into the window of those after it: the bucket fills as if it were longer.
LATENESS_SECONDS = 1.0
# Two days: a count is read until its UTC day is over everywhere.
QUOTA_LIFE_SECONDS = 172_800


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """What is left of a daily budget; `daily` and `remaining` are None where there is no daily limit."""

    used_today: int
    daily: int | None
    remaining: int | None
    resets_at: datetime


def address(source: Source, settings: SourceSettings | None) -> str:
    """Host and port of the API, by which its limits are kept."""
    base_url = (settings.base_url if settings else None) or source.base_url
    try:
        return httpx.URL(base_url).netloc.decode()
    except httpx.InvalidURL:
        # Requests there fail with a clear error of their own.
        return ""


def daily_of(source: Source, settings: SourceSettings | None) -> int | None:
    """Requests of a UTC day: the budget's, or the setting that overrides it; None where there is no limit."""
    return (settings.requests_per_day if settings else None) or source.budget.daily


def rate_of(source: Source, settings: SourceSettings) -> Rate:
    """The token bucket's rate: the budget, or the setting that overrides it, as the upstream will see it."""
    if settings.requests_per_minute is not None:
        requests, seconds = settings.requests_per_minute, 60.0
    else:
        requests, seconds = source.budget.requests, source.budget.per_seconds
    burst = max(1, math.floor(requests * BURST_SHARE))
    return Rate(requests - (burst - 1), round((seconds + LATENESS_SECONDS) * 1000), burst=burst)


class Limits:
    """Admits the requests of one source at the rate of its budget.

    Args:
        source: declares the budget.
        settings: may override the rate and the daily budget.
        redis: shared by every process that asks this upstream.
        clock: time and waiting.
    """

    def __init__(self, source: Source, settings: SourceSettings, redis: Redis, clock: Clock) -> None:
        self._source = source
        self._redis = redis
        self._clock = clock
        self._prefix = _prefix(source, settings)
        self._rates = [rate_of(source, settings)]
        self._daily = daily_of(source, settings)
        self._algorithm = TokenBucket()
        # The rate is part of the key: a changed setting must not wait out the debts of the old one.
        rate = self._rates[0]
        self._store = RedisStateStore(redis, f"{self._prefix}bucket:{rate.limit}:{rate.interval}:{rate.burst}")

    def acquire(self, host: str, allowance: Allowance | None = None) -> None:
        """Wait for the right to send one request to `host` and count it, within its `allowance` too.

        Raises:
            QuotaExhausted: the upstream ordered a long pause, the day's requests are used up, or the budget is so
                small that the next request is further away than a run should wait.
        """
        pause, used, used_of_allowance = self._stand(host, allowance)
        self._sit_out(pause, host)
        # Before the token, so that nobody waits for a token only to hear that the day is over.
        self._refuse_beyond(used + 1)
        if allowance:
            self._refuse_beyond(used_of_allowance + 1, allowance)
        self._take_token()
        self._refuse_beyond(self._count())
        if allowance:
            self._refuse_beyond(self._count(allowance), allowance)

    def give_back(self, allowance: Allowance | None = None) -> None:
        """Take back the count of a request that was admitted and not sent."""
        self._redis.decr(self._key(None))
        if allowance:
            self._redis.decr(self._key(allowance))

    def pause(self, host: str, until: datetime) -> None:
        """Let no process ask `host` before `until`: the upstream said so."""
        seconds = (until - self._clock.now()).total_seconds()
        if seconds > 0:
            self._redis.set(f"{self._prefix}pause:{host}", until.timestamp(), px=max(1, math.ceil(seconds * 1000)))

    def _stand(self, host: str, allowance: Allowance | None) -> tuple[float | None, int, int]:
        """When the pause of `host` ends, and today's requests: all of them and those of `allowance`; one round trip."""
        stored: Any = self._redis.mget(f"{self._prefix}pause:{host}", self._key(None), self._key(allowance))
        pause, used, used_of_allowance = stored
        return float(pause) if pause else None, int(used or 0), int(used_of_allowance or 0)

    def _sit_out(self, pause: float | None, host: str) -> None:
        if pause is None:
            return
        until = datetime.fromtimestamp(pause, UTC)
        self._wait((until - self._clock.now()).total_seconds(), f"{host} asked for a pause")

    def _take_token(self) -> None:
        while True:
            now_ms = math.floor(self._clock.now().timestamp() * 1000)
            decision = self._store.check(self._algorithm, self._rates, now_ms, 1)
            if decision.allowed:
                return
            self._wait((decision.retry_after_ms or 1) / 1000, "its request budget is spent")

    def _key(self, allowance: Allowance | None) -> str:
        return _day_key(f"{self._prefix}{allowance.name}:" if allowance else self._prefix, self._clock.now())

    def _count(self, allowance: Allowance | None = None) -> int:
        key = self._key(allowance)
        pipe = self._redis.pipeline()
        pipe.incr(key)
        pipe.expire(key, QUOTA_LIFE_SECONDS)
        used: int = pipe.execute()[0]
        daily = allowance.daily if allowance else self._daily
        if daily is not None and used > daily:
            # Another process took the last one meanwhile; this one is not sent.
            self._redis.decr(key)
        return used

    def _refuse_beyond(self, used: int, allowance: Allowance | None = None) -> None:
        daily = allowance.daily if allowance else self._daily
        if daily is None or used <= daily:
            return
        now = self._clock.now()
        resets_at = _next_midnight(now)
        raise QuotaExhausted(
            f"{self._source.name}: all {daily} requests of the day{f' for {allowance.name}' if allowance else ''} are "
            f"used; more from {resets_at:%Y-%m-%d %H:%M} UTC",
            wait_seconds=(resets_at - now).total_seconds(),
            resets_at=resets_at,
        )

    def _wait(self, seconds: float, reason: str) -> None:
        if seconds <= 0:
            return
        if seconds > BEARABLE_WAIT:
            resets_at = self._clock.now() + timedelta(seconds=seconds)
            raise QuotaExhausted(
                f"{self._source.name}: {reason}; not to be asked before {resets_at:%Y-%m-%d %H:%M:%S} UTC",
                wait_seconds=seconds,
                resets_at=resets_at,
            )
        self._clock.sleep(seconds)


def usage(
    source: Source, redis: Redis, settings: SourceSettings | None = None, clock: Clock = SYSTEM_CLOCK
) -> BudgetUsage:
    """What was asked of a source today (UTC) and what is left; give `settings` when they name another address."""
    return usages([(source, settings)], redis, clock)[0]


def usages(
    sources: Sequence[tuple[Source, SourceSettings | None]], redis: Redis, clock: Clock = SYSTEM_CLOCK
) -> list[BudgetUsage]:
    """As `usage`, of several sources in one round trip."""
    if not sources:
        return []
    now = clock.now()
    stored: Any = redis.mget([_day_key(_prefix(source, settings), now) for source, settings in sources])
    found = []
    for (source, settings), count in zip(sources, stored, strict=True):
        used, daily = int(count or 0), daily_of(source, settings)
        remaining = None if daily is None else max(0, daily - used)
        found.append(BudgetUsage(used_today=used, daily=daily, remaining=remaining, resets_at=_next_midnight(now)))
    return found


def _prefix(source: Source, settings: SourceSettings | None) -> str:
    return f"pipeline:limits:{source.name}:{address(source, settings)}:"


def _day_key(prefix: str, now: datetime) -> str:
    return f"{prefix}day:{now:%Y-%m-%d}"


def _next_midnight(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time.min, UTC)
