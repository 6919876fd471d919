"""Drift: whether the labels of a day are shared out as in the week before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

TRAILING_DAYS = 7

FEWEST = 100
"""Documents that a day, and the week before it, must have to be compared."""

BY_CHANCE = 0.001
"""Share of days that chance alone takes beyond what it is granted."""

NO_LABEL = "(none)"
"""Documents without a label are a share like any other: a model that fails is a drift."""


@dataclass(frozen=True)
class Drift:
    """How the labels of a day differ from those of the week before.

    Attributes:
        day: the day.
        column: of the labels.
        documents: of the day.
        before: documents of the week before.
        shares: by label, `today` and `before`; both sum to 1.
        divergence: Jensen-Shannon divergence in bits, from 0 (the same) to 1 (no label in common).
        limit: what it may be: the tolerance, and what chance may add with so many documents.
    """

    day: date
    column: str
    documents: int
    before: int
    shares: pd.DataFrame
    divergence: float
    limit: float

    @property
    def drifted(self) -> bool:
        """Beyond what is tolerated and what chance explains."""
        return self.divergence > self.limit


def divergence_of(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions in bits (Lin, 1991): 0 if they are equal, at most 1."""
    middle = (one + other) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log2(share / middle), 0).sum() for share in (one, other)]
    return float(np.clip(sum(parts) / 2, 0, 1))


def by_chance(labels: int, today: int, before: int) -> float:
    """What two samples of one distribution diverge by in all but `BY_CHANCE` of the cases, in bits.

    To second order the divergence is an eighth of the chi-square distance, so that 8 ln 2 D / (1/n + 1/m) follows a
    chi-square distribution with one degree of freedom less than there are labels (Grosse et al., 2002).
    """
    from scipy.stats import chi2

    return float(chi2.isf(BY_CHANCE, max(labels - 1, 1)) * (1 / today + 1 / before) / (8 * np.log(2)))


def drifts(documents: pd.DataFrame, days: Sequence[date], columns: Sequence[str], tolerated: float) -> list[Drift]:
    """The labels of each day against those of the `TRAILING_DAYS` before it.

    Args:
        documents: has `event_date` and `columns`; rows of all these days.
        days: those that are judged.
        columns: of labels; null counts as a label.
        tolerated: divergence that is none, in bits.

    Returns:
        An entry for each day and column with enough documents, in their order.
    """
    found = []
    for column in columns:
        labels = documents[column].fillna(NO_LABEL)
        counted = pd.crosstab(documents["event_date"], labels).sort_index(axis=1)
        counted.index = pd.Index(counted.index.tolist(), dtype=object)
        for day in days:
            week = [day - timedelta(days=ago) for ago in range(1, TRAILING_DAYS + 1)]
            both = pd.DataFrame(
                {
                    "today": counted.reindex([day], fill_value=0).sum(),
                    "before": counted.reindex(week, fill_value=0).sum(),
                }
            )
            both = both[both.sum(axis=1) > 0]
            today, before = (int(count) for count in both.sum())
            if min(today, before) < FEWEST:
                continue
            shares = both / both.sum()
            divergence = divergence_of(*(shares[name].to_numpy(dtype=float) for name in ("today", "before")))
            limit = tolerated + by_chance(len(shares), today, before)
            found.append(Drift(day, column, today, before, shares, divergence, limit))
    return found
