"""Clusters from pairs of copies: union-find over row positions, with the evidence that joined each row to its cluster.

Rows are numbered by precedence: the lowest number of a cluster is its canonical row. Whoever finds copies (by hash, by
address, by similarity) hands over pairs of numbers as an `Evidence`; strong evidence comes before weak.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Pairs of rows that are copies of one another, found by one method.

    Attributes:
        method: how they were found.
        left, right: row numbers of the pairs, in any order.
        similarity: share of the content that a pair has in common, 0 to 1; NaN where it was not measured.
    """

    method: str
    left: Positions
    right: Positions
    similarity: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clusters:
    """Per row: the canonical row of its cluster, the method that joined it, its similarity to the canonical row.

    A row that is joined by a chain of pairs has the method of the weakest pair that was needed, and a similarity only
    if it was itself compared with the canonical row by that method. Canonical rows have the method `none`.
    """

    canonical: Positions
    method: npt.NDArray[np.object_]
    similarity: npt.NDArray[np.float64]


def clusters(rows: int, evidence: Sequence[Evidence]) -> Clusters:
    """Connect `rows` rows by `evidence`, given from the strongest to the weakest method."""
    parent = list(range(rows))
    stages = []
    for pairs in evidence:
        for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
            _join(parent, left, right)
        stages.append(_roots(parent))
    canonical = stages[-1] if stages else np.arange(rows)
    copies = canonical != np.arange(rows)
    method = np.full(rows, "none", dtype=object)
    similarity = np.full(rows, np.nan)
    # From weak to strong, so that what a stronger method already joined to the same row keeps that method.
    for pairs, joined in zip(reversed(evidence), reversed(stages), strict=True):
        settled = copies & (joined == canonical)
        method[settled] = pairs.method
        similarity[settled] = np.nan
        first, second = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
        direct = settled[second] & (canonical[second] == first)
        similarity[second[direct]] = pairs.similarity[direct]
    return Clusters(canonical, method, similarity)


def groups(codes: Positions) -> tuple[Positions, Positions]:
    """Pairs (first row, other row) of the rows that share a code; a negative code is shared with nobody."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    ordered = codes[order]
    starts = np.ones(len(ordered), dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    first = order[np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))]
    return first[~starts], order[~starts]


def _root(parent: list[int], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


def _roots(parent: list[int]) -> Positions:
    """The root of every row."""
    roots = np.array(parent, dtype=np.int64)
    while not np.array_equal(higher := roots[roots], roots):
        roots = higher
    return roots


def _join(parent: list[int], left: int, right: int) -> None:
    """Hang the later root under the earlier one, so that the root of a cluster is its canonical row."""
    left, right = _root(parent, left), _root(parent, right)
    if left < right:
        parent[right] = left
    else:
        parent[left] = right
