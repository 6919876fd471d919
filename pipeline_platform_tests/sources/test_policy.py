from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.sources import policy
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.errors import (
    CircuitOpen,
    Malformed,
    Permanent,
    QuotaExhausted,
    SourceError,
    Transient,
)
from pipeline_platform.sources.limits import usage
from pipeline_platform.sources.policy import (
    COOL_DOWN_SECONDS,
    FAIL_MAX,
    Breaker,
    asked_wait,
    breaker_state,
    breaker_states,
    read_status,
)
from pipeline_platform_tests.sources.conftest import START, FakeClock, KeyedSettings, Upstream, make_source

Make = Callable[..., SourceClient]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 429, 408])
def test_what_may_pass_is_tried_three_times(
    upstream: Upstream, client: SourceClient, clock: FakeClock, status: int
) -> None:
    upstream.reply("{}", status=status)
    with pytest.raises(Transient) as caught:
        client.get("/rows")
    assert caught.value.status == status
    assert len(upstream.seen) == 3
    first, second = clock.sleeps
    assert 4 <= first <= 8
    assert 8 <= second <= 12


def test_success_after_a_failure_is_a_success(upstream: Upstream, client: SourceClient) -> None:
    upstream.reply("{}", status=503)
    upstream.reply('{"v": 1}')
    assert client.get("/rows").json() == {"v": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 451])
def test_permanent_errors_are_not_tried_again(
    upstream: Upstream, client: SourceClient, clock: FakeClock, status: int
) -> None:
    upstream.reply("{}", status=status)
    with pytest.raises(Permanent) as caught:
        client.get("/rows")
    assert (caught.value.status, len(upstream.seen), clock.sleeps) == (status, 1, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry_After": "17"},
        {"Retry_After": (START + timedelta(seconds=17)).strftime("%a, %d %b %Y %H:%M:%S GMT")},
        {"X_RateLimit_Reset": "17.0", "X_RateLimit_Remaining": "0.0"},
        {"X_RateLimit_Reset": str(int(START.timestamp()) + 17), "X_RateLimit_Remaining": "0"},
        {"X_Rate_Limit_Reset": str(int(START.timestamp()) + 17)},
        {"RateLimit_Reset": "17", "RateLimit_Remaining": "0"},
        {"X_RateLimit_Reset": str((int(START.timestamp()) + 17) * 1000)},
        {"X_RateLimit_Reset": "2026-11-22T12:00:17.000000Z", "X_RateLimit_Remaining": "0"},
    ],
)
def test_the_wait_the_upstream_names_wins(
    upstream: Upstream, client: SourceClient, clock: FakeClock, headers: dict[str, str]
) -> None:
    upstream.reply("{}", status=429, **headers)
    upstream.reply('{"v": 1}')
    assert client.get("/rows").json() == {"v": 1}
    assert clock.sleeps == [pytest.approx(17, abs=0.01)]


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "1e12", "Thu, 01 Jan 1970 00:00:00 GMT", "nan", "inf"])
def test_waits_without_sense_give_way_to_our_own(
    upstream: Upstream, client: SourceClient, clock: FakeClock, value: str
) -> None:
    upstream.reply("{}", status=429, Retry_After=value)
    upstream.reply('{"v": 1}')
    assert client.get("/rows").json() == {"v": 1}
    assert 4 <= clock.sleeps[0] <= 8


def test_reset_headers_of_another_limit_are_not_followed(
    upstream: Upstream, client: SourceClient, clock: FakeClock
) -> None:
    upstream.reply("{}", status=429, X_RateLimit_Remaining="4500", X_RateLimit_Reset="3000")
    upstream.reply('{"v": 1}')
    client.get("/rows")
    assert clock.sleeps[0] <= 8


def test_a_wait_too_long_to_sleep_is_an_exhausted_quota_for_everybody(
    upstream: Upstream, make_client: Make, clock: FakeClock
) -> None:
    upstream.reply("{}", status=429, Retry_After="3600")
    upstream.reply('{"v": 1}')
    with pytest.raises(QuotaExhausted, match="2026-11-22 13:00:00 UTC") as caught:
        make_client().get("/rows")
    assert caught.value.resets_at == START + timedelta(hours=1)
    with pytest.raises(QuotaExhausted, match="asked for a pause"):
        make_client().get("/other")
    assert (len(upstream.seen), clock.sleeps) == (1, [])
    clock.advance(3600)
    assert make_client().get("/rows").json() == {"v": 1}


def test_a_short_pause_holds_back_other_clients_too(upstream: Upstream, make_client: Make, clock: FakeClock) -> None:
    upstream.reply("{}", status=429, Retry_After="30", times=3)
    upstream.reply('{"v": 1}')
    with pytest.raises(Transient):
        make_client().get("/rows")
    before = sum(clock.sleeps)
    make_client().get("/rows")
    assert sum(clock.sleeps) - before == pytest.approx(30)


def test_quota_named_by_the_source_keeps_its_reset(upstream: Upstream, make_client: Make) -> None:
    upstream.reply('{"Information": "25 requests per day"}')
    until = START + timedelta(hours=5)
    client = make_client(diagnose=lambda response: QuotaExhausted("spent", resets_at=until))
    for _ in range(2):
        with pytest.raises(QuotaExhausted) as caught:
            client.get("/rows")
        assert caught.value.resets_at == until
    assert len(upstream.seen) == 1


def test_remaining_zero_on_a_permanent_error_changes_nothing(
    upstream: Upstream, client: SourceClient, clock: FakeClock
) -> None:
    upstream.reply("{}", status=404, X_RateLimit_Remaining="0", X_RateLimit_Reset="3000")
    upstream.reply("{", X_RateLimit_Remaining="0", X_RateLimit_Reset="3000", times=2)
    with pytest.raises(Permanent):
        client.get("/rows")
    with pytest.raises(Malformed):
        client.get("/rows")
    assert sum(clock.sleeps) <= 8


@given(status=st.integers(100, 599))
def test_every_status_has_a_reading(status: int) -> None:
    error = read_status(status, "text")
    assert (error is None) == (200 <= status < 300)
    assert error is None or isinstance(error, Transient | Permanent)


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset", "x-ratelimit-remaining"]), st.text()))
def test_no_header_breaks_the_reading_of_waits(headers: dict[str, str]) -> None:
    wait = asked_wait(429, headers, START)
    assert wait is None or 0 < wait <= 32 * 86_400


class TestBreaker:
    def fail(self, client: SourceClient, error: type[SourceError] = Transient) -> None:
        with pytest.raises(error):
            client.get("/rows")

    def test_opens_after_five_failures_and_spares_the_upstream(
        self, upstream: Upstream, client: SourceClient, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply("{}", status=500)
        self.fail(client)
        self.fail(client)
        assert len(upstream.seen) == FAIL_MAX
        with pytest.raises(CircuitOpen, match="failed 5 times in a row") as caught:
            client.get("/rows")
        assert caught.value.wait_seconds is not None
        assert len(upstream.seen) == FAIL_MAX
        assert breaker_state(client.source, redis_client, clock) == "open"

    def test_is_shared_by_clients_and_survives_them(self, upstream: Upstream, make_client: Make) -> None:
        upstream.reply("{}", status=500)
        self.fail(make_client())
        self.fail(make_client())
        self.fail(make_client(), CircuitOpen)
        assert len(upstream.seen) == FAIL_MAX

    def test_probe_closes_it(
        self, upstream: Upstream, client: SourceClient, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        upstream.reply("{}", status=500, times=FAIL_MAX)
        upstream.reply('{"v": 1}')
        self.fail(client)
        self.fail(client)
        clock.advance(COOL_DOWN_SECONDS)
        assert breaker_state(client.source, redis_client, clock) == "half-open"
        assert client.get("/rows").json() == {"v": 1}
        assert breaker_state(client.source, redis_client, clock) == "closed"

    def test_failing_probe_opens_it_again(self, upstream: Upstream, client: SourceClient, clock: FakeClock) -> None:
        upstream.reply("{}", status=500)
        self.fail(client)
        self.fail(client)
        clock.advance(COOL_DOWN_SECONDS)
        self.fail(client)
        assert len(upstream.seen) == FAIL_MAX + 1
        self.fail(client, CircuitOpen)

    def test_success_and_404_reset_the_count(
        self, upstream: Upstream, client: SourceClient, redis_client: redis.Redis
    ) -> None:
        for _ in range(3):
            upstream.reply("{}", status=500, times=3)
            upstream.reply("{}", status=404)
            upstream.reply("{}", status=500)
            upstream.reply("{}")
        for _ in range(3):
            self.fail(client)
            self.fail(client, Permanent)
            client.get("/rows")
        assert breaker_state(client.source, redis_client) == "closed"

    def test_404s_do_not_open_it_but_malformed_bodies_do(self, upstream: Upstream, client: SourceClient) -> None:
        upstream.reply("{}", status=404, times=10)
        upstream.reply("<html>")
        for _ in range(10):
            self.fail(client, Permanent)
        self.fail(client, Malformed)
        self.fail(client, Malformed)
        self.fail(client, Malformed)
        self.fail(client, CircuitOpen)

    def test_an_open_circuit_costs_no_quota(
        self, upstream: Upstream, client: SourceClient, redis_client: redis.Redis, clock: FakeClock
    ) -> None:
        from pipeline_platform.sources.limits import usage

        upstream.reply("{}", status=500)
        self.fail(client)
        self.fail(client)
        self.fail(client, CircuitOpen)
        assert usage(client.source, redis_client, clock=clock).used_today == FAIL_MAX

    def test_one_dead_host_does_not_shut_out_the_others(
        self, upstream: Upstream, serve: Callable[[], Upstream], redis_client: redis.Redis, tmp_path: Path
    ) -> None:
        other = serve()
        upstream.reply("{}", status=500)
        other.reply("{}")
        clock = FakeClock()
        source = make_source("")
        client = SourceClient(source, KeyedSettings(), redis=redis_client, cache_path=tmp_path, clock=clock)
        for _ in range(2):
            with pytest.raises(Transient):
                client.get(f"{upstream.url}/feed")
        client.get(f"{other.url}/feed")
        states = breaker_states(redis_client, clock)[source.name]
        assert sorted(states.values()) == ["closed", "open"]
        assert breaker_state(source, redis_client, clock) == "open"

    def test_only_one_probe_at_a_time(
        self, redis_client: redis.Redis, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(policy, "PROBE_PATIENCE_SECONDS", 0.1)
        first, second = (Breaker("sample", "host", redis_client, clock) for _ in range(2))
        for _ in range(FAIL_MAX):
            with pytest.raises(Transient), first.guard():
                raise Transient("down")
        clock.advance(COOL_DOWN_SECONDS)
        with first.guard(), pytest.raises(CircuitOpen), second.guard():
            pytest.fail("a second probe went through")
        with second.guard():
            pass

    def test_who_comes_beside_a_probe_waits_for_what_comes_of_it(
        self, redis_client: redis.Redis, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = (Breaker("sample", "host", redis_client, clock) for _ in range(2))
        for _ in range(FAIL_MAX):
            with pytest.raises(Transient), first.guard():
                raise Transient("down")
        clock.advance(COOL_DOWN_SECONDS)
        probe = first.guard()
        probe.__enter__()
        monkeypatch.setattr(policy.time, "sleep", lambda _seconds: probe.__exit__(None, None, None))
        with second.guard():
            pass
        assert second.state() == "closed"

    def test_what_another_request_kept_from_being_sent_is_not_counted(
        self, upstream: Upstream, client: SourceClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Breaker(client.source.name, urlsplit(upstream.url).netloc, client._redis, clock)
        acquire = client._limits.acquire

        def acquired_too_late(host: str, allowance: Any = None) -> None:
            acquire(host, allowance)
            for _ in range(FAIL_MAX):
                with pytest.raises(Transient), other.guard():
                    raise Transient("down")

        monkeypatch.setattr(client._limits, "acquire", acquired_too_late)
        with pytest.raises(CircuitOpen):
            client.get("posts")
        assert upstream.seen == []
        assert client.tally.requests == usage(client.source, client._redis, client.settings, clock).used_today == 0

    def test_interrupted_probe_leaves_the_way_free(self, redis_client: redis.Redis, clock: FakeClock) -> None:
        breaker = Breaker("sample", "host", redis_client, clock)
        for _ in range(FAIL_MAX):
            with pytest.raises(Transient), breaker.guard():
                raise Transient("down")
        clock.advance(COOL_DOWN_SECONDS)
        with pytest.raises(KeyboardInterrupt), breaker.guard():
            raise KeyboardInterrupt
        with breaker.guard():
            pass
        assert breaker.state() == "closed"


def test_reads_dates_without_a_zone_as_utc() -> None:
    at = datetime(2026, 11, 22, 12, 0, 30).strftime("%a, %d %b %Y %H:%M:%S")  # noqa: DTZ001
    assert asked_wait(503, httpx.Headers({"Retry-After": at}), START) == 30
