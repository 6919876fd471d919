"""Enriched documents: language, sentiment, entities and what further components add."""

import dagster as dg
import pandas as pd

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import (
    asset_arguments,
    asset_key,
    counts,
    frame_type,
    handover,
    listing,
    same_name_lineage,
)
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.models import models_in_use
from pipeline_platform.enrich.registry import component_columns, configured
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.enriched import ENRICHED


@dg.definitions
def enrichment() -> dg.Definitions:
    """`enriched/documents`."""
    (table,) = ENRICHED
    upstream = deduplicated_table("documents")
    written = [(upstream, "title"), (upstream, "text")]

    @dg.asset(
        **asset_arguments(table),
        ins={"documents": dg.AssetIn(asset_key(upstream))},
        io_manager_key="lake_io",
        dagster_type=frame_type(table),
        automation_condition=FOLLOW,
    )
    def documents(context: dg.AssetExecutionContext, documents: pd.DataFrame, stores: StoresResource) -> dg.Output:
        settings = stores.open.settings
        components = configured(settings)
        result = enrich(documents, components)[table.columns]
        languages = {str(name): int(count) for name, count in result["language"].value_counts().items()}
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "models": {one.name: one.version for one in components},
                "registry of models": listing([model.as_row() for model in models_in_use(settings)]),
                "languages": counts(languages, "language"),
                **same_name_lineage(table, [upstream], dict.fromkeys(component_columns(), written)),
            },
        )

    return dg.Definitions(assets=[documents])
