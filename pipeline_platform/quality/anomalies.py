"""Anomalies: the profiles of a day held against those of the 28 days before it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.quality import detectors
from pipeline_platform.quality.drift import divergence_of
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.quality import ANOMALIES
from pipeline_platform.schemas.table import Table

HISTORY_DAYS = 28
STRONG = 2.0
"""Strength from which an anomaly is an error."""
LATEST_RECEIPT = timedelta(hours=36)
"""After this time a day counts as whole even if nothing was received since its end."""
NEW_FIELD_DAYS = 7
STUCK_ROWS = 10
OTHERS = "(others)"
COLUMNS = (
    "table",
    "column",
    "rows",
    "completeness",
    "duplicates",
    "distinct",
    "minimum",
    "maximum",
    "mean",
    "latest",
    "categories",
    "category_shares",
    "hours",
    "new_fields",
    "event_date",
)
"""Columns of the profiles that anomalies are found in."""


@dataclass(frozen=True)
class _Panel:
    """Profiles as arrays over series and days.

    Attributes:
        series: table and column of each series.
        days: the days, without a hole.
        of: arrays by column of the profiles, `(series, days, …)`; NaN where there is no profile.
        lines: profiles by series and day, for what is no number.
    """

    series: list[tuple[str, str]]
    days: list[date]
    of: Mapping[str, np.ndarray]
    lines: Mapping[tuple[int, date], Mapping[Any, Any]]

    def window(self, name: str, position: int) -> np.ndarray:
        """The days before the one at `position`; NaN before the first of them with a row.

        Where a history begins nothing was missing before: many upstreams show only the last days.
        """
        span = slice(position - HISTORY_DAYS, position)
        begun = np.cumsum(np.nan_to_num(self.of["rows"][:, span]), axis=1) > 0
        held = self.of[name][:, span]
        return np.where(begun if held.ndim == 2 else begun[..., None], held, np.nan)

    def labels(self, position: int) -> list[str]:
        """Those days and the one at `position`."""
        return [str(day) for day in self.days[position - HISTORY_DAYS : position + 1]]


def anomalies(
    days: Sequence[date], profiles: pd.DataFrame, tables: Mapping[str, Table], as_of: datetime
) -> pd.DataFrame:
    """Rows of `quality/anomalies`.

    Args:
        days: days to judge.
        profiles: `COLUMNS` of the profiles of those days and of `HISTORY_DAYS` before the first.
        tables: the tables by path; profiles of others are left out.
        as_of: the present moment. Whatever counts rows or hours is judged only when a day is over and what belongs to
            it has been received.
    """
    known = profiles[profiles["table"].isin(list(tables)).to_numpy(dtype=bool)]
    found: list[dict[str, Any]] = []
    if len(known) and days:
        whole = (known["column"] == EVERY).to_numpy(dtype=bool)
        span = [min(days) - timedelta(days=HISTORY_DAYS) + timedelta(days=n) for n in range(_length(days))]
        totals, columns = _panel(known[whole], span), _panel(known[~whole], span)
        received = _received(known)
        for day in days:
            position = span.index(day)
            settled = {table: _is_settled(day, received.get(table), as_of) for table in tables}
            of_day = [*_of_tables(totals, position, settled), *_of_columns(columns, position, settled)]
            found += [{**one, "event_date": day} for one in _first_told(of_day, list(tables))]
    rows = [
        {
            **one,
            "source": tables[one["table"]].tags.get("source"),
            "severity": "error" if one["score"] >= STRONG else "warn",
        }
        for one in found
    ]
    return shaped(ANOMALIES, ANOMALIES.frame(rows))


def _first_told(found: Sequence[dict[str, Any]], paths: Sequence[str]) -> list[dict[str, Any]]:
    """Without echoes: what a table shares with the table of its name in an earlier layer is told of that one alone.

    A quarantine is no echo, but that less is rejected is no anomaly either.
    """
    told: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in sorted(found, key=lambda one: paths.index(one["table"])):
        layer, name = one["table"].split("/")
        if layer == "quarantine":
            if one["observed"] > one["expected"]:
                told[one["table"], one["column"], one["kind"]] = one
        else:
            told.setdefault((name, one["column"], one["kind"]), one)
    return list(told.values())


def _length(days: Sequence[date]) -> int:
    return (max(days) - min(days)).days + HISTORY_DAYS + 1


def _received(profiles: pd.DataFrame) -> dict[str, datetime]:
    """Newest receipt of every table that says when its rows were received."""
    receipts = profiles[(profiles["column"] == "fetched_at").to_numpy(dtype=bool)]
    return {str(table): moment for table, moment in receipts.groupby("table")["latest"].max().dropna().items()}


def _is_settled(day: date, received: datetime | None, as_of: datetime) -> bool:
    """Whether what happened on `day` has had its time to come."""
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return (received is not None and received >= end) or as_of >= end + LATEST_RECEIPT


def _panel(profiles: pd.DataFrame, span: list[date]) -> _Panel:
    ordered = profiles.sort_values(["table", "column", "event_date"], kind="stable")
    names = ordered["table"].str.cat(ordered["column"], sep="\n")
    codes, labels = pd.factorize(names)
    first = span[0]
    place = np.array([(day - first).days for day in ordered["event_date"]], dtype=int)
    inside = (place >= 0) & (place < len(span))
    ordered, codes, place = ordered[inside], codes[inside], place[inside]
    shape = (len(labels), len(span))
    of = {}
    for name in ("rows", "completeness", "duplicates", "distinct", "minimum", "maximum", "mean"):
        of[name] = np.full(shape, np.nan)
        of[name][codes, place] = ordered[name].to_numpy(dtype=float, na_value=np.nan)
    of["hours"] = np.full((*shape, 24), np.nan)
    told = ordered["hours"].notna().to_numpy(dtype=bool)
    if told.any():
        of["hours"][codes[told], place[told]] = np.array(ordered["hours"][told].tolist(), dtype=float)
    # A day on which a table has no row has no hours either: none of its hours has an event.
    of["hours"][of["rows"] == 0] = 0.0
    extra = ordered[["categories", "category_shares", "new_fields"]]
    kept = extra.notna().any(axis=1).to_numpy(dtype=bool)
    lines = {
        (int(code), span[at]): line
        for code, at, line in zip(codes[kept], place[kept], extra[kept].to_dict("records"), strict=True)
    }
    return _Panel([tuple(label.split("\n", 1)) for label in labels], span, of, lines)


def _of_tables(panel: _Panel, position: int, settles: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
    settled = np.array([settles[table] for table, _ in panel.series], dtype=bool)
    rows, today = panel.window("rows", position), panel.of["rows"][:, position]
    weekday = f"{panel.days[position]:%A}"
    judged = detectors.volume(rows, today)
    for at in _told(judged.strength, settled):
        words = f"{today[at]:,.0f} rows, where a {weekday} usually has {judged.expected[at]:,.0f}."
        yield _found(panel, at, "volume", today[at], judged.expected[at], judged.strength[at], words, position, "rows")
    judged = detectors.shift(rows, today)
    for at in _told(judged.strength, settled):
        level = float(np.nanmean(panel.of["rows"][at, position - 6 : position + 1]))
        words = f"The level of the last 7 days, {level:,.0f} rows a day, is not that of the weeks before."
        usual = float(np.nanmedian(rows[at, : -detectors.SHIFT_DAYS]))
        yield _found(panel, at, "shift", level, usual, judged.strength[at], words, position, "rows")
    yield from _gaps(panel, position, settled)
    copies = panel.of["duplicates"] / np.where(panel.of["rows"] > 0, panel.of["rows"], np.nan)
    yield from _jumps(panel, position, copies, "duplicates", "repeat what another row says")
    yield from _new_fields(panel, position)


def _new_fields(panel: _Panel, position: int) -> Iterator[dict[str, Any]]:
    known = np.isfinite(panel.window("rows", position)).sum(axis=1)
    for at in np.flatnonzero(known >= NEW_FIELD_DAYS).tolist():
        fields = panel.lines.get((at, panel.days[position]), {}).get("new_fields")
        if not _given(fields):
            continue
        words = f"The upstream sends fields it never sent before: {', '.join(fields[:10])}."
        yield {
            **_subject(panel, at, "new_fields", len(fields), 0.0, 1.0, words),
            "labels": list(fields),
            "values": [1.0] * len(fields),
            "usual": [],
            "history_days": int(known[at]),
        }


def _gaps(panel: _Panel, position: int, settled: np.ndarray) -> Iterator[dict[str, Any]]:
    hours, today = panel.window("hours", position)[:, -14:], panel.of["hours"][:, position]
    judged, length = detectors.gap(hours, today)
    # A day without any row is told as a volume.
    for at in _told(judged.strength, settled & (panel.of["rows"][:, position] > 0)):
        words = f"{length[at]:.0f} hours without an event, in hours that usually have some."
        yield {
            **_subject(panel, at, "gap", length[at], 0.0, judged.strength[at], words),
            "labels": [f"{hour:02}:00" for hour in range(24)],
            "values": today[at].tolist(),
            "usual": np.nanmedian(hours[at], axis=0).tolist(),
            "history_days": int(np.isfinite(hours[at]).all(axis=1).sum()),
        }


def _of_columns(panel: _Panel, position: int, settles: Mapping[str, bool]) -> Iterator[dict[str, Any]]:
    yield from _jumps(panel, position, 1 - panel.of["completeness"], "nulls", "have no value")
    settled = np.array([settles[table] for table, _ in panel.series], dtype=bool)
    enough = panel.of["rows"] * panel.of["completeness"] >= STUCK_ROWS
    numbers = [np.where(enough, panel.of[name], np.nan) for name in ("minimum", "maximum", "mean")]
    values = np.stack(numbers, axis=2)
    window = slice(position - HISTORY_DAYS, position)
    strength = detectors.frozen(values[:, window], panel.of["distinct"][:, window], values[:, position])
    means = panel.of["mean"]
    for at in _told(strength, settled):
        before = means[at, position - 1]
        words = (
            "Every row has the same value, which used to differ."
            if strength[at] > 1 or panel.of["minimum"][at, position] == panel.of["maximum"][at, position]
            else "Least, greatest and mean value are what they were on the two days before; they used to change daily."
        )
        observed = means[at, position]
        expected = before if np.isfinite(before) else observed
        yield _found(panel, at, "stuck", observed, expected, strength[at], words, position, "mean")
    yield from _drifts(panel, position)


def _jumps(panel: _Panel, position: int, shares: np.ndarray, kind: str, words: str) -> Iterator[dict[str, Any]]:
    rows, window = panel.of["rows"], slice(position - HISTORY_DAYS, position)
    judged = detectors.share_jump(shares[:, window], rows[:, window], shares[:, position], rows[:, position])
    for at in _told(judged.strength):
        now, usual = shares[at, position], judged.expected[at]
        told = f"{now:.0%} of the rows {words}; {usual:.0%} is usual."
        yield {
            **_subject(panel, at, kind, now, usual, judged.strength[at], told),
            **_evidence(panel, position, shares[at]),
        }


def _drifts(panel: _Panel, position: int) -> Iterator[dict[str, Any]]:
    day = panel.days[position]
    rows = panel.of["rows"] * panel.of["completeness"]
    window = range(position - HISTORY_DAYS, position)
    for at in range(len(panel.series)):
        now = panel.lines.get((at, day))
        if now is None or not _given(now["categories"]) or rows[at, position] < detectors.DRIFT_ROWS:
            continue
        before = [
            (position - one, line)
            for one in window
            if rows[at, one] >= detectors.DRIFT_ROWS
            and (line := panel.lines.get((at, panel.days[one]))) is not None
            and _given(line["categories"])
        ]
        if len(before) < detectors.SHARE_DAYS:
            continue
        ages = np.array([age for age, _ in before])
        names, shares = _aligned([*(line for _, line in before), now])
        strength = detectors.drift(shares[:-1], ages, shares[-1], rows[at, position])
        if strength >= 1:
            usual = shares[:-1].mean(axis=0)
            apart = divergence_of(shares[-1], usual)
            most = int(np.argmax(np.abs(shares[-1] - usual)))
            words = (
                f"The categories are not shared as usual: {names[most]!r} has {shares[-1][most]:.0%}, "
                f"{usual[most]:.0%} is usual."
            )
            yield {
                **_subject(panel, at, "drift", apart, detectors.DRIFT_BITS, strength, words),
                "labels": names,
                "values": shares[-1].tolist(),
                "usual": usual.tolist(),
                "history_days": len(before),
            }


def _aligned(lines: Sequence[Mapping[str, Any]]) -> tuple[list[str], np.ndarray]:
    """Shares of the same categories for each line, what is left in the last of them."""
    names = sorted({str(name) for line in lines for name in line["categories"]})
    place = {name: at for at, name in enumerate(names)}
    shares = np.zeros((len(lines), len(names) + 1))
    for at, line in enumerate(lines):
        for name, share in zip(line["categories"], line["category_shares"], strict=True):
            shares[at, place[str(name)]] = share
    shares[:, -1] = np.clip(1 - shares.sum(axis=1), 0, 1)
    return [*names, OTHERS], shares


def _told(strength: np.ndarray, among: np.ndarray | None = None) -> list[int]:
    with np.errstate(invalid="ignore"):
        told = strength >= 1
    return np.flatnonzero(told if among is None else told & among).tolist()


def _found(
    panel: _Panel,
    at: int,
    kind: str,
    observed: float,
    expected: float,
    strength: float,
    words: str,
    position: int,
    measure: str,
) -> dict[str, Any]:
    return {
        **_subject(panel, at, kind, observed, expected, strength, words),
        **_evidence(panel, position, panel.of[measure][at]),
    }


def _subject(
    panel: _Panel, at: int, kind: str, observed: float, expected: float, strength: float, words: str
) -> dict[str, Any]:
    table, column = panel.series[at]
    return {
        "table": table,
        "column": column,
        "kind": kind,
        "observed": float(observed),
        "expected": float(expected),
        "score": float(min(strength, 1e6)),
        "explanation": words,
    }


def _evidence(panel: _Panel, position: int, series: np.ndarray) -> dict[str, Any]:
    """The days that are known, with what was seen."""
    values = series[position - HISTORY_DAYS : position + 1]
    known = np.isfinite(values)
    return {
        "labels": [label for label, told in zip(panel.labels(position), known, strict=True) if told],
        "values": values[known].tolist(),
        "usual": [],
        "history_days": int(known[:-1].sum()),
    }


def _given(values: Any) -> TypeGuard[list[str]]:
    """Whether there is a list with something in it."""
    return values is not None and values is not pd.NA and len(values) > 0
