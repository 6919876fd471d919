"""Texts as hashed features: word 1- and 2-grams, character 2- to 5-grams of each word, and marks of style.

Numba kernels over the UTF-8 of an Arrow array; import this module only where it is used, since Numba takes half a
second. A feature is a bucket, the lower bits of an FNV-1a hash (Fowler, Noll & Vo) over code points that the finaliser
of MurmurHash3 (Appleby) mixes, so that every machine gives the same buckets. A bucket counts once in a text.

What is read as what:

- ASCII letters are lowered, typographic quotes made plain, a character counts at most three times in a row.
- A word is a run of letters, digits, `_` and inner apostrophes; digits count as 0. Every emoji is a token, and every
  run of punctuation. Addresses are one token whatever they are, mentions another.
- After a negation the next three words up to a punctuation mark count as negated too (Pang et al. 2002 went to the
  end of the sentence).
- Style: shouted words, stretched words, `!`, `?`, `…`, hashtags, mentions, addresses, emoji, quotes, length; each as
  one feature per number of them, up to four.
"""

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as arrow

from pipeline_platform.enrich.shared import once

SCHEME = 1
"""Version of what is described above. Weights fit the scheme they were trained with and no other."""

BUCKETS = 1 << 18

MAX_CHARACTERS = 2_000
"""Code points of a text that are read: the models learn from posts, and long texts say what they are at the start."""

BLOCKS = 3
"""Words, characters, style: each is scaled by the root of its number of buckets, so that long texts weigh no more."""

_MASK = np.uint64(BUCKETS - 1)
_BASIS = np.uint64(14695981039346656037)
_PRIME = np.uint64(1099511628211)
_WORD, _PAIR, _CHARACTERS, _NEGATED, _STYLE, _TAG = (np.uint64(kind) for kind in (1, 2, 3, 4, 5, 6))
_ADDRESS, _MENTION = np.uint32(0xE000), np.uint32(0xE001)
"""Private code points that stand for any address and any mention."""

_NEGATED_WORDS = 3
_MAX_BUCKETS = MAX_CHARACTERS * 9 + 64
"""No text has more: at most four character n-grams and a pad begin at a code point, and it ends at most one token."""

_MARKS = 11
"""Shouted, stretched, `!`, `?`, `…`, quotes, hashtags, emoji, addresses, mentions, length."""


@numba.njit(cache=True, nogil=True)
def _mixed(value, kind):  # type: ignore[no-untyped-def]
    value = (value ^ kind) * _PRIME
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    return value & _MASK


@numba.njit(cache=True, nogil=True)
def _is_letter(code):  # type: ignore[no-untyped-def]
    if code < 0x80:
        return (97 <= code <= 122) or (65 <= code <= 90) or (48 <= code <= 57) or code == 95
    if code < 0xC0 or code == 0xD7 or code == 0xF7:
        return code == 0xAA or code == 0xB5 or code == 0xBA
    if 0x2000 <= code < 0x2C00 or 0x3000 <= code < 0x3040 or 0xD800 <= code < 0xF900 or 0xFE00 <= code < 0xFE70:
        return False
    if 0xFF00 <= code < 0xFF10 or code == 0xFFFD or 0x1F000 <= code < 0x20000:
        return False
    return code < 0xE0000


@numba.njit(cache=True, nogil=True)
def _is_space(code):  # type: ignore[no-untyped-def]
    if code <= 32 or 0x7F <= code <= 0xA0:
        return True
    return 0x2000 <= code <= 0x200F or 0x2028 <= code <= 0x202F or code == 0x3000 or code == 0x1680


@numba.njit(cache=True, nogil=True)
def _is_emoji(code):  # type: ignore[no-untyped-def]
    return 0x2190 <= code < 0x2C00 or 0x1F000 <= code < 0x20000


@numba.njit(cache=True, nogil=True)
def _plain(code):  # type: ignore[no-untyped-def]
    if code == 0x2019 or code == 0x2018 or code == 0xB4 or code == 0x60:
        return np.uint32(39)
    if code == 0x201C or code == 0x201D:
        return np.uint32(34)
    return np.uint32(code)


@numba.njit(cache=True, nogil=True)
def _decode(data, start, stop, codes):  # type: ignore[no-untyped-def]
    """Code points of one text into `codes`; how many. Arrow strings are valid UTF-8."""
    count, position, repeated = 0, start, 0
    while position < stop and count < MAX_CHARACTERS:
        first = np.uint32(data[position])
        size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        code = first if size == 1 else first & np.uint32(0xFF >> (size + 1))
        for step in range(1, size):
            code = (code << np.uint32(6)) | (np.uint32(data[position + step]) & np.uint32(0x3F))
        position += size
        code = _plain(code)
        # Variation selectors, joiners and skin tones: the same emoji to a reader.
        if 0xFE00 <= code <= 0xFE0F or code == 0x200D or 0x1F3FB <= code <= 0x1F3FF:
            continue
        repeated = repeated + 1 if count > 0 and codes[count - 1] == code else 1
        if repeated <= 3:
            codes[count] = code
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _begins(codes, position, count, word):  # type: ignore[no-untyped-def]
    if position + len(word) > count:
        return False
    for step in range(len(word)):
        code = codes[position + step]
        if code != word[step] and code + 32 != word[step]:
            return False
    return True


_HTTP = np.array([ord(letter) for letter in "http"], dtype=np.uint32)
_WWW = np.array([ord(letter) for letter in "www."], dtype=np.uint32)


@numba.njit(cache=True, nogil=True)
def _word_end(codes, start, count):  # type: ignore[no-untyped-def]
    end = start + 1
    while end < count and (
        _is_letter(codes[end]) or (codes[end] == 39 and end + 1 < count and _is_letter(codes[end + 1]))
    ):
        end += 1
    return end


@numba.njit(cache=True, nogil=True)
def _punctuation_end(codes, start, count):  # type: ignore[no-untyped-def]
    end = start + 1
    while end < count:
        code = codes[end]
        if _is_letter(code) or _is_space(code) or _is_emoji(code) or code == 64 or code == 35:
            break
        end += 1
    return end


@numba.njit(cache=True, nogil=True)
def _token_end(codes, start, count):  # type: ignore[no-untyped-def]
    """End of the token that begins at `start`, and what it is: 0 word, 1 punctuation, 2 emoji, 3 address, 4 mention."""
    code = codes[start]
    if _begins(codes, start, count, _HTTP) or _begins(codes, start, count, _WWW):
        end = start
        while end < count and not _is_space(codes[end]):
            end += 1
        # "http" alone is how some corpora write an address; "https" and "httpd" are words.
        if end - start == 4 or end - start > 7:
            return end, 3
    if _is_letter(code):
        return _word_end(codes, start, count), 0
    if code == 64 and start + 1 < count and _is_letter(codes[start + 1]):
        return _word_end(codes, start + 1, count), 4
    if _is_emoji(code):
        return start + 1, 2
    return _punctuation_end(codes, start, count), 1


@numba.njit(cache=True, nogil=True)
def _lowered(codes, start, end):  # type: ignore[no-untyped-def]
    """Lowers a word in place; whether it was shouted, and whether it was stretched."""
    upper, lower, stretched = 0, 0, False
    for position in range(start, end):
        code = codes[position]
        if 65 <= code <= 90:
            codes[position] = code + np.uint32(32)
            upper += 1
        elif 97 <= code <= 122:
            lower += 1
        elif 48 <= code <= 57:
            codes[position] = np.uint32(48)
        if position >= start + 2 and 97 <= codes[position] <= 122:
            stretched |= codes[position] == codes[position - 1] and codes[position] == codes[position - 2]
    return upper >= 2 and lower == 0, stretched


@numba.njit(cache=True, nogil=True)
def _hash(codes, start, end):  # type: ignore[no-untyped-def]
    value = _BASIS
    for position in range(start, end):
        value = (value ^ np.uint64(codes[position])) * _PRIME
    return value


def _hash_of(word: str) -> int:
    value = int(_BASIS)
    for letter in word:
        value = (value ^ ord(letter)) * int(_PRIME) % 2**64
    return value


_NEGATIONS = np.sort(
    np.array(
        [
            _hash_of(word)
            for word in ("not", "no", "never", "none", "nothing", "nobody", "neither", "nor", "without", "cannot")
        ],
        dtype=np.uint64,
    )
)


@numba.njit(cache=True, nogil=True)
def _negates(codes, start, end, value):  # type: ignore[no-untyped-def]
    if end - start > 3 and codes[end - 1] == 116 and codes[end - 2] == 39 and codes[end - 3] == 110:
        return True
    place = np.searchsorted(_NEGATIONS, value)
    return place < len(_NEGATIONS) and _NEGATIONS[place] == value


@numba.njit(cache=True, nogil=True)
def _add(bucket, buckets, count, seen):  # type: ignore[no-untyped-def]
    place, bit = bucket >> np.uint64(6), np.uint64(1) << (bucket & np.uint64(63))
    if not seen[place] & bit:
        seen[place] |= bit
        buckets[count] = bucket
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _tokens(codes, count, bounds, marks):  # type: ignore[no-untyped-def]
    """Tokens of a text into `bounds` (start, end, what), counts of style into `marks`; how many tokens."""
    marks[:] = 0
    found, position = 0, 0
    while position < count:
        code = codes[position]
        if _is_space(code):
            position += 1
            continue
        end, what = _token_end(codes, position, count)
        if what == 0:
            shouted, stretched = _lowered(codes, position, end)
            marks[0] += shouted
            marks[1] += stretched
        elif what == 1:
            for inside in range(position, end):
                code = codes[inside]
                marks[2] += code == 33
                marks[3] += code == 63
                marks[4] += code == 0x2026 or (code == 46 and inside > position and codes[inside - 1] == 46)
                marks[5] += code == 34
                marks[6] += code == 35
        else:
            marks[5 + what] += 1
        bounds[found, 0], bounds[found, 1], bounds[found, 2] = position, end, what
        found += 1
        position = end
    marks[6] = min(marks[6], 4)
    return found


@numba.njit(cache=True, nogil=True)
def _word_buckets(codes, bounds, found, buckets, count, seen):  # type: ignore[no-untyped-def]
    previous, negated, tagged = _BASIS, 0, False
    for token in range(found):
        start, end, what = bounds[token]
        if what == 3:
            value = np.uint64(_ADDRESS)
        elif what == 4:
            value = np.uint64(_MENTION)
        else:
            value = _hash(codes, start, end)
        count = _add(_mixed(value, _WORD), buckets, count, seen)
        count = _add(_mixed(previous * _PRIME ^ value, _PAIR), buckets, count, seen)
        if what == 0:
            if negated > 0:
                count = _add(_mixed(value, _NEGATED), buckets, count, seen)
                negated -= 1
            if tagged:
                count = _add(_mixed(value, _TAG), buckets, count, seen)
            if _negates(codes, start, end, value):
                negated = _NEGATED_WORDS
        elif what == 1:
            negated = 0
        tagged = what == 1 and codes[end - 1] == 35
        previous = value
    return count


@numba.njit(cache=True, nogil=True)
def _character_buckets(codes, bounds, found, buckets, count, seen):  # type: ignore[no-untyped-def]
    for token in range(found):
        start, end, what = bounds[token]
        if what != 0:
            continue
        # A pad (code 0) before and after the word, so that beginnings and ends are features of their own.
        for first in range(start - 1, end):
            value = _BASIS
            for last in range(first, min(first + 5, end + 1)):
                code = np.uint64(0) if last < start or last == end else np.uint64(codes[last])
                value = (value ^ code) * _PRIME
                if last > first:
                    count = _add(_mixed(value, _CHARACTERS), buckets, count, seen)
    return count


@numba.njit(cache=True, nogil=True)
def _features(data, offsets, buckets, ends):  # type: ignore[no-untyped-def]
    """Distinct buckets of texts, block after block; `ends` takes where each block ends. How many there are."""
    codes = np.empty(MAX_CHARACTERS, dtype=np.uint32)
    bounds = np.empty((MAX_CHARACTERS, 3), dtype=np.int64)
    marks, own = np.empty(_MARKS, dtype=np.int64), np.empty(_MAX_BUCKETS, dtype=np.uint32)
    # A bit a bucket, which the nearest cache holds.
    seen = np.zeros(BUCKETS // 64, dtype=np.uint64)
    total = 0
    for row in range(len(offsets) - 1):
        length = _decode(data, offsets[row], offsets[row + 1], codes)
        found = _tokens(codes, length, bounds, marks)
        count = _word_buckets(codes, bounds, found, own, 0, seen)
        ends[row, 0] = total + count
        count = _character_buckets(codes, bounds, found, own, count, seen)
        ends[row, 1] = total + count
        if found > 0:
            marks[_MARKS - 1] = np.int64(np.log2(found))
            for mark in range(_MARKS):
                number = np.uint64(min(marks[mark], 4) if mark < _MARKS - 1 else marks[mark])
                count = _add(_mixed(np.uint64(mark) * np.uint64(16) + number, _STYLE), own, count, seen)
        for place in range(count):
            seen[own[place] >> 6] = 0
        buckets[total : total + count] = own[:count]
        total += count
        ends[row, 2] = total
    return total


@numba.njit(cache=True, nogil=True)
def _scores(buckets, ends, weights, scores):  # type: ignore[no-untyped-def]
    classes = weights.shape[1]
    total = np.empty(classes, dtype=np.float64)
    begin = np.int64(0)
    for row in range(len(ends)):
        for block in range(BLOCKS):
            end = ends[row, block]
            if end > begin:
                total[:] = 0
                for place in range(begin, end):
                    for one in range(classes):
                        total[one] += weights[buckets[place], one]
                for one in range(classes):
                    scores[row, one] += total[one] / np.sqrt(end - begin)
            begin = end


def _bytes(texts: arrow.Array) -> tuple[np.ndarray, np.ndarray]:
    """UTF-8 of all texts and where each begins and ends; null counts as empty."""
    held = texts.cast(arrow.large_string()).fill_null("")
    offsets = np.frombuffer(held.buffers()[1], dtype=np.int64)[held.offset : held.offset + len(held) + 1]
    data = held.buffers()[2]
    return np.frombuffer(data, dtype=np.uint8) if data and data.size else np.zeros(1, dtype=np.uint8), offsets


class Features(NamedTuple):
    """The features of texts.

    Attributes:
        buckets: uint32, those of all texts one after the other.
        ends: int64 (texts, BLOCKS), where each block of a text ends in `buckets`.
    """

    buckets: np.ndarray
    ends: np.ndarray


@once
def features(texts: arrow.Array) -> Features:
    """The features of each text of a string array; null counts as empty."""
    ends = np.empty((len(texts), BLOCKS), dtype=np.int64)
    data, offsets = _bytes(texts)
    most = np.minimum(np.diff(offsets) * 9 + 64, _MAX_BUCKETS).sum()
    buckets = np.empty(most, dtype=np.uint32)
    return Features(buckets[: _features(data, offsets, buckets, ends)], ends)


def scores(found: Features, weights: np.ndarray) -> np.ndarray:
    """Sums of weights of each text, blocks scaled.

    Args:
        found: features of texts.
        weights: (BUCKETS, classes), any numeric type.

    Returns:
        float64 (texts, classes), without a bias.
    """
    result = np.zeros((len(found.ends), weights.shape[1]))
    _scores(found.buckets, found.ends, weights, result)
    return result


def rows(texts: arrow.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The features of each text as the `(data, indices, indptr)` of a CSR matrix (texts, BUCKETS), to train with."""
    buckets, ends = features(texts)
    sizes = np.diff(ends.ravel(), prepend=0)
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes)
    return values, buckets.astype(np.int32), np.concatenate([[0], ends[:, -1]])
