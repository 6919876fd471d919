"""Every aggregate, upstream first: add one by one function, one table and one entry here.

Each entry becomes one asset. `compute(days, **frames)` is given the days asked for and one frame per input, and returns
rows of its table for those days only. It is a pure function: the same frames give the same rows in the same order,
whatever the order of their rows, and a range of days gives what its days give one by one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow.compute as compute

from pipeline_platform.aggregate.agreement import source_agreement
from pipeline_platform.aggregate.attention import MENTION_DAYS, market_sentiment_daily, weather_sentiment_daily
from pipeline_platform.aggregate.correlations import SPAN_DAYS, correlations
from pipeline_platform.aggregate.cross_domain import cross_domain_daily
from pipeline_platform.aggregate.developer import EVENT_DAYS, RANK_DAYS, VELOCITY_DAYS, developer_activity_daily
from pipeline_platform.aggregate.forecasts import HISTORY_DAYS, forecasts
from pipeline_platform.aggregate.hourly import BEFORE_DAYS, HOURLY_COLUMNS
from pipeline_platform.aggregate.indicators import PREVIOUS_CLOSE_DAYS, WINDOW_DAYS
from pipeline_platform.aggregate.keywords import CORPUS_DAYS, keyword_counts, keyword_daily
from pipeline_platform.aggregate.market import market_daily
from pipeline_platform.aggregate.sources import source_daily
from pipeline_platform.aggregate.text import entity_daily, sentiment_hourly, subject_daily
from pipeline_platform.aggregate.topics import topic_daily
from pipeline_platform.aggregate.trends import RULES, trend_signals
from pipeline_platform.aggregate.volume_trends import volume_trends
from pipeline_platform.aggregate.weather import NORMAL_DAYS, weather_daily

FETCHES = "fetches"


@dataclass(frozen=True, slots=True)
class Input:
    """A frame that an aggregate reads.

    Attributes:
        table: path of a table, or `<layer>/*`. A path gives the rows of that table. `<layer>/*` gives counts over all
            tables of the layer, one row per source, stream and day, with the columns `source` (text), `stream` (text),
            `event_date` (day), `rows` (integer), `newest_event` (stamp, the greatest event time; null in quarantine)
            and `newest_fetch` (stamp, the greatest `fetched_at`). A layer without rows gives these columns, empty.
            `FETCHES` gives the log of fetches as `aggregate.sources.fetch_log` describes it.
        days_before: the frame holds the rows of `[first day - days_before, last day]`.
        columns: the columns that are read, so that the others need not be loaded; None for all.
        kept: what is kept of the rows of some days, the same as of each of them alone. It is given a few days at a
            time, and the frame holds what it gave: however long the span, it is read only once, and never held as it
            is. None keeps the rows.
        counted: which rows are counted instead of kept: the frame has a row for each combination of `columns` that
            occurs among them, with their number as `rows`.
    """

    table: str
    days_before: int = 0
    columns: tuple[str, ...] | None = None
    kept: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    counted: compute.Expression | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregated table: what it is made of, and how.

    Attributes:
        table: path of the table, in `schemas/aggregated`.
        inputs: input per parameter of `compute`.
        compute: `(days, **frames, **options) -> rows of the table for days`. What `attrs["notes"]` hold, by label, is
            shown beside the rows.
        shown: column by which the preview in Dagster is ordered, greatest first; the order of the table without it.
        version: changes whenever the same inputs give other rows.
        options: settings of the platform that `compute` takes under their names.
        in_turns: a range is read and computed a few days at a time, which needs no more memory than its busiest day, or
            than as many documents as `operate.aggregation` takes at once.
    """

    table: str
    inputs: Mapping[str, Input]
    compute: Callable[..., pd.DataFrame]
    shown: str | None = None
    version: str = "1"
    options: tuple[str, ...] = ()
    in_turns: bool = False


DOCUMENT_COLUMNS = (
    "document_id",
    "source",
    "channel",
    "created_at",
    "score",
    "replies",
    "is_deleted",
    "is_canonical",
    "sentiment",
    "sentiment_label",
    "entities",
    "event_date",
)

MEASURED_COLUMNS = (
    "source",
    "score",
    "replies",
    "is_deleted",
    "is_canonical",
    "sentiment",
    "sentiment_label",
    "event_date",
)
"""What the measures of documents are made of."""

BAR_COLUMNS = (
    "bar_id",
    "source",
    "asset",
    "symbol",
    "asset_class",
    "interval",
    "opened_at",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "volume_unit",
    "market_cap",
    "currency",
    "event_date",
)

AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        "aggregated/sentiment_hourly",
        {"documents": Input("enriched/documents", columns=(*MEASURED_COLUMNS, "channel", "created_at"))},
        sentiment_hourly,
        version="2",
        in_turns=True,
    ),
    Aggregate(
        "aggregated/entity_daily",
        {"documents": Input("enriched/documents", columns=(*MEASURED_COLUMNS, "entities"))},
        entity_daily,
        version="2",
        in_turns=True,
    ),
    Aggregate(
        "aggregated/subject_daily",
        {"documents": Input("enriched/documents", columns=(*MEASURED_COLUMNS, "entities", "place"))},
        subject_daily,
        in_turns=True,
    ),
    Aggregate(
        "aggregated/topic_daily",
        {
            "documents": Input("enriched/documents", columns=("document_id", *MEASURED_COLUMNS, "topic", "emotion")),
            "assignments": Input("enriched/document_topics", columns=("document_id", "topic_id", "event_date")),
            "topics": Input("enriched/topics", columns=("topic_id", "label", "event_date")),
        },
        topic_daily,
        shown="documents",
        in_turns=True,
    ),
    Aggregate(
        "aggregated/keyword_daily",
        {
            "documents": Input("enriched/documents", columns=(*MEASURED_COLUMNS, "keywords")),
            "corpus": Input(
                "enriched/documents",
                days_before=CORPUS_DAYS,
                columns=("is_canonical", "is_deleted", "keywords", "event_date"),
                kept=keyword_counts,
            ),
        },
        keyword_daily,
        shown="tf_idf",
        in_turns=True,
    ),
    Aggregate(
        "aggregated/source_daily",
        {
            "raw": Input("raw/*"),
            "cleaned": Input("cleaned/*"),
            "quarantine": Input("quarantine/*"),
            "copies": Input(
                "deduplicated/documents",
                columns=("source", "stream", "event_date"),
                counted=~compute.field("is_canonical"),
            ),
            "fetches": Input(FETCHES),
            "scores": Input("quality/scores", columns=("table", "score", "event_date")),
        },
        source_daily,
        version="3",
    ),
    Aggregate(
        "aggregated/market_daily",
        {"bars": Input("deduplicated/market_bars", days_before=WINDOW_DAYS, columns=BAR_COLUMNS)},
        market_daily,
        version="2",
    ),
    Aggregate(
        "aggregated/weather_daily",
        {"observations": Input("deduplicated/weather_observations")},
        weather_daily,
        version="2",
    ),
    Aggregate(
        "aggregated/developer_activity_daily",
        {
            "snapshots": Input("deduplicated/repositories", days_before=max(VELOCITY_DAYS)),
            "events": Input("deduplicated/repo_events", days_before=EVENT_DAYS),
            "trending": Input("deduplicated/trending", days_before=RANK_DAYS),
        },
        developer_activity_daily,
        version="2",
    ),
    Aggregate(
        "aggregated/market_sentiment_daily",
        {
            "subjects": Input("aggregated/subject_daily", days_before=MENTION_DAYS),
            "market": Input("aggregated/market_daily", days_before=PREVIOUS_CLOSE_DAYS),
        },
        market_sentiment_daily,
        shown="documents",
    ),
    Aggregate(
        "aggregated/weather_sentiment_daily",
        {
            "subjects": Input("aggregated/subject_daily", days_before=MENTION_DAYS),
            "weather": Input("aggregated/weather_daily", days_before=NORMAL_DAYS),
        },
        weather_sentiment_daily,
        shown="documents",
    ),
    Aggregate(
        "aggregated/cross_domain_daily",
        {
            "sentiment": Input("aggregated/sentiment_hourly"),
            "market": Input("aggregated/market_daily"),
            "weather": Input("aggregated/weather_daily", days_before=NORMAL_DAYS),
            "developer": Input("aggregated/developer_activity_daily"),
        },
        cross_domain_daily,
        version="3",
    ),
    Aggregate(
        "aggregated/source_agreement",
        {"market": Input("aggregated/market_daily"), "weather": Input("aggregated/weather_daily")},
        source_agreement,
    ),
    Aggregate(
        "aggregated/volume_trends",
        {"hourly": Input("aggregated/sentiment_hourly", days_before=BEFORE_DAYS, columns=HOURLY_COLUMNS)},
        volume_trends,
    ),
    Aggregate(
        "aggregated/trend_signals",
        {
            "documents": Input("enriched/documents", columns=(*DOCUMENT_COLUMNS, "topic")),
            "hourly": Input("aggregated/sentiment_hourly", days_before=BEFORE_DAYS, columns=HOURLY_COLUMNS),
            "entities": Input(
                "aggregated/entity_daily",
                days_before=BEFORE_DAYS,
                columns=("entity_type", "entity", "canonical_documents", "event_date"),
            ),
            "topics": Input(
                "enriched/documents",
                days_before=BEFORE_DAYS,
                columns=("topic", "is_canonical", "is_deleted", "event_date"),
            ),
            "market": Input("aggregated/market_daily", days_before=RULES.return_days),
        },
        trend_signals,
        version="3",
    ),
    Aggregate(
        "aggregated/forecasts",
        {
            "hours": Input(
                "aggregated/sentiment_hourly",
                days_before=HISTORY_DAYS - 1,
                columns=HOURLY_COLUMNS,
            ),
            "market": Input(
                "aggregated/market_daily",
                days_before=HISTORY_DAYS - 1,
                columns=("source", "symbol", "currency", "close", "event_date"),
            ),
            "weather": Input(
                "aggregated/weather_daily",
                days_before=HISTORY_DAYS - 1,
                columns=("source", "place", "temperature_mean_c", "event_date"),
            ),
        },
        forecasts,
        options=("forecast_series_at_most", "forecast_with_prophet"),
    ),
    Aggregate(
        "aggregated/correlations",
        {
            "subjects": Input("aggregated/subject_daily", days_before=SPAN_DAYS),
            "market": Input("aggregated/market_daily", days_before=SPAN_DAYS),
            "weather": Input("aggregated/weather_daily", days_before=SPAN_DAYS),
            "wide": Input("aggregated/cross_domain_daily", days_before=SPAN_DAYS),
        },
        correlations,
        version="2",
    ),
)
