"""Seconds of an evaluation of all alert rules with a year of runs and fetches in the warehouse, as every 45 s."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measure import Figure, apart, compared, race
from pipeline_platform.operate.alert_gathering import gather
from pipeline_platform.operate.alert_rules import conditions
from pipeline_platform.operate.alerting import evaluate
from pipeline_platform.settings import Settings
from pipeline_platform.sources.registry import all_streams
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.servers import running_servers
from pipeline_platform.storage.stores import Stores

SCALE = 365
TARGET_SECONDS = 1.0
RUNS_A_DAY = 700
FETCHES_A_DAY = 48
"""Of a stream."""

RUNS = """
insert into job_runs (run_id, job, cause, status, created_at, started_at, ended_at)
select 'run-' || n, 'fetch_' || (n % 14), 'schedule', case when n % 20 = 0 then 'failure' else 'success' end, at, at,
    at + interval '20 s'
from generate_series(1, :runs) as n, lateral (select now() - n * interval '1 day' / :a_day as at) as moment
"""
FETCHES = """
insert into fetches (source, stream, run_id, started_at, ended_at, records, inserted, updated, targets, failed_targets)
select :source, :stream, 'run', at, at, 1, 1, 0, 10, 0
from generate_series(1, :fetches) as n, lateral (select now() - n * interval '1 day' / :a_day as at) as moment
"""


def run(scale: int, rounds: int) -> list[Figure]:
    """The rules over `scale` days of history, against the same over one day."""
    with tempfile.TemporaryDirectory() as folder, apart():
        sizes = {f"{days} days": days for days in (scale, 1)}
        seconds = {}
        for name, days in sizes.items():
            settings = Settings(home=Path(folder) / name.replace(" ", "-"), _env_file=None)
            with running_servers(settings) as urls:
                named = settings.model_copy(
                    update={
                        "postgres_url": Settings(postgres_url=urls.postgres, _env_file=None).postgres_url,
                        "redis_url": Settings(redis_url=urls.redis, _env_file=None).redis_url,
                    }
                )
                stores = Stores(named)
                _fill(stores, days)
                seconds |= race({name: lambda stores=stores: _evaluate(stores)}, rounds)
                stores.warehouse.close()
    ours, theirs = sizes
    figure = compared("evaluate all alert rules", seconds, ours, theirs)
    return [figure.aimed(f"< {TARGET_SECONDS:g} s", figure.ours < TARGET_SECONDS)]


def _fill(stores: Stores, days: int) -> None:
    with stores.warehouse.begin() as connection:
        connection.execute(sa.text(RUNS), {"runs": days * RUNS_A_DAY, "a_day": RUNS_A_DAY})
        for source, stream in all_streams():
            connection.execute(
                sa.text(FETCHES),
                {
                    "source": source.name,
                    "stream": stream.name,
                    "fetches": days * FETCHES_A_DAY,
                    "a_day": FETCHES_A_DAY,
                },
            )
        connection.execute(sa.text("analyze"))


def _evaluate(stores: Stores) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    facts = gather(stores, now, channels=[], checks=list)
    settings = stores.settings.alerts
    evaluate(IncidentLog(stores.warehouse), *conditions(facts, settings), settings, now)
