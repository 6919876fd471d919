"""A day of every source under faults: what is lost, what it costs, and whether any budget is exceeded.

The main job fetches one whole day again and again, as schedules do, while the sandbox breaks five of a hundred requests
and one source is down throughout. Then the faults end, and a replay and one more run pay what is owed. What the tables
hold is compared with what an undisturbed fetch of the same sandbox brings, and the requests that the sandbox counted
with the budget the sources were given.
"""

import json
import os
import subprocess
import sys
from bisect import bisect_left
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
from pipeline_platform.sources.registry import SOURCES
from pipeline_platform.storage.lake import Lake

SCALE = 230
"""About 200,000 records a day."""
DOWN = "mastodon"
FAULTS = f"{DOWN}:503=1,*:503=1@0.03,*:429=1@0.01,*:truncate@0.005,*:malformed@0.005"
LAYERS = "group:raw or group:cleaned or group:quarantine"
BUDGET_PER_MINUTE = 3_000
"""Requests a minute that each source may send here; the declared ones would make the day of the soak a real day."""


@dataclass(frozen=True)
class _Run:
    code: int
    report: dict[str, Any]
    peak_mb: float


def _command(home: Path, url: str, *arguments: str) -> "subprocess.Popen[str]":
    budgets = {f"{PREFIX}{source.name.upper()}__REQUESTS_PER_MINUTE": str(BUDGET_PER_MINUTE) for source in SOURCES}
    environment = {**os.environ, f"{PREFIX}HOME": str(home), f"{PREFIX}SANDBOX_URL": url, **budgets}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline_platform.cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(home: Path, url: str, day: date) -> _Run:
    span = (
        "--from",
        day.isoformat(),
        "--to",
        day.isoformat(),
        "--select",
        "group:raw or group:cleaned or group:quarantine",
    )
    with _command(home, url, "run", "--json", *span) as process:
        memory = Memory(process.pid)
        memory.start()
        out, said = process.communicate()
        memory.ended.set()
    try:
        return _Run(process.returncode, json.loads(out), memory.peak / 2**20)
    except ValueError:
        raise BenchmarkError(f"the run ended with {process.returncode}: {said[-800:]}") from None


def _ids(home: Path, day: date) -> dict[str, set[str]]:
    """Ids of the raw records of `day`, per stream."""
    lake = Lake(str(home / "lake"), mode="demo")
    raw = [table for table in tables().values() if table.layer == "raw"]
    return {table.name: set(lake.read(table, day, day, ["record_id"])["record_id"]) for table in raw}


def busiest_minute(moments: list[float]) -> int:
    """The most requests that came within any 60 seconds."""
    ordered = sorted(moments)
    return max((place - bisect_left(ordered, moment - 60) + 1 for place, moment in enumerate(ordered)), default=0)


def run(scale: int, rounds: int) -> list[Figure]:
    """Soak: `rounds` runs under faults over yesterday, then the healing."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    with apart() as folder:
        home, calm = folder / "soak", folder / "calm"
        with running_sandbox(SandboxOptions(scale=scale, faults=FAULTS)) as url:
            soaked = [_run(home, url, day) for _ in range(rounds)]
            asked = httpx.get(f"{url}/requests", trust_env=False, timeout=60).json()
        with running_sandbox(SandboxOptions(scale=scale)) as url:
            replay = _command(home, url, "dead-letters", "replay")
            replay.communicate()
            healed = _run(home, url, day)
            undisturbed = _run(calm, url, day)
        held, expected = _ids(home, day), _ids(calm, day)
    if undisturbed.code:
        raise BenchmarkError(f"the undisturbed run failed: {undisturbed.report}")
    lost = sum(len(ids - held[stream]) for stream, ids in expected.items())
    records = sum(map(len, expected.values()))
    steps = sum(len(one.report["rows"]) for one in soaked)
    failed = sum(len(one.report["failed_steps"]) + len(one.report["blocked"]) for one in soaked)
    up = [one for one in soaked if all(f"{DOWN}_" in step for step in one.report["failed_steps"])]
    requests = sum(map(len, asked.values()))
    peak = max((busiest_minute(moments), name) for name, moments in asked.items())
    return [
        Figure(f"records of the day, {len(SOURCES)} sources", records, "records"),
        Figure(f"requests in {rounds} runs, 5 % of them broken", requests, "requests"),
        Figure("runs in which only the source that was down failed", len(up), f"of {rounds}"),
        Figure("steps that failed or were held up", failed, f"of {steps}"),
        Figure("records lost after the healing", lost, "records").aimed("0", lost == 0),
        Figure("exit code of the run after the healing", healed.code, "").aimed("0", healed.code == 0),
        Figure("most memory of a run, all its processes", max(one.peak_mb for one in soaked), "MB"),
        Figure(f"busiest minute at the sandbox ({peak[1]})", peak[0], "requests").aimed(
            f"<= {BUDGET_PER_MINUTE}", peak[0] <= BUDGET_PER_MINUTE
        ),
    ]
