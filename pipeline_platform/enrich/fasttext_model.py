"""fastText's identification model (Joulin et al. 2016), the same answers as the package `fasttext-predict`.

The package takes a text at a time, and keeps Python's lock meanwhile. Here compiled code reads the UTF-8 of an Arrow
column. A model of the kind of `lid.176.ftz` is understood: a quantised matrix of words and hashed character n-grams
(product quantisation, Jégou et al. 2011; unfolded when it is loaded), and hierarchical softmax over a Huffman tree.
Importing this module loads Numba: do it where texts are read.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as arrow
from numba import njit

MAGIC, VERSION = 793712314, 12
HIERARCHICAL_SOFTMAX = 1
LABEL = "__label__"
END = "</s>"
"""The word that fastText puts at the end of every line."""

FNV_OFFSET, FNV_PRIME = 2166136261, 16777619
EMPTY = -1

compiled = njit(cache=True, nogil=True)


class UnknownModelError(Exception):
    """The file is none that is understood here."""


class Tables(NamedTuple):
    """What the kernel reads.

    Attributes:
        slots: open hash table of words, a power of two long: number of the word, or `EMPTY`.
        hashes: of each word.
        text, ends: UTF-8 of the words one after the other, and where each ends.
        rows: by hash of an n-gram modulo the number of buckets, its row in `vectors`; `EMPTY` for those pruned.
        vectors: float32 (words and n-grams, dimensions).
        output: float32 (inner nodes, dimensions).
        children: (inner nodes, 2), nodes; those below the number of labels are labels.
        shortest, longest: characters of an n-gram.
        end: row of `END`.
    """

    slots: np.ndarray
    hashes: np.ndarray
    text: np.ndarray
    ends: np.ndarray
    rows: np.ndarray
    vectors: np.ndarray
    output: np.ndarray
    children: np.ndarray
    shortest: int
    longest: int
    end: int


@dataclass(frozen=True, eq=False)
class Identifier:
    """A model that is loaded.

    Attributes:
        labels: names of the labels, without their prefix.
        tables: the rest of it.
    """

    labels: tuple[str, ...]
    tables: Tables

    def best(self, texts: arrow.Array) -> tuple[np.ndarray, np.ndarray]:
        """For each text the position of the best label, and its probability (float32).

        Args:
            texts: strings of 32 bits without nulls, each a line: what breaks a line parts words.
        """
        _, positions, content = texts.buffers()
        offsets = np.frombuffer(positions, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        data = np.frombuffer(content or b"\0", np.uint8)
        found, scores = np.empty(len(texts), np.int64), np.empty(len(texts), np.float32)
        _read(data, offsets, self.tables, found, scores)
        return found, scores


def load(path: Path) -> Identifier:
    """The model in a file.

    Raises:
        UnknownModelError: it is another kind of file or model.
    """
    reader = _Reader(path.read_bytes())
    magic, version = reader.numbers("<2i")
    if (magic, version) != (MAGIC, VERSION):
        raise UnknownModelError(f"{path} is no model of fastText, file format {VERSION}")
    _, _, _, _, _, word_ngrams, loss, _, buckets, shortest, longest, _ = reader.numbers("<12i")
    reader.numbers("<d")
    entries, words, _ = reader.numbers("<3i")
    _, pruned = reader.numbers("<2q")
    names, counts = [], []
    for _ in range(entries):
        names.append(reader.text())
        counts.append(reader.numbers("<qb")[0])
    kept = np.array(reader.array("<i4", 2 * max(pruned, 0))).reshape(-1, 2)
    (quantised,) = reader.numbers("<?")
    if loss != HIERARCHICAL_SOFTMAX or word_ngrams != 1 or pruned <= 0 or not quantised or END not in names[:words]:
        raise UnknownModelError(f"{path} is no model that was made as lid.176.ftz was")
    vectors = reader.quantised()
    if reader.numbers("<?")[0]:
        raise UnknownModelError(f"the output matrix of {path} is quantised")
    nodes, dimensions = reader.numbers("<2q")
    output = reader.array("<f4", nodes * dimensions).reshape(nodes, dimensions)
    rows = np.full(buckets, EMPTY, np.int32)
    rows[kept[:, 0]] = words + kept[:, 1]
    encoded = [name.encode() for name in names[:words]]
    hashes = np.array([_hash(word) for word in encoded], np.uint32)
    return Identifier(
        tuple(name.removeprefix(LABEL) for name in names[words:]),
        Tables(
            slots=_slots(hashes),
            hashes=hashes,
            text=np.frombuffer(b"".join(encoded), np.uint8),
            ends=np.cumsum([0, *map(len, encoded)]),
            rows=rows,
            vectors=vectors,
            output=np.ascontiguousarray(output),
            children=_tree(counts[words:]),
            shortest=shortest,
            longest=longest,
            end=names.index(END),
        ),
    )


class _Reader:
    """Reads a file from its beginning."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def numbers(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(layout, self._content, self._at)
        self._at += struct.calcsize(layout)
        return found

    def text(self) -> str:
        end = self._content.index(b"\0", self._at)
        begin, self._at = self._at, end + 1
        return self._content[begin:end].decode()

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self._content, kind, count, self._at)
        self._at += found.nbytes
        return found

    def quantised(self) -> np.ndarray:
        """The rows of a quantised matrix as they are added up, float32."""
        (by_norm,) = self.numbers("<?")
        rows, _, size = self.numbers("<qqi")
        codes = self.array("u1", size).reshape(rows, -1)
        vectors = self._centroids(codes)
        if by_norm:
            vectors = vectors * self._centroids(self.array("u1", rows).reshape(rows, 1))
        return np.ascontiguousarray(vectors)

    def _centroids(self, codes: np.ndarray) -> np.ndarray:
        dimensions, parts, width, last = self.numbers("<4i")
        centroids = self.array("<f4", dimensions * 256)
        sizes = [width] * (parts - 1) + [last]
        columns = [
            centroids[part * 256 * width :][: 256 * size].reshape(256, size)[codes[:, part]]
            for part, size in enumerate(sizes)
        ]
        return np.hstack(columns)


def _hash(word: bytes) -> int:
    """32-bit FNV-1a as fastText has it: bytes are signed."""
    value = FNV_OFFSET
    for byte in word:
        value = (value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * FNV_PRIME & 0xFFFFFFFF
    return value


def _slots(hashes: np.ndarray) -> np.ndarray:
    slots = np.full(1 << (4 * len(hashes)).bit_length(), EMPTY, np.int32)
    for word, value in enumerate(hashes.tolist()):
        at = value & len(slots) - 1
        while slots[at] != EMPTY:
            at = at + 1 & len(slots) - 1
        slots[at] = word
    return slots


def _tree(counts: list[int]) -> np.ndarray:
    """Children of the inner nodes of the Huffman tree over labels, which stand from the most to the least frequent."""
    leaves = len(counts)
    weights = [*counts, *([10**15] * (leaves - 1))]
    children = np.empty((leaves - 1, 2), np.int64)
    leaf, node = leaves - 1, leaves
    for inner in range(leaves - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[inner, side], leaf = leaf, leaf - 1
            else:
                children[inner, side], node = node, node + 1
        weights[leaves + inner] = weights[children[inner, 0]] + weights[children[inner, 1]]
    return children


@compiled
def _parts(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13 or byte == 0


@compiled
def _mixed(value, byte):  # type: ignore[no-untyped-def]
    signed = np.uint32(byte) | np.uint32(0xFFFFFF00) if byte >= 128 else np.uint32(byte)
    return np.uint32((value ^ signed) * np.uint32(FNV_PRIME))


@compiled
def _word(data, begin, end, tables):  # type: ignore[no-untyped-def]
    """Row of the word, `EMPTY` if it has none."""
    value = np.uint32(FNV_OFFSET)
    for at in range(begin, end):
        value = _mixed(value, data[at])
    mask = len(tables.slots) - 1
    slot = np.int64(value) & mask
    while tables.slots[slot] != EMPTY:
        word = tables.slots[slot]
        first, size = tables.ends[word], tables.ends[word + 1] - tables.ends[word]
        if tables.hashes[word] == value and size == end - begin:
            same = 0
            while same < size and tables.text[first + same] == data[begin + same]:
                same += 1
            if same == size:
                return word
        slot = (slot + 1) & mask
    return np.int32(EMPTY)


@compiled
def _added(row, tables, hidden):  # type: ignore[no-untyped-def]
    for one in range(len(hidden)):
        hidden[one] += tables.vectors[row, one]


@compiled
def _ngrams(word, size, tables, hidden):  # type: ignore[no-untyped-def]
    """Adds the n-grams of a word, which stands in `word` between < and >; how many there are."""
    count = 0
    buckets = np.uint32(len(tables.rows))
    for begin in range(size):
        if word[begin] & 0xC0 == 0x80:
            continue
        value, end, characters = np.uint32(FNV_OFFSET), begin, 1
        while end < size and characters <= tables.longest:
            value = _mixed(value, word[end])
            end += 1
            while end < size and word[end] & 0xC0 == 0x80:
                value = _mixed(value, word[end])
                end += 1
            if characters >= tables.shortest and not (characters == 1 and (begin == 0 or end == size)):
                row = tables.rows[value % buckets]
                if row != EMPTY:
                    _added(row, tables, hidden)
                    count += 1
            characters += 1
    return count


@compiled
def _is_label(data, begin, end, prefix):  # type: ignore[no-untyped-def]
    if end - begin < len(prefix):
        return False
    same = 0
    while same < len(prefix) and data[begin + same] == prefix[same]:
        same += 1
    return same == len(prefix)


@compiled
def _log(value):  # type: ignore[no-untyped-def]
    return np.float32(np.log(np.float64(value) + 1e-5))


@compiled
def _label(hidden, tables):  # type: ignore[no-untyped-def]
    """The most probable label and the logarithm of its probability; of equal ones the last on the way."""
    inner = len(tables.children)
    nodes, scores = np.empty(inner + 1, np.int64), np.empty(inner + 1, np.float32)
    nodes[0], scores[0], waiting = 2 * inner, np.float32(0), 1
    best, most = np.int64(0), _log(np.float32(0))
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if score < most:
            continue
        if node <= inner:
            best, most = node, score
            continue
        place = node - inner - 1
        sign = np.float32(0)
        for one in range(len(hidden)):
            sign += tables.output[place, one] * hidden[one]
        share = np.float32(1.0 / np.float64(np.float32(1) + math.exp(-sign)))
        # The left one first: it is what was put last.
        nodes[waiting], scores[waiting] = tables.children[place, 1], score + _log(share)
        waiting += 1
        nodes[waiting], scores[waiting] = (
            tables.children[place, 0],
            score + _log(np.float32(1.0 - np.float64(share))),
        )
        waiting += 1
    return best, most


_PREFIX = np.frombuffer(LABEL.encode(), np.uint8)


@compiled
def _read(data, offsets, tables, found, scores):  # type: ignore[no-untyped-def]
    hidden = np.empty(tables.vectors.shape[1], np.float32)
    longest = 0
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    word = np.empty(longest + 2, np.uint8)
    for text in range(len(offsets) - 1):
        hidden[:] = 0
        count, at, stop = 0, np.int64(offsets[text]), np.int64(offsets[text + 1])
        while at < stop:
            if _parts(data[at]):
                at += 1
                continue
            begin = at
            while at < stop and not _parts(data[at]):
                at += 1
            if _is_label(data, begin, at, _PREFIX):
                continue
            row = _word(data, begin, at, tables)
            if row != EMPTY:
                _added(row, tables, hidden)
                count += 1
                if row == tables.end:
                    # It ends the line wherever it stands.
                    break
            word[0], word[at - begin + 1] = 60, 62
            word[1 : at - begin + 1] = data[begin:at]
            count += _ngrams(word, at - begin + 2, tables, hidden)
        else:
            _added(tables.end, tables, hidden)
            count += 1
        scale = np.float32(1.0 / count)
        for one in range(len(hidden)):
            hidden[one] *= scale
        found[text], most = _label(hidden, tables)
        # Not NumPy's exponential of single precision, which rounds otherwise.
        scores[text] = math.exp(most)
