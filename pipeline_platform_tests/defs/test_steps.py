"""Around every step: its log lines say where they come from, and its failure is counted."""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from structlog.contextvars import get_contextvars

from pipeline_platform.defs.partitions import daily, range_tags
from pipeline_platform.defs.steps import observed
from pipeline_platform.storage.metrics import Measure, stored
from pipeline_platform.storage.stores import Stores
from pipeline_platform_tests.storage.conftest import DAY, NEXT


def errors(stores: Stores) -> dict[tuple[str, str], float]:
    with stores.warehouse.begin() as connection:
        counted: list[Measure] = stored(connection)["errors"]
    return {(one.labels["source"], one.labels["class"]): one.value for one in counted}


def run(asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("walk", selection=[asset])
    with dg.DagsterInstance.ephemeral() as instance:
        return (
            dg.Definitions(assets=[asset], jobs=[job], executor=dg.in_process_executor)
            .resolve_job_def("walk")
            .execute_in_process(instance=instance, tags=range_tags(DAY, NEXT), raise_on_error=False)
        )


def asset(body: Any, **arguments: Any) -> dg.AssetsDefinition:
    def walk(context: dg.AssetExecutionContext) -> None:
        body()

    return dg.asset(
        key=["raw", "town_posts"],
        partitions_def=daily(),
        backfill_policy=dg.BackfillPolicy.single_run(),
        tags={"source": "town"},
        **arguments,
    )(observed(walk))


def test_every_asset_check_and_op_is_observed(definitions: dg.Definitions) -> None:
    graph = definitions.get_repository_def()
    ops = {node.name: node for job in graph.get_all_jobs() for node in job.nodes}
    computed = {name: getattr(node.definition, "compute_fn", None) for name, node in ops.items()}
    bare = [
        name
        for name, compute in computed.items()
        if compute is not None and not hasattr(getattr(compute, "decorated_fn", compute), "__wrapped__")
    ]
    assert computed
    assert bare == []


def test_lines_of_a_step_say_run_asset_partition_and_source(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    seen: dict[str, Any] = {}
    with caplog.at_level(logging.INFO, "pipeline_platform"):
        result = run(asset(lambda: seen.update(get_contextvars())))
    assert result.success
    assert seen == {
        "run_id": result.run_id,
        "job": "walk",
        "step": "raw__town_posts",
        "asset": "raw/town_posts",
        "partition": f"{DAY}..{NEXT}",
        "source": "town",
    }
    assert get_contextvars() == {}, "what was known of a step ends with it"
    assert [record.message for record in caplog.records] == ["step started", "step ended"]


def test_a_step_that_yields_is_observed_as_well(stores: Stores) -> None:
    seen: dict[str, Any] = {}

    @dg.asset
    @observed
    def walk(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.Output(1)
        seen.update(get_contextvars())

    assert dg.materialize([walk]).success
    assert seen["asset"] == "walk"


def test_a_failure_is_counted_by_source_and_class(stores: Stores) -> None:
    def stumble() -> None:
        raise KeyError("the bridge")

    def told() -> None:
        raise dg.Failure("every target failed", allow_retries=False)

    for body in (stumble, stumble, told):
        assert not run(asset(body)).success
    assert errors(stores) == {("town", "KeyError"): 2}, "targets of a fetch are counted where they failed"


def test_a_failure_without_a_warehouse_is_the_failure(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none")

    def stumble() -> None:
        raise KeyError("the bridge")

    result = run(asset(stumble))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "the bridge" in str(failure.step_failure_data.error)
