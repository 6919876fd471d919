"""The Celery executor: steps of a run as messages to workers, which are watched until they are done.

Dagster's own executor sends every step at once and then waits, for ever if need be. Here a step waits in its run until
its queue has room, is sent again if the broker lost it, goes to another worker if its worker died, and fails the run
with a clear message if no worker serves its queue.
"""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value, serialize_value
from dagster._utils.error import SerializableErrorInfo
from redis.exceptions import RedisError

from pipeline_platform.operate.queues import DEFAULT_QUEUE, broker_priority, queue_depths
from pipeline_platform.operate.workers import Workers, served
from pipeline_platform.settings import Settings, load_settings
from pipeline_platform.storage.stores import Stores

if TYPE_CHECKING:
    from celery import Celery

TICK_SECONDS = 0.2
"""How often a run asks whether steps are done; Dagster's second would be the longest part of most of them."""
LOOK_SECONDS = 5.0
"""How often a run looks at queues and workers."""

log = logging.getLogger(__name__)


class NoWorkerError(Exception):
    """A step waited too long for a worker, or for Redis; the message says what to start."""


class Outlook:
    """Queues and workers as a run sees them, looked at every few seconds for all of its steps together."""

    def __init__(self, app: "Celery", workers: Workers, settings: Settings) -> None:
        self.app = app
        self.workers = workers
        self.settings = settings
        self.looks = 0
        self.served: set[str] = set()
        self.depths: dict[str, int] = {}
        self.owned: set[str] = set()
        self.underway: set[str] = set()
        self._looked_at = -LOOK_SECONDS

    def look(self) -> None:
        """Look again if it is time to.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        from pipeline_platform.operate.broker import restore_lost

        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        for task, name in restore_lost(self.app, self.workers).items():
            log.warning("worker %s died; the step of %s goes to another one", name, task)
        # Messages before queues: one that a worker takes or gives back meanwhile is seen twice, never not at all.
        self.owned = set(self.workers.owners())
        self.underway = set(self.workers.unacknowledged().values()) | self.owned
        self.depths = queue_depths(self.workers.redis)
        self.served = served(self.workers.alive())
        self._looked_at = now
        self.looks += 1

    def has_room(self, queue: str) -> bool:
        """Whether a further step may wait in `queue`."""
        return self.depths[queue] < self.settings.queue_limit


class SentStep:
    """A step on its way, in the place of the result that Dagster's loop waits for.

    Args:
        outlook: what the run sees of queues and workers.
        message: arguments of `Celery.send_task`.
        failed: makes the events of a failed step of an exception.
    """

    def __init__(self, outlook: Outlook, message: dict[str, Any], failed: Callable[[BaseException], list[str]]) -> None:
        self.outlook = outlook
        self.message = message
        self.failed = failed
        self._sent = False
        self._answer: dict[str, Any] | None = None
        self._waiting_since: float | None = None
        self._missed_at = 0
        self._problem: BaseException | None = None

    @property
    def task(self) -> str:
        """Id of the task."""
        return str(self.message["task_id"])

    @property
    def queue(self) -> str:
        """The queue it belongs to."""
        return str(self.message["queue"])

    def ready(self) -> bool:
        """Whether it is done or given up; sends it as soon as that can be done."""
        from kombu.exceptions import OperationalError

        if self._problem is not None:
            return True
        try:
            self.outlook.look()
            if not self._sent and self.outlook.has_room(self.queue):
                self._send()
            if self._sent and self._answered():
                return True
            self._send_again_if_lost()
            self._give_up_if_unserved(self.queue not in self.outlook.served)
        except (RedisError, OSError, OperationalError) as error:
            self._give_up_if_unserved(True, f"Redis does not answer ({type(error).__name__})")
        return self._problem is not None

    def get(self) -> Any:
        """The events of the step; of one that was given up, or that took its worker with it, that it failed.

        Raises:
            TaskRevokedError: the run was told to stop before it began.
        """
        from celery.exceptions import TaskRevokedError

        problem = self._problem
        if problem is None:
            assert self._answer is not None
            if self._answer["status"] == "SUCCESS":
                return self._answer["result"]
            problem = TaskRevokedError("revoked") if self._answer["status"] == "REVOKED" else self._answer["result"]
        if isinstance(problem, TaskRevokedError):
            raise problem
        return self.failed(problem)

    def revoke(self) -> None:
        """Do not begin it any more; a step that has begun comes to its end."""
        from celery.exceptions import TaskRevokedError

        if self.task not in self.outlook.underway:
            self._withdraw(TaskRevokedError("revoked"))

    def _send(self) -> None:
        # Its result object would listen for the answer in the background; it is asked for instead.
        self.outlook.app.send_task(**self.message)
        self._sent = True
        self.outlook.depths[self.queue] += 1
        self._missed_at = self.outlook.looks

    def _answered(self) -> bool:
        from celery.states import READY_STATES

        answer: dict[str, Any] = self.outlook.app.backend.get_task_meta(self.task, cache=False)
        self._answer = answer if answer["status"] in READY_STATES else None
        return self._answer is not None

    def _send_again_if_lost(self) -> None:
        """Redis may have lost its last second, and a worker dies in the moment between taking and noting a message.

        A step that nobody has is sent again when its queue was empty at two looks; should both messages exist after
        all, the step is computed twice, which changes nothing.
        """
        outlook = self.outlook
        if not self._sent or self.task in outlook.underway or outlook.depths[self.queue]:
            self._missed_at = outlook.looks
        elif outlook.looks >= self._missed_at + 2:
            log.warning("the message of %s is lost; it is sent again", self.task)
            self._send()

    def _give_up_if_unserved(self, unserved: bool, reason: str = "") -> None:
        # Without Redis nobody knows whether the worker that had the step still has it.
        if not unserved or (self.task in self.outlook.owned and not reason):
            self._waiting_since = None
            return
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        patience = self.outlook.settings.worker_wait_seconds
        if now - self._waiting_since >= patience:
            said = reason or f"no worker serves the queue {self.queue!r}"
            todo = "" if reason else f": start one with `pipeline-platform worker --queue {self.queue}`, then run again"
            self._withdraw(NoWorkerError(f"{said}, for {patience} s (PIPELINE_WORKER_WAIT_SECONDS){todo}"))

    def _withdraw(self, problem: BaseException) -> None:
        """A worker that comes later finds the message revoked."""
        self._problem = problem
        if self._sent:
            try:
                self.outlook.app.backend.mark_as_revoked(self.task)
            except (RedisError, OSError):
                log.warning("the message of %s could not be withdrawn", self.task)


class CelerySteps(dg.Executor):
    """Executes steps by the workers at the Redis of `settings`."""

    def __init__(self, settings: Settings, retries: RetryMode) -> None:
        self._settings = settings
        self._retries = retries

    @property
    def retries(self) -> RetryMode:
        """How steps are retried: by this executor, not by the worker."""
        return self._retries

    def app_args(self) -> dict[str, Any]:
        """What Dagster's loop builds an application from, to read its defaults."""
        from dagster_celery.config import dict_wrapper

        return {"broker": None, "backend": None, "config_source": dict_wrapper({"task_default_queue": DEFAULT_QUEUE})}

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Execute a plan."""
        from dagster_celery import core_execution_loop

        from pipeline_platform.operate.broker import celery_app

        core_execution_loop.TICK_SECONDS = TICK_SECONDS  # type: ignore[assignment] # it is slept, in seconds
        stores = Stores(self._settings)
        workers = Workers(stores.redis)
        assert self._settings.redis_url is not None
        with celery_app(self._settings.redis_url.get_secret_value()) as app:
            outlook = Outlook(app, workers, self._settings)

            def send(_app: Any, context: Any, step: Any, queue: str, priority: int, known: Any) -> SentStep:
                message = _message(self, context, step, queue, priority, known)
                return SentStep(outlook, message, partial(_failed, context.for_step(step)))

            yield from core_execution_loop.core_celery_execution_loop(plan_context, execution_plan, send)


def _message(executor: CelerySteps, context: Any, step: Any, queue: str, priority: int, known: Any) -> dict[str, Any]:
    from pipeline_platform.operate.broker import STEP_TASK

    job = context.reconstructable_job
    arguments = ExecuteStepArgs(
        job_origin=job.get_python_origin(),
        run_id=context.run_id,
        step_keys_to_execute=[step.key],
        instance_ref=None,  # the worker has an instance of its own: paths of this machine mean nothing on another one
        retry_mode=executor.retries.for_inner_plan(),
        known_state=known,
        print_serialized_events=False,
    )
    attempt = known.get_retry_state().get_attempt_count(step.key) if known else 0
    return {
        "name": STEP_TASK,
        "task_id": f"{context.run_id}:{step.key}:{attempt}",
        "kwargs": {"packed": pack_value(arguments), "executable": job.to_dict()},
        "queue": queue,
        "priority": broker_priority(priority),
    }


def _failed(step: Any, problem: BaseException) -> list[str]:
    """Tell that `step` failed: not by itself, so nobody has told it yet."""
    error = SerializableErrorInfo(f"{type(problem).__name__}: {problem}", [], type(problem).__name__)
    event = dg.DagsterEvent.step_failure_event(step, StepFailureData(error=error, user_failure_data=None))
    return [serialize_value(event)]


@dg.executor(
    name="celery",
    config_schema={"retries": get_retries_config()},
    requirements=multiple_process_executor_requirements(),
)
def celery_executor(context: dg.InitExecutorContext) -> CelerySteps:
    """Steps are messages to workers; where Redis is say the settings, so that no run shows its password."""
    return CelerySteps(load_settings(), RetryMode.from_config(context.executor_config["retries"]))  # type: ignore[arg-type]
