"""Deduplicated assets, one per kind: the streams of a kind together, copies marked or merged."""

from datetime import timedelta

import dagster as dg
import pandas as pd

from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.dedup.resolve import resolve
from pipeline_platform.dedup.rows import dedup_rows
from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days, look_back
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import asset_arguments, asset_key, counts, frame_type, handover, same_name_lineage
from pipeline_platform.schemas.catalog import cleaned_table, kinds_in_use
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import load_settings
from pipeline_platform.sources.base import Kind
from pipeline_platform.sources.registry import all_streams


def _cleaned(kind: Kind) -> list[Table]:
    return [cleaned_table(source, stream) for source, stream in all_streams() if stream.kind == kind]


def documents_asset() -> dg.AssetsDefinition:
    """The documents of every text source, with the copies among them and among the days before."""
    table, upstream = deduplicated_table("documents"), _cleaned("documents")
    lookback = load_settings().dedup_lookback_days

    @dg.asset(
        **asset_arguments(table),
        deps=[dg.AssetDep(asset_key(one), partition_mapping=look_back(lookback)) for one in upstream],
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    def documents(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days, lake = asked_days(context), stores.open.lake
        before = days[0] - timedelta(days=lookback), days[0] - timedelta(days=1)  # no day at all for a look-back of 0
        rows = pd.concat([lake.read(one, days[0], days[-1]) for one in upstream], ignore_index=True)
        history = pd.concat([lake.read(one, *before, list(COMPARED_COLUMNS)) for one in upstream], ignore_index=True)
        result = dedup_documents(rows, history, days, lookback_days=lookback)
        copies = result[~result["is_canonical"]]
        methods = {str(name): int(count) for name, count in copies["method"].value_counts().items()}
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "copies": len(copies),
                "copies by method": counts(methods, "method"),
                "compared with days before": lookback,
                **same_name_lineage(table, upstream),
            },
        )

    return documents


def rows_asset(kind: Kind) -> dg.AssetsDefinition:
    """The rows of `kind`, the newest capture of each key."""
    table, upstream = deduplicated_table(kind), _cleaned(kind)

    @dg.asset(
        **asset_arguments(table),
        deps=[asset_key(one) for one in upstream],
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    def newest(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days = asked_days(context)
        rows = pd.concat([stores.open.lake.read(one, days[0], days[-1]) for one in upstream], ignore_index=True)
        result = resolve(kind, dedup_rows(rows, table.key), stores.open.settings)
        metadata = {
            **handover(context, result),
            "merged": len(rows) - len(result),
            **same_name_lineage(table, upstream),
        }
        return dg.Output(result, metadata=metadata)

    return newest


@dg.definitions
def deduplication() -> dg.Definitions:
    """One asset per kind in use."""
    return dg.Definitions(
        assets=[documents_asset() if kind == "documents" else rows_asset(kind) for kind in kinds_in_use()]
    )
