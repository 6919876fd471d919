"""The code location as Dagster sees it."""

import dagster as dg
import pytest

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.operate.cadence import cadences
from pipeline_platform.schemas.catalog import published_tables, tables
from pipeline_platform.settings import load_settings
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.stores import Stores

LAYERS = {"raw", "cleaned", "quarantine", "deduplicated", "enriched", "aggregated", "quality", "exports"}


def test_every_table_and_every_export_is_an_asset(definitions: dg.Definitions) -> None:
    keys = {"/".join(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {*tables(), *(f"exports/{table.name}" for table in published_tables()), "quality/report"}


def test_assets_are_grouped_by_layer(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == LAYERS


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_has_a_schedule_at_its_cadence_and_a_pool(source: Source, definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def(f"{source.name}_cadence")
    (cadence,) = cadences(source, load_settings())
    assert schedule.cron_schedule == cadence.cron
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    graph = definitions.resolve_asset_graph()
    for stream in source.streams:
        assert graph.get(dg.AssetKey(["raw", stream.name])).pools == {source.name}


def test_the_schedule_asks_again_for_its_look_back_as_one_run(
    definitions: dg.Definitions, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    monkeypatch.setenv("PIPELINE_RSS__LOOKBACK_DAYS", "4")
    from pipeline_platform.defs.schedules import fetch_job, fetch_schedule
    from pipeline_platform.sources.registry import source_named

    rss = source_named("rss")
    (cadence,) = cadences(rss, load_settings())
    schedule = fetch_schedule(cadence, fetch_job(rss))
    moment = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=moment, resources={"stores": StoresResource()}) as context:
        request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_start"] == "2026-11-17"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-11-20"


def test_a_source_without_its_credential_is_skipped_with_its_name(definitions: dg.Definitions) -> None:
    from datetime import UTC, datetime

    schedule = definitions.resolve_schedule_def("reddit_cadence")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 20, tzinfo=UTC), resources={"stores": StoresResource()}
    ) as context:
        answer = schedule(context)
    assert isinstance(answer, dg.SkipReason)
    assert "PIPELINE_REDDIT__CLIENT_ID" in str(answer.skip_message)


@pytest.mark.parametrize(
    "name", ["alerts", "feed_lists", "follow_upstream", "missing_days", "orphaned_runs", "run_log", "waiting_letters"]
)
def test_sensors_are_shipped_running(name: str, definitions: dg.Definitions) -> None:
    assert definitions.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize("name", ["backfill_range", "purge_old_runs", "replay_dead_letters"])
def test_jobs_of_the_operator_exist(name: str, definitions: dg.Definitions) -> None:
    assert definitions.resolve_job_def(name).name == name
