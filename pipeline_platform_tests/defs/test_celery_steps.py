"""Steps on their way to workers, and when they are given up; on a real Redis, with the clock of the run moved."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError

from pipeline_platform.defs import celery_steps
from pipeline_platform.defs.celery_steps import LOOK_SECONDS, Outlook, SentStep
from pipeline_platform.defs.execution import QUEUE_TAG, STEP_PRIORITY_TAG, backlog, executor_of
from pipeline_platform.operate.broker import STEP_TASK, celery_app
from pipeline_platform.operate.queues import PRIORITIES, QUEUES, queue_depths
from pipeline_platform.operate.workers import Worker, Workers
from pipeline_platform.settings import Settings
from pipeline_platform.storage.stores import Stores

PATIENCE = 60
WORKER = Worker("ingest@here:1", ("ingest",), 1, "a key")


class Clock:
    """`time.monotonic` of the executor."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(celery_steps, "time", made)
    return made


@pytest.fixture
def app(stores: Stores) -> Iterator[Celery]:
    assert stores.settings.redis_url is not None
    with celery_app(stores.settings.redis_url.get_secret_value()) as opened:
        yield opened


@pytest.fixture
def outlook(app: Celery, stores: Stores, clock: Clock) -> Outlook:
    settings = stores.settings.model_copy(update={"worker_wait_seconds": PATIENCE, "queue_limit": 2})
    return Outlook(app, Workers(stores.redis), settings)


@pytest.fixture
def step(outlook: Outlook) -> Callable[[str], SentStep]:
    def made(task: str) -> SentStep:
        message = {"name": STEP_TASK, "task_id": task, "queue": "ingest", "priority": 4}
        return SentStep(outlook, message, lambda problem: [f"failed: {problem}"])

    return made


def test_a_step_without_a_worker_fails_with_the_command_that_starts_one(
    step: Callable[[str], SentStep], clock: Clock, app: Celery
) -> None:
    sent = step("one")
    assert not sent.ready()
    clock.now += PATIENCE - 1
    assert not sent.ready()
    clock.now += 1
    assert sent.ready()
    (said,) = sent.get()
    assert "pipeline-platform worker --queue ingest" in said
    assert app.backend.get_state("one") == "REVOKED", "a worker that comes later does not begin with it"


def test_a_worker_that_lives_is_waited_for(
    step: Callable[[str], SentStep], clock: Clock, outlook: Outlook, app: Celery
) -> None:
    sent = step("one")
    for _ in range(5):
        outlook.workers.renew(WORKER)
        assert not sent.ready()
        clock.now += PATIENCE
    app.backend.mark_as_done("one", ["an event"])
    assert sent.ready()
    assert sent.get() == ["an event"]


def test_steps_wait_in_their_run_while_the_queue_is_full(
    step: Callable[[str], SentStep], clock: Clock, outlook: Outlook, stores: Stores
) -> None:
    outlook.workers.renew(WORKER)
    steps = [step(str(number)) for number in range(4)]
    assert not any(sent.ready() for sent in steps)
    assert queue_depths(stores.redis)["ingest"] == outlook.settings.queue_limit
    stores.redis.delete(*stores.redis.keys("pipeline:celery:ingest*"))
    clock.now += LOOK_SECONDS
    assert not any(sent.ready() for sent in steps)
    assert queue_depths(stores.redis)["ingest"] == 2, "the other two went out"


def test_a_message_that_redis_lost_is_sent_again(
    step: Callable[[str], SentStep], clock: Clock, outlook: Outlook, stores: Stores
) -> None:
    sent = step("one")
    outlook.workers.renew(WORKER)
    assert not sent.ready()
    stores.redis.flushall()
    for looks in range(3):
        assert queue_depths(stores.redis)["ingest"] == 0, looks
        outlook.workers.renew(WORKER)
        clock.now += LOOK_SECONDS
        if looks < 2:
            sent.ready()
        if queue_depths(stores.redis)["ingest"]:
            break
    assert queue_depths(stores.redis)["ingest"] == 1


def test_what_a_worker_could_not_survive_fails_its_step(step: Callable[[str], SentStep], app: Celery) -> None:
    sent = step("one")
    assert not sent.ready()
    app.backend.mark_as_failure("one", RuntimeError("3 workers died"))
    assert sent.ready()
    assert sent.get() == ["failed: 3 workers died"]


def test_a_step_of_a_run_that_is_stopped_never_begins(step: Callable[[str], SentStep], app: Celery) -> None:
    sent = step("one")
    assert not sent.ready()
    sent.revoke()
    assert sent.ready()
    with pytest.raises(TaskRevokedError):
        sent.get()
    assert app.backend.get_state("one") == "REVOKED"


def test_a_redis_that_stays_away_fails_the_step(
    step: Callable[[str], SentStep], clock: Clock, outlook: Outlook
) -> None:
    def away() -> None:
        raise OSError("gone")

    sent = step("one")
    outlook.workers.took("one", WORKER.name)
    outlook.workers.renew(WORKER)
    assert not sent.ready(), "a worker has it"
    outlook.look = away  # type: ignore[method-assign]
    assert not sent.ready()
    clock.now += PATIENCE
    assert sent.ready()
    assert "Redis does not answer" in sent.get()[0]


def test_schedules_skip_while_the_workers_are_behind(stores: Stores, app: Celery) -> None:
    app.send_task(STEP_TASK, queue="ingest")
    behind = stores.settings.model_copy(update={"executor": "celery", "queue_limit": 1})
    assert "PIPELINE_QUEUE_LIMIT is 1" in (backlog(Stores(behind)) or "")
    assert backlog(Stores(behind.model_copy(update={"queue_limit": 2}))) is None
    assert backlog(Stores(behind.model_copy(update={"executor": "in_process"}))) is None


@pytest.mark.parametrize("name", ["in_process", "multiprocess", "celery"])
def test_the_setting_chooses_the_executor(name: Any) -> None:
    assert executor_of(Settings(executor=name, executor_concurrency=3, _env_file=None)).name == name


def test_every_step_has_a_queue_and_a_priority(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("backfill_range")
    tags = {node.name: node.tags for node in job.nodes}
    assert {one[QUEUE_TAG] for one in tags.values()} == set(QUEUES)
    assert {int(one[STEP_PRIORITY_TAG]) for one in tags.values()} == set(PRIORITIES.values())
    assert tags["raw__reddit_posts"][QUEUE_TAG] == tags["cleaned__reddit_posts_contract"][QUEUE_TAG] == "ingest"
    assert tags["enriched__documents"][QUEUE_TAG] == "sentiment"
