"""Quality in Dagster: profiles, scores with their checks, anomalies with their charts, the report."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest

from benchmarks.histories import LAST, outage, world
from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import PROFILES
from pipeline_platform.storage.stores import Stores

RAW, CLEANED = "raw/coingecko_trending", "cleaned/coingecko_trending"


@pytest.fixture
def instance(stores: Stores) -> Any:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, first: date, last: date, *names: str) -> Any:
    return definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["quality", name]) for name in names],
        tags=range_tags(first, last),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def evaluations(result: Any, name: str) -> dict[str | None, dg.AssetCheckEvaluation]:
    return {one.partition: one for one in result.get_asset_check_evaluations() if one.check_name == name}


def store_records(stores: Stores, day: date, records: int) -> None:
    """Raw records of which none was cleaned."""
    table, moment = tables()[RAW], datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    row = {"source": "coingecko", "stream": "coingecko_trending", "run_id": "test", "request": "{}", "payload": "1"}
    rows = [
        {
            **row,
            "record_id": f"{day}:{number}",
            "event_time": moment,
            "fetched_at": moment,
            "payload_hash": str(number),
            "is_sandbox": True,
            "event_date": day,
        }
        for number in range(records)
    ]
    stores.lake.merge(table, table.frame(rows))


def test_a_low_score_warns_on_its_day_and_stands_in_report_and_metadata(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    first = LAST - timedelta(days=1)
    store_records(stores, LAST, 6)
    result = run(definitions, instance, first, LAST, "profiles", "scores", "anomalies", "report")
    assert result.success, "a warning blocks nothing"
    told = evaluations(result, "score_coingecko")
    assert {day: one.passed for day, one in told.items()} == {None: False, str(first): True, str(LAST): False}
    assert told[None].severity is dg.AssetCheckSeverity.WARN
    assert "cleaned/coingecko_trending" in str(told[None].description)
    assert evaluations(result, "score_rss")[None].passed
    seen = instance.fetch_observations(dg.AssetKey(RAW.split("/")), limit=5).records
    assert [record.partition_key for record in seen] == [str(LAST)]
    page = Path(stores.settings.reports_path / f"quality-{LAST}.html").read_text(encoding="utf-8")
    assert "cleaned/coingecko_trending" in page
    report = orjson.loads((stores.settings.reports_path / f"quality-{LAST}.json").read_bytes())
    assert report["verdict"] == "look"
    failed = [one["check"] for one in report["failures"]]
    assert failed == ["score_coingecko"]
    left = stores.settings.reports_path.iterdir()
    assert not [path for path in left if path.suffix == ".tmp" or path.name.startswith(".")]


def test_an_anomaly_fails_the_check_of_its_source_with_its_chart(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    profiles = world(3, 29, [RAW], {RAW: outage})
    stores.lake.replace(PROFILES, profiles, LAST - timedelta(days=28), LAST)
    result = run(definitions, instance, LAST, LAST, "anomalies")
    assert result.success
    told = evaluations(result, "anomalies_coingecko")
    (evaluation,) = told.values()
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "data:image/png;base64," in str(evaluation.metadata["charts"].value)
    assert evaluations(result, "anomalies_reddit").popitem()[1].passed


def test_quality_looks_at_every_table_but_those_made_from_it(definitions: dg.Definitions) -> None:
    from pipeline_platform.defs.quality import profiled_tables

    looked_at = set(profiled_tables())
    assert set(tables()) - looked_at == {
        "quality/profiles",
        "quality/scores",
        "quality/anomalies",
        "aggregated/source_daily",
    }
    graph = definitions.resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["quality", "profiles"])).parent_keys
    assert {"/".join(key.path) for key in parents} == looked_at


def test_a_threshold_for_a_table_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline_platform.defs.quality import scores_asset
    from pipeline_platform.settings import SettingsError

    monkeypatch.setenv("PIPELINE_QUALITY_THRESHOLDS", '{"cleaned/nothing": 0.5}')
    with pytest.raises(SettingsError, match="PIPELINE_QUALITY_THRESHOLDS: there is no table cleaned/nothing"):
        scores_asset()
