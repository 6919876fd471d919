"""What the aggregates of documents add up, and how: numbers per document, summed over groups, made into means.

Sums are of whole numbers, so that they are the same to the last bit whatever the order of the documents, and no sorting
is needed: sentiment is counted in steps of 2^-30, which changes no mean by more than 5e-10.
"""

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute

STEPS = 2**30
"""Steps of sentiment from 0 to 1."""

MOST_REACH = 2**20
"""A document counts for a million at most: no single one drowns the others, and no sum of 64 bits overflows."""

SUMS = [
    "documents",
    "canonical_documents",
    "scored_documents",
    "sentiment",
    "positive",
    "negative",
    "reach",
    "scored_reach",
    "weighted",
]


def reach(documents: pd.DataFrame) -> pd.Series:
    """How far a document got: 1 + score + replies, at most `MOST_REACH`; unknown and negative numbers count as 0."""
    told = 1 + sum(_clipped(documents[name]) for name in ("score", "replies"))
    return pd.Series(np.minimum(told, MOST_REACH), index=documents.index)


def _clipped(numbers: pd.Series) -> np.ndarray:
    return np.clip(compute.fill_null(arrow.array(numbers), 0).to_numpy(zero_copy_only=False), 0, MOST_REACH)


def kept_canonical(documents: pd.DataFrame) -> np.ndarray:
    """Which documents the measures are over: no copies, and none that the upstream says are removed."""
    return documents["is_canonical"].to_numpy(dtype=bool) & ~documents["is_deleted"].to_numpy(dtype=bool)


def measured(documents: pd.DataFrame) -> pd.DataFrame:
    """The numbers that text aggregates add up, 0 for documents that the upstream says are removed.

    Args:
        documents: rows of `enriched/documents`.

    Returns:
        A row per document with the columns `SUMS`, all of 64-bit integers: `sentiment` in `STEPS`, `weighted` in
        `STEPS` times reach. Measures are over canonical documents; `documents` counts copies too.
    """
    kept = ~documents["is_deleted"].to_numpy(dtype=bool)
    canonical = kept_canonical(documents)
    score = documents["sentiment"].to_numpy(dtype="float64", na_value=np.nan)
    scored = canonical & ~np.isnan(score)
    sentiment = np.rint(np.where(scored, score, 0.0) * STEPS).astype("int64")
    label = documents["sentiment_label"]
    width = reach(documents).to_numpy(dtype="int64") * canonical
    numbers = {
        "documents": kept,
        "canonical_documents": canonical,
        "scored_documents": scored,
        "sentiment": sentiment,
        "positive": scored & (label == "positive").to_numpy(dtype=bool, na_value=False),
        "negative": scored & (label == "negative").to_numpy(dtype=bool, na_value=False),
        "reach": width,
        "scored_reach": width * scored,
        "weighted": width * sentiment,
    }
    return pd.DataFrame(
        {name: numbers[name].astype("int64", copy=False) for name in SUMS}, index=documents.index, copy=False
    )


def summed(numbers: pd.DataFrame, documents: np.ndarray, groups: np.ndarray, count: int) -> pd.DataFrame:
    """Sums of `numbers` over groups of documents.

    Args:
        numbers: whole numbers per document, as `measured` gives them.
        documents: positions of documents, a document as often as it has groups.
        groups: group of each, in `[0, count)`.
        count: number of groups.

    Returns:
        Row `i` holds the sums of group `i`.
    """
    from scipy.sparse import csr_array

    # A sum over groups is the product with the matrix that tells who belongs where: nothing is copied per membership.
    # Column by column, since one column fits into the cache and all of them do not.
    ones = np.ones(len(groups), dtype="int64")
    members = csr_array((ones, (groups, documents)), shape=(count, len(numbers)))
    return pd.DataFrame({name: members @ column.to_numpy() for name, column in numbers.items()}, copy=False)


def memberships(lists: pd.Series) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """The texts of a column of lists of texts, each distinct one under a number.

    Returns:
        Position of the row and number of the text for every text of every list, nulls left out, in the order of rows;
        and the distinct texts by number.
    """
    held = arrow.array(lists)
    joined = held.combine_chunks() if isinstance(held, arrow.ChunkedArray) else held
    rows = compute.list_parent_indices(joined).to_numpy(zero_copy_only=False)
    codes, texts = pd.factorize(pd.array(compute.list_flatten(joined), dtype=pd.ArrowDtype(arrow.string())))
    known = codes >= 0
    return (rows[known], codes[known], pd.Series(texts)) if not known.all() else (rows, codes, pd.Series(texts))


def with_means(sums: pd.DataFrame) -> pd.DataFrame:
    """Sums of `SUMS` with the means and shares that follow from them, null where nothing is scored."""
    scored = sums["scored_documents"].where(sums["scored_documents"] > 0)
    weight = sums["scored_reach"].where(sums["scored_reach"] > 0)
    return sums.assign(
        # Rounding to steps may leave the range by half a step.
        mean_sentiment=(sums["sentiment"] / STEPS / scored).clip(-1, 1),
        positive_share=sums["positive"] / scored,
        negative_share=sums["negative"] / scored,
        reach_weighted_sentiment=(sums["weighted"] / STEPS / weight).clip(-1, 1),
    )
