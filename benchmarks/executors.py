"""What executing steps elsewhere costs, and what more workers bring.

Steps that do nothing, in this process, in a process each, and by one worker; then the fetches of all sources from
upstreams that take their time, by one, two and four workers with one step at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
import redis

from benchmarks.measure import BenchmarkError, Figure, apart, compared, race
from benchmarks.running_platform import main_job, running_workers
from pipeline_platform.launch.environment import platform_environment
from pipeline_platform.launch.instance import command_instance
from pipeline_platform.launch.sandbox_process import SandboxOptions
from pipeline_platform.operate.queues import QUEUES
from pipeline_platform.settings import PREFIX, load_settings

SCALE = 100
STEPS = (1, 10, 100)
EXECUTORS = ("in_process", "multiprocess", "celery")
WORKERS = (1, 2, 4)
SLOW = "*:slow=0.02"
"""Ten pieces of a body, 20 ms apart: 200 ms a request."""
ROOT = Path(__file__).parents[1]


@contextmanager
def _workers(number: int) -> Iterator[None]:
    """That many workers, each with a folder of its own."""
    settings = load_settings()
    assert settings.redis_url is not None
    homes = [settings.home / "workers" / str(at) for at in range(number)]
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
        with running_workers(homes, client, PYTHONPATH=str(ROOT)):
            yield


@contextmanager
def _platform(faults: str | None = None) -> Iterator[None]:
    """Servers and sandbox of a home of its own, which workers with other homes find by their addresses."""
    with apart() as folder:
        shared = {f"{PREFIX}LAKE_URL": f"{folder}/lake", f"{PREFIX}PSEUDONYM_KEY": "of this benchmark"}
        with platform_environment(load_settings(), SandboxOptions(faults=faults), more=shared):
            yield


def _idle(executor: str, steps: int) -> None:
    recipe = dg.build_reconstructable_job("benchmarks.idle_steps", "idle_job", (steps, executor), {}, str(ROOT))
    with command_instance(load_settings().home) as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with dg.execute_job(recipe, instance, run_config=quiet) as result:
            if not result.success:
                raise BenchmarkError(f"{steps} idle steps failed by {executor}")


def _overhead(most: int, rounds: int) -> list[Figure]:
    figures = []
    with _platform(), _workers(1):
        for steps in (number for number in STEPS if number <= most):
            contestants = {name: partial(_idle, name, steps) for name in EXECUTORS}
            seconds = race(contestants, rounds)
            what = f"{steps} idle step{'s' if steps > 1 else ''}"
            figures.append(compared(f"{what} by celery, one worker", seconds, "celery", "in_process"))
            figures.append(compared(f"{what} by multiprocess", seconds, "multiprocess", "in_process"))
    return figures


def _ingested(workers: int) -> tuple[int, float]:
    """Records and seconds of fetching all sources."""
    with _platform(SLOW), _workers(workers):
        report = main_job("--select", "group:raw", **{f"{PREFIX}EXECUTOR": "celery"})
    return sum(rows for path, rows in report["rows"].items() if path.startswith("raw/")), report["seconds"]


def run(scale: int, rounds: int) -> list[Figure]:
    """Overhead up to `scale` steps, then throughput of ingestion; each worker count once a round, the best is told."""
    figures = _overhead(scale, rounds)
    rates: dict[int, float] = {}
    for _ in range(rounds):
        for number in WORKERS:
            records, seconds = _ingested(number)
            rates[number] = max(rates.get(number, 0.0), records / seconds)
    alone = rates[WORKERS[0]]
    for number, rate in rates.items():
        what = f"raw records, 200 ms a request, {number} worker{'s' if number > 1 else ''} ({len(QUEUES)} queues)"
        figures.append(Figure(what, rate, "records/s", "1 worker", alone, rate / alone))
    return figures
