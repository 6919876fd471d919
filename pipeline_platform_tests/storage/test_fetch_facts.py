"""What the fetches say of each stream."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline_platform.storage.fetch_facts import StreamFacts, Tries, stream_facts, tries
from pipeline_platform.storage.run_log import JobRun, RunLog
from pipeline_platform.storage.warehouse import Warehouse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POSTS, SHIPS = ("town", "town_posts"), ("town", "town_ships")


def fetch(warehouse: Warehouse, pair: tuple[str, str], minute: int, **values: Any) -> None:
    row = {"records": 1, "inserted": 0, "updated": 0, "targets": 5, "failed_targets": 0, "skipped_targets": 0}
    at = NOON + minute * MINUTE
    warehouse.record_fetch(
        source=pair[0], stream=pair[1], run_id="run", started_at=at, ended_at=at, **(row | {"error": None} | values)
    )


def test_what_is_known_of_each_stream(warehouse: Warehouse) -> None:
    fetch(warehouse, POSTS, 0)
    fetch(warehouse, POSTS, 10, failed_targets=1, error="no bridge")
    fetch(warehouse, POSTS, 20, records=0)
    fetch(warehouse, SHIPS, 15, records=0, failed_targets=5, error="no boat")
    assert stream_facts(warehouse, [SHIPS, ("town", "town_never"), POSTS]) == [
        StreamFacts(*SHIPS, NOON + 15 * MINUTE, NOON + 15 * MINUTE, None, None),
        StreamFacts(*POSTS, NOON + 20 * MINUTE, NOON, NOON + 20 * MINUTE, NOON + 10 * MINUTE),
    ]
    assert stream_facts(warehouse, []) == []


def test_the_window_of_tries_ends_with_the_last_fetch_of_the_source(warehouse: Warehouse) -> None:
    fetch(warehouse, POSTS, 0, failed_targets=5, error="long ago")
    fetch(warehouse, POSTS, 57, failed_targets=1, skipped_targets=2, error="no bridge")
    fetch(warehouse, SHIPS, 60, failed_targets=2, error="no boat")
    fetch(warehouse, ("city", "city_posts"), 30)
    known = stream_facts(warehouse, [POSTS, SHIPS, ("city", "city_posts")])
    assert tries(warehouse, known, 5 * MINUTE) == {"town": Tries(8, 3, "no boat"), "city": Tries(5, 0, None)}
    assert tries(warehouse, [], 5 * MINUTE) == {}


def test_a_streak_is_broken_by_a_success_and_not_by_a_cancellation(warehouse: Warehouse) -> None:
    log = RunLog(warehouse)

    def run(number: int, status: str, job: str = "fetch_town") -> JobRun:
        at = NOON + number * MINUTE
        failure = f"error {number}" if status == "failure" else None
        return JobRun(f"run-{number}", job, None, "manual", status, at, at, at + MINUTE, error=failure)

    statuses = ["failure", "success", "failure", "canceled", "failure"]
    log.note([run(number, status) for number, status in enumerate(statuses)])
    log.note([run(10, "success", "tidy"), run(11, "failure", "sweep")])
    by_job = {streak.job: streak for streak in log.streaks(NOON)}
    assert by_job.keys() == {"fetch_town", "sweep"}
    town = by_job["fetch_town"]
    assert (town.failures, town.since, town.error, town.last_run_id) == (2, NOON + 3 * MINUTE, "error 4", "run-4")
    assert [(one.job, one.run_id) for one in log.last_ended(NOON)] == [
        ("fetch_town", "run-4"),
        ("sweep", "run-11"),
        ("tidy", "run-10"),
    ]
    assert log.streaks(NOON + 30 * MINUTE) == log.last_ended(NOON + 30 * MINUTE) == []


def test_a_warehouse_of_an_earlier_version_loses_its_table_of_alerts_only(warehouse: Warehouse) -> None:
    fetch(warehouse, POSTS, 0)
    with warehouse.begin() as connection:
        connection.execute(sa.text("create table alerts (id bigint)"))
    url = warehouse._engine.url.render_as_string(hide_password=False)
    later = Warehouse(url)
    try:
        assert len(stream_facts(later, [POSTS])) == 1
        assert "alerts" not in sa.inspect(later._engine).get_table_names()
    finally:
        later.close()
