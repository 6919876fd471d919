"""What each shipped model learns from, how it is fitted, and on what it is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.corpora import (
    GOEMOTIONS,
    SENTENCE_POLARITY,
    TWEETEVAL_EMOTION,
    TWEETEVAL_IRONY,
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
        refit: whether the model that ships learns from the development texts as well, once it was measured on them.
            Worth it where there are few texts; the figures are those of the model before.
    """

    name: str
    version: str
    classes: tuple[str, ...]
    measure: str
    on: str
    split: Callable[[Path], Split]
    fit: Fit
    limits: str
    refit: bool = False


NEGATIVE, NEUTRAL, POSITIVE = range(3)
POSITIVE_EMOTIONS = frozenset(
    {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism"}
    | {"pride", "relief"}
)
NEGATIVE_EMOTIONS = frozenset(
    {"anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear", "grief", "nervousness"}
    | {"remorse", "sadness"}
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


EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
EMOTION_OF = {
    **dict.fromkeys(("anger", "annoyance", "disapproval"), "anger"),
    **dict.fromkeys(("disgust",), "disgust"),
    **dict.fromkeys(("fear", "nervousness"), "fear"),
    **dict.fromkeys(POSITIVE_EMOTIONS, "joy"),
    **dict.fromkeys(("neutral",), "neutral"),
    **dict.fromkeys(("disappointment", "embarrassment", "grief", "remorse", "sadness"), "sadness"),
    **dict.fromkeys(("confusion", "curiosity", "realization", "surprise"), "surprise"),
}
"""The 27 emotions in Ekman's six, as the GoEmotions paper groups them."""


def _emotion(corpora: Path) -> Split:
    labelled: list[tuple[str, int]] = []
    shares: list[float] = []
    for text, fine in goemotions(corpora, "train"):
        coarse = sorted({EMOTIONS.index(EMOTION_OF[one]) for one in fine})
        labelled += [(text, one) for one in coarse]
        shares += [1 / len(coarse)] * len(coarse)
    comments = examples(GOEMOTIONS, labelled)
    tweets = [
        (text, EMOTIONS.index(("anger", "joy", "joy", "sadness")[one]))
        for text, one in tweeteval(corpora / "emotion/tweeteval_emotion", "train")
    ]
    learned = (replace(comments, weights=np.array(shares)), examples(TWEETEVAL_EMOTION, tweets).weighing(0.3))
    development = [(text, {EMOTION_OF[one] for one in fine}) for text, fine in goemotions(corpora, "dev")]
    return learned, examples(
        GOEMOTIONS, [(text, EMOTIONS.index(next(iter(coarse)))) for text, coarse in development if len(coarse) == 1]
    )


def _irony(corpora: Path) -> Split:
    folder = corpora / "sarcasm/tweeteval_irony"
    return [examples(TWEETEVAL_IRONY, tweeteval(folder, "train"))], examples(TWEETEVAL_IRONY, tweeteval(folder, "val"))


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="emotion",
        version="1",
        classes=EMOTIONS,
        measure="macro_f1",
        on="the development comments of GoEmotions with one of the seven emotions",
        split=_emotion,
        fit=Fit(regularisation=0.03, balance=0),
        limits="English posts; learned from Reddit comments of 2005 to 2019, with few tweets. Raters of a comment "
        "often disagree. Disgust and fear are rare, so they are found late; a text with two emotions is given one.",
    ),
    Recipe(
        name="irony",
        version="1",
        classes=("not ironic", "ironic"),
        measure="macro_f1",
        on="the development tweets of TweetEval irony",
        split=_irony,
        fit=Fit(regularisation=0.03, rare=1),
        limits="English tweets of 2014 and 2015, half of them ironic, most of them found by #irony, #sarcasm and #not, "
        "which were then taken out. Far less of what people write is ironic: read the probability as an order, not as "
        "a share. What only the context gives away is not found.",
        refit=True,
    ),
    Recipe(
        name="sentiment",
        version="1",
        classes=("negative", "neutral", "positive"),
        measure="macro_recall",
        on="every third of the 2,000 development tweets of TweetEval sentiment, never learned from",
        split=_sentiment,
        fit=Fit(regularisation=0.03),
        limits="English posts. Reads single words and pairs, so it misses irony, comparison and what the context says. "
        "Probabilities assume that the three classes are equally frequent.",
    ),
)
