"""Taking in: records per second from upstream to raw table, per source, beside a plain loop that asks for the same.

The plain loop sends the very requests that our client sent, one after the other through one `httpx.Client`, and reads
each body with `json`, feeds with `feedparser`. Ours does that and more: budget, breaker, redaction, conditional
requests, identity, hashes, field tables, and the commit to the lake.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import httpx
import redis

from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.settings import load_settings
from pipeline_platform.sources.base import Fetch, Source, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collector, Envelope
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.sources.transfer import Answer
from pipeline_platform.storage.lake import Lake
from pipeline_platform.storage.servers import running_servers

SCALE = 20
DAYS = 2
TARGET_SPEED = 0.8
FAR = "*:slow=0.005"
"""Each answer takes 50 ms longer, as from a server on the same continent; on the loopback nothing is waited for."""
OURS, PLAIN = "ingest path", "plain httpx and json"


@dataclass
class _Ingest:
    """One source, taken in again and again from nothing; `sent` are the requests of the last time."""

    source: Source
    watch: Mapping[str, Any]
    redis_url: str
    folder: Path
    now: datetime
    records: int = 0
    turn: int = 0
    sent: list[tuple[str, str, Mapping[str, str], bytes | None]] = field(default_factory=list)

    def ours(self) -> None:
        self.turn += 1
        self.records, self.sent = 0, []
        lake = Lake(str(self.folder / f"{self.source.name}-{self.turn}"), mode="demo")
        store = redis.Redis.from_url(self.redis_url)
        store.flushall()
        settings = self.source.settings(**self.watch)
        cache = self.folder / f"cache-{self.source.name}-{self.turn}"
        with SourceClient(self.source, settings, redis=store, cache_path=cache) as client:
            self._listen(client)
            window = Window(self.now - timedelta(days=DAYS), self.now)
            for stream in self.source.streams:
                table = raw_table(self.source, stream)

                def keep(rows: list[Envelope], table: Any = table) -> None:
                    lake.merge(table, table.frame(rows))

                collected = Collector(
                    self.source,
                    stream,
                    Fetch(client=client, settings=settings, window=window, now=self.now),
                    run_id="benchmark",
                    first_moment=datetime(2016, 1, 1, tzinfo=UTC),
                    sandbox=True,
                    store=keep,
                ).collect()
                if collected.failures:
                    raise BenchmarkError(f"{stream.name}: {collected.failures[0].error}")
                self.records += collected.records

    def _listen(self, client: SourceClient) -> None:
        exchange = client._transfer.exchange

        def noted(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, follow: bool = True
        ) -> Answer:
            self.sent.append((method, url, headers, body))
            return exchange(method, url, headers, body, follow=follow)

        client._transfer.exchange = noted  # type: ignore[method-assign]

    def plain(self) -> None:
        with httpx.Client(trust_env=False, timeout=120) as client:
            for method, url, headers, body in self.sent:
                answer = client.request(method, url, headers=dict(headers), content=body)
                # GDELT's JSON is broken now and then; a plain loop would lose the page.
                with suppress(ValueError):
                    kind = answer.headers.get("content-type", "")
                    if "json" in kind:
                        json.loads(answer.content)
                    elif "xml" in kind:
                        feedparser.parse(answer.content)


def run(scale: int, rounds: int) -> list[Figure]:
    """Take in the last days of every source, `scale` times the demo's data, from a server nearby and one far away."""
    return [*_raced(scale, rounds, None, "at once"), *_raced(scale, rounds, FAR, "after 50 ms")]


def _raced(scale: int, rounds: int, faults: str | None, answers: str) -> list[Figure]:
    figures = []
    with apart() as folder, running_sandbox(SandboxOptions(scale=scale, faults=faults)) as url:
        watch = httpx.get(f"{url}/watch", trust_env=False, timeout=60).json()
        with running_servers(load_settings()) as servers:
            for source in SOURCES:
                unlimited = {**watch[source.name], "requests_per_minute": 6_000_000}
                ingest = _Ingest(source, unlimited, servers.redis, folder, datetime.now(UTC))
                # Once unmeasured: the sandbox writes its posts when they are first asked for.
                ingest.ours()
                seconds = race({OURS: ingest.ours, PLAIN: ingest.plain}, rounds)
                what = f"{source.name}, {ingest.records:,} records, answers {answers}"
                figure = compared(what, seconds, OURS, PLAIN, per=ingest.records, unit="records/s")
                reached = figure.speed is not None and figure.speed >= TARGET_SPEED
                figures.append(figure.aimed(f">= {TARGET_SPEED}", reached))
    return figures
