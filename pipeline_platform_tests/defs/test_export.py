"""Exports in Dagster: what a run tells of its files, and the check that finds what happened to them."""

import os
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.storage.stores import Stores

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(days=1)
BARS = tables()["deduplicated/market_bars"]


@pytest.fixture
def instance(stores: Stores) -> Any:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, first: date, last: date) -> Any:
    return definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["exports", BARS.name])],
        tags=range_tags(first, last),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def test_the_check_of_an_export_names_the_files_that_are_not_as_described(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stores: Stores
) -> None:
    rows = [{"bar_id": f"yahoo:{day}", "source": "yahoo", "event_date": day} for day in (DAY, NEXT)]
    stores.lake.replace(BARS, BARS.frame(rows), DAY, NEXT)
    result = run(definitions, instance, DAY, NEXT)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("descriptor", True)
    assert check.description == "2 files are as described."
    made = result.asset_materializations_for_node(f"exports__{BARS.name}")
    (told,) = {str(one.metadata["data version"].value) for one in made}
    assert told.startswith("1.0.0+")

    other = stores.settings.exports_path / BARS.name / f"event_date={DAY}/part-0.parquet"
    os.truncate(other, 100)
    (check,) = run(definitions, instance, NEXT, NEXT).get_asset_check_evaluations()
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert f"event_date={DAY}/part-0.parquet (changed)" in check.description
    (row,) = check.metadata["mismatches"].records
    assert "100 bytes instead of" in str(row.data["words"])
    (check,) = run(definitions, instance, DAY, DAY).get_asset_check_evaluations()
    assert check.passed


def test_a_day_without_rows_of_a_table_without_any_is_as_described(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stores: Stores
) -> None:
    (check,) = run(definitions, instance, DAY, DAY).get_asset_check_evaluations()
    assert check.passed
    assert not stores.settings.exports_path.exists()


def test_every_export_has_the_check(definitions: dg.Definitions) -> None:
    keys = definitions.resolve_asset_graph().asset_check_keys
    checked = {key.asset_key.path[-1] for key in keys if key.name == "descriptor"}
    assert checked == {table.name for table in published_tables()}
