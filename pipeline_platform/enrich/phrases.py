"""Phrases of many texts at once: the candidates of `keywords.py`, and the best of them.

Importing this module loads Numba: do it where texts are read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as arrow
import pyarrow.compute as pc
from numba import njit

from pipeline_platform.enrich.words import SPACE, code_at, of_keywords
from pipeline_platform.enrich.words import keywords as words_of

compiled = njit(cache=True, nogil=True)

NONE = -1


@dataclass(frozen=True, eq=False)
class Phrases:
    """Phrases of texts, in the order of each.

    Attributes:
        words: the distinct words of phrases.
        ids: the position in `words` of each word of a phrase, those of all phrases one after the other.
        starts: where each phrase begins in `ids`, and the last ends.
        stops: where the phrases of each text end.
    """

    words: list[str]
    ids: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    def joined(self) -> arrow.Array:
        """Each phrase as a string, its words with a space between."""
        held = arrow.array(self.words, arrow.string()).take(arrow.array(self.ids))
        return pc.binary_join(arrow.ListArray.from_arrays(arrow.array(self.starts, arrow.int32()), held), " ")


def candidates(
    texts: arrow.Array, languages: Sequence[str], word_in: Callable[[str, str], tuple[str, bool]], longest: int
) -> Phrases:
    """The phrases of texts.

    Args:
        texts: strings in lower case.
        languages: of each text.
        word_in: of a word as it is written and a language, the word that a phrase has for it, empty for one that ends
            phrases; and whether a phrase ends before it.
        longest: words of the longest phrase.
    """
    found = words_of(texts)
    known = {language: number for number, language in enumerate(dict.fromkeys(languages))}
    language_of = np.array([known[one] for one in languages], np.int64)
    sizes = np.diff(found.stops, prepend=0)
    asked = np.zeros((len(known), len(found.distinct)), bool)
    asked[np.repeat(language_of, sizes), found.codes] = True
    written = found.distinct.to_pylist()
    ids = np.full(asked.shape, NONE, np.int32)
    breaks = np.zeros(asked.shape, bool)
    distinct: dict[str, int] = {}
    for language, number in known.items():
        for code in np.flatnonzero(asked[number]).tolist():
            word, breaks[number, code] = word_in(written[code], language)
            if word:
                ids[number, code] = distinct.setdefault(word, len(distinct))
    words, starts = np.empty(len(found.codes), np.int32), np.empty(len(found.codes) + 1, np.int64)
    stops = np.empty(len(texts), np.int64)
    count = _phrases(
        found.data,
        of_keywords(),
        found.begins,
        found.ends,
        found.stops,
        found.codes,
        language_of,
        ids,
        breaks,
        longest,
        words,
        starts,
        stops,
    )
    return Phrases(list(distinct), words[: starts[count]], starts[: count + 1], stops)


def best(found: Phrases, rarities: np.ndarray, by_degree: np.ndarray, limit: int) -> Phrases:
    """The distinct phrases that weigh most in each text, best first; of equal ones the earlier.

    Args:
        found: phrases of texts.
        rarities: of each of its words.
        by_degree: for each text whether a word weighs, as in RAKE, the words it stands together with over its
            frequency, and a phrase the sum of that. Else a phrase weighs the TF-IDF of its words, over the root of
            their number.
        limit: how many are wanted of a text.
    """
    count = len(found.words)
    picked = np.empty((len(found.stops), limit), np.int64)
    numbers = np.empty(len(found.stops), np.int64)
    _best(
        found.ids,
        found.starts,
        found.stops,
        rarities,
        by_degree,
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        picked,
        numbers,
    )
    return taken(found, picked[np.arange(limit) < numbers[:, None]], np.cumsum(numbers))


def taken(found: Phrases, which: np.ndarray, stops: np.ndarray) -> Phrases:
    """Some of the phrases, in any order; `stops` is where those of each text end."""
    sizes = found.starts[which + 1] - found.starts[which]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    places = np.arange(starts[-1]) + np.repeat(found.starts[which] - starts[:-1], sizes)
    return Phrases(found.words, found.ids[places], starts, stops)


@compiled
def _apart(data, kinds, begin, end):  # type: ignore[no-untyped-def]
    """Whether what stands between two words parts them: anything but white space, or a line break."""
    while begin < end:
        code, size = code_at(data, begin)
        if code == 10 or not kinds[code] & SPACE:
            return True
        begin += size
    return False


@compiled
def _phrases(  # type: ignore[no-untyped-def]
    data, kinds, begins, ends, text_stops, codes, language_of, ids, breaks, longest, words, starts, stops
):
    phrases, size, filled, first = 0, 0, 0, 0
    starts[0] = 0
    for text in range(len(text_stops)):
        language = language_of[text]
        for word in range(first, text_stops[text] + 1):
            # A turn more than there are words ends the last phrase.
            last = word == text_stops[text]
            if size and (
                last
                or breaks[language, codes[word]]
                or ids[language, codes[word]] == NONE
                or _apart(data, kinds, ends[word - 1], begins[word])
            ):
                if size <= longest:
                    phrases += 1
                    starts[phrases] = filled
                else:
                    filled -= size
                size = 0
            if not last and ids[language, codes[word]] != NONE:
                words[filled] = ids[language, codes[word]]
                filled += 1
                size += 1
        first = text_stops[text]
        stops[text] = phrases
    return phrases


@compiled
def _same(ids, starts, one, other):  # type: ignore[no-untyped-def]
    size, same = starts[one + 1] - starts[one], 0
    if starts[other + 1] - starts[other] != size:
        return False
    while same < size and ids[starts[one] + same] == ids[starts[other] + same]:
        same += 1
    return same == size


@compiled
def _weight(ids, begin, end, rarities, often, degree, by_degree):  # type: ignore[no-untyped-def]
    weight = 0.0
    for place in range(begin, end):
        word = ids[place]
        weight += degree[word] / often[word] if by_degree else often[word] * rarities[word]
    return weight if by_degree else weight / np.sqrt(end - begin)


@compiled
def _place(ids, starts, phrase, weight, picked, weights, held):  # type: ignore[no-untyped-def]
    """Where a phrase belongs among those that are held, behind those that weigh as much; -1 if it is one of them."""
    at = held
    for place in range(held):
        if _same(ids, starts, picked[place], phrase):
            return NONE
        if at == held and weights[place] < weight:
            at = place
    return at


@compiled
def _best(ids, starts, stops, rarities, by_degree, often, degree, picked, numbers):  # type: ignore[no-untyped-def]
    limit = picked.shape[1]
    weights = np.empty(limit, np.float64)
    first = 0
    for text in range(len(stops)):
        for phrase in range(first, stops[text]):
            for place in range(starts[phrase], starts[phrase + 1]):
                often[ids[place]] += 1
                degree[ids[place]] += starts[phrase + 1] - starts[phrase]
        held = 0
        for phrase in range(first, stops[text]):
            weight = _weight(ids, starts[phrase], starts[phrase + 1], rarities, often, degree, by_degree[text])
            at = _place(ids, starts, phrase, weight, picked[text], weights, held)
            if at in (NONE, limit):
                continue
            held = min(held + 1, limit)
            for place in range(held - 1, at, -1):
                picked[text, place], weights[place] = picked[text, place - 1], weights[place - 1]
            picked[text, at], weights[at] = phrase, weight
        numbers[text] = held
        for place in range(starts[first], starts[stops[text]]):
            often[ids[place]], degree[ids[place]] = 0, 0
        first = stops[text]
