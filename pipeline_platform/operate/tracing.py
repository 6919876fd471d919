"""Traces and metrics over OTLP, for whatever accepts that; off unless an endpoint is set.

Rooms open spans by the API of OpenTelemetry alone, which does nothing and costs next to nothing until `configure` gives
it something to do. One trace leads from the tick of a schedule to the exports: a run bears its parent in a tag, and a
step of a run that has none, as those of automation, continues the trace of what it was made from.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from redis import Redis
from redis.exceptions import RedisError

from pipeline_platform import __version__
from pipeline_platform.settings import Settings
from pipeline_platform.sources.tally import mark_failed

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

PARENT_TAG = "pipeline_platform/traceparent"
"""On runs: the span that caused them, as in W3C Trace Context."""
FLUSH_MS = 5_000
LIFE_SECONDS = 86_400
"""A table that was made longer ago belongs to another story."""
SEND_SECONDS = 3
"""Attempts to send something included: a command must not wait for a receiver that is gone."""
EXPORT_SECONDS = 30.0
_tracer = trace.get_tracer("pipeline_platform")
_propagator = TraceContextTextMapPropagator()


def configure(settings: Settings) -> bool:
    """Send traces and metrics of this process to the endpoint of the settings; False where there is none."""
    if settings.otlp_endpoint is None:
        return False
    # The exporters bring protobuf and half a second, for which nobody should wait who does not use them.
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return True
    address = settings.otlp_endpoint.rstrip("/")
    resource = Resource.create(
        {
            "service.name": "pipeline_platform",
            "service.version": __version__,
            "deployment.environment.name": settings.mode,
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{address}/v1/traces", timeout=SEND_SECONDS))
    )
    trace.set_tracer_provider(provider)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{address}/v1/metrics", timeout=SEND_SECONDS),
        export_interval_millis=EXPORT_SECONDS * 1000,
    )
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))
    return True


def flush() -> None:
    """Send what waits: a process that executes a run may end without saying so."""
    send = getattr(trace.get_tracer_provider(), "force_flush", None)
    if send is not None:
        send(FLUSH_MS)


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, Any],
    *,
    parent: Context | None = None,
    links: Sequence[Link] = (),
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[trace.Span]:
    """A span around the body; an error is told as by `mark_failed`."""
    with _tracer.start_as_current_span(
        name,
        parent,
        kind,
        attributes=dict(attributes),
        links=list(links),
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield opened
        except BaseException as error:
            mark_failed(opened, error)
            raise


def parent_tags() -> dict[str, str]:
    """Tags for a run that the current span causes; none where nothing is traced."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return {PARENT_TAG: carrier["traceparent"]} if "traceparent" in carrier else {}


def parent_of(traceparent: str | None) -> Context | None:
    """The context of a parent that was told as in W3C Trace Context; None where none was, or no valid one."""
    if not traceparent:
        return None
    found = _propagator.extract({"traceparent": traceparent})
    return found if trace.get_current_span(found).get_span_context().is_valid else None


class Lineage:
    """Which span made a table last, shared by all processes, so that what is made from it continues its trace."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def made(self, tables: Iterable[str]) -> None:
        """Note that the current span made these tables."""
        told = parent_tags().get(PARENT_TAG)
        if told is None:
            return
        with _forgiven():
            for table in tables:
                self.redis.set(_key(table), f"{time.time()} {told}", ex=LIFE_SECONDS)

    def of(self, tables: Sequence[str]) -> tuple[Context | None, list[Link]]:
        """The parent of what is made from these tables, the one that was made last, and links to the others."""
        stored: Any = []
        with _forgiven():
            stored = self.redis.mget([_key(table) for table in tables]) if tables else []
        told = sorted((value.decode().partition(" ") for value in stored if value), key=lambda one: -float(one[0]))
        contexts = [found for _, _, traceparent in told if (found := parent_of(traceparent)) is not None]
        spans = {one.span_id: one for one in (trace.get_current_span(found).get_span_context() for found in contexts)}
        return (contexts[0] if contexts else None), [Link(one) for one in list(spans.values())[1:]]


def _key(table: str) -> str:
    return f"pipeline:trace:{table}"


@contextmanager
def _forgiven() -> Iterator[None]:
    """A trace that is torn must not stop what it is a trace of."""
    try:
        yield
    except RedisError as error:
        log.warning("the trace is torn: %s", type(error).__name__)


def export_metrics(collector: "Collector") -> None:
    """Send the metrics of a collector too; histograms as their count and sum."""
    snapshot = _Snapshot(collector)
    meter = metrics.get_meter("pipeline_platform")
    for family in collector.collect():
        if family.type == "counter":
            meter.create_observable_counter(
                family.name, [snapshot.of(f"{family.name}_total")], "", family.documentation
            )
        elif family.type == "histogram":
            for part in ("count", "sum"):
                name = f"{family.name}_{part}"
                meter.create_observable_counter(name, [snapshot.of(name)], "", family.documentation)
        elif family.type == "gauge":
            meter.create_observable_gauge(family.name, [snapshot.of(family.name)], "", family.documentation)


class _Snapshot:
    """What a collector told last, so that the servers are asked once for all instruments."""

    LIFE_SECONDS = 1.0

    def __init__(self, collector: "Collector") -> None:
        self._collector = collector
        self._told: dict[str, list[metrics.Observation]] = {}
        self._at = float("-inf")

    def of(self, name: str) -> Callable[[metrics.CallbackOptions], list[metrics.Observation]]:
        return lambda _: self._fresh().get(name, [])

    def _fresh(self) -> dict[str, list[metrics.Observation]]:
        if time.monotonic() - self._at > self.LIFE_SECONDS:
            told: dict[str, list[metrics.Observation]] = {}
            for family in self._collector.collect():
                for sample in family.samples:
                    told.setdefault(sample.name, []).append(metrics.Observation(sample.value, dict(sample.labels)))
            self._told, self._at = told, time.monotonic()
        return self._told
