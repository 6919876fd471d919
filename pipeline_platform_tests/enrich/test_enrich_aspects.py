import pandas as pd
import pyarrow as arrow
import pytest

from pipeline_platform.enrich.aspects import MAX_ASPECTS, Aspects, clauses, entities_in


def told(settings, texts, text, language="en", entities=()):
    found = Aspects(settings).apply(texts(text), pd.DataFrame({"language": [language], "entities": [list(entities)]}))
    return dict(zip(found["aspects"][0], found["aspect_sentiments"][0], strict=True))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("good food, but slow service!", ["good food", "slow service!"]),
        ("3.5 stars (really) -- fine", ["3.5 stars", "really", "fine"]),
        ("one\ntwo because three", ["one", "two", "three"]),
        ("x", []),
        ("", []),
    ],
)
def test_clauses(text, parts):
    of, found = clauses(arrow.array(["", text]))
    assert found.to_pylist() == parts
    assert set(of) <= {1}


def test_each_aspect_has_the_sentiment_of_its_clause(settings, texts):
    found = told(settings, texts, "The pasta was excellent, but the waiter was horrible. The table was round")
    assert found["pasta"] > 0.5
    assert found["waiter"] < -0.5
    assert set(found) == {"pasta", "waiter"}


def test_entities_stand_for_their_words_and_clauses_are_averaged(settings, texts):
    found = told(settings, texts, "I love Solana. I hate Solana", entities=["COIN:solana", "COIN:bitcoin"])
    assert list(found) == ["COIN:solana"]
    assert found["COIN:solana"] == pytest.approx((0.6369 - 0.5719) / 2, abs=1e-4)


def test_entities_are_found_as_words():
    assert entities_in("AAPL and ann", ["TICKER:AAPL", "PERSON:Ann", "ORG:An", "DOMAIN:ann"]) == [
        "TICKER:AAPL",
        "PERSON:Ann",
    ]


@pytest.mark.parametrize("language", ["de", "fr"])
def test_other_languages_have_no_aspects(settings, texts, language):
    assert told(settings, texts, "great pasta", language) == {}


def test_at_most_twelve_the_most_decided_in_their_order(settings, texts):
    names = [f"gadget{chr(97 + n)}" for n in range(20)]
    parts = [f"the {name} is {'excellent' if n >= 8 else 'ok'}" for n, name in enumerate(names)]
    assert list(told(settings, texts, ". ".join(parts))) == names[8 : 8 + MAX_ASPECTS]
