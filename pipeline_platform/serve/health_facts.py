"""What the health page shows, from the stores."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from pipeline_platform.storage import metrics
from pipeline_platform.storage.incident_log import Incident, IncidentLog
from pipeline_platform.storage.metrics import Measure
from pipeline_platform.storage.run_log import JobRun, RunLog
from pipeline_platform.storage.stores import Stores
from pipeline_platform.storage.warehouse import DeadLetter

HOURS = 24
"""How far back the page looks."""
RECENT_RUNS = 30
SHOWN_LETTERS = 20
SHOWN_SCORES = 12
DAEMON_SILENT = timedelta(minutes=5)


@dataclass(frozen=True)
class SourceHealth:
    """How a source did in the last day; `seconds` is the mean time of its runs that succeeded or failed."""

    name: str
    runs: int
    failed: int
    seconds: float | None
    records: int
    requests: int
    failed_fetches: int
    succeeded_at: datetime | None
    letters: int


@dataclass(frozen=True)
class HealthFacts:
    """The page in facts.

    Attributes:
        made_at: now.
        mode: `demo` or `live`.
        up_since: when the process that shows the page was started.
        daemon_at: when Dagster's daemon was last at work; None if it never was.
        waiting: runs that are `queued` and `started`.
        totals: runs that ever ended, by status.
        hours: starts of the hours shown, oldest first.
        runs: runs that ended in each of them, by status.
        records: records received in each.
        sources: by name.
        scores: the lowest quality scores, by table.
        score: mean of all of them.
        errors: errors ever counted, by source and class, most first.
        recent: runs, newest first.
        letters: open dead letters, newest first; `open_letters` says how many there are.
        alerts: what is wrong and lasts, newest first.
    """

    made_at: datetime
    mode: str
    up_since: datetime
    daemon_at: datetime | None
    waiting: Mapping[str, int]
    totals: Mapping[str, int]
    hours: Sequence[datetime]
    runs: Mapping[str, Sequence[int]]
    records: Sequence[int]
    sources: Sequence[SourceHealth]
    scores: Sequence[tuple[str, float]]
    score: float | None
    errors: Sequence[tuple[str, str, int]]
    recent: Sequence[JobRun]
    letters: Sequence[DeadLetter]
    open_letters: int
    alerts: Sequence[Incident] = ()

    @property
    def of_day(self) -> dict[str, int]:
        """Runs that ended in the hours shown, by status."""
        return {status: sum(counts) for status, counts in self.runs.items()}

    @property
    def error_rate(self) -> float | None:
        """Share of the runs that ended in the hours shown and failed; None without one."""
        judged = self.of_day["success"] + self.of_day["failure"]
        return self.of_day["failure"] / judged if judged else None

    @property
    def verdict(self) -> str:
        """`good`, `look` or `broken`."""
        silent = self.daemon_at is not None and self.made_at - self.daemon_at > DAEMON_SILENT
        if silent or (self.error_rate or 0) > 0.1:
            return "broken"
        return "look" if self.of_day["failure"] or self.open_letters or self.alerts else "good"

    @property
    def in_words(self) -> str:
        """The verdict in words."""
        if self.daemon_at is not None and self.made_at - self.daemon_at > DAEMON_SILENT:
            return "the daemon is silent"
        return {"good": "all is well", "look": "something to look at", "broken": "many runs fail"}[self.verdict]


def health_facts(stores: Stores) -> HealthFacts:
    """The facts of now."""
    now = datetime.now(UTC)
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    log = RunLog(stores.warehouse)
    ended = log.ended(first)
    letters = stores.warehouse.dead_letters()
    with stores.warehouse.begin() as connection:
        fetched = metrics.fetch_hours(connection, first)
        stored = metrics.stored(connection)
    scores = sorted((one.value, one.labels["table"]) for one in stored[metrics.SCORE])
    errors = sorted((-int(one.value), one.labels["source"], one.labels["class"]) for one in stored[metrics.ERRORS])
    totals: dict[str, int] = defaultdict(int)
    for total in log.totals():
        totals[total.status] += total.runs
    hours = [first + timedelta(hours=past) for past in range(HOURS)]
    return HealthFacts(
        made_at=now,
        mode=stores.settings.mode,
        up_since=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
        daemon_at=next((one.at for one in stored[metrics.DAEMON]), None),
        waiting=log.waiting(),
        totals=totals,
        hours=hours,
        runs={status: _by_hour(ended, status, hours) for status in ("success", "failure", "canceled")},
        records=[sum(row["records"] for row in fetched if row["hour"] == hour) for hour in hours],
        sources=_sources(ended, fetched, stored[metrics.LAST_SUCCESS], letters),
        scores=[(table, score) for score, table in scores[:SHOWN_SCORES]],
        score=sum(score for score, _ in scores) / len(scores) if scores else None,
        errors=[(source, kind, -count) for count, source, kind in errors],
        recent=log.recent(limit=RECENT_RUNS),
        letters=letters[:SHOWN_LETTERS],
        open_letters=len(letters),
        alerts=IncidentLog(stores.warehouse).incidents(),
    )


def _by_hour(ended: Sequence[JobRun], status: str, hours: Sequence[datetime]) -> list[int]:
    found = [run.ended_at for run in ended if run.status == status and run.ended_at is not None]
    return [sum(hour <= moment < hour + timedelta(hours=1) for moment in found) for hour in hours]


def _sources(
    ended: Sequence[JobRun],
    fetched: Sequence[Mapping[str, Any]],
    succeeded: Sequence[Measure],
    letters: Sequence[DeadLetter],
) -> list[SourceHealth]:
    names = {row["source"] for row in fetched} | {one.labels["source"] for one in succeeded}
    names |= {run.source for run in ended if run.source} | {letter.source for letter in letters}
    found = []
    for name in sorted(names):
        runs = [run for run in ended if run.source == name and run.status != "canceled"]
        seconds = [run.seconds for run in runs if run.seconds is not None]
        rows = [row for row in fetched if row["source"] == name]
        moments = [one.at for one in succeeded if one.labels["source"] == name]
        found.append(
            SourceHealth(
                name=name,
                runs=len(runs),
                failed=sum(run.status == "failure" for run in runs),
                seconds=sum(seconds) / len(seconds) if seconds else _mean_fetch(rows),
                records=sum(row["records"] for row in rows),
                requests=sum(row["requests"] for row in rows),
                failed_fetches=sum(row["failed"] for row in rows),
                succeeded_at=max(moments, default=None),
                letters=sum(letter.source == name for letter in letters),
            )
        )
    return found


def _mean_fetch(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Where the main job fetched a source it had no run of its own: then the mean time of a fetch of its streams."""
    fetches = sum(row["fetches"] for row in rows)
    return sum(row["seconds"] for row in rows) / fetches if fetches else None
