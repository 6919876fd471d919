"""The warehouse: what the platform remembers about its own work, in PostgreSQL.

Its tables stand in `warehouse_tables.py`, and are made on first use.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from pipeline_platform.sources.base import Window
from pipeline_platform.storage import metrics
from pipeline_platform.storage.queries import watch
from pipeline_platform.storage.warehouse_tables import (
    DEAD_LETTERS,
    FETCHES,
    GEOCODED,
    METADATA,
    RECHECKS,
    UPGRADE,
    UPSTREAM_FIELDS,
)


@dataclass(frozen=True)
class DeadLetter:
    """A target of a stream that could not be fetched for a window, after every attempt."""

    source: str
    stream: str
    target: str
    window: Window
    request: Mapping[str, Any]
    error_class: str
    message: str
    attempts: int
    traceback: str
    run_id: str
    failed_at: datetime
    id: int | None = None
    status: str = "open"


@dataclass(frozen=True, slots=True)
class RecheckNote:
    """When a record was last checked, and how often that failed since, the last time at `failed_at`."""

    checked_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None


class Warehouse:
    """PostgreSQL at `url` (with its driver named); the connection is made when first needed."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, pool_pre_ping=True, pool_size=2)
        watch(self._engine)
        self._ready = False

    def begin(self) -> Any:
        """A transaction; the first one makes the tables."""
        if not self._ready:
            with self._engine.begin() as connection:
                # Two first runs at once would both try to create the tables.
                connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('pipeline_platform.schema'))"))
                METADATA.create_all(connection)
                connection.execute(sa.text(UPGRADE))
            self._ready = True
        return self._engine.begin()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def bury(self, letters: Iterable[DeadLetter]) -> int:
        """Keep dead letters; one that is open already for the same target and window is brought up to date."""
        count = 0
        with self.begin() as connection:
            for letter in letters:
                values = {
                    "request": dict(letter.request),
                    "error_class": letter.error_class,
                    "message": letter.message,
                    "traceback": letter.traceback,
                    "run_id": letter.run_id,
                    "failed_at": letter.failed_at,
                }
                same = _same_debt(letter)
                known = connection.execute(
                    sa.update(DEAD_LETTERS)
                    .where(*same)
                    .values(**values, attempts=DEAD_LETTERS.c.attempts + letter.attempts)
                )
                if not known.rowcount:
                    connection.execute(
                        sa.insert(DEAD_LETTERS).values(
                            **values,
                            attempts=letter.attempts,
                            source=letter.source,
                            stream=letter.stream,
                            target=letter.target,
                            window_start=letter.window.start,
                            window_end=letter.window.end,
                        )
                    )
                count += 1
        return count

    def heal(self, source: str, stream: str, target: str, window: Window) -> int:
        """Close the open letters of a target whose window lies within one that was fetched whole; how many."""
        with self.begin() as connection:
            healed = connection.execute(
                sa.update(DEAD_LETTERS)
                .where(
                    DEAD_LETTERS.c.status == "open",
                    DEAD_LETTERS.c.source == source,
                    DEAD_LETTERS.c.stream == stream,
                    DEAD_LETTERS.c.target == target,
                    DEAD_LETTERS.c.window_start >= window.start,
                    DEAD_LETTERS.c.window_end <= window.end,
                )
                .values(status="healed", healed_at=datetime.now(UTC))
            )
            return int(healed.rowcount)

    def narrow(self, source: str, stream: str, target: str, window: Window, left: Window) -> int:
        """Take off the open letters of a target what was fetched of `window`, all but `left`; how many are paid by it.

        Only letters that lie within `window` were asked for, and so can be paid in part.
        """
        asked = (
            DEAD_LETTERS.c.status == "open",
            DEAD_LETTERS.c.source == source,
            DEAD_LETTERS.c.stream == stream,
            DEAD_LETTERS.c.target == target,
            DEAD_LETTERS.c.window_start >= window.start,
            DEAD_LETTERS.c.window_end <= window.end,
        )
        touches = sa.and_(DEAD_LETTERS.c.window_start < left.end, DEAD_LETTERS.c.window_end > left.start)
        with self.begin() as connection:
            healed = connection.execute(
                sa.update(DEAD_LETTERS)
                .where(*asked, sa.not_(touches))
                .values(status="healed", healed_at=datetime.now(UTC))
            )
            connection.execute(
                sa.update(DEAD_LETTERS)
                .where(*asked, touches)
                .values(
                    window_start=sa.func.greatest(DEAD_LETTERS.c.window_start, left.start),
                    window_end=sa.func.least(DEAD_LETTERS.c.window_end, left.end),
                )
            )
            return int(healed.rowcount)

    def dead_letters(
        self, *, status: str | None = "open", source: str | None = None, limit: int = 1000
    ) -> list[DeadLetter]:
        """Dead letters, newest first."""
        query = sa.select(DEAD_LETTERS).order_by(DEAD_LETTERS.c.id.desc()).limit(limit)
        if status:
            query = query.where(DEAD_LETTERS.c.status == status)
        if source:
            query = query.where(DEAD_LETTERS.c.source == source)
        with self.begin() as connection:
            return [_letter(row) for row in connection.execute(query).mappings()]

    def open_letter(self, letter: DeadLetter) -> DeadLetter | None:
        """A letter as it stands now; None when it was healed meanwhile."""
        query = sa.select(DEAD_LETTERS).where(DEAD_LETTERS.c.id == letter.id, DEAD_LETTERS.c.status == "open")
        with self.begin() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else _letter(row)

    def record_fetch(
        self, counters: Iterable[metrics.Measure] = (), gauges: Iterable[metrics.Measure] = (), **fetch: Any
    ) -> None:
        """Keep a row of `fetches`, whose columns are the further arguments, and what it adds to metrics."""
        with self.begin() as connection:
            connection.execute(sa.insert(FETCHES).values(**fetch))
            metrics.add(connection, counters)
            metrics.note(connection, gauges)

    def note_fields(self, stream: str, unmapped: Mapping[str, int]) -> list[str]:
        """Keep the fields of a fetch from which no column comes, with the payloads that had them.

        Returns:
            Those never seen before, though the stream was: what the upstream added.
        """
        now, known = datetime.now(UTC), set(self.unmapped_fields(stream))
        if not unmapped:
            return []
        insert = insert_or_ignore(UPSTREAM_FIELDS).values(
            [
                {"stream": stream, "path": path, "records": count, "first_seen_at": now, "last_seen_at": now}
                for path, count in sorted(unmapped.items())
            ]
        )
        update = insert.on_conflict_do_update(
            index_elements=["stream", "path"],
            set_={
                "records": UPSTREAM_FIELDS.c.records + insert.excluded.records,
                "last_seen_at": insert.excluded.last_seen_at,
            },
        )
        with self.begin() as connection:
            connection.execute(update)
        return sorted(set(unmapped) - known) if known else []

    def unmapped_fields(self, stream: str) -> dict[str, int]:
        """Fields of a stream from which no column comes, and how many payloads had them; most frequent first."""
        query = (
            sa.select(UPSTREAM_FIELDS.c.path, UPSTREAM_FIELDS.c.records)
            .where(UPSTREAM_FIELDS.c.stream == stream)
            .order_by(UPSTREAM_FIELDS.c.records.desc(), UPSTREAM_FIELDS.c.path)
        )
        with self.begin() as connection:
            return {row.path: int(row.records) for row in connection.execute(query)}

    def fields_first_seen(self, first: datetime, end: datetime) -> dict[str, dict[date, list[str]]]:
        """Fields that came from `first` to before `end` for the first time, by stream and UTC day, sorted.

        What came with the first fetch of a stream is not new.
        """
        known_since = (
            sa.select(UPSTREAM_FIELDS.c.stream, sa.func.min(UPSTREAM_FIELDS.c.first_seen_at).label("since"))
            .group_by(UPSTREAM_FIELDS.c.stream)
            .subquery()
        )
        query = (
            sa.select(UPSTREAM_FIELDS.c.stream, UPSTREAM_FIELDS.c.path, UPSTREAM_FIELDS.c.first_seen_at)
            .join(known_since, known_since.c.stream == UPSTREAM_FIELDS.c.stream)
            .where(
                UPSTREAM_FIELDS.c.first_seen_at > known_since.c.since,
                UPSTREAM_FIELDS.c.first_seen_at >= first,
                UPSTREAM_FIELDS.c.first_seen_at < end,
            )
            .order_by(UPSTREAM_FIELDS.c.stream, UPSTREAM_FIELDS.c.path)
        )
        found: dict[str, dict[date, list[str]]] = {}
        with self.begin() as connection:
            for stream, path, moment in connection.execute(query):
                found.setdefault(stream, {}).setdefault(moment.astimezone(UTC).date(), []).append(path)
        return found

    def fetch_days(self, first: datetime, end: datetime) -> list[dict[str, Any]]:
        """The fetches that ended from `first` to before `end`, per source, stream and UTC day.

        Returns:
            Rows with `source`, `stream`, `event_date`, `fetches`, `failed_fetches`, `requests`, `last_success_at` and
            `last_error`.
        """
        day = sa.cast(sa.func.timezone("UTC", FETCHES.c.ended_at), sa.Date).label("event_date")
        failed = FETCHES.c.error.is_not(None)
        errors = sa.func.array_agg(
            aggregate_order_by(FETCHES.c.error, FETCHES.c.id.desc()), type_=ARRAY(sa.Text)
        ).filter(failed)
        query = (
            sa.select(
                FETCHES.c.source,
                FETCHES.c.stream,
                day,
                sa.func.count().label("fetches"),
                sa.func.count().filter(failed).label("failed_fetches"),
                sa.func.sum(FETCHES.c.requests).label("requests"),
                sa.func.max(FETCHES.c.ended_at).filter(~failed).label("last_success_at"),
                errors[1].label("last_error"),
            )
            .where(FETCHES.c.ended_at >= first, FETCHES.c.ended_at < end)
            .group_by(FETCHES.c.source, FETCHES.c.stream, day)
        )
        with self.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def rechecks(self, stream: str) -> dict[str, RecheckNote]:
        """What is noted of each record of a stream, as far back as that is kept."""
        query = sa.select(RECHECKS).where(RECHECKS.c.stream == stream)
        with self.begin() as connection:
            rows = [in_utc(row) for row in connection.execute(query).mappings()]
        return {row["record_id"]: RecheckNote(row["checked_at"], row["failures"], row["failed_at"]) for row in rows}

    def note_rechecks(
        self,
        stream: str,
        *,
        checked: Iterable[str],
        failed: Iterable[str],
        moment: datetime,
        forget_before: datetime,
    ) -> None:
        """Note that records were checked at `moment`, or could not be; what is older than `forget_before` goes."""
        insert = insert_or_ignore(RECHECKS)
        passed = insert.on_conflict_do_update(
            index_elements=["stream", "record_id"],
            set_={"checked_at": insert.excluded.checked_at, "failures": 0, "failed_at": None},
        )
        refused = insert.on_conflict_do_update(
            index_elements=["stream", "record_id"],
            set_={"failures": RECHECKS.c.failures + 1, "failed_at": insert.excluded.failed_at},
        )
        rows = [{"stream": stream, "record_id": name, "checked_at": moment} for name in sorted(checked)]
        others = [{"stream": stream, "record_id": name, "failures": 1, "failed_at": moment} for name in sorted(failed)]
        newest = sa.func.greatest(RECHECKS.c.checked_at, RECHECKS.c.failed_at)
        with self.begin() as connection:
            if rows:
                connection.execute(passed, rows)
            if others:
                connection.execute(refused, others)
            connection.execute(sa.delete(RECHECKS).where(RECHECKS.c.stream == stream, newest < forget_before))

    def geocoded(self, provider: str) -> list[dict[str, Any]]:
        """What a provider said of names: rows of `geocoded`, in which `key` is None where there is no such place."""
        query = sa.select(GEOCODED).where(GEOCODED.c.provider == provider).order_by(GEOCODED.c.name)
        with self.begin() as connection:
            return [in_utc(row) for row in connection.execute(query).mappings()]

    def keep_geocoded(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep answers, rows of `geocoded`; they take the place of earlier ones."""
        if not rows:
            return
        insert = insert_or_ignore(GEOCODED)
        update = insert.on_conflict_do_update(
            index_elements=["provider", "name"],
            set_={name: insert.excluded[name] for name in ("key", "country", "lat", "lon", "asked_at")},
        )
        with self.begin() as connection:
            connection.execute(update, list(rows))

    def last_fetches(self) -> list[dict[str, Any]]:
        """Per source and stream: the newest fetch, and when one last succeeded (`succeeded_at`)."""
        succeeded = (
            sa.select(FETCHES.c.stream, sa.func.max(FETCHES.c.ended_at).label("succeeded_at"))
            .where(FETCHES.c.error.is_(None))
            .group_by(FETCHES.c.stream)
            .subquery()
        )
        query = (
            sa.select(FETCHES, succeeded.c.succeeded_at)
            .join(succeeded, succeeded.c.stream == FETCHES.c.stream, isouter=True)
            .distinct(FETCHES.c.stream)
            .order_by(FETCHES.c.stream, FETCHES.c.id.desc())
        )
        with self.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def in_utc(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its moments in UTC; PostgreSQL tells them in the time zone of the session."""
    return {name: value.astimezone(UTC) if isinstance(value, datetime) else value for name, value in row.items()}


def _same_debt(letter: DeadLetter) -> list[sa.ColumnElement[bool]]:
    return [
        DEAD_LETTERS.c.status == "open",
        DEAD_LETTERS.c.source == letter.source,
        DEAD_LETTERS.c.stream == letter.stream,
        DEAD_LETTERS.c.target == letter.target,
        DEAD_LETTERS.c.window_start == letter.window.start,
        DEAD_LETTERS.c.window_end == letter.window.end,
    ]


def _letter(row: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(
        source=row["source"],
        stream=row["stream"],
        target=row["target"],
        window=Window(row["window_start"].astimezone(UTC), row["window_end"].astimezone(UTC)),
        request=row["request"],
        error_class=row["error_class"],
        message=row["message"],
        attempts=row["attempts"],
        traceback=row["traceback"],
        run_id=row["run_id"],
        failed_at=row["failed_at"].astimezone(UTC),
        id=row["id"],
        status=row["status"],
    )
