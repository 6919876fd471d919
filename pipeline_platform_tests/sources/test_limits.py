import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis

from pipeline_platform.sources.base import Budget
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import QuotaExhausted
from pipeline_platform.sources.limits import LATENESS_SECONDS, Limits, rate_of, usage
from pipeline_platform_tests.sources.conftest import START, FakeClock, KeyedSettings, Upstream, make_source

Make = Callable[..., SourceClient]
API = "https://api.example.org"


def limits_of(budget: Budget, redis_client: redis.Redis, clock: FakeClock, **settings: object) -> Limits:
    return Limits(make_source(API, budget=budget), KeyedSettings(**settings), redis_client, clock)


@pytest.mark.parametrize("budget", [Budget(1, 5), Budget(7, 10), Budget(30, 60), Budget(100, 60), Budget(60, 3600)])
def test_no_window_sees_more_than_the_budget(redis_client: redis.Redis, clock: FakeClock, budget: Budget) -> None:
    limits = limits_of(budget, redis_client, clock)
    sent: list[datetime] = []
    for _ in range(2 * budget.requests + 3):
        limits.acquire("api.example.org")
        sent.append(clock.now())
    window = timedelta(seconds=budget.per_seconds)
    # The first may arrive late and those after it at once.
    seen = [
        sum(start <= moment < start + window + timedelta(seconds=LATENESS_SECONDS) for moment in sent)
        for start in sent[::7]
    ]
    assert max(seen) <= budget.requests
    # ... and the budget is not wasted either.
    assert (sent[-1] - sent[0]) / len(sent) <= window / budget.requests * 1.25


def test_setting_overrides_the_budget_at_once(redis_client: redis.Redis, clock: FakeClock) -> None:
    for _ in range(3):
        limits_of(Budget(1, 60), redis_client, clock).acquire("api.example.org")
    assert sum(clock.sleeps) == pytest.approx(122, abs=0.1)
    for _ in range(100):
        limits_of(Budget(1, 60), redis_client, clock, requests_per_minute=60_000).acquire("api.example.org")
    assert sum(clock.sleeps) == pytest.approx(122, abs=0.1)


def test_setting_overrides_the_daily_budget(redis_client: redis.Redis, clock: FakeClock) -> None:
    budget = Budget(6000, 60, daily=1)
    wide = limits_of(budget, redis_client, clock, requests_per_day=3)
    for _ in range(3):
        wide.acquire("api.example.org")
    with pytest.raises(QuotaExhausted, match="all 3 requests"):
        wide.acquire("api.example.org")
    source, settings = make_source(API, budget=budget), KeyedSettings(requests_per_day=5)
    assert usage(source, redis_client, settings, clock).remaining == 2
    assert usage(source, redis_client, None, clock).remaining == 0


def test_rate_of_a_single_request_has_no_burst() -> None:
    rate = rate_of(make_source(API, budget=Budget(1, 5)), KeyedSettings())
    assert (rate.limit, rate.interval, rate.burst) == (1, 6000, 1)


def test_budget_too_small_to_wait_for(redis_client: redis.Redis, clock: FakeClock) -> None:
    limits = limits_of(Budget(1, 3600), redis_client, clock)
    limits.acquire("api.example.org")
    with pytest.raises(QuotaExhausted, match="request budget is spent") as caught:
        limits.acquire("api.example.org")
    assert caught.value.resets_at == pytest.approx(START + timedelta(hours=1), abs=timedelta(seconds=1))


def test_threads_share_the_bucket(redis_client: redis.Redis, clock: FakeClock) -> None:
    limits = limits_of(Budget(10, 10), redis_client, clock)
    other = limits_of(Budget(10, 10), redis_client, clock)
    sent: list[datetime] = []

    def work(mine: Limits) -> None:
        for _ in range(15):
            mine.acquire("api.example.org")
            sent.append(clock.now())

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (limits, limits, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 45
    assert clock.now() - START >= timedelta(seconds=43)


class TestDailyQuota:
    budget = Budget(requests=6000, per_seconds=60, daily=3)

    def test_is_remembered_across_restarts(
        self, upstream: Upstream, make_client: Make, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply()
        for _ in range(3):
            make_client(budget=self.budget).get("/rows")
        client = make_client(budget=self.budget)
        with pytest.raises(QuotaExhausted, match="all 3 requests of the day are used; more from 2026-11-23") as caught:
            client.get("/rows")
        assert caught.value.resets_at == datetime(2026, 11, 23, tzinfo=UTC)
        assert len(upstream.seen) == 3
        used = usage(client.source, redis_client, clock=clock)
        assert (used.used_today, used.daily, used.remaining) == (3, 3, 0)
        assert used.resets_at == datetime(2026, 11, 23, tzinfo=UTC)

    def test_starts_anew_at_midnight_utc(
        self, upstream: Upstream, make_client: Make, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply()
        client = make_client(budget=self.budget)
        for _ in range(3):
            client.get("/rows")
        clock.advance(12 * 3600)
        client.get("/rows")
        assert usage(client.source, redis_client, clock=clock).used_today == 1

    def test_counts_every_attempt(
        self, upstream: Upstream, make_client: Make, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply("{}", status=500)
        upstream.reply("{", ETag='"a"')
        upstream.reply()
        client = make_client(budget=self.budget)
        client.get("/rows")
        assert usage(client.source, redis_client, clock=clock).used_today == len(upstream.seen)

    def test_is_never_overdrawn_by_threads(self, redis_client: redis.Redis, clock: FakeClock) -> None:
        budget = Budget(requests=6000, per_seconds=60, daily=20)
        refused = []

        def work() -> None:
            for _ in range(10):
                try:
                    limits_of(budget, redis_client, clock).acquire("api.example.org")
                except QuotaExhausted:
                    refused.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 20
        assert usage(make_source(API, budget=budget), redis_client, clock=clock).used_today == 20

    def test_the_sandbox_does_not_use_up_the_real_quota(
        self, upstream: Upstream, make_client: Make, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply()
        settings = KeyedSettings(base_url=upstream.url)
        client = make_client(base_url=API, settings=settings, budget=self.budget)
        client.get("/rows")
        assert usage(client.source, redis_client, clock=clock).used_today == 0
        assert usage(client.source, redis_client, settings, clock).used_today == 1

    def test_a_setting_overrides_the_quota(self, redis_client: redis.Redis, clock: FakeClock) -> None:
        budget = Budget(requests=6000, per_seconds=60, daily=3)
        limits = limits_of(budget, redis_client, clock, requests_per_day=2)
        limits.acquire("api.example.org")
        limits.acquire("api.example.org")
        with pytest.raises(QuotaExhausted, match="all 2 requests of the day"):
            limits.acquire("api.example.org")
        used = usage(make_source(API, budget=budget), redis_client, KeyedSettings(requests_per_day=9), clock)
        assert (used.used_today, used.daily, used.remaining) == (2, 9, 7)

    def test_without_a_daily_limit_only_counts(self, redis_client: redis.Redis, clock: FakeClock) -> None:
        source = make_source(API)
        assert usage(source, redis_client, clock=clock).remaining is None
