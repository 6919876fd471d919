"""A day of every source under faults: what is lost, what it costs, and whether any budget is exceeded.

A run per source, some side by side, as schedules start them, fetches one whole day again and again, while the sandbox
breaks five of a hundred requests and one source is down throughout. Then the faults end, and a replay and one more
round pay what is owed. What the tables hold is compared with what an undisturbed fetch of the same sandbox brings, and
the requests that the sandbox counted with the budget that each source was given.
"""

import json
import math
import os
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.main_job import Memory
from benchmarks.measure import BenchmarkError, Figure, apart
from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.settings import PREFIX
from pipeline_platform.sources.base import Source
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.lake import Lake

SCALE = 230
"""About 200,000 records a day."""
DOWN = "mastodon"
FAULTS = f"{DOWN}:503=1,*:503=1@0.03,*:429=1@0.01,*:truncate@0.005,*:malformed@0.005"
SIDE_BY_SIDE = 4
"""Runs at a time: what `dagster.yaml` allows."""
FETCHING = "group:raw or group:cleaned"
HURRY = 8
"""Times its declared budget that each source gets: the day of the soak would else be a real day."""


@dataclass(frozen=True)
class _Run:
    source: str
    code: int
    report: dict[str, Any]
    peak_mb: float

    @property
    def broke(self) -> list[str]:
        """Tables that could not be made, or broke their contract."""
        return [*self.report["failed_steps"], *self.report["failed_checks"], *self.report["blocked"]]


def budget_of(source: Source) -> int:
    """Requests that a source may send here within any 60 seconds."""
    return math.floor(HURRY * source.budget.requests * 60 / source.budget.per_seconds)


def _command(home: Path, url: str, *arguments: str) -> "subprocess.Popen[str]":
    budgets = {f"{PREFIX}{source.name.upper()}__REQUESTS_PER_MINUTE": str(budget_of(source)) for source in SOURCES}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline_platform.cli", *arguments],
        env={**os.environ, f"{PREFIX}HOME": str(home), f"{PREFIX}SANDBOX_URL": url, **budgets},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(home: Path, url: str, day: date, source: str) -> _Run:
    span = ("--from", day.isoformat(), "--to", day.isoformat())
    chosen = ("--source", source, "--select", FETCHING)
    with _command(home, url, "run", "--json", *span, *chosen) as process:
        memory = Memory(process.pid)
        memory.start()
        out, said = process.communicate()
        memory.ended.set()
    try:
        return _Run(source, process.returncode, json.loads(out), memory.peak / 2**20)
    except ValueError:
        raise BenchmarkError(f"the run of {source} ended with {process.returncode}: {said[-800:]}") from None


def _round(home: Path, url: str, day: date) -> list[_Run]:
    """A run of every source."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda source: _run(home, url, day, source.name), SOURCES))


def _ids(home: Path, day: date) -> dict[str, set[str]]:
    """Ids of the raw records of `day`, per stream."""
    lake = Lake(str(home / "lake"), mode="demo")
    raw = [table for table in tables().values() if table.layer == "raw"]
    read = {table.name: lake.read(table, day, day, ["record_id"])["record_id"] for table in raw}
    if twice := [name for name, ids in read.items() if ids.duplicated().any()]:
        raise BenchmarkError(f"records stand twice in {', '.join(twice)}")
    return {name: set(ids) for name, ids in read.items()}


def busiest_minute(moments: list[float]) -> int:
    """The most requests that came within any 60 seconds."""
    ordered = sorted(moments)
    return max((place - bisect_left(ordered, moment - 60) + 1 for place, moment in enumerate(ordered)), default=0)


def _told_of_runs(runs: Sequence[_Run]) -> list[Figure]:
    others = [one for one in runs if one.source != DOWN]
    whole, held = (sum(test(one) for one in others) for test in (lambda one: one.code == 0, lambda one: not one.broke))
    return [
        Figure(f"runs of which nothing failed but {DOWN}'s", len(runs) - len(others) + held, f"of {len(runs)}").aimed(
            "all", held == len(others)
        ),
        Figure("the same, those of the source that was down counted as failures", held, f"of {len(runs)}"),
        Figure("runs of the others that owed no target either", whole, f"of {len(others)}"),
        Figure("most memory of a run", max(one.peak_mb for one in runs), "MB"),
        Figure("longest run", max(one.report["seconds"] for one in runs), "s"),
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """Soak: `rounds` rounds under faults over yesterday, then the healing."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    with apart() as folder:
        home, calm = folder / "soak", folder / "calm"
        with running_sandbox(SandboxOptions(scale=scale, faults=FAULTS)) as url:
            soaked = [one for _ in range(rounds) for one in _round(home, url, day)]
            asked = httpx.get(f"{url}/requests", trust_env=False, timeout=60).json()
        with running_sandbox(SandboxOptions(scale=scale)) as url:
            _command(home, url, "dead-letters", "replay").communicate()
            healed = _round(home, url, day)
            undisturbed = _round(calm, url, day)
            span = {"from": day.isoformat(), "to": day.isoformat()}
            truth = httpx.get(f"{url}/truth", params=span, trust_env=False, timeout=600).json()
        held, expected = _ids(home, day), _ids(calm, day)
    if failed := [one.source for one in undisturbed if one.code]:
        raise BenchmarkError(f"undisturbed runs failed: {', '.join(failed)}")
    lost = sum(len(ids - held[stream]) for stream, ids in expected.items())
    # What was seen before the upstream took it away stays.
    removed = {row["record_id"] for row in truth["removed"]}
    surplus = sum(len(held[stream] - ids - removed) for stream, ids in expected.items())
    unhealed = sum(one.code != 0 for one in healed)
    return [
        Figure(f"records of the day, {len(SOURCES)} sources", sum(map(len, expected.values())), "records"),
        Figure(f"requests in {rounds} rounds, 5 % of them broken", sum(map(len, asked.values())), "requests"),
        *_told_of_runs(soaked),
        Figure("records lost after the healing", lost, "records").aimed("0", lost == 0),
        Figure("records that an undisturbed fetch does not have", surplus, "records").aimed("0", surplus == 0),
        Figure("runs that failed after the healing", unhealed, f"of {len(healed)}").aimed("0", unhealed == 0),
        *(
            Figure(f"busiest minute of {source.name}", busiest := busiest_minute(asked[source.name]), "requests").aimed(
                f"<= {budget_of(source)}", busiest <= budget_of(source)
            )
            for source in SOURCES
        ),
    ]
