"""Checks of what was found in documents: they warn and block nothing, as a day may well be unlike the days before."""

from datetime import timedelta

import dagster as dg
import pandas as pd

from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.defs.plots import bar_plot
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.tables import asset_key, listing
from pipeline_platform.enrich.language import UNDETERMINED
from pipeline_platform.enrich.models import unavailable
from pipeline_platform.quality.drift import FEWEST, TRAILING_DAYS, Drift, drifts
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import load_settings

LABELS = ("sentiment_label", "emotion", "topic", "language")
_HELD = ["is_canonical", "is_deleted", "event_date"]


def _counted(documents: pd.DataFrame) -> pd.DataFrame:
    """Documents that have a text and are no copies."""
    return documents[documents["is_canonical"] & ~documents["is_deleted"]]


def label_drift_check() -> dg.AssetChecksDefinition:
    """How sentiment, emotion, topic and language are shared out, against the week before."""
    tolerated = load_settings().label_drift_tolerance

    @dg.asset_check(
        asset=asset_key(ENRICHED_DOCUMENTS),
        name="label_drift",
        description=(
            f"The shares of {', '.join(LABELS)} of a day diverge from those of the {TRAILING_DAYS} days before by no "
            f"more than {tolerated} bits (Jensen-Shannon; 0 is the same, 1 has nothing in common) and what chance "
            f"adds. Days and weeks of fewer than {FEWEST} documents are not judged. PIPELINE_LABEL_DRIFT_TOLERANCE "
            "sets what is tolerated."
        ),
        partitions_def=daily(),
    )
    def label_drift(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        days = asked_days(context)
        first = days[0] - timedelta(days=TRAILING_DAYS)
        documents = stores.open.lake.read(ENRICHED_DOCUMENTS, first, days[-1], [*LABELS, *_HELD])
        found = drifts(_counted(documents), days, LABELS, tolerated)
        drifted = [one for one in found if one.drifted]
        named = ", ".join(f"{one.column} on {one.day}" for one in drifted)
        said = f"Unlike the week before: {named}." if drifted else "As in the week before."
        worst = max(found, key=lambda one: one.divergence - one.limit, default=None)
        return dg.AssetCheckResult(
            passed=not drifted,
            severity=dg.AssetCheckSeverity.WARN,
            description=said if found else f"Fewer than {FEWEST} documents to compare.",
            metadata={
                "compared": listing([_as_row(one) for one in found]),
                **({"shares": _plot(worst)} if worst else {}),
            },
        )

    return label_drift


def _as_row(drift: Drift) -> dict[str, str | int]:
    moved = (drift.shares["today"] - drift.shares["before"]).sort_values(key=abs, ascending=False)
    return {
        "day": str(drift.day),
        "labels": drift.column,
        "documents": drift.documents,
        "week before": drift.before,
        "divergence": f"{drift.divergence:.4f}",
        "limit": f"{drift.limit:.4f}",
        "moved most": f"{moved.index[0]} {moved.iloc[0]:+.1%}",
        "drifted": "yes" if drift.drifted else "",
    }


def _plot(drift: Drift) -> dg.MarkdownMetadataValue:
    groups = {
        "day": drift.shares["today"].to_dict(),
        "week before": drift.shares["before"].to_dict(),
    }
    return bar_plot(groups, title=f"{drift.column}, {drift.day}", unit="share")


def undetermined_check() -> dg.AssetChecksDefinition:
    """How many documents have no language."""
    limit = load_settings().undetermined_language_share

    @dg.asset_check(
        asset=asset_key(ENRICHED_DOCUMENTS),
        name="undetermined_language",
        description=(
            f"Of the documents of a day at most {limit:.0%} are in no language that could be told. More means texts "
            "that are cut off, markup in place of texts, or a source of mere links. Days of fewer than "
            f"{FEWEST} documents are not judged. PIPELINE_UNDETERMINED_LANGUAGE_SHARE sets the share."
        ),
        partitions_def=daily(),
    )
    def undetermined_language(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        days = asked_days(context)
        columns = ["language", "source", *_HELD]
        documents = _counted(stores.open.lake.read(ENRICHED_DOCUMENTS, days[0], days[-1], columns))
        told = documents.assign(undetermined=documents["language"].fillna(UNDETERMINED) == UNDETERMINED)
        by_day = told.groupby("event_date")["undetermined"].agg(["size", "mean"])
        judged = by_day[by_day["size"] >= FEWEST]["mean"]
        worst = float(judged.max()) if len(judged) else 0.0
        sources = told.groupby("source")["undetermined"].agg(["size", "sum"]).sort_values("sum", ascending=False)
        return dg.AssetCheckResult(
            passed=worst <= limit,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                f"At most {worst:.1%} of the documents of a day are in no language that could be told."
                if len(judged)
                else f"Fewer than {FEWEST} documents a day."
            ),
            metadata={
                "worst share": worst,
                "by source": listing(
                    [
                        {"source": str(name), "documents": int(row["size"]), "undetermined": int(row["sum"])}
                        for name, row in sources.iterrows()
                    ]
                ),
            },
        )

    return undetermined_language


def availability_check() -> dg.AssetChecksDefinition:
    """Whether every model that is configured gave its values."""

    @dg.asset_check(
        asset=asset_key(ENRICHED_DOCUMENTS),
        name="model_availability",
        description=(
            "Every model that ships or is configured was there. The values of one that was not are null, and no other "
            "model takes its place."
        ),
        partitions_def=daily(),
    )
    def model_availability(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        days = asked_days(context)
        rows = stores.open.lake.read(ENRICHED_DOCUMENTS, days[0], days[-1], ["model_versions", "event_date"])
        missing = unavailable(rows["model_versions"].dropna().unique())
        return dg.AssetCheckResult(
            passed=not missing,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                " ".join(f"{one.version}. {one.remedy}" for one in missing) if missing else "Every model was there."
            ),
            metadata={
                "unavailable": listing(
                    [{"component": one.component, "model": one.version, "what to do": one.remedy} for one in missing]
                )
            },
        )

    return model_availability


@dg.definitions
def text_checks() -> dg.Definitions:
    """The checks of `enriched/documents` beside its contract."""
    return dg.Definitions(asset_checks=[label_drift_check(), undetermined_check(), availability_check()])
