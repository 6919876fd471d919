"""Keywords of a text: phrases between stop words, as RAKE finds them, weighted by how rare their words are.

Candidates are those of RAKE (Rose, Engel, Cramer & Cowley 2010): runs of words without a stop word, punctuation or
line break. In English a phrase weighs the TF-IDF of its words over the root of their number: on scientific abstracts
that finds more of the given phrases than RAKE's own weights, or TF-IDF of single words (`benchmarks/extraction.py`).
Other languages, for which no frequencies are shipped, are weighed as RAKE does: by degree over frequency.

What is common is told by a shipped table and not by the documents of the run, so that a document has the same keywords
whatever comes with it.
"""

import importlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib.metadata import version as installed
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich import frequencies
from pipeline_platform.enrich.language import NOT_LANGUAGE, UNDETERMINED
from pipeline_platform.schemas.columns import texts
from pipeline_platform.settings import Settings

MAX_KEYWORDS = 8
MAX_WORDS = 4
MAX_LETTERS = 30
"""Longer words are keys, hashes or a stuck keyboard."""

MAX_CHARACTERS = 10_000

WORD = re.compile(r"[^\W_]+(?:['’\-.&+][^\W_]+)*")
APOSTROPHE = re.compile("['’]")

STOP_WORDS = {
    code: {"no": "nb"}.get(code, code)
    for code in (
        *("ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id"),
        *("it", "lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "tr", "uk"),
    )
}
"""Languages whose words are set apart by spaces and of which spaCy has stop words, and its code for them."""

ELIDING = frozenset({"ca", "fr", "it"})
"""Languages that write articles before an apostrophe: of `l'accord` the second part is the word."""

Phrase = tuple[str, ...]


@cache
def stop_words(language: str) -> frozenset[str]:
    """Stop words of a language of `STOP_WORDS`, in lower case."""
    module = importlib.import_module(f"spacy.lang.{STOP_WORDS[language]}.stop_words")
    return frozenset(word.lower() for word in module.STOP_WORDS)


def _bare(word: str, language: str) -> str:
    """The word without elided or possessive parts; empty for contractions, which are made of stop words."""
    parts = APOSTROPHE.split(word)
    if len(parts) == 1:
        return word
    if language in ELIDING:
        return parts[-1]
    return parts[0] if parts[-1] == "s" or language != "en" else ""


def candidates(text: str, language: str) -> list[Phrase]:
    """Phrases of a text in lower case, in the order of the text, with repetitions."""
    stop = stop_words(language)
    found: list[Phrase] = []
    phrase: list[str] = []
    end = 0
    text = text.lower()
    for match in WORD.finditer(text):
        begin = match.start()
        gap = text[end:begin]
        word = _bare(match[0], language)
        apart = gap != " " and (gap.strip() or "\n" in gap)
        if phrase and (apart or (language in ELIDING and word != match[0])):
            found.append(tuple(phrase))
            phrase = []
        end = match.end()
        if word not in stop and 1 < len(word) <= MAX_LETTERS and not word[0].isdigit():
            phrase.append(word)
        elif phrase:
            found.append(tuple(phrase))
            phrase = []
    if phrase:
        found.append(tuple(phrase))
    return [one for one in found if len(one) <= MAX_WORDS]


@lru_cache(maxsize=1 << 15)
def _rarity(word: str) -> float:
    return frequencies.english().rarity(word)


def by_rarity(phrases: list[Phrase]) -> Callable[[Phrase], float]:
    """Weight of a phrase: TF-IDF of its words, over the root of their number."""
    often = Counter(word for phrase in phrases for word in phrase)
    return lambda phrase: sum(often[word] * _rarity(word) for word in phrase) / math.sqrt(len(phrase))


def by_degree(phrases: list[Phrase]) -> Callable[[Phrase], float]:
    """Weight of a phrase in RAKE: for each word, the words it stands together with over its frequency."""
    often, degree = Counter[str](), Counter[str]()
    for phrase in phrases:
        for word in phrase:
            often[word] += 1
            degree[word] += len(phrase)
    return lambda phrase: sum(degree[word] / often[word] for word in phrase)


def best(phrases: list[Phrase], weight: Callable[[Phrase], float], limit: int = MAX_KEYWORDS) -> list[str]:
    """The distinct phrases that weigh most, best first; of equal ones the earlier."""
    return [" ".join(phrase) for phrase in sorted(dict.fromkeys(phrases), key=weight, reverse=True)[:limit]]


def keywords(text: str, language: str) -> list[str]:
    """The best phrases of a text; none in languages of which there are no stop words."""
    language = "en" if language == UNDETERMINED else language
    if language not in STOP_WORDS:
        return []
    phrases = candidates(text, language)
    return best(phrases, by_rarity(phrases) if language == "en" else by_degree(phrases))


class Keywords:
    """The phrases that tell most of what a text is about."""

    name: ClassVar[str] = "keywords"
    inputs: ClassVar[tuple[str, ...]] = ("language",)
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "keywords": texts(
            "At most 8 phrases of up to 4 words, lower case, best first; empty in languages without spaces between "
            "words or without a list of stop words."
        ),
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = f"RAKE phrases, English frequencies {frequencies.VERSION} (spaCy {installed('spacy')})"

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """The keywords of each text."""
        # Breaks, so that what stands around an address does not become one phrase.
        words = texts.str.slice(0, MAX_CHARACTERS).str.replace(NOT_LANGUAGE, "\n", regex=True)
        said = zip(words.to_numpy(dtype=object), frame["language"].to_numpy(dtype=object), strict=True)
        found = np.empty(len(texts), dtype=object)
        found[:] = [keywords(text, language) for text, language in said]
        return pd.DataFrame({"keywords": found})
