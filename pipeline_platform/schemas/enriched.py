"""Tables of the layer `enriched`: documents with what the components found in them, and topics found among them."""

from pipeline_platform.enrich.registry import component_columns
from pipeline_platform.schemas.columns import not_blank, text
from pipeline_platform.schemas.deduplicated import CLUSTER_RULES, DEDUPLICATED_DOCUMENTS
from pipeline_platform.schemas.kinds import DOCUMENT_RULES
from pipeline_platform.schemas.table import Table, schema_of
from pipeline_platform.schemas.topics import DISCOVERED_TOPICS

ENRICHED_DOCUMENTS = Table(
    layer="enriched",
    name="documents",
    description=(
        "Documents of every text source with what was found in their text: language, sentiment, emotion, sarcasm, "
        "topic, entities, keywords, places, aspects. Duplicates are marked."
    ),
    schema=schema_of(
        "enriched/documents",
        {
            **DEDUPLICATED_DOCUMENTS,
            **component_columns(),
            "model_versions": text("JSON: which model and version gave the values of each component.", not_blank()),
        },
        *DOCUMENT_RULES,
        *CLUSTER_RULES,
        key=("document_id",),
    ),
    key=("document_id",),
    published=True,
    tags={"domain": "text"},
)

ENRICHED: tuple[Table, ...] = (ENRICHED_DOCUMENTS, *DISCOVERED_TOPICS)
