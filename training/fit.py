"""Logistic regression over hashed features, and its weights as they ship: a byte each, the same bytes every time."""

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as arrow
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipeline_platform.enrich import hashing
from pipeline_platform.enrich.linear import LinearModel
from training.corpora import Examples

STEPS = 127
MAX_ITERATIONS = 80
TOLERANCE = 1e-3
"""Of the gradient; smaller ones changed no development figure."""

CLASS_BALANCE = 0.5
"""Classes count by the root of how rare they are while features are learned: rare ones are learned, not by heart."""

FOLDS = 3


@dataclass(frozen=True)
class Fit:
    """How a model is fitted.

    Attributes:
        regularisation: C of the multinomial regression over features weighted by rarity, smaller is stronger.
        ratio_regularisation: C of the regressions over features weighted by how they part a class from the rest.
        rare: a feature that fewer training texts have is left out: little can be learned from it, and it takes room.
        balance: 0 lets classes count as often as they occur, 1 all the same; of the last step, which decides.
    """

    regularisation: float
    ratio_regularisation: float = 1.0
    rare: int = 2
    balance: float = 1.0


def matrix(texts: Sequence[str]) -> sparse.csr_matrix:
    """Features of texts, (texts, buckets)."""
    return sparse.csr_matrix(
        hashing.rows(arrow.array(list(texts), type=arrow.string())), shape=(len(texts), hashing.BUCKETS)
    )


@dataclass(frozen=True, eq=False)
class _Linear:
    """Scores (texts, scores) are `features @ weights + bias`."""

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, features: sparse.csr_matrix) -> np.ndarray:
        return features @ self.weights + self.bias


def _balanced(labels: np.ndarray, weights: np.ndarray, balance: float) -> np.ndarray:
    totals = np.bincount(labels, weights=weights)
    present = np.count_nonzero(totals)
    return weights * (weights.sum() / (present * totals[labels])) ** balance


def _regression(
    features: Any, labels: np.ndarray, weights: np.ndarray, strength: float, *, iterations: int = MAX_ITERATIONS
) -> _Linear:
    found = LogisticRegression(C=strength, max_iter=iterations, tol=TOLERANCE)
    with warnings.catch_warnings():
        # Stopping early is regularisation too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found.fit(features, labels, sample_weight=weights)
    return _Linear(found.coef_.T, found.intercept_)


def _by_rarity(features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray, how: Fit) -> _Linear:
    """Multinomial regression, features weighted by inverse document frequency."""
    texts_with = np.bincount(features.indices, minlength=hashing.BUCKETS)
    rarity = np.where(texts_with >= how.rare, np.log(1 + len(labels) / (1 + texts_with)), 0)
    found = _regression(
        features @ sparse.diags(rarity), labels, _balanced(labels, weights, CLASS_BALANCE), how.regularisation
    )
    return _Linear(found.weights * rarity[:, None], found.bias)


def _by_ratio(features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray, how: Fit) -> _Linear:
    """A regression a class, features weighted by their log-count ratio (NB-SVM, Wang & Manning 2012)."""
    counts = features.copy()
    counts.data[:] = 1
    often = np.asarray(counts.sum(axis=0)).ravel() >= how.rare
    classes = int(labels.max()) + 1
    each = np.array([counts.T @ (weights * (labels == one)) for one in range(classes)])
    found = []
    for one in range(1 if classes == 2 else 0, classes):
        inside, outside = each[one] + 1, each.sum(axis=0) - each[one] + 1
        ratio = np.where(often, np.log(inside / inside.sum()) - np.log(outside / outside.sum()), 0)
        is_one = (labels == one).astype(np.int64)
        part = _regression(
            features @ sparse.diags(ratio), is_one, _balanced(is_one, weights, CLASS_BALANCE), how.ratio_regularisation
        )
        found.append((part.weights[:, 0] * ratio, part.bias[0]))
    return _Linear(np.array([column for column, _ in found]).T, np.array([bias for _, bias in found]))


def _both(features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray, how: Fit) -> _Linear:
    parts = [member(features, labels, weights, how) for member in (_by_rarity, _by_ratio)]
    return _Linear(np.hstack([part.weights for part in parts]), np.concatenate([part.bias for part in parts]))


def _joined(parts: Sequence[Examples]) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    return (
        sparse.vstack([matrix(part.texts) for part in parts]).tocsr(),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def fit(parts: Sequence[Examples], classes: Sequence[str], how: Fit) -> LinearModel:
    """A model of all the examples, with a card that holds its classes alone.

    Two linear models are mixed by a third, a regression over their scores for texts of the first part that they had not
    learned from; so probabilities are those of texts like the first part. What is linear in linear scores is one linear
    model again. The same examples in the same order give the same weights, bit for bit: one thread, starts from zero.
    """
    features, labels, weights = _joined(parts)
    first = len(parts[0])
    fold = np.where(np.arange(len(labels)) < first, np.arange(len(labels)) % FOLDS, FOLDS)
    with threadpool_limits(1):
        whole = _both(features, labels, weights, how)
        unseen = np.zeros((first, len(whole.bias)))
        for one in range(FOLDS):
            others = fold != one
            part = _both(features[others], labels[others], weights[others], how)
            unseen[fold[:first] == one] = part.scores(features[~others])
        spread = unseen.std(axis=0)
        mixed = _regression(
            unseen / spread, labels[:first], _balanced(labels[:first], weights[:first], how.balance), 1, iterations=500
        )
    mix = mixed.weights / spread[:, None]
    return quantised(whole.weights @ mix, whole.bias @ mix + mixed.bias, classes)


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
