"""The commands about more than one machine: `worker`, and `cluster` for having all of them on this one."""

from typing import Annotated

import typer
from pydantic import SecretStr

from pipeline_platform.launch.options import (
    Faults,
    FirstDay,
    LastDay,
    Port,
    Scale,
    Seed,
    asked_days,
    check_queues,
    check_settings,
    check_sources,
    sandbox_options,
)
from pipeline_platform.settings import load_settings


def worker(
    queue: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Take steps from this queue; may be given several times, all by default."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps at once; one for every core by default.")
    ] = None,
) -> None:
    """Execute steps of runs, on this machine or beside others, until Ctrl-C; for PIPELINE_EXECUTOR=celery.

    Queues are ingest, sentiment, enrich and aggregate. PostgreSQL, Redis and the lake must be the same for every
    worker. The first Ctrl-C lets the steps at hand end, a second one gives them back to their queues.
    """
    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment

    settings = load_settings()
    check_queues(queue or [])
    check_settings([])

    from pipeline_platform.launch.worker import check_pseudonym_key, run_worker

    check_pseudonym_key(settings)
    if settings.executor != "celery":
        console.warn("PIPELINE_EXECUTOR is not celery: runs that are started with these settings need no worker")
    with platform_environment(settings) as ready:
        code = run_worker(
            ready,
            queue or [],
            concurrency,
            lambda one: console.note(f"worker {one.name}: {one.concurrency} steps at once   (Ctrl-C ends it)"),
        )
    raise typer.Exit(code)


def cluster(
    first: FirstDay = None,
    last: LastDay = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this source; may be given several times.")
    ] = None,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Steps at once of each worker.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End when the main job has ended, with its exit code.")] = False,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address the UI listens on.")] = "127.0.0.1",
    port: Port = 0,
    faults: Faults = None,
    seed: Seed = 1,
    scale: Scale = 1,
) -> None:
    """Run the platform as a cluster on this machine, and the main job on it, until Ctrl-C.

    PostgreSQL, Redis and an S3 server as processes of their own; code server, Dagster UI, daemon and a worker for each
    queue, which share nothing but these. It is for trying out and measuring: the S3 server keeps its data in memory.
    """
    from pipeline_platform.launch import console
    from pipeline_platform.launch.cluster import Cluster, cluster_servers, described
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.storage.servers import revive
    from pipeline_platform.storage.stores import Stores

    given = load_settings()
    days = asked_days(given, first, last)
    check_sources(source or [])
    check_settings(source or [])
    options = sandbox_options(given, faults=faults, seed=seed, scale=scale)
    home = given.home.absolute() / "cluster"
    job = [
        "--from",
        str(days[0]),
        "--to",
        str(days[1]),
        *(word for name in source or [] for word in ("--source", name)),
    ]
    mine = Cluster(
        home=home, host=host, port=port, api_port=0, tell=console.note, concurrency=concurrency, job=job, once=once
    )
    with mine, cluster_servers(home) as addresses:
        console.note("starting the servers" + (" and the sandbox" if given.mode == "demo" else ""))
        own = given.model_copy(
            update={
                "home": home, "postgres_url": SecretStr(addresses.postgres), "redis_url": SecretStr(addresses.redis)
            }
        )  # fmt: skip
        with platform_environment(own, options, more=addresses.variables(Stores(own).pseudonym_key)):
            code = mine.run(
                lambda *_: console.print_rows("Cluster", ("what", "where"), described(mine, addresses)),
                tend=lambda: revive(own.model_copy(update={"postgres_url": None, "redis_url": None})),
            )
    raise typer.Exit(code)
