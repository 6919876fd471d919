"""`pipeline-platform up` runs unwatched: whatever of it is killed comes back, and what it was asked for is done."""

import os
import signal
from pathlib import Path

import httpx
import orjson
from tenacity import retry, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from pipeline_platform.serve.keys import HEADER
from pipeline_platform.settings import PREFIX
from pipeline_platform_tests.conftest import Up, running_up

KEY = "a key of sixteen letters or more"


def processes(up: Up) -> list[int]:
    """Code server, webserver, daemon and API, and the servers that they need."""
    state = orjson.loads((up.home / "dagster/up.json").read_bytes())
    servers = [up.home / "postgres/postmaster.pid", up.home / "redis/redis.pid"]
    return [*map(int, state["processes"]), *(int(path.read_text().split()[0]) for path in servers)]


@retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_delay(120), wait=wait_fixed(0.5))
def jobs(up: Up) -> list[str]:
    answer = httpx.get(f"{up.api}/api/v1/jobs", headers={HEADER: KEY}, timeout=30)
    answer.raise_for_status()
    return [job["name"] for job in answer.json()]


@retry(
    retry=retry_if_result(lambda status: status in ("queued", "started")),
    stop=stop_after_delay(150),
    wait=wait_fixed(1),
)
def status(up: Up, run_id: str) -> str:
    return str(httpx.get(f"{up.api}/api/v1/runs/{run_id}", headers={HEADER: KEY}, timeout=30).json()["status"])


def test_whatever_is_killed_comes_back(tmp_path: Path) -> None:
    with running_up(tmp_path / "home", **{f"{PREFIX}API_KEY": KEY}) as up:
        assert "fetch_hackernews" in jobs(up)
        for number in processes(up):
            os.kill(number, signal.SIGKILL)
        assert "fetch_hackernews" in jobs(up)
        answer = httpx.post(f"{up.api}/api/v1/jobs/fetch_hackernews/runs", json={}, headers={HEADER: KEY}, timeout=60)
        assert answer.status_code == 202, answer.text
        assert status(up, answer.json()["run_id"]) == "success"
        assert up.process.poll() is None
