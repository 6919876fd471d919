"""Linear classifiers of texts that are shipped with the package: weights in `weights/<name>.npz`, a card beside them.

A score is a bias and the sum of the weights of a text's features (see `enrich/hashing.py`), a probability the softmax
of the scores, or the logistic function of a single one. Numpy and Numba are all it takes; `training` makes the weights.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pipeline_platform.enrich.texts import Texts, as_array

WEIGHTS = Path(__file__).parent / "weights"


class ModelUnavailableError(Exception):
    """Weights or card of a model are missing, damaged, or of another scheme of features."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear classifier and its card.

    Attributes:
        card: what the model is: name, version, kind, classes, languages, data with licences, metrics with confidence
            intervals, limits, sha256 of the weights.
        weights: int8 (buckets, scores); one score for two classes, else one a class.
        scale: float64 (scores), what one step of a weight is worth.
        bias: float64 (scores).
    """

    card: Mapping[str, Any]
    weights: np.ndarray
    scale: np.ndarray
    bias: np.ndarray

    @staticmethod
    def load(name: str) -> "LinearModel":
        """The shipped model of that name; read once.

        Raises:
            ModelUnavailableError: it is not there, its weights are not those of its card, or they need other features.
        """
        return _load(WEIGHTS / f"{name}.json")

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the columns of `probabilities`."""
        return list(self.card["classes"])

    @property
    def version(self) -> str:
        """What `model_versions` says of it."""
        return f"{self.card['name']} {self.card['version']} (linear, {self.card['sha256'][:12]})"

    def probabilities(self, texts: Texts) -> np.ndarray:
        """Probability of each class for each text.

        Args:
            texts: in any order and number, which changes no answer. Null and blank texts get what the bias alone says.

        Returns:
            float64 (texts, classes); every row sums to 1.
        """
        from pipeline_platform.enrich import hashing

        found = hashing.features(as_array(texts))
        scores = self.bias + self.scale * hashing.scores(found, self.weights)
        if scores.shape[1] == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        return exponents / exponents.sum(axis=1, keepdims=True)


@cache
def _load(path: Path) -> LinearModel:
    try:
        card = orjson.loads(path.read_bytes())
        held = path.with_suffix(".npz").read_bytes()
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelUnavailableError(
            f"the model {path.stem} cannot be read: {error}. Install the package again"
        ) from error
    if hashlib.sha256(held).hexdigest() != card["sha256"]:
        raise ModelUnavailableError(
            f"the weights of the model {path.stem} are not those its card names. Install the package again"
        )
    from pipeline_platform.enrich.hashing import SCHEME

    if card["scheme"] != SCHEME:
        raise ModelUnavailableError(
            f"the model {path.stem} was trained with features of scheme {card['scheme']}, these are of {SCHEME}. "
            "Run make models"
        )
    with np.load(io.BytesIO(held)) as arrays:
        return LinearModel(card, arrays["weights"], arrays["scale"], arrays["bias"])
