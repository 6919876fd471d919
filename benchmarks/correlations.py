"""Ties of a day's lag found again by `correlations`: recall, precision and false alarms, and what a day of it costs.

(a) Seeded histories of 50 subjects (`tied_histories.py`), a fifth of them tied, by strength and days known; and as many
without ties, where every significant row is a false alarm. What counts is the pair: it is found if a row of it is
significant.

(b) Worlds of the sandbox over 93 days, from the texts that are written and the prices and the weather that are shown,
through the components that read the texts and the aggregates. The control is the calm world of the same seed.

(c) A day beside the plain way to it: a loop over pairs, windows and lags that calls scipy.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd

from benchmarks.measure import BenchmarkError, Figure, compared, race
from benchmarks.tied_histories import LAST, History, Pair, history
from benchmarks.trends import NOW, documents_of
from pipeline_platform.aggregate.correlations import (
    COUNT,
    LAGS,
    N_NEEDED,
    SIGNIFICANT,
    SPAN_DAYS,
    WINDOWS,
    correlations,
)
from pipeline_platform.aggregate.cross_domain import cross_domain_daily
from pipeline_platform.aggregate.market import market_daily
from pipeline_platform.aggregate.text import sentiment_hourly, subject_daily
from pipeline_platform.aggregate.weather import weather_daily
from pipeline_platform.dedup.assets import asset_keys
from pipeline_platform.dedup.assets import registry as assets
from pipeline_platform.dedup.places import place_keys
from pipeline_platform.dedup.places import registry as places
from pipeline_platform.sandbox.cast import Place
from pipeline_platform.sandbox.climate import sky
from pipeline_platform.sandbox.world import World
from pipeline_platform.schemas.aggregated.developer import DEVELOPER_ACTIVITY_DAILY
from pipeline_platform.schemas.deduplicated import deduplicated_table

SCALE = 40
CALM_TIMES = 5
"""Histories without ties for every one with them."""

LENGTHS = (30, 60, 90)
STRENGTHS = (0.4, 0.6, 0.8)
WORLDS = (1, 2)
COMPONENTS = ("language", "sentiment_model", "sentiment", "entities", "places")
PAIR = ["subject", "first", "second"]


@dataclass
class Tally:
    """What became of the planted pairs, and of those found."""

    days: int = 0
    alarmed: int = 0
    planted: int = 0
    found: int = 0
    right: int = 0
    with_lag: int = 0
    wrong: list[Pair] = field(default_factory=list)

    def add(self, rows: pd.DataFrame, tied: dict[Pair, int], explained: frozenset[Pair] = frozenset()) -> None:
        """Hold rows of a day against the planted pairs; those that are `explained` are neither right nor wrong."""
        told = rows[rows["is_significant"].to_numpy(dtype=bool, na_value=False)]
        told = told.assign(size=told["spearman"].abs()).sort_values("size", ascending=False)
        told = told.drop_duplicates(PAIR)
        lags = dict(zip(map(tuple, told[PAIR].to_numpy()), told["lag_days"], strict=True))
        found = lags.keys() - (explained - tied.keys())
        self.days += 1
        self.alarmed += bool(found)
        self.planted += len(tied)
        self.found += len(found)
        self.right += len(found & tied.keys())
        self.with_lag += sum(lags[pair] == tied[pair] for pair in found & tied.keys())
        self.wrong += sorted(found - tied.keys())

    def figures(self, of: str) -> list[Figure]:
        """Recall, and precision if anything was found."""
        lag = f", {self.with_lag / self.right:.0%} strongest at their lag" if self.right else ""
        figures = [Figure(f"{of}: recall of {self.planted} pairs{lag}", self.right / max(self.planted, 1), "")]
        if self.found:
            figures.append(Figure(f"{of}: precision of {self.found} pairs", self.right / self.found, ""))
        return figures

    def quiet(self, of: str) -> Figure:
        """Share of the days without a tie that have a false alarm."""
        rate = self.alarmed / max(self.days, 1)
        # What a rate of `SIGNIFICANT` gives at most in 97.5 of 100 tries.
        most = SIGNIFICANT + 2 * np.sqrt(SIGNIFICANT * (1 - SIGNIFICANT) / max(self.days, 1))
        figure = Figure(f"{of}: days of {self.days} with a false alarm", rate, "")
        return figure.aimed(f"<= {SIGNIFICANT:g}, by chance {most:.3f}", bool(rate <= most))


def histories(count: int) -> list[Figure]:
    """Ties planted in `count` histories of every length and strength, and none planted in more."""
    figures = []
    for length in LENGTHS:
        for strength in STRENGTHS:
            tally = Tally()
            for seed in range(count):
                made = history(seed, length, strength)
                tally.add(made.correlations(), made.tied)
            figures += tally.figures(f"{length} days, correlation {strength:g}")
        calm = Tally()
        for seed in range(count, count * (1 + CALM_TIMES)):
            calm.add(history(seed, length).correlations(), {})
        figures.append(calm.quiet(f"{length} days, no ties"))
    return figures


def of_world(world: World, last: date) -> History:
    """What the aggregates make of a world, over the days that correlations of `last` look at."""
    days = [last - timedelta(days=back) for back in range(SPAN_DAYS, -1, -1)]
    documents = documents_of(world, days[0], last, COMPONENTS)
    subjects = subject_daily(days, documents)
    market = market_daily(days, _bars(world, days))
    weather = weather_daily(days, _observations(world, days))
    hours = sentiment_hourly(days, documents)
    wide = cross_domain_daily(days, hours, market, weather, DEVELOPER_ACTIVITY_DAILY.empty())
    return History(subjects, market, weather, wide, _planted(world))


def _moments(days: list[date]) -> list[datetime]:
    return [datetime.combine(day, time(hour), UTC) for day in days for hour in range(24)]


def _bars(world: World, days: list[date]) -> pd.DataFrame:
    told = [
        {
            "bar_id": f"{coin}:{at:%Y-%m-%dT%H}",
            "source": "coingecko",
            "symbol": coin,
            "asset_class": "crypto",
            "interval": "1h",
            "opened_at": at,
            "close": world.price(coin, at + timedelta(minutes=59)),
            "currency": "USD",
            "event_date": at.date(),
        }
        for coin in world.coins
        for at in _moments(days)
    ]
    rows = deduplicated_table("market_bars").frame(told)
    return rows.assign(asset=asset_keys(rows, assets()))


def _observations(world: World, days: list[date]) -> pd.DataFrame:
    told = []
    for place in world.places:
        for at in _moments(days):
            seen = sky(world, place, at)
            told.append(
                {
                    "observation_id": f"{place.name}:{at:%Y-%m-%dT%H}",
                    "source": "openweather",
                    "location": place.name,
                    "country": place.country,
                    "lat": place.lat,
                    "lon": place.lon,
                    "observed_at": at,
                    "temperature_c": seen.celsius,
                    "rain_1h_mm": 0.0 if seen.snows else seen.fall,
                    "snow_1h_mm": seen.fall if seen.snows else 0.0,
                    "event_date": at.date(),
                }
            )
    rows = deduplicated_table("weather_observations").frame(told)
    return rows.assign(place=place_keys(rows, places()))


def _planted(world: World) -> dict[Pair, int]:
    """The ties of the world as pairs of series, with the lag of the documents."""
    ties = world.ties.planted
    rained = {tie.subject for tie in ties if tie.type == "sentiment_after_rain"}
    coins = [tie.subject for tie in ties if tie.type == "return_after_mentions"]
    named = pd.DataFrame({"source": "coingecko", "symbol": coins, "asset_class": "crypto"}, dtype="object")
    located = pd.DataFrame([place for place in world.places if place.name in rained], columns=list(Place.__slots__))
    located = located.rename(columns={"name": "location"})
    return {
        **{(key, COUNT, "daily_return"): 1 for key in asset_keys(named, assets())},
        **{(key, "mean_sentiment", "rain_mm"): -1 for key in place_keys(located, places())},
    }


def _explained(tied: dict[Pair, int]) -> frozenset[Pair]:
    """What follows from the ties: clouds that bring rain keep the day cool, and tied places are a part of all talk."""
    cool = {(subject, first, "temperature_mean_c") for subject, first, second in tied if second == "rain_mm"}
    overall = {("*", "mean_sentiment", second) for second in ("mean_rain_mm", "mean_temperature_c")}
    anomaly = {("*", "mean_sentiment", "temperature_anomaly_c")}
    return frozenset(cool | overall | anomaly) if tied else frozenset()


def worlds(seeds: tuple[int, ...]) -> list[Figure]:
    """Ties of the sandbox's worlds, and none in their calm twins."""
    planted, quiet = Tally(), Tally()
    last = NOW.date() - timedelta(days=1)
    for seed in seeds:
        for calm, tally in ((False, planted), (True, quiet)):
            made = of_world(World(seed=seed, now=lambda: NOW, calm=calm), last)
            rows = correlations([last], made.subjects, made.market, made.weather, made.wide)
            tally.add(rows, made.tied, _explained(made.tied))
    alarms = Figure(f"sandbox, calm: days of {quiet.days} with a false alarm", quiet.alarmed / quiet.days, "")
    wrong = "".join(f", wrong: {' '.join(pair)}" for pair in planted.wrong)
    return [*planted.figures(f"sandbox, {SPAN_DAYS + 1} days{wrong}"), alarms]


def plainly(given: History) -> dict[tuple[object, ...], float]:
    """Spearman's coefficient of every pair, window and lag of the last day, as a plain loop comes to it."""
    from scipy.stats import pearsonr, spearmanr

    days = [LAST - timedelta(days=back) for back in range(SPAN_DAYS, -1, -1)]
    read = set(given.wide["event_date"][given.wide["documents"].notna()])
    found: dict[tuple[object, ...], float] = {}
    for kind, facts, key, pairs in (
        ("asset", given.market, "asset", [(COUNT, "daily_return"), ("mean_sentiment", "daily_return")]),
        ("place", given.weather, "place", [("mean_sentiment", "rain_mm"), ("mean_sentiment", "temperature_mean_c")]),
    ):
        told = given.subjects[given.subjects["kind"] == kind]
        for subject, rows in facts.groupby(key):
            about = told[told["subject"] == subject].set_index("event_date").reindex(days)
            beside = rows.set_index("event_date").reindex(days)
            for first, second in pairs:
                x, y = about[first].astype("Float64"), beside[second].astype("Float64")
                if first == COUNT:
                    x = x.fillna(pd.Series([0.0 if day in read else pd.NA for day in days], days, "Float64"))
                for window in WINDOWS:
                    for lag in LAGS:
                        ends = len(days) - max(lag, 0), len(days) - max(-lag, 0)
                        both = pd.DataFrame(
                            {
                                "x": x.iloc[ends[0] - window : ends[0]].to_numpy("float64", na_value=np.nan),
                                "y": y.iloc[ends[1] - window : ends[1]].to_numpy("float64", na_value=np.nan),
                            }
                        ).dropna()
                        if len(both) >= N_NEEDED and both.nunique().min() > 1:
                            pearsonr(both["x"], both["y"])
                            found[subject, first, second, window, lag] = spearmanr(both["x"], both["y"]).statistic
    return found


def _cost(rounds: int) -> list[Figure]:
    given = history(1, SPAN_DAYS + 1, 0.6)
    rows = given.correlations()
    keys = rows[[*PAIR, "window_days", "lag_days"]].itertuples(index=False, name=None)
    ours = {key: value for key, value in zip(keys, rows["spearman"], strict=True) if pd.notna(value)}
    theirs = plainly(given)
    shared = ours.keys() & theirs.keys()
    if len(shared) < 0.9 * len(theirs):
        raise BenchmarkError(f"the plain loop has {len(theirs)} coefficients, of which only {len(shared)} are ours too")
    apart = max(abs(ours[key] - theirs[key]) for key in shared)
    seconds = race({"ours": given.correlations, "scipy in a loop": lambda: plainly(given)}, rounds)
    return [
        compared(f"a day of {len(rows):,} pairs, windows and lags", seconds, "ours", "scipy in a loop"),
        Figure(f"largest difference of {len(shared):,} coefficients", apart, "").aimed("<= 1e-9", apart <= 1e-9),
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """Find what was planted in `scale` histories of each sort and in the sandbox's worlds, and time a day."""
    return [*histories(scale), *worlds(WORLDS), *_cost(rounds)]
