"""How probably a text is meant the other way round, by the shipped linear model `irony`."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich.emotion import english, probabilities
from pipeline_platform.schemas.columns import between, real
from pipeline_platform.settings import Settings

MODEL = "irony"


class Sarcasm:
    """Probability of irony or sarcasm. Null for other languages than English and blank texts."""

    name: ClassVar[str] = "sarcasm"
    inputs: ClassVar[tuple[str, ...]] = ("language",)
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "sarcasm": real(
            "Probability that the text is ironic or sarcastic, if half of all texts were; null unless the language is "
            "en.",
            between(0, 1, "probability"),
        ),
    }

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002
        self.version = MODEL

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:
        """The probability for each text."""
        places = np.flatnonzero(english(texts, frame))
        found = np.full(len(texts), np.nan)
        said, self.version = probabilities(MODEL, texts.iloc[places], 2)
        found[places] = said[:, 1]
        return pd.DataFrame({"sarcasm": found})
