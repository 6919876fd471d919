"""The commands that serve until Ctrl-C: `up` for everything on one machine, `api` for the API alone."""

from typing import Annotated

import typer

from pipeline_platform.launch.options import Faults, Port, Recordings, Scale, Seed, check_settings, sandbox_options
from pipeline_platform.settings import load_settings

API_PORT = 8001


def up(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address the UI listens on.")] = "127.0.0.1",
    port: Port = 0,
    api_port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=65535,
            help=f"Port of health page and metrics; by default {API_PORT}, or a free one where that is taken.",
        ),
    ] = None,
    recordings: Recordings = None,
    faults: Faults = None,
    seed: Seed = 1,
    scale: Scale = 1,
) -> None:
    """Open the Dagster UI with daemon, schedules and sensors, health page, metrics and API, until Ctrl-C.

    Whatever of it dies is started again; what runs is in $PIPELINE_HOME/logs.
    """
    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.launch.supervisor import Supervisor, free_port
    from pipeline_platform.storage.servers import revive

    settings = load_settings()
    check_settings([])
    options = sandbox_options(settings, recordings=recordings, faults=faults, seed=seed, scale=scale)
    chosen = free_port(host, API_PORT) if api_port is None else api_port
    with Supervisor(settings.home.absolute(), host, port, chosen, console.note) as supervisor:
        console.note("starting the servers" + (" and the sandbox" if settings.mode == "demo" else ""))
        with platform_environment(settings, options):
            code = supervisor.run(
                lambda ui, api: console.announce(f"Dagster UI: {ui}   health and API: {api}"),
                tend=lambda: revive(settings),
            )
    raise typer.Exit(code)


def api(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Port = API_PORT,
) -> None:
    """Serve health page, metrics and API, until Ctrl-C; `up` does it too.

    The page is at /, metrics for Prometheus are at /metrics, and /healthz is for probes. The API manages jobs at
    /api/v1, with the key of PIPELINE_API_KEY, or of $PIPELINE_HOME/api.key, in the header X-API-Key; /openapi.json
    describes it. It asks the Dagster at PIPELINE_DAGSTER_URL.
    """
    from pipeline_platform.launch import api as application
    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.operate import logs

    settings = load_settings()
    check_settings([])
    logs.configure(settings)
    with platform_environment(settings, with_sandbox=False) as ready:
        application.serve(ready, host, port, lambda url: console.announce(f"health: {url}"))
