"""Prophet (Taylor & Letham, Forecasting at scale, 2018) as one more model to try, where it is installed and asked for.

It cannot take in new values without being fitted anew, so it is fitted at every origin: ten times as slow as others.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.forecasting import Bands, Plan, bands

log = logging.getLogger(__name__)

ANY_MONDAY = pd.Timestamp("2024-01-01")
"""Seasons are learnt by their phase; which day a series begins on does not matter."""


@dataclass(frozen=True, slots=True)
class Prophet:
    """Trend and Fourier seasons; intervals from the spread that is left over, without drawing futures at random."""

    plan: Plan
    name: str = "prophet"
    least: int = 21

    def fit(self, known: np.ndarray) -> Callable[[np.ndarray, int], Bands]:  # noqa: ARG002
        """Nothing is kept from `known`: the model is fitted to each series that it forecasts."""
        return self._forecast

    def _forecast(self, series: np.ndarray, horizon: int) -> Bands:
        from prophet import Prophet as Library

        step = "h" if self.plan.weekly else "D"
        moments = pd.date_range(ANY_MONDAY, periods=len(series) + horizon, freq=step)
        model = Library(
            daily_seasonality=bool(self.plan.weekly),
            weekly_seasonality=self.plan.season > 1,
            yearly_seasonality=False,
            uncertainty_samples=0,
        )
        model.fit(pd.DataFrame({"ds": moments[: len(series)], "y": series}))
        told = model.predict(pd.DataFrame({"ds": moments}))["yhat"].to_numpy()
        spread = np.sqrt(np.mean((told[: len(series)] - series) ** 2))
        return bands(told[len(series) :], np.full(horizon, spread))


def is_usable() -> bool:
    """Whether Prophet is installed; says what to do if not."""
    if find_spec("prophet") is not None:
        logging.getLogger("cmdstanpy").disabled = True  # tells of every fit
        return True
    log.error(
        "PIPELINE_FORECAST_WITH_PROPHET is set, but Prophet is not installed, and series are forecast without it: "
        "pip install 'pipeline-platform[prophet]'."
    )
    return False
