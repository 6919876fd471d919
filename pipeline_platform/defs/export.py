"""Export assets: one Parquet data set per published table."""

import dagster as dg

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import LATE_AFTER, STALE_AFTER, asset_key, column_schema
from pipeline_platform.schemas.catalog import published_tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.storage.exports import export_days


def export_asset(table: Table) -> dg.AssetsDefinition:
    """The asset that exports `table`."""

    @dg.asset(
        key=["exports", table.name],
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
    )
    def export(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.MaterializeResult:
        days = asked_days(context)
        done = export_days(stores.open.lake, table, stores.open.settings.exports_path, days)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": done.rows,
                "files": done.files,
                "files changed": done.changed,
                "folder": dg.MetadataValue.path(str(done.folder)),
                "days": f"{days[0]} to {days[-1]}",
            }
        )

    return export


@dg.definitions
def exports() -> dg.Definitions:
    """One export per published table."""
    return dg.Definitions(assets=[export_asset(table) for table in published_tables()])
