"""The `pipeline-platform` command."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from pipeline_platform.launch.alerts import alerts
from pipeline_platform.launch.interrupts import Interrupts, noticed
from pipeline_platform.launch.letters import letters
from pipeline_platform.launch.machines import cluster, worker
from pipeline_platform.launch.options import (
    AsJson,
    Faults,
    FirstDay,
    LastDay,
    Port,
    Recordings,
    Scale,
    Seed,
    asked_days,
    check_settings,
    check_sources,
    day,
    sandbox_options,
)
from pipeline_platform.launch.serving import api, up
from pipeline_platform.settings import SettingsError, load_settings

app = typer.Typer(
    name="pipeline-platform",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="Collects social posts, news, markets, weather and code, and turns them into clean, checked tables.\n\n"
    "Start with [bold]pipeline-platform run[/]: it needs no key and no server, and works on built-in demo data. "
    "For real data set PIPELINE_MODE=live, another PIPELINE_HOME, and the credentials that "
    "[bold]pipeline-platform sources[/] names; every setting is in .env.example.",
)
app.add_typer(letters, name="dead-letters")
app.add_typer(alerts, name="alerts")

INTERRUPTED = 130


class Format(StrEnum):
    """File formats of `export`."""

    parquet = "parquet"
    csv = "csv"
    json = "json"


@app.command()
def run(
    context: typer.Context,
    first: FirstDay = None,
    last: LastDay = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this source; may be given several times.")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(metavar="ASSETS", help="Only these assets, in Dagster's selection syntax: 'group:raw'."),
    ] = None,
    recordings: Recordings = None,
    faults: Faults = None,
    seed: Seed = 1,
    scale: Scale = 1,
    as_json: AsJson = False,
) -> None:
    """Run the main job: fetch, clean, check, deduplicate, enrich, aggregate, export.

    Without --from and --to it runs over the last three days. Running it again adds what is new, and changes nothing
    else.

    Exit code 0 only if all of it succeeded, 1 with a list of what failed, 2 for wrong usage or settings, 130 when it
    was interrupted.
    """
    settings = load_settings()
    days = asked_days(settings, first, last)
    check_sources(source or [])
    check_settings(source or [])
    options = sandbox_options(settings, recordings=recordings, faults=faults, seed=seed, scale=scale)

    from pipeline_platform.launch import console
    from pipeline_platform.launch.doctor import unknown_variables
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.launch.main_job import MainJob, Request, UnknownSelectionError

    for finding in unknown_variables():
        console.warn(f"{finding.what}: {finding.finding}")
    with console.progress_lines() as lines:
        job = MainJob(lines.tell, _interrupts(context))
        try:
            job.selected(select)
        except UnknownSelectionError as error:
            raise typer.BadParameter(str(error), param_hint="--select") from None
        console.note("starting the servers" + (" and the sandbox" if settings.mode == "demo" else ""))
        with platform_environment(settings, options) as ready:
            report = job.run(Request(*days, sources=tuple(source or ()), select=select), ready)
    if as_json:
        console.print_json(console.report_as_json(report, settings.exports_path))
    else:
        console.print_report(report, settings.exports_path)
    if report.interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if report.succeeded else 1)


# Here, as help lists commands in the order in which they are made known.
app.command()(up)
app.command()(api)
app.command()(worker)
app.command()(cluster)


@app.command()
def sources(as_json: AsJson = False) -> None:
    """Every source: what it gives, whether its credentials are there, its budget, breaker and last success."""
    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.operate.overview import source_overview
    from pipeline_platform.storage.stores import Stores

    check_settings([])
    with platform_environment(load_settings(), with_sandbox=False) as ready:
        rows = source_overview(Stores(ready))
    if as_json:
        console.print_json(rows)
    else:
        console.print_sources(rows)


@app.command()
def models(as_json: AsJson = False) -> None:
    """Every model in use: version, kind, where it is from, licence, how good it is, hash of its content.

    Exit code 1 if one that is configured is not there.
    """
    from pipeline_platform.enrich.models import models_in_use
    from pipeline_platform.launch import console

    found = models_in_use(load_settings())
    if as_json:
        console.print_json([model.as_row() for model in found])
    else:
        console.print_models(found)
    missing = [model for model in found if not model.available]
    for model in missing:
        console.complain(f"{model.name} is not there. {model.remedy}")
    raise typer.Exit(1 if missing else 0)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check settings, credentials, disk, ports and servers, and say what to do."""
    from pipeline_platform.launch import console
    from pipeline_platform.launch.doctor import examine

    findings = examine(load_settings())
    if as_json:
        console.print_json([finding.__dict__ for finding in findings])
    else:
        console.print_rows("Doctor", ("", "what", "finding"), [[f.mark, f.what, f.finding] for f in findings])
        if all(finding.mark == "ok" for finding in findings):
            console.note("everything is in order: `pipeline-platform run`")
    raise typer.Exit(1 if any(finding.mark == "error" for finding in findings) else 0)


@app.command()
def sandbox(
    port: Port = 0,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    recordings: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Serve the recorded responses of this folder.")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="What goes wrong, e.g. 'reddit:429=7,github:500x3,*:slow=1@0.1'; see below."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the synthetic data.")] = 1,
    scale: Annotated[int, typer.Option(metavar="N", min=1, help="How many times the usual amount of data.")] = 1,
    until_stdin_closes: Annotated[bool, typer.Option(hidden=True)] = False,
    as_json: AsJson = False,
) -> None:
    """Run the stand-in upstreams alone: every API on one address, with synthetic data, recordings or faults.

    A fault is SCOPE:FAULT, then =VALUE, @PROBABILITY and xCOUNT where wanted; several are separated by commas.
    SCOPE is a source, a path of one (github/repos/harbourlabs/tidepool) or * for all. FAULT is a status from 400 to
    599, or timeout, truncate, malformed, empty, wrongtypes, error200, slow, endless, huge.

    To run the platform on it: PIPELINE_SANDBOX_URL=http://127.0.0.1:PORT pipeline-platform run
    """
    from pipeline_platform.launch import console
    from pipeline_platform.sandbox.faults import FaultPlan, FaultSpecError
    from pipeline_platform.sandbox.recordings import RecordingsError
    from pipeline_platform.sandbox.server import SandboxError, serve
    from pipeline_platform.sandbox.world import World

    def ready(url: str) -> None:
        if as_json:
            sys.stdout.write(f'{{"url": "{url}"}}\n')
            sys.stdout.flush()
            return
        console.out.print(f"sandbox: {url}   (Ctrl-C stops it)")
        console.note(f"what it holds: {url}/watch   planted truth: {url}/truth")

    try:
        serve(
            World(seed=seed, scale=scale),
            host=host,
            port=port,
            recordings=recordings,
            faults=FaultPlan.parse(faults) if faults else None,
            ready=ready,
            until_stdin_closes=until_stdin_closes,
        )
    except FaultSpecError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from None
    except RecordingsError as error:
        raise typer.BadParameter(str(error), param_hint="--recordings") from None
    except SandboxError as error:
        raise SettingsError(str(error)) from None


@app.command()
def export(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="Name of a published table (documents), or layer/name (raw/…).")
    ],
    fmt: Annotated[Format, typer.Option("--format", help="File format.")] = Format.parquet,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write; stdout by default, for csv and json.")
    ] = None,
    first: Annotated[
        date | None, typer.Option("--from", parser=day, metavar="DAY", help="First UTC day; all days by default.")
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=day, metavar="DAY", help="Last UTC day; all days by default.")
    ] = None,
) -> None:
    """Write a table to one file: Parquet, CSV, or JSON lines, without loss and in the order of its key.

    In CSV a list is JSON in its cell.
    """
    from pipeline_platform.launch.exporting import ExportError, find_table, write_table
    from pipeline_platform.storage.stores import open_lake

    settings = load_settings()
    try:
        found = find_table(table)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="TABLE") from None
    if output is None and fmt is Format.parquet:
        raise typer.BadParameter("Parquet is binary: name a file, or use --format csv or json", param_hint="--output")
    if first and last and first > last:
        raise typer.BadParameter(f"--from {first} lies after --to {last}")
    if not settings.lake_url and not Path(settings.lake_location).exists():
        raise SettingsError(
            f"there is no lake at {settings.lake_location}: run `pipeline-platform run` first, or mend PIPELINE_HOME"
        )
    rows = open_lake(settings).read_arrow(found, first, last)
    try:
        write_table(rows, found, fmt.value, output)
    except ExportError as error:
        raise typer.BadParameter(str(error), param_hint="--output") from None


@app.command()
def verify(
    table: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="Names of published tables; all by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every exported file, and hold it against the descriptor beside it.

    Exit code 0 if all are as described, 1 with a list of what is missing, changed or surplus, 2 for wrong usage.
    """
    from pipeline_platform.launch import console
    from pipeline_platform.launch.exporting import find_table, verify_exports

    try:
        chosen = [find_table(name) for name in table or []]
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="TABLE") from None
    looked_at, wrong = verify_exports(load_settings(), chosen)
    if as_json:
        console.print_json([asdict(one) for one in wrong])
    elif wrong:
        lines = [[one.table, one.problem, one.path, one.words] for one in wrong]
        console.print_rows("Exports", ("table", "problem", "file", "finding"), lines)
    else:
        console.note(f"the exports of {looked_at} tables are as described")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def quality(
    on: Annotated[
        date | None, typer.Option("--day", parser=day, metavar="DAY", help="UTC day; the newest one by default.")
    ] = None,
    as_json: AsJson = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write the quality report of a day anew, and say how good the day is.

    The report is a page that opens from disk without a network, and the same as JSON beside it.

    Exit code 0 unless the day is broken, 1 if it is, 2 for wrong usage or settings.
    """
    from pipeline_platform.launch import console
    from pipeline_platform.launch.environment import platform_environment
    from pipeline_platform.launch.quality import newest_day, rows_of_summary, write_day

    settings = load_settings()
    chosen = on or newest_day(settings)
    with platform_environment(settings, with_sandbox=False) as ready:
        facts, written = write_day(ready, chosen)
    if as_json:
        console.print_json(facts.as_json())
    else:
        console.print_rows(f"Data quality of {chosen}: {facts.in_words}", ("what", "number"), rows_of_summary(facts))
        for alarm in facts.alarms:
            console.warn(alarm)
        console.out.print(f"Report: {written.page}", soft_wrap=True)
    if open_page:
        typer.launch(written.page.as_uri())
    raise typer.Exit(1 if facts.verdict == "broken" else 0)


def _interrupts(context: typer.Context) -> Callable[[], bool]:
    interrupts = context.find_object(Interrupts)
    return lambda: interrupts is not None and interrupts.received


def _exit_code(interrupts: Interrupts) -> int:
    """Run the command; what a person can mend is told in one line."""
    from pipeline_platform.launch import console
    from pipeline_platform.operate import logs
    from pipeline_platform.storage.lake import LakeError

    try:
        # A wrong setting is told by the command that needs it; help needs none.
        with suppress(SettingsError):
            logs.configure(load_settings(), quiet=True)
        code = app(standalone_mode=False, obj=interrupts)
    except TyperException as error:
        return _complain_of_usage(error)
    except (SettingsError, LakeError) as error:
        console.complain(str(error))
        return 2
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        console.complain("interrupted; what was finished is kept, run the same command again to go on")
    return int(code or 0)


def _complain_of_usage(error: TyperException) -> int:
    from pipeline_platform.launch import console

    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message())
    else:
        console.complain(error.format_message().replace("\n", " "))
        if context is not None:
            console.note(f"see `{context.command_path} --help`")
    return int(getattr(error, "exit_code", 1))


def main() -> None:
    """Entry point."""
    with noticed() as interrupts:
        code = _exit_code(interrupts)
    sys.exit(code)


if __name__ == "__main__":
    main()
