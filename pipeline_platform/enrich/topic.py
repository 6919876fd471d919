"""Topic of a text out of a fixed taxonomy, by words that were chosen by hand (`topics.toml`): nothing here is learned.

A word counts once in a text. The topic whose words weigh most wins if they weigh enough; ties go to the topic that the
file lists first. Texts are split once, and every distinct word of all of them is looked up once.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.enrich.coins import ID_BY_SYMBOL
from pipeline_platform.enrich.language import UNDETERMINED
from pipeline_platform.schemas.columns import between, one_of, real, text
from pipeline_platform.settings import Settings

FILE = Path(__file__).with_name("topics.toml")

TOPICS = (
    *("markets", "crypto", "technology", "programming", "weather"),
    *("politics", "sports", "health", "science", "entertainment"),
)
OTHER = "other"

SURE, LIKELY = 2.0, 1.0
MIN_WEIGHT = 2.0
"""Weight a topic needs: one sure word, or two likely ones."""

LANGUAGES = ("en", UNDETERMINED)
"""The words are English; texts too short to tell the language often are one of them, like the name of a coin."""

MAX_CHARACTERS = 2_000

NOT_WORDS = r"https?://\S+|www\.\S+|[^\pL\pN_$+#&'-]+"
CASHTAG = r"^\$[a-z]{1,6}$"


@dataclass(frozen=True)
class Lexicon:
    """Words and pairs of words.

    Attributes:
        version: of the file.
        words: number of each word.
        pairs: number of each pair of words.
        weights: (terms, topics), what the term of a number speaks for.
    """

    version: str
    words: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]
    weights: np.ndarray


@cache
def lexicon() -> Lexicon:
    """The words of `topics.toml`, and the symbols of coins as cashtags."""
    held = tomllib.loads(FILE.read_text("utf-8"))
    terms: dict[str, np.ndarray] = {}
    for place, topic in enumerate(TOPICS):
        for strength, weight in (("likely", LIKELY), ("sure", SURE)):
            for term in held[topic][strength]:
                terms.setdefault(term, np.zeros(len(TOPICS)))[place] = weight
    for symbol in ID_BY_SYMBOL:
        terms.setdefault(f"${symbol.lower()}", np.zeros(len(TOPICS)))[TOPICS.index("crypto")] = SURE
    # Any other cashtag, see `_words`.
    terms["$"] = np.array([SURE if topic == "markets" else 0.0 for topic in TOPICS])
    numbers = {term: number for number, term in enumerate(terms)}
    return Lexicon(
        version=held["version"],
        words={term: number for term, number in numbers.items() if " " not in term},
        pairs={
            (first, second): number
            for term, number in numbers.items()
            for first, _, second in [term.partition(" ")]
            if second
        },
        weights=np.array(list(terms.values())),
    )


def _words(texts: pd.Series) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Position of the text of each word, the distinct words, and which of them each word is."""
    cut = pc.utf8_slice_codeunits(arrow.array(texts, type=arrow.string()).fill_null(""), 0, MAX_CHARACTERS)
    spaced = pc.replace_substring_regex(pc.utf8_lower(pc.replace_substring_regex(cut, "[’‘]", "'")), NOT_WORDS, " ")
    split = pc.split_pattern(pc.utf8_trim(spaced, " "), " ")
    words = pc.list_flatten(split).dictionary_encode()
    return pc.list_parent_indices(split).to_numpy(), words.dictionary.to_pylist(), words.indices.to_numpy()


def _looked_up(word: str, known: Mapping[str, int]) -> int:
    """Number of a word; -1 if it speaks for nothing."""
    bare = word.lstrip("#").strip("'-&+") if word not in known else word
    bare = bare.removesuffix("'s")
    for form in (bare, bare.removesuffix("s"), bare.removesuffix("es")):
        if form in known:
            return known[form]
    return -1


def weights_of(texts: pd.Series) -> np.ndarray:
    """What the words of each text weigh for each topic, (texts, topics)."""
    found = lexicon()
    totals = np.zeros((len(texts), len(TOPICS)))
    if not len(texts):
        return totals
    places, distinct, codes = _words(texts)
    known = np.array([_looked_up(word, found.words) for word in distinct], dtype=np.int64)
    tags = pc.match_substring_regex(arrow.array(distinct, type=arrow.string()), CASHTAG).to_numpy(zero_copy_only=False)
    known[(known < 0) & tags] = found.words["$"]
    hits = [(places[one], known[codes[one]]) for one in [np.flatnonzero(known[codes] >= 0)]]
    code_of = {word: code for code, word in enumerate(distinct)}
    base = len(distinct)
    wanted = {
        code_of[first] * base + code_of[form]: number
        for (first, second), number in found.pairs.items()
        if first in code_of
        for form in (second, f"{second}s")
        if form in code_of
    }
    if wanted:
        both = codes[:-1].astype(np.int64) * base + codes[1:]
        keys = np.array(sorted(wanted))
        at = np.flatnonzero(np.isin(both, keys) & (places[:-1] == places[1:]))
        numbers = np.array([wanted[key] for key in keys])
        hits.append((places[at], numbers[np.searchsorted(keys, both[at])]))
    rows, terms = (np.concatenate(part) for part in zip(*hits, strict=True))
    once = np.unique(rows.astype(np.int64) * len(found.weights) + terms)
    np.add.at(totals, once // len(found.weights), found.weights[once % len(found.weights)])
    return totals


class Topic:
    """What a text is about. Null for other languages than English and for blank texts."""

    name: ClassVar[str] = "topic"
    inputs: ClassVar[tuple[str, ...]] = ("language",)
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "topic": text(
            "Topic by English words chosen by hand; `other` if too few of them occur; null unless the language is en "
            "or und.",
            one_of((*TOPICS, OTHER), "known_topic"),
            nullable=True,
        ),
        "topic_score": real(
            "Weight of the words for the topic as share of the weight of all topical words and 1; 0 for other.",
            between(0, 1, "share"),
            unit="share",
        ),
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = f"keywords {lexicon().version}"

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """Topic and score of each text."""
        read = (frame["language"].isin(LANGUAGES) & (texts != "")).to_numpy(dtype=bool)
        weights = weights_of(texts.where(read, ""))
        best, most = weights.argmax(axis=1), weights.max(axis=1, initial=0)
        clear = most >= MIN_WEIGHT
        topics = pd.Series((*TOPICS, OTHER)).take(np.where(clear, best, len(TOPICS))).reset_index(drop=True)
        scores = np.where(clear, most / (weights.sum(axis=1) + 1), 0)
        return pd.DataFrame({"topic": topics.where(read, None), "topic_score": np.where(read, scores, np.nan)})
