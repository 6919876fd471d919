"""Sentiment by a Hugging Face text classification model, named by `PIPELINE_SENTIMENT_MODEL`, beside VADER.

Needs the extra `models` (torch). A model that cannot be loaded, or whose labels say nothing about sentiment, leaves
its column null and says so in the log and in `model_versions`.
"""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa

from pipeline_platform.enrich.component import NOT_CONFIGURED, UNAVAILABLE
from pipeline_platform.schemas.columns import between, real
from pipeline_platform.settings import Settings

log = logging.getLogger(__name__)

BATCH = 8
"""Texts at a time: on a CPU small batches of texts of like length waste the least work on padding."""

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
            raise UnfitModelError(f"its label {label!r} is none of positive, neutral, negative, 1 star to 5 stars")
    return values


@cache
def _load(model: str) -> tuple[Any, Mapping[str, float], str]:
    import transformers

    classify = transformers.pipeline("text-classification", model=model, top_k=None)
    config = classify.model.config
    values = label_values(list((config.id2label or {}).values()))
    revision = getattr(config, "_commit_hash", None) or _fingerprint(Path(model))
    return classify, values, f"{model}@{revision} (transformers {installed('transformers')})"


def _fingerprint(folder: Path) -> str:
    """SHA-256 of the files of a model, the first 12 hex digits: it may be trained again in its place."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file():
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"local-{digest.hexdigest()[:12]}"


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
        self.version = self._model or NOT_CONFIGURED

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002
        """The score of each text, null for blank texts and without a usable model."""
        scores = np.full(len(texts), np.nan)
        if self._model and len(texts):
            try:
                classify, values, self.version = _load(self._model)
            except (ImportError, OSError, ValueError, KeyError, UnfitModelError) as error:
                self.version = f"{self._model} {UNAVAILABLE}"
                log.error(
                    "PIPELINE_SENTIMENT_MODEL=%s cannot be used, sentiment_model_score stays null: %s. Name a folder "
                    "or hub model for text classification, and install pipeline-platform[models] for torch.",
                    self._model,
                    error,
                )
            else:
                lengths = texts.str.len().to_numpy(dtype=int)
                positions = np.argsort(lengths, kind="stable")[(lengths == 0).sum() :]
                answers = classify(texts.iloc[positions].tolist(), batch_size=BATCH, truncation=True)
                for position, answer in zip(positions, answers, strict=True):
                    scores[position] = np.clip(sum(values[one["label"]] * one["score"] for one in answer), -1, 1)
        return pd.DataFrame({"sentiment_model_score": scores})
