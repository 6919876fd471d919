"""Sentiment by VADER (Hutto & Gilbert 2014): a lexicon of English words, emoticons and emoji with rules."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich.language import UNDETERMINED
from pipeline_platform.schemas.columns import between, one_of, real, text
from pipeline_platform.settings import Settings

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LABEL_THRESHOLD = 0.05
"""Compound score from which VADER's authors call a text positive, and its negative from which negative."""

SCORED_LANGUAGES = ("en", UNDETERMINED)
"""The lexicon is English. Texts too short to tell the language are mostly interjections and emoji, which it knows."""

MAX_CHARACTERS = 5_000
"""VADER takes quadratic time: 17 ms for so many characters, 68 ms for 10,000, 6 s for 100,000."""

LABELS = ("positive", "neutral", "negative")


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


class Sentiment:
    """How positive or negative a text is. Null for other languages than English and for blank texts."""

    name: ClassVar[str] = "sentiment"
    inputs: ClassVar[tuple[str, ...]] = ("language",)
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "sentiment": real(
            "VADER compound score of the first 5,000 characters, -1 most negative, 1 most positive; null unless the "
            "language is en or und.",
            between(-1, 1, "sentiment_in_range"),
        ),
        "sentiment_label": text(
            "positive from 0.05, negative up to -0.05, else neutral; null without a score.",
            one_of(LABELS, "known_sentiment_label"),
            nullable=True,
        ),
        "sentiment_positive": real("Share of the text that is positive.", between(0, 1, "share"), unit="share"),
        "sentiment_neutral": real("Share of the text that is neutral.", between(0, 1, "share"), unit="share"),
        "sentiment_negative": real("Share of the text that is negative.", between(0, 1, "share"), unit="share"),
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = f"vaderSentiment {installed('vaderSentiment')}"

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """Score, label and shares of each text."""
        scored = (frame["language"].isin(SCORED_LANGUAGES) & (texts != "")).to_numpy(dtype=bool)
        scores = np.full((len(texts), 4), np.nan)
        polarity = _analyzer().polarity_scores
        values = texts.str.slice(0, MAX_CHARACTERS).to_numpy(dtype=object)
        for position in np.flatnonzero(scored):
            found = polarity(values[position])
            scores[position] = found["compound"], found["pos"], found["neu"], found["neg"]
        labels = np.select([scores[:, 0] >= LABEL_THRESHOLD, scores[:, 0] <= -LABEL_THRESHOLD], LABELS[::2], LABELS[1])
        shares = pd.DataFrame(
            scores, columns=["sentiment", "sentiment_positive", "sentiment_neutral", "sentiment_negative"]
        )
        return shares.assign(sentiment_label=pd.Series(labels).where(scored))
