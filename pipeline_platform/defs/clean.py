"""Cleaned assets, one per stream, and quarantine assets, one per kind: every raw record is in one of the two."""

import dagster as dg
import pandas as pd

from pipeline_platform.clean.cleaning import clean, quarantine
from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import (
    asset_arguments,
    asset_key,
    counts,
    frame_type,
    handover,
    rejects,
    same_name_lineage,
)
from pipeline_platform.govern.pseudonyms import pseudonymiser
from pipeline_platform.schemas.catalog import cleaned_table, kinds_in_use, quarantine_table, raw_table
from pipeline_platform.sources.base import Kind, Source, Stream
from pipeline_platform.sources.registry import all_streams


def cleaned_asset(source: Source, stream: Stream) -> dg.AssetsDefinition:
    """The asset that cleans `stream`."""
    raw, table = raw_table(source, stream), cleaned_table(source, stream)

    @dg.asset(
        **asset_arguments(table),
        ins={"records": dg.AssetIn(asset_key(raw))},
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    @observed
    def cleaned(context: dg.AssetExecutionContext, records: pd.DataFrame, stores: StoresResource) -> dg.Output:
        result = clean(records, stream, table, pseudonymiser(stores.open.pseudonym_key))
        metadata = handover(
            context,
            result.rows,
            **{"raw records": len(records), "quarantined": len(result.rejected), **rejects(result.rejected)},
        )
        lineage = same_name_lineage(table, [raw], otherwise=(raw, "payload"))
        return dg.Output(result.rows, metadata={**metadata, **lineage})

    return cleaned


def quarantine_asset(kind: Kind) -> dg.AssetsDefinition:
    """The asset of the rejected records of `kind`: what is in raw and not in cleaned, with the reason."""
    table = quarantine_table(kind)
    streams = [(source, stream) for source, stream in all_streams() if stream.kind == kind]
    upstream = [make(source, stream) for source, stream in streams for make in (raw_table, cleaned_table)]

    @dg.asset(
        **asset_arguments(table),
        deps=[asset_key(one) for one in upstream],
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    @observed
    def rejected(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days = asked_days(context)
        lake = stores.open.lake
        pseudonym = pseudonymiser(stores.open.pseudonym_key)
        parts, received = [table.empty()], 0
        for source, stream in streams:
            raw, cleaned = raw_table(source, stream), cleaned_table(source, stream)
            ids = lake.read(raw, days[0], days[-1], ["record_id"])["record_id"]
            keys = lake.read(cleaned, days[0], days[-1], list(cleaned.key))[cleaned.key[0]]
            received += len(ids)
            if ids.isin(keys).all():
                continue
            records = lake.read(raw, days[0], days[-1])
            parts.append(quarantine(records, keys, stream, cleaned, pseudonym))
        rows = pd.concat(parts, ignore_index=True)
        by_stream = {str(name): int(count) for name, count in rows["stream"].value_counts().items()}
        return dg.Output(
            rows,
            metadata={
                **handover(context, rows),
                "raw records": received,
                "share": f"{len(rows) / received:.2%}" if received else "0%",
                **rejects(rows),
                **({"by stream": counts(by_stream, "stream")} if by_stream else {}),
                **same_name_lineage(table, [raw_table(source, stream) for source, stream in streams]),
            },
        )

    return rejected


@dg.definitions
def cleaning() -> dg.Definitions:
    """One cleaned asset per stream, one quarantine asset per kind."""
    return dg.Definitions(
        assets=[
            *(cleaned_asset(source, stream) for source, stream in all_streams()),
            *(quarantine_asset(kind) for kind in kinds_in_use()),
        ]
    )
