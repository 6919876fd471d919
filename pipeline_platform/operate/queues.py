"""Queues of steps that workers execute: which there are, how full they are, and how priorities are told to Redis.

Celery keeps a queue as one Redis list per priority, of which the lowest number is emptied first. Dagster's tags mean
the reverse, higher goes first, and keep that meaning here.
"""

from collections.abc import Mapping
from typing import Any

import redis

QUEUES: Mapping[str, str] = {
    "ingest": "fetching, cleaning, quarantine: waits for upstreams",
    "sentiment": "reading texts: needs cores and memory, and the models",
    "enrich": "copies, signatures, topics: needs cores and memory",
    "aggregate": "facts, quality, exports, and everything else: writes exports and reports into its PIPELINE_HOME",
}
"""Each queue, and what its workers do."""
DEFAULT_QUEUE = "aggregate"
PRIORITIES: Mapping[str, int] = {"high": 8, "medium": 5, "low": 2}
"""Priorities of steps in Dagster's sense; the priority of a run is added to that of its steps."""
LEVELS = 10
KEY_PREFIX = "pipeline:celery:"
"""Other programs may use the same Redis, and with Celery all of them would call their keys the same."""
SEPARATOR = "\x06\x16"
"""Between the name of a queue and a priority other than 0, as kombu writes it."""


def broker_priority(priority: int) -> int:
    """A priority of Dagster, where higher goes first, as the number of a Redis list, where 0 goes first."""
    return LEVELS - 1 - min(max(priority, 0), LEVELS - 1)


def queue_depths(client: redis.Redis) -> dict[str, int]:
    """Steps that wait in each queue; those that a worker has taken are not among them.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    pipe: Any = client.pipeline(transaction=False)
    for queue in QUEUES:
        for level in range(LEVELS):
            pipe.llen(_key(queue, level))
    lengths = pipe.execute()
    return {queue: sum(lengths[at * LEVELS : (at + 1) * LEVELS]) for at, queue in enumerate(QUEUES)}


def full_queue(client: redis.Redis, queue: str, limit: int) -> str | None:
    """Why nothing should be added to `queue`, in words; None while it has room.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    depth = queue_depths(client)[queue]
    if depth < limit:
        return None
    return (
        f"{depth} steps wait in the queue {queue!r} already, and PIPELINE_QUEUE_LIMIT is {limit}: "
        f"start more workers (`pipeline-platform worker --queue {queue}`)"
    )


def _key(queue: str, level: int) -> str:
    return f"{KEY_PREFIX}{queue}{SEPARATOR}{level}" if level else f"{KEY_PREFIX}{queue}"
