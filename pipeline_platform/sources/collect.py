"""Collecting a stream: every target of its watch list, page by page, into envelopes ready for the raw table.

Targets are fetched side by side as far as the source allows it. One that fails is set aside and the others go on; what
was received before the failure is kept. The caller stores envelopes as they come, so that a kill in the middle loses at
most one batch that the next fetch brings again.
"""

import asyncio
import hashlib
import json
import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from pipeline_platform.sources.base import Fetch, Page, Record, Source, Stream, Window
from pipeline_platform.sources.errors import Malformed, NotDue, Permanent, SourceError
from pipeline_platform.sources.fields import FieldTable
from pipeline_platform.sources.redact import redact

log = logging.getLogger(__name__)

BATCH_ROWS = 20_000
BATCH_SECONDS = 30.0
"""Records wait no longer than this: a source that answers slowly must not lose an hour of fetching to a kill."""

LOOKED_AT = 500
"""Payloads of a fetch whose fields are all looked at; of the further ones, every `LOOKED_AT`-th is."""

CLOCK_SKEW = timedelta(minutes=10)
Envelope = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """A target that could not be fetched whole; `left` is what of the window is missing, None for all of it."""

    target: str
    error: SourceError
    traceback: str
    left: Window | None = None


@dataclass
class Collected:
    """What a collection brought: counts, days that were seen, the targets that failed and those fetched whole.

    `unmapped` counts the payloads, of the `looked_at` ones, that have a field from which no column comes, by its path.
    `skipped` says of targets that had no turn why, `by_target` how many records each one gave.
    """

    records: int = 0
    before_start: int = 0
    looked_at: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    days: Counter[date] = field(default_factory=Counter)
    whole: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    by_target: Counter[str] = field(default_factory=Counter)


class Collector:
    """Collects one stream.

    Args:
        source, stream: what to collect.
        fetch: client, settings, window and time.
        run_id: kept in every envelope.
        first_moment: records that happened earlier have no partition; they are counted and left out.
        sandbox: whether this platform runs on the sandbox; rows of the other kind are refused.
        store: takes envelopes (rows of the raw table) as they come.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        fetch: Fetch[Any],
        *,
        run_id: str,
        first_moment: datetime,
        sandbox: bool,
        store: Callable[[list[Envelope]], None],
    ) -> None:
        self.source = source
        self.stream = stream
        self.fetch = fetch
        self.run_id = run_id
        self.first_moment = first_moment
        self.sandbox = sandbox
        self.store = store
        self._fields = FieldTable(stream.fields)
        self._taking = threading.Lock()
        self._stopped = threading.Event()
        self._waiting: list[Envelope] = []
        self._stored_at = 0.0

    def collect(self, targets: list[str] | None = None) -> Collected:
        """Fetch `targets` (the whole watch list by default); never raises a `SourceError`, failures are returned."""
        result = Collected()
        self._stored_at = time.monotonic()
        asked = list(self.stream.targets(self.fetch.settings) if targets is None else targets)
        try:
            if self.source.concurrency == 1 or len(asked) < 2:
                for target in asked:
                    self._try_target(target, result)
            else:
                asyncio.run(self._side_by_side(asked, result))
        finally:
            # Not after every target: a commit costs more than the fetch of a small target.
            self._flush()
        return result

    async def _side_by_side(self, targets: Sequence[str], result: Collected) -> None:
        """Each target in a thread of its own, as libraries such as PRAW wait without asyncio; the budget is shared."""
        room = asyncio.Semaphore(self.source.concurrency)

        async def one(target: str) -> None:
            async with room:
                await asyncio.to_thread(self._try_target, target, result)

        try:
            await asyncio.gather(*map(one, targets))
        except BaseException:
            # The loop waits for its threads before it ends; they look here between pages.
            self._stopped.set()
            raise
        result.whole.sort(key=targets.index)
        result.failures.sort(key=lambda failure: targets.index(failure.target))

    def _try_target(self, target: str, result: Collected) -> None:
        # No need to stop at a spent quota: the client refuses the next targets of that host by itself.
        self._try_pages(target, self._pages_of(target), result)

    def take_pages(self, target: str, pages: Iterable[Page]) -> Collected:
        """Take pages that somebody else asked for, under the name `target`; a `SourceError` is returned as its failure.

        What came before the failure is kept.
        """
        result = Collected()
        self._stored_at = time.monotonic()
        try:
            self._try_pages(target, pages, result)
        finally:
            self._flush()
        return result

    def _try_pages(self, target: str, pages: Iterable[Page], result: Collected) -> None:
        left: Window | None = None
        try:
            for page in pages:
                if self._stopped.is_set():
                    return
                self._take_page(page, result)
                result.by_target[target] += len(page.records)
                left = page.left
        except NotDue as reason:
            result.skipped[target] = str(reason)
        except SourceError as error:
            result.failures.append(self._failure(target, error, left))
        else:
            result.whole.append(target)

    def _failure(self, target: str, error: SourceError, left: Window | None) -> Failure:
        secrets = self.fetch.client.secrets
        log.warning("%s %s: %s: %s", self.stream.name, target, type(error).__name__, redact(str(error), secrets))
        trace = redact("".join(traceback.format_exception(error)), secrets)
        return Failure(target, error, trace, left)

    def _pages_of(self, target: str) -> Iterator[Page]:
        bound = self.stream.max_pages
        most = bound(self.fetch) if callable(bound) else bound
        for pages, page in enumerate(self.stream.fetch(self.fetch, target), start=1):
            if pages > most:
                raise Malformed(f"{self.stream.name} {target}: the pages do not end; stopped after {most}")
            yield page

    def _take_page(self, page: Page, result: Collected) -> None:
        self._refuse_other_world(page)
        with self._taking:
            for record in page.records:
                self._take(page, record, result)
            if len(self._waiting) >= BATCH_ROWS or time.monotonic() - self._stored_at >= BATCH_SECONDS:
                self._flush()

    def _refuse_other_world(self, page: Page) -> None:
        if page.from_sandbox == self.sandbox:
            return
        variable = f"PIPELINE_{self.source.name.upper()}__BASE_URL"
        if page.from_sandbox:
            raise Permanent(f"the answer came from a sandbox while PIPELINE_MODE is live: mend {variable}")
        raise Permanent(f"the answer did not come from the sandbox while PIPELINE_MODE is demo: unset {variable}")

    def _take(self, page: Page, record: Record, result: Collected) -> None:
        envelope = self._envelope(page, record)
        if envelope["event_time"] < self.first_moment:
            result.before_start += 1
            return
        if result.records < LOOKED_AT or result.records % LOOKED_AT == 0:
            result.looked_at += 1
            result.unmapped.update(self._fields.unmapped([record.payload]))
        result.records += 1
        result.days[envelope["event_date"]] += 1
        self._waiting.append(envelope)

    def _envelope(self, page: Page, record: Record) -> Envelope:
        payload = _json(record.payload)
        digest = hashlib.sha256(payload.encode()).hexdigest()
        now = self.fetch.now
        # A date in the future would put the record where no run looks; it keeps its claim in the payload.
        believable = record.event_time is not None and record.event_time <= now + CLOCK_SKEW
        event_time = record.event_time if believable and record.event_time is not None else now
        return {
            "record_id": record.record_id or f"{self.source.name}:sha256:{digest[:20]}",
            "source": self.source.name,
            "stream": self.stream.name,
            "event_time": event_time,
            "fetched_at": now,
            "run_id": self.run_id,
            "request": _json(dict(page.request)),
            "payload": payload,
            "payload_hash": digest,
            "is_sandbox": page.from_sandbox,
            "event_date": event_time.date(),
        }

    def _flush(self) -> None:
        if self._waiting:
            self.store(self._waiting)
            self._waiting = []
        self._stored_at = time.monotonic()


def _json(value: Any) -> str:
    """JSON text; what orjson refuses (integers over 64 bits, lone surrogates) the slower encoder escapes."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, ensure_ascii=True, default=str)
