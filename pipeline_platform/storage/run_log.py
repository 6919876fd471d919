"""The run log: every run of Dagster as one row of the warehouse, and totals that outlive the retention of runs.

Dagster's own tables are its own business and are purged; metrics, alerts and the health page ask here.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from pipeline_platform.storage.warehouse import Warehouse, in_utc
from pipeline_platform.storage.warehouse_tables import JOB_RUNS, JOB_TOTALS

FINAL = ("success", "failure", "canceled")
DURATION_BUCKETS = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0)
"""Upper bounds in seconds of the histogram of durations; what takes longer falls into the bucket of infinity."""


@dataclass(frozen=True)
class JobRun:
    """A run as it stands now.

    Args:
        run_id: Dagster's id.
        job: its job.
        source: the source it fetches, if it is one.
        cause: what started it: `schedule:NAME`, `sensor:NAME`, `backfill`, `command` or `manual`.
        status: queued, started, success, failure or canceled.
        created_at, started_at, ended_at: UTC; the latter two as far as they came to pass.
        first_day, last_day: the partitions it was asked for, both included.
        error: why it failed.
        failed_steps: keys of the steps that failed.
    """

    run_id: str
    job: str
    source: str | None
    cause: str
    status: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    first_day: date | None = None
    last_day: date | None = None
    error: str | None = None
    failed_steps: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long it ran; None as long as it has not ended, or when it never started."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else None


@dataclass(frozen=True)
class JobTotal:
    """Runs of a job that ended with a status, within a bucket of durations (upper bound in seconds) and their sum."""

    job: str
    status: str
    bucket: float
    runs: int
    seconds: float


@dataclass(frozen=True)
class JobStreak:
    """Failures of a job since it last succeeded: how many, the end of the first, and error and id of the last."""

    job: str
    failures: int
    since: datetime
    error: str | None
    last_run_id: str


class RunLog:
    """Runs in the warehouse."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def note(self, runs: Iterable[JobRun]) -> list[JobRun]:
        """Keep runs as they stand; a run that ended stays as it ended.

        Returns:
            Those that ended since they were noted last, each once however often and by whomever it is noted.
        """
        ended = []
        with self.warehouse.begin() as connection:
            # By id, so that two who note the same runs at once wait for each other instead of for ever.
            for run in sorted(runs, key=lambda run: run.run_id):
                insert = insert_or_ignore(JOB_RUNS).values({**asdict(run), "failed_steps": list(run.failed_steps)})
                update = insert.on_conflict_do_update(
                    index_elements=["run_id"],
                    set_={column.name: insert.excluded[column.name] for column in JOB_RUNS.c if not column.primary_key},
                    where=JOB_RUNS.c.status.not_in(FINAL),
                )
                if connection.execute(update).rowcount and run.status in FINAL:
                    ended.append(run)
            for run in sorted(ended, key=lambda run: (run.job, run.status)):
                connection.execute(_added(run))
        return ended

    def noted_until(self) -> datetime | None:
        """The newest moment at which a noted run was created or ended."""
        newest = sa.func.max(sa.func.greatest(JOB_RUNS.c.created_at, JOB_RUNS.c.ended_at))
        with self.warehouse.begin() as connection:
            found: datetime | None = connection.scalar(sa.select(newest))
        return found

    def not_ended(self, run_ids: Iterable[str]) -> set[str]:
        """Those of some runs that are not noted as ended."""
        asked = set(run_ids)
        query = sa.select(JOB_RUNS.c.run_id).where(JOB_RUNS.c.run_id.in_(asked), JOB_RUNS.c.status.in_(FINAL))
        with self.warehouse.begin() as connection:
            return asked - set(connection.scalars(query))

    def unfinished(self) -> list[JobRun]:
        """Noted runs that had not ended, oldest first."""
        return self._select(JOB_RUNS.c.status.not_in(FINAL), newest_first=False)

    def waiting(self) -> dict[str, int]:
        """How many noted runs are `queued`, and how many `started`."""
        # A run that has not ended has no end; asked so, it is an index that answers.
        query = (
            sa.select(JOB_RUNS.c.status, sa.func.count())
            .where(JOB_RUNS.c.ended_at.is_(None))
            .group_by(JOB_RUNS.c.status)
        )
        with self.warehouse.begin() as connection:
            found = {status: int(count) for status, count in connection.execute(query)}
        return {status: found.get(status, 0) for status in ("queued", "started")}

    def recent(self, *, limit: int = 100, job: str | None = None, since: datetime | None = None) -> list[JobRun]:
        """Noted runs, newest first; of one job, created since a moment."""
        terms = [JOB_RUNS.c.job == job] if job else []
        return self._select(*terms, *([JOB_RUNS.c.created_at >= since] if since else []), limit=limit)

    def ended(self, since: datetime) -> list[JobRun]:
        """Runs that ended since a moment, newest first."""
        return self._select(JOB_RUNS.c.ended_at >= since)

    def last_ended(self, since: datetime) -> list[JobRun]:
        """The run of each job that ended last, canceled ones left out, of those that ended since a moment; by job."""
        ended = (
            sa.select(JOB_RUNS.c.run_id)
            .where(JOB_RUNS.c.ended_at >= since, JOB_RUNS.c.status != "canceled")
            .distinct(JOB_RUNS.c.job)
            .order_by(JOB_RUNS.c.job, JOB_RUNS.c.ended_at.desc(), JOB_RUNS.c.run_id)
        )
        return sorted(self._select(JOB_RUNS.c.run_id.in_(ended)), key=lambda run: run.job)

    def streaks(self, since: datetime) -> list[JobStreak]:
        """Jobs that did not succeed after they failed, of runs that ended since a moment; by job.

        Canceled runs neither end a streak nor lengthen it.
        """
        ended = JOB_RUNS.c.ended_at >= since
        succeeded = (
            sa.select(JOB_RUNS.c.job, sa.func.max(JOB_RUNS.c.ended_at).label("at"))
            .where(ended, JOB_RUNS.c.status == "success")
            .group_by(JOB_RUNS.c.job)
            .subquery()
        )
        newest = JOB_RUNS.c.ended_at.desc(), JOB_RUNS.c.run_id
        query = (
            sa.select(
                JOB_RUNS.c.job,
                sa.func.count().label("failures"),
                sa.func.min(JOB_RUNS.c.ended_at).label("since"),
                sa.func.array_agg(aggregate_order_by(JOB_RUNS.c.error, *newest), type_=ARRAY(sa.Text))[1].label(
                    "error"
                ),
                sa.func.array_agg(aggregate_order_by(JOB_RUNS.c.run_id, *newest), type_=ARRAY(sa.Text))[1].label(
                    "last_run_id"
                ),
            )
            .join(succeeded, succeeded.c.job == JOB_RUNS.c.job, isouter=True)
            .where(
                ended,
                JOB_RUNS.c.status == "failure",
                sa.or_(succeeded.c.at.is_(None), JOB_RUNS.c.ended_at > succeeded.c.at),
            )
            .group_by(JOB_RUNS.c.job)
            .order_by(JOB_RUNS.c.job)
        )
        with self.warehouse.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return [JobStreak(**{**row, "since": row["since"].astimezone(UTC)}) for row in rows]

    def totals(self) -> list[JobTotal]:
        """What all runs that ever ended add up to, by job, status and bucket of `DURATION_BUCKETS` (or infinity)."""
        query = sa.select(JOB_TOTALS).order_by(JOB_TOTALS.c.job, JOB_TOTALS.c.status, JOB_TOTALS.c.bucket)
        with self.warehouse.begin() as connection:
            return [JobTotal(**row) for row in connection.execute(query).mappings()]

    def forget(self, before: datetime) -> int:
        """Delete the rows of runs that ended before a moment; the totals keep counting them. How many."""
        with self.warehouse.begin() as connection:
            return int(connection.execute(sa.delete(JOB_RUNS).where(JOB_RUNS.c.ended_at < before)).rowcount)

    def _select(
        self, *terms: sa.ColumnElement[bool], limit: int | None = None, newest_first: bool = True
    ) -> list[JobRun]:
        order = JOB_RUNS.c.created_at.desc() if newest_first else JOB_RUNS.c.created_at
        query = sa.select(JOB_RUNS).where(*terms).order_by(order, JOB_RUNS.c.run_id).limit(limit)
        with self.warehouse.begin() as connection:
            rows = [in_utc(row) for row in connection.execute(query).mappings()]
        return [JobRun(**{**row, "failed_steps": tuple(row["failed_steps"])}) for row in rows]


def _added(run: JobRun) -> Any:
    seconds = run.seconds or 0.0
    place = bisect_left(DURATION_BUCKETS, seconds)
    bucket = DURATION_BUCKETS[place] if place < len(DURATION_BUCKETS) else float("inf")
    insert = insert_or_ignore(JOB_TOTALS).values(job=run.job, status=run.status, bucket=bucket, runs=1, seconds=seconds)
    return insert.on_conflict_do_update(
        index_elements=["job", "status", "bucket"],
        set_={"runs": JOB_TOTALS.c.runs + 1, "seconds": JOB_TOTALS.c.seconds + insert.excluded.seconds},
    )
