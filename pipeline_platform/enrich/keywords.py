"""Keywords of a text: phrases between stop words, as RAKE finds them, weighted by how rare their words are.

Candidates are those of RAKE (Rose, Engel, Cramer & Cowley 2010): runs of words without a stop word, punctuation or
line break. In English a phrase weighs the TF-IDF of its words over the root of their number: on scientific abstracts
that finds more of the given phrases than RAKE's own weights, or TF-IDF of single words (`benchmarks/extraction.py`).
Other languages, for which no frequencies are shipped, are weighed as RAKE does: by degree over frequency.

What is common is told by a shipped table and not by the documents of the run, so that a document has the same keywords
whatever comes with it.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

from pipeline_platform.enrich import frequencies
from pipeline_platform.enrich.language import UNDETERMINED, words_of
from pipeline_platform.enrich.texts import as_array
from pipeline_platform.schemas.columns import texts
from pipeline_platform.settings import Settings

if TYPE_CHECKING:
    from pipeline_platform.enrich.phrases import Phrases

MAX_KEYWORDS = 8
MAX_WORDS = 4
MAX_LETTERS = 30
"""Longer words are keys, hashes or a stuck keyboard."""

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


@lru_cache(maxsize=1 << 16)
def word_in(written: str, language: str) -> tuple[str, bool]:
    """The word of a phrase, empty if it ends one; and whether a phrase ends before it, as articles do."""
    word = _bare(written, language)
    kept = 1 < len(word) <= MAX_LETTERS and not word[0].isdigit() and word not in stop_words(language)
    return word if kept else "", language in ELIDING and word != written


@lru_cache(maxsize=1 << 15)
def rarity(word: str) -> float:
    """How rare a word is in English."""
    return frequencies.english().rarity(word)


def candidates(texts: arrow.Array, languages: Sequence[str]) -> "Phrases":
    """Phrases of texts in lower case, in the order of each, with repetitions.

    Args:
        texts: string array without nulls.
        languages: of each text, of `STOP_WORDS`.
    """
    from pipeline_platform.enrich import phrases

    # By Python and not by Arrow, which lowers a character at a time: of capital sigma two letters are the small ones.
    lower = arrow.array([text.lower() for text in texts.to_pylist()], arrow.string())
    return phrases.candidates(lower, languages, word_in, MAX_WORDS)


def best(found: "Phrases", by_degree: np.ndarray, limit: int = MAX_KEYWORDS) -> "Phrases":
    """The distinct phrases of each text that weigh most, best first; of equal ones the earlier.

    Args:
        found: phrases of texts.
        by_degree: for each text whether they weigh what they do in RAKE.
        limit: how many of each text.
    """
    from pipeline_platform.enrich import phrases

    return phrases.best(found, np.array([rarity(word) for word in found.words]), by_degree, limit)


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
        languages = np.where(frame["language"] == UNDETERMINED, "en", frame["language"]).astype(object)
        read = np.flatnonzero(np.isin(languages, list(STOP_WORDS)))
        languages = languages[read]
        words = words_of(as_array(texts)).take(arrow.array(read))
        found = best(candidates(words, languages.tolist()), languages != "en")
        stops = np.zeros(len(texts) + 1, np.int64)
        stops[read + 1] = np.diff(found.stops, prepend=0)
        held = arrow.ListArray.from_arrays(arrow.array(np.cumsum(stops), arrow.int32()), found.joined())
        return pd.DataFrame({"keywords": pd.Series(held, dtype=pd.ArrowDtype(held.type))})
