"""Sentiment by all that can tell it: VADER, the shipped linear model, and the configured model of `transformer.py`.

Each gives a score in [-1, 1], which is kept. The sentiment of a text is their mean, weighted by what each is worth: its
macro recall on labelled tweets, less that of guessing among three labels. What is not there has no say, so a text in
another language than English has the score of the configured model, or none.
"""

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version as installed
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow

from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.language import UNDETERMINED
from pipeline_platform.schemas.columns import between, one_of, real, text
from pipeline_platform.settings import Settings

log = logging.getLogger(__name__)

LABEL_THRESHOLD = 0.15
"""Score from which a text is positive, and its negative from which negative. VADER's authors take 0.05 for VADER, of
which every fourth score is exactly 0; the mean with a model of probabilities hardly ever is, and a quarter of the
neutral tweets were found. With 0.15 it is 43 %, at 0.615 macro recall in place of 0.606; VADER alone has 0.595 and
0.598 (development tweets of TweetEval sentiment, on the third that the linear model has not learned from, and all)."""

VADER_LANGUAGES = ("en", UNDETERMINED)
"""The lexicon is English. Texts too short to tell the language are mostly interjections and emoji, which it knows."""

LINEAR_MODEL = "sentiment"
"""Name of the shipped model. It reads the languages of its card alone: of other texts it knows what is usual."""

VADER_RECALL = 0.61
"""Macro recall of VADER on every third of the 2,000 development tweets of TweetEval sentiment (SemEval-2017 task 4A),
95 % interval 0.57 to 0.65. The card of the linear model tells its own on the same tweets."""

CHANCE = 1 / 3
"""Macro recall of guessing among three labels."""

DIGITS = 4
"""Digits of scores, as VADER rounds them: the mean of one score is that score."""

LABELS = ("positive", "neutral", "negative")


class Classifier(Protocol):
    """What is needed of a shipped model: its card with `languages` and `metrics`, and probabilities of its classes."""

    @property
    def card(self) -> Mapping[str, Any]:
        """What the model is."""

    @property
    def classes(self) -> list[str]:
        """The columns of `probabilities`: the entries of `LABELS`, in any order."""

    @property
    def version(self) -> str:
        """Name, version and hash of the weights."""

    def probabilities(self, texts: arrow.Array) -> np.ndarray:
        """(texts, classes), each row sums to 1."""


@cache
def _linear() -> Classifier | None:
    """The shipped model; None, and an error in the log, when it cannot be used."""
    from pipeline_platform.enrich.linear import LinearModel, ModelUnavailableError

    try:
        return LinearModel.load(LINEAR_MODEL)
    except ModelUnavailableError as error:
        log.error("sentiment is told without the shipped linear model, sentiment_linear stays null: %s", error)
        return None


def combined(scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of scores, and how far they agree.

    Args:
        scores: (texts, models), in [-1, 1]; NaN where a model says nothing.
        weights: (models), not negative; of the models that score a text one is above 0.

    Returns:
        The mean of each text, NaN without any score; and 1 less the weighted standard deviation of its scores, which
        lies in [0, 1] since theirs do (Popoviciu's inequality), NaN with fewer than two.
    """
    told = ~np.isnan(scores)
    shares = told * weights
    with np.errstate(invalid="ignore"):
        shares = shares / shares.sum(axis=1, keepdims=True)
    known = np.where(told, scores, 0.0)
    mean = (shares * known).sum(axis=1)
    spread = np.sqrt((shares * (known - mean[:, None]) ** 2).sum(axis=1))
    agreement = np.where(told.sum(axis=1) > 1, 1 - spread, np.nan)
    return np.round(np.clip(mean, -1, 1), DIGITS), np.round(np.clip(agreement, 0, 1), DIGITS)


class Sentiment:
    """How positive or negative a text is, by each model and by all together."""

    name: ClassVar[str] = "sentiment"
    inputs: ClassVar[tuple[str, ...]] = ("language", "sentiment_model_score")
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "sentiment": real(
            "Mean of the scores of VADER, the linear model and the configured model, weighted by how well each does "
            "on labelled tweets; -1 most negative, 1 most positive; null when none of them scores the text.",
            between(-1, 1, "sentiment_in_range"),
        ),
        "sentiment_label": text(
            "positive from 0.15, negative up to -0.15, else neutral; null without a score.",
            one_of(LABELS, "known_sentiment_label"),
            nullable=True,
        ),
        "sentiment_agreement": real(
            "1 less the weighted standard deviation of the models' scores; 1 when they say the same, null with fewer "
            "than two.",
            between(0, 1, "share"),
        ),
        "sentiment_vader": real(
            "Compound score of VADER; null unless the language is en or und.", between(-1, 1, "sentiment_in_range")
        ),
        "sentiment_linear": real(
            "Probability of positive less that of negative by the shipped linear model; null unless the language is "
            "en.",
            between(-1, 1, "sentiment_in_range"),
        ),
        "sentiment_positive": real(
            "Share of the text that is positive, by VADER.", between(0, 1, "share"), unit="share"
        ),
        "sentiment_neutral": real("Share of the text that is neutral, by VADER.", between(0, 1, "share"), unit="share"),
        "sentiment_negative": real(
            "Share of the text that is negative, by VADER.", between(0, 1, "share"), unit="share"
        ),
    }

    def __init__(self, settings: Settings) -> None:
        self._model_weight = settings.sentiment_model_recall - CHANCE
        self._model = settings.sentiment_model
        self.version = f"vaderSentiment {installed('vaderSentiment')}"

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """Scores, label, agreement and shares of each text."""
        linear = _linear()
        weights = [VADER_RECALL - CHANCE, 0.0, self._model_weight]
        if linear is not None:
            weights[1] = max(linear.card["metrics"]["value"] - CHANCE, 0.0)
        self.version = self._told(linear, weights)
        written = (texts != "").to_numpy(dtype=bool)
        vader = np.full((len(texts), 4), np.nan)
        scored = written & frame["language"].isin(VADER_LANGUAGES).to_numpy(dtype=bool)
        if scored.any():
            from pipeline_platform.enrich.vader import scores as vader_scores

            vader[scored] = vader_scores(arrow.array(texts[scored], arrow.string()))
        by_linear = np.full(len(texts), np.nan)
        if linear is not None:
            scored = written & frame["language"].isin(linear.card["languages"]).to_numpy(dtype=bool)
            by_linear[scored] = _balance(linear, texts[scored])
        by_model = frame["sentiment_model_score"].to_numpy(dtype=float, na_value=np.nan)
        mean, agreement = combined(np.column_stack([vader[:, 0], by_linear, by_model]), np.array(weights))
        labels = np.select([mean >= LABEL_THRESHOLD, mean <= -LABEL_THRESHOLD], LABELS[::2], LABELS[1])
        return pd.DataFrame(
            {
                "sentiment": mean,
                "sentiment_label": pd.Series(labels).where(~np.isnan(mean)),
                "sentiment_agreement": agreement,
                "sentiment_vader": vader[:, 0],
                "sentiment_linear": by_linear,
                "sentiment_positive": vader[:, 1],
                "sentiment_neutral": vader[:, 2],
                "sentiment_negative": vader[:, 3],
            }
        )

    def _told(self, linear: Classifier | None, weights: list[float]) -> str:
        """Who has a say, with which weight."""
        told = [
            f"vaderSentiment {installed('vaderSentiment')} x {weights[0]:.3f}",
            f"{linear.version} x {weights[1]:.3f}" if linear else f"linear {LINEAR_MODEL} {UNAVAILABLE}",
        ]
        return "; ".join([*told, f"sentiment_model x {weights[2]:.3f}"] if self._model else told)


def _balance(linear: Classifier, texts: pd.Series) -> np.ndarray:
    """Probability of positive less that of negative."""
    found = linear.probabilities(arrow.array(texts, arrow.string()))
    return np.round(found[:, linear.classes.index("positive")] - found[:, linear.classes.index("negative")], DIGITS)
