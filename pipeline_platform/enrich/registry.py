"""Every enrichment component, in the order they run: add one by one import and one line here."""

from collections.abc import Mapping

import pandera.pandas as pa

from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.emotion import Emotion
from pipeline_platform.enrich.entities import Entities
from pipeline_platform.enrich.language import Language
from pipeline_platform.enrich.sarcasm import Sarcasm
from pipeline_platform.enrich.sentiment import Sentiment
from pipeline_platform.enrich.topic import Topic
from pipeline_platform.enrich.transformer import SentimentModel
from pipeline_platform.settings import Settings

COMPONENTS: tuple[type[Component], ...] = (
    Language,
    Sentiment,
    SentimentModel,
    Emotion,
    Sarcasm,
    Topic,
    Entities,
)


def configured(settings: Settings) -> tuple[Component, ...]:
    """Every component, configured by `settings`."""
    return tuple(component(settings) for component in COMPONENTS)


def component_columns() -> Mapping[str, pa.Column]:
    """The columns that all components add, in order."""
    return {name: column for component in COMPONENTS for name, column in component.outputs.items()}
