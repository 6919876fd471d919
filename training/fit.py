"""Logistic regression over hashed features, and its weights as they ship: a byte each, the same bytes every time."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as arrow
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipeline_platform.enrich import hashing
from pipeline_platform.enrich.linear import LinearModel
from training.corpora import Examples

STEPS = 127
MAX_ITERATIONS = 80
TOLERANCE = 1e-3
"""Of the gradient; smaller ones changed no development figure."""

RARE = 2
"""A feature that fewer training texts have is left out: nothing can be learned from it, and it takes room."""


@dataclass(frozen=True)
class Fit:
    """How a model is fitted.

    Attributes:
        regularisation: C of the logistic regression, smaller is stronger.
        balance: 0 lets classes count as often as they occur, 1 all the same.
    """

    regularisation: float
    balance: float = 1.0


def matrix(texts: Sequence[str]) -> sparse.csr_matrix:
    """Features of texts, (texts, buckets)."""
    return sparse.csr_matrix(
        hashing.rows(arrow.array(list(texts), type=arrow.string())), shape=(len(texts), hashing.BUCKETS)
    )


def fit(parts: Sequence[Examples], classes: Sequence[str], how: Fit) -> LinearModel:
    """A model of all the examples, with a card that holds its classes alone.

    The same examples in the same order give the same weights, bit for bit: one thread, a start from zero.
    """
    features = sparse.vstack([matrix(part.texts) for part in parts]).tocsr()
    labels = np.concatenate([part.labels for part in parts])
    weights = np.concatenate([part.weights for part in parts])
    shares = np.bincount(labels, weights=weights, minlength=len(classes)) / weights.sum()
    weights = weights * (1 / (len(classes) * shares[labels])) ** how.balance
    texts_with = np.bincount(features.indices, minlength=hashing.BUCKETS)
    rarity = np.where(texts_with >= RARE, np.log(1 + len(labels) / (1 + texts_with)), 0)
    regression = LogisticRegression(C=how.regularisation, max_iter=MAX_ITERATIONS, tol=TOLERANCE)
    with threadpool_limits(1):
        regression.fit(features @ sparse.diags(rarity), labels, sample_weight=weights)
    return quantised(regression.coef_.T * rarity[:, None], regression.intercept_, classes)


def quantised(weights: np.ndarray, bias: np.ndarray, classes: Sequence[str]) -> LinearModel:
    """Weights (buckets, scores) in 127 steps to either side."""
    scale = np.maximum(np.abs(weights).max(axis=0), np.finfo(float).tiny) / STEPS
    steps = np.rint(weights / scale).astype(np.int8)
    return LinearModel({"classes": list(classes)}, np.ascontiguousarray(steps), scale, np.asarray(bias))


def save(model: LinearModel, card: Mapping[str, Any], folder: Path) -> None:
    """Writes weights and card; the card gets classes, scheme of features and hash."""
    held = io.BytesIO()
    np.savez_compressed(held, weights=model.weights, scale=model.scale, bias=model.bias)
    written = held.getvalue()
    (folder / f"{card['name']}.npz").write_bytes(written)
    full = {
        **card,
        "classes": model.classes,
        "scheme": hashing.SCHEME,
        "sha256": hashlib.sha256(written).hexdigest(),
    }
    text = orjson.dumps(full, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (folder / f"{card['name']}.json").write_bytes(text)
