"""What executes the steps of a run, and which queue of the workers and which priority a step has."""

from typing import Any

import dagster as dg

from pipeline_platform.operate.queues import PRIORITIES, full_queue
from pipeline_platform.settings import Settings, load_settings
from pipeline_platform.storage.stores import Stores

QUEUE_TAG = "dagster-celery/queue"
STEP_PRIORITY_TAG = "dagster-celery/priority"

_QUEUES = {"raw": "ingest", "cleaned": "ingest", "quarantine": "ingest", "deduplicated": "enrich", "enriched": "enrich"}
_QUEUES_OF_TABLES = {"enriched/documents": "sentiment"}
_PRIORITIES = {"raw": "high", "cleaned": "high", "quality": "low", "exports": "low"}
"""What an upstream shows now may be gone in an hour; everything else can be computed again."""


def step_tags(layer: str, name: str = "") -> dict[str, str]:
    """Tags of the op behind an asset or a check: queue and priority of its step, by layer and table."""
    queue = _QUEUES_OF_TABLES.get(f"{layer}/{name}") or _QUEUES.get(layer, "aggregate")
    return {QUEUE_TAG: queue, STEP_PRIORITY_TAG: str(PRIORITIES[_PRIORITIES.get(layer, "medium")])}


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of every job and of assets that are launched from the UI, as `PIPELINE_EXECUTOR` says."""
    if settings.executor == "celery":
        from pipeline_platform.defs.celery_steps import celery_executor

        return celery_executor
    if settings.executor == "multiprocess":
        config: dict[str, Any] = {
            # Once loaded, the definitions are there in every process of a step.
            "start_method": {"forkserver": {"preload_modules": ["pipeline_platform.definitions"]}}
        }
        if settings.executor_concurrency is not None:
            config["max_concurrent"] = settings.executor_concurrency
        return dg.multiprocess_executor.configured(config, name="multiprocess")
    return dg.in_process_executor


def backlog(stores: Stores) -> str | None:
    """Why no further fetch should be started, in words: the workers are behind. None if they are not."""
    if stores.settings.executor != "celery":
        return None
    return full_queue(stores.redis, _QUEUES["raw"], stores.settings.queue_limit)


@dg.definitions
def execution() -> dg.Definitions:
    """The executor. In-process is the default: a process or a message per step costs more than most steps take."""
    return dg.Definitions(executor=executor_of(load_settings()))
