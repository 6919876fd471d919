"""Plots of the aggregates of documents."""

from datetime import date

import pandas as pd

from pipeline_platform.defs.plots import bar_plot, heat_plot, line_plot, together
from pipeline_platform.defs.plotted import Plot, cells, greatest, on, only, percent, span, totals
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.aggregated.topics import DISCOVERED, TAXONOMY

MOST_LINES = 5
HOURS_SHOWN = 72


def sentiment_hourly(rows: pd.DataFrame, day: date) -> Plot:
    """Documents and sentiment hour by hour, of the sources with most of both."""
    whole = only(rows, channel=EVERY)
    named = whole[whole["source"].ne(EVERY).to_numpy(dtype=bool, na_value=False)]
    shown = list(greatest(totals(named, "source", "canonical_documents"), MOST_LINES))
    # Hours after the newest document are not told: they may not have come yet.
    until = named["hour"].max() if len(named) else pd.Timestamp(day, tz="UTC")
    hours = pd.date_range(end=until, periods=HOURS_SHOWN, freq="h")
    counted = {source: only(named, source=source).set_index("hour")["canonical_documents"] for source in shown}
    volume = {
        source: found.astype("float64").reindex(hours, fill_value=0.0).tolist() for source, found in counted.items()
    }
    moods = whole[whole["source"].isin([*shown, EVERY]).to_numpy(dtype=bool)]
    weights = moods["scored_documents"].astype("float64")
    sums = pd.DataFrame({"total": moods["mean_sentiment"].astype("float64") * weights, "scored": weights})
    daily = sums.groupby([moods["source"].astype(object), moods["event_date"]]).sum()
    means = (daily["total"] / daily["scored"].where(daily["scored"] > 0)).rename("mean").reset_index()
    return together(
        [
            line_plot(
                hours.to_pydatetime().tolist(), volume, title="Canonical documents an hour, by source", unit="documents"
            ),
            heat_plot(
                cells(means, "source", "mean", [*shown, EVERY]),
                span(day, 2),
                title="Mean sentiment of the day, by source",
                palette="RdYlGn",
                limits=(-0.5, 0.5),
            ),
        ]
    )


def entity_daily(rows: pd.DataFrame, day: date) -> Plot:
    """How often the entities of the day were named on it and before."""
    named = rows.assign(name=rows["entity_type"].astype(object) + ":" + rows["entity"].astype(object))
    shown = list(greatest(totals(on(named, day), "name", "canonical_documents")))
    return heat_plot(
        cells(named, "name", "canonical_documents", shown),
        span(day),
        title="Canonical documents that name an entity, most on the last day",
    )


def subject_daily(rows: pd.DataFrame, day: date) -> Plot:
    """Sentiment about the subjects of the day, on it and before."""
    named = rows.assign(name=rows["kind"].astype(object) + " " + rows["subject"].astype(object))
    shown = list(greatest(totals(on(named, day), "name", "canonical_documents")))
    return heat_plot(
        cells(named, "name", "mean_sentiment", shown),
        span(day),
        title="Mean sentiment about the subjects of most documents on the last day",
        palette="RdYlGn",
        limits=(-0.6, 0.6),
    )


def topic_daily(rows: pd.DataFrame, day: date) -> Plot:
    """Shares of the topics of the taxonomy over days, and the discovered topics of the day."""
    fixed, found = only(rows, scheme=TAXONOMY), only(on(rows, day), scheme=DISCOVERED)
    shown = list(greatest(totals(fixed, "topic", "share_of_documents")))
    return together(
        [
            heat_plot(
                cells(fixed, "topic", "share_of_documents", shown),
                span(day),
                title="Share of documents about a topic of the taxonomy",
                told=percent,
            ),
            bar_plot(
                {"documents": greatest(totals(found, "label", "canonical_documents"), 8)},
                title="Discovered topics of the last day",
                unit="canonical documents",
            ),
        ]
    )


def keyword_daily(rows: pd.DataFrame, day: date) -> Plot:
    """The most telling keywords of the day, new ones apart."""
    today = on(rows, day)
    new = today["is_new"].fillna(value=False).to_numpy(dtype=bool)
    most = greatest(totals(today, "keyword", "tf_idf"))
    fresh = set(today["keyword"][new])
    return bar_plot(
        {
            "known": {word: 0.0 if word in fresh else value for word, value in most.items()},
            "new in two weeks": {word: value for word, value in most.items() if word in fresh},
        },
        title="Keywords that tell most of the last day",
        unit="TF-IDF",
        stacked=True,
    )
