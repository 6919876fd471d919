"""Trends of volume and sentiment, and signals."""

from pipeline_platform.schemas.aggregated.measures import count, ordered, sentiment
from pipeline_platform.schemas.columns import (
    above,
    at_least,
    between,
    day,
    flag,
    integer,
    not_blank,
    one_of,
    real,
    stamp,
    text,
    texts,
)
from pipeline_platform.schemas.table import Table, schema_of

SIGNAL_KINDS = (
    "volume_spike",
    "outage",
    "sentiment_shift",
    "topic_burst",
    "entity_burst",
    "price_move",
)
DIRECTIONS = ("up", "down")
BASELINES = ("hour_of_week", "hour_of_day", "preceding_hours", "preceding_days")
"""What a value is compared with; the first three are tried in this order for hours."""

VOLUME_TRENDS = Table(
    layer="aggregated",
    name="volume_trends",
    description=(
        "Volume and sentiment hour by hour of every channel, source and all together, with moving averages, "
        "exponential smoothing, and what is usual for the hour. Every hour has a row from the first document of the "
        "last 28 days on, hours without documents too."
    ),
    schema=schema_of(
        "aggregated/volume_trends",
        {
            "hour": stamp("Start of the hour."),
            "source": text("Source, or `*` for all.", not_blank()),
            "channel": text("Channel, or `*` for all.", not_blank()),
            "canonical_documents": count("Canonical documents.", "documents"),
            "mean_24h": real(
                "Documents an hour, mean of the last 24 hours or as many as are known.",
                at_least(0, "count_not_negative"),
                unit="documents/h",
                nullable=False,
            ),
            "mean_7d": real(
                "The same of the last 168 hours.",
                at_least(0, "count_not_negative"),
                unit="documents/h",
                nullable=False,
            ),
            "smoothed": real(
                "Exponentially smoothed documents an hour: the weight of an hour halves every 12 hours.",
                at_least(0, "count_not_negative"),
                unit="documents/h",
                nullable=False,
            ),
            "usual": real(
                "Median of the hours it is compared with.", at_least(0, "count_not_negative"), unit="documents/h"
            ),
            "usual_at_most": real(
                "Upper quartile of these hours and three interquartile ranges: more is far out (Tukey 1977).",
                at_least(0, "count_not_negative"),
                unit="documents/h",
            ),
            "z_score": real("Robust z-score, as in `trend_signals`."),
            "baseline": text(
                "Hours it is compared with; null with too few of any.",
                one_of(BASELINES, "known_baseline"),
                nullable=True,
            ),
            "baseline_size": count("How many they are.", "h"),
            "mean_sentiment_24h": sentiment("Mean sentiment of the documents of the last 24 hours; null without any."),
            "smoothed_sentiment": sentiment(
                "Mean sentiment of the documents so far, the weight of a document halving every 12 hours."
            ),
            "event_date": day(),
        },
        key=("hour", "source", "channel"),
    ),
    key=("hour", "source", "channel"),
    published=True,
    tags={"domain": "text"},
)

TREND_SIGNALS = Table(
    layer="aggregated",
    name="trend_signals",
    description=(
        "What stood out from its own past: spikes of volume, channels that fell silent, shifts of sentiment, bursts of "
        "topics and entities, great moves of prices, with the documents behind them. Of all tests of a kind and day "
        "those are believed of which at most 1 % are wrong (Benjamini & Hochberg 1995)."
    ),
    schema=schema_of(
        "aggregated/trend_signals",
        {
            "signal_id": text("Readable id, `volume_spike:reddit/python:2026-11-22T10`.", not_blank()),
            "kind": text("What stood out.", one_of(SIGNAL_KINDS, "known_signal_kind")),
            "subject": text(
                "`source/channel` (`*` for all), topic, `TYPE:entity`, or `source:symbol:currency`.", not_blank()
            ),
            "direction": text("Whether it is above or below its past.", one_of(DIRECTIONS, "known_direction")),
            "occurred_at": stamp("Start of the hours or of the day that stood out; in the partition's day."),
            "ends_at": stamp("End of them, as far as is known by the end of the day."),
            "began_at": stamp("When it began: before `occurred_at` for a silence that began on an earlier day."),
            "value": real(
                "Canonical documents in these hours, mean sentiment of the day, or return of the day.", nullable=False
            ),
            "baseline": real(
                "What was expected: the median of comparable hours or days for spikes and prices, else the mean of the "
                "past, for as long a time.",
                nullable=False,
            ),
            "z_score": real(
                "How strong. Spikes and prices: robust z-score, (value - median) / (1.4826 MAD), the divisor of spikes "
                "at least the root of the median and 1 (Iglewicz & Hoaglin 1993); sentiment: t; others: the normal "
                "score of `p_value`, with the sign of the direction.",
                nullable=False,
            ),
            "p_value": real(
                "Probability of something as far out if nothing had happened.",
                between(0, 1, "probability"),
                nullable=False,
            ),
            "baseline_kind": text("What it is compared with.", one_of(BASELINES, "known_baseline")),
            "baseline_size": integer(
                "Hours or days that it is compared with.",
                above(0, "baseline_not_empty"),
                unit="periods",
                nullable=False,
            ),
            "is_new": flag(
                "Whether a topic or entity was not named at all in the 28 days before; null for other kinds.",
                nullable=True,
            ),
            "first_seen": stamp(
                "Start of the first day, of this one and the 28 before, on which a topic or entity was named.",
                nullable=True,
            ),
            "evidence": texts("Up to five documents behind it, widest reach first; none for an outage."),
            "event_date": day(),
        },
        ordered("began_at", "occurred_at", "began_by_then"),
        ordered("occurred_at", "ends_at", "ends_later"),
        key=("signal_id",),
    ),
    key=("signal_id",),
    published=True,
    tags={"domain": "cross"},
)
