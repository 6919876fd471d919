"""Profiles: what a table holds on a day, column by column, from its rows in Arrow."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from os import cpu_count
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as compute

from pipeline_platform.aggregate.frames import shaped
from pipeline_platform.quality.rules import keeps_all, keeps_columns
from pipeline_platform.schemas.aggregated.measures import EVERY
from pipeline_platform.schemas.kinds import KINDS
from pipeline_platform.schemas.quality import PROFILES
from pipeline_platform.schemas.table import Table

CATEGORIES = 10
MOST_DISTINCT = 200
"""A column with more distinct values on a day has no categories."""
LEAST_ROWS = 3
"""Rarer values are no category: what a single row says is not kept."""
LONGEST_CATEGORY = 64
WRITTEN_BY_PEOPLE = frozenset(
    {"title", "text", "author_id", "url", "canonical_url", "image_url", "payload", "request", "reason", "evidence"}
)
"""Columns whose values must go when their author is erased: of them only counts and lengths are kept."""
OF_A_RUN = frozenset({"run_id"})
"""Columns whose values are never those of the day before: their shares tell how often was fetched, not what came."""
UNCOMPARED = frozenset({"payload"})
"""Long texts whose hash stands beside them; counting distinct ones would cost more than all the rest."""
QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
EVENT_TIMES = ("event_time", *dict.fromkeys(kind.event_time for kind in KINDS.values()))
CONTENT = ("payload_hash", "content_hash")
HOURS = 24


@dataclass(frozen=True)
class Profiled:
    """A table to be profiled.

    Attributes:
        table: the table.
        on_time_s: seconds from event to receipt within which a row is on time; None where that says nothing.
        new_fields: fields that the upstream sent for the first time, by day.
    """

    table: Table
    on_time_s: float | None = None
    new_fields: Mapping[date, Sequence[str]] | None = None


def profiles(tables: Iterable[tuple[Profiled, arrow.Table]], days: Sequence[date]) -> pd.DataFrame:
    """Rows of `quality/profiles`.

    Args:
        tables: each table with its rows of the days, in any order; one table is held at a time.
        days: the days; one without rows gets the row of the table as a whole, with 0 rows.
    """
    lines = [line for one, rows in tables for line in _profile(one, rows, days)]
    return shaped(PROFILES, PROFILES.frame(lines))


def _profile(one: Profiled, rows: arrow.Table, days: Sequence[date]) -> Iterator[dict[str, Any]]:
    if rows.num_rows == 0:
        yield from (_whole(one, day, 0) for day in days)
        return
    rows = rows.combine_chunks()
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    # Rules are judged over all days at once: what a rule costs is the asking.
    kept = keeps_columns(frame, one.table.schema)
    consistent = keeps_all(frame, one.table.schema)
    dates = rows["event_date"].to_numpy()
    for day in days:
        of_day = np.flatnonzero(dates == np.datetime64(day))
        if len(of_day):
            mine = {name: mask[of_day] for name, mask in kept.items()}
            some = rows if len(of_day) == rows.num_rows else rows.take(of_day)
            yield from _profile_day(one, some, day, mine, consistent[of_day])
        else:
            yield _whole(one, day, 0)


def fingerprint(schema: arrow.Schema) -> str:
    """A hash of columns and types."""
    told = ",".join(f"{field.name}:{field.type}" for field in schema)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _whole(one: Profiled, day: date, rows: int, **more: Any) -> dict[str, Any]:
    fresh = list((one.new_fields or {}).get(day, ()))
    return {
        "event_date": day,
        "table": one.table.path,
        "column": EVERY,
        "rows": rows,
        "new_fields": fresh or None,
        **more,
    }


def _profile_day(
    one: Profiled, rows: arrow.Table, day: date, kept: Mapping[str, np.ndarray], consistent: np.ndarray
) -> list[dict[str, Any]]:
    table, count = one.table, rows.num_rows
    numbers = _number_columns(rows)
    lines = []
    names = [name for name in rows.column_names if name != "event_date"]
    columns = [rows[name].combine_chunks() for name in names]
    with ThreadPoolExecutor(cpu_count()) as threads:  # hashing is done outside of Python
        values = list(threads.map(_values_of, names, columns))
    for name, column, found in zip(names, columns, values, strict=True):
        line = {
            "event_date": day,
            "table": table.path,
            "column": name,
            "type": str(column.type),
            "rows": count,
            "nulls": column.null_count,
            "completeness": 1 - column.null_count / count,
            **found,
            **numbers.get(name, {}),
        }
        if name in kept:
            broken = int(count - kept[name].sum())
            line |= {"violations": broken, "validity": 1 - broken / count}
        lines.append(line)
    valid = np.logical_and.reduce(list(kept.values())) if kept else np.ones(count, dtype=bool)
    keys = _distinct_keys(rows, table.key, lines)
    whole = _whole(
        one,
        day,
        count,
        completeness=float(np.mean([line["completeness"] for line in lines])),
        distinct=keys,
        uniqueness=keys / count,
        violations=int(count - valid.sum()),
        validity=float(valid.mean()),
        consistency=float(consistent.mean()),
        fingerprint=fingerprint(rows.schema),
        **_duplicates(rows),
        **_times(one, rows),
    )
    return [whole, *lines]


def _values_of(name: str, column: arrow.Array) -> dict[str, Any]:
    """Distinct values, categories, moments and lengths, as far as the type has them."""
    of, given = column.type, len(column) - column.null_count
    if arrow.types.is_nested(of) or arrow.types.is_binary(of) or name in UNCOMPARED:
        return _lengths(column)
    distinct = compute.count_distinct(column, mode="only_valid").as_py()
    found: dict[str, Any] = {"distinct": distinct, "uniqueness": distinct / given if given else None}
    if arrow.types.is_timestamp(of):
        bounds = compute.min_max(column).as_py()
        return found | {"earliest": bounds["min"], "latest": bounds["max"]}
    if arrow.types.is_string(of):
        found |= _lengths(column)
    if (
        name not in WRITTEN_BY_PEOPLE | OF_A_RUN
        and (arrow.types.is_string(of) or arrow.types.is_boolean(of))
        and distinct <= MOST_DISTINCT
    ):
        found |= _categories(column, given)
    return found


def _lengths(column: arrow.Array) -> dict[str, Any]:
    if not arrow.types.is_string(column.type) or column.null_count == len(column):
        return {}
    lengths = compute.utf8_length(column)
    return {"mean_length": compute.mean(lengths).as_py(), "max_length": compute.max(lengths).as_py()}


def _categories(column: arrow.Array, given: int) -> dict[str, Any]:
    counted = compute.value_counts(column)
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    named = ((str(value).lower() if isinstance(value, bool) else value, rows) for value, rows in pairs)
    known = [(-rows, value) for value, rows in named if value is not None and rows >= LEAST_ROWS]
    frequent = sorted(known)[:CATEGORIES]
    if not frequent or any(len(value) > LONGEST_CATEGORY for _, value in frequent):
        return {}
    return {
        "categories": [value for _, value in frequent],
        "category_shares": [-rows / given for rows, _ in frequent],
    }


def _number_columns(rows: arrow.Table) -> dict[str, dict[str, float]]:
    """Range, quantiles, mean and deviation of every column of numbers, all of them at once."""
    names = [
        field.name for field in rows.schema if arrow.types.is_integer(field.type) or arrow.types.is_floating(field.type)
    ]
    if not names:
        return {}
    # Sorted, NaN last: sums do not depend on the order of the rows, and quantiles are looked up.
    wide = np.column_stack(
        [rows[name].combine_chunks().cast(arrow.float64()).to_numpy(zero_copy_only=False) for name in names]
    )
    wide[~np.isfinite(wide)] = np.nan
    wide.sort(axis=0)
    given = (~np.isnan(wide)).sum(axis=0)
    described: dict[str, dict[str, float]] = {}
    for position, name in enumerate(names):
        values = wide[: given[position], position]
        if len(values):
            described[name] = {
                "minimum": float(values[0]),
                "maximum": float(values[-1]),
                "mean": float(values.mean()),
                "deviation": float(values.std()),
                **{quantile: _quantile(values, share) for quantile, share in QUANTILES.items()},
            }
    return described


def _quantile(values: np.ndarray, share: float) -> float:
    """Quantile of sorted values, linear between neighbours."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (place - low) * (values[high] - values[low]))


def _distinct_keys(rows: arrow.Table, key: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> int:
    """Distinct keys; those of one column have been counted already, but for null, unless it is the day."""
    counted = [line for line in lines if (line["column"],) == tuple(key)]
    if counted:
        return int(counted[0]["distinct"]) + (counted[0]["nulls"] > 0)
    return int(rows.group_by(list(key)).aggregate([]).num_rows)


def _duplicates(rows: arrow.Table) -> dict[str, int]:
    content = next((name for name in CONTENT if name in rows.column_names), None)
    if content is None:
        return {}
    return {"duplicates": rows.num_rows - int(compute.count_distinct(rows[content], mode="all").as_py())}


def _times(one: Profiled, rows: arrow.Table) -> dict[str, Any]:
    """Events per hour, and how long after the event the rows were received."""
    event = next((name for name in EVENT_TIMES if name in rows.column_names), None)
    if event is None:
        return {}
    moments = rows[event].cast(arrow.int64()).combine_chunks().to_numpy(zero_copy_only=False)
    happened = moments[~np.isnan(moments)] if moments.dtype.kind == "f" else moments
    hours = np.bincount((happened // 3_600_000_000 % HOURS).astype(int), minlength=HOURS)
    found: dict[str, Any] = {"hours": hours.astype(float).tolist()}
    if "fetched_at" not in rows.column_names:
        return found
    between = compute.subtract(rows["fetched_at"].cast(arrow.int64()), rows[event].cast(arrow.int64())).drop_null()
    lags = np.sort(np.clip(between.to_numpy() / 1e6, 0, None))
    if not len(lags):
        return found
    found |= {"lag_median_s": _quantile(lags, 0.5), "lag_p95_s": _quantile(lags, 0.95)}
    if one.on_time_s is not None:
        found["on_time"] = float((lags <= one.on_time_s).mean())
    return found
