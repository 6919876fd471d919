"""What is counted of the platform's work, for metrics: of a fetch, of the rows of a table, of a step that failed."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
from opentelemetry import trace
from sqlalchemy.exc import SQLAlchemyError

from pipeline_platform.schemas.table import JOINED, Table
from pipeline_platform.settings import SettingsError
from pipeline_platform.sources.base import Source, Stream
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.sources.tally import OK, Tally
from pipeline_platform.storage import metrics
from pipeline_platform.storage.metrics import Measure
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

log = logging.getLogger(__name__)

QUARANTINE_DAYS = 7
"""Event days over which rows in quarantine are told."""


def measures_of_fetch(
    source: Source, stream: Stream, tally: Tally, records: int, letters: Sequence[DeadLetter]
) -> tuple[list[Measure], list[Measure]]:
    """Counters and gauges of one fetch: requests, records, what failed, and when it last succeeded."""
    of_source = {"source": source.name}
    failed = Counter(letter.error_class for letter in letters)
    counters = [
        Measure(metrics.RECORDS, records, of_source | {"layer": "raw"}),
        *(
            Measure(metrics.REQUESTS, tally.outcomes[name], of_source | {"outcome": name})
            for name in {OK, *tally.outcomes}
        ),
        *(
            Measure(metrics.LOOKUPS, tally.lookups[result], {"cache": "http", "name": source.name, "result": result})
            for result in ("hit", "miss")
        ),
        *(Measure(metrics.ERRORS, count, of_source | {"class": name}) for name, count in failed.items()),
    ]
    now = datetime.now(UTC)
    succeeded = Measure(metrics.LAST_SUCCESS, now.timestamp(), of_source | {"stream": stream.name}, now)
    return counters, [] if letters else [succeeded]


def note_rows(stores: Stores, table: Table, rows: pd.DataFrame, first: date, last: date) -> None:
    """Count the rows that a table was given for some days, by source; of a quarantine also how many lie in it."""
    counters = [
        Measure(metrics.RECORDS, count, {"source": name, "layer": table.layer})
        for name, count in _by_source(table, rows).items()
    ]
    with stores.warehouse.begin() as connection:
        metrics.add(connection, counters)
        if table.layer == "quarantine":
            metrics.note(connection, _quarantined(table, rows, first, last))
            metrics.forget(connection, metrics.QUARANTINED, datetime.now(UTC) - timedelta(days=2 * QUARANTINE_DAYS))


def note_exported(stores: Stores, table: Table, rows: int) -> None:
    """Count the rows of an export."""
    labels = {"source": table.tags.get("source", JOINED), "layer": "exports"}
    with stores.warehouse.begin() as connection:
        metrics.add(connection, [Measure(metrics.RECORDS, rows, labels)])


def _by_source(table: Table, rows: pd.DataFrame) -> dict[str, int]:
    if "source" not in rows:
        return {table.tags.get("source", JOINED): len(rows)}
    return {str(name): int(count) for name, count in rows["source"].fillna(JOINED).value_counts().items()}


def _quarantined(table: Table, rows: pd.DataFrame, first: date, last: date) -> list[Measure]:
    """Rows of every source of a kind on every recent day, 0 where there are none: they may be gone since last time."""
    recent = max(first, datetime.now(UTC).date() - timedelta(days=QUARANTINE_DAYS - 1))
    days = [recent + timedelta(days=past) for past in range((last - recent).days + 1)]
    sources = [one.name for one in SOURCES if any(stream.kind == table.name for stream in one.streams)]
    held = rows.groupby(["source", "event_date"]).size().to_dict()
    return [
        Measure(
            metrics.QUARANTINED,
            int(held.get((name, day), 0)),
            {"kind": table.name, "source": name, "event_date": day.isoformat()},
            _start_of(day),
        )
        for name in sources
        for day in days
    ]


def note_scores(stores: Stores, scores: pd.DataFrame) -> None:
    """Keep quality scores: rows of `quality/scores` that have one, a row per table."""
    rows = scores[["table", "score", "event_date"]].itertuples(index=False)
    with stores.warehouse.begin() as connection:
        metrics.note(
            connection,
            [Measure(metrics.SCORE, float(score), {"table": table}, _start_of(day)) for table, score, day in rows],
        )


def note_lookups(stores: Stores, cache: str, asked: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Count what a cache was asked for and had, by name, and tell it in the span at work."""
    told = {"asked": sum(asked.values()), "found": sum(found.values())}
    trace.get_current_span().set_attributes({f"cache.{cache}.{name}": count for name, count in told.items()})
    with stores.warehouse.begin() as connection:
        metrics.add(
            connection,
            [
                Measure(metrics.LOOKUPS, count, {"cache": cache, "name": name, "result": result})
                for name in asked
                for result, count in (("hit", found[name]), ("miss", asked[name] - found[name]))
            ],
        )


def note_failure(stores: Stores, source: str, error: BaseException) -> None:
    """Count a step that failed, by the class of its error. It never raises: the error itself has to be told."""
    try:
        with stores.warehouse.begin() as connection:
            metrics.add(connection, [Measure(metrics.ERRORS, 1, {"source": source, "class": type(error).__name__})])
    except (SQLAlchemyError, SettingsError) as problem:
        log.warning("a failure could not be counted: %s", type(problem).__name__)


def note_daemon(stores: Stores) -> None:
    """Keep that the daemon was at work just now."""
    now = datetime.now(UTC)
    with stores.warehouse.begin() as connection:
        metrics.note(connection, [Measure(metrics.DAEMON, now.timestamp(), {}, now)])


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
