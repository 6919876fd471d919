"""Retention: old runs leave Dagster's storage, and later the run log. Dagster itself purges ticks only."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.run_log import note_runs
from pipeline_platform.defs.steps import observed
from pipeline_platform.storage.incident_log import IncidentLog
from pipeline_platform.storage.run_log import RunLog

MOST_RUNS = 5000
"""Runs that are deleted at once; a storage that was never purged is worked off day by day."""


def purge_runs(instance: dg.DagsterInstance, before: datetime, most: int = MOST_RUNS) -> tuple[int, int]:
    """Delete runs that ended before a moment, with their events.

    A run that made the newest version of some day of an asset stays: that is what says that the day was made at all,
    and when.

    Returns:
        How many were deleted, and how many stayed for that reason.
    """
    newest = _Newest(instance)
    deleted = kept = 0
    old = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    for run_id in reversed(instance.get_run_ids(old)):
        if newest.made_by(run_id):
            kept += 1
        else:
            instance.delete_run(run_id)
            deleted += 1
        if deleted == most:
            break
    return deleted, kept


class _Newest:
    """Knows the newest materialization of every day of every asset, asked for asset by asset."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.event_log_storage
        self._ids: dict[dg.AssetKey, set[int]] = {}

    def made_by(self, run_id: str) -> bool:
        """Whether a run made one of them."""
        records = self._storage.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        return any(self._is_newest(record.event_log_entry.dagster_event, record.storage_id) for record in records)

    def _is_newest(self, event: dg.DagsterEvent | None, storage_id: int) -> bool:
        if event is None or event.asset_key is None:
            return False
        if event.asset_key not in self._ids:
            ids = self._storage.get_latest_storage_id_by_partition(
                event.asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            self._ids[event.asset_key] = set(ids.values())
        return storage_id in self._ids[event.asset_key]


@dg.op(description="Deletes runs, their log, and what was wrong and is over, each after its time.")
@observed
def forget(context: dg.OpExecutionContext, stores: StoresResource) -> None:
    """Purge, and say how much."""
    settings, warehouse = stores.open.settings, stores.open.warehouse
    now = datetime.now(UTC)
    # What is deleted here must stand in the run log first.
    note_runs(context.instance, RunLog(warehouse))
    deleted, kept = purge_runs(context.instance, now - timedelta(days=settings.run_retention_days))
    before = now - timedelta(days=settings.run_log_retention_days)
    context.add_output_metadata(
        {
            "runs deleted": deleted,
            "old runs kept, as they made the newest version of a day": kept,
            "rows of the run log deleted": RunLog(warehouse).forget(before),
            "incidents deleted": IncidentLog(warehouse).forget(before),
        }
    )


@dg.job(description="Deletes old runs from Dagster's storage, and older ones from the run log.")
def purge_old_runs() -> None:
    """Once a day."""
    forget()


@dg.schedule(
    job=purge_old_runs,
    cron_schedule="37 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs once a day.",
)
def retention() -> dg.RunRequest:
    """Daily."""
    return dg.RunRequest()
