"""Names of a list in a text: whole words, as written, the longest first.

That takes a step per word of the text, however long the list is.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as pc

T = TypeVar("T")

WORD = re.compile(r"\w+")
BETWEEN_WORDS = r"[^\pL\pN_]+"
"""What Python's `\\W+` matches, in the syntax of Arrow."""

GAPS = frozenset({" ", "-", ".", ". ", "'", "’", ", ", "&", " & ", "\n"})
"""What may stand between the words of a name, whichever it is written with in the list."""


def without_accents(text: str) -> str:
    """`São Paulo` as `Sao Paulo`."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def holding(texts: pd.Series, words: frozenset[str]) -> np.ndarray:
    """Positions of the texts in which one of the words stands; most texts have none, and this is quick to tell."""
    (column,) = arrow.Table.from_pandas(texts.to_frame("texts"), preserve_index=False).itercolumns()
    parts = pc.split_pattern_regex(column.cast(arrow.string()).combine_chunks(), BETWEEN_WORDS)
    found = pc.list_flatten(parts).dictionary_encode()
    wanted = pc.is_in(found.dictionary, value_set=arrow.array(sorted(words), arrow.string())).to_numpy(False)
    return np.unique(pc.list_parent_indices(parts).to_numpy()[wanted[found.indices.to_numpy()]])


@dataclass(frozen=True, slots=True)
class Token:
    """A word and where it stands."""

    text: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A name in a text: what the list says of it, its first and last word, and its characters `[begin, end)`."""

    value: T
    first: int
    last: int
    begin: int
    end: int


class Gazetteer(Generic[T]):
    """Names and what they stand for.

    Attributes:
        anchors: a word of each name; a text without one of them holds no name, see `holding`.
    """

    def __init__(self, names: Mapping[str, T]) -> None:
        self._values: dict[tuple[str, ...], T] = {tuple(WORD.findall(name)): value for name, value in names.items()}
        self._longest: dict[str, int] = {}
        for words in self._values:
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))
        # `The` begins The Hague and stands everywhere; Hague does not.
        self.anchors = frozenset(max(words, key=len) for words in self._values)

    @staticmethod
    def tokens(text: str) -> list[Token]:
        """The words of a text."""
        return [Token(found[0], *found.span()) for found in WORD.finditer(text)]

    def longest(self, tokens: Sequence[Token], first: int, text: str) -> Match[T] | None:
        """The longest name that begins with the word at `first`."""
        for count in range(min(self._longest.get(tokens[first].text, 0), len(tokens) - first), 0, -1):
            words = tokens[first : first + count]
            value = self._values.get(tuple(word.text for word in words))
            if value is not None and all(text[a.end : b.begin] in GAPS for a, b in pairwise(words)):
                return Match(value, first, first + count - 1, words[0].begin, words[-1].end)
        return None

    def find(self, tokens: Sequence[Token], text: str) -> list[Match[T]]:
        """The names in a text, from left to right, none within another."""
        found: list[Match[T]] = []
        position = 0
        while position < len(tokens):
            match = self.longest(tokens, position, text) if tokens[position].text in self._longest else None
            if match:
                found.append(match)
            position = match.last + 1 if match else position + 1
        return found
