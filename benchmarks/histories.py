"""Seeded histories of profiles: steady worlds with weekdays, noise and growth, into which events are planted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.quality.anomalies import anomalies
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.schemas.quality import PROFILES

LAST = date(2026, 11, 20)
CATEGORIES = ("post", "comment", "story", "issue")


@dataclass
class Day:
    """What a table of the world holds on a day; a plan may change it."""

    rows: int
    null_share: float
    copies: int
    shares: np.ndarray
    hours: np.ndarray
    mean: float
    spread: float
    flat: bool = False
    new_fields: list[str] = field(default_factory=list)


Plan = Callable[[Day, int], None]
"""Changes a day; told the day's distance from the last one, 0 for the last."""


def world(
    seed: int, length: int, paths: Sequence[str], plans: dict[str, Plan] | None = None, *, weekly: bool = True
) -> pd.DataFrame:
    """Profiles of `length` days up to `LAST` of the tables at `paths`, each with a column of every sort."""
    random = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    for path in paths:
        level, noise, growth = random.uniform(60, 2_000), random.uniform(0.02, 0.2), random.normal(0, 0.002)
        weekend = random.uniform(0.3, 1.0) if weekly else 1.0
        by_hour = 1 + 0.8 * np.sin(np.arange(24) / 24 * 2 * np.pi + random.uniform(0, 6))
        nulls, copies, mix = random.uniform(0, 0.6), random.uniform(0, 0.2), random.dirichlet(np.full(4, 5.0))
        for ago in range(length - 1, -1, -1):
            day = LAST - timedelta(days=ago)
            usual = level * (1 + growth) ** -ago * (weekend if day.weekday() >= 5 else 1) * random.lognormal(0, noise)
            rows = int(random.poisson(usual))
            made = Day(
                rows=rows,
                null_share=float(random.binomial(rows, min(1, nulls * random.lognormal(0, 0.05))) / max(rows, 1)),
                copies=int(random.binomial(rows, copies)),
                shares=random.multinomial(rows, random.dirichlet(mix * 400)) / max(rows, 1),
                hours=random.multinomial(rows, by_hour / by_hour.sum()).astype(float),
                mean=float(random.normal(100, 5)),
                spread=float(random.uniform(5, 20)),
            )
            if plans and path in plans:
                plans[path](made, ago)
            lines += _profiles_of(path, day, made)
    return PROFILES.frame(lines)


def _profiles_of(path: str, day: date, made: Day) -> list[dict[str, Any]]:
    whole = {"event_date": day, "table": path, "rows": made.rows}
    if made.rows == 0:
        return [{**whole, "column": "*", "new_fields": made.new_fields or None}]
    low, high = (made.mean, made.mean) if made.flat else (made.mean - made.spread, made.mean + made.spread)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return [
        {
            **whole,
            "column": "*",
            "completeness": 1.0,
            "duplicates": made.copies,
            "hours": made.hours.tolist(),
            "new_fields": made.new_fields or None,
        },
        {**whole, "column": "title", "completeness": 1 - made.null_share},
        {
            **whole,
            "column": "kind",
            "completeness": 1.0,
            "categories": list(CATEGORIES),
            "category_shares": made.shares,
        },
        {
            **whole,
            "column": "score",
            "completeness": 1.0,
            "distinct": 1 if made.flat else 40,
            "minimum": low,
            "maximum": high,
            "mean": made.mean,
        },
        {**whole, "column": "fetched_at", "completeness": 1.0, "latest": midnight + timedelta(days=1, hours=6)},
    ]


def found_in(profiles: pd.DataFrame, days: Sequence[date], as_of: datetime | None = None) -> pd.DataFrame:
    """The anomalies of `days`; a week after the last day unless told otherwise."""
    then = as_of or datetime(LAST.year, LAST.month, LAST.day, tzinfo=UTC) + timedelta(days=7)
    return anomalies(days, profiles, tables(), then)


def outage(made: Day, ago: int) -> None:
    """Nothing came on the last day."""
    if ago == 0:
        made.rows = 0


def spike(made: Day, ago: int) -> None:
    """Four times the rows on the last day."""
    if ago == 0:
        made.rows *= 4


def shifted(made: Day, ago: int) -> None:
    """A third less since nine days ago."""
    if ago <= 8:
        made.rows = int(made.rows * 0.67)


def nulls(made: Day, ago: int) -> None:
    """Three values in ten more are missing on the last day."""
    if ago == 0:
        made.null_share = min(1.0, made.null_share + 0.3)


def copied(made: Day, ago: int) -> None:
    """A third of the rows repeat others on the last day."""
    if ago == 0:
        made.copies += made.rows // 3


def drifted(made: Day, ago: int) -> None:
    """The rarest category makes six rows of ten on the last day."""
    if ago == 0:
        rare = int(np.argmin(made.shares))
        made.shares = made.shares * 0.4
        made.shares[rare] += 0.6


def stuck(made: Day, ago: int) -> None:
    """Every row has one value on the last day."""
    made.flat = ago == 0


def silent(made: Day, ago: int) -> None:
    """Six busy hours without an event on the last day."""
    if ago == 0:
        busiest = int(np.argmax(np.convolve(made.hours, np.ones(6), mode="valid")))
        made.hours[busiest : busiest + 6] = 0


def widened(made: Day, ago: int) -> None:
    """The upstream sends a field it never sent."""
    if ago == 0:
        made.new_fields = ["author.badge"]


PLANTED: dict[str, tuple[str, Plan]] = {
    "outage": ("volume", outage),
    "spike": ("volume", spike),
    "shifted": ("shift", shifted),
    "nulls": ("nulls", nulls),
    "copied": ("duplicates", copied),
    "drifted": ("drift", drifted),
    "stuck": ("stuck", stuck),
    "silent": ("gap", silent),
    "widened": ("new_fields", widened),
}
"""Events by name: the kind of anomaly that tells them, and the plan that plants them."""
