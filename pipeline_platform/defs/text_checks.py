"""Checks of what was found in documents: they warn and block nothing, as a day may well be unlike the days before."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias

import dagster as dg
import pandas as pd

from pipeline_platform.defs.checks import tell_each_day
from pipeline_platform.defs.execution import step_tags
from pipeline_platform.defs.partitions import asked_days, daily
from pipeline_platform.defs.plots import bar_plot
from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.steps import observed
from pipeline_platform.defs.tables import asset_key, listing
from pipeline_platform.enrich.language import UNDETERMINED
from pipeline_platform.enrich.models import unavailable
from pipeline_platform.quality.drift import FEWEST, TRAILING_DAYS, Drift, drifts
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS
from pipeline_platform.settings import load_settings

LABELS = ("sentiment_label", "emotion", "topic", "language")
Judge: TypeAlias = Callable[[pd.DataFrame, Sequence[date]], dg.AssetCheckResult]

_HELD = ["is_canonical", "is_deleted", "event_date"]


def _counted(documents: pd.DataFrame) -> pd.DataFrame:
    """Documents that have a text and are no copies."""
    return documents[documents["is_canonical"] & ~documents["is_deleted"]]


def _warning(
    name: str, description: str, columns: Sequence[str], judge: Judge, *, days_before: int = 0
) -> dg.AssetChecksDefinition:
    """A check that warns, of each day by itself and of all days of a run.

    Args:
        name: of the check.
        description: of the check.
        columns: that are looked at.
        judge: the result for some days, from rows of these days and the ones before.
        days_before: days whose rows are needed beside those that are judged.
    """

    @dg.asset_check(
        asset=asset_key(ENRICHED_DOCUMENTS),
        name=name,
        description=description,
        partitions_def=daily(),
        op_tags=step_tags("enriched"),
    )
    @observed
    def check(context: dg.AssetCheckExecutionContext, stores: StoresResource) -> dg.AssetCheckResult:
        days = asked_days(context)
        first = days[0] - timedelta(days=days_before)
        rows = stores.open.lake.read(ENRICHED_DOCUMENTS, first, days[-1], [*columns, *_HELD])
        tell_each_day(context.op_execution_context, ENRICHED_DOCUMENTS, name, {day: judge(rows, [day]) for day in days})
        return judge(rows, days)

    return check


def _result(passed: bool, description: str, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, severity=dg.AssetCheckSeverity.WARN, description=description, metadata=metadata
    )


def label_drift_check() -> dg.AssetChecksDefinition:
    """How sentiment, emotion, topic and language are shared out, against the week before."""
    tolerated = load_settings().label_drift_tolerance

    def judge(rows: pd.DataFrame, days: Sequence[date]) -> dg.AssetCheckResult:
        found = drifts(_counted(rows), days, LABELS, tolerated)
        drifted = [one for one in found if one.drifted]
        named = ", ".join(f"{one.column} on {one.day}" for one in drifted)
        said = f"Unlike the week before: {named}." if drifted else "As in the week before."
        plots = {}
        if drifted:
            plots["shares"] = _plot(max(drifted, key=lambda one: one.divergence - one.limit))
        return _result(
            not drifted,
            said if found else f"Fewer than {FEWEST} documents to compare.",
            {"compared": listing([_as_row(one) for one in found]), **plots},
        )

    return _warning(
        "label_drift",
        f"The shares of {', '.join(LABELS)} of a day diverge from those of the {TRAILING_DAYS} days before by no more "
        f"than {tolerated} bits (Jensen-Shannon; 0 is the same, 1 has nothing in common) and what chance adds. Days "
        f"and weeks of fewer than {FEWEST} documents are not judged. PIPELINE_LABEL_DRIFT_TOLERANCE sets what is "
        "tolerated.",
        LABELS,
        judge,
        days_before=TRAILING_DAYS,
    )


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
        name: {str(label): float(share) for label, share in drift.shares[column].items()}
        for name, column in (("day", "today"), ("week before", "before"))
    }
    return bar_plot(groups, title=f"{drift.column}, {drift.day}", unit="share")


def undetermined_check() -> dg.AssetChecksDefinition:
    """How many documents have no language."""
    limit = load_settings().undetermined_language_share

    def judge(rows: pd.DataFrame, days: Sequence[date]) -> dg.AssetCheckResult:
        documents = _counted(rows[rows["event_date"].isin(days)])
        told = documents.assign(undetermined=documents["language"].fillna(UNDETERMINED) == UNDETERMINED)
        by_day = told.groupby("event_date")["undetermined"].agg(["size", "mean"])
        judged = by_day[by_day["size"] >= FEWEST]["mean"]
        worst = float(judged.max()) if len(judged) else 0.0
        sources = told.groupby("source")["undetermined"].agg(["size", "sum"]).sort_values("sum", ascending=False)
        table = [
            {"source": str(name), "documents": int(documents), "undetermined": int(undetermined)}
            for name, documents, undetermined in sources.itertuples()
        ]
        return _result(
            worst <= limit,
            f"At most {worst:.1%} of the documents of a day are in no language that could be told."
            if len(judged)
            else f"Fewer than {FEWEST} documents a day.",
            {"worst share": worst, "by source": listing(table)},
        )

    return _warning(
        "undetermined_language",
        f"Of the documents of a day at most {limit:.0%} are in no language that could be told. More means texts that "
        f"are cut off, markup in place of texts, or a source of mere links. Days of fewer than {FEWEST} documents are "
        "not judged. PIPELINE_UNDETERMINED_LANGUAGE_SHARE sets the share.",
        ("language", "source"),
        judge,
    )


def availability_check() -> dg.AssetChecksDefinition:
    """Whether every model that is configured gave its values."""

    def judge(rows: pd.DataFrame, days: Sequence[date]) -> dg.AssetCheckResult:
        versions = rows[rows["event_date"].isin(days)]["model_versions"]
        missing = unavailable(versions.dropna().unique())
        table = [{"component": one.component, "model": one.version, "what to do": one.remedy} for one in missing]
        said = " ".join(f"{one.version}. {one.remedy}" for one in missing)
        return _result(not missing, said or "Every model was there.", {"unavailable": listing(table)})

    return _warning(
        "model_availability",
        "Every model that ships or is configured was there. The values of one that was not are null, and no other "
        "model takes its place.",
        ("model_versions",),
        judge,
    )


@dg.definitions
def text_checks() -> dg.Definitions:
    """The checks of `enriched/documents` beside its contract."""
    return dg.Definitions(asset_checks=[label_drift_check(), undetermined_check(), availability_check()])
