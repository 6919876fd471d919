"""The run log: a run is noted as it stands, and counted once when it ended."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline_platform.storage.run_log import JobRun, JobTotal, RunLog
from pipeline_platform.storage.warehouse import Warehouse

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 20)
STARTED = JobRun("run-1", "fetch_town", "town", "schedule:town_cadence", "started", NOON, NOON, None, DAY, DAY)
ENDED = replace(STARTED, status="success", ended_at=NOON + timedelta(seconds=20))
FAILED = replace(ENDED, run_id="run-2", status="failure", error="no bridge", failed_steps=("raw__town_posts",))
LATE = replace(ENDED, run_id="run-3", ended_at=NOON + timedelta(days=1))


@pytest.fixture
def log(warehouse: Warehouse) -> RunLog:
    return RunLog(warehouse)


def test_an_empty_log_has_nothing_to_tell(log: RunLog) -> None:
    assert log.noted_until() is None
    assert log.note([]) == []
    assert log.recent() == log.unfinished() == log.ended(NOON) == log.totals() == []


def test_a_run_comes_back_as_it_was_noted(log: RunLog) -> None:
    log.note([STARTED, FAILED])
    assert {run.run_id: run for run in log.recent()} == {"run-1": STARTED, "run-2": FAILED}
    assert log.unfinished() == [STARTED]
    assert log.not_ended(["run-1", "run-2", "run-9"]) == {"run-1", "run-9"}


def test_an_end_is_told_and_counted_once(log: RunLog) -> None:
    assert log.note([STARTED]) == []
    assert log.note([ENDED]) == [ENDED]
    assert log.note([ENDED, FAILED, LATE]) == [FAILED, LATE]
    assert log.totals() == [
        JobTotal("fetch_town", "failure", 30.0, 1, 20.0),
        JobTotal("fetch_town", "success", 30.0, 1, 20.0),
        JobTotal("fetch_town", "success", float("inf"), 1, 86_400.0),
    ]


def test_a_run_that_ended_stays_as_it_ended(log: RunLog) -> None:
    log.note([FAILED])
    log.note([replace(STARTED, run_id="run-2")])
    assert log.recent() == [FAILED]


def test_totals_outlive_the_runs(log: RunLog) -> None:
    log.note([ENDED, FAILED])
    assert log.forget(NOON + timedelta(hours=1)) == 2
    assert log.recent() == []
    assert sum(total.runs for total in log.totals()) == 2


def test_many_who_note_the_same_runs_count_them_once(log: RunLog) -> None:
    runs = [replace(ENDED, run_id=f"run-{number}") for number in range(40)]
    told: list[list[JobRun]] = []
    threads = [
        threading.Thread(target=lambda step=step: told.append(log.note(runs[::step]))) for step in (1, -1, 1, -1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.run_id for runs_of_one in told for run in runs_of_one) == sorted(run.run_id for run in runs)
    assert [total.runs for total in log.totals()] == [40]
