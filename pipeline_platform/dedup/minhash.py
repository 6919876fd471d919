"""MinHash of texts: 25 keys per text, of which two similar texts share one with a probability that their Jaccard tells.

The shingles of a text are its runs of five bytes in UTF-8, so languages without spaces are no special case. One hash
of each shingle gives 125 minima at once (one-permutation hashing, Li, Owen and Zhang 2012): its upper half chooses the
bin, its lower half competes for the minimum of the bin. Empty bins of short texts borrow the minimum of another bin,
chosen by a sequence that is the same for every text (optimal densification, Shrivastava 2017), so a bin of two texts
agrees with a probability of their Jaccard similarity J still. Five minima each make the key of a band; two texts share
at least one of the 25 keys with probability 1 - (1 - J^5)^25: 0.99995 at J = 0.8, 0.06 at J = 0.3.

Importing this module loads Numba, so it is imported where it is used. Kernels release the GIL and run in plain threads:
Numba's own thread pools must not be entered from two threads at once.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as arrow
from numba import njit

SHINGLE = 5
BANDS = 25
ROWS = 5
"""Minima in the key of a band."""

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint32]
"""Band keys, of shape (`BANDS`, texts)."""

SHINGLE_BITS = np.uint64(2 ** (8 * SHINGLE) - 1)
_MINIMA = np.uint64(BANDS * ROWS)
_EMPTY = np.uint32(2**32 - 1)
_HALF = np.uint64(32)
_BYTE = np.uint64(8)
_PRIME = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_SHIFT = np.uint64(33)
_MIX_ONE = np.uint64(0xFF51AFD7ED558CCD)
_MIX_TWO = np.uint64(0xC4CEB9FE1A85EC53)
_CHUNK = 8192


def utf8(texts: arrow.Array | arrow.ChunkedArray) -> tuple[Bytes, Offsets]:
    """The bytes of all `texts` one after the other, and where each begins; nulls are empty.

    Returns:
        The bytes, and one offset more than there are texts.
    """
    whole = texts.cast(arrow.large_string()).fill_null("")
    if isinstance(whole, arrow.ChunkedArray):
        whole = whole.combine_chunks()
    _, starts, data = whole.buffers()
    if not len(whole):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    offsets = np.frombuffer(starts, np.int64)[whole.offset : whole.offset + len(whole) + 1]
    return (np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)), offsets


def band_keys(texts: arrow.Array | arrow.ChunkedArray, *, seed: int = 0) -> Keys:
    """Band keys of every text.

    Args:
        texts: strings; a text of fewer than five bytes counts as one shingle.
        seed: another one gives an independent search; only keys of one seed can be compared.

    Returns:
        Keys of shape (`BANDS`, texts). A text has the same ones in whatever company.
    """
    data, offsets = utf8(texts)
    keys = np.empty((BANDS, len(offsets) - 1), np.uint32)
    in_parts(len(offsets) - 1, lambda first, last: _fill(data, offsets, first, last, np.uint64(seed), keys))
    return keys


def in_parts(rows: int, work: Callable[[int, int], Any], *, size: int = _CHUNK) -> None:
    """Call `work(first, last)` for spans of at most `size` that make up `rows`, on all cores."""
    starts = range(0, rows, size)
    if len(starts) <= 1:
        work(0, rows)
        return
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for done in [threads.submit(work, first, min(first + size, rows)) for first in starts]:
            done.result()


@njit(nogil=True, cache=True)
def mix(value: np.uint64) -> np.uint64:
    """The finaliser of MurmurHash3: every bit of the input changes half of the output."""
    value ^= value >> _MIX_SHIFT
    value *= _MIX_ONE
    value ^= value >> _MIX_SHIFT
    value *= _MIX_TWO
    return value ^ (value >> _MIX_SHIFT)


@njit(nogil=True, cache=True)
def _lower(minima: npt.NDArray[np.uint32], shingle: np.uint64) -> None:
    hashed = mix(shingle)
    at = ((hashed >> _HALF) * _MINIMA) >> _HALF
    value = min(np.uint32(hashed & np.uint64(_EMPTY)), np.uint32(_EMPTY - np.uint32(1)))
    if value < minima[at]:
        minima[at] = value


@njit(nogil=True, cache=True)
def _densified(minima: npt.NDArray[np.uint32], at: int) -> np.uint32:
    """The minimum of bin `at`, or of the first bin that is not empty in the sequence of `at`."""
    value = minima[at]
    place = np.uint64(at)
    while value == _EMPTY:
        place = mix(place + _GOLDEN)
        value = minima[((place >> _HALF) * _MINIMA) >> _HALF]
    return value


@njit(nogil=True, cache=True)
def _fill(data: Bytes, offsets: Offsets, first: int, last: int, seed: np.uint64, keys: Keys) -> None:
    """The keys of the texts `first` to `last`, the last not included."""
    minima = np.empty(BANDS * ROWS, np.uint32)
    salt = mix(seed + _GOLDEN)
    for row in range(first, last):
        minima[:] = _EMPTY
        shingle = np.uint64(0)
        start, end = offsets[row], offsets[row + 1]
        for at in range(start, end):
            shingle = ((shingle << _BYTE) | np.uint64(data[at])) & SHINGLE_BITS
            if at - start >= SHINGLE - 1:
                _lower(minima, shingle ^ salt)
        if end - start < SHINGLE:
            _lower(minima, shingle ^ salt)
        for band in range(BANDS):
            key = np.uint64(band)
            for at in range(band * ROWS, (band + 1) * ROWS):
                key = (key ^ np.uint64(_densified(minima, at))) * _PRIME
            keys[band, row] = np.uint32(mix(key) >> _HALF)
