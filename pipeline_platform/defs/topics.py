"""Discovered topics: those of each day, and which of them every document is about."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pandas as pd

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days, before, look_back
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import (
    asset_arguments,
    asset_key,
    counts,
    frame_type,
    handover,
    listing,
    same_name_lineage,
)
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.schemas.table import Table
from pipeline_platform.schemas.topics import DOCUMENT_TOPICS, TOPICS
from pipeline_platform.settings import load_settings
from pipeline_platform.topics.corpus import DOCUMENT_COLUMNS
from pipeline_platform.topics.discovery import VERSION, WINDOW_DAYS, assigned, discovered
from pipeline_platform.topics.identity import MEMORY_DAYS

SHOWN_TOPICS = 20


def _arguments(table: Table) -> dict[str, Any]:
    """Arguments of the asset; another model gives other topics."""
    known = asset_arguments(table)
    return known | {"code_version": f"{known['code_version']}-{VERSION}-{load_settings().topic_model or 'lda'}"}


def topics_asset() -> dg.AssetsDefinition:
    """The topics of the week that ends on a day; ids follow from the days before."""

    @dg.asset(
        **_arguments(TOPICS),
        deps=[
            dg.AssetDep(asset_key(ENRICHED_DOCUMENTS), partition_mapping=look_back(WINDOW_DAYS - 1)),
            dg.AssetDep(asset_key(TOPICS), partition_mapping=before(MEMORY_DAYS)),
        ],
        io_manager_key="lake_io",
        dagster_type=frame_type(TOPICS),
        automation_condition=FOLLOW,
    )
    @observed
    def topics(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days, lake, model = asked_days(context), stores.open.lake, stores.open.settings.topic_model
        first = days[0] - timedelta(days=WINDOW_DAYS - 1)
        documents = lake.read(ENRICHED_DOCUMENTS, first, days[-1], list(DOCUMENT_COLUMNS))
        earlier = lake.read(TOPICS, days[0] - timedelta(days=MEMORY_DAYS), days[0] - timedelta(days=1))
        result = discovered(days, documents, earlier, model)
        return dg.Output(
            result,
            metadata={
                **handover(context, result.drop(columns="centroid")),
                "new topics": int(result["matched_day"].isna().sum()),
                **_greatest(result),
                **({"model": str(result["model"].iloc[-1])} if len(result) else {"model": model or "LDA"}),
                **same_name_lineage(TOPICS, [], {name: _WORDS for name in TOPICS.columns if name != "event_date"}),
            },
        )

    return topics


_WORDS = [(ENRICHED_DOCUMENTS, "title"), (ENRICHED_DOCUMENTS, "text")]


def _greatest(topics: pd.DataFrame) -> dict[str, Any]:
    """The greatest topics of the last day that has any."""
    if topics.empty:
        return {}
    last = topics[(topics["event_date"] == topics["event_date"].max()).to_numpy(dtype=bool)]
    shown = last.nlargest(SHOWN_TOPICS, "documents")
    columns = ["topic_id", "label", "documents", "coherence", "similarity"]
    rows = [{name: str(value) for name, value in row.items()} for row in shown[columns].round(2).to_dict("records")]
    return {"topics of the last day": listing(rows)}


def document_topics_asset() -> dg.AssetsDefinition:
    """The topic of every document."""

    @dg.asset(
        **_arguments(DOCUMENT_TOPICS),
        deps=[asset_key(ENRICHED_DOCUMENTS), asset_key(TOPICS)],
        io_manager_key="lake_io",
        dagster_type=frame_type(DOCUMENT_TOPICS),
        automation_condition=FOLLOW,
    )
    @observed
    def document_topics(context: dg.AssetExecutionContext, stores: StoresResource) -> dg.Output:
        days, lake = asked_days(context), stores.open.lake
        documents = lake.read(ENRICHED_DOCUMENTS, days[0], days[-1], list(DOCUMENT_COLUMNS))
        topics = lake.read(TOPICS, days[0], days[-1])
        result = assigned(days, documents, topics, stores.open.settings.topic_model)
        often = result["topic_id"].value_counts().head(SHOWN_TOPICS)
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "greatest topics": counts({str(name): int(count) for name, count in often.items()}, "topic"),
                **same_name_lineage(
                    DOCUMENT_TOPICS,
                    [ENRICHED_DOCUMENTS],
                    {"topic_id": [(TOPICS, "topic_id"), *_WORDS], "weight": [(TOPICS, "weights"), *_WORDS]},
                ),
            },
        )

    return document_topics


@dg.definitions
def discovered_topics() -> dg.Definitions:
    """`enriched/topics` and `enriched/document_topics`."""
    return dg.Definitions(assets=[topics_asset(), document_topics_asset()])
