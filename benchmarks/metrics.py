"""A scrape of `/metrics`, with the runs, fetches and dead letters of a year stored."""

import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from pipeline_platform.operate.measures import measures_of_fetch
from pipeline_platform.sandbox.server import running
from pipeline_platform.serve.app import create_app
from pipeline_platform.settings import Settings
from pipeline_platform.sources.registry import SOURCES, all_streams
from pipeline_platform.sources.tally import OK, Tally
from pipeline_platform.storage import metrics
from pipeline_platform.storage.metrics import Measure
from pipeline_platform.storage.run_log import JobRun, RunLog
from pipeline_platform.storage.servers import running_servers
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse_tables import FETCHES, JOB_RUNS

SCALE = 180_000
TARGET_SECONDS = 0.1
BATCH = 5_000
LAYERS = ("raw", "cleaned", "quarantine", "deduplicated", "enriched", "aggregated", "exports")


def _runs(count: int, chance: random.Random) -> Iterator[JobRun]:
    """Runs spread over a year, one in fifty of which failed; the last few have not ended."""
    now = datetime.now(UTC)
    step = timedelta(days=365) / count
    for number in range(count):
        source = SOURCES[number % len(SOURCES)].name
        began = now - timedelta(days=365) + number * step
        at_work = number >= count - 3
        yield JobRun(
            run_id=f"{number:08d}-0000-4000-8000-000000000000",
            job=f"fetch_{source}",
            source=source,
            cause=f"schedule:{source}_cadence",
            status="started" if at_work else "failure" if chance.random() < 0.02 else "success",
            created_at=began,
            started_at=began,
            ended_at=None if at_work else began + timedelta(seconds=chance.expovariate(1 / 20)),
            first_day=began.date(),
            last_day=began.date(),
        )


def _fetches(count: int) -> Iterator[dict[str, Any]]:
    streams = all_streams()
    now = datetime.now(UTC)
    for number in range(count):
        source, stream = streams[number % len(streams)]
        ended = now - timedelta(days=365) * (1 - number / count)
        yield {
            "source": source.name, "stream": stream.name, "run_id": f"{number:08d}", "started_at": ended,
            "ended_at": ended, "records": 100, "inserted": 50, "updated": 5, "targets": 5, "failed_targets": 0,
            "requests": 7, "error": None,
        }  # fmt: skip


def _fill(stores: Stores, runs: int) -> None:
    """A year of runs with a fetch each, and every counter and gauge that such a year leaves."""
    # Those that are noted one by one leave every job, status and bucket; the others are rows to be passed over.
    noted = list(_runs(runs, random.Random(1)))
    RunLog(stores.warehouse).note(noted[-BATCH:])
    rows = [{**asdict(run), "failed_steps": []} for run in noted[:-BATCH]]
    with stores.warehouse.begin() as connection:
        for at in range(0, len(rows), BATCH):
            connection.execute(sa.insert(JOB_RUNS), rows[at : at + BATCH])
        connection.execute(sa.insert(FETCHES), list(_fetches(runs)))
    tally = Tally()
    tally.outcomes.update({OK: 900, "Transient": 40, "Malformed": 3, "Permanent": 2, "QuotaExhausted": 1})
    with stores.warehouse.begin() as connection:
        for source, stream in all_streams():
            counters, gauges = measures_of_fetch(source, stream, tally, 1000, [])
            metrics.add(connection, counters)
            metrics.note(connection, gauges)
        metrics.add(
            connection,
            [
                Measure(metrics.RECORDS, 1000, {"source": source.name, "layer": layer})
                for source in SOURCES
                for layer in LAYERS
            ],
        )
        metrics.note(connection, [Measure(metrics.SCORE, 0.97, {"table": f"cleaned/table_{n}"}) for n in range(130)])
        connection.execute(sa.text("analyze"))


def run(scale: int, rounds: int) -> list[Figure]:
    """Scrape `rounds` times with `scale` runs stored, beside a request that asks the servers no more than a ping."""
    with apart() as folder, running_servers(Settings(home=folder / "home")) as urls:
        settings = Settings(home=folder / "home", postgres_url=urls.postgres, redis_url=urls.redis)
        stores = Stores(settings)
        _fill(stores, scale)
        with running(create_app(stores)) as url, httpx.Client(base_url=url, trust_env=False) as client:

            def scrape() -> None:
                text = client.get("/metrics").raise_for_status().text
                if "pipeline_job_duration_seconds_bucket" not in text or 'component="redis"} 1.0' not in text:
                    raise BenchmarkError("the scrape lacks metrics")

            ours, ping = "scrape", "ping of both servers over HTTP"
            scrape()
            seconds = race({ours: scrape, ping: lambda: client.get("/healthz").raise_for_status()}, rounds)
            figure = compared(f"scrape of /metrics, {scale:,} runs stored", seconds, ours, ping)
            slowest = max(seconds[ours])
    return [
        figure.aimed(f"< {TARGET_SECONDS:g} s", figure.ours < TARGET_SECONDS),
        Figure(f"the slowest of {rounds} scrapes", slowest, "s", target=f"< {TARGET_SECONDS:g} s",
               reached=slowest < TARGET_SECONDS),
    ]  # fmt: skip
