"""Signals and forecasts."""

from pipeline_platform.schemas.columns import above, day, integer, not_blank, one_of, real, stamp, text, texts
from pipeline_platform.schemas.table import Table, schema_of

SIGNAL_KINDS = ("channel_volume", "entity_volume", "daily_return")

TREND_SIGNALS = Table(
    layer="aggregated",
    name="trend_signals",
    description=(
        "Hours in which a channel or an entity was far busier than usual, and days on which a price moved far more "
        "than usual, with the documents behind it."
    ),
    schema=schema_of(
        "aggregated/trend_signals",
        {
            "signal_id": text("Readable id, `channel_volume:reddit/python:2026-11-22T10`.", not_blank()),
            "kind": text("What stood out.", one_of(SIGNAL_KINDS, "known_signal_kind")),
            "subject": text("`source/channel`, `TYPE:entity`, or `source:symbol:currency`.", not_blank()),
            "occurred_at": stamp("Start of the hour, or of the day for returns."),
            "value": real("Canonical documents in the hour, or the daily return.", nullable=False),
            "baseline": real("Median of the preceding hours (7 days) or days (30).", nullable=False),
            "z_score": real(
                "Robust z-score: (value - median) / (1.4826 MAD); for volumes the divisor is at least the root of the "
                "median and 1.",
                nullable=False,
            ),
            "baseline_size": integer(
                "Hours or days the baseline is made of.", above(0, "baseline_not_empty"), unit="periods", nullable=False
            ),
            "evidence": texts("Up to five documents behind it, widest reach first."),
            "event_date": day(),
        },
        key=("signal_id",),
    ),
    key=("signal_id",),
    published=True,
    tags={"domain": "cross"},
)
