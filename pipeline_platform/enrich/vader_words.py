"""The words that VADER's rules know, as the tables of its kernel, and the words outside ASCII, which need Python.

Lexicon, boosters, negations, idioms and emoji are those of the installed `vaderSentiment` (MIT), read at run time.
"""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline_platform.enrich.vader_kernel import (
    BOOSTER,
    FNV_OFFSET,
    FNV_PRIME,
    ID,
    LEXICON,
    NAMED,
    NEGATES,
    PHRASE,
    UPPER,
    Words,
)


@dataclass(frozen=True)
class Vocabulary:
    """The tables, and what Python needs to read words outside ASCII.

    Attributes:
        words: tables of the kernel.
        known: code by lower-case word.
        emoji: description by emoji of one character; the reference looks at one character at a time, so it never
            sees the longer ones.
    """

    words: Words
    known: Mapping[str, int]
    emoji: Mapping[str, str]

    def codes(self, token: str) -> tuple[list[int], int, int]:
        """Codes of the words of a token, and how many `!` and `?` its emoji add.

        An emoji becomes its description with a space before it, and the text runs on behind it ("😀ly" ends in
        "facely"). So a token can become several words; what stands around it cannot change them.
        """
        told = token
        if not self.emoji.keys().isdisjoint(token):
            told = "".join(f" {self.emoji[one]}" if one in self.emoji else one for one in token)
        return (
            [self._code(written) for written in told.split()],
            told.count("!") - token.count("!"),
            told.count("?") - token.count("?"),
        )

    def _code(self, written: str) -> int:
        bare = written.strip(string.punctuation)
        word = bare if len(bare) > 2 else written
        lower = word.lower()
        return self.known.get(lower, 0) | word.isupper() * UPPER | ("n't" in lower) * NEGATES


@cache
def vocabulary() -> Vocabulary:
    """The words of the installed `vaderSentiment`."""
    from vaderSentiment.vaderSentiment import (
        BOOSTER_DICT,
        C_INCR,
        N_SCALAR,
        NEGATE,
        SPECIAL_CASES,
        SentimentIntensityAnalyzer,
    )

    analyzer = SentimentIntensityAnalyzer()
    setting = _several_words(SPECIAL_CASES)
    adding = _several_words(BOOSTER_DICT)
    lists: dict[int, Iterable[str]] = {
        LEXICON: analyzer.lexicon,
        BOOSTER: BOOSTER_DICT,
        NEGATES: NEGATE,
        PHRASE: [word for phrase in (*setting, *adding) for word in phrase],
    }
    every = dict.fromkeys([*NAMED, *(word for one in lists.values() for word in one)])
    # The reference looks up single tokens in lower case: it finds neither "can't stand" nor ":D".
    words = [word for word in every if word == word.lower() and word.split() == [word]]
    known = {word: at << ID for at, word in enumerate(words, 1)}
    for flag, listed in lists.items():
        for word in known.keys() & set(listed):
            known[word] |= flag
    encoded = [word.encode() for word in known]
    values = BOOSTER_DICT | analyzer.lexicon
    tables = Words(
        slots=_hashed(dict(zip(encoded, known.values(), strict=True))),
        text=np.frombuffer(b"".join(encoded), np.uint8),
        ends=np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        longest=max(map(len, encoded)),
        values=np.array([0.0, *(values.get(word, 0.0) for word in known)]),
        phrases=np.array([_row(phrase, known) for phrase in (*setting, *adding)], np.int64),
        phrase_values=np.array([*setting.values(), *adding.values()], np.float64),
        setting=len(setting),
        negation=N_SCALAR,
        capitals=C_INCR,
    )
    emoji = {symbol: told for symbol, told in analyzer.emojis.items() if len(symbol) == 1}
    return Vocabulary(tables, known, emoji)


def _several_words(listed: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """Phrases of more than one word; the reference compares phrases with two or three words alone."""
    return {tuple(phrase.split(" ")): value for phrase, value in listed.items() if " " in phrase}


def _row(phrase: tuple[str, ...], known: Mapping[str, int]) -> list[int]:
    return [*(known[word] >> ID for word in phrase), -1][:3]


def _hashed(known: Mapping[bytes, int]) -> np.ndarray:
    slots = np.zeros(1 << (4 * len(known)).bit_length(), np.int64)
    for word, code in known.items():
        hashed = FNV_OFFSET
        for byte in word:
            hashed = (hashed ^ byte) * FNV_PRIME & 0xFFFFFFFF
        at = hashed & len(slots) - 1
        while slots[at]:
            at = at + 1 & len(slots) - 1
        slots[at] = np.uint64(hashed << 32 | code).astype(np.int64)
    return slots
