"""Enriching a day again: nothing known, everything known, and a tenth of it new."""

import pandas as pd

from benchmarks.documents import DAY, cleaned_documents
from benchmarks.measure import Figure, apart, compared, race
from pipeline_platform.dedup.documents import COMPARED_COLUMNS, dedup_documents
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.predictions import Predictions
from pipeline_platform.enrich.registry import component_columns, configured
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.lake import Lake

SCALE = 20_000
TABLE = "enriched/documents"
COLD, AGAIN, TENTH = "nothing known", "everything known", "a tenth new"


def _documents(scale: int) -> pd.DataFrame:
    """Rows of `deduplicated/documents`, made from the sandbox's posts."""
    rows = cleaned_documents(scale)
    return dedup_documents(rows, rows.head(0)[list(COMPARED_COLUMNS)], [DAY], lookback_days=0)


def run(scale: int, rounds: int) -> list[Figure]:
    """Enrich `scale` documents; the known rows are read from the lake each time, as the asset does."""
    with apart() as folder:
        settings, table = load_settings(), tables()[TABLE]
        documents, kept = _documents(scale), ["title", "text", "model_versions", *component_columns()]
        enriched = enrich(documents, configured(settings))[table.columns]
        full, partly = (Lake(str(folder / name), mode="demo") for name in ("full", "partly"))
        full.replace(table, enriched, DAY, DAY)
        partly.replace(table, enriched.sample(frac=0.9, random_state=1), DAY, DAY)

        def again(lake: Lake) -> None:
            enrich(documents, configured(settings), Predictions(lake.read(table, DAY, DAY, kept)))

        seconds = race(
            {
                COLD: lambda: enrich(documents, configured(settings)),
                AGAIN: lambda: again(full),
                TENTH: lambda: again(partly),
            },
            rounds,
        )
    return [
        compared(
            f"enrichment of {len(documents):,} documents, {name}",
            seconds,
            name,
            COLD,
            per=len(documents),
            unit="documents/s",
        )
        for name in (AGAIN, TENTH)
    ]
