"""How good a classifier is: the measures of the tasks, with confidence intervals, beside simple ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, recall_score

RESAMPLES = 2_000
SEED = 20_261_122

Measure = Callable[[np.ndarray, np.ndarray], float]


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean of the F1 of the classes that occur in the truth."""
    return float(f1_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0))


def macro_recall(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean of the recall of the classes that occur in the truth."""
    return float(recall_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0))


MEASURES: dict[str, Measure] = {"macro_f1": macro_f1, "macro_recall": macro_recall}


@dataclass(frozen=True)
class Measured:
    """A figure with its interval of 95 %, by the percentile bootstrap (Efron 1979) over texts."""

    value: float
    low: float
    high: float

    def as_card(self) -> dict[str, float]:
        """The figure as a card tells it."""
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def _counts(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(truth * classes + said, minlength=classes * classes)


def _from_counts(measure: str, counts: np.ndarray) -> np.ndarray:
    """The measure of many confusion matrices (n, truth, said)."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    true, said = counts.sum(axis=2), counts.sum(axis=1)
    below = true if measure == "macro_recall" else (true + said) / 2
    occurs = true > 0
    return np.where(occurs, hits / np.maximum(below, 1e-12), 0).sum(axis=1) / occurs.sum(axis=1)


def measured(measure: str, truth: np.ndarray, said: np.ndarray) -> Measured:
    """A measure of `MEASURES` and its interval."""
    classes = int(max(truth.max(), said.max())) + 1
    cells = _counts(truth, said, classes)
    # Drawing texts anew is drawing cells of the confusion matrix anew.
    drawn = np.random.default_rng(SEED).multinomial(len(truth), cells / cells.sum(), size=RESAMPLES)
    values = _from_counts(measure, drawn.reshape(-1, classes, classes))
    low, high = np.quantile(values, [0.025, 0.975])
    return Measured(MEASURES[measure](truth, said), float(low), float(high))


def told(measure: str, truth: np.ndarray, said: np.ndarray, on: str, beside: dict[str, np.ndarray]) -> dict[str, Any]:
    """The entry `metrics` of a card."""
    return {
        "measure": measure,
        **measured(measure, truth, said).as_card(),
        "rows": len(truth),
        "on": on,
        "beside": {name: measured(measure, truth, other).as_card() for name, other in beside.items()},
    }
