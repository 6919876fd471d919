"""What the fetches in the warehouse say of each stream, by its index: cheap with a year of fetches, so asked often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline_platform.storage.warehouse import Warehouse, in_utc
from pipeline_platform.storage.warehouse_tables import FETCHES

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StreamFacts:
    """A stream that was fetched before.

    Attributes:
        tried_at, first_at: end of its newest and its first fetch.
        succeeded_at: end of the newest fetch in which every target succeeded.
        data_at: end of the newest fetch that brought records.
    """

    source: str
    stream: str
    tried_at: datetime
    first_at: datetime
    succeeded_at: datetime | None
    data_at: datetime | None


@dataclass(frozen=True)
class Tries:
    """Targets of a source that were tried in a window, how many failed, and the error of the newest fetch with one."""

    targets: int = 0
    failed: int = 0
    error: str | None = None


def stream_facts(warehouse: Warehouse, streams: Sequence[tuple[str, str]]) -> list[StreamFacts]:
    """The facts of `streams`, pairs of source and stream, in their order; without those that were never fetched."""
    if not streams:
        return []
    asked = _asked([{"source": source, "stream": stream} for source, stream in streams])
    mine = FETCHES.c.source == asked.c.source, FETCHES.c.stream == asked.c.stream

    def end_of(order: Any, *terms: Any) -> Any:
        return sa.select(FETCHES.c.ended_at).where(*mine, *terms).order_by(order).limit(1).scalar_subquery()

    newest = FETCHES.c.ended_at.desc()
    query = sa.select(
        asked.c.source,
        asked.c.stream,
        end_of(newest).label("tried_at"),
        end_of(FETCHES.c.ended_at).label("first_at"),
        end_of(newest, FETCHES.c.error.is_(None)).label("succeeded_at"),
        end_of(newest, FETCHES.c.records > 0).label("data_at"),
    )
    with warehouse.begin() as connection:
        rows = {(row["source"], row["stream"]): row for row in connection.execute(query).mappings() if row["tried_at"]}
    return [StreamFacts(**in_utc(rows[pair])) for pair in streams if pair in rows]


def tries(warehouse: Warehouse, facts: Sequence[StreamFacts], window: timedelta) -> dict[str, Tries]:
    """What was tried of each source in a window that ends with its last fetch. Skipped targets were not tried."""
    last: dict[str, datetime] = {}
    for one in facts:
        last[one.source] = max(last.get(one.source, one.tried_at), one.tried_at)
    if not facts:
        return {}
    asked = _asked([{"source": one.source, "stream": one.stream, "since": last[one.source] - window} for one in facts])
    during = (
        FETCHES.c.source == asked.c.source,
        FETCHES.c.stream == asked.c.stream,
        FETCHES.c.ended_at >= asked.c.since,
    )

    def total(count: Any) -> Any:
        return sa.select(sa.func.coalesce(sa.func.sum(count), 0)).where(*during).scalar_subquery()

    def of_newest_error(column: Any) -> Any:
        newest = sa.select(column).where(*during, FETCHES.c.error.is_not(None)).order_by(FETCHES.c.ended_at.desc())
        return newest.limit(1).scalar_subquery()

    # By stream and not by a join: that would read all fetches.
    query = sa.select(
        asked.c.source,
        total(FETCHES.c.targets - FETCHES.c.skipped_targets).label("targets"),
        total(FETCHES.c.failed_targets).label("failed"),
        of_newest_error(FETCHES.c.error).label("error"),
        of_newest_error(FETCHES.c.ended_at).label("error_at"),
    )
    with warehouse.begin() as connection:
        rows = connection.execute(query).all()
    found: dict[str, Tries] = {}
    for row in sorted(rows, key=lambda row: row.error_at or _LONG_AGO):
        sum_up = found.get(row.source, Tries())
        found[row.source] = Tries(
            sum_up.targets + int(row.targets), sum_up.failed + int(row.failed), row.error or sum_up.error
        )
    return found


def _asked(rows: Sequence[Mapping[str, Any]]) -> Any:
    types: dict[str, Any] = {"source": sa.Text, "stream": sa.Text, "since": sa.DateTime(timezone=True)}
    columns: list[Any] = [sa.column(name, types[name]) for name in rows[0]]
    return sa.values(*columns, name="asked").data([tuple(row.values()) for row in rows])
