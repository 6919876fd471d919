"""Runs whose process died: found, and closed as failed.

A run that was executed by a command that got a `kill -9` would stay "started" for ever, and one of a code server that
got it for the six hours that a run may take; both hold their pools against every scheduled run. Dagster then retries
those that its daemon launched once.
"""

import fcntl
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient

from pipeline_platform.defs.resources import StoresResource
from pipeline_platform.defs.run_log import COMMAND_TAG

WORKING_STATUSES = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
KILLED_TAG = "pipeline_platform/killed"
"""On runs that are known to have died, with their id: a run that is started in the place of another has its tags."""
QUEUE_PATIENCE = timedelta(minutes=3)
"""From being made to being queued a run takes milliseconds."""


def owner(home: Path) -> str:
    """Who may judge whether a run is alive: commands on this machine and this home."""
    return f"{socket.gethostname()}:{home.absolute()}"


@contextmanager
def kept_alive(home: Path, run_id: str) -> Iterator[dict[str, str]]:
    """Mark a run as alive during the body; gives the tags it must have.

    The mark is a lock on a file, which the system takes away with the process.
    """
    path = _mark(home, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield {COMMAND_TAG: owner(home)}
        finally:
            path.unlink(missing_ok=True)


def close_abandoned(instance: dg.DagsterInstance, home: Path) -> list[str]:
    """Mark the runs of this home whose command died as failed; gives their ids."""
    closed = []
    unfinished = dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES), tags={COMMAND_TAG: owner(home)})
    for run in instance.get_runs(unfinished):
        if _alive(home, run.run_id):
            continue
        _close(instance, run, "The command that executed this run was killed before it ended.")
        _mark(home, run.run_id).unlink(missing_ok=True)
        closed.append(run.run_id)
    return closed


def close_unreachable(instance: dg.DagsterInstance, suspects: set[str]) -> tuple[list[str], set[str]]:
    """Mark runs as failed whose code server did not answer twice in a row: they died with it.

    Args:
        instance: where the runs are.
        suspects: ids of the runs whose server did not answer last time.

    Returns:
        The ids of the closed runs, and of those whose server did not answer for the first time.
    """
    closed, suspected = [], set()
    answers: dict[str, bool] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=list(WORKING_STATUSES))):
        server = run.tags.get(GRPC_INFO_TAG)
        if server is None:
            continue  # Of a command, or of a launcher that watches its runs itself.
        if server not in answers:
            answers[server] = _answers(json.loads(server))
        if answers[server]:
            continue
        if run.run_id not in suspects:
            suspected.add(run.run_id)
        elif _still_works(instance, run.run_id):
            _close(instance, run, "The code server that executed this run no longer answers: both were killed.")
            closed.append(run.run_id)
    return closed, suspected


def mark_killed(instance: dg.DagsterInstance, host: str, port: int) -> list[str]:
    """Mark the runs of a code server that was killed, before another one answers at its address; gives their ids.

    Whoever asks there later would take the new one for theirs. `orphaned_runs` closes them, which ticks only once the
    new one answers: Dagster gives up runs that it cannot start again at once.
    """
    begun = (dg.DagsterRunStatus.STARTING, *WORKING_STATUSES)
    killed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(begun))):
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if (server.get("host"), server.get("port")) == (host, port):
            instance.add_run_tags(run.run_id, {KILLED_TAG: run.run_id})
            killed.append(run.run_id)
    return killed


def close_killed(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs that are known to have died as failed; gives their ids."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))
    killed = [run for run in unfinished if run.tags.get(KILLED_TAG) == run.run_id]
    for run in killed:
        _close(instance, run, "The code server that executed this run was killed, and the run with it.")
    return [run.run_id for run in killed]


def close_never_queued(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Mark runs as failed that somebody made and then could not put into the queue; gives their ids."""
    made = dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED], created_before=now - QUEUE_PATIENCE)
    lost = [run for run in instance.get_runs(made) if COMMAND_TAG not in run.tags]
    for run in lost:
        _close(instance, run, "This run never came into the queue: whoever made it, or PostgreSQL, died before that.")
    return [run.run_id for run in lost]


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Closes runs whose process was killed, so that they hold up no other; starts none itself.",
)
def orphaned_runs(context: dg.SensorEvaluationContext, stores: StoresResource) -> dg.SkipReason:
    """Runs of commands at once, those of code servers when they did not answer twice."""
    closed = [
        *close_abandoned(context.instance, stores.open.settings.home),
        *close_killed(context.instance),
        *close_never_queued(context.instance, datetime.now(UTC)),
    ]
    of_servers, suspected = close_unreachable(context.instance, set(json.loads(context.cursor or "[]")))
    context.update_cursor(json.dumps(sorted(suspected)))
    closed += of_servers
    return dg.SkipReason(f"closed {', '.join(closed)}" if closed else f"no orphans, {len(suspected)} suspected")


def _close(instance: dg.DagsterInstance, run: dg.DagsterRun, reason: str) -> None:
    instance.report_run_failed(run, reason)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _still_works(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status in WORKING_STATUSES


def _answers(server: Mapping[str, Any]) -> bool:
    client = DagsterGrpcClient(
        host=server["host"],
        port=server.get("port"),
        socket=server.get("socket"),
        use_ssl=bool(server.get("use_ssl", False)),
    )
    try:
        client.ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def _mark(home: Path, run_id: str) -> Path:
    return home / "dagster" / "alive" / run_id


def _alive(home: Path, run_id: str) -> bool:
    try:
        with _mark(home, run_id).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
