"""Aggregated assets, one per entry of `AGGREGATES`."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pandas as pd

from pipeline_platform.aggregate.registry import AGGREGATES, FETCHES, Aggregate, Input
from pipeline_platform.aggregate.sources import fetch_log
from pipeline_platform.defs.aggregate_plots import PLOTS
from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days, look_back, window_of
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import asset_arguments, asset_key, frame_type, handover
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.table import Table
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.counts import layer_counts
from pipeline_platform.storage.stores import Stores


def _tables_of(one: Input) -> list[Table]:
    """The table of an input, or all tables of its layer."""
    if one.table.endswith("/*"):
        return [table for table in tables().values() if table.layer == one.table.removesuffix("/*")]
    return [tables()[one.table]] if one.table in tables() else []


def _read(stores: Stores, one: Input, days: Sequence[date]) -> pd.DataFrame:
    first = days[0] - timedelta(days=one.days_before)
    if one.table == FETCHES:
        window = window_of([first, days[-1]])
        return fetch_log(stores.warehouse.fetch_days(window.start, window.end))
    if one.table.endswith("/*"):
        return layer_counts(stores.lake, _tables_of(one), first, days[-1])
    (table,) = _tables_of(one)
    return stores.lake.read(table, first, days[-1], list(one.columns) if one.columns else None)


def _computed(stores: Stores, aggregate: Aggregate, days: Sequence[date], options: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of `days`; what was read for them is let go."""
    frames = {name: _read(stores, one, days) for name, one in aggregate.inputs.items()}
    return aggregate.compute(days, **frames, **options)


def aggregate_asset(aggregate: Aggregate) -> dg.AssetsDefinition:
    """The asset of one aggregate."""
    table = tables()[aggregate.table]
    # A table may be read twice, with other columns over other days: the longer span is the dependency.
    spans: dict[dg.AssetKey, int] = {}
    for one in aggregate.inputs.values():
        for upstream in _tables_of(one):
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
        parts = [_computed(stores.open, aggregate, some, options) for some in aggregate.turns(days)]
        notes = {label: note for part in parts for label, note in part.attrs.pop("notes", {}).items()}
        result = pd.concat(parts, ignore_index=True)[table.columns]
        shown = result.sort_values(aggregate.shown, ascending=False, kind="stable") if aggregate.shown else result
        plot = PLOTS[table.path].of(table.path, result, days, lambda one: _read(stores.open, one, days[-1:]))
        return dg.Output(result, metadata=handover(context, shown, plot=plot, **notes))

    return aggregated


@dg.definitions
def aggregates() -> dg.Definitions:
    """One asset per aggregate."""
    return dg.Definitions(assets=[aggregate_asset(aggregate) for aggregate in AGGREGATES])
