"""Celery, as the platform uses it: over Redis, late acknowledgements, nothing taken before it can be executed.

A step is acknowledged when it is done. So a step whose worker died is still known to Redis, and is put back as soon as
the lease of the worker ends (`restore_lost`), instead of after the visibility timeout, which has to be longer than any
step may take.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from celery import Celery
from kombu import Queue

from pipeline_platform.operate.queues import DEFAULT_QUEUE, KEY_PREFIX, LEVELS, QUEUES, SEPARATOR
from pipeline_platform.operate.workers import Workers

STEP_TASK = "execute_step"
VISIBILITY_SECONDS = 8 * 3600
"""No step takes longer: Dagster ends runs after six hours."""
RESULT_SECONDS = 86_400


def celery_app(url: str) -> Celery:
    """The Celery application on the Redis at `url`, in the forms that redis-py takes."""
    address = broker_url(url)
    app = Celery("pipeline_platform", broker=address, backend=address, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=DEFAULT_QUEUE,
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A worker that finished a step and died before it said so leaves a message; its result is kept and stands.
        worker_deduplicate_successful_tasks=True,
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=120,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        result_expires=RESULT_SECONDS,
        broker_transport_options={
            "global_keyprefix": KEY_PREFIX,
            "priority_steps": list(range(LEVELS)),
            "sep": SEPARATOR,
            "queue_order_strategy": "priority",
            "visibility_timeout": VISIBILITY_SECONDS,
        },
        result_backend_transport_options={"global_keyprefix": KEY_PREFIX},
    )
    return app


def broker_url(url: str) -> str:
    """The address of a Redis as Celery writes it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        if "db" in query:
            query["virtual_host"] = query.pop("db")
        # By hand: urlunsplit drops an empty host of a scheme it does not know.
        return f"redis+socket://{parts.netloc}{parts.path}{f'?{urlencode(query)}' if query else ''}"
    if parts.scheme == "rediss":
        query.setdefault("ssl_cert_reqs", "required")
    return urlunsplit(parts._replace(query=urlencode(query)))


def restore_lost(app: Celery, workers: Workers) -> dict[str, str]:
    """Put the steps of workers that died back to the front of their queues.

    Any number of processes may do so at once: a message is moved only if it is still there.

    Returns:
        Name of the worker that had it, by task.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    lost = {task: name for task, name in workers.lost().items() if workers.disown(task, name)}
    unclaimed = workers.unclaimed()
    if lost or unclaimed:
        with app.connection_for_write() as connection:
            for tag, task in workers.unacknowledged().items():
                if task in lost or tag in unclaimed:
                    connection.default_channel.qos.restore_by_tag(tag)
                    lost.setdefault(task, "that took it")
    workers.forget_dead()
    return lost
