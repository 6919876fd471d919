"""Aggregates of documents."""

from pipeline_platform.schemas.aggregated.measures import TEXT_RULES, count, sentiment, text_measures
from pipeline_platform.schemas.columns import day, not_blank, stamp, text
from pipeline_platform.schemas.table import Table, schema_of

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
            **text_measures(),
            "reach_weighted_sentiment": sentiment(
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
            **text_measures(),
            "sources": count("Sources that name it.", "sources"),
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("event_date", "entity_type", "entity"),
    ),
    key=("event_date", "entity_type", "entity"),
    published=True,
    tags={"domain": "text"},
)
