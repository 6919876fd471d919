"""What a client tells of its own work: counts of requests and look-ups in its cache, and in a trace a span of each."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from pipeline_platform.sources.errors import SourceError

OK = "ok"
_tracer = trace.get_tracer(__name__)


class Tally:
    """Counts, shared by the threads of a fetch.

    Attributes:
        outcomes: requests that were sent, by `ok` or the class of the error; every attempt counts.
        lookups: conditional requests, by `hit` (the kept body still held) or `miss`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.lookups: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return sum(self.outcomes.values())

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one request; counts how it ends, whatever ends it."""
        outcome = "Interrupted"
        try:
            yield
            outcome = OK
        except SourceError as error:
            outcome = type(error).__name__
            raise
        finally:
            with self._lock:
                self.outcomes[outcome] += 1

    def looked_up(self, *, hit: bool) -> None:
        """Count a conditional request."""
        with self._lock:
            self.lookups["hit" if hit else "miss"] += 1


def mark_failed(span: Span, error: BaseException) -> None:
    """Tell in a span that it failed, by the class of the error alone: its words may hold what must not leave."""
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


@contextmanager
def request_span(method: str, host: str, url: str) -> Iterator[Span]:
    """A span of one request; `url` is the address that may be shown. An error is told by its class alone."""
    named = {"http.request.method": method, "server.address": host, "url.full": url}
    with _tracer.start_as_current_span(
        method, kind=SpanKind.CLIENT, attributes=named, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except SourceError as error:
            mark_failed(opened, error)
            raise


@contextmanager
def lookup_span(cache: str) -> Iterator[Span]:
    """A span of a look-up in a cache."""
    with _tracer.start_as_current_span("cache read", attributes={"cache.name": cache}) as opened:
        yield opened
