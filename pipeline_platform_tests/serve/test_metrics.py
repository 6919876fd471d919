"""Metrics as Prometheus reads them: whole, restart-safe, and there when a server is not."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from pipeline_platform.operate.broker import STEP_TASK, celery_app
from pipeline_platform.operate.measures import (
    measures_of_fetch,
    note_daemon,
    note_failure,
    note_lookups,
    note_rows,
    note_scores,
)
from pipeline_platform.operate.queues import PRIORITIES, QUEUES, broker_priority
from pipeline_platform.operate.workers import Worker, Workers
from pipeline_platform.sandbox.server import running
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import SCORES
from pipeline_platform.serve.app import create_app
from pipeline_platform.settings import Settings
from pipeline_platform.sources.errors import Transient
from pipeline_platform.sources.registry import source_named
from pipeline_platform.sources.tally import Tally
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.run_log import JobRun, RunLog
from pipeline_platform.storage.servers import ServerUrls
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.serve.conftest import program

DEPLOY = Path(__file__).parents[2] / "deploy"
TODAY = datetime.now(UTC).date()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUARANTINE = tables()["quarantine/documents"]
LONG_AGO = timedelta(days=400)


def ended(number: int, seconds: float, status: str = "success") -> JobRun:
    return JobRun(
        f"run-{number}",
        "fetch_rss",
        "rss",
        "manual",
        status,
        NOON,
        NOON,
        NOON + timedelta(seconds=seconds),
        TODAY,
        TODAY,
    )


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


def value(found: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str, /, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def fetch(stores: Stores, *, fails: bool = False) -> None:
    """A fetch of a stream, as intake notes it."""
    source = source_named("rss")
    tally = Tally()
    with tally.attempt():
        tally.looked_up(hit=True)
    if fails:
        with pytest.raises(Transient), tally.attempt():
            raise Transient("down")
    counters, gauges = measures_of_fetch(source, source.streams[0], tally, 20, [])
    now = datetime.now(UTC)
    stores.warehouse.record_fetch(
        counters, gauges, source="rss", stream=source.streams[0].name, run_id="run", started_at=now, ended_at=now,
        records=20, inserted=20, updated=0, targets=1, failed_targets=0, requests=tally.requests, error=None,
    )  # fmt: skip


def rejected(count: int, day: date) -> list[dict[str, object]]:
    return [
        {"record_id": f"rss:{day}:{number}", "source": "rss", "stream": "rss_articles", "event_date": day}
        for number in range(count)
    ]


def test_an_empty_platform_has_metrics_that_prometheus_accepts(client: TestClient) -> None:
    promtool = program("promtool")
    text = client.get("/metrics").text
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_runs_are_counted_by_job_and_status_with_their_durations(client: TestClient, stores: Stores) -> None:
    RunLog(stores.warehouse).note([ended(1, 3), ended(2, 40), ended(3, 40, "failure"), ended(4, 9, "canceled")])
    RunLog(stores.warehouse).note([JobRun("run-5", "fetch_rss", "rss", "manual", "queued", NOON)])
    found = scraped(client)
    counted = {
        status: value(found, "pipeline_jobs_total", job="fetch_rss", status=status)
        for status in ("success", "failure", "canceled")
    }
    assert counted == {"success": 2, "failure": 1, "canceled": 1}
    buckets = [
        value(found, "pipeline_job_duration_seconds_bucket", job="fetch_rss", le=le)
        for le in ("1.0", "5.0", "60.0", "+Inf")
    ]
    assert buckets == [0, 1, 3, 3]
    assert value(found, "pipeline_job_duration_seconds_sum", job="fetch_rss") == 83
    assert value(found, "pipeline_queue_depth", queue="runs") == 1


def test_a_fetch_is_counted_with_its_requests_its_cache_and_its_time(client: TestClient, stores: Stores) -> None:
    fetch(stores, fails=True)
    found = scraped(client)
    assert value(found, "pipeline_records_processed_total", source="rss", layer="raw") == 20
    assert value(found, "pipeline_requests_total", source="rss", outcome="ok") == 1
    assert value(found, "pipeline_requests_total", source="rss", outcome="Transient") == 1
    assert value(found, "pipeline_cache_lookups_total", cache="http", name="rss", result="hit") == 1
    age = value(found, "pipeline_freshness_seconds", source="rss", stream="rss_articles")
    assert age is not None
    assert 0 <= age < 60


def test_a_paused_source_does_not_age(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(stores)
    monkeypatch.setenv("PIPELINE_RSS__PAUSED", "true")
    with TestClient(create_app(stores)) as client:
        found = scraped(client)
    assert value(found, "pipeline_cadence_seconds", source="rss") is None
    assert value(found, "pipeline_freshness_seconds", source="rss", stream="rss_articles") is None
    assert value(found, "pipeline_last_success_timestamp_seconds", source="rss", stream="rss_articles") is not None


def test_steps_that_wait_and_workers_that_would_take_them_are_told_by_queue(
    client: TestClient, stores: Stores, fresh_servers: ServerUrls
) -> None:
    with celery_app(fresh_servers.redis) as app:
        app.send_task(STEP_TASK, task_id="a step", queue="enrich", priority=broker_priority(PRIORITIES["high"]))
    Workers(stores.redis).renew(Worker("ingest,enrich@here:1", ("ingest", "enrich"), 2, "a key"))
    found = scraped(client)
    assert {queue: value(found, "pipeline_steps_waiting", queue=queue) for queue in QUEUES} == {
        **dict.fromkeys(QUEUES, 0),
        "enrich": 1,
    }
    assert [value(found, "pipeline_workers", queue=queue) for queue in ("ingest", "sentiment")] == [1, 0]


def test_failures_scores_lookups_and_the_daemon_are_there(client: TestClient, stores: Stores) -> None:
    note_failure(stores, "rss", KeyError("what"))
    note_lookups(stores, "predictions", {"sentiment": 10}, {"sentiment": 7})
    for day, score in ((TODAY, 0.8), (TODAY - timedelta(days=1), 0.6)):
        note_scores(stores, SCORES.frame([{"table": "cleaned/rss_articles", "score": score, "event_date": day}]))
    note_daemon(stores)
    with IncidentLog(stores.warehouse).changing() as changes:
        moments = dict.fromkeys(("began_at", "fired_at", "seen_at", "told_at"), NOON)
        changes.open(rule="no_data", subject="rss", severity="warning", message="nothing came", **moments)
    found = scraped(client)
    assert value(found, "pipeline_errors_total", **{"source": "rss", "class": "KeyError"}) == 1
    assert value(found, "pipeline_cache_lookups_total", cache="predictions", name="sentiment", result="miss") == 3
    assert value(found, "data_quality_score", table="cleaned/rss_articles") == 0.8, "of the newest day"
    assert value(found, "pipeline_alerts_firing", rule="no_data", severity="warning") == 1
    assert (value(found, "pipeline_daemon_last_tick_timestamp_seconds") or 0) > NOON.timestamp()


def test_quarantine_is_what_lies_there_now(client: TestClient, stores: Stores) -> None:
    before = TODAY - timedelta(days=1)
    rows = [*rejected(3, TODAY), *rejected(2, before), *rejected(9, TODAY - timedelta(days=30))]
    note_rows(stores, QUARANTINE, QUARANTINE.frame(rows), TODAY - timedelta(days=30), TODAY)
    assert value(scraped(client), "pipeline_quarantined_rows", kind="documents", source="rss") == 5
    note_rows(stores, QUARANTINE, QUARANTINE.frame(rejected(1, TODAY)), TODAY, TODAY)
    assert value(scraped(client), "pipeline_quarantined_rows", kind="documents", source="rss") == 3
    note_rows(stores, QUARANTINE, QUARANTINE.empty(), before, TODAY)
    found = scraped(client)
    assert value(found, "pipeline_quarantined_rows", kind="documents", source="rss") == 0
    assert value(found, "pipeline_records_processed_total", source="rss", layer="quarantine") == 15


def test_no_counter_goes_down_when_runs_are_forgotten_or_the_api_starts_again(stores: Stores) -> None:
    log = RunLog(stores.warehouse)
    log.note([ended(1, 3), ended(2, 40, "failure")])
    fetch(stores, fails=True)
    with TestClient(create_app(Stores(stores.settings))) as client:
        before = scraped(client)
    assert log.forget(datetime.now(UTC) + LONG_AGO) == 2
    stores.redis.flushall()
    log.note([ended(3, 3)])
    with TestClient(create_app(Stores(stores.settings))) as client:
        after = scraped(client)
    monotonic = [key for key in before if key[0].endswith(("_total", "_bucket", "_count", "_sum"))]
    assert monotonic
    assert all(after[key] >= before[key] for key in monotonic)
    assert value(after, "pipeline_jobs_total", job="fetch_rss", status="success") == 2


def test_a_server_that_is_gone_costs_its_own_metrics_alone(stores: Stores) -> None:
    gone = Settings(
        home=stores.settings.home,
        postgres_url=stores.settings.postgres_url,
        redis_url="redis://127.0.0.1:1/0",
        _env_file=None,
    )
    RunLog(stores.warehouse).note([ended(1, 3)])
    with TestClient(create_app(Stores(gone))) as client:
        found = scraped(client)
        health = client.get("/healthz")
    assert value(found, "pipeline_component_up", component="redis") == 0
    assert value(found, "pipeline_component_up", component="postgres") == 1
    assert value(found, "pipeline_jobs_total", job="fetch_rss", status="success") == 1
    assert (health.status_code, health.json()["redis"]) == (503, "no answer")


def test_breakers_and_quotas_are_told_without_having_been_used(client: TestClient, stores: Stores) -> None:
    found = scraped(client)
    assert value(found, "pipeline_breaker_state", source="rss", state="closed") == 1
    assert value(found, "pipeline_quota_remaining", source="newsapi") == value(
        found, "pipeline_quota_limit", source="newsapi"
    )
    with redis.Redis.from_url(stores.settings.redis_url.get_secret_value()) as cache:  # type: ignore[union-attr]
        assert list(cache.scan_iter()) == [], "asking leaves nothing behind"


def test_openmetrics_is_spoken_where_it_is_asked_for(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_the_rules_are_valid_and_alert_when_they_should() -> None:
    promtool = program("promtool")
    for arguments in (
        ("check", "config", "prometheus/prometheus.yml"),
        ("check", "rules", "prometheus/rules.yml"),
        ("test", "rules", "prometheus/rules_test.yml"),
    ):
        done = subprocess.run([promtool, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_real_prometheus_scrapes_and_rules_find_their_metrics(stores: Stores, tmp_path: Path) -> None:
    prometheus = program("prometheus")
    RunLog(stores.warehouse).note([ended(1, 3), ended(2, 40, "failure")])
    fetch(stores, fails=True)
    with running(create_app(Stores(stores.settings))) as url:
        shipped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        config = shipped.replace("127.0.0.1:8001", url.removeprefix("http://")).replace("15s", "1s")
        (tmp_path / "prometheus.yml").write_text(config)
        (tmp_path / "rules.yml").write_bytes((DEPLOY / "prometheus" / "rules.yml").read_bytes())
        command = [
            prometheus,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        try:
            api = f"http://{_listening(process, tmp_path / 'log')}/api/v1"
            found = _until(lambda: _asked(api, 'pipeline_jobs_total{job="fetch_rss",status="failure"}'))
            assert found == 1, "honoured labels: the job is that of the platform"
            assert _until(lambda: _asked(api, 'up{job="pipeline_platform"}')) == 1
            assert (
                _until(
                    lambda: _asked(
                        api, 'count(ALERTS{alertname="PipelineNotScraped",alertstate="firing"}) or vector(0)'
                    )
                )
                == 0
            )
            rules = httpx.get(f"{api}/rules", trust_env=False).json()["data"]["groups"]
            assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
        finally:
            process.kill()
            process.wait()


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where a Prometheus on port 0 listens; it tells that nowhere but to the system."""

    def port() -> int | None:
        assert process.poll() is None, log.read_text()
        listening = [one for one in psutil.Process(process.pid).net_connections() if one.status == psutil.CONN_LISTEN]
        return int(listening[0].laddr.port) if listening else None

    return f"127.0.0.1:{_until(port):.0f}"


def _asked(api: str, query: str) -> float | None:
    try:
        answer = httpx.get(f"{api}/query", params={"query": query}, trust_env=False)
    except httpx.TransportError:
        return None
    result = answer.json()["data"]["result"] if answer.status_code == 200 else []
    return float(result[0]["value"][1]) if result else None


def _until(ask: Callable[[], float | None], seconds: float = 60) -> float:
    """What `ask` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds} s")
