"""Deduplicated assets, one per kind: the streams of a kind together, copies marked or merged.

Documents have their signatures beside them, and a check of what copies are left.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.dedup.resolve import resolve
from pipeline_platform.dedup.rows import dedup_rows
from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.checks import tell_each_day
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily, look_back
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import (
    asset_arguments,
    asset_key,
    counts,
    frame_type,
    handover,
    preview,
    same_name_lineage,
)
from pipeline_platform.schemas.catalog import cleaned_table, kinds_in_use
from pipeline_platform.schemas.deduplicated import METHODS, deduplicated_table, signatures_table
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import load_settings
from pipeline_platform.sources.base import Kind
from pipeline_platform.sources.registry import all_streams

if TYPE_CHECKING:
    # Importing it brings Numba.
    from pipeline_platform.dedup.residual import Residual


def _cleaned(kind: Kind) -> list[Table]:
    return [cleaned_table(source, stream) for source, stream in all_streams() if stream.kind == kind]


RESIDUAL_SHARE = 0.01
"""Copies left among canonical documents from which the check fails."""

SHOWN_CLUSTERS = 5

_SIGNED = ["title", "text", "content_hash", "event_date"]


def signatures_asset() -> dg.AssetsDefinition:
    """The signatures of every content of a day; only contents without one are looked at."""
    table, upstream = signatures_table(), _cleaned("documents")

    @dg.asset(
        **asset_arguments(table),
        deps=[asset_key(one) for one in upstream],
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    @observed
    def document_signatures(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        from pipeline_platform.dedup.signatures import document_signatures

        days, lake = asked_days(context), stores.open.lake
        rows = pd.concat([lake.read(one, days[0], days[-1], _SIGNED) for one in upstream], ignore_index=True)
        stored = lake.read(table, days[0], days[-1])
        result = document_signatures(rows, stored)
        made = int((~result["content_hash"].isin(stored["content_hash"])).sum())
        origins = {
            "band_keys": [(one, name) for one in upstream for name in ("title", "text")],
            "version": [(one, "content_hash") for one in upstream],
        }
        return dg.Output(
            result,
            metadata={
                **handover(context, result.drop(columns="band_keys")),
                "made": made,
                "kept": len(result) - made,
                "too short to compare": int(result["band_keys"].isna().sum()),
                **same_name_lineage(table, upstream, origins),
            },
        )

    return document_signatures


def documents_asset() -> dg.AssetsDefinition:
    """The documents of every text source, with the copies among them and among the days before."""
    table, upstream, signed = deduplicated_table("documents"), _cleaned("documents"), signatures_table()
    lookback = load_settings().dedup_lookback_days

    @dg.asset(
        **asset_arguments(table),
        deps=[dg.AssetDep(asset_key(one), partition_mapping=look_back(lookback)) for one in (*upstream, signed)],
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    @observed
    def documents(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days, lake = asked_days(context), stores.open.lake
        before = days[0] - timedelta(days=lookback), days[0] - timedelta(days=1)  # no day at all for a look-back of 0
        rows = pd.concat([lake.read(one, days[0], days[-1]) for one in upstream], ignore_index=True)
        history = pd.concat([lake.read(one, *before, list(COMPARED_COLUMNS)) for one in upstream], ignore_index=True)
        signatures = lake.read(signed, before[0], days[-1])
        result = dedup_documents(rows, history, days, lookback_days=lookback, signatures=signatures)
        copies = result[~result["is_canonical"]]
        methods = {str(name): int(count) for name, count in copies["method"].value_counts().items()}
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "copies": len(copies),
                "copies by method": counts(methods, "method"),
                **_clusters(result),
                **_examples(result, copies),
                "compared with days before": lookback,
                **same_name_lineage(table, upstream),
            },
        )

    return documents


def _clusters(documents: pd.DataFrame) -> dict[str, dg.TableMetadataValue]:
    """The largest clusters: how many documents of which sources, and what they say."""
    sizes = documents.groupby("cluster_id")["document_id"].nunique()
    largest = sizes[sizes > 1].sort_index().sort_values(ascending=False, kind="stable").head(SHOWN_CLUSTERS)
    if largest.empty:
        return {}
    rows = documents[documents["cluster_id"].isin(largest.index)].sort_values(["is_canonical"], ascending=False)
    clusters = rows.groupby("cluster_id")
    shown = pd.DataFrame(
        {
            "documents": largest,
            "sources": clusters["source"].agg(lambda named: ", ".join(sorted(set(named)))),
            "methods": clusters["method"].agg(lambda named: ", ".join(sorted(set(named) - {"none"}))),
            "says": clusters[["title", "text"]].first().bfill(axis=1)["title"],
        }
    ).loc[largest.index]
    return {"largest clusters": preview(shown.reset_index())}


def _examples(documents: pd.DataFrame, copies: pd.DataFrame) -> dict[str, dg.TableMetadataValue]:
    """Some copies beside what they are copies of, those of the weakest evidence first."""
    weakest = copies.sort_values(["similarity", "document_id"], na_position="first").drop_duplicates("cluster_id")
    shown = pd.concat([weakest[weakest["method"] == method].head(2) for method in METHODS], ignore_index=True)
    if shown.empty:
        return {}
    # A document may stand on two days; the original of a copy may lie before all of them.
    named = documents[documents["document_id"].isin([*shown["document_id"], *shown["duplicate_of"]])]
    named = named.drop_duplicates("document_id").set_index("document_id")
    words = named["title"].fillna("").str.cat(named["text"].fillna(""), sep=" ").str.strip()
    columns = ["method", "similarity", "source", "duplicate_of"]
    beside = shown[columns].assign(copy=shown["document_id"].map(words), original=shown["duplicate_of"].map(words))
    return {"copies, some": preview(beside)}


def _residual_result(left: Sequence["Residual"]) -> dg.AssetCheckResult:
    worst = max((found.share for found in left), default=0.0)
    examples = pd.concat([found.copies for found in left]) if left else pd.DataFrame()
    return dg.AssetCheckResult(
        passed=worst < RESIDUAL_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"At most {worst:.2%} of the canonical documents of a day are copies of others.",
        metadata={
            "residual share": worst,
            "residual copies": len(examples),
            **({"some": preview(examples)} if len(examples) else {}),
        },
    )


def residual_check() -> dg.AssetChecksDefinition:
    """A search for near copies that the first one missed, with other hashes, among the canonical documents of a day."""
    table = deduplicated_table("documents")

    @dg.asset_check(
        asset=asset_key(table),
        name="residual_duplicates",
        description=f"Of the canonical documents of a day less than {RESIDUAL_SHARE:.0%} are copies of one another.",
        partitions_def=daily(),
        op_tags=step_tags(table.layer),
    )
    @observed
    def residual_duplicates(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        from pipeline_platform.dedup.residual import residual_copies

        days = asked_days(context)
        columns = ["document_id", "title", "text", "content_hash", "is_canonical", "is_deleted", "event_date"]
        left = residual_copies(stores.open.lake.read(table, days[0], days[-1], columns))
        told = {day: _residual_result([left[day]] if day in left else []) for day in days}
        tell_each_day(context.op_execution_context, table, "residual_duplicates", told)
        return _residual_result(list(left.values()))

    return residual_duplicates


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
    @observed
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
    """One asset per kind in use, and the signatures of documents."""
    return dg.Definitions(
        assets=[
            signatures_asset(),
            *(documents_asset() if kind == "documents" else rows_asset(kind) for kind in kinds_in_use()),
        ],
        asset_checks=[residual_check()],
    )
