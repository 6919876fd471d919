"""The plot of every aggregate: what a table says of the last day of a run, and of the days before it.

A run draws once, whatever its days. A plot shows the greatest few, so that neither a long run nor a wide table makes it
large.
"""

from collections.abc import Mapping

from pipeline_platform.aggregate.registry import Input
from pipeline_platform.defs.fact_plots import (
    developer_activity_daily,
    market_daily,
    source_agreement,
    source_daily,
    weather_daily,
)
from pipeline_platform.defs.joined_plots import (
    WIDE,
    correlations,
    cross_domain_daily,
    market_sentiment_daily,
    weather_sentiment_daily,
)
from pipeline_platform.defs.plotted import DAYS_BEFORE, AggregatePlot
from pipeline_platform.defs.text_plots import entity_daily, keyword_daily, sentiment_hourly, subject_daily, topic_daily
from pipeline_platform.defs.trend_plots import forecasts, trend_signals, volume_trends
from pipeline_platform.quality.outages import COLUMNS, HISTORY_DAYS

CLOSES_BEFORE = 59


PLOTS: Mapping[str, AggregatePlot] = {
    "aggregated/sentiment_hourly": AggregatePlot(
        sentiment_hourly,
        ("hour", "source", "channel", "canonical_documents", "scored_documents", "mean_sentiment"),
        days_before=2,
    ),
    "aggregated/entity_daily": AggregatePlot(
        entity_daily, ("entity_type", "entity", "canonical_documents"), days_before=DAYS_BEFORE
    ),
    "aggregated/subject_daily": AggregatePlot(
        subject_daily, ("kind", "subject", "canonical_documents", "mean_sentiment"), days_before=DAYS_BEFORE
    ),
    "aggregated/topic_daily": AggregatePlot(
        topic_daily,
        ("scheme", "topic", "label", "canonical_documents", "share_of_documents"),
        days_before=DAYS_BEFORE,
    ),
    "aggregated/keyword_daily": AggregatePlot(keyword_daily, ("keyword", "tf_idf", "is_new")),
    "aggregated/source_daily": AggregatePlot(
        source_daily,
        ("source", "cleaned_rows", "quarantined_rows"),
        frames={"profiles": Input("quality/profiles", DAYS_BEFORE + HISTORY_DAYS, COLUMNS)},
    ),
    "aggregated/market_daily": AggregatePlot(
        market_daily,
        ("source", "symbol", "currency", "close", "volume", "daily_return", "sma_7", "sma_20", "sma_50"),
        days_before=CLOSES_BEFORE,
    ),
    "aggregated/weather_daily": AggregatePlot(
        weather_daily,
        ("source", "place", "temperature_mean_c", "rain_mm", "observations"),
        days_before=DAYS_BEFORE,
    ),
    "aggregated/developer_activity_daily": AggregatePlot(
        developer_activity_daily,
        (
            "repository",
            "activity",
            "commits",
            "pull_requests_opened",
            "pull_requests_closed",
            "issues_opened",
            "issues_closed",
            "releases",
        ),
    ),
    "aggregated/market_sentiment_daily": AggregatePlot(
        market_sentiment_daily, ("asset", "canonical_documents", "mean_sentiment", "daily_return"), days_before=6
    ),
    "aggregated/weather_sentiment_daily": AggregatePlot(
        weather_sentiment_daily,
        ("place", "canonical_documents", "mean_sentiment", "temperature_anomaly_c"),
        days_before=6,
    ),
    "aggregated/cross_domain_daily": AggregatePlot(cross_domain_daily, tuple(WIDE), days_before=DAYS_BEFORE),
    "aggregated/source_agreement": AggregatePlot(source_agreement, ("subject", "measure", "spread", "tolerance")),
    "aggregated/volume_trends": AggregatePlot(
        volume_trends,
        ("hour", "source", "channel", "canonical_documents", "smoothed", "usual", "usual_at_most"),
        days_before=3,
    ),
    "aggregated/trend_signals": AggregatePlot(
        trend_signals, ("kind", "subject", "direction", "z_score"), days_before=6
    ),
    "aggregated/forecasts": AggregatePlot(
        forecasts,
        (
            *("measure", "subject", "step", "unit", "valid_at", "forecast"),
            *("lower_80", "upper_80", "lower_95", "upper_95", "model", "history"),
        ),
        frames={
            "hours": Input("aggregated/sentiment_hourly", 3, ("hour", "source", "channel", "canonical_documents")),
            "market": Input("aggregated/market_daily", 59, ("source", "symbol", "currency", "close", "event_date")),
            "weather": Input("aggregated/weather_daily", 29, ("source", "place", "temperature_mean_c", "event_date")),
        },
    ),
    "aggregated/correlations": AggregatePlot(
        correlations, ("subject", "first", "second", "window_days", "lag_days", "spearman", "n")
    ),
}
