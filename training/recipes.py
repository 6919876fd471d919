"""What each shipped model learns from, how it is fitted, and on what it is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.corpora import (
    GOEMOTIONS,
    SENTENCE_POLARITY,
    TWEETEVAL_EMOTION,
    TWEETEVAL_SENTIMENT,
    VADER_TWEETS,
    Examples,
    examples,
    goemotions,
    sentence_polarity,
    tweeteval,
    vader_tweets,
)
from training.fit import Fit

Split = tuple[Sequence[Examples], Examples]
"""What is learned from, and what is measured on."""


@dataclass(frozen=True)
class Recipe:
    """A model to train.

    Attributes:
        name: of the model and its files.
        version: goes up with every change of data or method.
        classes: names of the classes.
        measure: an entry of `MEASURES`.
        on: what it is measured on, in words.
        split: reads the examples from the folder of corpora.
        fit: how they are fitted.
        limits: what the model is not good for.
    """

    name: str
    version: str
    classes: tuple[str, ...]
    measure: str
    on: str
    split: Callable[[Path], Split]
    fit: Fit
    limits: str


NEGATIVE, NEUTRAL, POSITIVE = range(3)
POSITIVE_EMOTIONS = frozenset(
    [
        "admiration",
        "amusement",
        "approval",
        "caring",
        "desire",
        "excitement",
        "gratitude",
        "joy",
        "love",
        "optimism",
        "pride",
        "relief",
    ]
)
NEGATIVE_EMOTIONS = frozenset(
    [
        "anger",
        "annoyance",
        "disappointment",
        "disapproval",
        "disgust",
        "embarrassment",
        "fear",
        "grief",
        "nervousness",
        "remorse",
        "sadness",
    ]
)
"""The groups by sentiment of the GoEmotions paper (Demszky et al. 2020); its ambiguous group counts as neutral."""

NEUTRAL_VALENCE = 0.5
"""Valence, of -4 to 4, up to which a rated tweet is neutral."""


def _polarity(emotions: Sequence[str]) -> int | None:
    positive, negative = POSITIVE_EMOTIONS.intersection(emotions), NEGATIVE_EMOTIONS.intersection(emotions)
    if positive and negative:
        return None
    return POSITIVE if positive else NEGATIVE if negative else NEUTRAL


def held_back(count: int) -> np.ndarray:
    """Mask of the TweetEval sentiment tweets that are measured on and never learned from: every third one."""
    return np.arange(count) % 3 == 2


def _sentiment(corpora: Path) -> Split:
    tweets = examples(TWEETEVAL_SENTIMENT, tweeteval(corpora / "sentiment/tweeteval_sentiment", "val"))
    held = held_back(len(tweets))
    rated = [
        (text, NEUTRAL if abs(valence) <= NEUTRAL_VALENCE else POSITIVE if valence > 0 else NEGATIVE)
        for text, valence in vader_tweets(corpora)
    ]
    comments = [(text, _polarity(emotions)) for text, emotions in goemotions(corpora, "train")]
    emotions = tweeteval(corpora / "emotion/tweeteval_emotion", "train")
    reviews = [(text, POSITIVE if good else NEGATIVE) for text, good in sentence_polarity(corpora)]
    learned = (
        tweets.where(~held).weighing(5),
        examples(VADER_TWEETS, rated),
        # anger, joy, optimism, sadness
        examples(TWEETEVAL_EMOTION, [(text, POSITIVE if one in (1, 2) else NEGATIVE) for text, one in emotions]),
        examples(GOEMOTIONS, [(text, one) for text, one in comments if one is not None]).weighing(0.3),
        examples(SENTENCE_POLARITY, reviews).weighing(0.3),
    )
    return learned, tweets.where(held)


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="sentiment",
        version="1",
        classes=("negative", "neutral", "positive"),
        measure="macro_recall",
        on="every third of the 2,000 development tweets of TweetEval sentiment, never learned from",
        split=_sentiment,
        fit=Fit(regularisation=0.1),
        limits="English posts. Reads single words and pairs, so it misses irony, comparison and what the context says. "
        "Probabilities assume that the three classes are equally frequent.",
    ),
)
