"""Every enrichment component, in the order they run: add one by one import and one line here."""

import hashlib
from collections.abc import Mapping, Sequence

import orjson
import pandera.pandas as pa

from pipeline_platform.enrich.aspects import Aspects
from pipeline_platform.enrich.code import DIGITS, code_digest
from pipeline_platform.enrich.component import Component
from pipeline_platform.enrich.emotion import Emotion
from pipeline_platform.enrich.entities import Entities
from pipeline_platform.enrich.geocoded import GeocodedPlace
from pipeline_platform.enrich.keywords import Keywords
from pipeline_platform.enrich.language import Language
from pipeline_platform.enrich.places import Places
from pipeline_platform.enrich.sarcasm import Sarcasm
from pipeline_platform.enrich.sentiment import Sentiment
from pipeline_platform.enrich.topic import Topic
from pipeline_platform.enrich.transformer import SentimentModel
from pipeline_platform.settings import Settings

COMPONENTS: tuple[type[Component], ...] = (
    Language,
    SentimentModel,
    Sentiment,
    Emotion,
    Sarcasm,
    Topic,
    Entities,
    Keywords,
    Places,
    Aspects,
)


def configured(settings: Settings, geocoded: Sequence[GeocodedPlace] = ()) -> tuple[Component, ...]:
    """Every component, configured by `settings`; that of places knows the `geocoded` ones too."""
    return tuple(Places(settings, geocoded) if component is Places else component(settings) for component in COMPONENTS)


def component_columns() -> Mapping[str, pa.Column]:
    """The columns that all components add, in order."""
    return {name: column for component in COMPONENTS for name, column in component.outputs.items()}


def code_version(settings: Settings) -> str:
    """Changes with the code, the shipped weights and the configured models: what another one gave is out of date."""
    versions = orjson.dumps({one.name: one.version for one in configured(settings)}, option=orjson.OPT_SORT_KEYS)
    return f"{code_digest()}.{hashlib.sha256(versions).hexdigest()[:DIGITS]}"
