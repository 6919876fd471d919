"""Seeded histories of talk, prices and weather, a part of them tied a day apart, as `correlations` reads them.

What is not tied is no white noise: moods, temperatures and attention go on from day to day, weeks have ends, returns
have heavy tails, shares rest at weekends, small subjects are silent on some days, and on some nothing was read at all.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.correlations import correlations
from pipeline_platform.schemas.aggregated.cross_domain import CROSS_DOMAIN_DAILY
from pipeline_platform.schemas.aggregated.market import MARKET_DAILY
from pipeline_platform.schemas.aggregated.text import SUBJECT_DAILY
from pipeline_platform.schemas.aggregated.weather import WEATHER_DAILY
from pipeline_platform.schemas.table import Table

LAST = date(2026, 11, 20)
ASSETS, PLACES = 30, 20
TIED_SHARE = 0.2
UNREAD_SHARE = 0.03

Pair = tuple[str, str, str]
"""Subject, first and second series."""


@dataclass(frozen=True)
class History:
    """The tables that `correlations` reads, and the pairs of which one series was made to follow the other.

    Attributes:
        subjects, market, weather, wide: rows of the tables, as the parameters of `correlations`.
        tied: the planted pairs with their lags.
    """

    subjects: pd.DataFrame
    market: pd.DataFrame
    weather: pd.DataFrame
    wide: pd.DataFrame
    tied: dict[Pair, int]

    def correlations(self) -> pd.DataFrame:
        """Rows of `aggregated/correlations` of the last day."""
        return correlations([LAST], self.subjects, self.market, self.weather, self.wide)


def going_on(random: np.random.Generator, shape: tuple[int, int], phi: float) -> np.ndarray:
    """Standardised series (days x series) of which each day is `phi` times the day before and news."""
    values = random.normal(size=shape)
    for day in range(1, shape[0]):
        values[day] = phi * values[day - 1] + np.sqrt(1 - phi**2) * values[day]
    return values


def following(random: np.random.Generator, noise: np.ndarray, leads: np.ndarray, strength: float) -> np.ndarray:
    """`noise` (days x series) turned to correlate by `strength` with the normal scores of `leads` on the day before."""
    from scipy.stats import norm, rankdata

    scores = norm.ppf((rankdata(leads, axis=0) - 0.5) / len(leads))
    scores = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    before = np.vstack([random.normal(size=(1, leads.shape[1])), scores[:-1]])
    return strength * before + np.sqrt(1 - strength**2) * noise


def history(seed: int, length: int, strength: float = 0) -> History:
    """A history of `length` days up to `LAST`.

    Args:
        seed: another seed, another history.
        length: days that are known.
        strength: correlation of a tied series with what it follows; 0 for a history without ties.
    """
    random = np.random.default_rng(seed)
    days = [LAST - timedelta(days=ago) for ago in range(length - 1, -1, -1)]
    read = random.random(length) >= UNREAD_SHARE
    weekday = np.array([day.weekday() < 5 for day in days])
    tied = np.arange(ASSETS) < TIED_SHARE * ASSETS if strength else np.zeros(ASSETS, dtype=bool)

    level = 10 ** random.uniform(0, 2.3, ASSETS)
    busy = np.exp(0.4 * going_on(random, (length, ASSETS), 0.5)) * np.where(weekday, 1, 0.7)[:, None]
    mentions = random.poisson(level * busy)
    noise = random.standard_t(4, (length, ASSETS)) / np.sqrt(2)
    returns = 0.02 * np.where(tied, following(random, noise, mentions, strength), noise)

    rainy = going_on(random, (length, PLACES), 0.4) > 0.3
    rain = np.where(rainy, random.exponential(6, (length, PLACES)), 0).round(1)
    fall = random.uniform(0, 0.12, PLACES) * np.arange(length)[:, None]
    warmth = 15 - fall + 3 * going_on(random, (length, PLACES), 0.7)
    soured = tied[:PLACES] & (np.arange(PLACES) < TIED_SHARE * PLACES)
    moods = going_on(random, (length, PLACES), 0.4)
    moods = np.where(soured, following(random, moods, rain, -strength), moods)

    asset, place = ([f"{name}{number:02}" for number in range(count)] for name, count in (("a", ASSETS), ("p", PLACES)))
    open_then = np.where(np.arange(ASSETS) % 2, weekday[:, None], True)
    about = _rows(days, asset, kind="asset", canonical_documents=mentions, mean_sentiment=_mood(random, mentions.shape))
    here = _rows(days, place, kind="place", canonical_documents=np.full(rain.shape, 9), mean_sentiment=0.1 * moods)
    told = pd.concat([about[about["canonical_documents"] > 0], here], ignore_index=True)
    told = told[told["event_date"].isin([day for day, known in zip(days, read, strict=True) if known])]
    return History(
        _typed(SUBJECT_DAILY, told),
        _typed(
            MARKET_DAILY,
            _rows(days, asset, source="exchange", currency="USD", daily_return=returns)[open_then.T.ravel()].assign(
                asset=lambda rows: rows["subject"], symbol=lambda rows: rows["subject"]
            ),
        ),
        _typed(
            WEATHER_DAILY,
            _rows(days, place, source="station", rain_mm=rain, temperature_mean_c=warmth).assign(
                place=lambda rows: rows["subject"]
            ),
        ),
        _typed(CROSS_DOMAIN_DAILY, _overall(random, days, read, rain, warmth)),
        {
            **{(asset[at], "canonical_documents", "daily_return"): 1 for at in np.flatnonzero(tied)},
            **{(place[at], "mean_sentiment", "rain_mm"): -1 for at in np.flatnonzero(soured)},
        },
    )


def _mood(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return 0.1 * going_on(random, shape, 0.3)


def _rows(days: list[date], subjects: list[str], **columns: np.ndarray | str) -> pd.DataFrame:
    """A row per subject and day; arrays are days x subjects."""
    values = {name: one if isinstance(one, str) else one.T.ravel() for name, one in columns.items()}
    return pd.DataFrame({"subject": np.repeat(subjects, len(days)), "event_date": days * len(subjects), **values})


def _overall(
    random: np.random.Generator, days: list[date], read: np.ndarray, rain: np.ndarray, warmth: np.ndarray
) -> pd.DataFrame:
    length = (len(days), 1)
    values: dict[str, np.ndarray] = {
        "documents": np.where(read, 500, np.nan),
        "mean_sentiment": np.where(read, _mood(random, length)[:, 0], np.nan),
        "crypto_mean_return": 0.02 * random.standard_t(4, len(days)),
        "mean_rain_mm": rain.mean(axis=1),
        "mean_temperature_c": warmth.mean(axis=1),
        "temperature_anomaly_c": going_on(random, length, 0.6)[:, 0],
    }
    return pd.DataFrame({"event_date": days, **values})


def _typed(table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` with the columns of `table` and its types; what is not told is null."""
    given = rows.reindex(columns=table.columns)
    return pd.DataFrame({name: pd.array(given[name], dtype=of.dtype.type) for name, of in table.schema.columns.items()})
