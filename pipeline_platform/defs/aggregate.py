"""Aggregated assets, one per entry of `AGGREGATES`."""

import dagster as dg
import pandas as pd

from pipeline_platform.aggregate.registry import AGGREGATES, Aggregate, Input
from pipeline_platform.defs.aggregate_plots import PLOTS
from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days, look_back
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import asset_arguments, asset_key, frame_type, handover
from pipeline_platform.operate.aggregation import Inputs, computed, tables_of
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import load_settings


def aggregate_asset(aggregate: Aggregate) -> dg.AssetsDefinition:
    """The asset of one aggregate."""
    table = tables()[aggregate.table]
    # A table may be read twice, with other columns over other days: the longer span is the dependency.
    spans: dict[dg.AssetKey, int] = {}
    for one in aggregate.inputs.values():
        for upstream in tables_of(one):
            key = asset_key(upstream)
            spans[key] = max(spans.get(key, 0), one.days_before)
    deps = [dg.AssetDep(key, partition_mapping=look_back(days) if days else None) for key, days in spans.items()]
    settings = load_settings()
    options = {name: getattr(settings, name) for name in aggregate.options}
    version = "-".join([asset_arguments(table)["code_version"], aggregate.version, *map(str, options.values())])

    @dg.asset(
        **{**asset_arguments(table), "code_version": version},
        deps=deps,
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    @observed
    def aggregated(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days = asked_days(context)
        parts = list(computed(stores.open, aggregate, days, options))
        notes = {label: note for part in parts for label, note in part.attrs.pop("notes", {}).items()}
        result = pd.concat(parts, ignore_index=True)[table.columns]
        shown = result.sort_values(aggregate.shown, ascending=False, kind="stable") if aggregate.shown else result

        def earlier(one: Input) -> pd.DataFrame:
            return Inputs(stores.open, {"shown": one}).frames(days[-1:])["shown"]

        plot = PLOTS[table.path].of(table.path, result, days, earlier)
        return dg.Output(result, metadata=handover(context, shown, plot=plot, **notes))

    return aggregated


@dg.definitions
def aggregates() -> dg.Definitions:
    """One asset per aggregate."""
    return dg.Definitions(assets=[aggregate_asset(aggregate) for aggregate in AGGREGATES])
