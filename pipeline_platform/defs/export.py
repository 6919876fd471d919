"""Export assets: one Parquet data set per published table, with the check that it is what its descriptor says."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

import dagster as dg

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.check_history import SPAN
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import LATE_AFTER, STALE_AFTER, asset_key, column_schema, listing
from pipeline_platform.operate.measures import note_exported
from pipeline_platform.schemas.catalog import published_tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.datapackage import DESCRIPTOR
from pipeline_platform.storage.exports import export_days
from pipeline_platform.storage.verification import Mismatch, mismatches

CHECK_NAME = "descriptor"
SHOWN = 20
"""Mismatches in the metadata of a check; `pipeline-platform verify` lists all."""


def export_asset(table: Table) -> dg.AssetsDefinition:
    """The asset that exports `table`."""
    key = dg.AssetKey(["exports", table.name])

    @dg.asset(
        key=key,
        deps=[asset_key(table)],
        group_name="exports",
        description=f"Parquet data set of `{table.path}`. {table.description}",
        owners=[table.owner],
        kinds={"parquet"},
        op_tags=step_tags("exports"),
        partitions_def=daily(),
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=FOLLOW,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=LATE_AFTER),
        metadata={"dagster/column_schema": column_schema(table), "dagster/storage_kind": "parquet"},
        # Within the asset: a step of its own would cost more than the check.
        check_specs=[
            dg.AssetCheckSpec(
                CHECK_NAME,
                asset=key,
                description=f"No file is missing, changed or surplus against `{DESCRIPTOR}`. Files of the days of "
                "the run are read, others by size and time; `pipeline-platform verify` reads all.",
            )
        ],
    )
    @observed
    def export(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.MaterializeResult:
        days = asked_days(context)
        opened = stores.open
        done = export_days(opened.lake, table, opened.settings.exports_path, days)
        note_exported(opened, table, done.rows)
        wrong = mismatches(done.folder, table, opened.lake.mode, days) if done.version else []
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": done.rows,
                "files": done.files,
                "files changed": done.changed,
                "bytes": done.bytes,
                "data version": done.version or "no rows yet",
                "folder": dg.MetadataValue.path(str(done.folder)),
                "days": f"{days[0]} to {days[-1]}",
            },
            check_results=[_result(wrong, done.files, days)],
        )

    return export


def _result(wrong: Sequence[Mismatch], files: int, days: Sequence[date]) -> dg.AssetCheckResult:
    named = ", ".join(f"{one.path} ({one.problem})" for one in wrong[:3])
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    shown = {"mismatches": listing([asdict(one) for one in wrong[:SHOWN]])} if wrong else {}
    return dg.AssetCheckResult(
        check_name=CHECK_NAME,
        passed=not wrong,
        description=f"Not as described: {named}{more}." if wrong else f"{files} files are as described.",
        metadata={"files": files, SPAN: f"{days[0]} to {days[-1]}", **shown},
    )


@dg.definitions
def exports() -> dg.Definitions:
    """One export per published table."""
    return dg.Definitions(assets=[export_asset(table) for table in published_tables()])
