"""The worker: takes steps from queues and executes them, until it is told to stop.

It is a Celery worker with a process per step. Meanwhile it renews its lease, and puts back the steps of workers that
no longer renew theirs.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import dagster as dg
from celery import Celery, bootsteps
from celery.exceptions import Ignore
from celery.signals import setup_logging, task_postrun, task_received
from celery.worker import state
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.events import EngineEventData
from dagster._core.execution.api import create_execution_plan, execute_plan_iterator
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import serialize_value, unpack_value
from redis.exceptions import RedisError

from pipeline_platform.defs.celery_steps import CelerySteps
from pipeline_platform.enrich.classifier import cores
from pipeline_platform.govern.pseudonyms import fingerprint
from pipeline_platform.launch.location import loaded_repository, repository_recipe
from pipeline_platform.operate import logs
from pipeline_platform.operate.broker import STEP_TASK, celery_app, restore_lost
from pipeline_platform.operate.queues import QUEUES
from pipeline_platform.operate.workers import MAX_DELIVERIES, RENEW_SECONDS, Worker, Workers
from pipeline_platform.settings import Settings, SettingsError
from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)


class StepGivenUpError(Exception):
    """Every worker that began with a step died."""


def run_worker(
    settings: Settings, queues: Sequence[str], concurrency: int | None, ready: Callable[[Worker], None]
) -> int:
    """Take steps from `queues` until a signal: the first one lets steps end, a second one puts them back.

    Args:
        settings: with the servers named.
        queues: names of queues, all of them if empty.
        concurrency: steps at once; by default what the settings say, or one for every core.
        ready: called when steps can be taken.

    Returns:
        0 if every step came to its end, else 1.

    Raises:
        SettingsError: this worker would write other pseudonyms than those that are running.
    """
    stores = Stores(settings)
    chosen = tuple(queue for queue in QUEUES if not queues or queue in queues)
    worker = Worker(
        name=f"{','.join(chosen)}@{socket.gethostname()}:{os.getpid()}",
        queues=chosen,
        concurrency=concurrency or settings.executor_concurrency or cores(),
        pseudonyms=fingerprint(stores.pseudonym_key),
    )
    workers = Workers(stores.redis)
    _refuse_other_pseudonyms(worker, workers.alive())
    # Celery would set up its own format; whatever is connected here takes its place, in processes of steps too.
    setup_logging.connect(lambda **_: logs.configure(settings), weak=False)
    # It would log the events of every step as a whole.
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    _repository(repository_recipe())  # once, before the processes of the steps are forked
    app = step_app(settings, workers, worker, ready)
    started = app.Worker(
        hostname=worker.name, queues=list(chosen), concurrency=worker.concurrency, pool="prefork", without_mingle=True,
        without_gossip=True,
    )  # fmt: skip
    started.start()
    # Celery calls a Ctrl-C a failure, also where every step came to its end.
    warm = state.should_stop is not None and state.should_terminate is None
    return 0 if warm else int(started.exitcode or 0)


def step_app(settings: Settings, workers: Workers, worker: Worker, ready: Callable[[Worker], None]) -> Celery:
    """The Celery application of a worker."""
    assert settings.redis_url is not None
    app = celery_app(settings.redis_url.get_secret_value())

    @app.task(name=STEP_TASK, bind=True)
    def execute_step(task: Any, packed: dict[str, Any], executable: dict[str, Any]) -> list[str]:
        return _execute_step(workers, task, packed, executable)

    app.steps["worker"].add(_lease(app, workers, worker, ready))
    task_received.connect(lambda request, **_: workers.took(request.id, worker.name), weak=False)
    task_postrun.connect(lambda task_id, **_: workers.finished(task_id), weak=False)
    return app


def _lease(
    app: Celery, workers: Workers, worker: Worker, ready: Callable[[Worker], None]
) -> type[bootsteps.StartStopStep]:
    """The part of the worker that tells others that it lives, and looks after those that do not."""

    class Lease(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Timer", "celery.worker.components:Pool")

        def start(self, parent: Any) -> None:
            self.renew()
            self.timer = parent.timer.call_repeatedly(RENEW_SECONDS, self.renew)
            ready(worker)

        def stop(self, _parent: Any) -> None:
            self.timer.cancel()
            try:
                workers.leave(worker.name)
            except RedisError:
                log.warning("Redis does not answer; the lease of this worker ends by itself")

        def renew(self) -> None:
            try:
                workers.renew(worker)
                for task, name in restore_lost(app, workers).items():
                    log.warning("worker %s died; the step of %s is put back", name, task)
            except (RedisError, OSError) as error:
                log.warning("the lease could not be renewed: %s", type(error).__name__)

    return Lease


@cache
def _instance() -> dg.DagsterInstance:
    """The instance of this process, which executes many steps: a connection for each would be opened anew."""
    return dg.DagsterInstance.get()


@lru_cache(maxsize=2)
def _repository(recipe: ReconstructableRepository) -> dg.RepositoryDefinition:
    """The definitions, once a process: Dagster would load them anew for a step of another run than the last one."""
    return loaded_repository(recipe)


@lru_cache(maxsize=8)
def _job(recipe: ReconstructableJob) -> InMemoryJob:
    """The part of a job that a run executes; a few of them, since the steps of several runs come by turns."""
    return InMemoryJob(
        _repository(recipe.repository).get_maybe_subset_job_def(
            recipe.job_name, recipe.op_selection, recipe.asset_selection, recipe.asset_check_selection
        )
    )


def _execute_step(workers: Workers, task: Any, packed: dict[str, Any], executable: dict[str, Any]) -> list[str]:
    """Execute a step; gives its events.

    Raises:
        Ignore: nobody waits for it any more.
        StepGivenUpError: it seems to kill its workers.
    """
    arguments = unpack_value(packed, as_type=ExecuteStepArgs)
    instance, identity = _instance(), task.request.id
    run = instance.get_run_by_id(arguments.run_id)
    withdrawn = task.backend.get_state(identity) == "REVOKED"
    if run is None or withdrawn or run.is_finished or run.status is DagsterRunStatus.CANCELING:
        task.backend.mark_as_revoked(identity)  # a run that is being stopped still waits for an answer
        raise Ignore
    deliveries = workers.deliveries(identity)
    if deliveries > MAX_DELIVERIES:
        raise StepGivenUpError(
            f"{deliveries - 1} workers died while they executed this step; it may need more memory than there is: "
            "see their logs and those of the kernel, or start workers with a lower --concurrency"
        )
    started = time.monotonic()
    job = _job(ReconstructableJob.from_dict(executable))
    events = _executed(task, instance, run, arguments, job, deliveries)
    log.info("%s ended after %.1f s", identity, time.monotonic() - started)
    return events


def _executed(
    task: Any,
    instance: dg.DagsterInstance,
    run: DagsterRun,
    arguments: ExecuteStepArgs,
    job: InMemoryJob,
    deliveries: int,
) -> list[str]:
    (step,) = arguments.step_keys_to_execute or ()
    plan = create_execution_plan(
        job, run.run_config, step_keys_to_execute=[step], known_state=arguments.known_state, tags=run.tags
    )
    again = f" again, as worker number {deliveries}: the one that had it died" if deliveries > 1 else ""
    begun = instance.report_engine_event(
        f"Worker {task.request.hostname} executes step {step}{again}",
        run,
        EngineEventData({"worker": task.request.hostname}, marker_end="celery_queue_wait"),
        CelerySteps,
        step_key=step,
    )
    events = execute_plan_iterator(
        execution_plan=plan,
        job=job,
        dagster_run=run,
        instance=instance,
        retry_mode=arguments.retry_mode,
        run_config=run.run_config,
    )
    return [serialize_value(event) for event in (begun, *events)]


def check_pseudonym_key(settings: Settings) -> None:
    """Refuse to make a key of the pseudonyms where other machines may have another one.

    Args:
        settings: as the user gave them.

    Raises:
        SettingsError: servers are named, so other machines may use them, and there is no key.
    """
    made = settings.home.absolute() / "pseudonym.key"
    if settings.postgres_url is not None and settings.pseudonym_key is None and not made.exists():
        raise SettingsError(
            "PIPELINE_PSEUDONYM_KEY is not set. Workers with keys of their own would give one author several "
            "pseudonyms: set it to the same value on every machine, for instance to what `pseudonym.key` in the "
            "PIPELINE_HOME of the first one holds"
        )


def _refuse_other_pseudonyms(worker: Worker, alive: Sequence[Worker]) -> None:
    others = [other.name for other in alive if other.pseudonyms != worker.pseudonyms]
    if others:
        raise SettingsError(
            f"PIPELINE_PSEUDONYM_KEY is another one than that of {', '.join(others)}: one author would get several "
            "pseudonyms. Set it to the same value for every worker, or stop those first"
        )
