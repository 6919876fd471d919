"""The sandbox as a server: what it tells of itself, samples of new sources, recordings, start and stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from pipeline_platform.sandbox.faults import FaultPlan, FaultSpecError
from pipeline_platform.sandbox.server import SandboxError, build_app, running
from pipeline_platform.sandbox.world import World
from pipeline_platform.sources.base import Budget, Credential, Sample, Source, SourceSettings, Stream
from pipeline_platform.sources.registry import SOURCES

RECORDED = Path(__file__).parents[2] / "../shared/recordings"


class TidesSettings(SourceSettings):
    api_key: SecretStr | None = None


TIDES = Source(
    name="tides",
    title="Tides",
    domain="weather",
    homepage="https://tides.example",
    api_docs="https://tides.example/docs",
    licence="none",
    terms="none",
    base_url="https://tides.example",
    credentials=(Credential("api_key", "ask the harbour master"),),
    budget=Budget(10, 60),
    cadence="0 * * * *",
    settings=TidesSettings,
    streams=(
        Stream(
            name="tides_levels",
            kind="documents",
            description="Levels.",
            history="now_only",
            lookback_days=1,
            targets=lambda _: ["harbour"],
            fetch=lambda *_: iter(()),
            identify=lambda payload: (payload["id"], None),
            parse=dict,
            fields={},
            sample=Sample("harbour", [{"id": "tides:1", "level": 2.5}]),
        ),
    ),
)


def noon() -> datetime:
    return datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    app = build_app(World(now=noon), sources=[*SOURCES, TIDES])
    with running(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        yield client


def test_every_answer_is_marked(client: httpx.Client):
    for path in ("/health", "/watch", "/nowhere", "/tides/sample/tides_levels", "/truth?from=x", "/reddit/nowhere"):
        assert client.get(path).headers["x-pipeline-sandbox"] == "1", path


def test_faults_and_failures_are_marked(monkeypatch: pytest.MonkeyPatch):
    world = World(now=noon)
    app = build_app(world, faults=FaultPlan.parse("tides:500"), sources=[TIDES])

    def break_down(*_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(world, "posts", break_down)
    with running(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        injected, own = client.get("/tides/sample/tides_levels"), client.get("/truth")
        assert (injected.status_code, own.status_code) == (500, 500)
        assert injected.headers["x-pipeline-sandbox"] == own.headers["x-pipeline-sandbox"] == "1"
        assert "no memory left" in own.json()["error"]


def test_watch_gives_settings_that_the_sources_accept(client: httpx.Client):
    watch = client.get("/watch").json()
    assert watch.pop("days") == ["2016-01-01", "2026-11-24"]
    assert set(watch) == {source.name for source in [*SOURCES, TIDES]}
    for source in [*SOURCES, TIDES]:
        settings = source.settings(**watch[source.name])
        assert settings.base_url == f"{client.base_url}/{source.name}".replace("//" + source.name, "/" + source.name)
        assert settings.requests_per_minute == 60_000
        assert all(getattr(settings, credential.setting) for credential in source.credentials if credential.required)
        assert all(stream.targets(settings) for stream in source.streams), source.name


def test_a_source_without_upstream_shows_its_sample(client: httpx.Client):
    assert client.get("/tides/sample/tides_levels").json() == [{"id": "tides:1", "level": 2.5}]
    assert client.get("/watch").json()["tides"]["api_key"] == "sandbox"
    missing = client.get("/tides/sample/tides_waves")
    assert missing.status_code == 404
    assert "tides_levels" in missing.json()["error"]


def test_requests_are_counted_per_source_also_those_that_fail():
    with running(build_app(World(), sources=[TIDES], faults=FaultPlan.parse("tides:500x1"))) as url:
        before = time.time()
        for _ in range(3):
            httpx.get(f"{url}/tides/sample/tides_levels", trust_env=False)
        httpx.get(f"{url}/health", trust_env=False)
        (moments,) = httpx.get(f"{url}/requests", trust_env=False).json().values()
    assert len(moments) == 3
    assert before <= moments[0] <= moments[-1] <= time.time()


def test_truth_of_a_range(client: httpx.Client):
    told = client.get("/truth", params={"from": "2026-11-22", "to": "2026-11-23"}).json()
    assert sum(told["documents"].values()) > 600
    assert told["duplicates"]
    assert {row["day"] for row in told["bad_rows"] if row["kind"]} == {"2026-11-22", "2026-11-23"}
    assert len(told["spikes"]) == 4
    assert client.get("/truth").json()["from"] == "2026-11-24"


@pytest.mark.parametrize(
    ("query", "complaint"), [("from=soon", "YYYY-MM-DD"), ("from=2026-11-22&to=2026-11-20", "before it begins")]
)
def test_truth_of_no_range_is_refused(client: httpx.Client, query: str, complaint: str):
    answer = client.get(f"/truth?{query}")
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


def test_faults_need_a_known_upstream():
    with pytest.raises(FaultSpecError, match="no upstream is called 'moon'; there are tides"):
        build_app(World(now=noon), faults=FaultPlan.parse("moon:500"), sources=[TIDES])


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the repository")
def test_every_recording_is_served_or_named_with_a_reason():
    app = build_app(World(now=noon), recordings=RECORDED)
    with running(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        unused, watch = client.get("/unused").json(), client.get("/watch").json()
        assert client.get("/truth").status_code == 404
    assert watch.pop("days") is None
    assert unused
    assert all(reason.strip() for reason in unused.values())
    index = {row["file"] for row in json.loads((RECORDED / "INDEX.json").read_text())}
    assert set(unused) < index
    for source in SOURCES:
        source.settings(**watch[source.name])


def test_a_source_without_recordings_is_switched_off(tmp_path: Path):
    (tmp_path / "INDEX.json").write_text("[]")
    sources = [source for source in SOURCES if source.name in ("reddit", "rss")]
    app = build_app(World(now=noon), recordings=tmp_path, sources=sources)
    with running(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        watch = client.get("/watch").json()
    for source in sources:
        assert not source.settings(**watch[source.name]).enabled


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"127.0.0.1:{port}.*--port 0"), running(build_app(World()), port=port):
            pass


SERVE = """
import sys
from pipeline_platform.sandbox.server import serve
from pipeline_platform.sandbox.world import World
serve(World(), ready=lambda url: print(url, flush=True), until_stdin_closes=True)
print("stopped", flush=True)
"""


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "end of input"])
def test_serve_stops_cleanly(way: str):
    command = [sys.executable, "-c", SERVE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=dict(os.environ)) as process:
        assert process.stdout
        assert process.stdin
        url = process.stdout.readline().strip()
        if way == "end of input":
            assert httpx.get(f"{url}/health", trust_env=False, timeout=20).json()["status"] == "ok"
            process.stdin.close()
        else:
            # At once: a signal between the announcement and the first request must not be lost.
            process.send_signal(getattr(signal, way))
        assert process.wait(20) == 0
        assert process.stdout.read().strip() == "stopped"


def test_the_days_end_today():
    assert World(now=noon).days[1] == date(2026, 11, 24)
