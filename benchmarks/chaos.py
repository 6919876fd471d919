"""kill -9 of each process of the platform while it works: how long it takes to recover, and what is lost.

`pipeline-platform up` runs with its own servers on a sandbox of this benchmark. For each victim a day of its own is
fetched, a run per source, two at a time; as soon as one is at work, the victim is killed. The load goes on, a run of
another source is asked for until one has succeeded, and then everything is left alone until no run is at hand. What
the tables hold is compared with what an undisturbed fetch of the same day brings. A source whose run failed for good
owes its records to its next turn, as a schedule would bring it; what is missing after that is lost.

Then the same with two Celery workers that execute the steps, of which the killed one is not started again. How long all
of it takes when nobody is killed is told beside it.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import redis

from benchmarks.measure import BenchmarkError, Figure, apart
from benchmarks.running_platform import RunningPlatform, main_job, paused, running_platform, running_workers, until
from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.operate.workers import Workers
from pipeline_platform.schemas.catalog import cleaned_table, raw_table
from pipeline_platform.settings import PREFIX
from pipeline_platform.sources.registry import source_named
from pipeline_platform.storage.lake import Lake

SCALE = 2
LOAD = ("hackernews", "openweather", "open_meteo", "newsapi")
"""Sources with streams whose upstream takes a time range: of a day that is over they always show the same."""
PROBE = "coingecko"
SIDE_BY_SIDE = 2
LOAD_TAG = "benchmark/load"
NOBODY, RUN, SERVER_AND_RUNS, WORKER = "nobody", "process of a run", "code server and its runs", "worker"
VICTIMS = {
    "in_process": (NOBODY, "daemon", "webserver", "API", "code server", RUN, SERVER_AND_RUNS, "PostgreSQL", "Redis"),
    "celery": (NOBODY, WORKER, "PostgreSQL", "Redis"),
}
"""By what executes the steps."""
WORKERS = 2
SETTLED_DAYS = 20
"""A day so long ago is followed by no automation, and nothing of it changes any more."""
PATIENCE_SECONDS = 420
FETCHING = "group:raw or group:cleaned or group:quarantine"


@dataclass(frozen=True)
class Blow:
    """What came of a kill: seconds until the API answers for Dagster, a new run has succeeded, and no run is at hand.

    `failed` counts runs of the load that failed, `hanging` those that had no end, `owed` the rows that were not there
    when no run was at hand, `lost` those that the next turn did not bring either.
    """

    victim: str
    answers: float
    succeeded: float
    settled: float
    runs: int
    failed: int
    hanging: int
    owed: int
    lost: int
    doubled: int


@dataclass
class Load(threading.Thread):
    """Fetches of a day, a run per source; the runs bear a tag, as do those that Dagster starts in their place."""

    up: RunningPlatform
    day: date
    launched: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Launch one after the other, as soon as there is room for it."""
        for source in LOAD:
            until(lambda: len(self.unfinished()) < SIDE_BY_SIDE, PATIENCE_SECONDS)
            launch = self.launcher(source)
            (self.launched if until(launch, PATIENCE_SECONDS) else self.refused).append(source)

    def launcher(self, source: str) -> Callable[[], str]:
        """What starts a run of `source`."""
        return lambda: self.up.launch(f"fetch_{source}", self.day, tags={LOAD_TAG: self.day.isoformat()})

    def runs(self) -> list[dict[str, Any]]:
        """The runs of this day, also those in place of failed ones, newest first."""
        found = self.up.ask("/api/v1/runs", limit=100)
        return [run for run in found if run["tags"].get(LOAD_TAG) == self.day.isoformat()]

    def unfinished(self) -> list[dict[str, Any]]:
        """Those that have not ended."""
        return [run for run in self.runs() if run["status"] in ("queued", "started")]

    def at_work(self) -> list[dict[str, Any]]:
        """Those that have begun and not ended."""
        return [run for run in self.runs() if run["status"] == "started"]

    def is_settled(self) -> bool:
        """Whether all runs were launched and ended, and those that Dagster starts again were."""
        runs = self.runs()
        replaced = {run["tags"].get("dagster/parent_run_id") for run in runs}
        again = [
            run for run in runs if run["tags"].get("dagster/will_retry") == "true" and run["run_id"] not in replaced
        ]
        return not self.is_alive() and not again and not self.unfinished()


@dataclass(frozen=True)
class Held:
    """What two lakes hold of some days, compared."""

    missing: int
    doubled: int


def _compared(home: Path, calm: Path, day: date) -> Held:
    """Raw and cleaned rows of a day that only the undisturbed lake has, and those that the other has too many of."""
    missing = doubled = 0
    mine, undisturbed = Lake(str(home / "lake"), mode="demo"), Lake(str(calm / "lake"), mode="demo")
    for source in map(source_named, LOAD):
        for stream in (one for one in source.streams if one.history == "replayable"):
            for table in (raw_table(source, stream), cleaned_table(source, stream)):
                (key,) = table.key
                have, want = (list(lake.read(table, day, day, [key])[key]) for lake in (mine, undisturbed))
                missing += len(set(want) - set(have))
                doubled += len(have) - len(set(have)) + len(set(have) - set(want))
    return Held(missing, doubled)


def strike(up: RunningPlatform, victim: str, calm: Path, day: date) -> Blow:
    """Kill `victim` while `day` is fetched, and see what comes of it."""
    load = Load(up, day)
    load.start()
    if until(load.at_work, PATIENCE_SECONDS) is None:
        raise BenchmarkError(f"nothing was at work that the death of the {victim} could disturb")
    _kill(up, victim)
    struck = time.monotonic()

    def since(reached: object) -> float:
        return time.monotonic() - struck if reached else float("inf")

    answers = since(until(lambda: up.ask("/api/v1/jobs"), PATIENCE_SECONDS))
    succeeded = since(_probe(up, day, struck + PATIENCE_SECONDS))
    settled = since(until(load.is_settled, PATIENCE_SECONDS))
    hanging, runs = len(load.unfinished()), load.runs()
    first = _compared(up.home, calm, day)
    after = _next_turn(up, load, calm) if first.missing else first
    return Blow(
        victim=victim,
        answers=answers,
        succeeded=succeeded,
        settled=settled,
        runs=len(runs),
        failed=sum(run["status"] not in ("success", "queued", "started") for run in runs),
        hanging=hanging + len(load.refused),
        owed=first.missing,
        lost=after.missing,
        doubled=after.doubled,
    )


def _probe(up: RunningPlatform, day: date, deadline: float) -> bool:
    """Ask for runs of another source until one has succeeded."""
    while (left := deadline - time.monotonic()) > 0:
        run = until(lambda: up.launch(f"fetch_{PROBE}", day), left)
        if run is not None and up.ended(run, deadline - time.monotonic()) == "success":
            return True
    return False


def _next_turn(up: RunningPlatform, load: Load, calm: Path) -> Held:
    for source in LOAD:
        run = until(load.launcher(source), PATIENCE_SECONDS)
        if run is not None:
            up.ended(run, PATIENCE_SECONDS)
    return _compared(up.home, calm, load.day)


def _kill(up: RunningPlatform, victim: str) -> None:
    if victim == NOBODY:
        return
    if victim == RUN:
        os.kill(_process_of_a_run(up), signal.SIGKILL)
    elif victim == SERVER_AND_RUNS:
        os.killpg(up.processes()["code server"], signal.SIGKILL)
    elif victim == WORKER:
        os.killpg(_busy_worker(up), signal.SIGKILL)
    else:
        os.kill(up.processes()[victim], signal.SIGKILL)


def _process_of_a_run(up: RunningPlatform) -> int:
    """A process that the code server started for a run; those are all that it spawns by `multiprocessing`."""
    for process in psutil.Process(up.processes()["code server"]).children(recursive=True):
        if any("spawn_main" in word for word in process.cmdline()):
            return process.pid
    raise BenchmarkError("the code server has no process of a run")


def _redis(home: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(home / "redis" / "redis.socket"))


def _busy_worker(up: RunningPlatform) -> int:
    with _redis(up.home) as client:
        owner = until(lambda: next(iter(Workers(client).owners().values()), None), PATIENCE_SECONDS)
    if owner is None:
        raise BenchmarkError("no worker was at work")
    return int(owner.rpartition(":")[2])


@contextmanager
def platform_with(home: Path, executor: str) -> Iterator[RunningPlatform]:
    """The platform with that executor, and with workers where it needs them."""
    with running_platform(home, **{f"{PREFIX}EXECUTOR": executor}) as up, ExitStack() as stack:
        if executor == "celery":
            client = stack.enter_context(_redis(home))
            stack.enter_context(running_workers([home] * WORKERS, client))
        yield up


def fetch_calmly(home: Path, first: date, last: date) -> None:
    """What an undisturbed platform holds of these days."""
    sources = [part for source in LOAD for part in ("--source", source)]
    span = ("--from", first.isoformat(), "--to", last.isoformat())
    report = main_job("--select", FETCHING, *sources, *span, **{f"{PREFIX}HOME": str(home)})
    counts = Counter[str]()
    for path, rows in report["rows"].items():
        counts[path.partition("/")[0]] += rows
    if counts["raw"] != counts["cleaned"] + sum(report["quarantined"].values()):
        raise BenchmarkError(f"the undisturbed run lost records between raw and cleaned: {dict(counts)}")


def _figures(blow: Blow, executor: str) -> list[Figure]:
    who = f"{blow.victim}, {executor}"
    return [
        Figure(f"{who}: the API answers for Dagster again after", blow.answers, "s"),
        Figure(f"{who}: a new run has succeeded after", blow.succeeded, "s"),
        Figure(f"{who}: no run is at hand after", blow.settled, "s"),
        Figure(f"{who}: runs that failed", blow.failed, f"of {blow.runs}"),
        Figure(f"{who}: runs that hang", blow.hanging, "runs").aimed("0", blow.hanging == 0),
        Figure(f"{who}: rows owed to the next turn", blow.owed, "rows"),
        Figure(f"{who}: rows lost", blow.lost, "rows").aimed("0", blow.lost == 0),
        Figure(f"{who}: rows doubled", blow.doubled, "rows").aimed("0", blow.doubled == 0),
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """Kill every victim `rounds` times."""
    plan = [(executor, victim) for executor, victims in VICTIMS.items() for victim in victims for _ in range(rounds)]
    first = datetime.now(UTC).date() - timedelta(days=SETTLED_DAYS + len(plan))
    days = iter(first + timedelta(days=at) for at in range(len(plan)))
    figures: list[Figure] = []
    with apart() as folder, running_sandbox(SandboxOptions(scale=scale)) as url:
        os.environ.update({f"{PREFIX}SANDBOX_URL": url, **paused()})
        calm = folder / "calm"
        fetch_calmly(calm, first, first + timedelta(days=len(plan) - 1))
        for executor in VICTIMS:
            with platform_with(folder / executor, executor) as up:
                for victim in (victim for its, victim in plan if its == executor):
                    figures += _figures(strike(up, victim, calm, next(days)), executor)
    return figures
