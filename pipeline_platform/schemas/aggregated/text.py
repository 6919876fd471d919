"""Aggregates of documents."""

from pipeline_platform.schemas.aggregated.measures import TEXT_RULES, count, text_measures
from pipeline_platform.schemas.columns import day, not_blank, one_of, stamp, text
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
    description=(
        "Volume and sentiment of the documents that name an entity, per day, less mentions of accounts. One name may "
        "be of two types (`$BTC` is a TICKER and a COIN): rows of different types are not to be added up."
    ),
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

SUBJECT_KINDS = ("asset", "place", "repository")

SUBJECT_DAILY = Table(
    layer="aggregated",
    name="subject_daily",
    description=(
        "Volume and sentiment of the documents about an asset, a place or a repository, per day, under the keys that "
        "prices, weather and repositories have. A document counts once per subject, however it names it."
    ),
    schema=schema_of(
        "aggregated/subject_daily",
        {
            "kind": text("What the subject is.", one_of(SUBJECT_KINDS, "known_subject_kind")),
            "subject": text(
                "Key of the asset (`crypto:BTC`; `ticker:XYZ` of a ticker that no registry knows), of the city in "
                "which the document is set (`berlin-de`, a country as `DE`), or the repository in lower case.",
                not_blank(),
            ),
            **text_measures(),
            "sources": count("Sources that tell of it.", "sources"),
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("event_date", "kind", "subject"),
    ),
    key=("event_date", "kind", "subject"),
    published=True,
    tags={"domain": "text"},
)
