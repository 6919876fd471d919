"""The job-management API, under `/api/v1`: what runs, when, how it went; start it, stop it, pause it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, status
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from pipeline_platform.serve.keys import requires_key
from pipeline_platform.serve.orchestrator import (
    UNFINISHED,
    NotFoundError,
    Orchestrator,
    OrchestratorError,
    RefusedError,
    UnavailableError,
)
from pipeline_platform.storage.stores import Stores

RunStatus = Literal["queued", "started", "success", "failure", "canceled"]
STATUSES: dict[RunStatus, tuple[str, ...]] = {
    "queued": ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING"),
    "started": ("STARTED", "CANCELING"),
    "success": ("SUCCESS",),
    "failure": ("FAILURE",),
    "canceled": ("CANCELED",),
}
Answer = TypeVar("Answer")
CODES: dict[type[OrchestratorError], int] = {
    NotFoundError: status.HTTP_404_NOT_FOUND,
    RefusedError: status.HTTP_409_CONFLICT,
    UnavailableError: status.HTTP_503_SERVICE_UNAVAILABLE,
}


class Run(BaseModel):
    """A run."""

    run_id: str
    job: str
    status: RunStatus
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    first_day: date | None = Field(description="First UTC day it was asked for.")
    last_day: date | None = Field(description="Last UTC day it was asked for, included.")
    tags: dict[str, str]


class Step(BaseModel):
    """A step of a run: one asset with its checks, or one op."""

    key: str
    status: str | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    seconds: float | None
    attempts: int


class Fault(BaseModel):
    """Why a step, or the run as a whole (`step` is null), failed."""

    step: str | None
    at: AwareDatetime
    error: str
    message: str
    stack: list[str]
    causes: list["Cause"]


class Cause(BaseModel):
    """An error behind an error."""

    error: str
    message: str
    stack: list[str]


class RunDetail(Run):
    """A run with its steps and errors."""

    steps: list[Step]
    errors: list[Fault]


class Job(BaseModel):
    """A job."""

    name: str
    description: str | None
    takes_days: bool = Field(description="Whether a run covers a range of UTC days.")
    schedules: list[str]
    sensors: list[str]
    last_run: Run | None


class Tick(BaseModel):
    """What a schedule or sensor did when it was evaluated."""

    at: AwareDatetime
    status: Literal["started", "skipped", "success", "failure"]
    skip_reason: str | None
    error: str | None


class Automation(BaseModel):
    """A schedule or a sensor."""

    name: str
    description: str | None
    running: bool
    jobs: list[str]
    last_tick: Tick | None


class Schedule(Automation):
    """A schedule."""

    cron: str
    time_zone: str
    next_tick: AwareDatetime | None


class Sensor(Automation):
    """A sensor."""

    interval_seconds: int


class Launch(BaseModel):
    """What to run."""

    first_day: date | None = Field(None, description="First UTC day; today if neither day is given.")
    last_day: date | None = Field(None, description="Last UTC day, included; the first day if not given.")
    assets: list[str] = Field([], description="Only these assets of the job, as `layer/table`.")
    config: dict[str, Any] = Field({}, description="Run configuration of Dagster.")
    tags: dict[str, str] = Field({}, description="Further tags of the run.")

    @model_validator(mode="after")
    def _in_order(self) -> "Launch":
        if self.last_day is not None and self.first_day is None:
            raise ValueError("last_day needs a first_day")
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError(f"first_day {self.first_day} comes after last_day {self.last_day}")
        if (last := self.last_day or self.first_day) and last > datetime.now(UTC).date():
            raise ValueError(f"{last} has not begun yet; days are in UTC")
        return self


class Launched(BaseModel):
    """A run that was started."""

    run_id: str


def router(stores: Stores) -> APIRouter:
    """The routes, over the Dagster of the settings."""
    orchestrator = Orchestrator(stores.settings.dagster_url)
    routes = APIRouter(
        prefix="/api/v1",
        tags=["jobs"],
        dependencies=[Depends(requires_key(stores))],
        responses={401: {"description": "No key, or another one."}, 503: {"description": "Dagster does not answer."}},
    )
    _add_automation(routes, orchestrator)
    _add_launch(routes, orchestrator, stores.settings.start_date)
    _add_runs(routes, orchestrator)
    return routes


def _add_automation(routes: APIRouter, orchestrator: Orchestrator) -> None:
    @routes.get("/jobs")
    def jobs() -> list[Job]:
        """Every job, with its schedules, its sensors and its last run."""
        return [_job(one) for one in _asked(orchestrator.jobs)]

    @routes.get("/schedules")
    def schedules() -> list[Schedule]:
        """Every schedule: on or off, its last and its next tick."""
        return [_schedule(one) for one in _asked(orchestrator.schedules)]

    @routes.get("/sensors")
    def sensors() -> list[Sensor]:
        """Every sensor: on or off, its last tick."""
        return [_sensor(one) for one in _asked(orchestrator.sensors)]

    @routes.post("/schedules/{name}/{action}", status_code=status.HTTP_204_NO_CONTENT)
    def turn_schedule(name: str, action: Literal["pause", "resume"]) -> None:
        """Pause or resume a schedule; what is so already stays so."""
        _asked(orchestrator.turn, "schedule", name, on=action == "resume")

    @routes.post("/sensors/{name}/{action}", status_code=status.HTTP_204_NO_CONTENT)
    def turn_sensor(name: str, action: Literal["pause", "resume"]) -> None:
        """Pause or resume a sensor; what is so already stays so."""
        _asked(orchestrator.turn, "sensor", name, on=action == "resume")


def _add_launch(routes: APIRouter, orchestrator: Orchestrator, start: date) -> None:
    def range_of(wanted: Launch) -> dict[str, str]:
        first = wanted.first_day or datetime.now(UTC).date()
        if first < start:
            raise HTTPException(422, f"{first} lies before PIPELINE_START_DATE, {start}")
        last = wanted.last_day or first
        return {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        }

    @routes.post("/jobs/{job}/runs", status_code=status.HTTP_202_ACCEPTED)
    def launch(job: str, wanted: Launch) -> Launched:
        """Start a run of a job, over a range of days if it takes one."""
        known = {one["name"]: one for one in _asked(orchestrator.jobs)}
        if job not in known:
            raise HTTPException(404, f"there is no job {job!r}; there are {', '.join(sorted(known))}")
        takes_days = known[job]["isAssetJob"]
        if wanted.first_day is not None and not takes_days:
            raise HTTPException(422, f"{job} takes no days")
        tags = wanted.tags | (range_of(wanted) if takes_days else {})
        run_id = _asked(orchestrator.launch, job, tags=tags, config=wanted.config, assets=wanted.assets)
        return Launched(run_id=run_id)


def _add_runs(routes: APIRouter, orchestrator: Orchestrator) -> None:
    @routes.get("/runs")
    def runs(
        job: str | None = None,
        states: Annotated[list[RunStatus], Query(alias="status")] = [],  # noqa: B006 - FastAPI copies it
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        after: Annotated[str | None, Query(description="Runs older than this one, by its id.")] = None,
    ) -> list[Run]:
        """Runs, newest first."""
        wanted = [state for name in states for state in STATUSES[name]]
        return [_run(one) for one in _asked(orchestrator.runs, job=job, statuses=wanted, limit=limit, cursor=after)]

    @routes.get("/runs/{run_id}")
    def run(run_id: str) -> RunDetail:
        """A run: the times of its steps, and its errors with their stack traces."""
        found = _asked(orchestrator.run, run_id)
        steps = [_step(one) for one in found["stepStats"]]
        return RunDetail(**_run(found).model_dump(), steps=steps, errors=[_fault(one) for one in found["errors"]])

    @routes.post("/runs/{run_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
    def cancel(run_id: str) -> None:
        """Ask a run to end; 409 if it has."""
        _asked(orchestrator.cancel, run_id)


def _asked(ask: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    try:
        return ask(*arguments, **options)
    except OrchestratorError as error:
        raise HTTPException(CODES.get(type(error), status.HTTP_502_BAD_GATEWAY), str(error)) from error


def _moment(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)


def _run(found: dict[str, Any]) -> Run:
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    of_one = tags.get("dagster/partition")
    return Run.model_validate(
        {
            "run_id": found["runId"],
            "job": found["jobName"],
            "status": next(name for name, states in STATUSES.items() if found["status"] in states),
            "created_at": _moment(found["creationTime"]),
            "started_at": _moment(found["startTime"]),
            "ended_at": None if found["status"] in UNFINISHED else _moment(found["endTime"]),
            "first_day": tags.get("dagster/asset_partition_range_start", of_one),
            "last_day": tags.get("dagster/asset_partition_range_end", of_one),
            "tags": tags,
        }
    )


def _job(found: dict[str, Any]) -> Job:
    return Job(
        name=found["name"],
        description=found["description"],
        takes_days=found["isAssetJob"],
        schedules=[one["name"] for one in found["schedules"]],
        sensors=[one["name"] for one in found["sensors"]],
        last_run=_run(found["runs"][0]) if found["runs"] else None,
    )


def _step(found: dict[str, Any]) -> Step:
    start, end = found["startTime"], found["endTime"]
    return Step.model_validate(
        {
            "key": found["stepKey"],
            "status": found["status"] and found["status"].lower(),
            "started_at": _moment(start),
            "ended_at": _moment(end),
            "seconds": end - start if start and end else None,
            "attempts": len(found["attempts"]),
        }
    )


def _fault(found: dict[str, Any]) -> Fault:
    error = found["error"]
    return Fault.model_validate(
        {
            "step": found.get("stepKey"),
            "at": datetime.fromtimestamp(float(found["timestamp"]) / 1000, UTC),
            "error": error["className"] or "Error",
            "message": error["message"],
            "stack": error["stack"],
            "causes": [
                {"error": one["className"] or "Error", "message": one["message"], "stack": one["stack"]}
                for one in error["causes"]
            ],
        }
    )


def _tick(state: dict[str, Any]) -> Tick | None:
    if not state["ticks"]:
        return None
    found = state["ticks"][0]
    return Tick.model_validate(
        {
            "at": _moment(found["timestamp"]),
            "status": found["status"].lower(),
            "skip_reason": found["skipReason"],
            "error": found["error"] and found["error"]["message"],
        }
    )


def _schedule(found: dict[str, Any]) -> Schedule:
    following = found["futureTicks"]["results"]
    return Schedule(
        name=found["name"],
        description=found["description"],
        running=found["scheduleState"]["status"] == "RUNNING",
        jobs=[found["pipelineName"]],
        last_tick=_tick(found["scheduleState"]),
        cron=found["cronSchedule"],
        time_zone=found["executionTimezone"] or "UTC",
        next_tick=_moment(following[0]["timestamp"]) if following else None,
    )


def _sensor(found: dict[str, Any]) -> Sensor:
    return Sensor(
        name=found["name"],
        description=found["description"],
        running=found["sensorState"]["status"] == "RUNNING",
        jobs=sorted({one["pipelineName"] for one in found["targets"] or []}),
        last_tick=_tick(found["sensorState"]),
        interval_seconds=found["minIntervalSeconds"],
    )
