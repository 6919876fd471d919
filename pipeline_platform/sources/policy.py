"""What happens when a request fails: which failures are tried again and when, and when an upstream is left alone.

One request passes, in this order, for every attempt: the circuit breaker (an open circuit costs neither time nor
quota), the limits (pause, daily quota, token bucket), the exchange, the reading of the answer. The breaker counts
attempts that failed, so that an upstream that is down sees five requests and not fifteen.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pybreaker import (
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitRedisStorage,
)
from redis import Redis
from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_exponential_jitter

from pipeline_platform.sources.base import Source
from pipeline_platform.sources.clock import SYSTEM_CLOCK, Clock
from pipeline_platform.sources.errors import CircuitOpen, Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.texts import moment

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
SHORTEST_WAIT = 4.0
LONGEST_WAIT = 60.0
# An upstream that asks for more than this is out of budget: the run goes on with other work instead of sleeping.
BEARABLE_WAIT = 120.0
# Upstreams send epochs, milliseconds and dates of another century; nobody means a wait of more than a month.
LONGEST_RESET = timedelta(days=32)

FAIL_MAX = 5
COOL_DOWN_SECONDS = 60.0
# Longer than any request may take: a probe whose process died gives way to another after this.
PROBE_SECONDS = 300
# Who comes while another one probes waits for what comes of it: in the time of the machine, as the probe does.
PROBE_PATIENCE_SECONDS = 30.0
PROBE_POLL_SECONDS = 0.05
# A breaker nobody used for a day knows nothing about today's upstream.
BREAKER_LIFE_SECONDS = 86_400

STATES = (STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN)
"""States of a breaker, from good to bad."""
_BREAKERS = "pipeline:breaker:"
_BACKOFF = wait_exponential_jitter(multiplier=SHORTEST_WAIT, max=LONGEST_WAIT, jitter=SHORTEST_WAIT)


def retrying(clock: Clock) -> Retrying:
    """The retry policy of one request; make a new one for each.

    Waits 4 to 60 s, exponentially with jitter, unless the upstream named a wait. A malformed body is asked for once
    more, because a body that was cut off on its way often heals; a permanent error never.
    """
    malformed_seen = 0

    def again(state: RetryCallState) -> bool:
        nonlocal malformed_seen
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Malformed):
            malformed_seen += 1
            return error.retryable and malformed_seen == 1
        return isinstance(error, SourceError) and error.retryable

    return Retrying(
        stop=stop_after_attempt(MAX_ATTEMPTS),
        retry=again,
        wait=_wait,
        sleep=clock.sleep,
        before_sleep=_announce,
        reraise=True,
    )


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, SourceError) and error.wait_seconds:
        return error.wait_seconds
    return _BACKOFF(state)


def _announce(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    logger.warning("attempt %d of %d failed, next in %.1f s: %s", state.attempt_number, MAX_ATTEMPTS, wait, error)


def asked_wait(status: int, headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the upstream asks us to wait, from `Retry-After` (RFC 9110 section 10.2.3) or the reset headers.

    None when it names no wait, or none that makes sense: zero, in the past, not a number, beyond a month. Reset
    headers count only when nothing remains, and not for a broken server: there they tell of a limit we did not reach.
    """
    wait = _seconds_or_date(headers.get("retry-after"), now)
    if wait is None and status != 202 and status < 500:
        for prefix in ("x-ratelimit", "x-rate-limit", "ratelimit"):
            remaining = _number(headers.get(f"{prefix}-remaining"))
            if remaining is None or remaining < 1:
                wait = _reset(headers.get(f"{prefix}-reset"), now)
            if wait is not None:
                break
    if wait is None or not 0 < wait <= LONGEST_RESET.total_seconds():
        return None
    return wait


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _seconds_or_date(text: str | None, now: datetime) -> float | None:
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _reset(text: str | None, now: datetime) -> float | None:
    """Reddit counts seconds down, GitHub and X name an epoch, some in milliseconds, Mastodon a moment in ISO 8601."""
    number = _number(text)
    if number is None:
        found = moment(text)
        return (found - now).total_seconds() if found else None
    if number > 1e11:
        number /= 1000
    return number - now.timestamp() if number > 1e9 else number


def read_status(status: int, message: str) -> SourceError | None:
    """The usual reading of a status: None for 2xx, otherwise the error it stands for, with `message` as its text."""
    if 200 <= status < 300:
        return None
    if status in {408, 425, 429} or status >= 500:
        return Transient(message, status=status)
    return Permanent(message, status=status)


def bearable(error: SourceError, now: datetime) -> SourceError:
    """`error`, or `QuotaExhausted` when it asks to wait longer than a run should sleep."""
    wait = error.wait_seconds
    if isinstance(error, QuotaExhausted):
        if error.resets_at is None and wait:
            error.resets_at = now + timedelta(seconds=wait)
        return error
    if wait is None or wait <= BEARABLE_WAIT or not isinstance(error, Transient):
        return error
    resets_at = now + timedelta(seconds=wait)
    message = f"{error} (the upstream asks to wait until {resets_at:%Y-%m-%d %H:%M:%S} UTC)"
    return QuotaExhausted(message, status=error.status, wait_seconds=wait, resets_at=resets_at)


class _Storage(CircuitRedisStorage):
    """Breaker state in Redis whose time of opening comes from our clock."""

    def __init__(self, redis: Redis, namespace: str, clock: Clock) -> None:
        self._clock = clock
        super().__init__(STATE_CLOSED, redis, namespace=namespace)

    @property
    def untroubled(self) -> bool:
        """Closed, and no failure counted."""
        state, failures = self._redis.mget(self._namespace("state"), self._namespace("fail_counter"))
        return state in (None, STATE_CLOSED.encode()) and not int(failures or 0)

    @property
    def opened_at(self) -> datetime | None:
        stored: Any = self._redis.get(self._namespace("opened_at"))
        return datetime.fromtimestamp(float(stored), UTC) if stored else None

    @opened_at.setter
    def opened_at(self, now: datetime) -> None:  # noqa: ARG002
        self._redis.set(self._namespace("opened_at"), self._clock.now().timestamp())


class Breaker:
    """The circuit breaker of one host of one source, shared by all processes through Redis.

    Opens after `FAIL_MAX` failures in a row, lets one probe through after the cool-down, closes when it succeeds.
    Transient and malformed answers are failures; a 404 shows that the upstream is alive, and so does a 202.
    """

    def __init__(self, source_name: str, host: str, redis: Redis, clock: Clock) -> None:
        self.host = host
        self._redis = redis
        self._clock = clock
        self._namespace = f"{namespace(source_name)}{host}"
        self._storage = _Storage(redis, self._namespace, clock)
        self._probe_key = f"{self._namespace}:probe"

    def state(self) -> str:
        """`closed`, `open`, or `half-open` when the next request is the probe."""
        state = self._storage.state
        return STATE_HALF_OPEN if state == STATE_OPEN and self._cooling() <= 0 else state

    def check(self) -> str:
        """The state in Redis; raises CircuitOpen while the circuit is open and cools down."""
        state = self._storage.state
        if state == STATE_OPEN and (seconds := self._cooling()) > 0:
            raise self._refusal(seconds)
        return state

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one attempt: refuses it with CircuitOpen, or lets it through and counts how it ends."""
        probing = self._admit()
        try:
            yield
        except SourceError as error:
            self._count(error)
            raise
        else:
            self._count(None)
        finally:
            if probing:
                self._redis.delete(self._probe_key)

    def _admit(self) -> bool:
        """Let one request through; True when it is the probe."""
        patient_until = time.monotonic() + PROBE_PATIENCE_SECONDS
        while self.check() != STATE_CLOSED:
            if self._redis.set(self._probe_key, 1, nx=True, ex=PROBE_SECONDS):
                self._breaker().half_open()
                return True
            if time.monotonic() >= patient_until:
                raise self._refusal(COOL_DOWN_SECONDS)
            time.sleep(PROBE_POLL_SECONDS)
        return False

    def _count(self, error: SourceError | None) -> None:
        if error is None and self._storage.untroubled:
            return

        def outcome() -> None:
            if error is not None:
                raise error

        breaker = self._breaker()
        before = breaker.current_state
        # The caller gets the failure itself; a circuit that another process opened meanwhile needs no count.
        with suppress(SourceError, CircuitBreakerError):
            breaker.call(outcome)
        if breaker.current_state != before:
            logger.warning("circuit breaker of %s: %s, was %s", self.host, breaker.current_state, before)
        pipe = self._redis.pipeline(transaction=False)
        for key in ("state", "fail_counter", "success_counter", "opened_at"):
            pipe.expire(f"{self._namespace}:{CircuitRedisStorage.BASE_NAMESPACE}:{key}", BREAKER_LIFE_SECONDS)
        pipe.execute()

    def _breaker(self) -> CircuitBreaker:
        # A new one each time: pybreaker holds a lock while it calls, and one that kept an old state would reset the
        # shared count when it sees that another process closed the circuit.
        return CircuitBreaker(
            fail_max=FAIL_MAX,
            reset_timeout=COOL_DOWN_SECONDS,
            exclude=[lambda error: not isinstance(error, Transient | Malformed) or error.status == 202],
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )

    def _cooling(self) -> float:
        opened_at = self._storage.opened_at
        if opened_at is None:
            return 0.0
        return COOL_DOWN_SECONDS - (self._clock.now() - opened_at).total_seconds()

    def _refusal(self, seconds: float) -> CircuitOpen:
        return CircuitOpen(
            f"{self.host} failed {FAIL_MAX} times in a row and is left alone; next try in {seconds:.0f} s",
            wait_seconds=seconds,
        )


def namespace(source_name: str) -> str:
    """Prefix of the Redis keys of a source's breakers; the host follows."""
    return f"{_BREAKERS}{source_name}:"


def breaker_states(redis: Redis, clock: Clock = SYSTEM_CLOCK) -> dict[str, dict[str, str]]:
    """The state of the breaker of every host that was asked within a day, by source: one of `STATES`."""
    suffix = f":{CircuitRedisStorage.BASE_NAMESPACE}:state"
    found: Any = redis.scan_iter(match=f"{_BREAKERS}*{suffix}", count=1000)
    keys = sorted(found)
    stored: Any = redis.mget(keys) if keys else []
    states: dict[str, dict[str, str]] = {}
    for key, value in zip(keys, stored, strict=True):
        name, _, host = key.decode().removeprefix(_BREAKERS).removesuffix(suffix).partition(":")
        state = (value or STATE_CLOSED.encode()).decode()
        # Only an open one has to be asked how long it has cooled down.
        states.setdefault(name, {})[host] = (
            state if state == STATE_CLOSED else Breaker(name, host, redis, clock).state()
        )
    return states


def worst_breaker_states(sources: Iterable[Source], redis: Redis, clock: Clock = SYSTEM_CLOCK) -> dict[str, str]:
    """The worst state of the breakers of each source; `closed` when it was not asked within a day."""
    found = breaker_states(redis, clock)
    return {
        source.name: max(found.get(source.name, {}).values(), key=STATES.index, default=STATE_CLOSED)
        for source in sources
    }


def breaker_state(source: Source, redis: Redis, clock: Clock = SYSTEM_CLOCK) -> str:
    """The worst state of the breakers of a source; `closed` when it was not asked within a day."""
    return worst_breaker_states([source], redis, clock)[source.name]
