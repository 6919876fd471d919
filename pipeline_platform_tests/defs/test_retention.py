"""Old runs are deleted, but none that says when a day was last made; runs whose process died are closed."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.scheduler import DagsterDaemonScheduler
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.retention import purge_old_runs, purge_runs
from pipeline_platform.defs.run_log import COMMAND_TAG, note_runs
from pipeline_platform.defs.runs import (
    close_abandoned,
    close_killed,
    close_never_queued,
    close_unreachable,
    kept_alive,
    mark_killed,
    orphaned_runs,
)
from pipeline_platform.launch.instance import command_instance, prepare_dagster_home
from pipeline_platform.storage.run_log import RunLog
from pipeline_platform.storage.servers import ServerUrls, sqlalchemy_url
from pipeline_platform.storage.stores import Stores

DAYS = dg.DailyPartitionsDefinition("2026-11-01")


@dg.asset(partitions_def=DAYS)
def visits() -> None:
    pass


@dg.op
def nothing() -> None:
    pass


@dg.job
def idle() -> None:
    nothing()


@pytest.fixture
def instance(fresh_servers: ServerUrls) -> Iterator[dg.DagsterInstance]:
    """An instance in PostgreSQL, as SQLite numbers events by run."""
    storage = {"postgres": {"postgres_url": sqlalchemy_url(fresh_servers.postgres)}}
    with dg.instance_for_test(overrides={"storage": storage}) as opened:
        yield opened


def made(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([visits], instance=instance, partition_key=day).run_id


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_a_run_goes_once_a_later_one_made_its_days(instance: dg.DagsterInstance) -> None:
    superseded, other = made(instance, "2026-11-20"), made(instance, "2026-11-21")
    newest = made(instance, "2026-11-20")
    without_asset = idle.execute_in_process(instance=instance).run_id
    assert purge_runs(instance, later()) == (2, 2)
    assert {run.run_id for run in instance.get_runs()} == {other, newest}
    assert instance.get_run_by_id(superseded) is instance.get_run_by_id(without_asset) is None
    assert instance.get_materialized_partitions(dg.AssetKey("visits")) == {"2026-11-20", "2026-11-21"}
    assert purge_runs(instance, later()) == (0, 2)


def test_young_runs_and_running_ones_stay_and_the_oldest_go_first(instance: dg.DagsterInstance) -> None:
    runs = [idle.execute_in_process(instance=instance).run_id for _ in range(4)]
    waiting = instance.create_run_for_job(idle)
    assert purge_runs(instance, datetime.now(UTC) - timedelta(days=30)) == (0, 0)
    assert purge_runs(instance, later(), most=3) == (3, 0)
    assert {run.run_id for run in instance.get_runs()} == {waiting.run_id, runs[-1]}


def test_the_job_notes_runs_before_it_deletes_them(
    instance: dg.DagsterInstance, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = idle.execute_in_process(instance=instance).run_id
    record = instance.get_run_record_by_id(run_id)
    assert record is not None
    monkeypatch.setattr("pipeline_platform.defs.retention.datetime", _InAMonth)
    done = purge_old_runs.execute_in_process(instance=instance, resources={"stores": StoresResource()})
    assert done.success
    assert instance.get_run_by_id(run_id) is None
    assert run_id in {run.run_id for run in RunLog(stores.warehouse).recent()}
    assert note_runs(instance, RunLog(stores.warehouse))[0].run_id == done.run_id


class _InAMonth(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + timedelta(days=40)


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = instance.create_run_for_job(idle, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, job_name="idle", message=None), run.run_id
    )
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.STARTED
    return found


def test_a_run_of_a_code_server_that_is_gone_is_closed_when_it_did_not_answer_twice(
    instance: dg.DagsterInstance,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        gone = json.dumps({"host": "127.0.0.1", "port": probe.getsockname()[1]})
    run, of_a_launcher = started(instance, **{GRPC_INFO_TAG: gone}), started(instance)
    closed, suspected = close_unreachable(instance, set())
    assert (closed, suspected) == ([], {run.run_id})
    closed, suspected = close_unreachable(instance, suspected)
    assert (closed, suspected) == ([run.run_id], set())
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    assert [one.run_id for one in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))] == [
        of_a_launcher.run_id
    ]


def test_the_runs_of_a_code_server_that_was_killed_are_closed_and_no_others(instance: dg.DagsterInstance) -> None:
    def address(port: int) -> str:
        return json.dumps({"host": "127.0.0.1", "port": port})

    run, other = (
        started(instance, **{GRPC_INFO_TAG: address(4001)}),
        started(instance, **{GRPC_INFO_TAG: address(4002)}),
    )
    of_a_launcher = started(instance)
    assert close_killed(instance) == []
    assert mark_killed(instance, "127.0.0.1", 4001) == [run.run_id]
    marked = instance.get_run_by_id(run.run_id)
    assert marked is not None
    in_its_place = started(instance, **marked.tags)
    assert close_killed(instance) == [run.run_id]
    assert close_killed(instance) == []
    working = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert {one.run_id for one in working} == {other.run_id, of_a_launcher.run_id, in_its_place.run_id}


def test_a_run_that_never_came_into_the_queue_is_closed_after_a_while(instance: dg.DagsterInstance) -> None:
    lost, of_a_command = (
        instance.create_run_for_job(idle),
        instance.create_run_for_job(idle, tags={COMMAND_TAG: "home"}),
    )
    assert close_never_queued(instance, datetime.now(UTC)) == []
    assert close_never_queued(instance, datetime.now(UTC) + timedelta(minutes=4)) == [lost.run_id]
    found = instance.get_run_by_id(of_a_command.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.NOT_STARTED


def test_the_sensor_closes_runs_of_commands_that_died_and_not_those_that_live(
    instance: dg.DagsterInstance, stores: Stores, tmp_path: Path
) -> None:
    home = stores.settings.home
    with kept_alive(home, "some-run") as tags:
        dead, alive = started(instance, **tags), started(instance, **tags)
        with (
            kept_alive(home, alive.run_id),
            dg.build_sensor_context(instance=instance, resources={"stores": StoresResource()}) as context,
        ):
            answer = orphaned_runs.evaluate_tick(context)
            assert close_abandoned(instance, home) == []
    assert dead.run_id in str(answer.skip_message)
    assert alive.run_id not in str(answer.skip_message)


def test_the_shipped_instance_watches_runs_and_makes_up_for_one_tick(stores: Stores) -> None:
    prepare_dagster_home(stores.settings)
    with command_instance(stores.settings.home) as shipped:
        scheduler = shipped.scheduler
        assert isinstance(scheduler, DagsterDaemonScheduler)
        assert scheduler.max_catchup_runs == 1
        assert shipped.run_monitoring_enabled
        assert isinstance(shipped.run_coordinator, QueuedRunCoordinator)
        assert shipped.run_coordinator.dequeue_interval_seconds == 1
        queue = shipped.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4
        assert shipped.run_monitoring_settings["free_slots_after_run_end_seconds"] == 300
