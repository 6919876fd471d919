"""Emotion of a text: Ekman's six and neutral, by the shipped linear model `emotion`."""

import logging
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.linear import LinearModel, ModelUnavailableError
from pipeline_platform.schemas.columns import between, one_of, real, text
from pipeline_platform.settings import Settings

log = logging.getLogger(__name__)

MODEL = "emotion"
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")

LANGUAGES = ("en",)
"""What the model learned from. Texts too short to tell the language are left out: it knows little about them."""


def english(texts: pd.Series, frame: pd.DataFrame) -> np.ndarray:
    """Which texts a model of English can say something about."""
    return (frame["language"].isin(LANGUAGES) & (texts != "")).to_numpy(dtype=bool)


def probabilities(name: str, texts: pd.Series, columns: int) -> tuple[np.ndarray, str]:
    """Probabilities of a shipped model and its version; NaN and `unavailable`, with a message, if it cannot be used."""
    try:
        model = LinearModel.load(name)
    except ModelUnavailableError as error:
        log.error("%s; the columns of %s stay null.", error, name)
        return np.full((len(texts), columns), np.nan), f"{name} {UNAVAILABLE}"
    return model.probabilities(texts), model.version


class Emotion:
    """The dominant emotion and the probability of each. Null for other languages than English and blank texts."""

    name: ClassVar[str] = "emotion"
    inputs: ClassVar[tuple[str, ...]] = ("language",)
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "emotion": text(
            "The most probable emotion of the text; null unless the language is en.",
            one_of(EMOTIONS, "known_emotion"),
            nullable=True,
        ),
        "emotion_probability": real("Probability of that emotion.", between(0, 1, "probability")),
        **{
            f"emotion_{one}": real(f"Probability that {one} is what the text shows.", between(0, 1, "probability"))
            for one in EMOTIONS
        },
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = MODEL

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """Emotions of each text."""
        places = np.flatnonzero(english(texts, frame))
        found = np.full((len(texts), len(EMOTIONS)), np.nan)
        found[places], self.version = probabilities(MODEL, texts.iloc[places], len(EMOTIONS))
        known = ~np.isnan(found[:, 0])
        most = np.where(known, found.max(axis=1, initial=0), np.nan)
        best = pd.Series(EMOTIONS).take(np.where(known, found.argmax(axis=1), 0)).reset_index(drop=True)
        named = pd.DataFrame({"emotion": best.where(known, None), "emotion_probability": most})
        return named.assign(**{f"emotion_{one}": found[:, place] for place, one in enumerate(EMOTIONS)})
