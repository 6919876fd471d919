"""Quality scores: one number per table and day, with its parts, from the profiles."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import on_days, shaped
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.quality import PARTS, SCORES
from pipeline_platform.schemas.table import Table

HISTORY_DAYS = 28
"""Days before a day that tell what is usual."""
LEAST_DAYS = 7
"""Days with rows below which nothing is usual yet."""
COLUMNS = (
    "table",
    "column",
    "rows",
    "completeness",
    "uniqueness",
    "validity",
    "consistency",
    "on_time",
    "event_date",
)
"""Columns of the profiles that scores are made of."""


class UnknownTableError(ValueError):
    """A threshold is set for a table that does not exist."""


def thresholds(default: float, overrides: Mapping[str, float], paths: Sequence[str]) -> dict[str, float]:
    """The threshold of every table of `paths`.

    Raises:
        UnknownTableError: `overrides` names another table.
    """
    unknown = sorted(set(overrides) - set(paths))
    if unknown:
        raise UnknownTableError(
            f"there is no table {', '.join(unknown)}; name tables by path, as cleaned/rss_articles (see docs/tables.md)"
        )
    return {path: overrides.get(path, default) for path in paths}


def quality_scores(
    days: Sequence[date], profiles: pd.DataFrame, tables: Mapping[str, Table], limits: Mapping[str, float]
) -> pd.DataFrame:
    """Rows of `quality/scores`.

    Args:
        days: days to judge.
        profiles: `COLUMNS` of the profiles of those days and of `HISTORY_DAYS` before the first.
        tables: the tables by path; profiles of others are left out.
        limits: threshold of each of them.
    """
    known = profiles[profiles["table"].isin(list(tables)).to_numpy(dtype=bool)]
    whole = (known["column"] == EVERY).to_numpy(dtype=bool)
    totals = on_days(known[whole], days).reset_index(drop=True)
    received = known[whole].set_index(["table", "event_date"])["rows"]
    filled = _filled(known[~whole], days, tables)
    lines: list[dict[Any, Any]] = totals.to_dict("records")
    rows = [_row(line, received, filled, tables[line["table"]], limits) for line in lines]
    return shaped(SCORES, SCORES.frame(rows))


def _filled(columns: pd.DataFrame, days: Sequence[date], tables: Mapping[str, Table]) -> dict[tuple[str, date], float]:
    """Completeness of every table and day, against what is usual for its columns."""
    if columns.empty:
        return {}
    required = {
        (path, name) for path, table in tables.items() for name, one in table.schema.columns.items() if not one.nullable
    }
    wide = columns.astype({"completeness": "float64"}).pivot_table(
        index=["table", "column"], columns="event_date", values="completeness", dropna=False
    )
    is_required = np.array([pair in required for pair in wide.index])
    dates: list[Any] = wide.columns.tolist()
    found: dict[tuple[str, date], float] = {}
    for day in days:
        if day not in dates:
            continue
        first = day - timedelta(days=HISTORY_DAYS)
        before = [one for one in dates if first <= one < day]
        usual = _usual(wide[before], is_required)
        now = (wide[day] / usual).clip(upper=1)
        means = now.groupby(level="table").mean()
        found |= {(str(table), day): share for table, share in means.dropna().items()}
    return found


def _usual(before: pd.DataFrame, is_required: np.ndarray) -> pd.Series:
    """Usual share of rows with a value: 1 where it is required, NaN where it is not known or none is usual."""
    usual = pd.Series(np.where(is_required, 1.0, np.nan), index=before.index)
    if len(before.columns) >= LEAST_DAYS:
        enough = before.notna().sum(axis=1) >= LEAST_DAYS
        median = before.median(axis=1)
        usual = usual.where(usual.notna(), median.where(enough & (median > 0)))
    return usual


def _row(
    line: Mapping[str, Any],
    received: pd.Series,
    filled: Mapping[tuple[str, date], float],
    table: Table,
    limits: Mapping[str, float],
) -> dict[str, Any]:
    path, day = line["table"], line["event_date"]
    parts = _parts(line, received, filled.get((path, day)), table)
    measured = {part: value for part, value in parts.items() if value is not None}
    weight = sum(PARTS[part] for part in measured)
    score = sum(PARTS[part] * value for part, value in measured.items()) / weight if weight else None
    costs = {part: PARTS[part] * (1 - value) for part, value in measured.items()}
    weakest = max(costs, key=lambda part: costs[part]) if any(costs.values()) else None
    return {
        "event_date": day,
        "table": path,
        "source": table.tags.get("source"),
        "rows": line["rows"],
        "score": score,
        **parts,
        "weakest": weakest,
        "explanation": _in_words(measured, weight, score),
        "threshold": limits[path],
        "is_enough": score is None or score >= limits[path],
    }


def _parts(line: Mapping[str, Any], received: pd.Series, filled: float | None, table: Table) -> dict[str, float | None]:
    rows = int(line["rows"])
    if table.layer == "cleaned":
        # What was rejected was received: a table of the few good rows of a bad day is no good table.
        raw = int(received.get((f"raw/{table.name}", line["event_date"]), 0))
        accepted = min(1.0, rows / raw) if raw else None
    else:
        accepted = 1.0
    if not rows:
        # Of a cleaned table without a row it is known how many of the received records passed: none.
        return dict.fromkeys(PARTS) | ({"validity": 0.0} if table.layer == "cleaned" and accepted is not None else {})
    valid = _number(line["validity"])
    return {
        "completeness": filled,
        "uniqueness": _number(line["uniqueness"]),
        "consistency": _number(line["consistency"]),
        "validity": None if valid is None else valid * (1.0 if accepted is None else accepted),
        # A day of which nothing came in time was fetched afterwards: that says when it was asked for, no more.
        "timeliness": _number(line["on_time"]) or None,
    }


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _in_words(measured: Mapping[str, float], weight: float, score: float | None) -> str:
    if score is None:
        return "No rows, so there is nothing to judge."
    terms = " + ".join(f"{part} {value:.3f} x {PARTS[part] / weight:.2f}" for part, value in measured.items())
    return f"{score:.3f} = {terms}"
