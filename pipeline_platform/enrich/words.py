"""The words of many texts at once: where they stand, and which of the distinct ones each is.

Compiled code reads the UTF-8 of an Arrow column; what a character is to Python's regular expressions stands in a table.
So components ask for each distinct word once, and find the same words as an expression would, text by text. Importing
this module loads Numba: do it where texts are read.
"""

import re
import sys
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pyarrow as arrow
from numba import njit

from pipeline_platform.enrich.shared import once

LETTER, JOINER, SPACE = 1, 2, 4
"""Bits of a character: it is part of a word; joins two parts of one; is white space."""

JOINERS = r"['’\-.&+]"
"""What may stand within a keyword."""

compiled = njit(cache=True, nogil=True)


@dataclass(frozen=True, eq=False)
class Words:
    """Words of texts.

    Attributes:
        distinct: the different words.
        codes: int32, the position of each word in `distinct`.
        begins, ends: the bytes `[begin, end)` of each word in `data`.
        stops: where the words of each text end.
        data: UTF-8 of all texts.
        offsets: where each text begins and the last ends.
    """

    distinct: arrow.Array
    codes: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    stops: np.ndarray
    data: np.ndarray
    offsets: np.ndarray

    @cached_property
    def written(self) -> list[str]:
        """The words of `distinct`."""
        return self.distinct.to_pylist()

    def word(self, at: int) -> str:
        """A word."""
        return self.written[self.codes[at]]

    def gap(self, at: int) -> str:
        """What stands between a word and the next."""
        return self.span(self.ends[at], self.begins[at + 1])

    def first(self, text: int) -> int:
        """Where the words of a text begin."""
        return int(self.stops[text - 1]) if text else 0

    def span(self, begin: int, end: int) -> str:
        """The text between two bytes."""
        return self.data[begin:end].tobytes().decode()

    def characters(self, text: int, byte: int) -> int:
        """Characters of a text that stand before a byte."""
        return len(self.span(self.offsets[text], byte))


def _kinds(letters: str) -> np.ndarray:
    """Bits of each code point, where `letters` is the class of characters that words are made of."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    kinds = np.zeros(len(every), np.uint8)
    for pattern, bit in ((letters, LETTER), (JOINERS, JOINER), (r"\s", SPACE)):
        for found in re.finditer(f"{pattern}+", every):
            kinds[found.start() : found.end()] |= bit
    return kinds


@cache
def _of_names() -> np.ndarray:
    return _kinds(r"\w") & LETTER


@cache
def of_keywords() -> np.ndarray:
    """Bits of each code point, to be read as keywords."""
    return _kinds(r"[^\W_]")


@once
def names(texts: arrow.Array) -> Words:
    r"""The matches of `\w+` in each text of a string array without nulls."""
    return _read(texts, _of_names())


def keywords(texts: arrow.Array) -> Words:
    r"""The matches of `[^\W_]+(?:['’\-.&+][^\W_]+)*` in each text of a string array without nulls."""
    return _read(texts, of_keywords())


def _read(texts: arrow.Array, kinds: np.ndarray) -> Words:
    _, positions, content = texts.buffers()
    offsets = np.frombuffer(positions, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(content or b"\0", np.uint8)
    most = (offsets[-1] - offsets[0] + len(texts)) // 2 + 1
    begins, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    stops = np.empty(len(texts), np.int64)
    count = _found(data, offsets, kinds, begins, ends, stops)
    begins, ends = begins[:count], ends[:count]
    bounds = np.zeros(count + 1, np.int32)
    np.cumsum(ends - begins, out=bounds[1:])
    text = np.empty(bounds[-1], np.uint8)
    _copied(data, begins, ends, text)
    held = arrow.StringArray.from_buffers(count, arrow.py_buffer(bounds), arrow.py_buffer(text)).dictionary_encode()
    return Words(held.dictionary, held.indices.to_numpy(), begins, ends, stops, data, offsets)


@compiled
def code_at(data, at):  # type: ignore[no-untyped-def]
    """The code point at a byte and how many bytes it has. Arrow strings are valid UTF-8."""
    first = np.uint32(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & np.uint32(0x1F)) << np.uint32(6) | data[at + 1] & np.uint32(0x3F), 2
    low = (data[at + 1] & np.uint32(0x3F)) << np.uint32(6) | data[at + 2] & np.uint32(0x3F)
    if first < 0xF0:
        return (first & np.uint32(0x0F)) << np.uint32(12) | low, 3
    return (first & np.uint32(0x07)) << np.uint32(18) | low << np.uint32(6) | data[at + 3] & np.uint32(0x3F), 4


@compiled
def _found(data, offsets, kinds, begins, ends, stops):  # type: ignore[no-untyped-def]
    """Fills in where words begin and end, and where those of each text end; how many there are."""
    count = 0
    for text in range(len(offsets) - 1):
        at, stop = offsets[text], offsets[text + 1]
        inside, joined = False, False
        while at < stop:
            code, size = code_at(data, at)
            kind = kinds[code]
            if kind & LETTER:
                if not inside:
                    begins[count], inside = at, True
                    count += 1
                ends[count - 1], joined = at + size, False
            elif kind & JOINER and inside and not joined:
                joined = True
            else:
                inside, joined = False, False
            at += size
        stops[text] = count
    return count


@compiled
def _copied(data, begins, ends, text):  # type: ignore[no-untyped-def]
    at = 0
    for word in range(len(begins)):
        for place in range(begins[word], ends[word]):
            text[at] = data[place]
            at += 1
