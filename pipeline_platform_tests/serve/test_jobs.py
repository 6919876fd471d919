"""The job-management API over a real Dagster: webserver, daemon and code server, as `up` starts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from pipeline_platform.serve import jobs
from pipeline_platform.serve.keys import HEADER
from pipeline_platform.settings import PREFIX, Settings
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.conftest import running_up

KEY = "a key of sixteen letters or more"


def client_of(settings: Settings) -> TestClient:
    app = FastAPI()
    app.include_router(jobs.router(Stores(settings)))
    return TestClient(app, headers={HEADER: KEY})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("up") / "home"
    with (
        running_up(home, **{f"{PREFIX}API_KEY": KEY}) as up,
        httpx.Client(base_url=up.api, headers={HEADER: KEY}, timeout=60) as client,
    ):
        yield client


@retry(retry=retry_if_result(lambda run: run["ended_at"] is None), stop=stop_after_delay(120), wait=wait_fixed(0.5))
def ended(api: httpx.Client, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/v1/runs/{run_id}").json()
    return found


def test_jobs_are_listed_with_what_starts_them(api: httpx.Client) -> None:
    found = {job["name"]: job for job in api.get("/api/v1/jobs").json()}
    assert found["fetch_rss"]["schedules"] == ["rss_cadence"]
    assert found["fetch_rss"]["takes_days"]
    assert found["replay_dead_letters"]["sensors"] == ["waiting_letters"]
    assert not found["replay_dead_letters"]["takes_days"]


def test_a_schedule_is_paused_and_resumed(api: httpx.Client) -> None:
    def running() -> bool:
        return {one["name"]: one["running"] for one in api.get("/api/v1/schedules").json()}["rss_cadence"]

    assert running()
    for _ in range(2):
        assert api.post("/api/v1/schedules/rss_cadence/pause").status_code == 204
        assert not running()
    for _ in range(2):
        assert api.post("/api/v1/schedules/rss_cadence/resume").status_code == 204
        assert running()
    assert "rss_cadence" in api.post("/api/v1/schedules/none/pause").json()["detail"]


def test_a_sensor_is_paused_and_resumed(api: httpx.Client) -> None:
    def sensor() -> dict[str, Any]:
        return {one["name"]: one for one in api.get("/api/v1/sensors").json()}["waiting_letters"]

    assert sensor()["running"]
    assert sensor()["interval_seconds"] == 60
    assert api.post("/api/v1/sensors/waiting_letters/pause").status_code == 204
    assert not sensor()["running"]
    assert api.post("/api/v1/sensors/waiting_letters/resume").status_code == 204
    assert sensor()["running"]
    assert api.post("/api/v1/sensors/none/resume").status_code == 404


def test_a_run_is_started_watched_and_listed(api: httpx.Client) -> None:
    asked = {"first_day": "2026-11-20", "last_day": "2026-11-21", "assets": ["raw/rss_articles"]}
    answer = api.post("/api/v1/jobs/fetch_rss/runs", json=asked)
    assert answer.status_code == 202, answer.text
    run = ended(api, answer.json()["run_id"])
    assert (run["status"], run["errors"]) == ("success", [])
    assert (run["first_day"], run["last_day"]) == ("2026-11-20", "2026-11-21")
    steps = {step["key"]: step for step in run["steps"]}
    assert steps["raw__rss_articles"]["status"] == "success"
    assert steps["raw__rss_articles"]["seconds"] > 0
    listed = api.get("/api/v1/runs", params={"job": "fetch_rss", "status": ["success", "failure"]}).json()
    assert run["run_id"] in {one["run_id"] for one in listed}
    assert api.get("/api/v1/runs", params={"after": run["run_id"], "job": "fetch_rss", "status": "queued"}).json() == []
    refused = api.post(f"/api/v1/runs/{run['run_id']}/cancel")
    assert (refused.status_code, "ended already" in refused.json()["detail"]) == (409, True)


def test_a_run_that_fails_tells_where(api: httpx.Client) -> None:
    config = {"ops": {"replay_letters": {"config": {"source": "nobody"}}}}
    answer = api.post("/api/v1/jobs/replay_dead_letters/runs", json={"config": config})
    run = ended(api, answer.json()["run_id"])
    assert run["status"] == "failure"
    step = next(fault for fault in run["errors"] if fault["step"])
    assert step["step"] == "replay_letters"
    assert "there is no source nobody" in step["message"]
    assert any("replay_letters" in line for cause in [step, *step["causes"]] for line in cause["stack"])


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("fetch_nothing", {}, 404, "fetch_rss"),
        ("fetch_rss", {"first_day": "2026-11-21", "last_day": "2026-11-20"}, 422, "comes after"),
        ("fetch_rss", {"last_day": "2026-11-20"}, 422, "first_day"),
        ("fetch_rss", {"first_day": "2999-01-01"}, 422, "not begun"),
        ("fetch_rss", {"first_day": "1999-01-01"}, 422, "PIPELINE_START_DATE"),
        ("fetch_rss", {"first_day": "soon"}, 422, "date"),
        ("replay_dead_letters", {"first_day": "2026-11-20"}, 422, "no days"),
        ("fetch_rss", {"assets": ["raw/nothing"]}, 409, "nothing"),
        ("replay_dead_letters", {"config": {"ops": {"other": 1}}}, 409, "other"),
    ],
)
def test_what_cannot_run_is_refused(api: httpx.Client, path: str, body: dict[str, Any], code: int, said: str) -> None:
    answer = api.post(f"/api/v1/jobs/{path}/runs", json=body)
    assert (answer.status_code, said in answer.text) == (code, True), answer.text


def test_an_unknown_run_is_not_found(api: httpx.Client) -> None:
    assert api.get("/api/v1/runs/none").status_code == 404
    assert api.post("/api/v1/runs/none/cancel").status_code == 404


@pytest.mark.parametrize("headers", [{HEADER: ""}, {HEADER: KEY[:-1]}, {HEADER: "ü"}])
def test_nothing_is_told_without_the_key(tmp_path: Path, headers: dict[str, str]) -> None:
    client = client_of(Settings(home=tmp_path, api_key=KEY, _env_file=None))
    answer = client.get("/api/v1/jobs", headers={name: value.encode() for name, value in headers.items()})
    assert (answer.status_code, KEY in answer.text) == (401, False)


def test_a_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    keys = {Stores(Settings(home=tmp_path, _env_file=None)).api_key for _ in range(3)}
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert ((tmp_path / "api.key").stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o600, [tmp_path / "api.key"])


def test_without_dagster_it_says_what_to_start(tmp_path: Path) -> None:
    client = client_of(Settings(home=tmp_path, api_key=KEY, dagster_url="http://127.0.0.1:9", _env_file=None))
    answer = client.get("/api/v1/jobs")
    assert (answer.status_code, "pipeline-platform up" in answer.json()["detail"]) == (503, True)


def test_the_schema_tells_of_the_key(tmp_path: Path) -> None:
    schema = client_of(Settings(home=tmp_path, api_key=KEY, _env_file=None)).get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["APIKeyHeader"]["name"] == HEADER
    assert {path for path in schema["paths"] if not path.startswith("/api/v1/")} == set()
