"""The asset of enriched documents: a second run takes what the first one said."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import pytest

from pipeline_platform.defs.partitions import range_tags
from pipeline_platform.enrich.registry import COMPONENTS, code_version
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.stores import Stores

DAY = date(2026, 11, 20)
KEY = dg.AssetKey(["enriched", "documents"])
UPSTREAM, TABLE = "deduplicated/documents", "enriched/documents"


def store(stores: Stores, *texts: str) -> None:
    """Deduplicated documents of the day."""
    moment = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    usual = {
        "kind": "post",
        "created_at": moment,
        "fetched_at": moment,
        "is_deleted": False,
        "is_adult": False,
        "content_hash": "0",
        "source": "reddit",
        "stream": "reddit_posts",
        "event_date": DAY,
        "is_canonical": True,
        "method": "none",
    }
    ids = [f"reddit:{n}" for n in range(len(texts))]
    rows = [
        {"document_id": one, "cluster_id": one, "text": text, **usual} for one, text in zip(ids, texts, strict=True)
    ]
    table = tables()[UPSTREAM]
    stores.lake.replace(table, table.frame(rows), DAY, DAY)


@pytest.fixture
def instance(stores: Stores) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def enriched(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, object]:
    """Metadata of a run."""
    result = definitions.resolve_job_def("backfill_range").execute_in_process(
        instance=instance,
        asset_selection=[KEY],
        tags=range_tags(DAY, DAY),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    (event,) = result.asset_materializations_for_node("enriched__documents")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_second_run_computes_only_what_is_new(
    stores: Stores, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    store(stores, "I love it!", "This is terrible.", "The train leaves at nine.")
    first = enriched(definitions, instance)
    assert first["prediction cache hit rate"] == 0
    assert first["sentiment labels"].splitlines()[1].startswith("positive █████████████")
    assert "33.3% 1" in first["sentiment labels"]
    again = enriched(definitions, instance)
    assert again["prediction cache hit rate"] == 1
    assert again["changed"] is False
    assert set(again["prediction cache"]) == {one.name for one in COMPONENTS}
    store(stores, "I love it!", "This is new.")
    assert enriched(definitions, instance)["prediction cache hit rate"] == 0.5
    assert stores.lake.read(tables()[TABLE])["sentiment"].notna().all()


def test_the_code_version_names_the_models(definitions: dg.Definitions) -> None:
    spec = definitions.resolve_asset_graph().get(KEY)
    assert spec.code_version == code_version(load_settings())
