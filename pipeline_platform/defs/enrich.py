"""Enriched documents: language, sentiment, entities and what further components add."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from pipeline_platform.defs.automation import FOLLOW
from pipeline_platform.defs.partitions import asked_days
from pipeline_platform.defs.plots import bar_plot
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
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.enrich.models import models_in_use
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.registry import code_version, component_columns, configured
from pipeline_platform.enrich.sentiment import LABELS
from pipeline_platform.operate.geocoding import Geocoding, geocode
from pipeline_platform.operate.measures import note_lookups
from pipeline_platform.schemas.deduplicated import deduplicated_table
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import load_settings

TOP_ENTITIES = 15


def _reused(earlier: Predictions) -> dict[str, Any]:
    """How much of what the components say was there before."""
    asked, found = sum(earlier.asked.values()), sum(earlier.found.values())
    return {
        "prediction cache hit rate": found / asked if asked else 0.0,
        "prediction cache": {name: f"{share:.1%}" for name, share in earlier.hit_rates.items()},
    }


def _asked(geocoded: Geocoding) -> dict[str, Any]:
    """What the provider of places was asked."""
    return {
        "places asked": geocoded.asked,
        "places found": geocoded.found,
        "places still to ask": geocoded.waiting,
        **(
            {"places not answered": listing([{"error": error} for error in geocoded.errors])} if geocoded.errors else {}
        ),
    }


def _found(documents: pd.DataFrame) -> Mapping[str, dg.MetadataValue]:
    """What was found, in pictures and tables."""
    told = {name: documents[name].value_counts() for name in ("language", "sentiment_label", "emotion", "topic")}
    labels = {name: {str(label): int(rows) for label, rows in found.items()} for name, found in told.items()}
    shown = {
        "sentiment labels": {label: labels["sentiment_label"].get(label, 0) for label in LABELS},
        "emotions": {label: labels["emotion"].get(label, 0) for label in EMOTIONS},
        "topics": labels["topic"],
    }
    entities = documents["entities"].explode().dropna().value_counts()
    ranked = sorted((-int(rows), str(name)) for name, rows in entities.items())
    return {
        "languages": counts(labels["language"], "language"),
        **{title: bar_plot({title: found}, title=title, unit="documents") for title, found in shown.items() if found},
        "top entities": counts({name: -rows for rows, name in ranked[:TOP_ENTITIES]}, "entity"),
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
    @observed
    def documents(context: dg.AssetExecutionContext, documents: pd.DataFrame, stores: StoresResource) -> dg.Output:
        days, opened = asked_days(context), stores.open
        geocoded = geocode(opened, documents)
        components = configured(opened.settings, geocoded.places if geocoded else ())
        kept = ["title", "text", "model_versions", *columns]
        earlier = Predictions(opened.lake.read(table, days[0], days[-1], kept))
        started = time.perf_counter()
        result = enrich(documents, components, earlier, opened.settings.enrich_threads)[table.columns]
        seconds = time.perf_counter() - started
        note_lookups(opened, "predictions", earlier.asked, earlier.found)
        return dg.Output(
            result,
            metadata={
                **handover(context, result),
                "models": {one.name: one.version for one in components},
                **_reused(earlier),
                **(_asked(geocoded) if geocoded else {}),
                "registry of models": listing([model.as_row() for model in models_in_use(opened.settings)]),
                "documents per second": len(result) / seconds,
                **_found(result),
                **same_name_lineage(table, [upstream], dict.fromkeys(columns, written)),
            },
        )

    return dg.Definitions(assets=[documents])
