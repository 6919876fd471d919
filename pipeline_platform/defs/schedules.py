"""Schedules: one per source, at its cadence, asking again for its look-back; and the job that backfills a range."""

from datetime import timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline_platform.defs.partitions import daily, range_tags
from pipeline_platform.operate import tracing
from pipeline_platform.settings import load_settings, missing_credentials, source_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES


def fetch_job(source: Source) -> UnresolvedAssetJobDefinition:
    """Raw and cleaned tables of one source."""
    return dg.define_asset_job(
        f"fetch_{source.name}",
        selection=dg.AssetSelection.tag("source", source.name),
        partitions_def=daily(),
        description=f"Fetches {source.title} and cleans what came.",
        tags={"source": source.name},
    )


def fetch_schedule(source: Source, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Runs `job` at the cadence of the source, over its look-back days, as one run."""
    settings = source_settings(source)
    lookback = settings.lookback_days or max(stream.lookback_days for stream in source.streams)

    @dg.schedule(
        name=f"{source.name}_cadence",
        job=job,
        cron_schedule=settings.cadence or source.cadence,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"Fetches the last {lookback} days of {source.title}.",
    )
    def cadence(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if missing := missing_credentials(source):
            return dg.SkipReason(f"{source.title} needs {', '.join(missing)}")
        today = context.scheduled_execution_time.date()
        tracing.configure(load_settings())
        with tracing.span(f"schedule {source.name}_cadence", {"pipeline.source": source.name}):
            caused = tracing.parent_tags()
        return dg.RunRequest(tags={**range_tags(today - timedelta(days=lookback - 1), today), **caused})

    return cadence


@dg.definitions
def schedules() -> dg.Definitions:
    """A job and a schedule per source, and the job over everything."""
    jobs = {source.name: fetch_job(source) for source in SOURCES}
    return dg.Definitions(
        jobs=[
            *jobs.values(),
            dg.define_asset_job(
                "backfill_range",
                selection=dg.AssetSelection.all(),
                partitions_def=daily(),
                description="Every table, fetch to export, over any span of days in one run.",
            ),
        ],
        schedules=[fetch_schedule(source, jobs[source.name]) for source in SOURCES],
    )
