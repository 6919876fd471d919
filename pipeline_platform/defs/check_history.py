"""What Dagster remembers of asset checks, as plain data, and what lies downstream of an asset."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from pipeline_platform.quality.facts import Checked, Evaluation

REMEMBERED = 60
"""Evaluations of a check that are read: some runs, of some days each."""

SPAN = "span"
"""Metadata of an evaluation that says which days it is about, `first to last`."""

_FAILED = {AssetCheckExecutionRecordStatus.FAILED}
_STATUS = {"SUCCEEDED": "passed", "FAILED": "failed", "EXECUTION_FAILED": "not evaluated", "SKIPPED": "skipped"}


def check_history(instance: dg.DagsterInstance, graph: AssetGraph) -> list[Checked]:
    """Every check of the graph with its newest evaluations, newest first."""
    found = []
    for key in sorted(graph.asset_check_keys, key=lambda one: (one.asset_key.path, one.name)):
        spec = graph.get_check_spec(key)
        history = evaluations(instance, key, REMEMBERED)
        found.append(Checked("/".join(key.asset_key.path), key.name, spec.description or "", spec.blocking, history))
    return found


def evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int, *, failed_only: bool = False
) -> list[Evaluation]:
    """The newest evaluations of a check, newest first; of all, or only those that failed."""
    storage = instance.event_log_storage
    history = []
    for record in storage.get_asset_check_execution_history(key, limit=limit, status=_FAILED if failed_only else None):
        status = _STATUS.get(record.status.value)
        if status is None:  # planned, and not evaluated yet
            continue
        event = record.event.dagster_event if record.event else None
        told = event.event_specific_data if event else None
        history.append(
            Evaluation(
                at=datetime.fromtimestamp(record.create_timestamp, UTC),
                **_days(record.partition, told),
                status=status,
                severity=_severity(told),
                words=getattr(told, "description", None) or "",
            )
        )
    return history


def downstream_in(graph: AssetGraph) -> Callable[[str], list[str]]:
    """Gives the paths of all assets that are made from an asset, without the asset, sorted."""

    def downstream(path: str) -> list[str]:
        key = dg.AssetKey(path.split("/"))
        if key not in graph.get_all_asset_keys():
            return []
        reached = dg.AssetSelection.assets(key).downstream().resolve(graph) - {key}
        return sorted("/".join(one.path) for one in reached)

    return downstream


def _days(partition: str | None, told: object) -> dict[str, str | None]:
    """The days of an evaluation: its partition, or what its metadata says of a span."""
    span = getattr(told, "metadata", {}).get(SPAN)
    first, _, last = span.value.partition(" to ") if span is not None else (partition, "", partition)
    return {"first": first, "last": last}


def _severity(told: object) -> str:
    severity = getattr(told, "severity", None)
    return "warn" if severity is dg.AssetCheckSeverity.WARN else "error"
