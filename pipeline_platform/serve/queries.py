"""GraphQL queries for Dagster's webserver (1.13); `found` and `turned` are what was asked for, or an error."""

_TICK = "timestamp status skipReason error { message }"
_STATE = f"id status ticks(limit: 1) {{ {_TICK} }}"
_RUN = "runId jobName status creationTime startTime endTime tags { key value }"
_ERROR = "... on Error { message }"
_IN_REPOSITORY = """
query ($selector: RepositorySelector!) {{
  found: repositoryOrError(repositorySelector: $selector) {{
    __typename
    {error}
    ... on Repository {{ {fields} }}
  }}
}}
"""

JOBS = _IN_REPOSITORY.format(
    error=_ERROR,
    fields=(
        f"jobs {{ name description isAssetJob schedules {{ name }} sensors {{ name }} runs(limit: 1) {{ {_RUN} }} }}"
    ),
)
ASSETS = """
query ($job: PipelineSelector!) { assetNodes(pipeline: $job) { assetKey { path } } }
"""
SCHEDULES = _IN_REPOSITORY.format(
    error=_ERROR,
    fields=(
        "schedules { name description pipelineName cronSchedule executionTimezone "
        f"scheduleState {{ {_STATE} }} futureTicks(limit: 1) {{ results {{ timestamp }} }} }}"
    ),
)
SENSORS = _IN_REPOSITORY.format(
    error=_ERROR,
    fields=f"sensors {{ name description minIntervalSeconds targets {{ pipelineName }} sensorState {{ {_STATE} }} }}",
)
TURNS = {
    ("schedule", True): """
        mutation ($selector: ScheduleSelector!) {
          turned: startSchedule(scheduleSelector: $selector) { __typename ... on Error { message } }
        }""",
    ("schedule", False): """
        mutation ($id: String!) { turned: stopRunningSchedule(id: $id) { __typename ... on Error { message } } }""",
    ("sensor", True): """
        mutation ($selector: SensorSelector!) {
          turned: startSensor(sensorSelector: $selector) { __typename ... on Error { message } }
        }""",
    ("sensor", False): """
        mutation ($id: String!) { turned: stopSensor(id: $id) { __typename ... on Error { message } } }""",
}
RUNS = f"""
query ($filter: RunsFilter, $limit: Int!, $cursor: String) {{
  found: runsOrError(filter: $filter, limit: $limit, cursor: $cursor) {{
    __typename
    {_ERROR}
    ... on Runs {{ results {{ {_RUN} }} }}
  }}
}}
"""
RUN = f"""
query ($id: ID!) {{
  found: runOrError(runId: $id) {{
    __typename
    {_ERROR}
    ... on Run {{ {_RUN} stepStats {{ stepKey status startTime endTime attempts {{ startTime }} }} }}
  }}
}}
"""
EVENTS = f"""
query ($id: ID!, $cursor: String, $limit: Int!) {{
  found: runOrError(runId: $id) {{
    __typename
    {_ERROR}
    ... on Run {{
      eventConnection(afterCursor: $cursor, limit: $limit) {{
        cursor
        hasMore
        events {{
          ... on ExecutionStepFailureEvent {{ stepKey timestamp error {{ ...chain }} }}
          ... on RunFailureEvent {{ timestamp error {{ ...chain }} }}
        }}
      }}
    }}
  }}
}}
fragment chain on PythonError {{ className message stack causes {{ className message stack }} }}
"""
