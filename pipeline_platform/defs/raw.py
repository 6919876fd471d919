"""Raw assets: one per stream, filled from the upstream, merged by record id; what fails becomes a dead letter."""

from datetime import date, datetime
from typing import Any

import dagster as dg

from pipeline_platform.defs.partitions import asked_days, window_of
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import asset_arguments, counts, tell_days
from pipeline_platform.operate.intake import Intake, take_in
from pipeline_platform.operate.overview import source_state
from pipeline_platform.operate.recheck import Rechecked
from pipeline_platform.schemas.catalog import raw_table
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.errors import CircuitOpen, QuotaExhausted
from pipeline_platform.sources.registry import all_streams
from pipeline_platform.storage.stores import Stores

RETRIES = dg.RetryPolicy(max_retries=1, delay=30, jitter=dg.Jitter.PLUS_MINUS)
"""For what the request policy did not outlast; permanent failures say that they allow no retry."""

SHOWN_FIELDS = 30


def raw_asset(source: Source, stream: Stream) -> dg.AssetsDefinition:
    """The asset that fetches `stream`."""
    table = raw_table(source, stream)

    @dg.asset(**asset_arguments(table), pool=source.name, retry_policy=RETRIES, io_manager_key="lake_io")
    @observed
    def fetch(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.MaterializeResult:
        days = asked_days(context)
        intake = take_in(stores.open, source, stream, window_of(days), run_id=context.run_id)
        if intake.failures and not intake.collected.whole:
            raise _all_failed(stream, intake)
        _mark_other_days(context, intake, days)
        if intake.failures:
            context.log.warning(f"{len(intake.failures)} targets failed and are dead letters: see metadata")
        for target, reason in intake.collected.skipped.items():
            context.log.info(f"{target} was skipped: {reason}")
        if intake.new_fields:
            context.log.warning(f"the upstream sends fields it never sent before: {', '.join(intake.new_fields)}")
        tell_days(context, {day: intake.collected.days[day] for day in days})
        return dg.MaterializeResult(metadata=_metadata(stores.open, source, stream, intake, days))

    return fetch


def _all_failed(stream: Stream, intake: Intake) -> dg.Failure:
    first = intake.failures[0]
    return dg.Failure(
        description=f"{stream.name}: every target failed. {first.target}: {type(first.error).__name__}: {first.error}",
        metadata={"failures": counts(_by_error(intake), "error")},
        # A spent quota or an open breaker does not come back within the minute of an op retry.
        allow_retries=any(
            failure.error.retryable and not isinstance(failure.error, QuotaExhausted | CircuitOpen)
            for failure in intake.failures
        ),
    )


def _by_error(intake: Intake) -> dict[str, int]:
    found: dict[str, int] = {}
    for failure in intake.failures:
        line = f"{type(failure.error).__name__}: {failure.target}: {failure.error}"
        found[line] = found.get(line, 0) + 1
    return found


def _by_reason(intake: Intake) -> dict[str, int]:
    return {f"{target}: {reason}": 1 for target, reason in intake.collected.skipped.items()}


def _mark_other_days(context: dg.AssetExecutionContext, intake: Intake, days: list[date]) -> None:
    """Tell Dagster of days that received records, or changes by a re-check, though the run was not asked for them.

    So downstream follows.
    """
    changed = intake.rechecked.changed if intake.rechecked else {}
    for day in sorted({*intake.collected.days, *changed} - set(days)):
        context.log_event(
            dg.AssetMaterialization(
                asset_key=context.asset_key,
                partition=day.isoformat(),
                metadata={
                    "records": intake.collected.days[day] + changed.get(day, 0),
                    "asked for": f"{days[0]} to {days[-1]}",
                },
            )
        )


def _metadata(stores: Stores, source: Source, stream: Stream, intake: Intake, days: list[date]) -> dict[str, Any]:
    collected, merged = intake.collected, intake.merged
    state = source_state(stores, source)
    unmapped = dict(collected.unmapped.most_common(SHOWN_FIELDS))
    note = ""
    if stream.history == "now_only":
        note = "the upstream shows only the present: days before today keep what was seen then"
    return {
        "dagster/row_count": merged.inserted + merged.updated + merged.unchanged,
        "records received": collected.records,
        "inserted": merged.inserted,
        "updated": merged.updated,
        "unchanged": merged.unchanged,
        "before the first partition": collected.before_start,
        "targets fetched": len(collected.whole),
        **_of_recheck(intake.rechecked),
        **({"targets failed": counts(_by_error(intake), "error")} if intake.failures else {}),
        **({"targets skipped": counts(_by_reason(intake), "reason")} if collected.skipped else {}),
        "dead letters": intake.buried,
        "healed": intake.healed,
        **{
            name: str(value) if isinstance(value, datetime) else value
            for name, value in state.items()
            if value is not None
        },
        "payloads looked at": collected.looked_at,
        "unmapped fields": len(collected.unmapped),
        **({"unmapped fields, most frequent": counts(unmapped, "field")} if unmapped else {}),
        **({"new fields": counts(dict.fromkeys(intake.new_fields, 1), "field")} if intake.new_fields else {}),
        "days": f"{days[0]} to {days[-1]}",
        **({"history": note} if note else {}),
    }


def _of_recheck(rechecked: Rechecked | None) -> dict[str, int]:
    if rechecked is None:
        return {}
    return {
        "rechecked": rechecked.collected.records,
        "removed upstream": rechecked.removed,
        "waiting for a re-check": rechecked.waiting,
        "held back after a failed re-check": rechecked.held_back,
    }


@dg.definitions
def raw() -> dg.Definitions:
    """One raw asset per registered stream."""
    return dg.Definitions(assets=[raw_asset(source, stream) for source, stream in all_streams()])
