"""A cluster on one machine: what runs on many in production, as processes that share nothing but three servers.

PostgreSQL, Redis and an S3 server are processes of their own; code server, UI, daemon and a worker for every queue find
them by address alone. Every worker has a folder of its own, so what would stay on one machine is missed here too. The
S3 server is moto, which keeps everything in memory: the lake lives as long as the cluster.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.fs as fs
import redis

from pipeline_platform.launch.supervisor import LOOPBACK, Supervisor, listens, open_port, url_of
from pipeline_platform.operate.queues import DEFAULT_QUEUE, QUEUES
from pipeline_platform.operate.workers import Workers, served
from pipeline_platform.settings import PREFIX, Settings, SettingsError, load_settings
from pipeline_platform.storage.embedded import EmbeddedPostgres, EmbeddedRedis, ServerStartError
from pipeline_platform.storage.object_store import DEFAULT_REGION

BUCKET = "lake"
WARM_SECONDS = 20


@dataclass(frozen=True)
class Addresses:
    """Where the servers of a cluster are."""

    postgres: str
    redis: str
    s3: str

    def variables(self, pseudonym_key: bytes) -> dict[str, str]:
        """The settings that every process of the cluster gets."""
        return {
            f"{PREFIX}POSTGRES_URL": self.postgres,
            f"{PREFIX}REDIS_URL": self.redis,
            f"{PREFIX}LAKE_URL": f"s3://{BUCKET}/tables",
            f"{PREFIX}S3_ENDPOINT_URL": self.s3,
            f"{PREFIX}S3_REGION": DEFAULT_REGION,
            f"{PREFIX}S3_ACCESS_KEY_ID": "cluster",
            f"{PREFIX}S3_SECRET_ACCESS_KEY": "on-this-machine-only",
            f"{PREFIX}EXECUTOR": "celery",
            f"{PREFIX}PSEUDONYM_KEY": pseudonym_key.decode(),
        }


@contextmanager
def cluster_servers(home: Path) -> Iterator[Addresses]:
    """PostgreSQL and Redis, started in `home` and stopped afterwards, and an address for the S3 server.

    Raises:
        SettingsError: one does not start, or moto is not installed.
    """
    if importlib.util.find_spec("moto") is None:
        raise SettingsError("the S3 server of the cluster is not installed: `make setup`, or pip install 'moto[s3]'")
    home.mkdir(parents=True, exist_ok=True)
    postgres, cache = EmbeddedPostgres(home / "postgres"), EmbeddedRedis(home / "redis")
    try:
        yield Addresses(postgres.start(), cache.start(), f"http://{LOOPBACK}:{open_port(LOOPBACK, 0)}")
    except ServerStartError as error:
        raise SettingsError(str(error)) from error
    finally:
        cache.stop()
        postgres.stop()


@dataclass
class Cluster(Supervisor):
    """The processes of a cluster; runs the main job on them.

    Args:
        concurrency: steps that each worker executes at once.
        job: arguments of `pipeline-platform run`.
        once: end with the main job.
    """

    concurrency: int = 1
    job: Sequence[str] = ()
    once: bool = False
    _workers: list[str] = field(default_factory=list)

    def _start_all(self) -> None:
        self._start_s3()
        super()._start_all()
        with redis.Redis.from_url(_redis_url(load_settings())) as client:
            registry = Workers(client)
            for queue in QUEUES:
                self._start_worker(queue)
            for queue, name in zip(QUEUES, self._workers, strict=True):
                self._wait(name, lambda queue=queue: queue in served(registry.alive()))  # type: ignore[misc]

    def _start_s3(self) -> None:
        settings = load_settings()
        endpoint = str(settings.s3_endpoint_url)
        port = int(endpoint.rpartition(":")[2])
        self._start("s3", "moto_server", "-H", LOOPBACK, "-p", str(port))
        self._wait("s3", lambda: listens(LOOPBACK, port))
        assert settings.s3_access_key_id is not None
        assert settings.s3_secret_access_key is not None
        fs.S3FileSystem(
            access_key=settings.s3_access_key_id.get_secret_value(),
            secret_key=settings.s3_secret_access_key.get_secret_value(),
            endpoint_override=endpoint,
            region=DEFAULT_REGION,
            allow_bucket_creation=True,
        ).create_dir(BUCKET)

    def _start_worker(self, queue: str) -> None:
        name = f"worker-{queue}"
        # Exports and reports are files, and the command says where they are.
        home = self.home if queue == DEFAULT_QUEUE else self.home / "workers" / queue
        options = ("--queue", queue, "--concurrency", str(self.concurrency))
        self._start(name, "pipeline-platform", "worker", *options, home=home)
        self._workers.append(name)

    def _watch(self, tend: Callable[[], Iterable[str]]) -> int:
        job = subprocess.Popen(
            [str(Path(sys.executable).with_name("pipeline-platform")), "run", *self.job],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return self._watch_beside(job, tend)
        finally:
            _end(job)
            self._end_workers()

    def _watch_beside(self, job: "subprocess.Popen[bytes]", tend: Callable[[], Iterable[str]]) -> int:
        while job.poll() is None:
            if self._stopping.wait(0.5):
                return 0
            if not self._mend(tend):
                return 1
        self.tell(f"the main job ended with code {job.returncode}")
        if self.once:
            return job.returncode
        self.tell("the cluster goes on, with schedules and sensors, until Ctrl-C")
        return super()._watch(tend)

    def _end_workers(self) -> None:
        """Let steps come to their end; the processes of a worker must not hear of it, only the worker."""
        workers = [self._processes[name] for name in self._workers]
        for process in workers:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + WARM_SECONDS
        for process in workers:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))


def described(cluster: Cluster, addresses: Addresses) -> list[tuple[str, str]]:
    """Where everything of the cluster is."""
    return [
        ("PostgreSQL", addresses.postgres),
        ("Redis", addresses.redis),
        ("S3 (moto, in memory)", f"{addresses.s3}, lake s3://{BUCKET}/tables"),
        ("Dagster UI", cluster.url),
        ("health, metrics, API", url_of(cluster.host, cluster.api_port)),
        *((f"worker of {queue}", does) for queue, does in QUEUES.items()),
        ("exports, reports", f"{cluster.home}/exports, {cluster.home}/reports"),
        ("logs", f"{cluster.home}/logs"),
    ]


def _end(job: "subprocess.Popen[bytes]") -> None:
    if job.poll() is None:
        job.send_signal(signal.SIGINT)
        try:
            job.wait(WARM_SECONDS)
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()


def _redis_url(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url.get_secret_value()
