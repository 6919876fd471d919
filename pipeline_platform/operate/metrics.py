"""Metrics for Prometheus, made of what is stored at the moment they are asked for.

Nothing is counted here: counters are those of the warehouse, so that they survive the process, the retention of Dagster
and a purge of runs, and are the same whichever process is asked.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from pipeline_platform import __version__
from pipeline_platform.operate.cadence import cadences, is_fetched, ticks_after
from pipeline_platform.operate.measures import QUARANTINE_DAYS
from pipeline_platform.operate.queues import QUEUES, queue_depths
from pipeline_platform.operate.workers import Workers
from pipeline_platform.settings import source_settings
from pipeline_platform.sources.base import Source, SourceSettings
from pipeline_platform.sources.limits import usages
from pipeline_platform.sources.policy import STATES, worst_breaker_states
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage import metrics
from pipeline_platform.storage.metrics import Measure
from pipeline_platform.storage.run_log import DURATION_BUCKETS, FINAL, JobTotal, RunLog
from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)


class PlatformCollector(Collector):
    """The metrics of the platform; settings are read once, everything else anew at each scrape.

    A server that does not answer costs its own metrics and no others; `pipeline_component_up` says which it is.
    """

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.run_log = RunLog(stores.warehouse)
        self.settings: list[tuple[Source, SourceSettings]] = [(one, source_settings(one)) for one in SOURCES]
        self.awaited = {source.name for source in SOURCES if is_fetched(source, stores.settings)}

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the servers."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield InfoMetricFamily(
            "pipeline_build", "Version and mode.", {"version": __version__, "mode": self.stores.settings.mode}
        )
        up = GaugeMetricFamily("pipeline_component_up", "1 if a server answers.", labels=["component"])
        for component, failure, part in (
            ("postgres", SQLAlchemyError, self._of_warehouse),
            ("redis", RedisError, self._of_redis),
        ):
            try:
                found = list(part())
            except failure as error:
                log.warning("no metrics of %s: %s", component, type(error).__name__)
                up.add_metric([component], 0)
            else:
                up.add_metric([component], 1)
                yield from found
        yield up
        yield self._cadences()

    def _cadences(self) -> Metric:
        cadence = GaugeMetricFamily(
            "pipeline_cadence_seconds", "Time between two fetches of a source that is switched on.", labels=["source"]
        )
        now = datetime.now(UTC)
        for source, _ in self.settings:
            if source.name in self.awaited:
                first, second = ticks_after(cadences(source, self.stores.settings))(now)
                cadence.add_metric([source.name], (second - first).total_seconds())
        return cadence

    def _of_warehouse(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        with self.stores.warehouse.begin() as connection:
            by_name = metrics.stored(connection)
            letters = metrics.open_letters(connection)
            firing, deliveries = metrics.firing(connection), metrics.deliveries(connection)
        yield from _jobs(self.run_log.totals())
        yield from self._runs()
        yield from _counters(by_name)
        yield _gauge(
            "data_quality_score", "Quality of a table on its newest day, 0 to 1.", by_name[metrics.SCORE], "table"
        )
        yield from self._freshness(by_name[metrics.LAST_SUCCESS], now)
        yield _quarantined(by_name[metrics.QUARANTINED], now)
        yield _gauge(
            "pipeline_daemon_last_tick_timestamp_seconds",
            "When Dagster's daemon was last at work.",
            by_name[metrics.DAEMON],
        )
        yield self._open_letters(letters)
        yield from _alerts(firing, deliveries)

    def _runs(self) -> Iterator[Metric]:
        waiting = self.run_log.waiting()
        depth = GaugeMetricFamily("pipeline_queue_depth", "What waits in a queue to be started.", labels=["queue"])
        depth.add_metric(["runs"], waiting["queued"])
        yield depth
        yield GaugeMetricFamily("pipeline_jobs_running", "Runs at work.", waiting["started"])

    def _freshness(self, succeeded: list[Measure], now: datetime) -> Iterator[Metric]:
        labels = ["source", "stream"]
        moment = GaugeMetricFamily(
            "pipeline_last_success_timestamp_seconds", "When a stream was last fetched whole.", labels=labels
        )
        age = GaugeMetricFamily(
            "pipeline_freshness_seconds",
            "Time since a stream that is switched on was last fetched whole.",
            labels=labels,
        )
        for one in succeeded:
            values = [one.labels[name] for name in labels]
            moment.add_metric(values, one.value)
            if one.labels["source"] in self.awaited:
                age.add_metric(values, max(0.0, now.timestamp() - one.value))
        yield moment
        yield age

    def _open_letters(self, letters: dict[tuple[str, str], int]) -> Metric:
        opened = GaugeMetricFamily(
            "pipeline_dead_letters_open", "Targets that are owed, by class of the error.", labels=["source", "class"]
        )
        for labels, count in letters.items():
            opened.add_metric(list(labels), count)
        return opened

    def _of_redis(self) -> Iterator[Metric]:
        used = GaugeMetricFamily("pipeline_requests_today", "Requests of the UTC day.", labels=["source"])
        left = GaugeMetricFamily(
            "pipeline_quota_remaining",
            "Requests left of the UTC day, of sources with a daily quota.",
            labels=["source"],
        )
        limit = GaugeMetricFamily("pipeline_quota_limit", "Requests of a UTC day that are allowed.", labels=["source"])
        for (source, _), usage in zip(self.settings, usages(self.settings, self.stores.redis), strict=True):
            used.add_metric([source.name], usage.used_today)
            if usage.daily is not None and usage.remaining is not None:
                left.add_metric([source.name], usage.remaining)
                limit.add_metric([source.name], usage.daily)
        yield from (used, left, limit)
        breaker = GaugeMetricFamily(
            "pipeline_breaker_state", "1 for the worst state of the breakers of a source.", labels=["source", "state"]
        )
        for name, worst in worst_breaker_states(SOURCES, self.stores.redis).items():
            for state in STATES:
                breaker.add_metric([name, state], state == worst)
        yield breaker
        yield from self._steps()

    def _steps(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "pipeline_steps_waiting", "Steps in a queue that no worker has taken yet.", labels=["queue"]
        )
        for queue, depth in queue_depths(self.stores.redis).items():
            waiting.add_metric([queue], depth)
        yield waiting
        at_work = GaugeMetricFamily("pipeline_workers", "Workers that take steps from a queue.", labels=["queue"])
        alive = Workers(self.stores.redis).alive()
        for queue in QUEUES:
            at_work.add_metric([queue], sum(queue in worker.queues for worker in alive))
        yield at_work


def _jobs(totals: list[JobTotal]) -> Iterator[Metric]:
    counter = CounterMetricFamily("pipeline_jobs", "Runs that ended.", labels=["job", "status"])
    histogram = HistogramMetricFamily(
        "pipeline_job_duration_seconds", "How long runs took that succeeded or failed.", labels=["job"]
    )
    bounds = [*DURATION_BUCKETS, float("inf")]
    for job in sorted({total.job for total in totals}):
        mine = [total for total in totals if total.job == job]
        # With a 0 from the start: Prometheus sees no increase to a series that was not there before.
        for status in FINAL:
            counter.add_metric([job, status], sum(total.runs for total in mine if total.status == status))
        ran = [total for total in mine if total.status != "canceled"]
        buckets = [(floatToGoString(bound), sum(one.runs for one in ran if one.bucket <= bound)) for bound in bounds]
        histogram.add_metric([job], buckets, sum(total.seconds for total in ran))
    yield counter
    yield histogram


def _alerts(firing: dict[tuple[str, str], int], deliveries: list[tuple[str, int, int]]) -> Iterator[Metric]:
    lasting = GaugeMetricFamily("pipeline_alerts_firing", "Alerts that last.", labels=["rule", "severity"])
    for labels, count in firing.items():
        lasting.add_metric(list(labels), count)
    yield lasting
    told = CounterMetricFamily(
        "pipeline_alert_messages", "Messages of alerts, by channel.", labels=["channel", "outcome"]
    )
    for name, delivered, failed in deliveries:
        told.add_metric([name, "delivered"], delivered)
        told.add_metric([name, "failed"], failed)
    yield told


def _counters(by_name: Mapping[str, list[Measure]]) -> Iterator[Metric]:
    for name, exported, words, labels in (
        (metrics.RECORDS, "pipeline_records_processed", "Records that a layer received or rows it was given.",
         ("source", "layer")),
        (metrics.ERRORS, "pipeline_errors", "Targets that could not be fetched, and steps that failed.",
         ("source", "class")),
        (metrics.REQUESTS, "pipeline_requests", "Requests to upstreams, every attempt, by outcome.",
         ("source", "outcome")),
        (metrics.LOOKUPS, "pipeline_cache_lookups", "What caches were asked for, by result.",
         ("cache", "name", "result")),
    ):  # fmt: skip
        family = CounterMetricFamily(exported, words, labels=labels)
        for one in by_name[name]:
            family.add_metric([one.labels[label] for label in labels], one.value)
        yield family


def _gauge(name: str, words: str, measures: list[Measure], *labels: str) -> Metric:
    """A gauge as it is stored, of some labels."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for one in measures:
        family.add_metric([one.labels[label] for label in labels], one.value)
    return family


def _quarantined(measures: list[Measure], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "pipeline_quarantined_rows",
        f"Rows in quarantine of the last {QUARANTINE_DAYS} event days.",
        labels=["kind", "source"],
    )
    first = (now - timedelta(days=QUARANTINE_DAYS - 1)).date().isoformat()
    held: dict[tuple[str, str], float] = defaultdict(float)
    for one in measures:
        held[one.labels["kind"], one.labels["source"]] += one.value if one.labels["event_date"] >= first else 0
    for labels, rows in sorted(held.items()):
        family.add_metric(list(labels), rows)
    return family
