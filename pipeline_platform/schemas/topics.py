"""Tables of the topics that were discovered in documents, in the layer `enriched`."""

from pipeline_platform.schemas.columns import above, between, day, integer, not_blank, one_of, real, reals, text, texts
from pipeline_platform.schemas.table import Table, schema_of

LDA, EMBEDDING = "lda", "embedding"
METHODS = (LDA, EMBEDDING)

TOPICS = Table(
    layer="enriched",
    name="topics",
    description=(
        "Topics that nobody named beforehand: found each day in the English documents of the week that ends on it, "
        "with ids that stay while a topic lasts."
    ),
    schema=schema_of(
        "enriched/topics",
        {
            "topic_id": text(
                "Day on which the topic was first found and its first words, `2026-11-22:rain-wind-station`; the same "
                "on later days while the words stay alike.",
                not_blank(),
            ),
            "label": text("The five most telling words.", not_blank()),
            "words": texts("At most 200 words, most telling first."),
            "weights": reals(
                "Probability of each word within the topic; for embeddings its share of class-based TF-IDF."
            ),
            "documents": integer(
                "Documents of the sample that are about it more than about any other.",
                above(0, "documents_positive"),
                unit="documents",
                nullable=False,
            ),
            "sampled_documents": integer(
                "Documents of the week that topics were looked for in; at most 10,000.",
                above(0, "sample_not_empty"),
                unit="documents",
                nullable=False,
            ),
            "coherence": real(
                "Mean normalised pointwise mutual information of the first ten words in the documents of the sample: "
                "1 always together, 0 by chance, -1 never.",
                between(-1, 1, "coherence_in_range"),
            ),
            "matched_day": day("Earlier day whose topic it continues; null for a new one.", nullable=True),
            "similarity": real(
                "Cosine of the words' weights with those of that day; null for a new topic.",
                between(0, 1, "similarity_in_range"),
                unit="ratio",
            ),
            "method": text("How it was found: word counts or vectors of texts.", one_of(METHODS, "known_method")),
            "model": text("Model and version.", not_blank()),
            "centroid": reals("Mean vector of its documents; null for LDA.", nullable=True),
            "event_date": day("Last day of the week; the partition."),
        },
        key=("event_date", "topic_id"),
    ),
    key=("event_date", "topic_id"),
    published=True,
    tags={"domain": "text"},
)

DOCUMENT_TOPICS = Table(
    layer="enriched",
    name="document_topics",
    description=(
        "The discovered topic that each canonical English document of a day is about most. A document without a word "
        "of any topic has none."
    ),
    schema=schema_of(
        "enriched/document_topics",
        {
            "document_id": text("Document, as in `enriched/documents`.", not_blank()),
            "topic_id": text("Topic, as in `enriched/topics` of the day.", not_blank()),
            "weight": real(
                "How much it is about it: the share of the topic in it for LDA, else its cosine with the centroid.",
                between(-1, 1, "weight_in_range"),
                nullable=False,
            ),
            "event_date": day(),
        },
        key=("document_id",),
    ),
    key=("document_id",),
    published=True,
    tags={"domain": "text"},
)

DISCOVERED_TOPICS: tuple[Table, ...] = (TOPICS, DOCUMENT_TOPICS)
