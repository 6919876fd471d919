"""Forecasting one series: every model that fits it is tried on its past, and the best of them forecasts.

Rolling origin (Tashman, Out-of-sample tests of forecasting accuracy, 2000): a model is fitted to what was known at the
first origin; its parameters are kept while the origin moves on and what has come by then is taken in. All models are
tested on the same origins. The best is fitted anew to the whole series. A naive forecast is the measure of all: a model
that is not clearly better than it is not used.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

LEVELS = (80, 95)
QUANTILES = (1.2815515655446004, 1.959963984540054)
"""Standard normal quantiles of the two-sided intervals at `LEVELS`."""

BOUNDS = ("lower_80", "upper_80", "lower_95", "upper_95")
CLEARLY_BETTER = 0.9
SURELY_BETTER = 2.5
"""A model must have at most this share of the error of the naive one, and the difference must be so many times its
standard error (Diebold & Mariano 1995): of several models one is better by luck, on prices one in three times."""

# What models raise on series that they cannot fit: too short, too even, not converging.
UNFIT = (ValueError, ArithmeticError, NotImplementedError, IndexError, np.linalg.LinAlgError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Plan:
    """How series of one kind are forecast.

    Attributes:
        season: periods of a season; 1 for none.
        horizon: periods ahead.
        origins: origins of the backtest, at most.
        stride: periods between them.
        least: periods that a model is fitted to, at least; with fewer there are only naive forecasts.
        weekly: periods of a week, if a season is shorter than that, else 0.
        arima, prophet: whether these are tried too.
        logs: whether logarithms are forecast: changes of prices are relative.
        low, high: bounds of the values.
    """

    season: int
    horizon: int
    origins: int
    stride: int
    least: int
    weekly: int = 0
    arima: bool = False
    prophet: bool = False
    logs: bool = False
    low: float = -np.inf
    high: float = np.inf


Bands = np.ndarray
"""Forecasts of one origin, horizon x 5: the expected value, then `BOUNDS`."""


class Model(Protocol):
    """A way to forecast."""

    @property
    def name(self) -> str:
        """As it is told in the table."""

    @property
    def least(self) -> int:
        """Periods that it can be fitted to."""

    def fit(self, known: np.ndarray) -> Callable[[np.ndarray, int], Bands]:
        """Fitted to `known`, a function that forecasts what follows a longer series."""


@dataclass(frozen=True, slots=True)
class Naive:
    """Every period as the one a season before (Hyndman & Athanasopoulos, Forecasting, 5.2 and 5.5)."""

    name: str
    season: int

    @property
    def least(self) -> int:
        """Two differences, so that they have a spread."""
        return self.season + 1

    def fit(self, known: np.ndarray) -> Callable[[np.ndarray, int], Bands]:  # noqa: ARG002
        """The spread is that of the differences so far; it grows with the root of the seasons ahead."""

        def forecast(series: np.ndarray, horizon: int) -> Bands:
            ahead = np.arange(horizon)
            mean = series[len(series) - self.season + ahead % self.season]
            changes = series[self.season :] - series[: -self.season]
            spread = np.sqrt(np.mean(changes**2) * (ahead // self.season + 1)) if len(changes) else ahead * np.nan
            return bands(mean, spread)

        return forecast


@dataclass(frozen=True, slots=True)
class Library:
    """A model of `statsforecast`; `make` imports it, which takes a second that naive forecasts need not wait for."""

    name: str
    least: int
    make: Callable[[], Any]

    def fit(self, known: np.ndarray) -> Callable[[np.ndarray, int], Bands]:
        """Parameters are estimated here; later values are filtered with them."""
        model = self.make().fit(known)

        def forecast(series: np.ndarray, horizon: int) -> Bands:
            told = model.forward(series, horizon, level=list(LEVELS))
            columns = ["mean", *(f"{side}-{level}" for level in LEVELS for side in ("lo", "hi"))]
            return np.column_stack([np.asarray(told[column], dtype="float64") for column in columns])

        return forecast


def bands(mean: np.ndarray, spread: np.ndarray) -> Bands:
    """Forecasts with normal errors of this standard deviation, both of the length of the horizon."""
    return np.column_stack([mean, *(mean + sign * q * spread for q in QUANTILES for sign in (-1, 1))])


def _naive_models(plan: Plan) -> Iterator[Model]:
    yield Naive("naive", 1)
    if plan.season > 1:
        yield Naive("seasonal_naive", plan.season)
    if plan.weekly:
        yield Naive("weekly_naive", plan.weekly)


def _ses() -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=1, model="ANN")


def _ets(season: int, form: str) -> Any:
    from statsforecast.models import AutoETS

    return AutoETS(season_length=season, model=form)


def _theta(season: int) -> Any:
    from statsforecast.models import AutoTheta

    return AutoTheta(season_length=season, decomposition_type="additive", model="OTM")


def _arima() -> Any:
    from statsforecast.models import AutoARIMA

    return AutoARIMA(season_length=1, max_p=2, max_q=2, max_order=3, approximation=True)


def models_for(plan: Plan) -> list[Model]:
    """Models to try beside the naive ones, the simplest first.

    Errors are additive, so that intervals follow from a formula and not from a simulation. Of the hourly forms of ETS
    only the one with season and level is tried: the search among all of them takes 17 times as long.
    """
    season = plan.season
    form = "AZN" if season == 1 else "ANA" if plan.weekly else "AZA"
    models: list[Model] = [
        Library("ses", 10, _ses),
        Library("ets", max(10, 2 * season + 5), lambda: _ets(season, form)),
        Library("theta", max(10, 2 * season + 1), lambda: _theta(season)),
    ]
    if plan.arima:
        models.append(Library("arima", 20, _arima))
    if plan.prophet:
        from pipeline_platform.aggregate.prophet import Prophet

        models.append(Prophet(plan))
    return models


@dataclass(frozen=True, slots=True)
class Score:
    """How a model did in the backtest.

    Attributes:
        mae: mean absolute error, in the unit of the series.
        smape: symmetric mean absolute percentage error as M4 defines it, 0 to 200.
        coverage: share of the values within the interval at each of `LEVELS`.
        tested: forecasts compared.
        by_origin: mean absolute error from each origin.
    """

    mae: float
    smape: float
    coverage: tuple[float, float]
    tested: int
    by_origin: np.ndarray


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast with what is known of its quality.

    Attributes:
        bands: horizon x 5, the expected value and `BOUNDS`.
        model, naive_model: names; the same where the naive one is used.
        score, naive_score: None where the series is too short for a backtest.
        scale: mean absolute error of the seasonal naive forecast one season ahead before the first origin; NaN if it
            is 0 or unknown.
    """

    bands: Bands
    model: str
    naive_model: str
    score: Score | None
    naive_score: Score | None
    scale: float


def _origins(length: int, plan: Plan) -> tuple[np.ndarray, int]:
    """Origins (numbers of known periods) of the backtest, and how far each of them looks ahead.

    Short series are looked ahead of by a third of their length only.
    """
    horizon = min(plan.horizon, length // 3)
    if horizon < 1:
        return np.empty(0, dtype="int64"), 0
    first = max(min(plan.least, length - horizon), length - horizon - plan.stride * (plan.origins - 1), 2)
    return np.arange(length - horizon, first - 1, -plan.stride)[::-1], horizon


def _on_scale(told: Bands, plan: Plan) -> Bands:
    return np.clip(np.exp(told) if plan.logs else told, plan.low, plan.high)


def _backtest(model: Model, series: np.ndarray, told: np.ndarray, plan: Plan) -> Score | None:
    """The errors of `model`; None if it cannot be fitted.

    Args:
        model: what is tested.
        series: the series as models see it (logarithms if the plan says so).
        told: the series as it was observed.
        plan: how.
    """
    origins, horizon = _origins(len(series), plan)
    if not len(origins) or origins[0] < model.least:
        return None
    try:
        with _quiet():
            forecast = model.fit(series[: origins[0]])
            expected = np.stack([_on_scale(forecast(series[:origin], horizon), plan) for origin in origins])
    except UNFIT:
        return None
    actual = told[origins[:, None] + np.arange(horizon)]
    off = np.abs(expected[:, :, 0] - actual)
    if not np.isfinite(off).all():
        return None
    size = np.abs(expected[:, :, 0]) + np.abs(actual)
    relative = np.divide(200 * off, size, out=np.zeros_like(off), where=size > 0)
    inside = [float(((expected[:, :, low] <= actual) & (actual <= expected[:, :, low + 1])).mean()) for low in (1, 3)]
    return Score(
        float(off.mean()), min(float(relative.mean()), 200.0), (inside[0], inside[1]), off.size, off.mean(axis=1)
    )


def _is_better(score: Score, naive: Score, plan: Plan) -> bool:
    """Whether the model is better than the naive one, by more than luck.

    The horizons of origins that are near each other overlap, so that their errors go together: the variance of the mean
    difference takes that in (Newey & West 1987).
    """
    gains = naive.by_origin - score.by_origin
    if score.mae > CLEARLY_BETTER * naive.mae or len(gains) < 2:
        return False
    apart = gains - gains.mean()
    variance = apart @ apart
    overlapping = min(-(-plan.horizon // plan.stride), len(gains)) - 1
    for lag in range(1, overlapping + 1):
        variance += 2 * (1 - lag / (overlapping + 1)) * (apart[lag:] @ apart[:-lag])
    return bool(gains.mean() > SURELY_BETTER * np.sqrt(max(variance, 0.0)) / len(gains))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of optimisers that do not converge: the backtest tells what came of it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _scale(told: np.ndarray, plan: Plan) -> float:
    origins, _ = _origins(len(told), plan)
    known = told[: origins[0]] if len(origins) else told
    season = plan.season if len(known) > plan.season else 1
    changes = np.abs(known[season:] - known[:-season])
    return float(changes.mean()) if len(changes) and changes.mean() > 0 else np.nan


def forecast_series(told: np.ndarray, plan: Plan) -> Forecast:
    """The forecast of one series by the model that did best on its past.

    Args:
        told: values of consecutive periods, at least one, none missing.
        plan: how series of its kind are forecast.

    Returns:
        `plan.horizon` periods ahead. A constant series, and one of fewer than `plan.least` periods before the origins,
        is forecast naively.
    """
    series = np.log(told) if plan.logs else told
    naives = [model for model in _naive_models(plan) if len(series) >= max(model.least, 1)] or [Naive("naive", 1)]
    scores = {model.name: _backtest(model, series, told, plan) for model in naives}
    tested = [model for model in naives if scores[model.name] is not None]
    naive = min(tested, key=lambda model: scores[model.name].mae) if tested else naives[0]  # type: ignore[union-attr]
    naive_score = scores[naive.name]
    best: Model = naive
    score = naive_score
    origins, _ = _origins(len(series), plan)
    if naive_score is not None and origins[0] >= plan.least and np.ptp(series) > 0:
        for model in models_for(plan):
            found = _backtest(model, series, told, plan)
            if found is not None and _is_better(found, naive_score, plan) and (score is None or found.mae < score.mae):
                best, score = model, found
    ahead = _final(best, series, plan)
    if ahead is None:
        best, score, ahead = naive, naive_score, _final(naive, series, plan)
    if ahead is None:
        raise ValueError(f"a series of {len(told)} periods has values that are not finite")
    return Forecast(ahead, best.name, naive.name, score, naive_score, _scale(told, plan))


def _final(model: Model, series: np.ndarray, plan: Plan) -> Bands | None:
    """The forecast by `model` fitted to the whole series; None if that fails."""
    try:
        with _quiet():
            ahead = _on_scale(model.fit(series)(series, plan.horizon), plan)
    except UNFIT:
        return None
    return ahead if np.isfinite(ahead[:, 0]).all() else None
