"""Checks: one factory turns the Pandera schema of a table into a blocking, partitioned asset check.

A run over several days reports each day by itself; the overall result decides whether downstream is blocked.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
import pandas as pd
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from pipeline_platform.clean.cleaning import clean
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import asset_key, counts, preview, rejects
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.quality.verdict import Verdict, verdicts, without_survivors
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.sources.registry import all_streams
from pipeline_platform.storage.stores import Stores

CHECK_NAME = "contract"


def contract_check(table: Table) -> dg.AssetChecksDefinition:
    """The check that the stored rows of `table` keep its schema, and that a cleaned day is not wholly rejected."""
    checks = [*table.schema.checks, *(check for column in table.schema.columns.values() for check in column.checks)]
    rules = sorted({str(check.name) for check in checks})

    @dg.asset_check(
        asset=asset_key(table),
        name=CHECK_NAME,
        description=f"Columns, types, keys and rules of {table.path}: {', '.join(rules)}.",
        blocking=True,
        partitions_def=daily(),
        op_tags=step_tags(table.layer),
        metadata={"rules": rules},
    )
    @observed
    def contract(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        days = asked_days(context)
        frame = stores.open.lake.read(table, days[0], days[-1])
        judged = verdicts(table, frame, days)
        more = rejects(frame) if table.layer == "quarantine" else {}
        if table.layer == "cleaned":
            received = _received(stores.open, table, days)
            more = {"raw records": sum(received.values()), "quarantined": sum(received.values()) - len(frame)}
            if bad := without_survivors(judged, received):
                more |= _why_rejected(stores.open, table, bad[0])
        tell_each_day(
            context.op_execution_context,
            table,
            CHECK_NAME,
            {
                one.day: dg.AssetCheckResult(passed=one.passed, description=_in_words([one]), metadata=_metadata([one]))
                for one in judged
            },
            blocking=True,
        )
        return dg.AssetCheckResult(
            passed=all(verdict.passed for verdict in judged),
            description=_in_words(judged),
            metadata={**_metadata(judged), **more},
        )

    return contract


def tell_each_day(
    context: dg.OpExecutionContext,
    table: Table,
    name: str,
    results: Mapping[date, dg.AssetCheckResult],
    *,
    blocking: bool = False,
) -> None:
    """Report each day of a run over several by itself; the result that the check returns then belongs to no day."""
    # A span, even of one day, has no partition key of its own.
    if context.has_partition_key:
        return
    targets = _judged_materializations(context.instance, table, list(results))
    for day, result in results.items():
        evaluation = dg.AssetCheckEvaluation(
            asset_key=asset_key(table),
            check_name=name,
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
            description=result.description,
            blocking=blocking,
            partition=day.isoformat(),
            target_materialization_data=targets.get(day.isoformat()),
        )
        context.log_event(evaluation)  # type: ignore[arg-type] # taken, yet not declared


def _why_rejected(stores: Stores, table: Table, day: date) -> dict[str, Any]:
    """The reasons of a wholly bad day: its quarantine is made only after this check."""
    stream = next(stream for _, stream in all_streams() if stream.name == table.name)
    records = stores.lake.read(tables()[f"raw/{table.name}"], day, day)
    return rejects(clean(records, stream, table, pseudonymiser(stores.pseudonym_key)).rejected)


def _received(stores: Stores, table: Table, days: list[date]) -> dict[date, int]:
    raw = tables()[f"raw/{table.name}"]
    counted = stores.lake.read(raw, days[0], days[-1], ["event_date"])["event_date"].value_counts()
    return dict(zip(counted.index.tolist(), counted.tolist(), strict=True))


def _judged_materializations(
    instance: dg.DagsterInstance, table: Table, days: list[date]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """The newest materialization of each day; a verdict that names none does not count as current for automation."""
    storage = instance.event_log_storage
    newest = storage.get_latest_storage_id_by_partition(
        asset_key(table), dg.DagsterEventType.ASSET_MATERIALIZATION, {day.isoformat() for day in days}
    )
    if not newest:
        return {}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset_key(table), storage_ids=list(newest.values())), limit=len(newest)
    ).records
    return {
        str(record.partition_key): AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in records
    }


def _in_words(judged: list[Verdict]) -> str:
    broken = _broken(judged)
    rows = sum(verdict.rows for verdict in judged)
    if not broken:
        return f"{rows} rows keep the contract."
    worst: list[date] = [verdict.day for verdict in judged if not verdict.passed]
    rules = ", ".join(f"{rule} ({count})" for rule, count in sorted(broken.items(), key=lambda item: -item[1]))
    return f"Broken on {', '.join(map(str, worst))}: {rules}."


def _broken(judged: list[Verdict]) -> Counter[str]:
    return sum((verdict.broken for verdict in judged), Counter())


def _metadata(judged: list[Verdict]) -> dict[str, Any]:
    broken = _broken(judged)
    samples = [sample for verdict in judged for sample in verdict.samples]
    return {
        "rows": sum(verdict.rows for verdict in judged),
        "days": len(judged),
        "violations": sum(broken.values()),
        **({"broken rules": counts(broken, "rule"), "samples": preview(pd.DataFrame(samples))} if broken else {}),
    }


@dg.definitions
def checks() -> dg.Definitions:
    """The contract of every table."""
    return dg.Definitions(asset_checks=[contract_check(table) for table in tables().values()])
