"""The incident log: what was wrong from when to when, what is to be told of it, and which channel told it.

What is to be told is kept in one transaction with what it is about; sending it is another. A channel is locked while it
sends, so that two processes never tell the same. A process that dies after it sent and before that is noted leaves the
notice owed: it is then told again, as being told twice is better than not at all.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from pipeline_platform.storage.warehouse import Warehouse, in_utc
from pipeline_platform.storage.warehouse_tables import CHANNELS, DELIVERIES, INCIDENTS, NOTICES, WATCH

Event = Literal["firing", "worse", "lasting", "resolved"]


@dataclass(frozen=True)
class Incident:
    """A time during which something was wrong.

    Attributes:
        rule, subject: what was wrong, with what.
        severity: the worst it had.
        path: where the Dagster UI shows more, below its address.
        began_at: when the condition began, as far as known.
        fired_at, seen_at: when an evaluation first and last found it.
        told_at: when it was last to be told.
        resolved_at: when it counted as over; None while it lasts.
        returns: how often it had come back soon after it was resolved.
    """

    id: int
    rule: str
    subject: str
    severity: str
    message: str
    path: str | None
    began_at: datetime
    fired_at: datetime
    seen_at: datetime
    told_at: datetime
    resolved_at: datetime | None
    returns: int


@dataclass(frozen=True)
class Notice:
    """Something to be told of an incident: that it fires, became worse, lasts, or is resolved."""

    id: int
    event: Event
    severity: str
    message: str
    made_at: datetime
    incident: Incident


@dataclass(frozen=True)
class ChannelState:
    """How a channel fares: notices told and attempts failed ever, failures in a row, and when it is tried next."""

    name: str
    known_since: datetime
    delivered: int
    failed: int
    failures: int
    failing_since: datetime | None
    error: str | None
    succeeded_at: datetime | None
    next_try_at: datetime | None


class IncidentLog:
    """Incidents in the warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    @contextmanager
    def changing(self) -> Iterator["Changes"]:
        """A transaction in which nobody else changes incidents; gives a `Changes`."""
        with self.warehouse.begin() as connection:
            connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('pipeline_platform.incidents'))"))
            yield Changes(connection)

    def incidents(self, *, everything: bool = False, limit: int = 200, since: datetime | None = None) -> list[Incident]:
        """Those that last, or everything, newest first."""
        query = sa.select(INCIDENTS).order_by(INCIDENTS.c.fired_at.desc(), INCIDENTS.c.id.desc()).limit(limit)
        if not everything:
            query = query.where(INCIDENTS.c.resolved_at.is_(None))
        if since:
            query = query.where(INCIDENTS.c.fired_at >= since)
        with self.warehouse.begin() as connection:
            return [Incident(**in_utc(row)) for row in connection.execute(query).mappings()]

    def channels(self) -> list[ChannelState]:
        """Every channel that ever had something to tell, by name."""
        with self.warehouse.begin() as connection:
            rows = connection.execute(sa.select(CHANNELS).order_by(CHANNELS.c.name)).mappings()
            return [ChannelState(**in_utc(row)) for row in rows]

    def evaluated_at(self) -> datetime | None:
        """When the rules were last evaluated."""
        with self.warehouse.begin() as connection:
            found: datetime | None = connection.scalar(sa.select(WATCH.c.evaluated_at))
            return found and found.astimezone(UTC)

    def watch(self, now: datetime, gap: timedelta) -> datetime:
        """Note an evaluation; gives since when there was none later than `gap` after the one before."""
        insert = insert_or_ignore(WATCH).values(is_it=True, watching_since=now, evaluated_at=now)
        update = insert.on_conflict_do_update(
            index_elements=["is_it"],
            set_={
                "watching_since": sa.case((WATCH.c.evaluated_at < now - gap, now), else_=WATCH.c.watching_since),
                "evaluated_at": sa.func.greatest(WATCH.c.evaluated_at, now),
            },
        ).returning(WATCH.c.watching_since)
        with self.warehouse.begin() as connection:
            since: datetime = connection.scalar(update)
            return since.astimezone(UTC)

    def deliver(
        self,
        channel: str,
        now: datetime,
        *,
        tells: Collection[str],
        tells_now: Collection[str],
        at_most: int,
        send: Callable[[Sequence[Notice]], str | None],
        back_off: Callable[[int], timedelta],
    ) -> int | None:
        """Let a channel tell what it owes, oldest first, unless another process does or it waits after a failure.

        Args:
            channel: its name.
            now: the present.
            tells: severities that it tells; whatever it told is also told resolved by it.
            tells_now: severities that are told at this time of the day.
            at_most: notices it takes at once.
            send: sends them; gives the error if it could not.
            back_off: how long to wait after a number of failures in a row.

        Returns:
            How many were told; None when it could not, or should not now.
        """
        with self.warehouse.begin() as connection:
            connection.execute(
                insert_or_ignore(CHANNELS).values(name=channel, known_since=now).on_conflict_do_nothing()
            )
        with self.warehouse.begin() as connection:
            mine = CHANNELS.c.name == channel
            state = (
                connection.execute(sa.select(CHANNELS).where(mine).with_for_update(skip_locked=True)).mappings().first()
            )
            if state is None or (state["next_try_at"] is not None and now < state["next_try_at"]):
                return None
            owed = _owed(connection, channel, state["known_since"], tells, tells_now, at_most)
            if not owed:
                return 0
            error = send(owed)
            if error is None:
                connection.execute(
                    insert_or_ignore(DELIVERIES).on_conflict_do_nothing(),
                    [{"notice_id": notice.id, "channel": channel, "sent_at": now} for notice in owed],
                )
                outcome = {
                    "delivered": CHANNELS.c.delivered + len(owed),
                    "failures": 0,
                    "failing_since": None,
                    "error": None,
                    "succeeded_at": now,
                    "next_try_at": None,
                }
            else:
                outcome = {
                    "failed": CHANNELS.c.failed + 1,
                    "failures": CHANNELS.c.failures + 1,
                    "failing_since": sa.func.coalesce(CHANNELS.c.failing_since, now),
                    "error": error,
                    "next_try_at": now + back_off(state["failures"] + 1),
                }
            connection.execute(sa.update(CHANNELS).where(mine).values(outcome))
        return len(owed) if error is None else None

    def forget(self, before: datetime) -> int:
        """Delete incidents that were resolved before a moment, with what was told of them. How many."""
        with self.warehouse.begin() as connection:
            gone = connection.execute(sa.delete(INCIDENTS).where(INCIDENTS.c.resolved_at < before))
            return int(gone.rowcount)


class Changes:
    """What may be done to incidents, in one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def lasting(self) -> dict[tuple[str, str], Incident]:
        """Incidents that are not resolved, by rule and subject."""
        query = sa.select(INCIDENTS).where(INCIDENTS.c.resolved_at.is_(None))
        found = [Incident(**in_utc(row)) for row in self._connection.execute(query).mappings()]
        return {(one.rule, one.subject): one for one in found}

    def last_of(self, rule: str, subject: str) -> Incident | None:
        """The incident of a subject that was resolved last."""
        query = (
            sa.select(INCIDENTS)
            .where(INCIDENTS.c.rule == rule, INCIDENTS.c.subject == subject, INCIDENTS.c.resolved_at.is_not(None))
            .order_by(INCIDENTS.c.resolved_at.desc())
            .limit(1)
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else Incident(**in_utc(row))

    def open(self, **values: Any) -> Incident:
        """Keep a new incident; the arguments are its columns."""
        row = self._connection.execute(sa.insert(INCIDENTS).values(**values).returning(INCIDENTS)).mappings().one()
        return Incident(**in_utc(row))

    def change(self, incident: Incident, **values: Any) -> None:
        """Set columns of an incident."""
        self._connection.execute(sa.update(INCIDENTS).where(INCIDENTS.c.id == incident.id).values(**values))

    def tell(self, incident: Incident, event: Event, severity: str, message: str, now: datetime) -> None:
        """Keep something to be told."""
        self._connection.execute(
            sa.insert(NOTICES).values(
                incident_id=incident.id, event=event, severity=severity, message=message, made_at=now
            )
        )


def _owed(
    connection: Any,
    channel: str,
    known_since: datetime,
    tells: Collection[str],
    tells_now: Collection[str],
    at_most: int,
) -> list[Notice]:
    """Notices that a channel has to tell now, oldest first.

    Of an incident that was over before the channel was known it tells nothing. Of what was not told yet only the newest
    counts, and that it is over comes after it: a pager would take an older alarm after the end for a new one.
    """
    alarm, later = NOTICES.alias(), NOTICES.alias()
    heard = sa.exists().where(alarm.c.incident_id == INCIDENTS.c.id, alarm.c.severity.in_(tells), _is_alarm(alarm))
    newer = sa.exists().where(later.c.incident_id == INCIDENTS.c.id, later.c.id > NOTICES.c.id, _is_alarm(later))
    told = sa.exists().where(DELIVERIES.c.notice_id == NOTICES.c.id, DELIVERIES.c.channel == channel)
    query = (
        sa.select(NOTICES, INCIDENTS)
        .join(INCIDENTS, INCIDENTS.c.id == NOTICES.c.incident_id)
        .where(
            ~told,
            NOTICES.c.severity.in_(tells_now),
            sa.or_(INCIDENTS.c.resolved_at.is_(None), INCIDENTS.c.resolved_at >= known_since),
            sa.or_(
                sa.and_(NOTICES.c.event == "resolved", heard),
                sa.and_(_is_alarm(NOTICES), NOTICES.c.severity.in_(tells), ~newer),
            ),
            # A channel is not told of its own failure.
            ~sa.and_(INCIDENTS.c.rule == "channel_failing", INCIDENTS.c.subject == channel),
        )
        .order_by(NOTICES.c.id)
        .limit(at_most)
    )
    columns = [*NOTICES.c, *INCIDENTS.c]
    found = []
    for row in connection.execute(query):
        notice = {column.name: value for column, value in zip(columns, row, strict=True) if column.table is NOTICES}
        incident = {column.name: value for column, value in zip(columns, row, strict=True) if column.table is INCIDENTS}
        notice.pop("incident_id")
        found.append(Notice(**in_utc(notice), incident=Incident(**in_utc(incident))))
    return found


def _is_alarm(notices: Any) -> Any:
    return notices.c.event != "resolved"
