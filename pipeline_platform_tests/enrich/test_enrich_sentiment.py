from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from pipeline_platform.enrich import sentiment
from pipeline_platform.enrich.sentiment import Sentiment, combined

LANGUAGES = ["en", "en", "en", "de", "und", "und"]
SAID = ("I love this!", "This is terrible.", "The train leaves at nine.", "Ich hasse das", "", "😍")


def _says_the_same(texts):
    assert texts.null_count == 0
    return np.tile([0.5, 0.3, 0.2], (len(texts), 1))


LINEAR = SimpleNamespace(
    card={"languages": ["en"], "metrics": {"value": sentiment.CHANCE + 0.1}},
    classes=["negative", "neutral", "positive"],
    version="sentiment 7 (linear, abc)",
    probabilities=_says_the_same,
)


@pytest.fixture
def with_linear(monkeypatch):
    monkeypatch.setattr(sentiment, "_linear", lambda: LINEAR)


@pytest.fixture
def without_linear(monkeypatch):
    monkeypatch.setattr(sentiment, "_linear", lambda: None)


def _known(languages, scores=None):
    return pd.DataFrame({"language": languages, "sentiment_model_score": scores or [np.nan] * len(languages)})


def _nulls_as_none(column):
    return [None if pd.isna(value) else value for value in column]


@pytest.mark.usefixtures("without_linear")
def test_alone_vader_is_the_sentiment_and_only_of_english(settings, texts):
    component = Sentiment(settings)
    found = component.apply(texts(*SAID), _known(LANGUAGES))
    assert _nulls_as_none(found["sentiment_label"]) == ["positive", "negative", "neutral", None, None, "positive"]
    expected = SentimentIntensityAnalyzer().polarity_scores("I love this!")
    assert found.loc[0, "sentiment"] == found.loc[0, "sentiment_vader"] == expected["compound"]
    assert found.loc[0, "sentiment_positive"] == expected["pos"]
    assert found["sentiment"].isna().tolist() == [False, False, False, True, True, False]
    assert found["sentiment_linear"].isna().all()
    assert found["sentiment_agreement"].isna().all()
    assert component.version == "vaderSentiment 3.3.2 x 0.277; linear sentiment unavailable"


@pytest.mark.usefixtures("with_linear")
def test_each_model_has_a_say_by_what_it_is_worth(settings, texts):
    component = Sentiment(settings.model_copy(update={"sentiment_model": "some/model"}))
    found = component.apply(texts(*SAID), _known(LANGUAGES, [1.0, -1.0, np.nan, -0.5, np.nan, np.nan]))
    assert _nulls_as_none(found["sentiment_linear"]) == [-0.3, -0.3, -0.3, None, None, None]
    vader = found["sentiment_vader"]
    weights = np.array([0.61 - 1 / 3, 0.1, 0.7 - 1 / 3])
    both = (weights[:2] * [vader[2], -0.3]).sum() / weights[:2].sum()
    assert found["sentiment"].tolist()[:4] == [
        pytest.approx((weights * [vader[0], -0.3, 1]).sum() / weights.sum(), abs=5e-5),
        pytest.approx((weights * [vader[1], -0.3, -1]).sum() / weights.sum(), abs=5e-5),
        pytest.approx(both, abs=5e-5),
        -0.5,
    ]
    assert found["sentiment"].tolist()[5] == vader[5]
    assert found["sentiment_agreement"].isna().tolist() == [False, False, False, True, True, True]
    assert component.version == (
        "vaderSentiment 3.3.2 x 0.277; sentiment 7 (linear, abc) x 0.100; sentiment_model x 0.367"
    )


def test_the_shipped_models_score_whatever_is_written(settings, texts):
    said = texts("", "\x00\x01", "😍" * 50, "א" * 300, "a" * 10_000, "z\u0351\u036b\u0343", "great")
    found = Sentiment(settings).apply(said, _known(["en"] * 7))
    assert found["sentiment"].isna().tolist() == [True] + [False] * 6
    assert found.drop(columns="sentiment_label").min().min() >= -1
    nothing = Sentiment(settings).apply(texts(), _known([]))
    assert len(nothing) == 0


scores = st.floats(-1, 1) | st.just(np.nan)


@given(st.lists(st.tuples(scores, scores, scores), max_size=5), st.tuples(*[st.floats(0.01, 1)] * 3))
def test_mean_and_agreement_stay_in_range(rows, weights):
    mean, agreement = combined(np.array(rows).reshape(-1, 3), np.array(weights))
    for row, middle, together in zip(rows, mean, agreement, strict=True):
        told = [one for one in row if not np.isnan(one)]
        assert np.isnan(middle) if not told else min(told) - 1e-4 <= middle <= max(told) + 1e-4
        assert np.isnan(together) if len(told) < 2 else 0 <= together <= 1


def test_models_that_say_the_same_agree_and_opposites_do_not():
    mean, agreement = combined(np.array([[0.4, 0.4], [1.0, -1.0], [0.25, np.nan]]), np.array([0.3, 0.3]))
    assert mean.tolist() == [0.4, 0.0, 0.25]
    assert agreement.tolist()[:2] == [1.0, 0.0]
    assert np.isnan(agreement[2])
