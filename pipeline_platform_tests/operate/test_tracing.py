"""Traces and metrics as an OTLP receiver gets them: one trace from the tick to the exports, and nothing when off."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline_platform.operate import tracing
from pipeline_platform.sandbox.server import running
from pipeline_platform.settings import Settings, load_settings
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.conftest import run_command, without_settings


@dataclass
class Receiver:
    """What came in over OTLP."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)

    def named(self, start: str) -> list[Span]:
        return [span for span in self.spans if span.name.startswith(start)]

    def below(self, span: Span) -> list[Span]:
        """The spans whose parent is `span`, and theirs."""
        children = [one for one in self.spans if one.parent_span_id == span.span_id]
        return [*children, *(grandchild for child in children for grandchild in self.below(child))]


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in span.attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    async def traces(request: Request) -> Response:
        told = ExportTraceServiceRequest.FromString(await request.body())
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                receiver.spans += scope.spans
        return Response(status_code=200)

    async def metrics(request: Request) -> Response:
        told = ExportMetricsServiceRequest.FromString(await request.body())
        for resource in told.resource_metrics:
            for scope in resource.scope_metrics:
                receiver.metrics |= {metric.name: metric for metric in scope.metrics}
        return Response(status_code=200)

    routes = [Route("/v1/traces", traces, methods=["POST"]), Route("/v1/metrics", metrics, methods=["POST"])]
    with running(Starlette(routes=routes)) as url:
        receiver.url = url
        yield receiver


def run_script(code: str, stores: Stores, **variables: str) -> None:
    """Run code in a process of its own: a provider of traces cannot be taken back."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **without_settings(dict(os.environ)),
            **{k: v for k, v in os.environ.items() if k.startswith("PIPELINE_")},
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_it_is_off_and_loads_nothing_unless_an_endpoint_is_set(stores: Stores) -> None:
    assert not tracing.configure(stores.settings)
    # The client of Redis brings a part of the SDK by itself.
    run_script(
        "import sys\n"
        "import pipeline_platform.definitions, pipeline_platform.launch.location as location\n"
        "location.loaded_definitions()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.exporter')]",
        stores,
    )
    assert tracing.parent_tags() == {}


def test_the_endpoint_has_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert load_settings().otlp_endpoint == "http://127.0.0.1:4318"
    monkeypatch.setenv("PIPELINE_OTLP_ENDPOINT", "http://collector:4318")
    assert load_settings().otlp_endpoint == "http://collector:4318"


def test_a_main_job_is_one_trace_from_its_start_to_the_exports(tmp_path: Path) -> None:
    with receiving() as receiver:
        answer = run_command(
            tmp_path / "home", "run", "--json", "--source", "rss", "--faults", "rss:500x1",
            "--select", 'tag:source=rss or key:"deduplicated/documents" or key:"exports/documents" '
            'or key:"deduplicated/document_signatures" or key:"enriched/documents"',
            PIPELINE_OTLP_ENDPOINT=receiver.url,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr[-2000:]
    (job,) = receiver.named("main job")
    assert {span.trace_id for span in receiver.spans} == {job.trace_id}
    steps = {span.name: span for span in receiver.named("step ")}
    assert {"step raw/rss_articles", "step cleaned/rss_articles", "step exports/documents"} <= steps.keys()
    assert all(span.parent_span_id == job.span_id for span in steps.values())
    fetch = steps["step raw/rss_articles"]
    assert attributes(fetch)["pipeline.source"] == "rss"
    requests = [span for span in receiver.below(fetch) if span.kind == Span.SPAN_KIND_CLIENT and span.name == "GET"]
    assert {attributes(span).get("http.response.status_code") for span in requests} >= {200, 500}
    (failed,) = [span for span in requests if "error.type" in attributes(span)]
    assert attributes(failed)["error.type"] == "Transient"
    assert [span for span in receiver.below(fetch) if span.name == "cache read"]
    queries = [span for span in receiver.below(fetch) if "db.query.text" in attributes(span)]
    assert any("INSERT INTO fetches" in attributes(span)["db.query.text"] for span in queries)


TICK = """
from datetime import UTC, datetime
import dagster as dg
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.launch.location import loaded_definitions
from pipeline_platform.operate import tracing
with dg.DagsterInstance.ephemeral() as instance:
    loaded = loaded_definitions()
    schedule = loaded.resolve_schedule_def("rss_cadence")
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime.now(UTC), resources={"stores": StoresResource()}
    )
    (request,) = schedule.evaluate_tick(context).run_requests
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    fetched = loaded.resolve_job_def("fetch_rss").execute_in_process(
        instance=instance, tags=request.tags, run_config=quiet
    )
    span = {name: day for name, day in request.tags.items() if name.startswith("dagster/asset_partition")}
    # As automation starts it: a run that knows of no tick.
    followed = loaded.resolve_job_def("backfill_range").execute_in_process(
        instance=instance, tags=span, run_config=quiet,
        asset_selection=[dg.AssetKey(["deduplicated", name]) for name in ("document_signatures", "documents")],
    )
    assert fetched.success and followed.success
tracing.flush()
"""


def test_what_automation_makes_continues_the_trace_of_the_tick(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_platform.sandbox.server import build_app
    from pipeline_platform.sandbox.world import World

    with receiving() as receiver, running(build_app(World())) as sandbox:
        monkeypatch.setenv("PIPELINE_RSS__BASE_URL", f"{sandbox}/rss")
        import httpx
        import orjson

        watch = httpx.get(f"{sandbox}/watch", trust_env=False).json()["rss"]
        for name, value in watch.items():
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            monkeypatch.setenv(f"PIPELINE_RSS__{name.upper()}", text)
        monkeypatch.setenv("PIPELINE_START_DATE", f"{datetime.now(UTC).date() - timedelta(days=9)}")
        run_script(TICK, stores, PIPELINE_OTLP_ENDPOINT=receiver.url)
    (tick,) = receiver.named("schedule rss_cadence")
    steps = {span.name: span for span in receiver.named("step ")}
    assert steps["step raw/rss_articles"].parent_span_id == tick.span_id
    assert steps["step deduplicated/documents"].trace_id == tick.trace_id
    above = {span.span_id for span in steps.values()}
    assert steps["step deduplicated/document_signatures"].parent_span_id in above


API = """
from fastapi.testclient import TestClient
from opentelemetry import metrics
from pipeline_platform.serve.app import create_app
from pipeline_platform.operate import tracing
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.stores import Stores
with TestClient(create_app(Stores(load_settings()))) as client:
    answer = client.get("/healthz", headers={"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"})
    assert answer.status_code == 200
    metrics.get_meter_provider().force_flush()
tracing.flush()
"""


def test_requests_to_the_api_and_its_metrics_are_sent(stores: Stores) -> None:
    from pipeline_platform.operate.measures import note_daemon

    note_daemon(stores)
    with receiving() as receiver:
        run_script(API, stores, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    (request,) = receiver.named("GET /healthz")
    assert request.trace_id.hex() == "0123456789abcdef0123456789abcdef", "it continues the trace of who asks"
    assert attributes(request)["http.response.status_code"] == 200
    assert {"http.server.request.duration", "pipeline_queue_depth", "pipeline_component_up"} <= receiver.metrics.keys()
    (tick,) = receiver.metrics["pipeline_daemon_last_tick_timestamp_seconds"].gauge.data_points
    assert tick.as_double > datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_a_receiver_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    answer = run_command(
        tmp_path / "home", "run", "--json", "--source", "rss", "--select", "key:\"raw/rss_articles\"",
        PIPELINE_OTLP_ENDPOINT="http://127.0.0.1:1",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]


def test_a_torn_trace_stops_nothing() -> None:
    import redis

    with redis.Redis.from_url("redis://127.0.0.1:1/0") as gone:
        assert tracing.Lineage(gone).of(["raw/town_posts"]) == (None, [])
    assert tracing.parent_of("nonsense") is tracing.parent_of(None) is None


def test_a_wrong_endpoint_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="should match pattern"):
        Settings(otlp_endpoint="collector:4318", _env_file=None)
