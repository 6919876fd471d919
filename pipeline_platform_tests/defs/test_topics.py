"""The assets of discovered topics: a span in one run, the same again, and what follows a day."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from pipeline_platform.defs.checks import contract_check
from pipeline_platform.defs.partitions import daily, range_tags
from pipeline_platform.defs.topics import document_topics_asset, topics_asset
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.schemas.topics import DOCUMENT_TOPICS, TOPICS
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.topics.conftest import day_of, themed

FOUND, ABOUT = dg.AssetKey(["enriched", "topics"]), dg.AssetKey(["enriched", "document_topics"])
FIRST, LAST = day_of(1), day_of(3)


@pytest.fixture
def instance(stores: Stores) -> Iterator[dg.DagsterInstance]:
    stores.lake.replace(ENRICHED_DOCUMENTS, themed(4), day_of(0), LAST)
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, first: object, last: object) -> dict[str, object]:
    """Metadata of the topics of a run over a span of days."""
    result = definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[FOUND, ABOUT],
        tags=range_tags(first, last),  # type: ignore[arg-type]
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    (event,) = result.asset_materializations_for_node("enriched__topics")[-1:]
    return {name: value.value for name, value in event.metadata.items()}


def test_a_span_is_worked_through_in_order_and_again_changes_nothing(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    told = run(definitions, instance, FIRST, LAST)
    topics = stores.lake.read(TOPICS)
    per_day = {day: set(rows["topic_id"]) for day, rows in topics.groupby("event_date")}
    assert per_day[FIRST] == per_day[LAST]
    assert told["new topics"] == len(per_day[FIRST])
    assert "scikit-learn" in str(told["model"])
    assert len(told["topics of the last day"].records) == len(per_day[LAST])  # type: ignore[attr-defined]
    about = stores.lake.read(DOCUMENT_TOPICS)
    assert len(about) == 1200
    assert set(about["topic_id"]) <= set(topics["topic_id"])
    assert run(definitions, instance, FIRST, LAST)["changed"] is False
    # A day alone finds the days before it in its own table.
    assert run(definitions, instance, LAST, LAST)["changed"] is False


def test_a_topic_knows_the_days_it_depends_on(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert graph.get(FOUND).parent_keys == {dg.AssetKey(["enriched", "documents"]), FOUND}
    assert graph.get(ABOUT).parent_keys == {dg.AssetKey(["enriched", "documents"]), FOUND}


def test_changed_documents_ask_for_the_week_after_them_once(definitions: dg.Definitions) -> None:
    documents, now = dg.AssetKey(["enriched", "documents"]), datetime(2026, 11, 20, 12, tzinfo=UTC)
    days = ["2026-11-18", "2026-11-19", "2026-11-20"]
    wanted = {"enriched/topics", "enriched/document_topics"}
    upstream = dg.AssetSpec(documents, partitions_def=daily())
    part = dg.Definitions(
        assets=[upstream, topics_asset(), document_topics_asset()],
        asset_checks=[contract_check(table) for table in (TOPICS, DOCUMENT_TOPICS)],
        resources=definitions.resources,
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def materialised(key: dg.AssetKey, *partitions: str) -> None:
            for one in partitions:
                instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=one))
                if key != documents:
                    asked_for = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[one])
                    (last,) = instance.fetch_materializations(asked_for, limit=1).records
                    judged = AssetCheckEvaluationTargetMaterializationData(
                        storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
                    )
                    passed = dg.AssetCheckEvaluation(
                        key, "contract", passed=True, partition=one, blocking=True, target_materialization_data=judged
                    )
                    instance.report_runless_asset_event(passed)

        def asked(cursor: object) -> tuple[dict[str, list[str]], object]:
            found = dg.evaluate_automation_conditions(part, instance, cursor=cursor, evaluation_time=now)  # type: ignore[arg-type]
            partitions = {
                path: sorted(found.get_requested_partitions(dg.AssetKey(path.split("/")))) for path in sorted(wanted)
            }
            return partitions, found.cursor

        _, cursor = asked(None)
        materialised(documents, *days)
        partitions, cursor = asked(cursor)
        assert partitions == dict.fromkeys(wanted, days)
        materialised(FOUND, *days)
        materialised(ABOUT, *days)
        for _ in range(2):
            partitions, cursor = asked(cursor)
            assert not any(partitions.values()), "a table that reads itself does not ask for itself again"
        materialised(documents, days[0])
        partitions, cursor = asked(cursor)
        assert partitions == dict.fromkeys(wanted, days)
