"""Who executes steps: workers with a lease in Redis, and which worker has which step.

A worker that is killed cannot say so. It holds a key that Redis lets go of when it is not renewed, so that the clocks
of machines need not agree, and others see from it that steps of that worker are lost.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import redis

from pipeline_platform.operate.queues import KEY_PREFIX

LEASE_SECONDS = 30
RENEW_SECONDS = 10
MAX_DELIVERIES = 3
"""Workers that may die with one step before it is given up: it may be the step that kills them."""
REMEMBERED_SECONDS = 2 * 86_400

_NAMES = f"{KEY_PREFIX}workers"
_OWNERS = f"{KEY_PREFIX}owners"
_UNACKNOWLEDGED = f"{KEY_PREFIX}unacked"
_TAKEN_AT = f"{KEY_PREFIX}unacked_index"
_DISOWN = "return redis.call('hget', KEYS[1], ARGV[1]) == ARGV[2] and redis.call('hdel', KEYS[1], ARGV[1])"


@dataclass(frozen=True)
class Worker:
    """A worker, as it tells of itself.

    Attributes:
        name: `queue,queue@host:pid`.
        queues: the queues it takes steps from.
        concurrency: steps that it executes at once.
        pseudonyms: fingerprint of its key of the author pseudonyms.
    """

    name: str
    queues: tuple[str, ...]
    concurrency: int
    pseudonyms: str


class Workers:
    """The workers of the platform.

    Raises (on use):
        redis.RedisError: Redis does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    def renew(self, worker: Worker) -> None:
        """Say that `worker` is alive."""
        pipe: Any = self.redis.pipeline()
        pipe.sadd(_NAMES, worker.name)
        pipe.set(_lease(worker.name), orjson.dumps(asdict(worker)), ex=LEASE_SECONDS)
        pipe.execute()

    def leave(self, name: str) -> None:
        """The worker ends, with no step left."""
        self.redis.delete(_lease(name))
        self.redis.srem(_NAMES, name)

    def alive(self) -> list[Worker]:
        """Workers that hold their lease, by name."""
        names = self._names()
        told: Any = self.redis.mget([_lease(name) for name in names]) if names else []
        parsed = [orjson.loads(lease) for lease in told if lease is not None]
        return [Worker(**{**one, "queues": tuple(one["queues"])}) for one in parsed]

    def took(self, task: str, name: str) -> None:
        """The worker has the step of `task`."""
        self.redis.hset(_OWNERS, task, name)

    def finished(self, task: str) -> None:
        """Nobody has the step of `task` any more."""
        self.redis.hdel(_OWNERS, task)

    def owners(self) -> dict[str, str]:
        """Name of the worker that has it, by task."""
        held: Any = self.redis.hgetall(_OWNERS)
        return {task.decode(): name.decode() for task, name in held.items()}

    def lost(self) -> dict[str, str]:
        """Tasks whose worker no longer lives, with its name."""
        living = {worker.name for worker in self.alive()}
        return {task: name for task, name in self.owners().items() if name not in living}

    def disown(self, task: str, name: str) -> bool:
        """Take a task from the worker `name`; False if it has another one by now, or somebody else was first."""
        return bool(self.redis.eval(_DISOWN, 1, _OWNERS, task, name))

    def unclaimed(self) -> set[str]:
        """Tags of messages that were taken long ago by a worker that died before it could say so."""
        seconds: Any = self.redis.time()
        tags: Any = self.redis.zrangebyscore(_TAKEN_AT, 0, seconds[0] - LEASE_SECONDS)
        owned = self.owners()
        return {tag.decode() for tag in tags} & {
            tag for tag, task in self.unacknowledged().items() if task not in owned
        }

    def forget_dead(self) -> list[str]:
        """Drop workers whose lease ended; gives their names."""
        living = {worker.name for worker in self.alive()}
        dead = [name for name in self._names() if name not in living]
        if dead:
            self.redis.srem(_NAMES, *dead)
        return dead

    def deliveries(self, task: str) -> int:
        """Count one more worker that begins with the step of `task`; how many that makes."""
        pipe: Any = self.redis.pipeline()
        pipe.incr(f"{KEY_PREFIX}deliveries:{task}")
        pipe.expire(f"{KEY_PREFIX}deliveries:{task}", REMEMBERED_SECONDS)
        return int(pipe.execute()[0])

    def unacknowledged(self) -> dict[str, str]:
        """Task of every message that a worker took and did not answer for yet, by the tag of its delivery."""
        held: Any = self.redis.hgetall(_UNACKNOWLEDGED)
        return {tag.decode(): str(orjson.loads(message)[0]["headers"]["id"]) for tag, message in held.items()}

    def _names(self) -> list[str]:
        names: Any = self.redis.smembers(_NAMES)
        return sorted(name.decode() for name in names)


def served(workers: Iterable[Worker]) -> set[str]:
    """The queues that somebody takes steps from."""
    return {queue for worker in workers for queue in worker.queues}


def _lease(name: str) -> str:
    return f"{KEY_PREFIX}worker:{name}"
