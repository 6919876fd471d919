"""Simple ways to do the same, to hold the models against: the most frequent class, TF-IDF, VADER alone, TextBlob."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from training.corpora import Examples

Polarity = Callable[[str], float]


def majority(learned: Sequence[Examples], development: Examples) -> np.ndarray:
    """The class with most training weight, for every text."""
    labels = np.concatenate([part.labels for part in learned])
    weights = np.concatenate([part.weights for part in learned])
    return np.full(len(development), np.bincount(labels, weights=weights).argmax())


@cache
def _vader() -> Polarity:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    return lambda text: float(analyzer.polarity_scores(text)["compound"])


@cache
def _textblob() -> Polarity | None:
    try:
        from textblob import TextBlob
    except ImportError:
        return None
    return lambda text: float(TextBlob(text).sentiment.polarity)


def _three(polarity: Polarity, texts: Sequence[str], threshold: float) -> np.ndarray:
    found = np.array([polarity(text) for text in texts])
    return np.where(found >= threshold, 2, np.where(found <= -threshold, 0, 1))


def _plain(learned: Sequence[Examples], development: Examples) -> np.ndarray:
    """TF-IDF of words and pairs and a logistic regression with balanced classes, as in any textbook."""
    texts = [text for part in learned for text in part.texts]
    labels, weights = (np.concatenate([getattr(part, name) for part in learned]) for name in ("labels", "weights"))
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    features = vectors.fit_transform(texts)
    model = LogisticRegression(max_iter=300, class_weight="balanced").fit(features, labels, sample_weight=weights)
    return np.asarray(model.predict(vectors.transform(development.texts)))


def beside(name: str, learned: Sequence[Examples], development: Examples) -> dict[str, np.ndarray]:
    """What the simple ways say about the development texts of a model."""
    found = {
        "most frequent class": majority(learned, development),
        "TF-IDF and logistic regression": _plain(learned, development),
    }
    if name == "sentiment":
        found["VADER alone"] = _three(_vader(), development.texts, 0.05)
        textblob = _textblob()
        if textblob is not None:
            found["TextBlob"] = _three(textblob, development.texts, 1e-9)
    return found
