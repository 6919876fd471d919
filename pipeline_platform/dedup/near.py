"""Near copies among contents: candidates that share a band key, verified by the Jaccard similarity of their shingles.

Contents are numbered by precedence, the earliest first, and are distinct: whoever has 10,000 copies of one collapses
them before. Only contents that are asked for are compared, each with all contents before it, so that a day costs what
is new on that day and a pass over the keys of the days before.

A bucket, the contents of one band key, offers only its `FIRST` earliest ones. A template that is filled in 10,000 ways
makes thousands of rows share a bucket, yet what they are copies of comes first in it. Of all that a content meets so
it is compared with the `MOST` that share the most keys, which are the likeliest to be similar.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np
import numpy.typing as npt
import pyarrow as arrow
from numba import njit

from pipeline_platform.dedup.clusters import Positions
from pipeline_platform.dedup.minhash import BANDS, SHINGLE, SHINGLE_BITS, Bytes, Keys, Offsets, in_parts, mix, utf8

SIMILAR = 0.8
"""Jaccard similarity from which two contents are near copies."""
TELLING = 20
"""Characters of content below which similarity says little."""
FIRST = 8
"""Contents of a bucket that later ones are compared with."""
MOST = 64
"""Earlier contents that one content is compared with."""

_DIFFERENT = TELLING - SHINGLE + 1
"""Different shingles a content must have: as many as 20 letters give, so laughter and rows of emoji say nothing."""
_ROWS_AT_ONCE = 2**17
"""Bounds the memory of candidates: 0.2 GB if every bucket is full."""
_PAIRS_AT_ONCE = 2**20
_PART = 256
_BYTE = np.uint64(8)
_UPPER = np.uint64(32)
_NOBODY = np.int32(-1)

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Pairs of contents: `left` comes before `right`; `similarity` is their Jaccard, 0.8 to 1."""

    left: Positions
    right: Positions
    similarity: npt.NDArray[np.float64]


def near_copies(keys: Keys, asked: Flags, contents: Callable[[Positions], arrow.Array]) -> Pairs:
    """The original of every content of `asked` that is a near copy, and of those originals' own candidates.

    A content is a near copy if one before it, that is not itself a near copy, is similar by at least `SIMILAR`; of
    several the most similar one is the original, then the earliest. So what is called a copy was compared with what it
    is called a copy of: similarity does not add up along a chain of small changes.

    Args:
        keys: band keys of the contents in order of precedence, of shape (bands, contents).
        asked: which contents to find the originals of.
        contents: gives the normalised contents of some positions, in ascending order, as strings.

    Returns:
        Pairs of original and copy; every copy stands once.
    """
    found = []
    known, wanted = asked.copy(), asked
    # Whether a content is an original depends on what is before it, so what was found is asked for in turn.
    while wanted.any():
        found.append(_verified(*candidates(keys, wanted), contents))
        earlier = np.zeros(len(asked), bool)
        earlier[found[-1].left] = True
        wanted = earlier & ~known
        known |= wanted
    if not found:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    left, right, similarity = (
        np.concatenate([getattr(pairs, name) for pairs in found]) for name in ("left", "right", "similarity")
    )
    order = np.lexsort((left, -similarity, right))
    kept = order[_to_originals(left[order], right[order], len(asked))]
    return Pairs(left[kept], right[kept], similarity[kept])


def candidates(keys: Keys, wanted: Flags) -> tuple[Positions, Positions]:
    """Pairs of a content and a wanted later one with a band key in common, each pair once, at most `MOST` a later one.

    Returns:
        Lefts and rights, ordered by right, then left.
    """
    rows = np.flatnonzero(wanted)
    lefts, rights = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    with ThreadPoolExecutor(cpu_count()) as threads:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[start : start + _ROWS_AT_ONCE]
            met = threads.map(lambda band, block=block: _bucket_pairs(keys[band], block), range(BANDS))
            left, right = _likeliest(np.concatenate(list(met)))
            lefts.append(left)
            rights.append(right)
    return np.concatenate(lefts), np.concatenate(rights)


def _likeliest(met: npt.NDArray[np.uint64]) -> tuple[Positions, Positions]:
    """Of pairs (right * 2^32 + left), one for every key in common, the `MOST` with the most keys of every right."""
    pairs, shared = np.unique(met, return_counts=True)
    right = (pairs >> _UPPER).astype(np.int64)
    starts = np.flatnonzero(np.diff(right, prepend=-1))
    if len(starts) and np.diff(starts, append=len(right)).max() > MOST:
        best = np.lexsort((pairs, -shared, right))
        rank = np.arange(len(right)) - np.repeat(starts, np.diff(starts, append=len(right)))
        kept = np.sort(best[rank < MOST])
        pairs, right = pairs[kept], right[kept]
    return (pairs & np.uint64(2**32 - 1)).astype(np.int64), right


def jaccard(texts: arrow.Array | arrow.ChunkedArray, left: Positions, right: Positions) -> npt.NDArray[np.float64]:
    """Jaccard similarity of the sets of shingles of each pair of `texts`.

    Returns:
        `SIMILAR` to 1, or something lower, often 0, for pairs that are less similar than that; 0 where either text has
        less than 16 different shingles.
    """
    data, offsets = utf8(texts)
    counts = np.empty(len(texts), np.int64)
    in_parts(len(texts), lambda first, last: _count(data, offsets, first, last, counts), size=_PART)
    similarity = np.empty(len(left))
    in_parts(
        len(left),
        lambda first, last: _compare(data, offsets, counts, left, right, first, last, similarity),
        size=_PART,
    )
    return similarity


def _verified(left: Positions, right: Positions, contents: Callable[[Positions], arrow.Array]) -> Pairs:
    """The pairs that are similar enough. Pairs are taken in portions, since each brings its contents into memory."""
    similarity = np.empty(len(left))
    for first in range(0, len(left), _PAIRS_AT_ONCE):
        span = slice(first, first + _PAIRS_AT_ONCE)
        needed, places = np.unique(np.concatenate([left[span], right[span]]), return_inverse=True)
        lefts, rights = np.split(places.astype(np.int64), 2)
        similarity[span] = jaccard(contents(needed), lefts, rights)
    kept = similarity >= SIMILAR
    return Pairs(left[kept], right[kept], similarity[kept])


@njit(nogil=True, cache=True)
def _bucket_pairs(keys: npt.NDArray[np.uint32], wanted: Positions) -> npt.NDArray[np.uint64]:
    """Pairs of one band, right * 2^32 + left: every wanted row with the `FIRST` earliest of its bucket before it.

    The keys of wanted rows stand in a table with open addressing; all rows up to the last wanted one then walk past it
    in order, so a row that is not wanted costs a look at a table that is small.
    """
    size = _room(len(wanted))
    shown = np.zeros(size, np.uint32)
    head = np.full(size, _NOBODY, np.int32)
    tail = np.full(size, _NOBODY, np.int32)
    held = np.full(size, _NOBODY, np.int32)
    for row in wanted:
        at = _place(keys[row], shown, held)
        shown[at] = keys[row]
        held[at] = 0
    follows = np.full(len(keys), _NOBODY, np.int32)
    pairs = np.empty(1024, np.uint64)
    count, turn = 0, 0
    for row in range(wanted[-1] + 1):
        asked = row == wanted[turn]
        turn += asked
        at = _place(keys[row], shown, held)
        if held[at] == _NOBODY:
            continue
        if asked:
            other = head[at]
            if count + FIRST > len(pairs):
                pairs = np.concatenate((pairs, np.empty_like(pairs)))
            while other != _NOBODY:
                pairs[count] = (np.uint64(row) << _UPPER) | np.uint64(other)
                count += 1
                other = follows[other]
        if held[at] < FIRST:
            if head[at] == _NOBODY:
                head[at] = row
            else:
                follows[tail[at]] = row
            tail[at] = row
            held[at] += 1
    return pairs[:count].copy()


@njit(nogil=True, cache=True)
def _place(key: np.uint32, shown: npt.NDArray[np.uint32], held: npt.NDArray[np.int32]) -> np.uint32:
    """Where a table holds `key`, or the free place where it would."""
    mask = np.uint32(len(shown) - 1)
    at = key & mask
    while held[at] != _NOBODY and shown[at] != key:
        at = (at + np.uint32(1)) & mask
    return at


@njit(nogil=True, cache=True)
def _count(data: Bytes, offsets: Offsets, first: int, last: int, counts: Positions) -> None:
    """Fill in how many different shingles the texts `first` to `last` have."""
    table, seen = np.empty(0, np.uint64), np.empty(0, np.int32)
    for row in range(first, last):
        size = _room(offsets[row + 1] - offsets[row])
        if size > len(table):
            table, seen = np.empty(size, np.uint64), np.empty(size, np.int32)
        counts[row] = _enter(data, offsets[row], offsets[row + 1], table[:size], seen[:size])


@njit(nogil=True, cache=True)
def _compare(
    data: Bytes,
    offsets: Offsets,
    counts: Positions,
    left: Positions,
    right: Positions,
    first: int,
    last: int,
    similarity: npt.NDArray[np.float64],
) -> None:
    """Fill `similarity` of the pairs `first` to `last`; pairs of one right text next to each other share its table."""
    table, seen = np.empty(0, np.uint64), np.empty(0, np.int32)
    entered, size, turn = np.int64(-1), 0, np.int32(1)
    for pair in range(first, last):
        mine, other = right[pair], left[pair]
        fewer, more = min(counts[mine], counts[other]), max(counts[mine], counts[other])
        similarity[pair] = 0.0
        if fewer < _DIFFERENT or fewer < SIMILAR * more:
            continue
        if mine != entered:
            entered, turn = mine, np.int32(1)
            size = _room(offsets[mine + 1] - offsets[mine])
            if size > len(table):
                table, seen = np.empty(size, np.uint64), np.empty(size, np.int32)
            _enter(data, offsets[mine], offsets[mine + 1], table[:size], seen[:size])
        turn += np.int32(1)
        common = _common(data, offsets[other], offsets[other + 1], table[:size], seen[:size], turn)
        similarity[pair] = common / (fewer + more - common)


@njit(nogil=True, cache=True)
def _room(length: int) -> int:
    """Places of a table with open addressing for the shingles of a text of so many bytes; a power of two."""
    size = 64
    while size < 2 * length:
        size *= 2
    return size


@njit(nogil=True, cache=True)
def _enter(data: Bytes, start: int, end: int, table: npt.NDArray[np.uint64], seen: npt.NDArray[np.int32]) -> int:
    """Make `table` hold the different shingles of a text, each seen in turn 1; how many there are."""
    seen[:] = 0
    mask = np.uint64(len(table) - 1)
    shingle = np.uint64(0)
    entered = 0
    for at in range(start, end):
        shingle = ((shingle << _BYTE) | np.uint64(data[at])) & SHINGLE_BITS
        if at - start < SHINGLE - 1:
            continue
        slot = mix(shingle) & mask
        while seen[slot] != 0 and table[slot] != shingle:
            slot = (slot + np.uint64(1)) & mask
        if seen[slot] == 0:
            table[slot] = shingle
            seen[slot] = 1
            entered += 1
    return entered


@njit(nogil=True, cache=True)
def _common(
    data: Bytes, start: int, end: int, table: npt.NDArray[np.uint64], seen: npt.NDArray[np.int32], turn: np.int32
) -> int:
    """How many different shingles of a text `table` holds; they are seen in `turn`."""
    mask = np.uint64(len(table) - 1)
    shingle = np.uint64(0)
    common = 0
    for at in range(start, end):
        shingle = ((shingle << _BYTE) | np.uint64(data[at])) & SHINGLE_BITS
        if at - start < SHINGLE - 1:
            continue
        slot = mix(shingle) & mask
        while seen[slot] != 0 and table[slot] != shingle:
            slot = (slot + np.uint64(1)) & mask
        if seen[slot] != 0 and seen[slot] != turn:
            seen[slot] = turn
            common += 1
    return common


@njit(cache=True)
def _to_originals(left: Positions, right: Positions, contents: int) -> Flags:
    """Of pairs by right, best first: the first one of each right whose left is no copy."""
    copy = np.zeros(contents, np.bool_)
    kept = np.zeros(len(left), np.bool_)
    for pair in range(len(left)):
        if not copy[right[pair]] and not copy[left[pair]]:
            kept[pair] = True
            copy[right[pair]] = True
    return kept
