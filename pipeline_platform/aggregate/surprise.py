"""How unlikely a count is given its past, and which of many unlikely ones to believe."""

import numpy as np
from numpy.typing import ArrayLike

NORMAL_MAD = 1.4826
"""The MAD of a normal distribution times this is its standard deviation."""

MAD_EFFICIENCY = 0.37
"""A MAD of n values is as certain as a standard deviation of so many times n (Rousseeuw & Croux 1993)."""

QN_EFFICIENCY = 0.82
"""Likewise Qn (the same)."""


def dispersion(counts: np.ndarray, expected: np.ndarray, parameters: int = 1) -> np.ndarray:
    """Pearson's dispersion along the last axis: how many times more counts vary than Poisson counts; at least 1.

    Args:
        counts: counts; NaN is left out.
        expected: what was expected of each.
        parameters: parameters that `expected` was estimated with.

    Returns:
        One number per series; 1 where there are too few counts or none was expected.
    """
    known = np.isfinite(counts) & (expected > 0)
    terms = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(expected, dtype="float64"), where=known)
    freedom = known.sum(axis=-1) - parameters
    return np.maximum(1.0, np.divide(terms.sum(axis=-1), freedom, out=np.ones_like(freedom, float), where=freedom > 0))


def qn(values: np.ndarray) -> np.ndarray:
    """Standard deviation of each row by Qn: the difference that a quarter of all pairs do not exceed.

    As of the median of the deviations, half of the values may be anything; but it makes twice as much of the others.
    Rousseeuw & Croux 1993, with the factors for few values of Croux & Rousseeuw 1992.

    Args:
        values: a series in each row; NaN is left out.

    Returns:
        One number per row, NaN where there are fewer than two values.
    """
    one, other = np.triu_indices(values.shape[1], 1)
    apart = np.sort(np.abs(values[:, one] - values[:, other]), axis=1)  # NaN last
    known = np.isfinite(values).sum(axis=1)
    half = known // 2 + 1
    place = np.maximum(half * (half - 1) // 2 - 1, 0)
    quarter = np.take_along_axis(apart, place[:, None], axis=1)[:, 0]
    return 2.2191 * quarter * known / (known + np.where(known % 2 == 0, 3.8, 1.4))


def excess_probability(count: ArrayLike, past: ArrayLike, share: ArrayLike, spread: ArrayLike) -> np.ndarray:
    """Probability of at least `count` events now, if they come at the rate of the past.

    Without dispersion this is the conditional test of two Poisson rates (Przyborowski & Wilenski 1940): given all
    events, each falls into the present with probability `share`. Counts that vary more than Poisson counts are
    negative binomial with the same mean and that much more variance. One event is added to the past, so that what was
    never seen is not impossible.

    Args:
        count: events now.
        past: events before.
        share: length of the present as a share of present and past together.
        spread: dispersion, at least 1.
    """
    from scipy.special import betainc

    given = (np.asarray(one, dtype="float64") for one in (count, past, share, spread))
    now, before, part, wide = np.broadcast_arrays(*given)
    some = now > 0
    longer = part[some] / (1 - part[some])
    variance = wide[some] * (1 + longer)
    size = (before[some] + 1) * longer / (variance - 1)
    told = np.ones(now.shape)
    told[some] = betainc(now[some], size, 1 - 1 / variance)
    return told


def silence_probability(past: ArrayLike, share: ArrayLike, spread: ArrayLike) -> np.ndarray:
    """Probability of no event now, if they come at the rate of the past; arguments as of `excess_probability`.

    Dispersion makes it that of fewer events (quasi-Poisson), which believes less in silence than a negative binomial.
    """
    return (1 - np.asarray(share)) ** (np.asarray(past) / np.asarray(spread))


def normal_score(probability: ArrayLike) -> np.ndarray:
    """How many standard deviations above the mean a normal value of this tail probability lies."""
    from scipy.special import ndtri

    return -ndtri(np.clip(probability, 1e-300, 1.0))


def two_sided(t: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Probability of a value of Student's t as far from 0 as `t`."""
    from scipy.special import stdtr

    return 2 * stdtr(freedom, -np.abs(t))


def believed(probabilities: np.ndarray, rate: float, tests: int | None = None) -> np.ndarray:
    """Which of many tests to believe, so that at most a share `rate` of those is wrong.

    Benjamini & Hochberg 1995. If nothing happens at all, the chance of believing anything is at most `rate`.

    Args:
        probabilities: of every test; NaN is not believed.
        rate: the share.
        tests: number of tests, if more were made than are given.
    """
    known = np.flatnonzero(np.isfinite(probabilities))
    order = known[np.argsort(probabilities[known], kind="stable")]
    total = len(known) if tests is None else max(tests, len(known))
    good = probabilities[order] <= rate * np.arange(1, len(order) + 1) / max(total, 1)
    told = np.zeros(len(probabilities), dtype=bool)
    if good.any():
        told[order[: np.flatnonzero(good)[-1] + 1]] = True
    return told
