"""Correlations of pairs of daily series across domains, over windows and lags."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.schemas.aggregated.correlations import CORRELATIONS
from pipeline_platform.schemas.aggregated.measures import EVERY

WINDOWS = (30, 90)
LAGS = range(-3, 4)
N_NEEDED = 20
"""With fewer days there is no coefficient."""

NAMED_NEEDED = 10
"""Common days on which a subject must have been named for the count of its documents to have a coefficient: a series of
zeros with a few others tells nothing, and a test of it costs the others some of their power."""

SIGNIFICANT = 0.05
"""False discovery rate of the pairs of a day."""

SPAN_DAYS = max(WINDOWS) + max(LAGS) - 1
"""Days before a day that its correlations are made of."""

PAIR = ["kind", "subject", "source", "first", "second"]

FOUND = ["spearman", "pearson", "effective_n", "p_value"]
"""What is null where there is no coefficient."""

COUNT = "canonical_documents"
"""A measure that is 0 on a day on which documents were read and none was about the subject. A mean is unknown then."""


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns less their mean, of length 1, with 0 for NaN; NaN throughout a constant column."""
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    moved = np.where(known, values - mean, 0)
    length = np.sqrt((moved**2).sum(axis=0))
    return moved / np.where(length > 1e-12 * np.maximum(np.abs(mean), 1e-12), length, np.nan)


def _ranks(values: np.ndarray) -> np.ndarray:
    return pd.DataFrame(values).rank().to_numpy()


def effective_n(first: np.ndarray, second: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Independent observations that `n` autocorrelated ones are worth, at most `n`.

    Pyper & Peterman (1998), Can. J. Fish. Aquat. Sci. 55, equation 1, with lags up to a fifth of the window.

    Args:
        first: standardised series, days x pairs, 0 where unknown.
        second: likewise.
        n: days known of each pair.
    """
    total = np.zeros(first.shape[1])
    for lag in range(1, len(first) // 5 + 1):
        both = (first[lag:] * first[:-lag]).sum(axis=0) * (second[lag:] * second[:-lag]).sum(axis=0)
        total += both * np.maximum(n - lag, 0) / np.maximum(n, 1)
    return n / np.maximum(1 + 2 * total, 1)


def correlate(first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    """Spearman and Pearson coefficients of the columns of two matrices (days x pairs, NaN where unknown)."""
    from scipy.stats import t

    known = ~(np.isnan(first) | np.isnan(second))
    first, second = np.where(known, first, np.nan), np.where(known, second, np.nan)
    n = known.sum(axis=0)
    one, other = _standard(_ranks(first)), _standard(_ranks(second))
    rho = np.clip((one * other).sum(axis=0), -1, 1)
    rho = np.where(n >= N_NEEDED, rho, np.nan)
    pearson = np.clip((_standard(first) * _standard(second)).sum(axis=0), -1, 1)
    worth = effective_n(one, other, n)
    freedom = np.maximum(worth - 2, 1)
    p = 2 * t.sf(np.abs(rho) * np.sqrt(freedom / np.maximum(1 - rho**2, 1e-15)), freedom)
    missing = np.isnan(rho)
    return pd.DataFrame(
        {
            "spearman": rho,
            "pearson": np.where(missing, np.nan, pearson),
            "n": n,
            "effective_n": np.where(missing, np.nan, worth),
            "p_value": p,
        }
    )


def _pairs(subjects: pd.DataFrame, market: pd.DataFrame, weather: pd.DataFrame, wide: pd.DataFrame) -> pd.DataFrame:
    """Series side by side: one row per pair and day, with the columns of `PAIR`, `event_date`, `x` and `y`."""
    prices = market.sort_values(["source", "symbol", "currency"], kind="stable")
    prices = prices.drop_duplicates(["event_date", "source", "asset"])
    parts = []
    for kind, rows, key, firsts, seconds in (
        ("asset", prices, "asset", (COUNT, "mean_sentiment"), ("daily_return",)),
        ("place", weather, "place", ("mean_sentiment",), ("rain_mm", "temperature_mean_c")),
    ):
        told = subjects[(subjects["kind"] == kind).to_numpy(dtype=bool)]
        known = rows.rename(columns={key: "subject"})[["subject", "source", "event_date", *seconds]]
        # A lag joins days on which only one of the two is known.
        joint = told[["subject", "event_date", *firsts]].merge(known, on=["subject", "event_date"], how="outer")
        sources = known[["subject", "source"]].drop_duplicates()
        silent = joint[joint["source"].isna()].drop(columns="source").merge(sources, on="subject")
        joint = pd.concat([joint[joint["source"].notna()], silent], ignore_index=True)
        joint = joint[joint["subject"].isin(told["subject"].unique())]
        parts += [_long(joint, kind, first, second) for first in firsts for second in seconds]
    every = wide.assign(subject=EVERY, source=EVERY)
    parts += [
        _long(every, "overall", "mean_sentiment", second)
        for second in ("crypto_mean_return", "mean_rain_mm", "mean_temperature_c", "temperature_anomaly_c")
    ]
    return pd.concat(parts, ignore_index=True)


def _long(rows: pd.DataFrame, kind: str, first: str, second: str) -> pd.DataFrame:
    x, y = (rows[name].astype("Float64").to_numpy("float64", na_value=np.nan) for name in (first, second))
    named = rows[["subject", "source", "event_date"]].astype(object)
    return named.assign(kind=kind, first=first, second=second, x=x, y=y)


def _read(subjects: pd.DataFrame, wide: pd.DataFrame) -> set[date]:
    """The days on which documents were read, be they about a subject or not."""
    told = wide["documents"].fillna(0).to_numpy(dtype="int64") > 0
    return {*subjects["event_date"], *wide["event_date"][told]}


def _of_day(day: date, pairs: pd.DataFrame, read: set[date]) -> pd.DataFrame:
    days = [day - timedelta(days=back) for back in range(SPAN_DAYS, -1, -1)]
    pairs = pairs.sort_values([*PAIR, "event_date"], kind="stable")
    names = pairs[PAIR].drop_duplicates().reset_index(drop=True)
    # Rows are sorted by pair, so that groups are numbered in the order of their names.
    place = pd.Index(days).get_indexer(pd.Index(pairs["event_date"])), pairs.groupby(PAIR).ngroup().to_numpy()
    first, second = np.full((2, len(days), len(names)), np.nan)
    first[place], second[place] = pairs["x"], pairs["y"]
    counted = (names["first"] == COUNT).to_numpy(dtype=bool)
    silent = np.array([one in read for one in days])[:, None] & counted & np.isnan(first)
    first[silent] = 0
    parts = []
    for window in WINDOWS:
        for lag in LAGS:
            starts = [len(days) - window - max(lag, 0), len(days) - window - max(-lag, 0)]
            x, y = first[starts[0] : starts[0] + window], second[starts[1] : starts[1] + window]
            made = correlate(x, y)
            named = ((x > 0) & ~np.isnan(y)).sum(axis=0)
            made.loc[counted & (named < NAMED_NEEDED), FOUND] = np.nan
            parts.append(names.join(made).assign(window_days=window, lag_days=lag))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["n"] > 0]
    p_corrected = corrected(rows["p_value"], rows.groupby(PAIR).ngroup())
    return rows.assign(event_date=day, p_corrected=p_corrected, is_significant=p_corrected <= SIGNIFICANT)


def corrected(p: pd.Series, pair: pd.Series) -> pd.Series:
    """P-values corrected in two steps, so that of the pairs with a significant row `SIGNIFICANT` at most are chance.

    Benjamini & Bogomolov (2014), J. R. Stat. Soc. B 76, 297-318: pairs are selected by Benjamini and Hochberg, each by
    what Simes makes of its tests; the tests of a selected pair are corrected among themselves, and by how few of the
    pairs were selected. The smallest of every selected pair is significant.

    Args:
        p: the p-value of every test; null where nothing was tested.
        pair: number of the pair that it is of.
    """
    from scipy.stats import false_discovery_control

    tested = p.dropna().sort_values(ascending=False)
    if tested.empty:
        return p
    # Benjamini and Hochberg in every pair at once.
    tests = tested.groupby(pair)
    count = tests.transform("size")
    inside = (tested * count / (count - tests.cumcount())).groupby(pair).cummin()
    simes = inside.groupby(pair).min()
    selected = pd.Series(false_discovery_control(simes), index=simes.index)
    share = max((selected <= SIGNIFICANT).sum(), 1) / len(simes)
    joint = pd.concat([inside / share, pair[tested.index].map(selected)], axis=1).max(axis=1)
    return joint.clip(upper=1).reindex(p.index)


def correlations(
    days: Sequence[date],
    subjects: pd.DataFrame,
    market: pd.DataFrame,
    weather: pd.DataFrame,
    wide: pd.DataFrame,
) -> pd.DataFrame:
    """How what is written goes with prices and weather.

    Args:
        days: days to give rows for.
        subjects: rows of `aggregated/subject_daily` from `SPAN_DAYS` before the first day, as all others.
        market: rows of `aggregated/market_daily`.
        weather: rows of `aggregated/weather_daily`.
        wide: rows of `aggregated/cross_domain_daily`.

    Returns:
        Rows of `aggregated/correlations`.
    """
    parts = []
    for day in sorted(days):
        span = [day - timedelta(days=back) for back in range(SPAN_DAYS + 1)]
        given = [one[one["event_date"].isin(span).to_numpy(dtype=bool)] for one in (subjects, market, weather, wide)]
        pairs = _pairs(*given)
        if len(pairs):
            parts.append(_of_day(day, pairs, _read(given[0], given[3])))
    return shaped(CORRELATIONS, pd.concat(parts, ignore_index=True)) if parts else CORRELATIONS.empty()
