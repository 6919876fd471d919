"""Near copies: what shares most of its shingles is found, what does not is left alone, whatever the text."""

import random
from itertools import combinations

import numpy as np
import pyarrow as arrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_platform.dedup.minhash import BANDS, band_keys
from pipeline_platform.dedup.near import MOST, SIMILAR, Pairs, candidates, jaccard, near_copies

SENTENCE = "The fair on the market square opens on Saturday morning at nine, says the mayor of the town."
WORDS = ["harbour", "market", "copper", "winter", "signal", "garden", "engine", "letter", "bridge", "silver", "morning"]


def shingles(text: str) -> set[bytes]:
    data = text.encode()
    return {data[at : at + 5] for at in range(len(data) - 4)}


def similarity(one: str, other: str) -> float:
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right) if min(len(left), len(right)) >= 16 else 0.0


def near(texts: list[str], asked: list[bool] | None = None) -> dict[int, tuple[int, float]]:
    """Copy to its original and their similarity."""
    array = arrow.array(texts, arrow.string())
    flags = np.ones(len(texts), bool) if asked is None else np.array(asked)
    pairs = near_copies(band_keys(array), flags, lambda positions: array.take(arrow.array(positions)))
    found = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist(), strict=True)
    return {right: (left, measured) for left, right, measured in found}


def test_a_changed_word_is_a_near_copy_and_the_similarity_is_that_of_the_shingles() -> None:
    changed = SENTENCE.replace("Saturday", "Sunday")
    assert near([SENTENCE, "Another matter altogether, and not a short one.", changed]) == {
        2: (0, pytest.approx(similarity(SENTENCE, changed)))
    }


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=3, max_size=9), max_size=12), st.data())
def test_originals_are_those_of_a_plain_search(drawn: list[list[str]], data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.sampled_from([" x", " more", " and quite a lot more of it"]), min_size=3, max_size=3))
    written = [" ".join(words) for words in drawn]
    texts = list(dict.fromkeys(written + [text + end for text, end in zip(written, ends, strict=False)]))
    expected: dict[int, tuple[int, float]] = {}
    for right in range(len(texts)):
        met = [(similarity(texts[left], texts[right]), -left) for left in range(right) if left not in expected]
        if met and (best := max(met))[0] >= SIMILAR:
            expected[right] = (-best[1], pytest.approx(best[0]))
    assert near(texts) == expected


def test_only_what_is_asked_for_is_compared_and_with_all_before_it() -> None:
    variants = [SENTENCE + f" {number}" for number in range(4)]
    assert near(variants, [False] * 4) == {}
    assert {copy: original for copy, (original, _) in near(variants, [False, False, True, False]).items()}[2] == 0


def test_a_chain_of_small_changes_does_not_lead_from_the_first_to_the_last() -> None:
    words = [f"{word}{number}" for number, word in enumerate(WORDS * 3)]
    chain = [" ".join(["once"] * step + words[step:]) for step in range(0, 20, 2)]
    originals = near(chain)
    assert 0 < len(originals) < len(chain) - 1
    for copy, (original, measured) in originals.items():
        assert original not in originals
        assert measured == pytest.approx(similarity(chain[original], chain[copy]))
        assert measured >= SIMILAR


def test_what_is_asked_for_has_the_same_original_in_whatever_company() -> None:
    rng = random.Random(7)
    texts = []
    for _ in range(60):
        words = rng.choices(WORDS, k=14)
        texts.append(" ".join(words))
        for _ in range(rng.randrange(3)):
            words[rng.randrange(14)] = rng.choice(WORDS)
            texts.append(" ".join(words))
    texts = list(dict.fromkeys(texts))
    together = near(texts)
    for row in range(len(texts)):
        alone = near(texts, [at == row for at in range(len(texts))])
        assert alone.get(row) == together.get(row)


@pytest.mark.parametrize(
    "texts",
    [
        ["", "", "a", "ab"],
        ["thanks a lot, all!", "thanks a lot, you!"],
        ["ha" * 30, "ha" * 40, "a" * 1_000_000, "a" * 999_999],
        ["😂" * 30, "😂" * 31, "😀😂" * 20, "😀😂" * 21],
        [" \x00\x01\u202e" * 9, "\x00\x01\u202e" * 9],
    ],
)
def test_what_says_little_is_no_near_copy(texts: list[str]) -> None:
    assert near(texts) == {}


def test_languages_without_spaces() -> None:
    text = "市場は土曜日の朝九時に開くと市長が述べた。入場は無料で、雨の場合は日曜日に延期される。"
    assert set(
        near(
            [
                text,
                text.replace("九時", "十時"),
                "今日は天気がよいので散歩に行きました。犬も一緒です。とても楽しかったです。",
            ]
        )
    ) == {1}


def test_long_texts() -> None:
    rng = random.Random(3)
    long = " ".join("".join(rng.choices("abcdefghijklmnop", k=8)) for _ in range(12_000))
    assert len(long) > 100_000
    other = " ".join("".join(rng.choices("abcdefghijklmnop", k=8)) for _ in range(12_000))
    assert near([long, other, long[5_000:]]) == {2: (0, pytest.approx(similarity(long, long[5_000:])))}


def test_thousands_of_variants_of_one_text_are_copies_of_the_first_and_cost_little() -> None:
    texts = [f"{SENTENCE} It costs {number} at the door." for number in range(10_000)]
    keys = band_keys(arrow.array(texts))
    left, _ = candidates(keys, np.ones(len(texts), bool))
    assert len(left) <= MOST * len(texts)
    originals = near(texts)
    assert len(originals) == len(texts) - 1
    assert {original for original, _ in originals.values()} == {0}


def test_nearly_all_similar_pairs_share_a_key() -> None:
    rng = random.Random(5)
    pairs = []
    while len(pairs) < 2_000:
        one = " ".join(rng.choices(WORDS, k=rng.randint(3, 25)))
        at = rng.randrange(len(one) - 1)
        other = one[:at] + rng.choice(["", "x", "y z", "no"]) + one[at + rng.randrange(3) :]
        if 0.8 <= similarity(one, other) < 0.9:
            pairs.append((one, other))
    ones, others = (band_keys(arrow.array(column)) for column in zip(*pairs, strict=True))
    assert (ones == others).any(axis=0).mean() >= 0.999


@given(st.lists(st.text(max_size=40) | st.none(), max_size=8), st.integers(0, 3))
def test_keys_do_not_depend_on_company_chunks_or_slices(texts: list[str | None], cut: int) -> None:
    whole = band_keys(arrow.array(texts, arrow.string()))
    assert whole.shape == (BANDS, len(texts))
    sliced = arrow.array([*["before"] * cut, *texts], arrow.string())[cut:]
    np.testing.assert_array_equal(band_keys(sliced), whole)
    chunks = arrow.chunked_array([texts[:cut], texts[cut:]], arrow.string())
    np.testing.assert_array_equal(band_keys(chunks), whole)
    for column, text in enumerate(texts):
        np.testing.assert_array_equal(band_keys(arrow.array([text], arrow.string()))[:, 0], whole[:, column])
    np.testing.assert_array_equal(band_keys(arrow.array([text or "" for text in texts], arrow.string())), whole)


def test_another_seed_searches_independently() -> None:
    texts = arrow.array([SENTENCE, SENTENCE + " Really."])
    assert (band_keys(texts) != band_keys(texts, seed=1)).all()


@given(st.lists(st.text(alphabet="abä 日", max_size=60), min_size=2, max_size=5))
def test_similar_pairs_are_measured_exactly(texts: list[str]) -> None:
    left, right = np.array(list(combinations(range(len(texts)), 2)), dtype=np.int64).T
    measured = jaccard(arrow.array(texts), left, right)
    for one, other, value in zip(left, right, measured, strict=True):
        exact = similarity(texts[one], texts[other])
        assert value == pytest.approx(exact) if exact >= SIMILAR else value < SIMILAR


def test_nothing_in_nothing_out() -> None:
    nothing = arrow.array([], arrow.string())
    assert band_keys(nothing).shape == (BANDS, 0)
    assert isinstance(near_copies(band_keys(nothing), np.zeros(0, bool), lambda _: nothing), Pairs)
    assert near([]) == {}
