"""What happens around every step: its log lines say where they come from, and a failure is told and counted.

Around the function that computes, and not in the executor: so it is the same whoever executes a step, this process,
another one or a worker elsewhere.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import dagster as dg
from opentelemetry.trace import Link
from structlog.contextvars import bound_contextvars

from pipeline_platform.operate import tracing
from pipeline_platform.operate.measures import note_failure
from pipeline_platform.schemas.table import JOINED
from pipeline_platform.settings import load_settings
from pipeline_platform.storage.stores import Stores

log = logging.getLogger(__name__)

Compute = TypeVar("Compute", bound=Callable[..., Any])


def observed(compute: Compute) -> Compute:
    """`compute`, the function of an asset, a check or an op whose first argument is the context, observed."""
    if inspect.isgeneratorfunction(compute):

        @functools.wraps(compute)
        def several(context: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
            with _step(context):
                yield from compute(context, *arguments, **named)

        return cast(Compute, several)

    @functools.wraps(compute)
    def one(context: Any, *arguments: Any, **named: Any) -> Any:
        with _step(context):
            return compute(context, *arguments, **named)

    return cast(Compute, one)


@contextmanager
def _step(context: Any) -> Iterator[None]:
    inner = getattr(context, "op_execution_context", context)
    known = _known(inner)
    with bound_contextvars(**known), _traced(inner, known):
        log.info("step started")
        try:
            yield
        except Exception as error:
            log.exception("step failed")
            # A Failure is raised for what was counted where it happened: the targets of a fetch.
            if not isinstance(error, dg.Failure):
                _count(known.get("source", JOINED), error)
            raise
        log.info("step ended")


@contextmanager
def _traced(context: dg.OpExecutionContext, known: dict[str, str]) -> Iterator[None]:
    """A span around a step, below what caused its run or else what made its inputs."""
    settings = load_settings()
    if not tracing.configure(settings):
        yield
        return
    lineage = tracing.Lineage(Stores(settings).redis)
    made, checked = _keys(context)
    parent = tracing.parent_of(context.run.tags.get(tracing.PARENT_TAG))
    links: list[Link] = []
    if parent is None:
        graph = context.job_def.asset_layer.asset_graph
        upstream = {one for key in made if graph.has(key) for one in graph.get(key).parent_keys} | checked
        parent, links = lineage.of(sorted("/".join(key.path) for key in upstream))
    name = f"step {known['asset']}" if made else f"check {known['step']}"
    try:
        with tracing.span(name, {f"pipeline.{key}": value for key, value in known.items()}, parent=parent, links=links):
            yield
            lineage.made("/".join(key.path) for key in made)
    finally:
        tracing.flush()
        lineage.redis.close()


def _keys(context: dg.OpExecutionContext) -> tuple[set[dg.AssetKey], set[dg.AssetKey]]:
    """The assets that a step makes, and those that it checks."""
    return set(context.selected_asset_keys), {check.asset_key for check in context.selected_asset_check_keys}


def _known(context: dg.OpExecutionContext) -> dict[str, str]:
    """Run, job, step, asset, partition and source of a step, as far as it has them."""
    made, checked = _keys(context)
    keys = made | checked
    assets = sorted("/".join(key.path) for key in keys)
    tags = context.run.tags
    first = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
    last = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_end")
    graph = context.job_def.asset_layer.asset_graph
    sources = sorted({graph.get(key).tags.get("source", JOINED) for key in keys if graph.has(key)})
    known = {
        "run_id": context.run_id,
        "job": context.job_name,
        "step": str(context.op_handle),
        "asset": ", ".join(assets),
        "partition": first if first == last else f"{first}..{last}",
        "source": sources[0] if len(sources) == 1 else tags.get("source"),
    }
    return {name: value for name, value in known.items() if value}


def _count(source: str, error: Exception) -> None:
    stores = Stores(load_settings())
    note_failure(stores, source, error)
    stores.warehouse.close()
