"""Forecasts: what a series costs, and how far off forecasts of real prices are beside the naive one.

(a) Hourly series of four weeks with a daily season, each forecast as the platform does it (five models tried on eight
origins, the best fitted anew) beside one fit of statsforecast's AutoETS and of its seasonal naive model.

(b) Years of daily closes from the recordings, where they are at hand: at every tenth trading day the 56 days before
are known, and the five trading days after are forecast.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from benchmarks.measure import Figure, race
from pipeline_platform.aggregate.forecasting import Naive, Plan, forecast_series
from pipeline_platform.aggregate.forecasts import DAILY_CLOSE, HISTORY_DAYS, HOURLY_DAYS, HOURLY_VOLUME
from pipeline_platform.sandbox.recordings import Recording, load
from pipeline_platform.sources.base import SourceError
from pipeline_platform.sources.yahoo_records import bars_of, chart_of, parse_bar

SCALE = 1000
SEARCHED = 20
"""Series that AutoETS, which searches all its forms, is timed on."""

RECORDINGS = Path(__file__).parents[2] / "shared/recordings"
YEAR = 200
"""Closes that a series must have to be told of."""

EVERY = 10
KNOWN = round(HISTORY_DAYS * 5 / 7)


def hourly_series(count: int) -> list[np.ndarray]:
    """Counts of four weeks with a season of a day, of sources from quiet to busy; every tenth is constant or short."""
    random = np.random.default_rng(1)
    hours = np.arange(HOURLY_DAYS * 24)
    series = []
    for number in range(count):
        level = 10 ** random.uniform(-0.5, 2.5)
        weekly = np.where(hours // 24 % 7 < 5, 1.0, random.uniform(0.5, 1.0))
        values = random.poisson(level * weekly * (1 + 0.5 * np.sin(2 * np.pi * hours / 24))).astype("float64")
        series.append(values[:3] if number % 20 == 19 else np.full(len(hours), 4.0) if number % 20 == 9 else values)
    return series


def _costs(scale: int, rounds: int) -> list[Figure]:
    from statsforecast.models import AutoETS, SeasonalNaive

    series = hourly_series(scale)
    whole = [values for values in series if len(values) > 3]
    seconds = race(
        {
            "ours": lambda: [forecast_series(values, HOURLY_VOLUME) for values in series],
            "AutoETS": lambda: [
                AutoETS(season_length=24).forecast(values, 24, level=[80, 95]) for values in whole[:SEARCHED]
            ],
            "SeasonalNaive": lambda: [
                SeasonalNaive(season_length=24).forecast(values, 24, level=[80, 95]) for values in whole
            ],
        },
        rounds,
    )
    ours = float(np.median(seconds["ours"])) / len(series)
    figures = []
    for name, number in (("AutoETS", min(SEARCHED, len(whole))), ("SeasonalNaive", len(whole))):
        theirs = float(np.median(seconds[name])) / number
        what = f"hourly series of 4 weeks, each of {scale:,}"
        figures.append(Figure(what, ours, "s", f"statsforecast {name}, one fit", theirs, theirs / ours))
    return figures


def closes(folder: Path) -> dict[str, np.ndarray]:
    """Daily closes by asset, the longest series of each."""
    found: dict[str, np.ndarray] = {}
    for source in ("yahoo", "alpha_vantage"):
        for recording in load(folder, source):
            for name, series in _series_of(recording):
                daily = series[~series.index.duplicated()].sort_index()
                values = daily[daily > 0].to_numpy(dtype="float64")
                if len(values) >= YEAR and len(values) > len(found.get(name, ())):
                    found[name] = values
    return dict(sorted(found.items()))


def _series_of(recording: Recording) -> Iterator[tuple[str, pd.Series]]:
    """Asset and closes of an answer that holds daily prices: a chart of Yahoo, or a table of either."""
    if recording.file.endswith(".csv"):
        head = next(csv.reader(io.StringIO(recording.body.decode(errors="replace"))), [])
        names = {name.lower(): name for name in head}
        moment = names.get("date") or names.get("datetime") or names.get("timestamp")
        if moment is None or "close" not in names or "intraday" in recording.file:
            return
        table = pd.read_csv(io.BytesIO(recording.body))
        dates = pd.DatetimeIndex(pd.to_datetime(table[moment], utc=True)).normalize()
        series = pd.Series(pd.to_numeric(table[names["close"]], errors="coerce").to_numpy(), index=dates).dropna()
        if len(series) > 1 and np.median(np.abs(np.diff(dates))) <= np.timedelta64(1, "D"):
            yield _asset(recording.file), series
        return
    try:
        body = orjson.loads(recording.body)
        symbol = body["chart"]["result"][0]["meta"]["symbol"]
        rows = [parse_bar(payload) for payload in bars_of(chart_of(body, symbol), symbol)]
    except (SourceError, ValueError, KeyError, TypeError, IndexError):
        return
    index = pd.DatetimeIndex([row["opened_at"] for row in rows])
    yield str(symbol), pd.Series([row["close"] for row in rows], index=index, dtype="float64").dropna()


def _asset(file: str) -> str:
    """What a table is about, from the name of its file; a mended table has the name of the other."""
    return Path(file).stem.partition("-")[2].removeprefix("yfinance-").partition("-1d")[0]


@dataclass
class Told:
    """Forecasts of one asset beside what came, one row per origin."""

    off: np.ndarray
    relative: np.ndarray
    inside_80: np.ndarray
    inside_95: np.ndarray

    @classmethod
    def of(cls, bands: list[np.ndarray], actual: np.ndarray, scales: np.ndarray) -> "Told":
        """From bands (horizon x 5) of every origin, the values that came, and the scale of each origin."""
        told = np.stack(bands)
        off = np.abs(told[:, :, 0] - actual)
        return cls(
            off / scales[:, None],
            200 * off / (np.abs(told[:, :, 0]) + actual),
            (told[:, :, 1] <= actual) & (actual <= told[:, :, 2]),
            (told[:, :, 3] <= actual) & (actual <= told[:, :, 4]),
        )

    def numbers(self) -> str:
        """MASE, sMAPE and coverage."""
        return (
            f"{self.off.mean():.3f} | {self.relative.mean():.2f} | {self.inside_80.mean():.2f} | "
            f"{self.inside_95.mean():.2f}"
        )


def rolled(values: np.ndarray, plan: Plan) -> tuple[Told, Told, float] | None:
    """Our forecasts, the naive ones, and the share of ours that were not naive; None without an origin."""
    last = len(values) - plan.horizon
    origins = [origin for origin in range(KNOWN, last + 1, EVERY) if np.ptp(values[origin - KNOWN : origin]) > 0]
    if not origins:
        return None
    known = [values[origin - KNOWN : origin] for origin in origins]
    actual = np.stack([values[origin : origin + plan.horizon] for origin in origins])
    scales = np.array([np.abs(np.diff(one)).mean() for one in known])
    ours = [forecast_series(one, plan) for one in known]
    naive = [np.exp(Naive("naive", 1).fit(np.log(one))(np.log(one), plan.horizon)) for one in known]
    share = float(np.mean([one.model != one.naive_model for one in ours]))
    return Told.of([one.bands for one in ours], actual, scales), Told.of(naive, actual, scales), share


def price_table(folder: Path, plan: Plan = DAILY_CLOSE) -> list[str]:
    """Lines of a Markdown table: errors and coverage per asset and over all, ours and then those of the naive one."""
    lines = [
        f"| asset | closes | origins | not naive |{' MASE | sMAPE | in 80 % | in 95 % |' * 2}",
        "| --- " * 12 + "|",
    ]
    every: list[tuple[Told, Told, float]] = []
    for asset, values in closes(folder).items():
        found = rolled(values, plan)
        if found is not None:
            every.append(found)
            ours, naive, share = found
            lines.append(
                f"| {asset} | {len(values)} | {len(ours.off)} | {share:.0%} | {ours.numbers()} | {naive.numbers()} |"
            )
    if every:
        joined = [
            Told(*(np.concatenate([getattr(one[side], name) for one in every]) for name in Told.__dataclass_fields__))
            for side in (0, 1)
        ]
        origins = [len(one[0].off) for one in every]
        share = float(np.average([one[2] for one in every], weights=origins))
        numbers = " | ".join(one.numbers() for one in joined)
        lines.append(f"| all {len(every)} | | {sum(origins)} | {share:.0%} | {numbers} |")
    return lines


def run(scale: int, rounds: int) -> list[Figure]:
    """Cost of `scale` hourly series; the table of prices is printed."""
    figures = _costs(scale, rounds)
    if RECORDINGS.is_dir():
        for name, plan in (("as the platform does", DAILY_CLOSE), ("ARIMA too", replace(DAILY_CLOSE, arima=True))):
            print(f"\nDaily closes, {name}:\n", *price_table(RECORDINGS, plan), sep="\n")
        print()
    return figures
