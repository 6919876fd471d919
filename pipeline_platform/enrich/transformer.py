"""Sentiment by a Hugging Face text classification model, named by `PIPELINE_SENTIMENT_MODEL`, beside VADER.

A model that cannot be loaded, or whose labels say nothing about sentiment, leaves its column null and says so in the
log and in `model_versions`.
"""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich.classifier import ClassifierUnavailableError, TextClassifier, load_classifier
from pipeline_platform.enrich.component import NOT_CONFIGURED, UNAVAILABLE
from pipeline_platform.schemas.columns import between, real
from pipeline_platform.settings import Settings

log = logging.getLogger(__name__)

DIGITS = 4
"""Digits of a score: in the seventh the texts beside it may have a say."""

NUMBERED = {2: (-1.0, 1.0), 3: (-1.0, 0.0, 1.0)}
"""Meaning of LABEL_0, LABEL_1, … by number of labels, as models that name no labels are trained by convention."""


class UnfitModelError(Exception):
    """The labels of a model do not tell sentiment."""


def label_values(labels: Sequence[str]) -> dict[str, float]:
    """What each label of a sentiment model is worth in [-1, 1].

    Understood are positive/neutral/negative in any case or abbreviation, `1 star` … `5 stars`, and `LABEL_0` … of
    models with two or three labels (negative first).

    Raises:
        UnfitModelError: a label is none of these.
    """
    values: dict[str, float] = {}
    for label in labels:
        name = label.strip().lower()
        stars = re.fullmatch(r"([1-5]) stars?", name)
        numbered = re.fullmatch(r"label_([0-2])", name)
        if stars:
            values[label] = (int(stars[1]) - 3) / 2
        elif numbered and int(numbered[1]) < len(NUMBERED.get(len(labels), ())):
            values[label] = NUMBERED[len(labels)][int(numbered[1])]
        elif name[:3] in ("pos", "neg", "neu"):
            values[label] = {"pos": 1.0, "neg": -1.0, "neu": 0.0}[name[:3]]
        else:
            raise UnfitModelError(
                f"its label {label!r} is none of positive, neutral, negative, 1 star to 5 stars: name a model of "
                "sentiment, or name its labels so in config.json"
            )
    return values


_READING = threading.Lock()


@cache
def _load(model: str, onnx_file: str | None) -> tuple[TextClassifier, np.ndarray]:
    """The classifier, and what each of its labels is worth."""
    classifier = load_classifier(model, onnx_file)
    values = label_values(classifier.labels)
    return classifier, np.array([values[label] for label in classifier.labels])


class SentimentModel:
    """The expected value of the labels that the configured model gives a text, in any language."""

    name: ClassVar[str] = "sentiment_model"
    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "sentiment_model_score": real(
            "Score of the configured sentiment model, -1 most negative, 1 most positive; null without one.",
            between(-1, 1, "sentiment_in_range"),
        ),
    }

    def __init__(self, settings: Settings) -> None:
        self._model = settings.sentiment_model
        self._file = settings.sentiment_model_file
        self.version = " ".join(filter(None, (self._model, self._file))) if self._model else NOT_CONFIGURED

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002
        """The score of each text, null for blank texts and without a usable model."""
        scores = np.full(len(texts), np.nan)
        if self._model and len(texts):
            written = (texts != "").to_numpy(dtype=bool)
            try:
                classifier, values = _load(self._model, self._file)
                # It uses every core by itself, and its tokenizer may not be borrowed twice.
                with _READING:
                    scores[written] = classifier.probabilities(texts[written].tolist()) @ values
                self.version = classifier.version
            except (ImportError, OSError, ClassifierUnavailableError, UnfitModelError) as error:
                self.version = f"{self._model} {UNAVAILABLE}"
                log.error(
                    "PIPELINE_SENTIMENT_MODEL=%s cannot be used, sentiment_model_score stays null: %s",
                    self._model,
                    error,
                )
        return pd.DataFrame({"sentiment_model_score": np.round(np.clip(scores, -1, 1), DIGITS)})
