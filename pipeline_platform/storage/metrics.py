"""What metrics are made of: counters and gauges in the warehouse, noted where the fact is noted.

The platform is many processes that come and go. A counter in the memory of one of them would start anew with it, so all
of them add to one row here, in the transaction of the fact where that is a row too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from pipeline_platform.storage.warehouse_tables import CHANNELS, DEAD_LETTERS, FETCHES, INCIDENTS, METRICS

RECORDS = "records_processed"
"""Counter of `source`, `layer`."""
ERRORS = "errors"
"""Counter of `source`, `class`."""
REQUESTS = "requests"
"""Counter of `source`, `outcome`: `ok`, or the class of the error."""
LOOKUPS = "cache_lookups"
"""Counter of `cache`, `name`, `result`: `hit` or `miss`."""
LAST_SUCCESS = "last_success"
"""Gauge of `source`, `stream`: seconds since 1970."""
SCORE = "quality_score"
"""Gauge of `table`: the score of its newest day."""
QUARANTINED = "quarantined"
"""Gauge of `kind`, `source`, `event_date`: rows."""
DAEMON = "daemon_tick"
"""Gauge without labels: seconds since 1970 when the daemon was last seen at work."""


@dataclass(frozen=True)
class Measure:
    """A value of a metric; of a gauge the one that was true at `at`, of a counter what is added."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def add(connection: sa.Connection, measures: Iterable[Measure]) -> None:
    """Add to counters, within the transaction of `connection`; 0 makes one known.

    Raises:
        ValueError: a counter would go down.
    """
    rows = list(measures)
    if any(row.value < 0 for row in rows):
        raise ValueError("a counter never goes down")
    insert = insert_or_ignore(METRICS)
    grown = {"value": METRICS.c.value + insert.excluded.value, "noted_at": insert.excluded.noted_at}
    _upsert(connection, insert.on_conflict_do_update(index_elements=["name", "labels"], set_=grown), rows)


def note(connection: sa.Connection, measures: Iterable[Measure]) -> None:
    """Set gauges, within the transaction of `connection`; what is known of a later moment stays."""
    insert = insert_or_ignore(METRICS)
    update = insert.on_conflict_do_update(
        index_elements=["name", "labels"],
        set_={"value": insert.excluded.value, "noted_at": insert.excluded.noted_at},
        where=METRICS.c.noted_at <= insert.excluded.noted_at,
    )
    _upsert(connection, update, list(measures))


def forget(connection: sa.Connection, name: str, before: datetime) -> None:
    """Delete the gauges of a name that are of an earlier moment."""
    connection.execute(sa.delete(METRICS).where(METRICS.c.name == name, METRICS.c.noted_at < before))


def stored(connection: sa.Connection) -> Mapping[str, list[Measure]]:
    """Every counter and gauge by name, in order of their labels; empty for a name of which there is none."""
    found: dict[str, list[Measure]] = defaultdict(list)
    for row in connection.execute(sa.select(METRICS).order_by(METRICS.c.name, METRICS.c.labels)):
        found[row.name].append(Measure(row.name, row.value, row.labels, row.noted_at.astimezone(UTC)))
    return found


def open_letters(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """How many dead letters are open, by source and class of the error."""
    query = (
        sa.select(DEAD_LETTERS.c.source, DEAD_LETTERS.c.error_class, sa.func.count())
        .where(DEAD_LETTERS.c.status == "open")
        .group_by(DEAD_LETTERS.c.source, DEAD_LETTERS.c.error_class)
        .order_by(DEAD_LETTERS.c.source, DEAD_LETTERS.c.error_class)
    )
    return {(source, kind): int(count) for source, kind, count in connection.execute(query)}


def fetch_hours(connection: sa.Connection, moment: datetime) -> list[dict[str, Any]]:
    """The fetches that ended since a moment, by source and hour.

    Returns:
        Rows with `source`, `hour`, `fetches`, `failed`, `records`, `requests` and the `seconds` of all of them.
    """
    hour = sa.func.date_trunc("hour", FETCHES.c.ended_at, "UTC").label("hour")
    took = sa.func.extract("epoch", FETCHES.c.ended_at - FETCHES.c.started_at)
    query = (
        sa.select(
            FETCHES.c.source,
            hour,
            sa.func.count().label("fetches"),
            sa.func.count().filter(FETCHES.c.error.is_not(None)).label("failed"),
            sa.func.sum(FETCHES.c.records).label("records"),
            sa.func.sum(FETCHES.c.requests).label("requests"),
            sa.cast(sa.func.sum(took), sa.Double).label("seconds"),
        )
        .where(FETCHES.c.ended_at >= moment)
        .group_by(FETCHES.c.source, hour)
        .order_by(FETCHES.c.source, hour)
    )
    return [dict(row) | {"hour": row["hour"].astimezone(UTC)} for row in connection.execute(query).mappings()]


def firing(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """Alerts that last, by rule and severity."""
    query = (
        sa.select(INCIDENTS.c.rule, INCIDENTS.c.severity, sa.func.count())
        .where(INCIDENTS.c.resolved_at.is_(None))
        .group_by(INCIDENTS.c.rule, INCIDENTS.c.severity)
        .order_by(INCIDENTS.c.rule, INCIDENTS.c.severity)
    )
    return {(rule, severity): int(count) for rule, severity, count in connection.execute(query)}


def deliveries(connection: sa.Connection) -> list[tuple[str, int, int]]:
    """Channels of alerts, with the messages they delivered and those that failed."""
    query = sa.select(CHANNELS.c.name, CHANNELS.c.delivered, CHANNELS.c.failed).order_by(CHANNELS.c.name)
    return [(name, int(delivered), int(failed)) for name, delivered, failed in connection.execute(query)]


def _upsert(connection: sa.Connection, statement: Any, measures: list[Measure]) -> None:
    merged: dict[tuple[str, bytes], dict[str, Any]] = {}
    for one in measures:
        key = (one.name, orjson.dumps(dict(one.labels), option=orjson.OPT_SORT_KEYS))
        row = merged.setdefault(key, {"name": one.name, "labels": dict(one.labels), "value": 0.0, "noted_at": one.at})
        row["value"] += one.value
    # In one order everywhere, so that two transactions wait for each other instead of for ever.
    for key in sorted(merged):
        connection.execute(statement, merged[key])
