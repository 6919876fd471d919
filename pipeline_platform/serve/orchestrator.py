"""What the API asks of Dagster, over the GraphQL of its webserver: jobs, schedules, sensors, runs.

Runs are started and ended by Dagster's own client; it lists nothing, so lists are asked for by queries of ours.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from pipeline_platform.serve import queries

LOCATION, REPOSITORY = "pipeline_platform", "__repository__"
TIMEOUT_SECONDS = 30
UNFINISHED = ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING")
EVENTS_AT_ONCE = 1000


class OrchestratorError(Exception):
    """Dagster could not be asked, or refused."""


class UnavailableError(OrchestratorError):
    """The webserver of Dagster does not answer."""


class NotFoundError(OrchestratorError):
    """There is no such job, schedule, sensor or run."""


class RefusedError(OrchestratorError):
    """Dagster does not do that; the message says why."""


class Orchestrator:
    """Dagster behind the webserver at `url`.

    Raises (all methods):
        UnavailableError: it does not answer.
        OrchestratorError: it answered with an error.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def jobs(self) -> list[dict[str, Any]]:
        """Jobs with their schedules, sensors and last run; Dagster's implicit job of all assets is not among them."""
        found = self._repository(queries.JOBS)["jobs"]
        return [job for job in found if not job["name"].startswith("__")]

    def schedules(self) -> list[dict[str, Any]]:
        """Schedules with their state, last and next tick."""
        return list(self._repository(queries.SCHEDULES)["schedules"])

    def sensors(self) -> list[dict[str, Any]]:
        """Sensors with their state and last tick."""
        return list(self._repository(queries.SENSORS)["sensors"])

    def turn(self, kind: str, name: str, *, on: bool) -> None:
        """Let a schedule or sensor (`kind`) tick, or not.

        Raises:
            NotFoundError: there is none of that name.
        """
        found = {one["name"]: one for one in (self.schedules() if kind == "schedule" else self.sensors())}
        if name not in found:
            raise NotFoundError(f"there is no {kind} {name!r}; there are {', '.join(sorted(found))}")
        state = found[name]["scheduleState" if kind == "schedule" else "sensorState"]
        selector = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, f"{kind}Name": name}
        given = {"selector": selector} if on else {"id": state["id"]}
        self._checked(self._ask(queries.TURNS[kind, on], given)["turned"])

    def runs(self, *, job: str | None, statuses: Sequence[str], limit: int, cursor: str | None) -> list[dict[str, Any]]:
        """Runs, newest first; those after the run `cursor`."""
        wanted = {"pipelineName": job, "statuses": list(statuses) or None}
        given = {
            "filter": {name: value for name, value in wanted.items() if value},
            "limit": limit,
            "cursor": cursor,
        }
        return list(self._checked(self._ask(queries.RUNS, given)["found"])["results"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A run with the times of its steps, and `errors`: of each failed step, and of the run.

        Raises:
            NotFoundError: there is no such run.
        """
        found = self._checked(self._ask(queries.RUN, {"id": run_id})["found"])
        return {**found, "errors": self._errors(run_id) if found["status"] == "FAILURE" else []}

    def launch(self, job: str, *, tags: Mapping[str, str], config: Mapping[str, Any], assets: Sequence[str]) -> str:
        """Start a run; gives its id.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it cannot run with these assets or this configuration.
        """
        selector = {"pipelineName": job, "repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}
        if assets:
            nodes = self._ask(queries.ASSETS, {"job": selector})["assetNodes"]
            # Dagster's client loses the message of a selection that is refused.
            if unknown := set(assets) - {"/".join(node["assetKey"]["path"]) for node in nodes}:
                raise RefusedError(f"{job} does not make {', '.join(sorted(unknown))}")
        keys = [asset.split("/") for asset in assets]
        try:
            return str(
                self._client.submit_job_execution(
                    job, LOCATION, REPOSITORY, run_config=dict(config), tags=dict(tags), asset_selection=keys or None
                )
            )
        except DagsterGraphQLClientError as error:
            raise _told(error, self.url) from error

    def cancel(self, run_id: str) -> None:
        """Ask a run to end.

        Raises:
            NotFoundError: there is no such run.
            RefusedError: it has ended already.
        """
        if self.run(run_id)["status"] not in UNFINISHED:
            raise RefusedError(f"run {run_id} has ended already")
        try:
            self._client.terminate_run(run_id)
        except DagsterGraphQLClientError as error:
            raise _told(error, self.url) from error

    @cached_property
    def _client(self) -> DagsterGraphQLClient:
        where = urlsplit(self.url)
        return DagsterGraphQLClient(
            where.hostname or "", where.port, use_https=where.scheme == "https", timeout=TIMEOUT_SECONDS,
            path_prefix=where.path,
        )  # fmt: skip

    def _errors(self, run_id: str) -> list[dict[str, Any]]:
        errors, cursor = [], None
        while True:
            given = {"id": run_id, "cursor": cursor, "limit": EVENTS_AT_ONCE}
            page = self._checked(self._ask(queries.EVENTS, given)["found"])["eventConnection"]
            errors += [event for event in page["events"] if event.get("error")]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return errors

    def _repository(self, query: str) -> Any:
        given = {"selector": {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}}
        return self._checked(self._ask(query, given)["found"])

    def _ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        try:
            answer = httpx.post(
                f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=TIMEOUT_SECONDS
            )
            answer.raise_for_status()
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(
                f"Dagster does not answer at {self.url} ({error}): start `pipeline-platform up`, or set "
                "PIPELINE_DAGSTER_URL to its webserver"
            ) from error
        if said.get("errors"):
            raise OrchestratorError(said["errors"][0]["message"])
        return said["data"]

    @staticmethod
    def _checked(found: dict[str, Any]) -> dict[str, Any]:
        """What was asked for; Dagster tells errors as another type of the answer."""
        kind, message = found["__typename"], found.get("message", "")
        if kind.endswith("NotFoundError"):
            raise NotFoundError(message)
        if kind.endswith("Error"):
            raise OrchestratorError(message)
        return found


def _told(error: DagsterGraphQLClientError, url: str) -> OrchestratorError:
    """The error of Dagster's client, which names the type of the answer first, as one of ours."""
    kind, *rest = [str(part) for part in error.args] or [""]
    message = rest[0] if rest else kind
    if "NotFound" in kind:
        return NotFoundError(message)
    if "connecting" in kind:
        return UnavailableError(f"Dagster does not answer at {url}")
    return RefusedError(message)
