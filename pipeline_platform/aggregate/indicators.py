"""Indicators of prices: returns, volatility, moving averages, momentum.

Every indicator of a day is made of the same window: the `CLOSES` latest days with a close, of the `WINDOW_DAYS` days
up to that one. So a day gets the same values however long the history is that was read. Averages that in their usual
form reach back for ever (EMA, Wilder's RSI) begin with the window: what lies before it would have a weight of at most
(19/21)^80, 3 in 10,000, in the EMA and (13/14)^86, 2 in 1,000, in the RSI.

Sources: J. W. Wilder, New Concepts in Technical Trading Systems, 1978 (RSI); M. Parkinson, The Extreme Value Method for
Estimating the Variance of the Rate of Return, Journal of Business 53, 1980.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

WINDOW_DAYS = 150
"""A hundred sessions of an exchange that rests on weekends and holidays."""

CLOSES = 100

PREVIOUS_CLOSE_DAYS = 7
"""How far back the previous close may lie: exchanges close for weekends and holidays."""

WEEK_DAYS = 7
MONTH = 20
"""Sessions of about a month, over which volatility and usual volume are told."""

RETURNS_NEEDED = 10
VOLUMES_NEEDED = 5
RSI_PERIODS = 14

PERIODS_A_YEAR = {"crypto": 365}
SESSIONS_A_YEAR = 252
"""Trading days of a year, for everything that is not traded every day."""


@dataclass(frozen=True)
class Windows:
    """The windows of some days of one asset, shape `(days, CLOSES)`: the day itself last, NaN where there is none."""

    ages: np.ndarray
    closes: np.ndarray
    volumes: np.ndarray
    market_caps: np.ndarray
    ranges: np.ndarray
    periods_a_year: float

    @property
    def log_returns(self) -> np.ndarray:
        """Log return of each day from the day before it in the window, NaN over a gap of more than a week."""
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.diff(np.log(self.closes), axis=1)
        return np.where(-np.diff(self.ages, axis=1) <= PREVIOUS_CLOSE_DAYS, steps, np.nan)


def _windowed(values: np.ndarray, seen: np.ndarray, asked: np.ndarray) -> np.ndarray:
    padded = np.concatenate([np.full(CLOSES - 1, np.nan), values])
    found = np.lib.stride_tricks.sliding_window_view(padded, CLOSES)[asked]
    return np.where(seen, found, np.nan)


def windows(asset: pd.DataFrame, asked: np.ndarray) -> Windows:
    """The windows of one asset.

    Args:
        asset: its rows in the order of days, with `event_date`, `asset_class`, `close`, `high`, `low`, `volume`,
            `volume_unit`, `market_cap`; one per day.
        asked: positions of the days to make windows for.
    """
    dates = asset["event_date"].to_numpy(dtype="datetime64[D]").astype("float64")
    all_seen = np.ones((len(asked), CLOSES), dtype=bool)
    ages = dates[asked][:, None] - _windowed(dates, all_seen, asked)
    seen = ages <= WINDOW_DAYS
    numbers = {name: asset[name].to_numpy(dtype="float64", na_value=np.nan) for name in ("high", "low", "close")}
    more = {name: asset[name].to_numpy(dtype="float64", na_value=np.nan) for name in ("volume", "market_cap")}
    units = pd.factorize(asset["volume_unit"].array, use_na_sentinel=False)[0].astype("float64")
    return Windows(
        ages=np.where(seen, ages, np.nan),
        closes=_windowed(numbers["close"], seen, asked),
        # Volumes of another unit than that of the day tell nothing beside it.
        volumes=_windowed(more["volume"], seen & (_windowed(units, seen, asked) == units[asked][:, None]), asked),
        market_caps=_windowed(more["market_cap"], seen, asked),
        ranges=_windowed(np.log(numbers["high"] / numbers["low"]), seen, asked),
        periods_a_year=PERIODS_A_YEAR.get(str(asset["asset_class"].iloc[-1]), SESSIONS_A_YEAR),
    )


def _enough(values: np.ndarray, needed: int) -> np.ndarray:
    """Whether a row has `needed` numbers, the last one among them."""
    return (np.isfinite(values).sum(axis=1) >= needed) & np.isfinite(values[:, -1])


def _mean(values: np.ndarray, needed: int) -> np.ndarray:
    counted = np.isfinite(values)
    count = counted.sum(axis=1)
    total = np.where(counted, values, 0.0).sum(axis=1)
    return np.where(count >= needed, total / np.maximum(count, 1), np.nan)


def simple_average(given: Windows, days: int) -> np.ndarray:
    """Mean of the last `days` closes; NaN with fewer."""
    return _mean(given.closes[:, -days:], days)


def exponential_average(given: Windows, days: int) -> np.ndarray:
    """Mean of the closes of the window with weights that fall by 1 - 2 / (days + 1) from day to day back."""
    weights = (1 - 2 / (days + 1)) ** np.arange(CLOSES - 1, -1, -1.0)
    held = np.isfinite(given.closes)
    total = (np.where(held, given.closes, 0.0) * weights).sum(axis=1)
    return np.where(_enough(given.closes, days), total / np.maximum((held * weights).sum(axis=1), 1e-300), np.nan)


def volatility(given: Windows) -> np.ndarray:
    """Sample standard deviation of the last `MONTH` log returns, per year (times the root of the periods a year)."""
    steps = given.log_returns[:, -MONTH:]
    mean = _mean(steps, RETURNS_NEEDED)
    count = np.isfinite(steps).sum(axis=1)
    squares = np.nansum((steps - mean[:, None]) ** 2, axis=1)
    spread = np.sqrt(squares / np.maximum(count - 1, 1) * given.periods_a_year)
    return np.where(count >= RETURNS_NEEDED, spread, np.nan)


def range_volatility(given: Windows) -> np.ndarray:
    """Parkinson's estimate from highs and lows: the root of mean(ln(high / low)^2) / (4 ln 2), per year."""
    squares = _mean(given.ranges[:, -MONTH:] ** 2, RETURNS_NEEDED)
    return np.sqrt(squares / (4 * np.log(2)) * given.periods_a_year)


def relative_strength(given: Windows) -> np.ndarray:
    """Wilder's RSI of 14 periods, 0 to 100: 100 - 100 / (1 + mean gain / mean loss).

    The first mean is that of the first 14 changes of the window; each later one is (13 x mean + change) / 14. NaN with
    fewer than 14 changes, and where no price moved.
    """
    changes = np.diff(given.closes, axis=1)
    ups, downs = np.zeros(len(changes)), np.zeros(len(changes))
    count = np.zeros(len(changes))
    for change in changes.T:
        known = np.isfinite(change)
        count += known
        weight = 1 / np.clip(count, 1, RSI_PERIODS)
        for total, step in ((ups, np.maximum(change, 0)), (downs, np.maximum(-change, 0))):
            total += np.where(known, (np.where(known, step, 0.0) - total) * weight, 0.0)
    moved = ups + downs
    return np.where((count >= RSI_PERIODS) & (moved > 0), 100 * ups / np.where(moved > 0, moved, 1), np.nan)


def week_return(given: Windows) -> np.ndarray:
    """Close against the latest one that is at least a week old, and at most two."""
    old = (given.ages >= WEEK_DAYS) & (given.ages <= 2 * WEEK_DAYS) & np.isfinite(given.closes)
    last = CLOSES - 1 - np.argmax(old[:, ::-1], axis=1)
    before = given.closes[np.arange(len(last)), last]
    return np.where(old.any(axis=1), given.closes[:, -1] / before - 1, np.nan)


def volume_trend(given: Windows) -> np.ndarray:
    """Volume against the mean of the `MONTH` days before that tell it in the same unit, less 1."""
    usual = _mean(given.volumes[:, -MONTH - 1 : -1], VOLUMES_NEEDED)
    return np.where(usual > 0, given.volumes[:, -1] / np.where(usual > 0, usual, 1), np.nan) - 1


def market_cap_change(given: Windows) -> np.ndarray:
    """Market value against that of the day before in the window, less 1."""
    now, before = given.market_caps[:, -1], given.market_caps[:, -2]
    recent = (given.ages[:, -2] <= PREVIOUS_CLOSE_DAYS) & (before > 0)
    return np.where(recent, now / np.where(recent, before, 1) - 1, np.nan)


INDICATORS = {
    "log_return": lambda given: given.log_returns[:, -1],
    "return_7d": week_return,
    "volatility_20d": volatility,
    "range_volatility_20d": range_volatility,
    "sma_7": lambda given: simple_average(given, 7),
    "sma_20": lambda given: simple_average(given, 20),
    "sma_50": lambda given: simple_average(given, 50),
    "ema_20": lambda given: exponential_average(given, 20),
    "rsi_14": relative_strength,
    "volume_trend": volume_trend,
    "market_cap_change": market_cap_change,
}
"""Column of `aggregated/market_daily` -> how it follows from the windows."""


def with_indicators(daily: pd.DataFrame, wanted: np.ndarray, keys: Sequence[str]) -> pd.DataFrame:
    """The wanted rows with a column per indicator.

    Args:
        daily: a row per asset and day, sorted by `keys` and day.
        wanted: which rows.
        keys: columns that tell an asset.
    """
    parts = []
    for _, asset in daily.assign(wanted=wanted).groupby(list(keys), sort=False):
        asked = np.flatnonzero(asset["wanted"].to_numpy())
        if len(asked):
            given = windows(asset, asked)
            told = {name: indicator(given) for name, indicator in INDICATORS.items()}
            parts.append(pd.DataFrame(told, index=asset.index[asked]))
    found = pd.concat(parts) if parts else pd.DataFrame(columns=list(INDICATORS), dtype="float64")
    return daily[wanted].join(found)
