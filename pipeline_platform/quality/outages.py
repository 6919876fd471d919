"""What the tables lack because a source was down: rows held against those that are usual, source by source.

How many rows of a table come from which source is known from `quality/profiles`, so nothing is read anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd

from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.table import Table

HISTORY_DAYS = 28
SHOWN_DAYS = 14
COLUMNS = ("table", "column", "rows", "completeness", "categories", "category_shares", "event_date")
"""Columns of the profiles that are read."""
DAYS_KNOWN = 3
WEEKDAYS_KNOWN = 2
TOLD = 0.05
"""Share of the rows of a table that is worth a word."""
UNKNOWN = 0.0, np.nan
"""Rows and usual rows where there is no profile."""
FEWEST = 5.0
"""Rows that must be usual until their absence says something."""
DOWN = 0.5
"""Share of the usual records that a source must lack to be told although no fetch of it failed."""


@dataclass(frozen=True)
class Affected:
    """A table that is made from what a source brings.

    Attributes:
        table: its path.
        missing: share of its usual rows that did not come from the source, None where that is not known. Of a table
            that does not say where its rows are from, the greatest share that a table lacks from which it is made.
        measured: whether the share is that of its own rows.
        held_back: a blocking check failed upstream, so that it keeps what it held before.
    """

    table: str
    missing: float | None
    measured: bool
    held_back: bool


@dataclass(frozen=True)
class Effect:
    """What the outage of a source does to a day.

    Attributes:
        source: the source.
        signs: how one knows that it was down, in words.
        received: raw records of the day.
        usual: how many are usual by now, None where that is not known.
        history: share of the usual records, day by day up to this one; None where that is not known.
        tables: what is made from it, upstream first.
    """

    source: str
    signs: Sequence[str]
    received: int
    usual: float | None
    history: Sequence[tuple[date, float | None]]
    tables: Sequence[Affected]

    @property
    def in_words(self) -> str:
        """The effect in a line."""
        worst = max((one for one in self.tables if _is_joined(one.table)), key=_lost, default=None)
        came = "" if self.usual is None else f" {self.received:,} of {self.usual:,.0f} usual records came;"
        lacks = f" {worst.table} lacks {worst.missing:.0%};" if worst and _lost(worst) >= TOLD else ""
        return f"{self.source}: {'; '.join(self.signs)};{came}{lacks} {len(self.tables)} tables are made from it"


def _lost(one: Affected) -> float:
    return one.missing or 0.0


def _is_joined(path: str) -> bool:
    return not path.startswith(("raw/", "cleaned/"))


def shortfalls(
    profiles: pd.DataFrame, tables: Mapping[str, Table], days: Sequence[date], as_of: datetime
) -> pd.DataFrame:
    """Rows of every table from every source beside those that are usual.

    Usual is the median of the same weekday in the 28 days before, with fewer than 2 of them that of all days, with
    fewer than 3 days nothing. Of a day that is not over only its part is usual; a table without moments, such as one of
    daily values, is not judged before its end.

    Args:
        profiles: `COLUMNS` of the profiles of `days` and of `HISTORY_DAYS` before the first.
        tables: the tables by path; others are left out.
        days: days to judge.
        as_of: the present moment.

    Returns:
        `table`, `source`, `event_date`, `rows`, `usual` (null where it is not known) and `is_over`, sorted.
    """
    known = profiles[profiles["table"].isin(list(tables)).to_numpy(dtype=bool)]
    whole = known[known["column"].eq(EVERY).to_numpy(dtype=bool)]
    profiled = whole.assign(rows=whole["rows"].astype("float64")).pivot_table(
        index="table", columns="event_date", values="rows", aggfunc="sum"
    )
    counted = pd.concat([_of_one_source(whole, tables), _of_several(known)], ignore_index=True)
    if counted.empty:
        return pd.DataFrame(columns=["table", "source", "event_date", "rows", "usual", "is_over"])
    wide = counted.pivot_table(index=["table", "source"], columns="event_date", values="rows", aggfunc="sum")
    span = [min(days) - timedelta(days=ago) for ago in range(HISTORY_DAYS, 0, -1)]
    span += [min(days) + timedelta(days=ahead) for ahead in range((max(days) - min(days)).days + 1)]
    wide = wide.reindex(columns=span)
    # A source that is not among those of a profiled day brought nothing; a day without a profile says nothing.
    is_profiled = profiled.reindex(index=wide.index.get_level_values("table"), columns=span).notna().to_numpy()
    wide = wide.where(wide.notna() | ~is_profiled, 0.0)
    # Where a history begins nothing was missing before.
    begun = wide.where(wide.fillna(0).cumsum(axis=1) > 0)
    moments = {path for path in tables if _has_moments(tables[path])}
    has_moments = wide.index.get_level_values("table").isin(moments)
    parts = []
    for day in days:
        at = span.index(day)
        window = begun.iloc[:, at - HISTORY_DAYS : at]
        weekdays = window.iloc[:, ::7]  # the first day of a window of whole weeks has the weekday of the day
        usual = window.median(axis=1).where(window.notna().sum(axis=1) >= DAYS_KNOWN)
        usual = weekdays.median(axis=1).where(weekdays.notna().sum(axis=1) >= WEEKDAYS_KNOWN, usual)
        elapsed = _elapsed(day, as_of)
        usual = (usual * elapsed).where(has_moments | (elapsed >= 1))
        found = pd.DataFrame({"rows": wide[day], "usual": usual}).reset_index()
        found = found.assign(event_date=day, is_over=elapsed >= 1)
        parts.append(found[["table", "source", "event_date", "rows", "usual", "is_over"]])
    return pd.concat(parts, ignore_index=True)


def _has_moments(table: Table) -> bool:
    return any(str(column.dtype).startswith("timestamp") for column in table.schema.columns.values())


def _elapsed(day: date, as_of: datetime) -> float:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return min(max((as_of - start) / timedelta(days=1), 0.0), 1.0)


def _of_one_source(whole: pd.DataFrame, tables: Mapping[str, Table]) -> pd.DataFrame:
    source = {path: table.tags["source"] for path, table in tables.items() if "source" in table.tags}
    mine = whole[whole["table"].isin(list(source)).to_numpy(dtype=bool)]
    return pd.DataFrame(
        {
            "table": mine["table"].astype(object),
            "source": mine["table"].astype(object).map(source),
            "event_date": mine["event_date"].astype(object),
            "rows": mine["rows"].astype("float64"),
        }
    )


def _of_several(profiles: pd.DataFrame) -> pd.DataFrame:
    """Rows by source of the tables that name it: what the profile of that column says."""
    joined = ~profiles["table"].str.startswith(("raw/", "cleaned/")).to_numpy(dtype=bool)
    named = joined & profiles["column"].eq("source").to_numpy(dtype=bool) & profiles["categories"].notna().to_numpy()
    mine = profiles[named]
    told = pd.DataFrame(
        {
            "table": mine["table"].astype(object),
            "source": [list(names) for names in mine["categories"]],
            "event_date": mine["event_date"].astype(object),
            "share": [list(shares) for shares in mine["category_shares"]],
            "valued": (mine["rows"] * mine["completeness"]).astype("float64"),
        }
    ).explode(["source", "share"])
    told = told[told["source"].notna() & (told["source"] != EVERY)]
    return told.assign(rows=(told["valued"] * told["share"].astype("float64")).round()).drop(
        columns=["valued", "share"]
    )


def missing_by_table(found: pd.DataFrame) -> pd.DataFrame:
    """Share of the usual rows of each table and day that did not come, all sources together.

    Args:
        found: as `shortfalls` gives it.

    Returns:
        `table`, `event_date`, `missing`; days of which nothing is known are left out.
    """
    lost = (found["usual"] - found["rows"]).clip(lower=0)
    sums = found.assign(lost=lost).groupby(["table", "event_date"])[["lost", "usual"]].sum(min_count=1)
    sums = sums[(sums["usual"] >= FEWEST).to_numpy()]
    return (sums["lost"] / sums["usual"]).rename("missing").reset_index()


def effects(
    day: date,
    found: pd.DataFrame,
    signs: Mapping[str, Sequence[str]],
    downstream: Mapping[str, Sequence[str]],
    below: Callable[[str], Sequence[str]],
    held_back: Sequence[str],
) -> list[Effect]:
    """The outages of a day, the widest first.

    Args:
        day: the UTC day.
        found: shortfalls of the day, and of those before it that are to be shown.
        signs: what says that a source was down, by source.
        downstream: tables that are made from a source, upstream first, by source.
        below: the tables that are made from a table.
        held_back: tables that a failed check holds back.
    """
    told = found[(found["event_date"] == day).to_numpy(dtype=bool)]
    table_usual = told.groupby("table")["usual"].sum(min_count=1)
    is_raw = found["table"].str.startswith("raw/").to_numpy(dtype=bool)
    sums = found[is_raw].groupby(["source", "event_date"])[["rows", "usual"]].sum(min_count=1)
    raw = {key: (rows, usual) for key, rows, usual in zip(sums.index, sums["rows"], sums["usual"], strict=True)}
    result = []
    for source, paths in downstream.items():
        history = _history(raw, source, day)
        received, usual = raw.get((source, day), UNKNOWN)
        last = history[-1][1] if history else None
        said = list(signs.get(source, ()))
        # Much comes at its own hour; that little came so far is no sign.
        if told["is_over"].all() and last is not None and last < DOWN:
            said.append("far fewer records than usual")
        if not said:
            continue
        mine = told[(told["source"] == source).to_numpy(dtype=bool)].set_index("table")
        lost = (mine["usual"] - mine["rows"]).clip(lower=0)
        of_table = table_usual.reindex(mine.index)
        share = (lost / of_table).where((of_table >= FEWEST) & mine["usual"].notna())
        measured = {str(path): float(value) for path, value in share.dropna().items() if path in set(paths)}
        inherited: dict[str, float] = {}
        for path in (one for one in measured if _is_joined(one)):
            for lower in below(path):
                inherited[lower] = max(inherited.get(lower, 0.0), measured[path])
        tables = [
            Affected(path, measured.get(path, inherited.get(path)), path in measured, path in held_back)
            for path in paths
        ]
        result.append(Effect(source, said, int(received), None if np.isnan(usual) else float(usual), history, tables))
    return sorted(result, key=lambda one: (-max(map(_lost, one.tables), default=0.0), one.source))


def _history(
    raw: Mapping[tuple[str, date], tuple[float, float]], source: str, day: date
) -> list[tuple[date, float | None]]:
    days = [day - timedelta(days=ago) for ago in range(SHOWN_DAYS - 1, -1, -1)]
    shares: list[tuple[date, float | None]] = []
    for one in days:
        rows, usual = raw.get((source, one), UNKNOWN)
        shares.append((one, float(rows / usual) if usual >= FEWEST else None))
    return shares
