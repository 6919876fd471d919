"""`pipeline-platform up`, workers and the main job as a user starts them: what benchmarks start, watch and break."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import redis

from benchmarks.measure import BenchmarkError
from pipeline_platform.operate.workers import Workers
from pipeline_platform.serve.keys import HEADER
from pipeline_platform.settings import PREFIX
from pipeline_platform.sources.registry import SOURCES

PROGRAMS = {
    "code server": ("dagster", "code-server"),
    "webserver": ("dagster-webserver",),
    "daemon": ("dagster-daemon",),
    "API": ("pipeline-platform", "api"),
}
"""What `up` starts, as its command lines begin."""
PIPELINE = [sys.executable, "-m", "pipeline_platform.cli"]
READY_SECONDS = 420
STOP_SECONDS = 90
PAUSE_SECONDS = 0.25

Found = TypeVar("Found")


@dataclass(frozen=True)
class RunningPlatform:
    """A platform that runs in `home`, with its API at `api`."""

    home: Path
    process: "subprocess.Popen[str]"
    api: str
    client: httpx.Client

    def processes(self) -> dict[str, int]:
        """Process ids of what `up` started, by name, and of its servers."""
        found = {"PostgreSQL": self._written("postgres/postmaster.pid"), "Redis": self._written("redis/redis.pid")}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                words = [Path(word).name for word in child.cmdline()[1:]]
                found |= {name: child.pid for name, start in PROGRAMS.items() if tuple(words[: len(start)]) == start}
        return found

    def _written(self, path: str) -> int:
        return int((self.home / path).read_text().split("\n", 1)[0])

    def ask(self, path: str, **query: Any) -> Any:
        """What the API answers.

        Raises:
            httpx.HTTPError: it does not, or with an error.
        """
        return self.client.get(path, params=query).raise_for_status().json()

    def launch(self, job: str, day: date, *, assets: Sequence[str] = (), tags: Mapping[str, str] | None = None) -> str:
        """Start a run for a day; gives its id.

        Raises:
            httpx.HTTPError: the API does not answer, or refuses.
        """
        wanted = {"first_day": day.isoformat(), "assets": list(assets), "tags": dict(tags or {})}
        answer = self.client.post(f"/api/v1/jobs/{job}/runs", json=wanted)
        return str(answer.raise_for_status().json()["run_id"])

    def pause_schedules(self) -> None:
        """Let no schedule tick any more."""
        for schedule in self.ask("/api/v1/schedules"):
            self.client.post(f"/api/v1/schedules/{schedule['name']}/pause").raise_for_status()

    def ended(self, run_id: str, seconds: float) -> str:
        """How a run ended, however often the API must be asked; `hangs` if it has not after `seconds`."""

        def status() -> str | None:
            found = str(self.ask(f"/api/v1/runs/{run_id}")["status"])
            return None if found in ("queued", "started") else found

        return until(status, seconds) or "hangs"


def until(ask: Callable[[], Found | None], seconds: float) -> Found | None:
    """What `ask` gives as soon as it gives something true; None after `seconds`. An API that fails is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if found := ask():
                return found
        time.sleep(PAUSE_SECONDS)
    return None


def paused() -> dict[str, str]:
    """Settings with which no schedule starts a run, so that only the benchmark does."""
    return {f"{PREFIX}{source.name.upper()}__PAUSED": "true" for source in SOURCES}


@contextmanager
def running_platform(home: Path, **variables: str) -> Iterator[RunningPlatform]:
    """`pipeline-platform up` on `home`, with these further variables of the environment, until the end of the body.

    Raises:
        BenchmarkError: it did not come up.
    """
    key = secrets.token_hex(16)
    environment = {**os.environ, f"{PREFIX}HOME": str(home), f"{PREFIX}API_KEY": key, **variables}
    said = home.with_name(f"{home.name}.log")
    with said.open("w") as file:
        process = subprocess.Popen(
            [*PIPELINE, "up", "--api-port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"API: (\S+)", line) for line in process.stdout)), None)
        if found is None:
            raise BenchmarkError(f"`up` did not come up: {said.read_text()[-800:]}")
        with httpx.Client(base_url=found[1], headers={HEADER: key}, timeout=60, trust_env=False) as client:
            yield RunningPlatform(home, process, found[1], client)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_workers(homes: Sequence[Path], client: redis.Redis, **variables: str) -> Iterator[None]:
    """A worker of all queues in each of `homes`, each with one step at once, until the end of the body.

    Raises:
        BenchmarkError: they did not come up.
    """
    with ExitStack() as stack:
        processes = []
        for at, home in enumerate(homes):
            home.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(home.with_name(f"worker-{at}.log").open("wb"))
            environment = {**os.environ, f"{PREFIX}HOME": str(home), f"{PREFIX}EXECUTOR": "celery", **variables}
            command = [*PIPELINE, "worker", "--concurrency", "1"]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True))
        try:
            if not until(lambda: len(Workers(client).alive()) >= len(homes), READY_SECONDS):
                raise BenchmarkError(f"{len(homes)} workers did not come up within {READY_SECONDS} s")
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(STOP_SECONDS)


def main_job(*arguments: str, **variables: str) -> dict[str, Any]:
    """The report of a main job, with these further variables of the environment.

    Raises:
        BenchmarkError: it did not succeed.
    """
    answer = subprocess.run(
        [*PIPELINE, "run", "--json", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise BenchmarkError(f"the main job ended with {answer.returncode}: {answer.stderr.strip()[-800:]}")
    report: dict[str, Any] = json.loads(answer.stdout)
    return report
