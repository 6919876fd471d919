import json

import pandas as pd
import pytest

from pipeline_platform.enrich import linear
from pipeline_platform.enrich.documents import enrich
from pipeline_platform.enrich.emotion import EMOTIONS, Emotion
from pipeline_platform.enrich.linear import LinearModel
from pipeline_platform.enrich.sarcasm import Sarcasm
from pipeline_platform.enrich.topic import OTHER, TOPICS, Topic, lexicon
from pipeline_platform.schemas.enriched import ENRICHED_DOCUMENTS


def languages(*codes):
    return pd.DataFrame({"language": list(codes)})


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I love this so much, thank you!", "joy"),
        ("I am so scared and nervous about tomorrow", "fear"),
        ("This makes me so angry, what an idiot", "anger"),
        ("That is disgusting, gross", "disgust"),
        ("I'm so sorry for your loss, this is heartbreaking", "sadness"),
        ("Wow, I did not expect that, what a surprise!", "surprise"),
        ("The train leaves at nine from platform two", "neutral"),
    ],
)
def test_emotion(settings, texts, text, emotion):
    found = Emotion(settings).apply(texts(text), languages("en")).iloc[0]
    assert found["emotion"] == emotion
    assert found["emotion_probability"] == max(found[f"emotion_{one}"] for one in EMOTIONS)
    assert sum(found[f"emotion_{one}"] for one in EMOTIONS) == pytest.approx(1)


def test_the_model_has_the_emotions_of_the_columns():
    assert tuple(LinearModel.load("emotion").classes) == EMOTIONS
    assert LinearModel.load("irony").classes == ["not ironic", "ironic"]


@pytest.mark.parametrize("component", [Emotion, Sarcasm, Topic])
def test_nothing_is_said_of_other_languages_and_blank_texts(settings, texts, component):
    said = texts("Ich bin so wütend über Bitcoin", "", "I love bitcoin and ethereum")
    found = component(settings).apply(said, languages("de", "und", "en"))
    for name in component.outputs:
        assert found[name].isna().tolist() == [True, True, False], name
    assert component(settings).apply(texts(), languages()).empty


def test_sarcasm_orders_texts(settings, texts):
    said = texts("Oh great, another Monday. Just what I needed, yay", "The library opens at nine on weekdays.")
    found = Sarcasm(settings).apply(said, languages("en", "en"))["sarcasm"]
    assert 0 <= found[1] < found[0] <= 1


def test_a_damaged_model_leaves_nulls_and_says_so(settings, texts, documents, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(linear, "WEIGHTS", tmp_path)
    components = [Emotion(settings), Sarcasm(settings)]
    found = [one.apply(texts("I love this"), languages("en")) for one in components]
    assert all(frame.isna().all().all() for frame in found)
    assert [one.version for one in components] == ["emotion unavailable", "irony unavailable"]
    assert "Install the package again" in caplog.text


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Bitcoin’s rally: ETH too", "crypto"),
        ("$BTC pumping", "crypto"),
        ("$TSLA looks cheap", "markets"),
        ("Stocks fell on Wall Street as the central banks met", "markets"),
        ("How do I read this traceback? #python", "programming"),
        ("why c++ templates", "programming"),
        ("Heavy thunderstorms are coming", "weather"),
        ("The senator lost the election", "politics"),
        ("NBA playoffs tonight", "sports"),
        ("The vaccine was approved", "health"),
        ("An exoplanet with water", "science"),
        ("A new Netflix movie", "entertainment"),
        ("OpenAI buys a GPU cluster", "technology"),
        ("see https://example.com/bitcoin/ethereum", OTHER),
        ("hello there", OTHER),
        ("a wall and a street", OTHER),
        ("rain", OTHER),
        ("rain and wind", "weather"),
    ],
)
def test_topic(settings, texts, text, topic):
    assert Topic(settings).apply(texts(text), languages("en"))["topic"].tolist() == [topic]


def test_pairs_do_not_reach_into_the_next_text(settings, texts):
    found = Topic(settings).apply(texts("on the wall", "street art", "wall street"), languages("en", "en", "en"))
    assert found["topic"].tolist() == [OTHER, OTHER, "markets"]


def test_words_for_topics_are_written_as_they_are_looked_up():
    known = lexicon()
    terms = [*known.words, *(" ".join(pair) for pair in known.pairs)]
    assert all(term == term.lower().strip() for term in terms)
    assert all(len(term.split()) <= 2 for term in terms)
    assert (known.weights.max(axis=0) == 2).all()
    assert known.weights.shape[1] == len(TOPICS)


def test_their_columns_fit_the_table(documents, components):
    rows = documents(
        [{"title": "Stocks rally", "text": "I love it, thank you so much!"}, {"text": None, "is_deleted": True}]
    )
    result = enrich(rows, components)
    ENRICHED_DOCUMENTS.schema.validate(result)
    versions = json.loads(result["model_versions"].iloc[0])
    assert versions["emotion"].startswith("emotion 1 (linear, ")
    assert versions["sarcasm"].startswith("irony 1 (linear, ")
    assert versions["topic"] == "keywords 1"
