"""Aggregates of what documents are about: topics and keywords."""

from pipeline_platform.enrich.emotion import EMOTIONS
from pipeline_platform.schemas.aggregated.measures import TEXT_RULES, count, sentiment, share, text_measures
from pipeline_platform.schemas.columns import above, day, flag, integer, not_blank, one_of, real, text
from pipeline_platform.schemas.table import Table, schema_of

TAXONOMY, DISCOVERED = "taxonomy", "discovered"
SCHEMES = (TAXONOMY, DISCOVERED)

TOPIC_DAILY = Table(
    layer="aggregated",
    name="topic_daily",
    description=(
        "Volume, sentiment and emotions of the documents about a topic, per day: topics of the fixed taxonomy, and "
        "beside them those that were discovered. A document may count in both schemes; add up rows of one only."
    ),
    schema=schema_of(
        "aggregated/topic_daily",
        {
            "scheme": text(
                "Where the topic is from: the fixed taxonomy, or `enriched/topics`.", one_of(SCHEMES, "known_scheme")
            ),
            "topic": text("Topic as in `enriched/documents`, or `topic_id` of `enriched/topics`.", not_blank()),
            "label": text("The topic in words: its name, or its five most telling words.", not_blank()),
            **text_measures(),
            "reach_weighted_sentiment": sentiment(
                "Mean sentiment weighted by reach, 1 + score + replies (negative scores count as 0)."
            ),
            "share_of_documents": share("Canonical documents as share of those of the day, in any language."),
            "sources": count("Sources with documents about it.", "sources"),
            "emotional_documents": count("Canonical documents that have an emotion.", "documents"),
            **{
                f"{one}_share": share(f"Share of those whose most probable emotion is {one}; null without any.")
                for one in EMOTIONS
            },
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("event_date", "scheme", "topic"),
    ),
    key=("event_date", "scheme", "topic"),
    published=True,
    tags={"domain": "text"},
)

KEYWORD_DAILY = Table(
    layer="aggregated",
    name="keyword_daily",
    description=(
        "The at most 200 keywords that tell most of what a day's documents were about, by TF-IDF against the two weeks "
        "before, with volume and sentiment of the documents that have them."
    ),
    schema=schema_of(
        "aggregated/keyword_daily",
        {
            "keyword": text("Phrase of up to four words, lower case, as in `enriched/documents`.", not_blank()),
            "rank": integer(
                "1 for the highest TF-IDF; of equal ones the more frequent, then the alphabetically first.",
                above(0, "rank_positive"),
                nullable=False,
            ),
            "tf_idf": real(
                "(1 + ln d) (ln((1 + n) / (1 + f)) + 1) for d canonical documents of the day with the keyword, and f "
                "of n in the 14 days before.",
                above(0, "score_positive"),
                nullable=False,
            ),
            "earlier_documents": count("Canonical documents with it in the 14 days before (f).", "documents"),
            **text_measures(),
            "reach_weighted_sentiment": sentiment(
                "Mean sentiment weighted by reach, 1 + score + replies (negative scores count as 0)."
            ),
            "sources": count("Sources with documents that have it.", "sources"),
            "first_seen": day("First day with it, of this one and the 14 before."),
            "is_new": flag(
                "No document of the 14 days before has it; null if there is none at all.",
                nullable=True,
            ),
            "event_date": day(),
        },
        *TEXT_RULES,
        key=("event_date", "keyword"),
    ),
    key=("event_date", "keyword"),
    published=True,
    tags={"domain": "text"},
)
