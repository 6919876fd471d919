"""Schedules: one per source, at its cadence, asking again for its look-back; and the job that backfills a range."""

from functools import cache

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from pipeline_platform.defs.execution import backlog
from pipeline_platform.defs.partitions import daily, range_tags
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.operate import tracing
from pipeline_platform.operate.cadence import Cadence, cadences, days_to_fetch
from pipeline_platform.settings import load_settings, missing_credentials, source_settings
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.fetch_facts import stream_facts


def fetch_job(source: Source) -> UnresolvedAssetJobDefinition:
    """Raw and cleaned tables of one source."""
    return dg.define_asset_job(
        f"fetch_{source.name}",
        selection=dg.AssetSelection.tag("source", source.name),
        partitions_def=daily(),
        description=f"Fetches {source.title} and cleans what came.",
        tags={"source": source.name},
    )


@cache
def fetch_jobs() -> dict[str, UnresolvedAssetJobDefinition]:
    """The job of every source, by the name of the source."""
    return {source.name: fetch_job(source) for source in SOURCES}


def fetch_schedule(cadence: Cadence, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Runs `job` for the streams of a cadence, over their look-back and what was missed, as one run.

    Dagster makes up for one missed tick at most (`scheduler` in `dagster.yaml`), which then catches up with all.
    """
    source, given = cadence.source, source_settings(cadence.source)
    pairs = [(source.name, stream.name) for stream in cadence.streams]
    is_part = len(cadence.streams) < len(source.streams)

    @dg.schedule(
        name=f"{cadence.name}_cadence",
        job=job,
        cron_schedule=cadence.cron,
        execution_timezone=cadence.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if given.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"Fetches the last days of {source.title}"
        + (f": {', '.join(stream.name for stream in cadence.streams)}." if is_part else "."),
    )
    def fetch(context: dg.ScheduleEvaluationContext, stores: StoresResource) -> dg.RunRequest | dg.SkipReason:
        if source_settings(source).paused:
            return dg.SkipReason(f"{source.title} is paused by PIPELINE_{source.name.upper()}__PAUSED")
        if full := backlog(stores.open):
            return dg.SkipReason(f"{full}; a later tick fetches these days too")
        if missing := missing_credentials(source):
            return dg.SkipReason(f"{source.title} needs {', '.join(missing)}")
        known = stream_facts(stores.open.warehouse, pairs)
        days = days_to_fetch(cadence, known, stores.open.settings, context.scheduled_execution_time)
        keys = [key for stream in cadence.streams for key in _keys(stream)] if is_part else None
        tracing.configure(stores.open.settings)
        with tracing.span(f"schedule {cadence.name}_cadence", {"pipeline.source": source.name}):
            caused = tracing.parent_tags()
        return dg.RunRequest(tags={**range_tags(*days), **caused}, asset_selection=keys)

    return fetch


def _keys(stream: Stream) -> list[dg.AssetKey]:
    return [dg.AssetKey([layer, stream.name]) for layer in ("raw", "cleaned")]


@dg.definitions
def schedules() -> dg.Definitions:
    """A job per source, a schedule per cadence, and the job over everything."""
    settings = load_settings()
    jobs = fetch_jobs()
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
        schedules=[
            fetch_schedule(cadence, jobs[source.name]) for source in SOURCES for cadence in cadences(source, settings)
        ],
    )
