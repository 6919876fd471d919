"""What a text says how about what: the sentiment of the clause in which an entity or a noun phrase stands.

A clause ends at punctuation, at conjunctions and where a subordinate one begins. Its sentiment is VADER's compound
score. What it is about are the entities it names and its phrases between stop words, less the words that carry the
sentiment: of `great food but slow service`, food is positive and service is not.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from itertools import groupby
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.enrich.frequencies import english
from pipeline_platform.enrich.keywords import Phrase, candidates
from pipeline_platform.enrich.language import NOT_LANGUAGE, UNDETERMINED
from pipeline_platform.schemas.columns import reals, texts
from pipeline_platform.settings import Settings

VERSION = "1"

CLAUSE_END = (
    r"(?i)(?:([!?]+)|[.;:,]+)(?:\s|$)|[()\n]|\s[-–—]+\s|--|\b(?:"
    r"but|however|although|though|while|yet|whereas|except|despite|nevertheless|unlike|"
    r"and|or|nor|plus|then|because|since|so|when|which|who|that|if|as|after|before|until|where)\b"
)
"""Measured on restaurant reviews: the sentiment of 1,332 aspects is told right by whole sentences for 41 %, by clauses
between punctuation and contrasts for 53 %, and by these for 55 %; the most frequent answer is right for 45 %."""

MIN_SENTIMENT = 0.05
"""Clauses nearer to zero say nothing good or bad (VADER's own limit)."""

MIN_RARITY = 5.0
"""Single words in more than one document of 150 (guys, time, got) are no aspects."""

MAX_ASPECTS = 12
MAX_CHARACTERS = 5_000

NAMED_AS_WRITTEN = ("COIN:", "HASHTAG:", "ORG:", "PERSON:", "PRODUCT:", "TICKER:")
"""Types of entities whose value stands in the text."""


def clauses(texts: arrow.Array) -> tuple[np.ndarray, arrow.Array]:
    """The clauses of texts, trimmed; a mark of exclamation or question that ends one stays with it.

    Returns:
        The position of the text of each clause, and the clauses.
    """
    parts = pc.split_pattern(pc.replace_substring_regex(texts, CLAUSE_END, "\\1\x1f"), "\x1f")
    of, found = pc.list_parent_indices(parts), pc.utf8_trim_whitespace(pc.list_flatten(parts))
    kept = pc.greater(pc.utf8_length(found), 1)
    return of.filter(kept).to_numpy(), found.filter(kept)


def compound_scores(clauses: arrow.Array) -> np.ndarray:
    """VADER's compound score of each, in [-1, 1]."""
    from pipeline_platform.enrich.vader import scores

    return scores(clauses)[:, 0]


def entities_in(clause: str, entities: Sequence[str]) -> list[str]:
    """Those of the entities whose value stands in the clause as words."""
    lower = clause.lower()
    found = []
    for entity in entities:
        if entity.startswith(NAMED_AS_WRITTEN):
            value = entity.partition(":")[2].lower()
            if value in lower and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", lower):
                found.append(entity)
    return found


class Aspects:
    """Sentiment by clause of what English texts speak of."""

    name: ClassVar[str] = "aspects"
    inputs: ClassVar[tuple[str, ...]] = ("language", "entities")
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "aspects": texts(
            "What the text says something good or bad about: entities as in `entities`, and phrases of up to 4 words "
            "in lower case; the 12 most decided, in their order. Empty unless the language is en or und."
        ),
        "aspect_sentiments": reals(
            "For each of `aspects`, VADER's compound score of its clause, -1 most negative, 1 most positive; the mean "
            "where several clauses name it."
        ),
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = f"clauses {VERSION}, VADER {installed('vaderSentiment')}"

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """Aspects of each text and their sentiment."""
        words = texts.str.slice(0, MAX_CHARACTERS).str.replace(NOT_LANGUAGE, "\n", regex=True)
        scored = words.where(frame["language"].isin(("en", UNDETERMINED)).to_numpy(dtype=bool), "")
        of, parts = clauses(arrow.array(scored, arrow.string()))
        scores = compound_scores(parts)
        decided = np.flatnonzero(np.abs(scores) >= MIN_SENTIMENT)
        said = parts.take(arrow.array(decided)).to_pylist()
        phrases = [candidates(clause, "en") for clause in said]
        plain = _without_sentiment({word for found in phrases for phrase in found for word in phrase})
        entities = frame["entities"].to_numpy(dtype=object)
        told: list[dict[str, list[float]]] = [{} for _ in range(len(texts))]
        for part, clause, found in zip(decided, said, phrases, strict=True):
            named = entities_in(clause, entities[of[part]])
            covered = {word for entity in named for word in re.findall(r"\w+", entity.partition(":")[2].lower())}
            for aspect in (*named, *(" ".join(one) for one in _plain(found, plain) if covered.isdisjoint(one))):
                told[of[part]].setdefault(aspect, []).append(float(scores[part]))
        return _frame(told)


def _without_sentiment(words: set[str]) -> set[str]:
    """The words that VADER knows no sentiment of."""
    listed = sorted(words)
    scores = compound_scores(arrow.array(listed, arrow.string()))
    return {word for word, score in zip(listed, scores, strict=True) if not score}


def _plain(phrases: Sequence[Phrase], plain: set[str]) -> list[Phrase]:
    """The phrases cut where a word carries sentiment, less single words that are common everywhere."""
    runs = [tuple(run) for phrase in phrases for kept, run in groupby(phrase, plain.__contains__) if kept]
    return [run for run in runs if len(run) > 1 or english().rarity(run[0]) >= MIN_RARITY]


def _frame(told: Sequence[Mapping[str, list[float]]]) -> pd.DataFrame:
    aspects, sentiments = np.empty(len(told), dtype=object), np.empty(len(told), dtype=object)
    for position, found in enumerate(told):
        means = {aspect: round(sum(scores) / len(scores), 4) for aspect, scores in found.items()}
        kept = set(sorted(means, key=lambda aspect: -abs(means[aspect]))[:MAX_ASPECTS])
        aspects[position] = [aspect for aspect in means if aspect in kept]
        sentiments[position] = [means[aspect] for aspect in aspects[position]]
    return pd.DataFrame({"aspects": aspects, "aspect_sentiments": sentiments})
