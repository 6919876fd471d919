"""Workers as a user starts them: killed in the middle of a step, told to stop, and without what they need."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from pipeline_platform.launch.sandbox_process import SandboxOptions, running_sandbox
from pipeline_platform.operate.workers import Workers
from pipeline_platform.schemas.catalog import tables
from pipeline_platform.storage.lake import Lake
from pipeline_platform_tests.conftest import run_command
from pipeline_platform_tests.launch.test_bad_days import at_work, started, until_it_says

PATIENCE_SECONDS = 280
JOB = ("run", "--json", "--source", "coingecko", "--select", 'key:"raw/coingecko_prices"+1')


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with running_sandbox(SandboxOptions()) as url:
        yield url


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch, sandbox: str) -> None:
    """Everything that is started finds these settings."""
    monkeypatch.setattr(
        "pipeline_platform_tests.launch.test_bad_days.without_settings",
        lambda before: {**before, "PIPELINE_EXECUTOR": "celery", "PIPELINE_SANDBOX_URL": sandbox},
    )


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
@pytest.mark.usefixtures("celery")
def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, "worker", "--concurrency", "1") as first, started(home, *JOB) as job:
        until_it_says(first, "raw__coingecko_prices:0] received")
        os.killpg(first.pid, signal.SIGKILL)
        with started(home, "worker", "--concurrency", "1") as second:
            answer, said = job.communicate(timeout=PATIENCE_SECONDS)
            assert job.returncode == 0, said[-2000:]
            with redis.Redis(unix_socket_path=str(home / "redis" / "redis.socket")) as client:
                assert [worker.concurrency for worker in Workers(client).alive()] == [1]
            os.kill(second.pid, signal.SIGINT)
            _, told = second.communicate(timeout=PATIENCE_SECONDS)
            assert second.returncode == 0, told[-2000:]
    assert "is put back" in told or "died" in said

    rows = orjson.loads(answer)["rows"]
    lake = Lake(str(home / "lake"), mode="demo")
    raw = lake.read(tables()["raw/coingecko_prices"])
    assert raw["record_id"].is_unique
    assert len(raw) == rows["raw/coingecko_prices"] > 0
    kept = [path for path in (home / "dagster" / "storage").rglob("*") if path.is_file()]
    assert [path for path in kept if "compute_logs" not in path.parts] == [], "values that stay on one machine"
    assert at_work(home) == []


def test_a_worker_needs_the_key_of_the_pseudonyms(tmp_path: Path) -> None:
    named = {"PIPELINE_POSTGRES_URL": "postgresql://localhost:1/none", "PIPELINE_EXECUTOR": "celery"}
    answer = run_command(tmp_path / "home", "worker", **named)
    assert answer.returncode == 2
    assert "PIPELINE_PSEUDONYM_KEY is not set" in " ".join(answer.stderr.split())


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
def test_a_cluster_comes_up_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started(home, "cluster", "--source", "coingecko") as cluster:
        for queue in ("ingest", "sentiment", "enrich", "aggregate"):
            until_it_says(cluster, f"worker-{queue} started")
        until_it_says(cluster, "fetch")
        os.kill(cluster.pid, signal.SIGINT)
        shown, said = cluster.communicate(timeout=PATIENCE_SECONDS)
    assert cluster.returncode == 0, said[-2000:]
    assert "s3://lake/tables" in shown
    assert "worker of ingest" in shown
    assert at_work(home) == []
