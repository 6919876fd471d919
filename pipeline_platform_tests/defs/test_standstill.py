"""Dagster's own scheduler on a set clock: after days of standstill a schedule makes up for one tick, and for all."""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.workspace.load_target import ModuleTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from pipeline_platform.launch.instance import command_instance, prepare_dagster_home
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.stores import Stores

STANDSTILL = timedelta(days=9)
BEFORE = (datetime.now(UTC) - STANDSTILL - timedelta(days=1)).replace(hour=12, minute=1, second=0, microsecond=0)
METEO = source_named("open_meteo")


@pytest.fixture
def max_catchup_runs(stores: Stores) -> int:
    """As shipped."""
    prepare_dagster_home(stores.settings)
    with command_instance(stores.settings.home) as shipped:
        return int(shipped.scheduler.max_catchup_runs)  # type: ignore[union-attr]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Queues runs, and nobody takes them."""
    queue = {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}
    with dg.instance_for_test(overrides={"run_coordinator": queue}) as opened:
        yield opened


def test_nine_days_off_are_one_run_per_schedule_over_what_was_missed(
    instance: dg.DagsterInstance, stores: Stores, max_catchup_runs: int
) -> None:
    for stream in METEO.streams:
        stores.warehouse.record_fetch(
            source=METEO.name, stream=stream.name, run_id="run", started_at=BEFORE, ended_at=BEFORE,
            records=1, inserted=1, updated=0, targets=1, failed_targets=0,
        )  # fmt: skip
    target = ModuleTarget("pipeline_platform.definitions", None, None, "pipeline_platform")
    iterations: dict = {}
    counts = []
    with create_test_daemon_workspace_context(target, instance) as workspace:
        for moment in (BEFORE, BEFORE + timedelta(hours=1), BEFORE + STANDSTILL, BEFORE + STANDSTILL):
            with freeze_time(moment):
                for _ in launch_scheduled_runs(
                    workspace, logging.getLogger("scheduler"), moment, iterations, max_catchup_runs=max_catchup_runs
                ):
                    pass
            counts.append(Counter(run.job_name for run in instance.get_runs()))
    first, hour, back, again = counts
    assert first == Counter(), "schedules begin with the ticks after their start"
    assert 0 < max(hour.values()) <= 1
    assert hour["fetch_open_meteo"] == 1
    made_up = back - hour
    assert max(made_up.values()) == 1
    assert made_up["fetch_open_meteo"] == 1
    assert again == back
    newest, _ = instance.get_runs(dg.RunsFilter(job_name="fetch_open_meteo"))
    days = [newest.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert days == [BEFORE.date().isoformat(), (BEFORE + STANDSTILL).date().isoformat()]
