"""Tables of the layer `aggregated`: hourly and daily facts, and signals. All times are UTC."""

import pandas as pd
import pandera.pandas as pa

from pipeline_platform.schemas.columns import (
    above,
    at_least,
    between,
    day,
    integer,
    not_blank,
    one_of,
    real,
    stamp,
    text,
    texts,
)
from pipeline_platform.schemas.kinds import ASSET_CLASSES
from pipeline_platform.schemas.table import Table, schema_of

EVERY = "*"
"""In the place of a source or channel: all of them together."""

SIGNAL_KINDS = ("channel_volume", "entity_volume", "daily_return")


def _count(description: str, unit: str, *, nullable: bool = False) -> pa.Column:
    return integer(description, at_least(0, "count_not_negative"), unit=unit, nullable=nullable)


def _share(description: str) -> pa.Column:
    return real(description, between(0, 1, "share_in_range"), unit="share")


def _sentiment(description: str) -> pa.Column:
    return real(description, between(-1, 1, "sentiment_in_range"))


def _price(description: str) -> pa.Column:
    return real(description, above(0, "price_positive"), unit="currency", nullable=False)


def _ordered(lower: str, upper: str, rule: str) -> pa.Check:
    """`lower` is not above `upper` in any row; nulls pass."""

    def holds(frame: pd.DataFrame) -> pd.Series:
        return (frame[lower] <= frame[upper]).fillna(True)

    return pa.Check(holds, name=rule, error=f"{lower} must not be above {upper}")


def _text_measures() -> dict[str, pa.Column]:
    return {
        "documents": _count("Documents, copies included; without those the upstream says are removed.", "documents"),
        "canonical_documents": _count("Documents without copies; the measures beside are over these.", "documents"),
        "scored_documents": _count("Canonical documents that have a sentiment.", "documents"),
        "mean_sentiment": _sentiment("Mean sentiment; null when no document is scored."),
        "positive_share": _share("Share of the scored documents that are positive."),
        "negative_share": _share("Share of the scored documents that are negative."),
    }


TEXT_RULES = (
    _ordered("canonical_documents", "documents", "canonical_within_documents"),
    _ordered("scored_documents", "canonical_documents", "scored_within_canonical"),
)

SENTIMENT_HOURLY = Table(
    layer="aggregated",
    name="sentiment_hourly",
    description=(
        "Volume and sentiment of documents per hour, source and channel; `*` stands for all channels of a source, and "
        "for all sources. Documents without a channel count in the rows with `*` only."
    ),
    schema=schema_of(
        "aggregated/sentiment_hourly",
        {
            "hour": stamp("Start of the hour in which the documents were published."),
            "source": text("Source, or `*` for all.", not_blank()),
            "channel": text("Subreddit, feed, repository, or `*` for all.", not_blank()),
            **_text_measures(),
            "reach_weighted_sentiment": _sentiment(
                "Mean sentiment weighted by reach, 1 + score + replies (negative scores count as 0)."
            ),
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("hour", "source", "channel"),
    ),
    key=("hour", "source", "channel"),
    published=True,
    tags={"domain": "text"},
)

ENTITY_DAILY = Table(
    layer="aggregated",
    name="entity_daily",
    description="Volume and sentiment of the documents that name an entity, per day, less mentions of accounts.",
    schema=schema_of(
        "aggregated/entity_daily",
        {
            "entity_type": text("TICKER, HASHTAG, DOMAIN, REPOSITORY, COIN, …", not_blank()),
            "entity": text("The entity, as in `enriched/documents`.", not_blank()),
            **_text_measures(),
            "sources": _count("Sources that name it.", "sources"),
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("event_date", "entity_type", "entity"),
    ),
    key=("event_date", "entity_type", "entity"),
    published=True,
    tags={"domain": "text"},
)

SOURCE_DAILY = Table(
    layer="aggregated",
    name="source_daily",
    description=(
        "What each stream brought for a day, what became of it, how fresh it was, and how fetching went on that day. "
        "The row of the present day changes with every fetch."
    ),
    schema=schema_of(
        "aggregated/source_daily",
        {
            "source": text("Source.", not_blank()),
            "stream": text("Stream.", not_blank()),
            "raw_records": _count("Records received.", "records"),
            "cleaned_rows": _count("Rows that passed cleaning.", "rows"),
            "quarantined_rows": _count("Rows in quarantine.", "rows"),
            "duplicates": _count("Documents that are copies of others.", "documents"),
            "quarantined_share": _share("Quarantined rows of cleaned and quarantined ones."),
            "newest_event": stamp("Newest event of the day.", nullable=True),
            "newest_fetch": stamp("Last time a record of the day was received.", nullable=True),
            "freshness_lag_s": real(
                "From the newest event to the last receipt, or to the end of the day if that came first.",
                at_least(0, "lag_not_negative"),
                unit="s",
            ),
            "fetches": _count("Fetches that ended on the day.", "fetches"),
            "failed_fetches": _count("Fetches of those in which a target failed.", "fetches"),
            "requests": _count("Requests that were sent on the day.", "requests"),
            "last_success_at": stamp("End of the last fetch of the day without a failure.", nullable=True),
            "last_error": text("Error of the last fetch of the day that had one.", nullable=True),
            "event_date": day(),
        },
        key=("event_date", "source", "stream"),
    ),
    key=("event_date", "source", "stream"),
    published=True,
    tags={"domain": "operations"},
)

MARKET_DAILY = Table(
    layer="aggregated",
    name="market_daily",
    description="Open, high, low, close, volume, market value and return of every asset per UTC day.",
    schema=schema_of(
        "aggregated/market_daily",
        {
            "source": text("Source.", not_blank()),
            "symbol": text("Symbol as the source names the asset.", not_blank()),
            "asset_class": text("What is traded.", one_of(ASSET_CLASSES, "known_asset_class")),
            "currency": text("Currency of the prices.", not_blank()),
            "open": _price("First price of the day."),
            "high": _price("Highest price."),
            "low": _price("Lowest price."),
            "close": _price("Last price."),
            "volume": real(
                "Traded volume of the day; for crypto the last 24 h volume shown.",
                at_least(0, "volume_not_negative"),
                unit="currency",
            ),
            "market_cap": real(
                "Last market capitalisation shown.", at_least(0, "market_cap_not_negative"), unit="currency"
            ),
            "bars": _count("Bars that the day is made of.", "bars"),
            "previous_close": real(
                "Close of the latest earlier day, at most 7 days back.", above(0, "price_positive"), unit="currency"
            ),
            "daily_return": real("close / previous_close - 1.", at_least(-1, "return_in_range"), unit="ratio"),
            "event_date": day(),
        },
        _ordered("low", "open", "ohlc_low"),
        _ordered("low", "close", "ohlc_low_close"),
        _ordered("open", "high", "ohlc_high"),
        _ordered("close", "high", "ohlc_high_close"),
        key=("event_date", "source", "symbol", "currency"),
    ),
    key=("event_date", "source", "symbol", "currency"),
    published=True,
    tags={"domain": "market"},
)

WEATHER_DAILY = Table(
    layer="aggregated",
    name="weather_daily",
    description="Temperature, rain and main condition of every place per UTC day, from the observations there are.",
    schema=schema_of(
        "aggregated/weather_daily",
        {
            "source": text("Source.", not_blank()),
            "location": text("Place name as watched.", not_blank()),
            "country": text("ISO 3166-1 alpha-2 code.", nullable=True),
            "temperature_min_c": real("Lowest temperature observed.", unit="°C", nullable=False),
            "temperature_mean_c": real("Mean of the temperatures observed.", unit="°C", nullable=False),
            "temperature_max_c": real("Highest temperature observed.", unit="°C", nullable=False),
            "humidity_mean_pct": real("Mean relative humidity.", between(0, 100, "percent"), unit="%"),
            "wind_speed_max_mps": real("Highest wind speed.", at_least(0, "wind_not_negative"), unit="m/s"),
            "rain_mm": real(
                "Rain, estimated: the hourly amount of every observed hour, summed; hours without an observation add "
                "nothing.",
                at_least(0, "rain_not_negative"),
                unit="mm",
            ),
            "snow_mm": real("Snow, estimated like rain.", at_least(0, "snow_not_negative"), unit="mm"),
            "condition": text("Most frequent condition; the alphabetically first of equals.", nullable=True),
            "observations": _count("Observations.", "observations"),
            "hours_observed": integer("Hours with an observation.", between(1, 24, "hours_of_a_day"), unit="h"),
            "event_date": day(),
        },
        _ordered("temperature_min_c", "temperature_mean_c", "mean_within_extremes"),
        _ordered("temperature_mean_c", "temperature_max_c", "mean_within_extremes"),
        key=("event_date", "source", "location", "country"),
    ),
    key=("event_date", "source", "location", "country"),
    published=True,
    tags={"domain": "weather"},
)

DEVELOPER_ACTIVITY_DAILY = Table(
    layer="aggregated",
    name="developer_activity_daily",
    description="What happened in every repository per day: commits, pull requests, issues, people, stars.",
    schema=schema_of(
        "aggregated/developer_activity_daily",
        {
            "source": text("Source.", not_blank()),
            "repository": text("`owner/name`.", not_blank()),
            "commits": _count("Commits.", "commits"),
            "pull_requests_opened": _count("Pull requests opened.", "pull requests"),
            "pull_requests_closed": _count(
                "Pull requests closed or merged, of those opened at most 30 days before.", "pull requests"
            ),
            "issues_opened": _count("Issues opened.", "issues"),
            "issues_closed": _count("Issues closed, of those opened at most 30 days before.", "issues"),
            "releases": _count("Releases.", "releases"),
            "contributors": _count(
                "Distinct authors of the day's commits, pull requests, issues and releases.", "accounts"
            ),
            "stars": _count("Stars at the last snapshot of the day; null without one.", "accounts", nullable=True),
            "stars_gained": integer(
                "Stars since the latest snapshot of an earlier day, at most 7 days back; null without one.",
                unit="accounts",
            ),
            "stars_given": _count(
                "Stars given that day, as far as the upstream lists them; without those that were taken back before.",
                "accounts",
            ),
            "event_date": day(),
        },
        key=("event_date", "source", "repository"),
    ),
    key=("event_date", "source", "repository"),
    published=True,
    tags={"domain": "developer"},
)

CROSS_DOMAIN_DAILY = Table(
    layer="aggregated",
    name="cross_domain_daily",
    description="One row per day with the main measure of every domain; null where a domain has no rows that day.",
    schema=schema_of(
        "aggregated/cross_domain_daily",
        {
            "documents": _count("Documents of all sources, copies included.", "documents", nullable=True),
            "canonical_documents": _count("Documents without copies.", "documents", nullable=True),
            "mean_sentiment": _sentiment("Mean sentiment of the scored canonical documents."),
            "crypto_assets": _count("Cryptocurrencies with a return.", "assets", nullable=True),
            "crypto_mean_return": real("Unweighted mean of their daily returns.", unit="ratio"),
            "places": _count("Places with observations.", "places", nullable=True),
            "mean_temperature_c": real("Mean over places of the day's mean temperature.", unit="°C"),
            "temperature_anomaly_c": real(
                "Mean over places of the day's mean temperature less the mean of the place's preceding days (at most "
                "14, at least 2).",
                unit="K",
            ),
            "repositories": _count("Repositories with activity or a snapshot.", "repositories", nullable=True),
            "commits": _count("Commits.", "commits", nullable=True),
            "stars_gained": integer("Stars gained by all repositories.", unit="accounts"),
            "event_date": day(),
        },
        key=("event_date",),
    ),
    key=("event_date",),
    published=True,
    tags={"domain": "cross"},
)

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

AGGREGATED: tuple[Table, ...] = (
    SENTIMENT_HOURLY,
    ENTITY_DAILY,
    SOURCE_DAILY,
    MARKET_DAILY,
    WEATHER_DAILY,
    DEVELOPER_ACTIVITY_DAILY,
    CROSS_DOMAIN_DAILY,
    TREND_SIGNALS,
)
