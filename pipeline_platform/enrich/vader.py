"""VADER (Hutto & Gilbert 2014), the same scores as the package `vaderSentiment` 3.3, computed column by column.

The reference walks through a text in Python and lowers every word again for each rule. Here the UTF-8 of an Arrow
column is read once by compiled code, which turns each word into a number (its id among the words that any rule knows,
and two bits for its spelling), and the rules compare numbers. Only words outside ASCII are read by Python, each
distinct one once. Importing this module loads Numba: do it where texts are scored.

The rules, by their names in `vaderSentiment.py`, and where they are in `vader_kernel.py` and `vader_words.py`:

- `polarity_scores`: emoji become their descriptions (`Vocabulary.codes`).
- `_strip_punc_if_word`: punctuation around a word is taken off, unless two characters or fewer would stay (`_code`).
- `sentiment_valence`: the lexicon gives a word -4 to 4; a "no" up to three words before turns it round (times -0.74);
  capitals in a text that is not all capitals add 0.733 (`_valence`).
- `scalar_inc_dec`: boosters and dampeners in the three words before add or take 0.293, less by distance: times 0.95,
  0.9 (`_boost`).
- `_negation_check`: a negation in the three words before turns it round; "never so", "never this" strengthen by 1.25,
  "without doubt" changes nothing (`_after_negation`).
- `_special_idioms_check`: some phrases have a value of their own (`_with_idioms`).
- `_least_check`: "least" turns it round, "at least" and "very least" do not (`_least_before`).
- `_but_check`: what precedes "but" counts half, what follows half more (`_contrast`).
- `score_valence`: `s` is the sum, plus 0.292 for each `!` up to four and 0.18 for each `?` of two or three (0.96 for
  more) away from zero; the compound score is `s / sqrt(s² + 15)`, to four digits (`score`).
"""

import numpy as np
import pyarrow as arrow

from pipeline_platform.enrich import vader_kernel as kernel
from pipeline_platform.enrich.vader_words import Vocabulary, vocabulary

BATCH = 16_384
"""Texts at a time, so that the numbers of their words need some ten megabytes."""

DIGITS = np.array([4, 3, 3, 3])
"""Decimal digits of compound score and shares."""


def scores(texts: arrow.Array | arrow.ChunkedArray) -> np.ndarray:
    """VADER's scores of texts.

    One thread is enough: 20,000 posts take 25 ms, and a second thread gained nothing that could be measured.

    Args:
        texts: strings of Arrow, of 32 or 64 bits; null counts as empty.

    Returns:
        (n, 4) float64: compound score in [-1, 1], positive, neutral and negative share; zeros for a text without words.
    """
    known = vocabulary()
    if isinstance(texts, arrow.ChunkedArray):
        texts = texts.combine_chunks()
    found = np.empty((len(texts), 4))
    for first in range(0, len(texts), BATCH):
        found[first : first + BATCH] = _batch(texts.slice(first, BATCH), known)
    return rounded(found)


def _batch(texts: arrow.Array, known: Vocabulary) -> np.ndarray:
    """Scores before rounding."""
    _, positions, content = texts.buffers()
    width = np.int64 if arrow.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(positions, width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(content or b"", np.uint8)
    ends, marks = np.empty(len(texts), np.int64), np.empty((len(texts), 2), np.int64)
    codes = np.empty((offsets[-1] - offsets[0] + len(texts)) // 2 + 1, np.int32)  # white space between any two
    foreign = np.empty((len(codes), 2), np.int64)
    strangers = kernel.read(data, offsets, known.words, codes, ends, marks, foreign)
    codes = codes[: ends[-1]]
    if strangers:
        codes = _told(data, foreign[:strangers], codes, ends, marks, known)
    found = np.empty((len(texts), 4))
    kernel.score(codes, ends, marks, known.words, np.empty(len(codes)), found)
    return found


def _told(
    data: np.ndarray,
    foreign: np.ndarray,
    codes: np.ndarray,
    ends: np.ndarray,
    marks: np.ndarray,
    known: Vocabulary,
) -> np.ndarray:
    """The codes with those of the words outside ASCII; `ends` and `marks` follow."""
    ids: dict[bytes, int] = {}
    which = np.array([ids.setdefault(data[start:end].tobytes(), len(ids)) for start, end in foreign.tolist()])
    told = [known.codes(token.decode()) for token in ids]
    at = np.flatnonzero(codes < 0)
    sizes = np.ones(len(codes), np.int64)
    sizes[at] = np.array([len(one[0]) for one in told])[which]
    result = np.repeat(codes, sizes)
    result[np.repeat(codes < 0, sizes)] = np.concatenate([told[one][0] for one in which]).astype(np.int32)
    text = np.searchsorted(ends, at, side="right")
    np.add.at(marks, text, np.array([one[1:] for one in told], np.int64)[which])
    ends[:] = np.concatenate([[0], np.cumsum(sizes)])[ends]
    return result


def rounded(found: np.ndarray) -> np.ndarray:
    """Rounded as `round` does: to the nearest decimal of the exact value, which scaling by a power of ten may miss.

    An integer over a power of ten is the float nearest to that decimal, so only values near half a digit need `round`.
    """
    scale = 10.0**DIGITS
    scaled = found * scale
    rounded = np.rint(scaled) / scale
    for row, column in zip(*np.nonzero(np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6), strict=True):
        rounded[row, column] = round(float(found[row, column]), int(DIGITS[column]))
    return rounded
