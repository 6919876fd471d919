"""Runs of Dagster that live in a command: which process each belongs to, and what becomes of those whose process died.

Dagster watches runs that its daemon launched. One that was executed by a command that got a `kill -9` would stay
"started" for ever, and hold its pools against every scheduled run.
"""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from pipeline_platform.defs.run_log import COMMAND_TAG


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
        instance.report_run_failed(run, "The command that executed this run was killed before it ended.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        _mark(home, run.run_id).unlink(missing_ok=True)
        closed.append(run.run_id)
    return closed


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
