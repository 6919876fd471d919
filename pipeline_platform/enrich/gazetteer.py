"""Names of a list in texts: whole words, as written, the longest first.

That takes a step per word of the text, however long the list is.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import pyarrow as arrow
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pipeline_platform.enrich.words import Words

T = TypeVar("T")

WORD = re.compile(r"\w+")

GAPS = (" ", "-", ".", ". ", "'", "’", ", ", "&", " & ", "\n")
"""What may stand between the words of a name, whichever it is written with in the list."""


def without_accents(text: str) -> str:
    """`São Paulo` as `Sao Paulo`."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def words_in(text: str) -> "Words":
    """The words of one text."""
    from pipeline_platform.enrich.words import names

    return names(arrow.array([text], arrow.string()))


def flags(words: "Words", wanted: frozenset[str]) -> np.ndarray:
    """For each distinct word whether it is one of these."""
    return pc.is_in(words.distinct, value_set=arrow.array(sorted(wanted), arrow.string())).to_numpy(False)


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """A name in a text: what the list says of it, and its first and last word."""

    value: T
    first: int
    last: int


@dataclass(frozen=True)
class Matches:
    """Names in texts, from left to right: for each the text, the name, its first and last word."""

    texts: np.ndarray
    names: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray

    def by_text(self) -> Iterator[tuple[int, int, int]]:
        """Each text with a name, and where its names begin and end among all."""
        begins = np.flatnonzero(np.diff(self.texts, prepend=-1)).tolist()
        yield from zip(self.texts[begins].tolist(), begins, [*begins, len(self.texts)][1:], strict=True)


class Gazetteer(Generic[T]):
    """Names and what they stand for.

    Attributes:
        values: what each name stands for.
        beginnings: the first words of names.
    """

    def __init__(self, names: Mapping[str, T]) -> None:
        by_words = {tuple(WORD.findall(name)): value for name, value in names.items()}
        self.values = list(by_words.values())
        self.beginnings = frozenset(words[0] for words in by_words)
        self._numbers = {word: number for number, word in enumerate(dict.fromkeys(w for one in by_words for w in one))}
        # A tree of words: the node that a word leads to from a node, and the name that ends there.
        self._tree: dict[tuple[int, int], int] = {}
        self._name_at: dict[int, int] = {}
        for name, words in enumerate(by_words):
            node = 0
            for word in words:
                node = self._tree.setdefault((node, self._numbers[word]), len(self._tree) + 1)
            self._name_at[node] = name
        self._words = arrow.array(self._numbers, arrow.string())
        steps = sorted((node * len(self._numbers) + word, child) for (node, word), child in self._tree.items())
        self._keys, self._nodes = np.array(steps, np.int64).reshape(-1, 2).T.copy()
        self._name_of_node = np.full(len(steps) + 1, -1, np.int64)
        self._name_of_node[list(self._name_at)] = list(self._name_at.values())
        self._gaps = np.sort(np.array([int.from_bytes(gap.encode(), "big") for gap in GAPS], np.int64))

    def find(self, words: "Words") -> Matches:
        """The names in texts, none within another."""
        from pipeline_platform.enrich.gazetteer_kernel import find

        numbers = pc.fill_null(pc.index_in(words.distinct, value_set=self._words), -1).to_numpy()
        ids = numbers[words.codes]
        found = np.empty((np.count_nonzero(ids >= 0), 4), np.int64)
        count = find(
            words.data,
            words.begins,
            words.ends,
            words.stops,
            ids,
            self._keys,
            self._nodes,
            self._name_of_node,
            len(self._numbers),
            self._gaps,
            found,
        )
        return Matches(*found[:count].T)

    def longest(self, words: "Words", first: int, stop: int) -> Match[T] | None:
        """The longest name that begins with the word `first`, before the word `stop`."""
        found, node = None, 0
        for at in range(first, stop):
            if at > first and words.gap(at - 1) not in GAPS:
                break
            child = self._tree.get((node, self._numbers.get(words.word(at), -1)))
            if child is None:
                break
            node = child
            if node in self._name_at:
                found = Match(self.values[self._name_at[node]], first, at)
        return found
