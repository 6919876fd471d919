"""Runs of Dagster reach the run log, whoever started them and whatever became of them."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import pytest

from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.defs.run_log import note_runs
from pipeline_platform.storage.run_log import RunLog
from pipeline_platform.storage.stores import Stores

DAY = date(2026, 11, 20)


@dg.op(config_schema={"works": bool})
def cross(context: dg.OpExecutionContext) -> None:
    if not context.op_config["works"]:
        raise ConnectionError("the bridge is closed")


@dg.job
def crossing() -> None:
    cross()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as opened:
        yield opened


def execute(instance: dg.DagsterInstance, *, works: bool, **tags: str) -> str:
    config = {"ops": {"cross": {"config": {"works": works}}}}
    result = crossing.execute_in_process(
        run_config=config, instance=instance, raise_on_error=False, tags={**range_tags(DAY, DAY), **tags}
    )
    return result.run_id


def test_a_run_is_noted_with_its_cause_its_days_and_its_end(instance: dg.DagsterInstance, stores: Stores) -> None:
    log = RunLog(stores.warehouse)
    good = execute(instance, works=True, source="town", **{"dagster/schedule_name": "town_cadence"})
    bad = execute(instance, works=False)
    noted = {run.run_id: run for run in note_runs(instance, log)}
    assert noted.keys() == {good, bad}
    assert (noted[good].status, noted[good].source, noted[good].cause) == ("success", "town", "schedule:town_cadence")
    assert noted[good].first_day == noted[good].last_day == DAY
    assert noted[good].seconds is not None
    assert (noted[bad].status, noted[bad].cause, noted[bad].failed_steps) == ("failure", "manual", ("cross",))
    assert "the bridge is closed" in (noted[bad].error or "")
    assert note_runs(instance, log) == []


def test_a_run_that_was_deleted_before_it_ended_is_closed(instance: dg.DagsterInstance, stores: Stores) -> None:
    log = RunLog(stores.warehouse)
    waiting = instance.create_run_for_job(crossing, run_config={"ops": {"cross": {"config": {"works": True}}}})
    assert note_runs(instance, log) == []
    assert [run.run_id for run in log.unfinished()] == [waiting.run_id]
    instance.delete_run(waiting.run_id)
    (closed,) = note_runs(instance, log)
    assert (closed.run_id, closed.status) == (waiting.run_id, "canceled")
