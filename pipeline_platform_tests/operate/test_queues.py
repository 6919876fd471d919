"""Queues and workers on a real Redis, with Celery's own messages."""

from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from celery.backends.redis import RedisBackend

from pipeline_platform.operate.broker import STEP_TASK, broker_url, celery_app, restore_lost
from pipeline_platform.operate.queues import PRIORITIES, QUEUES, broker_priority, full_queue, queue_depths
from pipeline_platform.operate.workers import MAX_DELIVERIES, Worker, Workers, served
from pipeline_platform.storage.servers import ServerUrls

WORKER = Worker("ingest@here:1", ("ingest",), 2, "a key")


@pytest.fixture
def client(fresh_servers: ServerUrls) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(fresh_servers.redis) as opened:
        yield opened


@pytest.fixture
def app(fresh_servers: ServerUrls) -> Iterator[Celery]:
    with celery_app(fresh_servers.redis) as opened:
        yield opened


def send(app: Celery, task: str, queue: str, priority: str = "medium") -> None:
    app.send_task(STEP_TASK, task_id=task, queue=queue, priority=broker_priority(PRIORITIES[priority]))


def take(app: Celery, *queues: str) -> list[str]:
    """Ids of the tasks in the order in which a worker of `queues` gets them, without answering for them."""
    taken: list[str] = []
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.qos.restore_at_shutdown = False  # as of a worker that is killed
        for queue in queues:
            while message := channel.basic_get(queue):
                taken.append(message.headers["id"])
    return taken


def test_depths_are_told_for_every_queue_and_count_every_priority(app: Celery, client: redis.Redis) -> None:
    assert queue_depths(client) == dict.fromkeys(QUEUES, 0)
    for priority in PRIORITIES:
        send(app, priority, "sentiment", priority)
    send(app, "one", "ingest")
    assert queue_depths(client) == {"ingest": 1, "sentiment": 3, "enrich": 0, "aggregate": 0}


def test_a_high_step_overtakes_low_ones_that_came_before(app: Celery) -> None:
    for number in range(5):
        send(app, f"low {number}", "ingest", "low")
    send(app, "medium", "ingest", "medium")
    send(app, "high", "ingest", "high")
    assert take(app, "ingest") == ["high", "medium", *(f"low {number}" for number in range(5))]


def test_priorities_have_the_sense_of_dagster_whatever_their_sum() -> None:
    numbers = [broker_priority(priority) for priority in range(-3, 14)]
    assert numbers == sorted(numbers, reverse=True)
    assert min(numbers) == 0
    assert broker_priority(PRIORITIES["high"]) < broker_priority(PRIORITIES["medium"]) < broker_priority(2)


def test_a_full_queue_says_how_to_empty_it(app: Celery, client: redis.Redis) -> None:
    send(app, "one", "enrich")
    assert full_queue(client, "enrich", 2) is None
    assert "pipeline-platform worker --queue enrich" in (full_queue(client, "enrich", 1) or "")


def test_the_steps_of_a_worker_that_died_go_back_to_the_front_of_their_queue(app: Celery, client: redis.Redis) -> None:
    workers = Workers(client)
    workers.renew(WORKER)
    send(app, "mine", "ingest")
    assert take(app, "ingest") == ["mine"]
    workers.took("mine", WORKER.name)
    send(app, "later", "ingest")
    assert restore_lost(app, workers) == {}, "it lives"
    assert served(workers.alive()) == {"ingest"}

    client.delete(f"pipeline:celery:worker:{WORKER.name}")  # as the end of its lease does
    assert restore_lost(app, workers) == {"mine": WORKER.name}
    assert restore_lost(app, workers) == {}, "once is enough"
    assert workers.alive() == []
    assert take(app, "ingest") == ["mine", "later"]


def test_a_step_whose_worker_died_before_it_could_say_that_it_has_it_goes_back_too(
    app: Celery, client: redis.Redis
) -> None:
    workers = Workers(client)
    send(app, "mine", "ingest")
    take(app, "ingest")
    assert restore_lost(app, workers) == {}, "it may be saying so right now"
    (tag,) = workers.unacknowledged()
    client.zadd("pipeline:celery:unacked_index", {tag: 1})
    assert list(restore_lost(app, workers)) == ["mine"]
    assert take(app, "ingest") == ["mine"]


def test_a_step_is_only_taken_from_the_worker_that_is_known_to_be_dead(client: redis.Redis) -> None:
    workers = Workers(client)
    workers.took("mine", "another@there:2")
    assert not workers.disown("mine", WORKER.name)
    assert workers.disown("mine", "another@there:2")
    assert not workers.disown("mine", "another@there:2"), "somebody else was first"


def test_a_worker_that_ends_orderly_leaves_nothing(client: redis.Redis) -> None:
    workers = Workers(client)
    workers.renew(WORKER)
    workers.took("mine", WORKER.name)
    workers.finished("mine")
    workers.leave(WORKER.name)
    assert workers.alive() == []
    assert workers.owners() == {}
    assert workers.forget_dead() == []


def test_deliveries_are_counted_per_task(client: redis.Redis) -> None:
    workers = Workers(client)
    assert [workers.deliveries("one") for _ in range(MAX_DELIVERIES)] == [1, 2, 3]
    assert workers.deliveries("another") == 1


def test_nothing_of_celery_lies_outside_its_prefix(app: Celery, client: redis.Redis) -> None:
    send(app, "one", "ingest")
    take(app, "ingest")
    app.backend.mark_as_done("one", [])
    assert all(key.startswith(b"pipeline:celery:") for key in client.scan_iter())


@pytest.mark.parametrize(
    ("ours", "celerys"),
    [
        ("redis://:secret@cache:6379/2", "redis://:secret@cache:6379/2"),
        ("rediss://cache:6380/0", "rediss://cache:6380/0?ssl_cert_reqs=required"),
        ("unix:///run/redis.socket?db=3", "redis+socket:///run/redis.socket?virtual_host=3"),
    ],
)
def test_every_form_of_address_is_understood(ours: str, celerys: str) -> None:
    assert broker_url(ours) == celerys
    assert isinstance(celery_app(ours).backend, RedisBackend)
