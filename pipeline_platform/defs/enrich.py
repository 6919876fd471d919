"""Enriched documents: language, sentiment, entities and what further components add."""

from typing import Any

import dagster as dg
import pandas as pd

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import (
    asset_arguments,
    asset_key,
    bars,
    counts,
    frame_type,
    handover,
    listing,
    same_name_lineage,
)
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.models import models_in_use
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.registry import code_version, component_columns, configured
from pipeline_platform.enrich.sentiment import LABELS
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import load_settings


def _reused(earlier: Predictions) -> dict[str, Any]:
    """How much of what the components say was there before."""
    asked, found = sum(earlier.asked.values()), sum(earlier.found.values())
    return {
        "prediction cache hit rate": found / asked if asked else 0.0,
        "prediction cache": {name: f"{share:.1%}" for name, share in earlier.hit_rates.items()},
    }


@dg.definitions
def enrichment() -> dg.Definitions:
    """`enriched/documents`."""
    table, upstream = ENRICHED_DOCUMENTS, deduplicated_table("documents")
    written = [(upstream, "title"), (upstream, "text")]
    columns = component_columns()

    @dg.asset(
        **(asset_arguments(table) | {"code_version": code_version(load_settings())}),
        ins={"documents": dg.AssetIn(asset_key(upstream))},
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    def documents(context: dg.AssetExecutionContext, documents: pd.DataFrame, stores: StoresResource) -> dg.Output:
        days, opened = asked_days(context), stores.open
        components = configured(opened.settings)
        kept = ["title", "text", "model_versions", *columns]
        earlier = Predictions(opened.lake.read(table, days[0], days[-1], kept))
        result = enrich(documents, components, earlier)[table.columns]
        languages = {str(name): int(count) for name, count in result["language"].value_counts().items()}
        labels = result["sentiment_label"].value_counts()
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "models": {one.name: one.version for one in components},
                **_reused(earlier),
                "registry of models": listing([model.as_row() for model in models_in_use(opened.settings)]),
                "languages": counts(languages, "language"),
                "sentiment labels": bars({name: int(labels.get(name, 0)) for name in LABELS}),
                **same_name_lineage(table, [upstream], dict.fromkeys(columns, written)),
            },
        )

    return dg.Definitions(assets=[documents])
