"""The assets of discovered topics: a span in one run, the same again, and what follows a day."""

from collections.abc import Iterator

import dagster as dg
import pytest

from pipeline_platform.defs.partitions import range_tags
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
