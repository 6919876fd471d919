"""The same scores as the package `vaderSentiment`, to the last digit."""

import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import BOOSTER_DICT, NEGATE, SPECIAL_CASES, SentimentIntensityAnalyzer

from pipeline_platform.enrich import vader
from pipeline_platform.enrich.vader_kernel import NAMED
from pipeline_platform.enrich.vader_words import vocabulary

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
LINES_AT_LEAST = 80_000
LONGEST_LINE = 3_000


@cache
def analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def reference(texts: list[str]) -> np.ndarray:
    found = map(analyzer().polarity_scores, texts)
    return np.array([[one["compound"], one["pos"], one["neu"], one["neg"]] for one in found]).reshape(-1, 4)


def assert_same(texts: list[str]) -> None:
    ours, theirs = vader.scores(arrow.array(texts, arrow.string())), reference(texts)
    off = np.flatnonzero((ours != theirs).any(axis=1))
    assert not off.size, [(texts[at], ours[at].tolist(), theirs[at].tolist()) for at in off[:5]]


PHRASED = [word for phrase in SPECIAL_CASES for word in phrase.split()]
RULED = [*NAMED, *PHRASED, "just", "enough", "sort", "isn't", "ISN'T", "don’t", "n't", "kinda"]
EMOJI = sorted(one for one in analyzer().emojis if len(one) == 1)
UNUSUAL_SPACES = ["\x0b", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"]
SPACES = [" ", " ", " ", " ", "  ", "\n", "\t", "\r\n", "", *UNUSUAL_SPACES]
AROUND = ["", "", "", "", "!", "!!!", "?", "??", "????", ".", ",", "'", '"', "(", "...", "“", "…", "\ufe0f", "\u200d"]
CASES = [str, str, str, str.upper, str.title, str.swapcase]

words = st.one_of(
    st.sampled_from(RULED),
    st.sampled_from(RULED),
    st.sampled_from(sorted(analyzer().lexicon)),
    st.sampled_from(sorted(analyzer().lexicon)),
    st.sampled_from(sorted(BOOSTER_DICT)),
    st.sampled_from(sorted(NEGATE)),
    st.sampled_from(sorted(SPECIAL_CASES)),
    st.sampled_from(EMOJI),
    st.text(max_size=5),
)
written = st.tuples(
    st.sampled_from(AROUND), words, st.sampled_from(AROUND), st.sampled_from(SPACES), st.sampled_from(CASES)
).map(lambda one: one[0] + one[4](one[1]) + one[2] + one[3])
fuzzed = st.lists(written, max_size=14).map("".join)


@settings(deadline=None, max_examples=800)
@given(st.lists(fuzzed, min_size=1, max_size=8))
def test_texts_built_from_the_words_that_rules_know(texts):
    assert_same(texts)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(max_size=80), max_size=5))
def test_any_text(texts):
    assert_same(texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "\x00 good \x00",
        "VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!",
        "The plot was good, but the characters are uncompelling and the dialog is not great.",
        "good good but good good bad bad",
        "sort of a joke",
        "on the other hand, VADER is quite bad ass",
        "Without a doubt, an excellent idea.",
        "I have never been so this happy",
        "no good, no great or good, no NO no",
        "at least good, the least good, very least good, least good",
        "\U0001f601hello\U0001f600\U0001f600!!! love\u00a0it \U0001f199?",
        "K\u212anow bad \u0130 \u1e9e GRO\u1e9e good",
        "زي حبيبي 😍 مش good",
        "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324 bad good",
        "a" * 1_000_000,
        "😍" * 300,
        "good " * 3_000 + "but " + "bad " * 3_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_odd_texts(text):
    assert_same([text])


def test_every_white_space_parts_words_and_nothing_else_does():
    points = (chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    assert_same([f"good{one}bad" for one in points if one.isspace() or ord(one) < 0x3100])


def test_every_known_word_is_found():
    assert_same([case(word) for word in vocabulary().known for case in (str, str.upper)])


def test_slices_chunks_wide_strings_nulls_and_batches_change_nothing():
    texts = [f"{'not ' * (n % 3)}good {'😍' * (n % 2)}{'!' * (n % 7)}" for n in range(2 * vader.BATCH + 7)]
    expected = reference(texts)
    column = arrow.array(["cut off", *texts, "too"])[1:-1]
    assert (vader.scores(column) == expected).all()
    assert (vader.scores(column.cast(arrow.large_string())) == expected).all()
    assert (vader.scores(arrow.chunked_array([column[:5], column[5:]])) == expected).all()
    assert vader.scores(arrow.array([], arrow.string())).shape == (0, 4)
    assert vader.scores(arrow.array(["good", None], arrow.string())).tolist() == reference(["good", ""]).tolist()


def test_rounding_is_that_of_python():
    # Halves of the last digit, some of which no float can hold: scaled and rounded, they would go the other way.
    halves = np.array([[n / 10_000 + 0.00005, *[(n % 1_000) / 1_000 + 0.0005] * 3] for n in range(10_000)])
    expected = [[round(float(one), digits) for one, digits in zip(row, vader.DIGITS, strict=True)] for row in halves]
    assert vader.rounded(halves).tolist() == expected


def _lines() -> Iterator[str]:
    for path in sorted(CORPORA.rglob("*")):
        if path.suffix in (".txt", ".tsv", ".conll", ".xml"):
            yield from path.read_text(encoding="utf-8", errors="replace").split("\n")
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield from archive.read(name).decode("utf-8", "replace").split("\n")


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the labelled corpora are not on this machine")
def test_every_line_of_the_corpora():
    lines = list(dict.fromkeys(line[:LONGEST_LINE] for line in _lines()))
    assert len(lines) > LINES_AT_LEAST
    assert_same(lines)
