"""The texts vary, keep their tone, and near copies are near."""

import random
import re
from collections import defaultdict

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from pipeline_platform.sandbox.texts import NEAR_AT_LEAST, Written, nearly, similarity, write

TOPICS = ("coins", "markets", "weather", "programming", "news")


def texts(kind: str, count: int) -> list[Written]:
    return [write(random.Random(number), TOPICS[number % 5], kind, titled=kind != "comment") for number in range(count)]


@pytest.mark.parametrize("kind", ["post", "comment", "article", "issue"])
def test_texts_by_chance_are_not_alike(kind: str):
    made = [written for written in texts(kind, 800) if written.language == "en"]
    pairs = [random.Random(number).sample(made, 2) for number in range(800)]
    assert max(similarity(one, other) for one, other in pairs) < 0.6
    # Of one language, topic and tone, where chance is likeliest.
    alike = defaultdict(list)
    for written in texts(kind, 2500):
        alike[written.language, written.topic, written.tone].append(written)
    for group in alike.values():
        for number, one in enumerate(group[:24]):
            assert all(similarity(one, other) < 0.7 for other in group[number + 1 : 24])


def test_five_languages_and_every_tone():
    made = texts("post", 2000)
    assert {written.language for written in made} == {"en", "de", "fr", "es", "ja"}
    assert {written.tone for written in made} == {"positive", "negative", "neutral"}
    assert any(re.search("[\U0001f300-\U0001faff]", written.text) for written in made)
    assert all(written.title and written.text for written in made)
    assert not any(re.search("[{}]", written.title + written.text) for written in made if written.title)


def test_only_comments_have_no_title():
    assert all(written.title is None for written in texts("comment", 50))


def test_english_tone_is_what_a_lexicon_hears():
    hears = SentimentIntensityAnalyzer()
    made = [written for written in texts("comment", 900) if written.language == "en"]
    heard = [hears.polarity_scores(written.text)["compound"] for written in made]
    right = sum(
        {"positive": score > 0.3, "negative": score < -0.3, "neutral": abs(score) <= 0.3}[written.tone]
        for written, score in zip(made, heard, strict=True)
    )
    assert right / len(made) > 0.95


def test_near_copies_are_near_but_not_equal():
    for kind in ("post", "comment"):
        for number, written in enumerate(texts(kind, 400)):
            changed = nearly(random.Random(number), written)
            assert NEAR_AT_LEAST <= similarity(written, changed) < 1


def test_short_texts_have_near_copies_too():
    tiny = Written(None, "Nothing to add.", "news", "neutral", "en")
    assert nearly(random.Random(1), tiny).text == "Nothing to add.s"
