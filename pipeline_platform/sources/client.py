"""The one HTTP client of every source, and the response it gives.

All requests of a source pass here: token bucket, daily quota, circuit breaker, retries, size and time limits,
conditional requests, error taxonomy and redaction are applied in this place and nowhere else. PRAW and Tweepy, which
speak `requests`, are handed `SourceClient.requests_session()`, whose adapter sends through the same client.
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson
import requests
from opentelemetry import trace
from redis import Redis
from structlog.contextvars import bound_contextvars

from pipeline_platform.sources.base import Allowance, Source, SourceSettings
from pipeline_platform.sources.clock import SYSTEM_CLOCK, Clock
from pipeline_platform.sources.conditional import BodyCache, Kept
from pipeline_platform.sources.errors import CircuitOpen, Malformed, Permanent, QuotaExhausted, SourceError, Transient
from pipeline_platform.sources.limits import Limits
from pipeline_platform.sources.policy import Breaker, asked_wait, bearable, read_status, retrying
from pipeline_platform.sources.redact import Redactor
from pipeline_platform.sources.requests_bridge import session_through
from pipeline_platform.sources.tally import Tally, lookup_span, request_span
from pipeline_platform.sources.transfer import ACCEPT_ENCODING, REDIRECTS, USER_AGENT, Answer, Transfer, TransferLimits

logger = logging.getLogger(__name__)

SANDBOX_HEADER = "x-pipeline-sandbox"
_DEFAULT_ACCEPT = "application/json"
_UNREAD = object()
_BODILESS = frozenset({204, 205})


@dataclass(frozen=True)
class Response:
    """An answer of an upstream, free of secrets where it describes the request.

    Attributes:
        status: HTTP status; a 304 has become the 200 it stands for.
        headers: case-insensitive.
        content: decoded body, from the cache when the upstream said 304.
        url: address that answered, secrets redacted.
        request: method, url, params; redacted and JSON-able.
        from_sandbox: the answer comes from the built-in stand-in.
        not_modified: the upstream answered 304.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    url: str
    request: Mapping[str, Any]
    from_sandbox: bool
    not_modified: bool = False
    _parsed: list[Any] = field(default_factory=lambda: [_UNREAD], repr=False, compare=False)

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            Malformed: the body is not JSON; the message says what it looks like instead.
        """
        if self._parsed[0] is _UNREAD:
            self._parsed[0] = self._parse()
        return self._parsed[0]

    @property
    def text(self) -> str:
        """The body as text, by the charset of the headers or UTF-8; undecodable bytes become U+FFFD."""
        charset = httpx.Response(200, headers=self.headers).charset_encoding or "utf-8"
        try:
            return self.content.decode(charset, errors="replace")
        except LookupError:
            return self.content.decode("utf-8", errors="replace")

    def _parse(self) -> Any:
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            try:
                # One lone surrogate, as people do post them, must not cost a whole page; nor a byte order mark.
                return json.loads(self.content)
            except (ValueError, RecursionError):
                problem = _not_json(self.content, self.headers.get("content-type", ""), error)
                raise Malformed(f"{self.url} answered {problem}", status=self.status) from None


def _not_json(content: bytes, content_type: str, error: orjson.JSONDecodeError) -> str:
    body = content.strip()
    if not body:
        return "an empty body instead of JSON"
    start = body[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")) or ("html" in content_type and start.startswith(b"<")):
        return "HTML instead of JSON"
    if start.startswith(b"<"):
        return "XML instead of JSON"
    if not start.startswith((b"{", b"[")):
        return "plain text instead of JSON"
    # orjson names the place of the error last; at the end of the body it means that the rest is missing.
    if error.pos >= len(body) - 1 or not body.endswith((b"}", b"]")):
        return f"JSON that is cut off after {len(content)} bytes"
    return f"broken JSON: {error.msg} at position {error.pos}"


class SourceClient:
    """Asks one upstream, within its budget and with the policy every source shares. Safe to use from threads.

    Args:
        source: what is asked; its `diagnose` sees every response first.
        settings: address, credentials, rate override.
        redis: bytes client of the Redis that all processes share.
        cache_path: folder of the bodies kept for conditional requests, one file per source.
        clock: time and waiting.
        transfer_limits: bounds of a single exchange.

    Attributes:
        tally: what was sent and how it ended, every attempt counted.
    """

    def __init__(
        self,
        source: Source,
        settings: SourceSettings,
        *,
        redis: Redis,
        cache_path: Path,
        clock: Clock = SYSTEM_CLOCK,
        transfer_limits: TransferLimits | None = None,
    ) -> None:
        self.source = source
        self.settings = settings
        self.base_url = (settings.base_url or source.base_url).rstrip("/")
        self.redactor = Redactor.of(settings)
        self.tally = Tally()
        self._redis = redis
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}
        self._limits = Limits(source, settings, redis, clock)
        self._transfer = Transfer(transfer_limits or TransferLimits())
        self._cache = BodyCache(cache_path / f"{source.name}.sqlite", "\n".join(self.secrets))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the source's secret settings, for redaction."""
        return tuple(sorted(self.redactor.values))

    def get(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        conditional: bool = True,
        allowance: Allowance | None = None,
    ) -> Response:
        """Ask for `path`, relative to the base address, or for an absolute address.

        JSON is expected, and checked, unless an `Accept` header names something else. Parameters that are None are
        left out. Every attempt is counted, in `allowance` too where one is given.

        Raises:
            Transient: still failing after the retries.
            CircuitOpen: the upstream is left alone for now.
            QuotaExhausted: the budget is spent, or the upstream asks for a wait too long to sit out.
            Permanent: the request is wrong or refused, or its target does not exist.
            Malformed: the body is not what was asked for.
        """
        sent = {"accept": _DEFAULT_ACCEPT, **{name.lower(): value for name, value in (headers or {}).items()}}
        plain = {name: value for name, value in (params or {}).items() if value is not None}
        call = self._call("GET", path, plain, sent)
        self._keep_credentials_home(call, plain, sent)
        key = self._cache.key(call.shown_url, self.redactor.pairs(sent)) if conditional else None
        return self._persist(call, partial(self._attempt, call, key, allowance))

    def requests_session(self) -> requests.Session:
        """A session for libraries that speak `requests`; 401 and 3xx go to the library, other failures raise."""
        return session_through(self)

    def send_for_library(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None) -> Response:
        """One request of such a library, through the same policy; raises what `get` raises."""
        sent = {name.lower(): value for name, value in headers.items()}
        if sent.get("user-agent", "").startswith("python-requests"):
            sent["user-agent"] = USER_AGENT
        # Only what the transfer can decode may be offered to the server.
        sent["accept-encoding"] = ACCEPT_ENCODING
        call = replace(self._call(method, url, {}, sent), body=body, for_library=True)
        return self._persist(call, partial(self._attempt, call, None))

    def close(self) -> None:
        """Close connections and the cache."""
        self._transfer.close()
        self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> "_Call":
        absolute = path.startswith(("http://", "https://"))
        address = path if absolute else f"{self.base_url}/{path.lstrip('/')}"
        try:
            url = httpx.URL(address)
            if params:
                url = url.copy_merge_params(dict(params))
            host = url.netloc.decode()
        except (httpx.InvalidURL, TypeError) as error:
            name = f"PIPELINE_{self.source.name.upper()}__BASE_URL"
            text = f"{address} is not a valid address: {error}; check {name} and the watch list"
            raise Permanent(self.redactor.text(text)) from None
        shown = {"method": method, "url": self.redactor.text(address), "params": self.redactor.pairs(params)}
        return _Call(method, str(url), self.redactor.text(str(url)), host, headers, shown)

    def _keep_credentials_home(self, call: "_Call", params: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        if httpx.URL(call.url).host == httpx.URL(self.base_url).host:
            return
        known = self.redactor
        if known.holds_secret(headers) or known.holds_secret(params) or known.holds_secret({"url": call.url}):
            raise Permanent(
                f"credentials of {self.source.name} are not sent to {call.host}: it is not the address of the API; "
                f"check PIPELINE_{self.source.name.upper()}__BASE_URL"
            )

    def _persist(self, call: "_Call", attempt: Callable[[], Response]) -> Response:
        """Attempt until it succeeds or the policy gives up.

        Every error that leaves here is free of secrets and knows its `request` and how many `attempts` were made.
        """
        failures: list[SourceError] = []

        def once() -> Response:
            try:
                return attempt()
            except SourceError as error:
                failures.append(error)
                error.args = (self.redactor.text(str(error)),)
                error.request, error.attempts = call.shown, len(failures)
                raise

        known = {"source": self.source.name, "request_id": uuid.uuid4().hex[:12]}
        try:
            with bound_contextvars(**known):
                return retrying(self._clock)(once)
        except CircuitOpen:
            if len(failures) == 1:
                raise
            # The failures of this very request opened the circuit: they say what is wrong.
            raise failures[-2] from None

    def _attempt(self, call: "_Call", key: str | None, allowance: Allowance | None = None) -> Response:
        breaker = self._breakers.setdefault(call.host, Breaker(self.source.name, call.host, self._redis, self._clock))
        breaker.check()
        self._limits.acquire(call.host, allowance)
        try:
            with breaker.guard(), self.tally.attempt(), request_span(call.method, call.host, call.shown_url):
                return self._exchange(call, key)
        except CircuitOpen:
            # Another request opened the circuit while this one waited for its turn: it was not sent.
            self._limits.give_back(allowance)
            raise

    def _exchange(self, call: "_Call", key: str | None) -> Response:
        kept = self._kept(key) if key else None
        headers = {**call.headers, **(kept.validators if kept else {})}
        answer = self._transfer.exchange(call.method, call.url, headers, call.body, follow=not call.for_library)
        response = self._response(call, answer, kept)
        trace.get_current_span().set_attribute("http.response.status_code", answer.status)
        logger.debug("%s %s: %d, %d bytes", call.method, response.url, answer.status, len(answer.content))
        error = self._reading(call, response)
        if error is not None:
            raise self._weighed(call, response, error)
        if key:
            self.tally.looked_up(hit=response.not_modified)
        if key and response.status == 200 and not response.not_modified:
            self._cache.write(key, response.headers, response.content)
        return response

    def _kept(self, key: str) -> Kept | None:
        with lookup_span("http") as opened:
            kept = self._cache.read(key)
            opened.set_attribute("cache.hit", kept is not None)
            return kept

    def _response(self, call: "_Call", answer: Answer, kept: Kept | None) -> Response:
        response = Response(
            status=answer.status,
            headers=answer.headers,
            content=answer.content,
            url=self.redactor.text(answer.url),
            request=call.shown,
            from_sandbox=SANDBOX_HEADER in answer.headers,
        )
        if answer.status == 304 and kept is not None:
            headers = kept.refreshed(answer.headers)
            sandbox = SANDBOX_HEADER in headers
            return replace(
                response, status=200, headers=headers, content=kept.content, from_sandbox=sandbox, not_modified=True
            )
        return response

    def _reading(self, call: "_Call", response: Response) -> SourceError | None:
        """What is wrong with a response: the source's own diagnosis first, then status and body."""
        if call.for_library and (response.status == 401 or response.status in REDIRECTS):
            return None
        if response.status == 304:
            return Malformed(f"{response.url} answered 304 although no body was kept from before", status=304)
        error = self._diagnosis(response)
        if error is None and not 200 <= response.status < 300:
            error = read_status(response.status, self._complaint(call, response))
        if error is None and call.expects_json and response.status not in _BODILESS:
            try:
                response.json()
            except Malformed as malformed:
                error = malformed
        if isinstance(error, Malformed):
            error.retryable = True
        return error

    def _diagnosis(self, response: Response) -> SourceError | None:
        try:
            return self.source.diagnose(response)
        except Malformed:
            # A body that is no JSON: the status, or the check of the body, says it better.
            return None
        except SourceError as error:
            return error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if 200 <= response.status < 300:
                return Malformed(f"{response.url} answered in an unknown shape: {error!r}", status=response.status)
            return None

    def _weighed(self, call: "_Call", response: Response, error: SourceError) -> SourceError:
        """The error with what the headers say about waiting; everybody is told to wait."""
        error.status = error.status or response.status
        if not isinstance(error, Transient | QuotaExhausted):
            return error
        now = self._clock.now()
        resets_at: datetime | None = error.resets_at if isinstance(error, QuotaExhausted) else None
        if resets_at is None:
            if error.wait_seconds is None:
                error.wait_seconds = asked_wait(response.status, response.headers, now)
            error = bearable(error, now)
            resets_at = now + timedelta(seconds=error.wait_seconds) if error.wait_seconds else None
        if resets_at is not None and error.status != 202:
            self._limits.pause(call.host, resets_at)
        return error

    def _complaint(self, call: "_Call", response: Response) -> str:
        said = "" if response.content.lstrip()[:1] == b"<" else " ".join(response.text[:2000].split())[:200]
        phrase = httpx.codes.get_reason_phrase(response.status)
        message = f"{call.method} {response.url} answered {response.status} {phrase}".rstrip()
        return self.redactor.text(": ".join(part for part in (message, said) if part)) + self._advice(response.status)

    def _advice(self, status: int) -> str:
        name = self.source.name.upper()
        if status in {401, 403}:
            settings = ", ".join(f"PIPELINE_{name}__{item.setting.upper()}" for item in self.source.credentials)
            return f". Check {settings or 'whether the address is open to everybody'}"
        if status in {404, 410}:
            return ". It does not exist there; check the watch list"
        return ""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as it will be sent, beside the form in which it may be shown."""

    method: str
    url: str
    shown_url: str
    host: str
    headers: Mapping[str, str]
    shown: Mapping[str, Any]
    body: bytes | None = None
    for_library: bool = False

    @property
    def expects_json(self) -> bool:
        """Whether nothing but JSON was asked for."""
        return self.for_library or all("json" in kind for kind in self.headers.get("accept", "").split(","))
