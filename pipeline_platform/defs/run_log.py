"""Notes the runs of Dagster in the run log of the warehouse, where metrics, alerts and the health page find them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.operate.measures import note_daemon
from pipeline_platform.storage.run_log import JobRun, RunLog

COMMAND_TAG = "pipeline_platform/command"
"""On runs that a command executes itself."""
OVERLAP = timedelta(minutes=10)
"""Read again each time: clocks of machines differ, and a transaction may end after a later one."""
STATUSES = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
    dg.DagsterRunStatus.NOT_STARTED: "queued",
    dg.DagsterRunStatus.QUEUED: "queued",
    dg.DagsterRunStatus.MANAGED: "queued",
    dg.DagsterRunStatus.STARTING: "queued",
    dg.DagsterRunStatus.STARTED: "started",
    dg.DagsterRunStatus.CANCELING: "started",
}
ERROR_CHARACTERS = 2000


def note_runs(instance: dg.DagsterInstance, log: RunLog) -> list[JobRun]:
    """Bring the run log up to date with Dagster.

    Returns:
        The runs that ended since it was last up to date.
    """
    until = log.noted_until()
    records = list(instance.get_run_records(dg.RunsFilter(updated_after=until - OVERLAP) if until else None))
    waiting = {run.run_id: run for run in log.unfinished()}
    missed = waiting.keys() - {record.dagster_run.run_id for record in records}
    if missed:
        records += instance.get_run_records(dg.RunsFilter(run_ids=sorted(missed)))
    found = {record.dagster_run.run_id: record for record in records}
    runs = [_noted(instance, found[run_id]) for run_id in sorted(log.not_ended(found))]
    purged = [
        replace(waiting[run_id], status="canceled", error="Dagster no longer knows this run: it was deleted there.")
        for run_id in sorted(missed - found.keys())
    ]
    return log.note([*runs, *purged])


def _noted(instance: dg.DagsterInstance, record: RunRecord) -> JobRun:
    run = record.dagster_run
    status = STATUSES[run.status]
    error, failed = _failure(instance, run.run_id) if status == "failure" else (None, ())
    # A run that never started has no end in Dagster either; it ended when it was last touched.
    ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
    return JobRun(
        run_id=run.run_id,
        job=run.job_name,
        source=run.tags.get("source"),
        cause=_cause(run),
        status=status,
        created_at=record.create_timestamp.replace(tzinfo=UTC),
        started_at=None if record.start_time is None else datetime.fromtimestamp(record.start_time, UTC),
        ended_at=None if status in ("queued", "started") else datetime.fromtimestamp(ended, UTC),
        first_day=_day(run.tags, "dagster/asset_partition_range_start"),
        last_day=_day(run.tags, "dagster/asset_partition_range_end"),
        error=error,
        failed_steps=failed,
    )


def _failure(instance: dg.DagsterInstance, run_id: str) -> tuple[str | None, tuple[str, ...]]:
    """Why a run failed, in the words of its last failed step or else of the run, and the steps that did."""
    entries = instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE})
    events = [entry.dagster_event for entry in entries if entry.dagster_event is not None]
    steps = [event for event in events if event.is_step_failure]
    messages = []
    for event in steps:
        error = event.step_failure_data.error
        cause = error.cause if error is not None and error.cause is not None else error
        messages.append(cause.message.strip() if cause is not None else event.message or "")
    messages += [event.message or "" for event in events if not event.is_step_failure]
    said = messages[0][:ERROR_CHARACTERS] if messages else None
    return said, tuple(sorted({event.step_key for event in steps if event.step_key}))


def _cause(run: dg.DagsterRun) -> str:
    for tag, kind in (("dagster/schedule_name", "schedule"), ("dagster/sensor_name", "sensor")):
        if tag in run.tags:
            return f"{kind}:{run.tags[tag]}"
    if "dagster/backfill" in run.tags:
        return "backfill"
    return "command" if COMMAND_TAG in run.tags else "manual"


def _day(tags: Mapping[str, str], tag: str) -> date | None:
    found = tags.get(tag) or tags.get("dagster/partition")
    try:
        return date.fromisoformat(found) if found else None
    except ValueError:
        return None


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notes runs in the run log, from which metrics, alerts and the health page are made.",
)
def run_log(context: dg.SensorEvaluationContext, stores: StoresResource) -> dg.SkipReason:
    """Starts no run."""
    ended = note_runs(context.instance, RunLog(stores.open.warehouse))
    note_daemon(stores.open)
    return dg.SkipReason(f"{len(ended)} runs ended" if ended else "no run ended")
