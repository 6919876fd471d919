"""What commands print: progress, summary, listings. Data goes to stdout, everything else to stderr."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from pipeline_platform.operate import logs

if TYPE_CHECKING:
    from pipeline_platform.enrich.models import Model

    # Importing Dagster takes a second; commands that only list things do not wait for it.
    from pipeline_platform.launch.main_job import Progress, Report

log = logging.getLogger(__name__)

WIDTH = 160
"""In a file or a pipe nothing says how wide a line may be; 80 would fold every address."""


def _console(stream: TextIO, *, stderr: bool) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(stderr=stderr, soft_wrap=True, highlight=False, width=width)


out = _console(sys.stdout, stderr=False)
err = _console(sys.stderr, stderr=True)

LAYERS = ("raw", "cleaned", "quarantine", "deduplicated", "enriched", "aggregated", "quality")
STAGES = {
    "raw": "fetch",
    "cleaned": "clean",
    "quarantine": "join, enrich, aggregate, export",
    "deduplicated": "join, enrich, aggregate, export",
}
"""Heading of a part of the progress, by the layer that begins it."""
MARKS = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "[yellow]–[/]", "retried": "[yellow]↻[/]"}


def complain(message: str) -> None:
    """An error, on stderr."""
    _say(logging.ERROR, message, "[bold red]error:[/] {}")


def warn(message: str) -> None:
    """Something to look at that is no error, on stderr."""
    _say(logging.WARNING, message, "[yellow]warning:[/] {}")


def note(message: str) -> None:
    """A remark, on stderr."""
    _say(logging.INFO, message, "[dim]{}[/]")


def announce(message: str) -> None:
    """Where something is to be found, on stdout; a log line where those are for machines."""
    if in_json():
        log.info(message)
    else:
        out.print(f"{escape(message)}   (Ctrl-C stops it)", soft_wrap=True)


def in_json() -> bool:
    """Whether stderr is for machines."""
    return logs.format_in_use() == "json"


def _say(level: int, message: str, styled: str) -> None:
    if in_json():
        log.log(level, message)
    else:
        err.print(styled.format(escape(message)))


class ProgressLines:
    """A line per finished asset under a heading per stage; on a terminal also what is being made right now."""

    def __init__(self) -> None:
        self._stage = ""
        self._status = err.status("") if err.is_terminal else None

    def tell(self, progress: "Progress") -> None:
        """Print `progress`."""
        if in_json():
            return
        self._head(progress.step)
        if progress.event == "started":
            if self._status is not None:
                self._status.update(f"[dim]{progress.done:>3}/{progress.total}[/] {escape(progress.step)} …")
                self._status.start()
            return
        what = escape(progress.step)
        if progress.event == "retried":
            what += f"  [yellow]once more in a moment:[/] {escape(progress.problem or '')}"
        elif progress.problem:
            what += f"  [red]{escape(progress.problem)}[/]"
        elif progress.rows is not None:
            what += f"  {_counted(progress.rows, 'record' if progress.step.startswith('raw/') else 'row')}"
        elif progress.event == "skipped":
            what += "  skipped: its inputs failed"
        err.print(f"{MARKS[progress.event]} [dim]{progress.done:>3}/{progress.total}[/] {what}")

    def close(self) -> None:
        """Take the line of what is being made away."""
        if self._status is not None:
            self._status.stop()

    def _head(self, step: str) -> None:
        stage = STAGES.get(step.partition("/")[0], self._stage)
        if stage != self._stage:
            self._stage = stage
            err.print(f"[bold]{stage}[/]")


class _Notes(logging.Handler):
    """Shows warnings of the platform, such as an upstream that is being waited for."""

    def emit(self, record: logging.LogRecord) -> None:
        note(f"  {record.getMessage()}")


@contextmanager
def progress_lines() -> Iterator[ProgressLines]:
    """Progress during the body, with the warnings of the platform in between."""
    logger, handler, lines = logging.getLogger("pipeline_platform"), _Notes(logging.WARNING), ProgressLines()
    if in_json():
        # Every step tells of itself there; two formats in one stream are of use to nobody.
        yield lines
        return
    propagated = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield lines
    finally:
        lines.close()
        logger.removeHandler(handler)
        logger.propagate = propagated


def print_report(report: "Report", exports: Path) -> None:
    """The summary table and what failed; only the latter when the job did not get to its end."""
    if not report.interrupted and not report.lost:
        _print_summary(report)
        out.print(f"Parquet files: {exports}", soft_wrap=True)
    _print_problems(report)


def _print_summary(report: "Report") -> None:
    grid = Grid(title=f"{report.request.first} to {report.request.last}", title_justify="left")
    for column in ("layer", "tables", "rows", "changed tables"):
        grid.add_column(column, justify="left" if column == "layer" else "right")
    for layer in LAYERS:
        mine = {path: rows for path, rows in report.rows.items() if path.startswith(f"{layer}/")}
        changed = sum(report.changed.get(path, False) for path in mine)
        grid.add_row(layer, str(len(mine)), f"{sum(mine.values()):,}", str(changed))
    out.print(grid)
    if report.quarantined:
        rejected = Grid(title="Quarantined rows", title_justify="left")
        rejected.add_column("rule")
        rejected.add_column("rows", justify="right")
        for rule, rows in sorted(report.quarantined.items(), key=lambda item: (-item[1], item[0])):
            rejected.add_row(escape(rule), f"{rows:,}")
        out.print(rejected)
    out.print(
        f"checks: {report.checks_passed} passed, {len(report.failed_checks)} failed"
        + (f", {len(report.warnings)} warned" if report.warnings else "")
        + f"   quarantined rows: {sum(report.quarantined.values()):,}   seconds: {report.seconds:.1f}"
    )


def _print_problems(report: "Report") -> None:
    for run_id in report.abandoned:
        note(f"run {run_id[:8]} of a command that was killed is now marked as failed")
    for source, what in report.skipped_sources.items():
        complain(f"{source} was skipped: {what} (`pipeline-platform sources` says how to get it)")
    for step, words in report.failed_steps.items():
        complain(f"{step} failed: {words}")
    for path, words in report.failed_checks.items():
        complain(f"{path} {'failed' if ' ' in path else 'broke its contract'}: {words}")
    alerts = {f"new alert, {alert}": words for alert, words in report.alerts.items()}
    for what, words in {**report.warnings, **alerts}.items():
        warn(f"{what}: {words}")
    if report.blocked:
        complain(f"not made because of that: {', '.join(report.blocked)}")
    for letter in report.dead_letters:
        complain(f"dead letter {letter.id}: {letter.stream} {letter.target}: {letter.error_class}: {letter.message}")
    if report.dead_letters:
        note("fetch what is owed with `pipeline-platform dead-letters replay`, or run the same command again")
    if report.lost:
        complain(
            f"PostgreSQL stopped answering ({report.lost}); what was finished is kept, "
            "run the same command again to go on"
        )


def print_models(models: Sequence["Model"]) -> None:
    """Every model in use, with the first digits of the hash of its content."""
    rows = [(m.name, m.version, m.kind, m.origin, m.licence, m.metrics, m.content_hash[:12]) for m in models]
    print_rows("Models", ("name", "version", "kind", "origin", "licence", "metrics", "content hash"), rows)


def report_as_json(report: "Report", exports: Path) -> dict[str, Any]:
    """The report for machines."""
    return {
        "from": report.request.first,
        "to": report.request.last,
        "succeeded": report.succeeded,
        "interrupted": report.interrupted,
        "seconds": round(report.seconds, 2),
        "rows": report.rows,
        "changed": report.changed,
        "checks_passed": report.checks_passed,
        "failed_checks": report.failed_checks,
        "warnings": report.warnings,
        "alerts": report.alerts,
        "failed_steps": report.failed_steps,
        "blocked": report.blocked,
        "lost": report.lost,
        "skipped_sources": report.skipped_sources,
        "quarantined": report.quarantined,
        "dead_letters": [letter.id for letter in report.dead_letters],
        "run_ids": report.run_ids,
        "exports": str(exports),
    }


def print_json(value: Any) -> None:
    """`value` as JSON on stdout."""
    out.print_json(orjson.dumps(value, default=str).decode())


def print_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A listing."""
    grid = Grid(title=title, title_justify="left")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row))
    out.print(grid)


def print_sources(rows: Sequence[dict[str, Any]]) -> None:
    """The listing of sources, then what is too long for a cell: how to get credentials, and what went wrong last."""
    shown = (
        "source", "domain", "status", "budget", "breaker", "last success", "rows today", "newest event", "dead letters",
    )  # fmt: skip
    print_rows("Sources", shown, [[row[name] for name in shown] for row in rows])
    for row in rows:
        if row["credentials"] != "none needed":
            for line in row["credentials"].splitlines():
                out.print(f"{row['source']}: {escape(line)}")
        for line in row["skipped targets"]:
            note(f"{row['source']}: skipped {line}")
        if row["last error"]:
            complain(f"{row['source']}: {row['last error']}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    return escape(str(value))
