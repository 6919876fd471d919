"""Quality assets: profiles of all tables in one, scores and anomalies from them with their checks, the report of a day.

They look at the others and so never wait for one that failed; a run makes them last.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as arrow

from pipeline_platform.aggregate.registry import AGGREGATES
from pipeline_platform.defs.automation import FOLLOW, OBSERVE
from pipeline_platform.defs.check_history import SPAN, check_history, downstream_in
from pipeline_platform.defs.checks import tell_each_day
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily, look_back, window_of
from pipeline_platform.defs.plots import in_markdown
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import (
    LATE_AFTER,
    STALE_AFTER,
    asset_arguments,
    asset_key,
    counts,
    frame_type,
    handover,
    listing,
)
from pipeline_platform.operate.measures import note_scores
from pipeline_platform.operate.quality_facts import facts_of_days, write_report
from pipeline_platform.quality import anomalies as found
from pipeline_platform.quality import scores as scored
from pipeline_platform.quality.charts import evidence, png
from pipeline_platform.quality.profiles import Profiled, profiles
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import ANOMALIES, PROFILES, SCORES
from pipeline_platform.schemas.table import JOINED, Table
from pipeline_platform.settings import SettingsError, load_settings
from pipeline_platform.sources.registry import SOURCES, all_streams
from pipeline_platform.storage.stores import Stores

REPORT = dg.AssetKey(["quality", "report"])
CHARTS = 6
"""Charts in the metadata of a check; the report has all of them."""
CHUNK_DAYS = 7
"""Days of a table that are held in memory at once."""
DAY_S = 86_400.0


@cache
def profiled_tables() -> dict[str, Table]:
    """The tables that are profiled: all but those of this layer and those that are made from them."""
    beyond = {path for path, table in tables().items() if table.layer == "quality"}
    for aggregate in AGGREGATES:
        if any(one.table in beyond for one in aggregate.inputs.values()):
            beyond.add(aggregate.table)
    return {path: table for path, table in tables().items() if path not in beyond}


def _on_time_s(table: Table) -> float | None:
    """Seconds from event to receipt within which a row of `table` is on time: the look-back, and a day."""
    days = [
        stream.lookback_days
        for source, stream in all_streams()
        if table.name in (stream.name, stream.kind) or (table.layer == "enriched" and stream.kind == "documents")
    ]
    return (max(days) + 1) * DAY_S if days else None


def profiles_asset() -> dg.AssetsDefinition:
    """The profile of every table."""
    upstream = profiled_tables()

    @dg.asset(
        **asset_arguments(PROFILES),
        deps=[asset_key(table) for table in upstream.values()],
        io_manager_key="lake_io",
        dagster_type=frame_type(PROFILES),
        automation_condition=OBSERVE,
    )
    @observed
    def profile(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days = asked_days(context)
        window = window_of(days)
        fresh = stores.open.warehouse.fields_first_seen(window.start, window.end)
        parts = [
            profiles(_with_rows(stores.open, upstream, fresh, some), some)
            for some in (days[at : at + CHUNK_DAYS] for at in range(0, len(days), CHUNK_DAYS))
        ]
        result = pd.concat(parts, ignore_index=True)
        return dg.Output(result, metadata=handover(context, result, tables=len(upstream)))

    return profile


def _with_rows(
    stores: Stores, upstream: Mapping[str, Table], fresh: Mapping[str, Mapping[date, list[str]]], days: Sequence[date]
) -> Iterator[tuple[Profiled, arrow.Table]]:
    for table in upstream.values():
        new_fields = fresh.get(table.name) if table.layer == "raw" else None
        yield Profiled(table, _on_time_s(table), new_fields), stores.lake.read_arrow(table, days[0], days[-1])


def scores_asset() -> dg.AssetsDefinition:
    """The score of every table, with a check per source that warns of scores below the threshold."""
    settings = load_settings()
    try:
        limits = scored.thresholds(settings.quality_threshold, settings.quality_thresholds, list(profiled_tables()))
    except scored.UnknownTableError as error:
        raise SettingsError(f"PIPELINE_QUALITY_THRESHOLDS: {error}") from None

    @dg.asset(
        **asset_arguments(SCORES),
        deps=[dg.AssetDep(asset_key(PROFILES), partition_mapping=look_back(scored.HISTORY_DAYS))],
        check_specs=_specs(SCORES, "score", "No table of {} scores below its threshold."),
        io_manager_key="lake_io",
        dagster_type=frame_type(SCORES),
        automation_condition=FOLLOW,
    )
    @observed
    def score(context: dg.AssetExecutionContext, stores: StoresResource) -> Iterator[Any]:
        days = asked_days(context)
        held = _history(stores.open, days, scored.HISTORY_DAYS, scored.COLUMNS)
        result = scored.quality_scores(days, held, profiled_tables(), limits)
        low = result[~result["is_enough"].to_numpy(dtype=bool)]
        yield dg.Output(
            result,
            metadata=handover(context, result, **{"below their threshold": len(low), "lowest": _lowest(result)}),
        )
        _tell_tables(context, stores.open, result)
        yield from _judge(context, SCORES, "score", days, result, _score_result)

    return score


def anomalies_asset() -> dg.AssetsDefinition:
    """What is unusual, with a check per source that shows it."""

    @dg.asset(
        **asset_arguments(ANOMALIES),
        deps=[dg.AssetDep(asset_key(PROFILES), partition_mapping=look_back(found.HISTORY_DAYS))],
        check_specs=_specs(ANOMALIES, "anomalies", "Nothing about the tables of {} is unusual."),
        io_manager_key="lake_io",
        dagster_type=frame_type(ANOMALIES),
        automation_condition=FOLLOW,
    )
    @observed
    def anomaly(context: dg.AssetExecutionContext, stores: StoresResource) -> Iterator[Any]:
        days = asked_days(context)
        held = _history(stores.open, days, found.HISTORY_DAYS, found.COLUMNS)
        result = found.anomalies(days, held, profiled_tables(), datetime.now(UTC))
        kinds = {str(name): int(count) for name, count in result["kind"].value_counts().items()}
        yield dg.Output(result, metadata=handover(context, result, kinds=counts(kinds, "kind")))
        yield from _judge(context, ANOMALIES, "anomalies", days, result, _anomalies_result)

    return anomaly


def report_asset() -> dg.AssetsDefinition:
    """The report of each day, as a page and as JSON."""

    @dg.asset(
        key=REPORT,
        deps=[asset_key(table) for table in (SCORES, ANOMALIES)],
        group_name="quality",
        description="Quality report of a day: a page that opens from disk, and the same as JSON.",
        owners=[SCORES.owner],
        kinds={"html", "json"},
        op_tags=step_tags("quality"),
        partitions_def=daily(),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=FOLLOW,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=LATE_AFTER),
    )
    @observed
    def report(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.MaterializeResult:
        days = asked_days(context)
        graph = context.op_execution_context.job_def.asset_layer.asset_graph
        checks, downstream = check_history(context.instance, graph), downstream_in(graph)
        facts = facts_of_days(stores.open, days, checks, downstream)
        written = [write_report(stores.open.settings, one) for one in facts]
        pages = [one.page for one in written]
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(str(pages[-1])),
                "open it": dg.MetadataValue.url(pages[-1].as_uri()),
                "json": dg.MetadataValue.path(str(written[-1].data)),
                "all pages": listing([{"page": str(page)} for page in pages]),
                "verdict": written[-1].verdict,
            }
        )

    return report


def _history(stores: Stores, days: Sequence[date], before: int, columns: Sequence[str]) -> pd.DataFrame:
    return stores.lake.read(PROFILES, days[0] - timedelta(days=before), days[-1], list(columns))


def _names() -> list[str]:
    return [*(source.name for source in SOURCES), JOINED]


def _specs(table: Table, name: str, promise: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(f"{name}_{one}", asset=asset_key(table), description=promise.format(one)) for one in _names()
    ]


def _judge(
    context: dg.AssetExecutionContext,
    table: Table,
    check: str,
    days: Sequence[date],
    rows: pd.DataFrame,
    judged: Callable[[pd.DataFrame], dict[str, Any]],
) -> Iterator[dg.AssetCheckResult]:
    """The result of the check of every source over the rows of all days; one that failed also tells each day."""
    sources = rows["source"].fillna(JOINED)
    for source in _names():
        mine = rows[(sources == source).to_numpy(dtype=bool)]
        result = judged(mine)
        name = f"{check}_{source}"
        if not result["passed"] and len(days) > 1:
            dates = mine["event_date"]
            by_day = {day: dg.AssetCheckResult(**judged(mine[(dates == day).to_numpy(dtype=bool)])) for day in days}
            tell_each_day(context.op_execution_context, table, name, by_day)
        span = {SPAN: f"{days[0]} to {days[-1]}"}
        yield dg.AssetCheckResult(check_name=name, **{**result, "metadata": {**result["metadata"], **span}})


def _score_result(mine: pd.DataFrame) -> dict[str, Any]:
    bad = mine[~mine["is_enough"].to_numpy(dtype=bool)]
    return {
        "passed": bad.empty,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": _scores_in_words(mine, bad),
        "metadata": {"tables": mine["table"].nunique(), **({"below": _lowest(bad)} if len(bad) else {})},
    }


def _anomalies_result(mine: pd.DataFrame) -> dict[str, Any]:
    is_error = (mine["severity"] == "error").any()
    return {
        "passed": mine.empty,
        "severity": dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        "description": _anomalies_in_words(mine),
        "metadata": _anomaly_metadata(mine),
    }


def _lowest(rows: pd.DataFrame) -> dg.TableMetadataValue:
    lowest = rows[rows["score"].notna()].sort_values(["score", "table", "event_date"]).head(10)
    lines = [
        {"day": str(day), "table": table, "score": f"{score:.3f}", "how": how}
        for day, table, score, how in lowest[["event_date", "table", "score", "explanation"]].itertuples(index=False)
    ]
    return listing(lines)


def _scores_in_words(mine: pd.DataFrame, bad: pd.DataFrame) -> str:
    if len(bad):
        worst = bad.sort_values(["score", "table"]).iloc[0]
        return f"{len(bad)} below the threshold; lowest {worst['table']}: {worst['explanation']}"
    known = mine["score"].dropna()
    return f"Lowest score {known.min():.3f}." if len(known) else "No rows to score."


def _anomalies_in_words(mine: pd.DataFrame) -> str:
    if mine.empty:
        return "Nothing unusual."
    worst = mine.sort_values(["score", "table"], ascending=[False, True]).iloc[0]
    return f"{len(mine)} unusual; {worst['event_date']} {worst['table']}: {worst['explanation']}"


def _anomaly_metadata(mine: pd.DataFrame) -> dict[str, Any]:
    if mine.empty:
        return {"anomalies": 0}
    ordered = mine.sort_values(["score", "table"], ascending=[False, True]).to_dict("records")
    lines = [
        {
            "day": str(row["event_date"]),
            "table": row["table"],
            "column": row["column"],
            "kind": row["kind"],
            "severity": row["severity"],
            "what": row["explanation"],
        }
        for row in ordered
    ]
    return {
        "anomalies": len(mine),
        "what": listing(lines),
        "charts": dg.MetadataValue.md("\n\n".join(_chart(row) for row in ordered[:CHARTS])),
    }


def _chart(row: Mapping[Any, Any]) -> str:
    title = f"{row['event_date']} {row['table']} {row['column']}: {row['kind']}"
    shown = evidence(row["labels"], row["values"], row["usual"], row["expected"])
    return in_markdown(png(shown, title), row["kind"])


def _tell_tables(context: dg.AssetExecutionContext, stores: Stores, scores: pd.DataFrame) -> None:
    """The newest score of each table, beside the table itself and for metrics."""
    known = scores[scores["score"].notna()].sort_values("event_date").drop_duplicates("table", keep="last")
    note_scores(stores, known)
    for row in known.to_dict("records"):
        context.log_event(
            dg.AssetObservation(
                asset_key=dg.AssetKey(str(row["table"]).split("/")),
                partition=str(row["event_date"]),
                metadata={"quality score": float(row["score"]), "quality score, how": row["explanation"]},
            )
        )


@dg.definitions
def quality() -> dg.Definitions:
    """Profiles, scores, anomalies, report."""
    return dg.Definitions(assets=[profiles_asset(), scores_asset(), anomalies_asset(), report_asset()])
