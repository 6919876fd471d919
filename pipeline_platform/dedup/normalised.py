"""Normalised contents of many documents at once: what `normalised_content` gives, by a kernel where a text is plain.

Texts in ASCII without a web address, the most of them, need only lower case and collapsed white space. Python does the
others, one by one. Importing this module loads Numba.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as arrow
from numba import njit

from pipeline_platform.clean.content import normalised_content
from pipeline_platform.dedup.minhash import Bytes, Offsets, in_parts, utf8

_WWW = int.from_bytes(b"www.")
_SCHEME = int.from_bytes(b"://")
_OTHER = -1
"""Length of a text that is not plain."""

Lengths = npt.NDArray[np.int64]


def normalised_contents(
    titles: arrow.Array | arrow.ChunkedArray, texts: arrow.Array | arrow.ChunkedArray
) -> arrow.Array:
    """`normalised_content` of every title with its text, as large strings."""
    (title, title_at), (text, text_at) = utf8(titles), utf8(texts)
    rows = len(titles)
    room = np.zeros(rows + 1, np.int64)
    np.cumsum(np.diff(title_at) + np.diff(text_at) + 1, out=room[1:])
    scratch = np.empty(room[-1], np.uint8)
    lengths = np.empty(rows, np.int64)
    in_parts(
        rows,
        lambda first, last: _normalise(title, title_at, text, text_at, first, last, room, scratch, lengths),
    )
    others = np.flatnonzero(lengths == _OTHER)
    where = arrow.array(others)
    words = zip(titles.take(where).to_pylist(), texts.take(where).to_pylist(), strict=True)
    other, other_at = utf8(arrow.array([normalised_content(*both) for both in words], arrow.large_string()))
    lengths[others] = np.diff(other_at)
    places = np.full(rows, _OTHER, np.int64)
    places[others] = np.arange(len(others))
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    data = np.empty(offsets[-1], np.uint8)
    in_parts(
        rows,
        lambda first, last: _gather(scratch, room, other, other_at, places, first, last, offsets, data),
    )
    return arrow.LargeStringArray.from_buffers(rows, arrow.py_buffer(offsets), arrow.py_buffer(data))


@njit(nogil=True, cache=True)
def _is_space(byte: int) -> bool:
    """White space of ASCII as `str.split` has it."""
    return byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31


@njit(nogil=True, cache=True)
def _names_address(data: Bytes, start: int, end: int) -> bool:
    """Whether the last bytes are those by which an address is found."""
    tail = 0
    for at in range(max(start, end - 4), end):
        tail = tail << 8 | int(data[at])
    return tail == _WWW or tail & 0xFFFFFF == _SCHEME


@njit(nogil=True, cache=True)
def _append(data: Bytes, first: int, last: int, start: int, end: int, out: Bytes) -> int:
    """Add the words of `data[first:last]` to those of `out[start:end]`; the new end, or `_OTHER`."""
    in_word = False
    for at in range(first, last):
        byte = data[at]
        if byte >= 128:
            return _OTHER
        if byte == 0:
            continue
        if _is_space(byte):
            in_word = False
            continue
        if not in_word and end > start:
            out[end] = 32
            end += 1
        in_word = True
        out[end] = byte + 32 if 65 <= byte <= 90 else byte
        end += 1
        if _names_address(out, start, end):
            return _OTHER
    return end


@njit(nogil=True, cache=True)
def _normalise(
    title: Bytes,
    title_at: Offsets,
    text: Bytes,
    text_at: Offsets,
    first: int,
    last: int,
    room: Offsets,
    scratch: Bytes,
    lengths: Lengths,
) -> None:
    for row in range(first, last):
        start = room[row]
        end = _append(title, title_at[row], title_at[row + 1], start, start, scratch)
        if end != _OTHER:
            end = _append(text, text_at[row], text_at[row + 1], start, end, scratch)
        lengths[row] = _OTHER if end == _OTHER else end - start


@njit(nogil=True, cache=True)
def _gather(
    scratch: Bytes,
    room: Offsets,
    other: Bytes,
    other_at: Offsets,
    places: Lengths,
    first: int,
    last: int,
    offsets: Offsets,
    data: Bytes,
) -> None:
    for row in range(first, last):
        length = offsets[row + 1] - offsets[row]
        place = places[row]
        if place == _OTHER:
            data[offsets[row] : offsets[row + 1]] = scratch[room[row] : room[row] + length]
        else:
            data[offsets[row] : offsets[row + 1]] = other[other_at[place] : other_at[place] + length]
