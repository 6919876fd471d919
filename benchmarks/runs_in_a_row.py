"""Runs of one small source with nothing new, one after the other on an idle platform: how long each takes, and where.

`pipeline-platform up` runs as shipped, with every sensor at work and no schedule ticking. A run is asked for as a
schedule asks for it: it is queued, the daemon takes it from the queue, the code server starts a process for it. The
first run takes in what there is and is not counted. Where the time goes is told by the moments of Dagster's events.
"""

import os
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import dagster as dg

from benchmarks.measure import BenchmarkError, Figure, apart
from benchmarks.running_platform import RunningPlatform, paused, running_platform
from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.settings import load_settings

SCALE = 100
SOURCE = "rss"
PATIENCE_SECONDS = 300
PROCESS_STARTED = "Started process for run"
STAGES = (
    "waiting in the queue",
    "from the queue to a process",
    "the process loads the definitions",
    "the run gets ready",
    "steps: fetch, clean, check",
    "the run comes to its end",
)
"""What lies between the moments of a run, in their order."""


def _moments(instance: dg.DagsterInstance, run_id: str) -> list[float]:
    """When a run was asked for, left the queue, got its process, began, had its first and last step, and ended."""
    kinds = dg.DagsterEventType
    entries = instance.all_logs(run_id)
    at: dict[dg.DagsterEventType | str, list[float]] = {}
    for entry in entries:
        event = entry.dagster_event
        if event is None:
            continue
        name: dg.DagsterEventType | str = event.event_type
        if name is kinds.ENGINE_EVENT and (event.message or "").startswith(PROCESS_STARTED):
            name = PROCESS_STARTED
        at.setdefault(name, []).append(entry.timestamp)
    record = instance.get_run_record_by_id(run_id)
    assert record is not None
    return [
        record.create_timestamp.replace(tzinfo=UTC).timestamp(),
        at[kinds.RUN_STARTING][0],
        at[PROCESS_STARTED][0],
        at[kinds.RUN_START][0],
        at[kinds.STEP_START][0],
        at[kinds.STEP_SUCCESS][-1],
        at[kinds.RUN_SUCCESS][0],
    ]


def _steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Seconds of the steps of a run, by key."""
    found = instance.get_run_step_stats(run_id)
    return {one.step_key: one.end_time - one.start_time for one in found if one.start_time and one.end_time}


def _run(up: RunningPlatform) -> str:
    run_id = up.launch(f"fetch_{SOURCE}", datetime.now(UTC).date())
    if (status := up.ended(run_id, PATIENCE_SECONDS)) != "success":
        raise BenchmarkError(f"run {run_id} of {SOURCE} came to {status}")
    return run_id


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]


def _told(whole: Sequence[float], parts: Mapping[str, Sequence[float]]) -> list[Figure]:
    median = statistics.median(whole)
    return [
        Figure("a run with nothing new, from being asked for to its end, median", median, "s"),
        Figure("the same, 95th percentile", _p95(whole), "s"),
        *(
            Figure(f"of it {name}", part := statistics.median(seconds), "s", "a run", median, median / part)
            for name, seconds in parts.items()
            if statistics.median(seconds) > 0
        ),
    ]


def run(scale: int, rounds: int) -> list[Figure]:
    """`scale` runs in a row, `rounds` times."""
    whole: list[float] = []
    parts: dict[str, list[float]] = {}
    with apart():
        os.environ.update(paused())
        with platform_environment(load_settings()) as settings, running_platform(settings.home) as up:
            _run(up)
            with command_instance(settings.home) as instance:
                for run_id in [_run(up) for _ in range(scale * rounds)]:
                    moments = _moments(instance, run_id)
                    whole.append(moments[-1] - moments[0])
                    for stage, (since, until) in zip(STAGES, pairwise(moments), strict=True):
                        parts.setdefault(stage, []).append(until - since)
                    for step, seconds in sorted(_steps(instance, run_id).items()):
                        parts.setdefault(f"step {step}", []).append(seconds)
    return _told(whole, parts)
