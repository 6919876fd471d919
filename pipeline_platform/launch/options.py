"""Options of the command and what is checked about them before anything is started."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipeline_platform.launch.sandbox_process import SandboxOptions
from pipeline_platform.settings import Settings, source_settings

DEMO = "Demo mode"


def day(text: str) -> date:
    """A day as people write it in ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day; write it as 2026-11-22") from None


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Recordings = Annotated[
    Path | None,
    typer.Option(metavar="DIR", rich_help_panel=DEMO, help="Serve the recorded responses of this folder."),
]
Seed = Annotated[int, typer.Option(metavar="N", rich_help_panel=DEMO, help="Seed of the synthetic data.")]
Scale = Annotated[
    int, typer.Option(metavar="N", min=1, rich_help_panel=DEMO, help="How many times the usual amount of data.")
]
Faults = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        rich_help_panel=DEMO,
        help="What goes wrong, e.g. 'reddit:401', 'github:500x3', 'rss:truncate@0.1', '*:slow=1'; "
        "a status from 400 to 599, or timeout, truncate, malformed, empty, wrongtypes, error200, slow, endless, huge.",
    ),
]
FirstDay = Annotated[
    date | None, typer.Option("--from", parser=day, metavar="DAY", help="First UTC day, as 2026-11-22.")
]
LastDay = Annotated[
    date | None, typer.Option("--to", parser=day, metavar="DAY", help="Last UTC day; today by default.")
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")]


def asked_days(settings: Settings, first: date | None, last: date | None) -> tuple[date, date]:
    """First and last day of a run: the last three where none is given.

    Raises:
        typer.BadParameter: there is no such span of partitions.
    """
    today = datetime.now(UTC).date()
    until = last or today
    if until > today:
        raise typer.BadParameter(f"--to {until} lies in the future (today is {today} in UTC)")
    if settings.start_date > until:
        raise typer.BadParameter(
            f"--to {until} lies before the first partition, {settings.start_date}: set PIPELINE_START_DATE={until}"
        )
    # A platform that starts today has no two days before.
    since = first or max(until - timedelta(days=2), settings.start_date)
    if since > until:
        raise typer.BadParameter(f"--from {since} lies after --to {until}")
    if since < settings.start_date:
        raise typer.BadParameter(
            f"--from {since} lies before the first partition, {settings.start_date}: set PIPELINE_START_DATE={since}"
        )
    return since, until


def check_sources(names: list[str]) -> None:
    """Refuse names that no source has."""
    from pipeline_platform.sources.registry import SOURCES

    known = [source.name for source in SOURCES]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"no source is called {name!r}; known: {', '.join(known)}", param_hint="--source")


def check_queues(names: list[str]) -> None:
    """Refuse names that no queue has."""
    from pipeline_platform.operate.queues import QUEUES

    for name in names:
        if name not in QUEUES:
            raise typer.BadParameter(f"no queue is called {name!r}; known: {', '.join(QUEUES)}", param_hint="--queue")


def check_settings(asked: list[str]) -> None:
    """Find wrong settings of a source before anything is started; a source that is asked for must be switched on."""
    from pipeline_platform.sources.registry import SOURCES

    for source in SOURCES:
        if not source_settings(source).enabled and source.name in asked:
            raise typer.BadParameter(
                f"{source.name} is switched off by PIPELINE_{source.name.upper()}__ENABLED", param_hint="--source"
            )


def sandbox_options(
    settings: Settings, *, recordings: Path | None = None, faults: str | None = None, seed: int = 1, scale: int = 1
) -> SandboxOptions:
    """How to start the sandbox.

    Raises:
        typer.BadParameter: options that cannot be read, or that this run would ignore.
    """
    from pipeline_platform.sandbox.faults import FaultPlan, FaultSpecError
    from pipeline_platform.sources.registry import SOURCES

    options = SandboxOptions(recordings=recordings, faults=faults, seed=seed, scale=scale)
    if options != SandboxOptions() and settings.mode == "live":
        raise typer.BadParameter("--recordings, --faults, --seed and --scale are for demo mode; PIPELINE_MODE is live")
    if options != SandboxOptions() and settings.sandbox_url:
        raise typer.BadParameter(
            "give --recordings, --faults, --seed and --scale to the sandbox at PIPELINE_SANDBOX_URL, or unset that"
        )
    if recordings is not None and not (recordings / "INDEX.json").is_file():
        raise typer.BadParameter(
            f"{recordings} is not a folder of recordings: no INDEX.json", param_hint="--recordings"
        )
    try:
        FaultPlan.parse(faults or "").check_scopes([source.name for source in SOURCES])
    except FaultSpecError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from None
    return options
